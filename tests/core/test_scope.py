"""Scopes: the text form, the cover relation, and the one rule as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core.decision import Facts, decide
from heedful.core.errors import InvalidScope
from heedful.core.event import Action, Consent
from heedful.core.policy import BASE_CONSENT, Rules
from heedful.core.scope import (
    Category,
    Channel,
    Message,
    Scope,
    TargetKind,
    aims,
    covers,
    target_covers,
    within,
)
from heedful.core.state import State, fold
from tests.core.worlds import ADDRESS, event, numbered

TOPICS = {
    "weekly_deals": Category.PROMOTIONAL,
    "other_offers": Category.PROMOTIONAL,
    "weekly_tips": Category.INFORMATIONAL,
    "order_updates": Category.TRANSACTIONAL,
}


@pytest.mark.parametrize(("said", "message", "expected"), [
    ("out sms/marketing",                             "sms weekly_deals",  "deny opted_out no_consent"),
    ("out email/marketing",                           "email weekly_deals", "deny opted_out"),
    ("out sms/marketing, in sms/marketing",           "sms weekly_deals",  "allow"),
    ("out sms/topic:weekly_deals, in sms/marketing",  "sms weekly_deals",  "deny opted_out"),   # wider never lifts narrower
    ("out */marketing, in sms/topic:weekly_deals",    "sms weekly_deals",  "allow"),            # narrower lifts, for itself only
    ("out */marketing, in sms/topic:weekly_deals",    "sms other_offers",  "deny opted_out no_consent"),
    ("out sms/marketing",                             "sms order_updates", "allow"),            # transactional
    ("out sms/everything",                            "sms order_updates", "deny opted_out"),
    ("out sms/category:transactional",                "sms order_updates", "deny opted_out"),
    ("out sms/topic:order_updates",                   "sms order_updates", "deny opted_out"),
    ("out sms/category:promotional",                  "sms order_updates", "allow"),
    ("out sms/everything, in sms/marketing",          "sms order_updates", "deny opted_out"),   # for marketing only
    ("out sms/everything, in sms/marketing",          "sms weekly_deals",  "allow"),
    ("out email/marketing",                           "sms order_updates", "allow"),            # another channel
    ("in sms/marketing",                              "email weekly_deals", "allow"),
    ("",                                              "sms weekly_deals",  "deny no_consent"),
    ("in email/marketing",                            "sms weekly_deals",  "deny no_consent"),
    ("out */category:informational",                  "email weekly_tips", "deny opted_out"),
    ("out */category:informational",                  "email weekly_deals", "allow"),
    ("out */use:profiling",                           "email weekly_deals", "allow"),
])  # fmt: skip
def test_the_one_rule(said, message, expected):
    events = []
    for at, words in enumerate(filter(None, said.split(", ")), 1):
        verb, scope = words.split(" ")
        opted_in = {"consent": Consent.EXPRESS, "lifts": True} if verb == "in" else {}
        action = Action.OPT_IN if verb == "in" else Action.OPT_OUT
        events.append(event(action, ADDRESS, at, Scope.parse(scope), **opted_in))
    channel, topic = message.split(" ")
    state = fold(numbered(events)).get(ADDRESS, State())
    asked = Message(Channel(channel), topic, TOPICS[topic])
    decision = decide(asked, Facts(state), Rules(BASE_CONSENT), 100)
    outcome, *codes = expected.split(" ")
    assert str(decision.outcome) == outcome
    assert [str(reason.code) for reason in decision.reasons] == codes


@pytest.mark.parametrize(("text", "channel", "kind", "name"), [
    ("sms/marketing", "sms", "marketing", ""),
    ("*/everything", "*", "everything", ""),
    ("email/topic:weekly_deals", "email", "topic", "weekly_deals"),
    ("sms/category:promotional", "sms", "category", "promotional"),
    ("*/segment:lapsed_shoppers", "*", "segment", "lapsed_shoppers"),
    ("*/use:sale_share", "*", "use", "sale_share"),
    (" push/marketing ", "push", "marketing", ""),
])  # fmt: skip
def test_a_scope_is_read_and_written_the_same(text, channel, kind, name):
    scope = Scope.parse(text)
    assert scope == Scope(Channel(channel), TargetKind(kind), name)
    assert Scope.parse(str(scope)) == scope


@pytest.mark.parametrize(("text", "says"), [
    ("marketing", "CHANNEL/TARGET"),
    ("", "CHANNEL/TARGET"),
    ("smss/marketing", "Did you mean 'sms'?"),
    ("sms/marketting", "Did you mean 'marketing'?"),
    ("sms/topic", "needs a name"),
    ("sms/topic:", "needs a name"),
    ("sms/marketing:", "takes no name"),
    ("sms/everything:x", "takes no name"),
    ("sms/category:promotion", "Did you mean 'promotional'?"),
    ("sms/use:sale_shares", "Did you mean 'sale_share'?"),
    ("SMS/marketing", "Did you mean 'sms'?"),
    ("sms/*", "no target"),
])  # fmt: skip
def test_what_is_no_scope_is_refused_with_the_near_miss(text, says):
    with pytest.raises(InvalidScope) as refused:
        Scope.parse(text)
    assert says in str(refused.value)
    assert "Nothing was recorded." in str(refused.value)


@given(st.text(max_size=60))
def test_parse_raises_nothing_but_invalid_scope(text):
    try:
        scope = Scope.parse(text)
    except InvalidScope:
        return
    assert Scope.parse(scope.text) == scope


SCOPES = [
    Scope.parse(f"{c}/{t}")
    for c in ("sms", "email", "*")
    for t in (
        "everything", "marketing", "segment:vip", "use:profiling", "use:sale_share",
        *(f"category:{c}" for c in Category), *(f"topic:{t}" for t in TOPICS),
    )
]  # fmt: skip
MESSAGES = [
    Message(Channel(c), t, category, ("vip",))
    for c in ("sms", "email")
    for t, category in TOPICS.items()
]


def test_within_is_an_order_that_agrees_with_covering():
    """Narrower covers less, wherever both are asked about one message."""
    for a in SCOPES:
        assert within(a, a)
        for b in SCOPES:
            if within(a, b) and within(b, a):
                assert a == b
            for m in MESSAGES:
                if covers(a, m) and covers(b, m):
                    more = {n for n in MESSAGES if covers(b, n)}
                    less = {n for n in MESSAGES if covers(a, n)}
                    assert not within(a, b) or less <= more


@pytest.mark.parametrize(("inner", "outer", "expected"), [
    ("sms/marketing", "*/marketing", True),
    ("*/marketing", "sms/marketing", False),
    ("sms/topic:weekly_deals", "sms/topic:weekly_tips", False),
    ("sms/category:promotional", "sms/category:informational", False),
    ("sms/category:promotional", "sms/marketing", True),
    ("sms/category:transactional", "sms/marketing", False),
    ("sms/category:transactional", "sms/everything", True),
    ("sms/segment:vip", "sms/everything", False),
    ("sms/segment:vip", "*/segment:vip", True),
    ("sms/segment:vip", "sms/segment:lapsed", False),
    ("*/use:profiling", "*/everything", False),
    ("*/use:profiling", "*/use:sale_share", False),
])  # fmt: skip
def test_same_or_narrower(inner, outer, expected):
    assert within(Scope.parse(inner), Scope.parse(outer)) is expected


def test_segments_and_uses_cover_no_message_and_a_segment_aims_at_marketing_only():
    for scope in SCOPES:
        if scope.kind in (TargetKind.SEGMENT, TargetKind.USE):
            assert not any(covers(scope, m) for m in MESSAGES)
            assert not any(target_covers(scope, t, c) for t, c in TOPICS.items())
        for m in MESSAGES:
            aimed = scope.kind is TargetKind.SEGMENT and scope.on(m.channel)
            assert aims(scope, m) == (aimed and m.category.is_marketing)
