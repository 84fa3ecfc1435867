"""The stored cells are the fold of the stored events, whatever was said and in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heedful.config import Keys
from heedful.core.address import Address, Contact
from heedful.core.errors import HeedfulError
from heedful.core.event import Action, Consent, Limit, Statement, Suppression
from heedful.core.instant import SECOND
from heedful.core.state import State, fold
from heedful.ledger import Cursor, Ledger
from tests.ledger.conftest import NOON, HeldClock
from tests.ledger.everything import ANN, CRM, PHONE, said

OUT, IN = Action.OPT_OUT, Action.OPT_IN

scopes = st.sampled_from(["sms/marketing", "*/marketing", "sms/topic:weekly_deals"])
addresses = st.sampled_from([ANN, PHONE])
subjects = st.sampled_from([ANN, PHONE, CRM])
times = st.none() | st.integers(-3, 3).map(lambda n: NOON + n)


def statement(kind: str, subject: Any, scope: str, at: int | None, seq: int) -> Statement:
    match kind:
        case "out":
            return said(subject, OUT, scope, occurred_at=at)
        case "click":
            return said(subject, OUT, scope, unless_standing=True)
        case "in":
            return said(subject, IN, scope, occurred_at=at, consent=Consent.EXPRESS, lifts=True)
        case "soft":
            return said(subject, IN, scope, occurred_at=at, consent=Consent.SOFT)
        case "limit":
            return said(subject, Action.LIMIT, scope, occurred_at=at, limit=Limit(until=NOON + seq))
        case "prefer":
            return said(
                subject,
                Action.PREFER,
                occurred_at=at,
                prefer=("language", "es" if seq % 2 else "en"),
            )
        case "legal" | "release":
            action = Action.SUPPRESS if kind == "legal" else Action.RELEASE
            return said(
                subject, action, "sms/everything", occurred_at=at, suppression=Suppression.LEGAL
            )
        case "link" | "unlink":
            address = subject if isinstance(subject, Address) else ANN
            return said(Contact(f"crm-{seq % 2}"), Action(kind), occurred_at=at, address=address)
        case _:
            return said(subject, Action.RETRACT, retracts=seq, reason="slip")


kinds = st.sampled_from(
    [
        "out",
        "click",
        "in",
        "soft",
        "limit",
        "prefer",
        "legal",
        "release",
        "link",
        "unlink",
        "retract",
    ]
)
sayings = st.builds(statement, kinds, subjects, scopes, times, st.integers(1, 9))
groups = st.lists(st.lists(sayings, min_size=1, max_size=3), max_size=8)


@pytest.fixture
def used_again(database_url: str, keys: Keys, clock: HeldClock) -> Iterator[Ledger]:
    with Ledger.open(database_url, keys, clock=clock, create=True) as ledger:
        yield ledger


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(groups, st.booleans())
def test_the_cells_are_the_fold_of_the_events(
    used_again: Ledger, said_groups: list[list[Statement]], together: bool
) -> None:
    """The ledger is not emptied in between: all that was said before belongs to it."""
    ledger = used_again
    if together:
        ledger.record_many(said_groups)
    else:
        for group in said_groups:
            try:
                ledger.record(group)
            except HeedfulError:
                continue
    events = everything_of(ledger)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    expected = fold(events)
    keys = [ledger.key_of(s) for s in (ANN, PHONE, CRM, Contact("crm-0"), Contact("crm-1"))]
    assert {k: s for k, s in ledger.states(keys).items() if s.cells} == {
        bytes.fromhex(key): state for key, state in expected.items() if state.cells
    }
    for key in keys:
        assert ledger.state(key) == expected.get(key.hex(), State())


def everything_of(ledger: Ledger) -> list[Any]:
    events, cursor = ledger.events(Cursor.START, 100_000)
    assert ledger.events(cursor, 1) == ([], cursor)
    return events


# --- as it was


def test_as_of_knows_what_was_known_then(ledger: Ledger, clock: HeldClock) -> None:
    key = ledger.key_of(ANN)
    ledger.record([said(ANN, OUT, "sms/marketing")])
    after_first = clock.at
    clock.pass_by(SECOND)
    ledger.record([said(ANN, OUT, "email/marketing", occurred_at=NOON - 99)])
    after_second = clock.at
    clock.pass_by(SECOND)
    ledger.record([said(ANN, Action.RETRACT, retracts=1, reason="slip")])
    now = clock.pass_by(SECOND)

    def known(at: int) -> set[str]:
        return {cell.scope for cell in ledger.states([key], as_of=at)[key]}

    assert known(NOON - 1) == set()
    assert known(after_first) == {"sms/marketing"}
    assert known(after_first + SECOND - 1) == {"sms/marketing"}, "not yet, though said before"
    assert known(after_second) == {"sms/marketing", "email/marketing"}
    assert known(now) == {"email/marketing"}
    assert ledger.states([key], as_of=now)[key] == ledger.state(key)


def test_as_of_knows_links_from_both_sides(ledger: Ledger, clock: HeldClock) -> None:
    ledger.record([said(CRM, Action.LINK, address=ANN)])
    then = clock.at
    clock.pass_by(SECOND)
    ledger.record([said(CRM, Action.UNLINK, address=ANN)])
    keys = [ledger.key_of(ANN), ledger.key_of(CRM)]
    before, after = ledger.states(keys, as_of=then), ledger.states(keys, as_of=clock.at)
    for key, other in (keys, reversed(keys)):
        assert before[key].linked()[0] == {other.hex()}
        assert after[key].linked() == (set(), {other.hex()})


def test_a_subject_without_cells_has_an_empty_state(ledger: Ledger) -> None:
    key = ledger.key_of(ANN)
    assert ledger.state(key) == State()
    assert ledger.states([key]) == {key: State()}
    assert ledger.states([key], as_of=NOON) == {key: State()}
    assert ledger.read([key, key]).rows == {}
    assert ledger.read([]).seq == 0
    assert ledger.history(key) == []


def test_the_head_comes_first_and_is_of_the_same_moment(ledger: Ledger) -> None:
    key = ledger.key_of(ANN)
    assert ledger.read_one(key) == [(None, None, 0, 0, None)]
    ledger.record([said(ANN, OUT, "sms/marketing"), said(ANN, OUT, "*/marketing")])
    head, *cells = ledger.read_one(key)
    assert head == (None, None, 0, 2, None)
    assert sorted(cells) == [
        ("out", "*/marketing", NOON, 2, None),
        ("out", "sms/marketing", NOON, 1, None),
    ]
