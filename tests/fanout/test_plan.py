"""What a vendor is told, held against the plain rule: the last word it got is what stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core.catalogue import Vendor
from heedful.core.decision import Facts
from heedful.core.event import Action, Consent, Event, Limit, Suppression
from heedful.core.scope import Channel, Scope
from heedful.core.state import State, fold
from heedful.fanout.lanes import Lanes, Pending
from heedful.fanout.plan import Standing, Touches, Word, data_of, overtaken, why_of
from heedful.fanout.terms import grew
from tests.core.worlds import ADDRESS, DIGEST, OTHER, SHAPE, C, D, catalogue, event
from tests.core.worlds import history_with_retractions as histories

NOW = 5
ADDRESSES = (ADDRESS, OTHER)


@cache
def touches(shape: int) -> Touches:
    """A vendor that sends everything by SMS and e-mail, in the given shape of successions."""
    vendor = Vendor("v", "webhook", (Channel.SMS, Channel.EMAIL), None, MappingProxyType({}))
    return Touches(replace(catalogue(shape), vendors=MappingProxyType({"v": vendor})), "v")


def facts_of(events: list[Event], key: str) -> Facts:
    states = fold(events)
    own = states.get(key, State())
    return Facts(own, tuple(states[k] for k in sorted(own.linked()[1])))


def standing(events: list[Event], key: str, shape: int) -> tuple[Standing, ...]:
    return touches(shape).standing(facts_of(events, key), NOW)


class OneByOne:
    """A vendor with a dispatcher around it, both as simple as can be: one thing after another."""

    def __init__(self, events: list[Event], shape: int) -> None:
        self.events, self.shape, self.touches = events, shape, touches(shape)
        self.recorded = self.read = 0
        self.lanes = Lanes()
        self.under_way: list[Pending] = []
        self.told: dict[tuple[str, str, str], Standing] = {}
        self.skipped = 0

    @property
    def visible(self) -> list[Event]:
        return self.events[: self.recorded]

    def record_one(self) -> None:
        self.recorded = min(self.recorded + 1, len(self.events))

    def read_one(self) -> None:
        if self.read < self.recorded:
            e = self.events[self.read]
            self.read += 1
            retracted = self.events[e.retracts - 1] if e.action is Action.RETRACT else None
            if mask := self.touches.reach(e, retracted):
                for key in self.whom(e):
                    self.lanes.add(Pending(key.encode(), why_of(e, retracted), "", mask))

    def whom(self, e: Event) -> list[str]:
        if e.action is Action.LINK:
            return [e.address_key or ""]
        if e.subject_key in (C, D):
            return sorted(fold(self.visible).get(e.subject_key, State()).linked()[1])
        return [e.subject_key]

    def take_one(self) -> None:
        self.under_way += self.lanes.take(0, 1)

    def answer_one(self, taken: bool) -> None:
        if not self.under_way:
            return
        item = self.under_way.pop(0)
        key = item.key.decode()
        facts = facts_of(self.visible, key)
        now = self.touches.say(item.mask, NOW, lambda: facts, None)
        if overtaken(item.why.action, now):
            self.skipped += 1
            self.lanes.done(item)
        elif taken:
            for s in now.standing:
                self.told[key, s.channel, s.topic] = s
            self.lanes.done(item)
        else:
            self.lanes.postpone(item, 9)

    def settle(self) -> None:
        while self.recorded < len(self.events):
            self.record_one()
        while self.read < self.recorded:
            self.read_one()
        for _ in range(100):
            self.lanes.hasten()
            self.take_one()
            self.answer_one(True)
        assert self.lanes.size == 0


@given(
    histories(),
    SHAPE,
    st.lists(st.sampled_from(["record", "record", "read", "take", "told", "failed"]), max_size=60),
)
def test_once_all_is_settled_the_last_word_is_what_stands(
    events: list[Event], shape: int, doings: list[str]
) -> None:
    events = [e for e in events if e.subject_key != DIGEST]
    numbers = {e.seq: n for n, e in enumerate(events, 1)}
    events = [
        replace(e, seq=numbers[e.seq], retracts=numbers.get(e.retracts or 0))
        for e in events
        if e.retracts is None or e.retracts in numbers
    ]
    vendor = OneByOne(events, shape)
    for doing in doings:
        match doing:
            case "record":
                vendor.record_one()
            case "read":
                vendor.read_one()
            case "take":
                vendor.take_one()
            case "told" | "failed":
                vendor.answer_one(doing == "told")
    vendor.settle()
    for key in ADDRESSES:
        for s in standing(events, key, shape):
            heard = vendor.told.get((key, s.channel, s.topic))
            if heard is None:
                assert s.word is Word.IN
            else:
                assert heard == s


@given(histories(), SHAPE)
def test_what_stood_before_is_known_by_its_cause(events: list[Event], shape: int) -> None:
    for key in ADDRESSES:
        facts = facts_of(events, key)
        cause = touches(shape).cause(facts, NOW, 10**6, touches(shape).all)
        stands = any(s.word is not Word.IN for s in touches(shape).standing(facts, NOW))
        assert (cause is not None) == stands
        if cause is not None:
            assert events[cause.seq - 1].occurred_at == cause.at
            assert touches(shape).cause(facts, NOW, cause.seq, touches(shape).all) == cause


DEALS, TIPS, NEWS, ORDERS = "deals", "tips", "news", "orders"


def _on(channel: str, *topics: str) -> set[str]:
    return {f"{channel}/{topic}" for topic in topics}


@pytest.mark.parametrize(
    ("said", "touched"),
    [
        ("opt_out sms/marketing", _on("sms", DEALS, TIPS, NEWS)),
        ("opt_out sms/everything", _on("sms", DEALS, TIPS, NEWS, ORDERS)),
        ("opt_out email/topic:deals", _on("email", DEALS)),
        ("opt_out */category:informational", _on("sms", TIPS) | _on("email", TIPS)),
        ("opt_out */segment:vip", set()),
        ("opt_out */use:sale_share", set()),
        ("opt_out push/marketing", set()),
        ("opt_in sms/topic:deals", _on("sms", DEALS)),
        ("reported sms/topic:deals", set()),
        ("opt_in_requested sms/topic:deals", set()),
        ("limit sms/marketing", _on("sms", DEALS, TIPS, NEWS)),
        ("suppress undeliverable email", _on("email", DEALS, TIPS, NEWS, ORDERS)),
        ("suppress complaint email", _on("email", DEALS, TIPS, NEWS)),
        ("release complaint email", _on("email", DEALS, TIPS, NEWS)),
        ("prefer", set()),
        ("unlink", set()),
    ],
)
def test_an_event_concerns_what_it_can_change(said: str, touched: set[str]) -> None:
    verb, *words = said.split()
    scope = Scope.parse(words[-1]) if words and "/" in words[-1] else None
    match verb:
        case "opt_in" | "reported":
            e = event(
                Action.OPT_IN, ADDRESS, 1, scope, consent=Consent.EXPRESS, lifts=verb == "opt_in"
            )
        case "limit":
            e = event(Action.LIMIT, ADDRESS, 1, scope, limit=Limit(until=9))
        case "suppress" | "release":
            scope = Scope.parse(f"{words[1]}/everything")
            e = event(Action(verb), ADDRESS, 1, scope, suppression=Suppression(words[0]))
        case _:
            e = event(Action(verb), ADDRESS, 1, scope)
    mask = touches(0).reach(e)
    assert {
        f"{m.channel}/{m.topic}" for bit, m in enumerate(touches(0).messages) if mask >> bit & 1
    } == touched


def test_a_successor_is_touched_by_what_its_predecessor_was_refused() -> None:
    e = event(Action.OPT_OUT, ADDRESS, 1, Scope.parse("sms/topic:tips"))  # shape 1: news ← tips
    mask = touches(1).reach(e)
    found = {m.topic for bit, m in enumerate(touches(1).messages) if mask >> bit & 1}
    assert found == {"tips", "news"}


def test_growth_is_seen_and_shrinking_is_no_growth() -> None:
    mine = touches(0).text
    assert grew(mine, "")
    assert grew(mine, "sms/deals")
    assert not grew(mine, mine)
    assert not grew(mine, mine + " push/deals")


def test_the_words_of_a_pause_carry_its_end() -> None:
    e = replace(
        event(Action.LIMIT, ADDRESS, 1, Scope.parse("sms/topic:deals"), limit=Limit(until=9)), seq=1
    )
    found = touches(0).say(touches(0).reach(e), NOW, lambda: facts_of([e], ADDRESS), None)
    data: Mapping[str, object] = data_of(why_of(e), "tel:+14155550100", found, None)
    assert data["standing"] == (
        {
            "channel": "sms",
            "topic": "deals",
            "is": "paused",
            "until": "1970-01-01T00:00:00.000009Z",
        },
    )
    assert "honour_by" not in data
