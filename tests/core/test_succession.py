"""What may replace the catalogue in force: a row for each thing that would undo a choice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import brand
from heedful.core.errors import BrandRefused
from heedful.core.event import Action
from heedful.core.policy import Cap
from heedful.core.scope import Category, Channel
from heedful.core.succession import Findings, Held, _keeps, check, compare
from tests.core.test_decision import opted_out
from tests.core.worlds import ASKS, HISTORY, RULES, SHAPES, TOPICS, answer, catalogue

BASE = """[brand]
name = "Northwind"
url = "https://n.example"
postal_address = "1 Quay"
support = "help@n.example"
region = "US"

[intake]
sms_stop = "sms/marketing"
one_click = "topic"

[consent.promotional]
email = "express"

[topics.deals]
category = "promotional"
channels = ["sms", "email"]
title = { en = "Deals" }
replaces = ["tips"]

[topics.tips]
category = "informational"
channels = ["sms", "email"]
title = { en = "Tips" }

[topics.orders]
category = "transactional"
channels = ["sms"]
title = { en = "Orders" }

[segments.lapsed]
title = { en = "Lapsed" }

[caps]
sms = "4 per 7 days"

[vendors.texter]
kind = "webhook"
channels = ["sms", "email"]

[vendors.mailer]
kind = "webhook"
channels = ["email"]

[[touchpoints]]
vendor = "texter"
channel = "sms"
topic = "deals"
"""
TIPS = BASE[BASE.index("[topics.tips]") : BASE.index("[topics.orders]")]
DEALS = BASE[BASE.index("[topics.deals]") : BASE.index("[topics.tips]")]
SEGMENT = BASE[BASE.index("[segments") : BASE.index("[caps]")]
MAILER = BASE[BASE.index("[vendors.mailer]") : BASE.index("[[touch")]
TEXTER = BASE[BASE.index("[vendors.texter]") : BASE.index("[vendors.mailer]")]
TOUCH = BASE[BASE.index("[[touch") :]
EVER = {
    "deals": Category.PROMOTIONAL,
    "tips": Category.INFORMATIONAL,
    "orders": Category.TRANSACTIONAL,
    "old_deals": Category.PROMOTIONAL,
}
OPT_OUTS = frozenset({"sms/topic:tips", "sms/topic:deals", "*/segment:lapsed", "*/marketing"})
HELD = Held(EVER, OPT_OUTS)
OLD = brand.parse(BASE)


def topic(name: str, category: str, channels: str = '["sms", "email"]', more: str = "") -> str:
    return f'[topics.{name}]\ncategory = "{category}"\nchannels = {channels}\ntitle = {{ en = "x" }}\n{more}\n'


def after(was: str, now: str, held: Held = HELD, untold=None) -> Findings:
    assert was in BASE
    return compare(OLD, brand.parse(BASE.replace(was, now, 1)), held, untold)


FINE = Findings()


@pytest.mark.parametrize(("was", "now"), [
    ("", ""),
    ('name = "Northwind"', 'name = "Northwind Outfitters"'),
    ('title = { en = "Tips" }', 'title = { en = "Hints" }'),
    ("[segments.lapsed]", topic("news", "promotional") + "[segments.lapsed]"),
    ("[segments.lapsed]", topic("more", "promotional", more='replaces = ["deals"]') + "[segments.lapsed]"),
    ("[segments.lapsed]", topic("more", "promotional", more='replaces = ["old_deals"]') + "[segments.lapsed]"),
    ('email = "express"', 'email = "express_written"'),
    ('email = "express"', 'email = "confirmed"'),
    ('email = "express"', 'email = "express"\nvoice = "express_written"'),
    ('sms = "4 per 7 days"', 'sms = "3 per 7 days"'),
    ('sms = "4 per 7 days"', 'sms = "1 per 2 days"'),
    ('sms = "4 per 7 days"', 'sms = "4 per 14 days"'),
    ('sms = "4 per 7 days"', '"*" = "4 per 7 days"'),
    ('sms = "4 per 7 days"', 'sms = "4 per 7 days"\nemail = "1 per 1 day"'),
    ('sms_stop = "sms/marketing"', 'sms_stop = "*/everything"'),
    ('one_click = "topic"', 'one_click = "channel"'),
    ('region = "US"', 'region = "US"\nconsent_reach = "topic"'),
    (TOUCH, TOUCH + TOUCH.replace("deals", "tips")),
    (MAILER, ""),
])  # fmt: skip
def test_what_may_follow(was, now):
    assert after(was, now) == FINE


@pytest.mark.parametrize(("was", "now", "says"), [
    ('category = "informational"', 'category = "promotional"', "informational for good"),
    ("[segments.lapsed]", topic("old_deals", "promotional") + "[segments.lapsed]", "never used again"),
    ("[segments.lapsed]", topic("old_deals", "informational") + "[segments.lapsed]", "for good"),
    ("[segments.lapsed]", topic("n", "promotional", more='replaces = ["old_deal"]') + "[segments.lapsed]", "Did you mean 'old_deals'?"),
    ("[segments.lapsed]", topic("n", "transactional", more='replaces = ["old_deals"]') + "[segments.lapsed]", "cannot replace 'old_deals'"),
])  # fmt: skip
def test_what_may_never_follow(was, now, says):
    found = after(was, now)
    assert len(found.never) == 1
    assert says in found.never[0]
    new = brand.parse(BASE.replace(was, now, 1))
    for accept in (False, True):
        with pytest.raises(BrandRefused) as refused:
            check(OLD, new, HELD, accept=accept)
        assert refused.value.never == found.never


@pytest.mark.parametrize(("was", "now", "says"), [
    (DEALS, topic("deals", "promotional"), "'deals' no longer replaces 'tips'"),
    (DEALS, "", "Topic 'deals' is gone"),
    (DEALS, topic("more", "promotional", more='replaces = ["deals"]'), "'more' no longer replaces 'tips'"),
    (DEALS, topic("deals", "promotional", '["email"]', 'replaces = ["tips"]'), "no longer sent by sms"),
    (SEGMENT, "", "Segment 'lapsed' is gone"),
    ('email = "express"', 'email = "implied"', "also takes implied, soft"),
    ('email = "express"', 'email = "none"', "asks for none"),
    ("[consent.promotional]\nemail", "[consent.promotional]\nsms = 'none'\nemail", "promotional messages by sms"),
    ('sms = "4 per 7 days"', "", "cap on sms"),
    ('sms = "4 per 7 days"', 'sms = "5 per 7 days"', "cap on sms"),
    ('sms = "4 per 7 days"', 'sms = "4 per 6 days"', "cap on sms"),
    ('sms = "4 per 7 days"', 'sms = "8 per 14 days"', "cap on sms"),
    ('sms = "4 per 7 days"', 'sms = "2 per 3 days"', "cap on sms"),
    ('sms = "4 per 7 days"', 'email = "4 per 7 days"', "cap on sms"),
    ('region = "US"', 'region = "FR"', "read in US"),
    (TOUCH, "", "had touchpoints and has none"),
])  # fmt: skip
def test_what_loosens(was, now, says):
    text = BASE.replace(was, now, 1)
    if (was is DEALS and "[topics.deals]" not in now) or ("sms" not in now and was is DEALS):
        text = text.replace(TOUCH, TOUCH.replace("deals", "orders"))
    if was is DEALS:  # which may be gone, or no longer sent by sms
        text = text.replace(TOUCH, TOUCH.replace("deals", "orders"))
    new = brand.parse(text)
    found = compare(OLD, new, HELD)
    assert found.never == ()
    assert any(says in sentence for sentence in found.loosens), found.loosens
    assert all(sentence.endswith(".") for sentence in found.loosens)
    with pytest.raises(BrandRefused) as refused:
        check(OLD, new, HELD)
    assert refused.value.loosens == found.loosens
    assert check(OLD, new, HELD, accept=True) == found


def test_a_topic_nobody_left_may_go():
    assert after(TIPS, "", Held(EVER)) == FINE


def test_a_topic_that_people_left_may_go_where_its_successor_stays():
    assert after(TIPS, "") == FINE


def test_a_dropped_topic_is_still_looked_after():
    """deals replaces tips, and tips has gone from the file: its opt-outs hold on to `replaces`."""
    old = brand.parse(BASE.replace(TIPS, "", 1)).numbered(2, {}, {"tips": Category.INFORMATIONAL})
    new = brand.parse(BASE.replace(TIPS, "", 1).replace('replaces = ["tips"]', ""))
    (sentence,) = compare(old, new, HELD).loosens
    assert "'deals' no longer replaces 'tips'" in sentence


@pytest.mark.parametrize(("was", "now", "untold", "says"), [
    (MAILER, "", {"mailer": 2}, "has not been told of 2 instructions"),
    (MAILER, "", {"mailer": 1}, "has not been told of 1 instruction:"),
    ('vendor = "texter"\nchannel = "sms"\ntopic = "deals"', 'vendor = "texter"\nchannel = "sms"\ntopic = "tips"', {"texter": 3}, "no longer sends sms deals"),
])  # fmt: skip
def test_a_vendor_goes_when_it_has_been_told(was, now, untold, says):
    assert after(was, now) == FINE
    (sentence,) = after(was, now, untold=untold).loosens
    assert says in sentence


def test_narrower_reach_of_what_is_said_from_now_on():
    wide = brand.parse(
        BASE.replace("sms/marketing", "sms/everything").replace('"topic"', '"channel"')
    )
    texts = compare(wide, OLD, HELD).loosens
    assert len(texts) == 2
    later = brand.parse(BASE.replace('region = "US"', 'region = "US"\nconsent_reach = "topic"'))
    (sentence,) = compare(later, OLD, HELD).loosens
    assert "consent_reach" in sentence


def test_the_first_catalogue_follows_nothing():
    assert compare(None, OLD, Held()) == FINE
    gone = brand.parse(BASE.replace('replaces = ["tips"]', 'replaces = ["from_before"]'))
    assert compare(None, gone, Held()) == FINE


def test_the_ledgers_own_holdings_will_do():
    check(OLD, OLD, HELD)


@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4),
    st.lists(st.integers(0, 12), max_size=12),
)  # fmt: skip
@settings(max_examples=500, deadline=None)
def test_a_cap_that_keeps_another_lets_nothing_more_through(n, per, m, span, wanted):
    """Whatever is sent under the new cap would have been allowed by the old one."""
    old, new = Cap(Channel.SMS, n, per), Cap(Channel.SMS, m, span)
    if not _keeps(new, old):
        return
    sent: list[int] = []
    for at in sorted(wanted):
        if len([s for s in sent if at - span < s <= at]) < m:
            assert len([s for s in sent if at - per < s <= at]) < n
            sent.append(at)


@given(
    events=HISTORY, ask=ASKS, rules=RULES,
    old=st.integers(0, len(SHAPES) - 1), new=st.integers(0, len(SHAPES) - 1),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_what_may_follow_without_a_word_lets_nothing_through(events, ask, rules, old, new):
    """No finding, and whoever is opted out of a topic under the old one is so under the new."""
    outs = frozenset(e.scope.text for e in events if e.action is Action.OPT_OUT and e.scope)
    if compare(catalogue(old), catalogue(new), Held(TOPICS, outs)) == FINE and opted_out(
        answer(events, ask, rules, old)
    ):
        assert opted_out(answer(events, ask, rules, new))
