"""The fold: commutative, associative, idempotent, and lossless for *now*."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core.event import Action, Consent, Suppression
from heedful.core.policy import BASE_CONSENT, Rules
from heedful.core.scope import Channel, Scope
from heedful.core.state import State, fold
from tests.core.model import Ask
from tests.core.test_decision import OUT, proof
from tests.core.worlds import (
    ADDRESS,
    DIGEST,
    HISTORY,
    C,
    D,
    answer,
    event,
    history_with_retractions,
    numbered,
    verdict,
)


def joined(one: dict[str, State], two: dict[str, State]) -> dict[str, State]:
    return {k: one.get(k, State()) | two.get(k, State()) for k in {*one, *two}}


@given(events=history_with_retractions(), seed=st.integers(0, 2**32))
@proof
def test_any_order_and_any_repetition_give_the_same_state(events, seed):
    shuffled = random.Random(seed)
    twice = events + shuffled.choices(events, k=4) if events else []
    shuffled.shuffle(twice)
    assert fold(twice) == fold(events)


@given(events=HISTORY, cut=st.integers(0, 8), other=st.integers(0, 8))
@proof
def test_the_fold_of_a_whole_is_the_join_of_the_folds_of_its_parts(events, cut, other):
    """Also of parts that overlap. (A retract belongs to the part that holds what it names.)"""
    assert joined(fold(events[:cut]), fold(events[cut:])) == fold(events)
    assert joined(fold(events[: max(cut, other)]), fold(events[min(cut, other) :])) == fold(events)


@given(a=HISTORY, b=HISTORY, c=HISTORY)
@proof
def test_join_is_a_semilattice(a, b, c):
    shift = [replace(e, seq=e.seq + 10) for e in b], [replace(e, seq=e.seq + 20) for e in c]
    one, two, three = fold(a), fold(shift[0]), fold(shift[1])
    assert joined(one, one) == one
    assert joined(one, two) == joined(two, one)
    assert joined(joined(one, two), three) == joined(one, joined(two, three))


@given(events=history_with_retractions())
@proof
def test_the_retracted_are_as_if_they_had_never_been(events):
    gone = {e.retracts for e in events if e.action is Action.RETRACT}
    kept = [e for e in events if e.seq not in gone and e.action is not Action.RETRACT]
    assert fold(events) == fold(kept)


def out(scope: str, who: str = ADDRESS):
    return lambda at: event(Action.OPT_OUT, who, at, Scope.parse(scope))


def back(scope: str, who: str = ADDRESS, consent: Consent = Consent.EXPRESS, lifts: bool = True):
    parsed = Scope.parse(scope)
    return lambda at: event(Action.OPT_IN, who, at, parsed, consent=consent, lifts=lifts)


def fact(action: Action, kind: Suppression, who: str = ADDRESS):
    scope = Scope.parse("*/everything")
    return lambda at: event(action, who, at, scope, suppression=kind)


def link(action: Action, who: str = C):
    return lambda at: event(action, who, at, address_key=ADDRESS)


ALPHABETS = {
    "wishes": (
        "deals",
        [
            out("sms/marketing"),
            out("sms/topic:deals"),
            out("*/marketing", C),
            back("sms/marketing"),
            back("sms/topic:deals"),
            back("*/marketing", lifts=False),
            back("sms/marketing", consent=Consent.RESTORED),
            back("*/marketing", C),
            link(Action.LINK),
        ],
    ),
    "succession": (
        "news",
        [
            out("sms/topic:tips"),
            out("sms/topic:deals"),
            out("*/category:informational"),
            out("sms/category:informational"),
            back("sms/topic:news"),
            back("*/topic:news"),
            back("sms/topic:deals"),
            back("sms/topic:tips"),
            back("sms/category:promotional", lifts=False),
        ],
    ),
    "whose it is": (
        "deals",
        [
            back("sms/marketing"),
            out("sms/marketing"),
            fact(Action.SUPPRESS, Suppression.REASSIGNED),
            fact(Action.SUPPRESS, Suppression.REASSIGNED, DIGEST),
            fact(Action.RELEASE, Suppression.REASSIGNED, DIGEST),
            fact(Action.RELEASE, Suppression.REASSIGNED),
            lambda at: event(Action.ERASE, ADDRESS, at),
            out("*/marketing", DIGEST),
        ],
    ),
    "people": (
        "deals",
        [
            link(Action.LINK),
            link(Action.UNLINK),
            link(Action.LINK, D),
            link(Action.UNLINK, D),
            out("sms/marketing", C),
            out("sms/marketing", D),
            back("sms/marketing"),
        ],
    ),
}


@pytest.mark.parametrize("name", ALPHABETS)
def test_every_short_history_by_enumeration(name):
    """All histories of up to three sayings of an alphabet at two instants: some 23,000 in all."""
    topic, alphabet = ALPHABETS[name]
    rules, shape = Rules(BASE_CONSENT), 4
    said = [(make, at) for make in alphabet for at in (1, 2)]
    ask = Ask(ADDRESS, Channel.SMS, topic, 5, digests=(DIGEST,), contact=D)
    for length in (1, 2, 3):
        for words in product(said, repeat=length):
            events = numbered(make(at) for make, at in words)
            decision, model = (f(events, ask, rules, shape) for f in (answer, verdict))
            assert {str(r.code) for r in decision.reasons} == set(model.codes), events
            assert str(decision.outcome) == model.outcome
            named = {s for r in decision.reasons if r.code in OUT for s in r.because}
            assert named == set(model.standing)


def test_every_order_of_every_short_history():
    alphabet = [make for _, words in ALPHABETS.values() for make in words]
    said = numbered(make(at) for make in alphabet for at in (1, 2))
    for trio in product(said[::2], said[1::3], said[::5]):
        states = [fold(order) for order in permutations(trio)]
        assert all(state == states[0] for state in states)


@pytest.mark.parametrize(("said", "now"), [
    ([(Action.LINK, 1)], True),
    ([(Action.LINK, 1), (Action.UNLINK, 2)], False),
    ([(Action.LINK, 2), (Action.UNLINK, 1)], True),
    ([(Action.LINK, 1), (Action.UNLINK, 2), (Action.LINK, 3)], True),
    ([(Action.LINK, 1), (Action.UNLINK, 1)], False),  # at one instant the later recorded counts
    ([(Action.UNLINK, 1), (Action.LINK, 1)], True),
    ([(Action.UNLINK, 1)], None),
])  # fmt: skip
def test_who_is_linked_now_and_ever(said, now):
    events = numbered(event(action, C, at, address_key=ADDRESS) for action, at in said)
    states = fold(events)
    both = frozenset() if now is None else frozenset({C})
    assert states[ADDRESS].linked() == (both if now else frozenset(), both)
    assert states[C].linked()[1] == (frozenset() if now is None else {ADDRESS})


def test_a_cell_is_the_latest_whatever_the_order_of_recording():
    early, late = numbered([out("sms/marketing")(3), out("sms/marketing")(2)])
    cell = fold([late, early])[ADDRESS].get("out", "sms/marketing")
    assert cell is not None
    assert (cell.at, cell.seq) == (3, early.seq)
