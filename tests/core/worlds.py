"""Small worlds for the proofs: few instants, so that ties are common, and every kind of event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from hypothesis import strategies as st

from heedful.core import brand
from heedful.core.catalogue import Catalogue
from heedful.core.decision import Decision, Facts, Send, decide
from heedful.core.event import PERSONAL_ACTS, Action, Basis, Consent, Event, Limit, Suppression
from heedful.core.policy import ACCEPTS, Cap, ConsentReach, Rules
from heedful.core.scope import Category, Channel, Scope, TargetKind
from heedful.core.state import State, fold
from tests.core.model import Ask, Model, Sent, World

ADDRESS, OTHER, C, D, DIGEST = "a", "b", "c", "d", "m"
TOPICS = {
    "deals": Category.PROMOTIONAL,
    "tips": Category.INFORMATIONAL,
    "news": Category.PROMOTIONAL,
    "orders": Category.TRANSACTIONAL,
}
SHAPES: tuple[dict[str, tuple[str, ...]], ...] = (
    {},
    {"news": ("tips",)},
    {"news": ("deals",), "deals": ("tips",)},
    {"news": ("deals", "tips")},
    {"news": ("deals", "tips"), "deals": ("tips",)},
    {"deals": ("tips",), "tips": ("orders",)},
)


@cache
def catalogue(shape: int) -> Catalogue:
    topics = "\n".join(
        f'[topics.{name}]\ncategory = "{category}"\nchannels = ["sms", "email"]\n'
        f'title = {{ en = "{name}" }}\nreplaces = {list(SHAPES[shape].get(name, ()))}'
        for name, category in TOPICS.items()
    )
    segments = "\n".join(f'[segments.{s}]\ntitle = {{ en = "{s}" }}' for s in ("vip", "lapsed"))
    return brand.parse(
        '[brand]\nname = "N"\nurl = "https://n.example"\npostal_address = "1 Quay"\n'
        f'support = "help@n.example"\nregion = "US"\n{topics}\n{segments}'
    )


# --- events -----------------------------------------------------------------------------------

CHANNEL = st.sampled_from([Channel.SMS, Channel.EMAIL, Channel.ANY])
SCOPES = st.builds(
    lambda channel, target: Scope.parse(f"{channel}/{target}"),
    CHANNEL,
    st.sampled_from(
        ["everything", "marketing", "marketing"]
        + [f"category:{c}" for c in Category]
        + [f"topic:{t}" for t in TOPICS]
        + ["segment:vip", "use:sale_share"]
    ),
)
INSTANT = st.integers(1, 4)
WHO = st.sampled_from([ADDRESS, ADDRESS, ADDRESS, C, D, DIGEST, OTHER])
PERSON = st.sampled_from([ADDRESS, ADDRESS, ADDRESS, C, D, OTHER])


def event(action: Action, who: str, at: int, scope: Scope | None = None, **more: object) -> Event:
    return Event(0, 100, at, who, None, action, "test", scope, **more)  # type: ignore[arg-type]


def _opt_in(who: str, at: int, scope: Scope, consent: Consent, basis: Basis, own: bool) -> Event:
    restored = consent is Consent.RESTORED
    return event(
        Action.OPT_IN,
        who,
        at,
        scope,
        consent=consent,
        basis=Basis.NONE if restored else basis,
        lifts=restored or (own and consent in PERSONAL_ACTS),
    )


def _suppression(action: Action, who: str, at: int, channel: Channel, kind: Suppression, sender):
    if who in (C, D):
        kind = Suppression.LEGAL
    if kind is not Suppression.CARRIER_BLOCK:
        sender = None
    elif action is Action.SUPPRESS:
        sender = sender or "+1"
    scope = Scope(channel, TargetKind.EVERYTHING)
    return event(action, who, at, scope, suppression=kind, sender=sender)


LIMITS = st.one_of(
    st.builds(lambda until: Limit(until=until), st.integers(1, 9)),
    st.builds(lambda n, per: Limit(at_most=n, per=per), st.integers(1, 2), st.integers(1, 4)),
)
OPT_OUT = st.builds(event, st.just(Action.OPT_OUT), WHO, INSTANT, SCOPES)
OPT_IN = st.builds(
    _opt_in,
    PERSON,
    INSTANT,
    SCOPES,
    st.sampled_from(Consent),
    st.sampled_from([Basis.NONE, Basis.NONE, Basis.PURCHASE]),
    st.booleans(),
)
REQUEST = st.builds(event, st.just(Action.OPT_IN_REQUESTED), PERSON, INSTANT, SCOPES)
FACT = st.builds(
    _suppression,
    st.sampled_from([Action.SUPPRESS, Action.SUPPRESS, Action.RELEASE]),
    WHO,
    INSTANT,
    CHANNEL,
    st.sampled_from(Suppression),
    st.sampled_from([None, "+1", "+2"]),
)
LIMIT = st.builds(lambda w, a, s, v: event(Action.LIMIT, w, a, s, limit=v), WHO, INSTANT, SCOPES, LIMITS)  # fmt: skip
LINK = st.builds(
    lambda action, who, at: event(action, who, at, address_key=ADDRESS),
    st.sampled_from([Action.LINK, Action.LINK, Action.UNLINK]),
    st.sampled_from([C, D]),
    INSTANT,
)
ERASE = st.builds(event, st.just(Action.ERASE), WHO, INSTANT)
RETRACT = st.builds(
    lambda who, at, seq: event(Action.RETRACT, who, at, retracts=seq, reason="a machine's click"),
    WHO,
    INSTANT,
    st.integers(1, 8),
)
ANY_EVENT = st.one_of(
    OPT_OUT, OPT_OUT, OPT_OUT, OPT_IN, OPT_IN, OPT_IN, REQUEST, FACT, LIMIT, LINK, LINK, ERASE
)


def numbered(events: Iterable[Event]) -> list[Event]:
    return [replace(e, seq=n) for n, e in enumerate(events, 1)]


# Histories about one matter: what they turn on is too rare where everything happens at once.
NEAR = st.builds(
    lambda channel, target: Scope.parse(f"{channel}/{target}"),
    st.sampled_from(["sms", "sms", "*"]),
    st.sampled_from(
        [
            "marketing",
            "category:promotional",
            "category:informational",
            "topic:news",
            "topic:deals",
            "topic:tips",
            "segment:vip",
        ]
    ),
)
SOON = st.integers(1, 3)


def _near(who: st.SearchStrategy[str]) -> st.SearchStrategy[Event]:
    kinds = st.sampled_from([Consent.EXPRESS, Consent.EXPRESS_WRITTEN, Consent.RESTORED])
    back = st.builds(_opt_in, who, SOON, NEAR, kinds, st.just(Basis.NONE), st.sampled_from([True, True, False]))  # fmt: skip
    return st.one_of(st.builds(event, st.just(Action.OPT_OUT), who, SOON, NEAR), back)


CHOICES = _near(st.just(ADDRESS))
PEOPLE = st.one_of(LINK, _near(st.sampled_from([ADDRESS, C])), _near(st.sampled_from([ADDRESS, C])))
FACTS = st.one_of(
    LINK,
    st.builds(
        _suppression,
        st.sampled_from([Action.SUPPRESS, Action.RELEASE]),
        st.sampled_from([ADDRESS, ADDRESS, C, DIGEST]),
        SOON,
        st.sampled_from([Channel.SMS, Channel.ANY]),
        st.sampled_from([Suppression.CARRIER_BLOCK, Suppression.LEGAL, Suppression.UNCLEAR]),
        st.sampled_from([None, "+1", "+2"]),
    ),
)
PAUSES = st.builds(lambda w, a, s, v: event(Action.LIMIT, w, a, s, limit=v), st.just(ADDRESS), SOON, NEAR, LIMITS)  # fmt: skip


def _linked(events: list[Event]) -> list[Event]:
    return [event(Action.LINK, C, 2, address_key=ADDRESS), *events]


HISTORY = st.one_of(
    st.lists(ANY_EVENT, max_size=8),
    st.lists(CHOICES, min_size=2, max_size=5),
    st.lists(PEOPLE, min_size=2, max_size=6).map(_linked),
    st.lists(FACTS, min_size=2, max_size=6).map(_linked),
    st.lists(PAUSES, min_size=1, max_size=3),
).map(numbered)
"""What may have happened, told in the order of recording; said at other times."""


@st.composite
def history_with_retractions(draw: st.DrawFn) -> list[Event]:
    """A history in which some events are named by a later retract, as the ledger allows it."""
    events = draw(HISTORY)
    named = draw(st.lists(st.sampled_from(events), max_size=2, unique_by=lambda e: e.seq)) if events else []  # fmt: skip
    fine = [e for e in named if e.action not in (Action.LINK, Action.UNLINK, Action.ERASE)]
    retracts = [
        event(Action.RETRACT, e.subject_key, 9, retracts=e.seq, reason="typing error") for e in fine
    ]
    return numbered([*events, *retracts])


# --- questions --------------------------------------------------------------------------------

RULES = st.builds(
    lambda sms, email, reach, since, expiry, caps: Rules(
        consent=MappingProxyType(
            {
                (category, channel): ACCEPTS[word] if category.is_marketing else frozenset()
                for category in Category
                for channel, word in ((Channel.SMS, sms), (Channel.EMAIL, email))
            }
        ),
        consent_reach=reach,
        topic_since=since,
        expiry=expiry,
        caps=caps,
    ),
    st.sampled_from(["express", "express", "express_written", "implied"]),
    st.sampled_from(["none", "none", "confirmed"]),
    st.sampled_from(ConsentReach),
    st.sampled_from([{}, {"news": 2, "deals": 3}]),
    st.sampled_from([{}, {(Consent.IMPLIED, Basis.PURCHASE): 2, (Consent.EXPRESS, Basis.NONE): 3}]),
    st.sampled_from([(), (), (Cap(Channel.SMS, 1, 2),), (Cap(Channel.ANY, 2, 3),)]),
)
ASKS = st.builds(
    Ask,
    address=st.just(ADDRESS),
    channel=st.sampled_from([Channel.SMS, Channel.SMS, Channel.SMS, Channel.EMAIL]),
    topic=st.sampled_from([*TOPICS, "news", "news", "news"]),
    now=st.sampled_from([5, 6]),
    segments=st.sampled_from([(), (), ("vip",), ("vip", "lapsed")]),
    contact=st.sampled_from([None, None, C, D, "x"]),
    digests=st.sampled_from([(), (DIGEST,), (DIGEST,)]),
    senders=st.sampled_from([(), ("+1",), ("+2",)]),
    sends=st.sampled_from([(), (), ((Channel.SMS, "news", 5), (Channel.SMS, "deals", 4)), ((Channel.SMS, "tips", 4), (Channel.EMAIL, "news", 5))]).map(
        lambda sends: tuple(Sent(*send) for send in sends)
    ),
)  # fmt: skip
SHAPE = st.sampled_from(range(len(SHAPES)))


def world_of(shape: int, rules: Rules) -> World:
    return World(
        {name: (category, SHAPES[shape].get(name, ())) for name, category in TOPICS.items()},
        rules.consent,
        rules.consent_reach,
        rules.topic_since,
        {(k, str(b)): s for (k, b), s in rules.expiry.items()},
        rules.caps,
    )


def gathered(states: dict[str, State], ask: Ask) -> Facts:
    """What the gate gathers: the address, its digests, and the contacts that are consulted."""
    own = states.get(ask.address, State())
    now, ever = own.linked()
    consulted = ever - (now - {ask.contact}) if ask.contact in now else ever
    return Facts(
        own,
        tuple(states[key] for key in sorted(consulted)),
        tuple(states[key] for key in ask.digests if key in states),
        tuple(Send(s.channel, s.topic, TOPICS[s.topic], s.at) for s in ask.sends),
    )


def answer(events: Iterable[Event], ask: Ask, rules: Rules, shape: int) -> Decision:
    """What decide() says over the fold."""
    message = catalogue(shape).message(ask.channel, ask.topic, ask.segments)
    message = replace(message, senders=ask.senders)
    return decide(message, gathered(fold(events), ask), rules, ask.now)


def verdict(events: Iterable[Event], ask: Ask, rules: Rules, shape: int):
    """What the slow model says over the list."""
    return Model(world_of(shape, rules), events, ask).verdict()
