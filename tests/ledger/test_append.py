"""What an append promises: numbers without gaps, times that never go back, repeats, retractions."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from heedful.config import Keys
from heedful.core.address import Address, Contact, Digest
from heedful.core.errors import InvalidEvent, RequestIdConflict, UnknownEvent
from heedful.core.event import Action, Basis, Consent, Limit, Statement, Suppression
from heedful.core.instant import SECOND
from heedful.ledger import Cursor, Ledger, Receipt
from tests.ledger.conftest import NOON, HeldClock
from tests.ledger.everything import ANN, BEN, CRM, PHONE, said

OUT, IN, LINK, UNLINK = Action.OPT_OUT, Action.OPT_IN, Action.LINK, Action.UNLINK


def lifting(subject: Any, scope: str, **more: Any) -> Statement:
    return said(subject, IN, scope, consent=Consent.EXPRESS, lifts=True, **more)


def seqs(ledger: Ledger) -> list[int]:
    return [event.seq for event in ledger.events(Cursor.START, 1000)[0]]


def out_cell(ledger: Ledger, subject: Any, scope: str) -> int | None:
    cell = ledger.state(ledger.key_of(subject)).get("out", scope)
    return cell.seq if cell else None


# --- numbers and times


def test_the_receipt_names_the_event(ledger: Ledger) -> None:
    (first,) = ledger.record([said(ANN, OUT, "sms/marketing")])
    assert first == Receipt(1, NOON, NOON)
    second, third = ledger.record(
        [said(BEN, OUT, "email/marketing"), said(ANN, OUT, "*/marketing")]
    )
    assert (second.seq, third.seq) == (2, 3)
    assert ledger.head().seq == 3


def test_an_event_comes_back_as_it_was_said(ledger: Ledger) -> None:
    statements = [
        said(ANN, OUT, "sms/topic:weekly_deals", reason="too_many", evidence={"text": "STOP ✋"},
             request_id="SM1"),
        said(ANN, IN, "sms/marketing", consent=Consent.IMPLIED, basis=Basis.PURCHASE,
             occurred_at=NOON - 5, request_id="1"),
        said(ANN, Action.SUPPRESS, "sms/everything", suppression=Suppression.CARRIER_BLOCK,
             sender="+18335550100"),
        said(CRM, Action.LIMIT, "*/marketing", limit=Limit(at_most=2, per=7)),
        said(CRM, Action.PREFER, prefer=("language", "es")),
        said(CRM, LINK, address=ANN),
    ]  # fmt: skip
    receipts = ledger.record(statements)
    for statement, receipt in zip(statements, receipts, strict=True):
        event = ledger.event(receipt.seq)
        for name in ("subject", "action", "source", "scope", "reason", "request_id", "consent",
                     "basis", "lifts", "suppression", "sender", "limit", "prefer", "address"):  # fmt: skip
            assert getattr(event, name) == getattr(statement, name), name
        assert dict(event.evidence or {}) == dict(statement.evidence)
        assert event.subject_key == ledger.key_of(statement.subject).hex()
        assert event.occurred_at == (statement.occurred_at or NOON)


def test_a_microsecond_is_a_difference(ledger: Ledger) -> None:
    said_at = NOON - 1_000_001
    ledger.record([said(ANN, OUT, "sms/marketing", occurred_at=said_at)])
    ledger.record([said(ANN, OUT, "sms/marketing", occurred_at=said_at + 1)])
    cell = ledger.state(ledger.key_of(ANN)).get("out", "sms/marketing")
    assert cell is not None
    assert cell.at == said_at + 1


def test_recorded_at_never_goes_back(ledger: Ledger, clock: HeldClock) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing")])
    clock.pass_by(-60 * SECOND)
    (late,) = ledger.record([said(BEN, OUT, "email/marketing")])
    assert late.recorded_at == late.occurred_at == NOON


def test_a_time_from_the_future_is_clamped_and_stored_clamped(ledger: Ledger) -> None:
    (receipt,) = ledger.record([said(ANN, OUT, "sms/marketing", occurred_at=NOON + 99 * SECOND)])
    assert receipt.occurred_at == NOON
    assert ledger.event(1).occurred_at == NOON
    cell = ledger.state(ledger.key_of(ANN)).get("out", "sms/marketing")
    assert cell is not None
    assert cell.at == NOON


def test_a_time_that_no_engine_holds_is_refused(ledger: Ledger) -> None:
    for far in (2**63, -(2**63), 2**200):
        with pytest.raises(InvalidEvent):
            ledger.record([said(ANN, OUT, "sms/marketing", occurred_at=far)])
    assert ledger.head().seq == 0


def test_the_chain_covers_every_event(ledger: Ledger) -> None:
    for n in range(5):
        ledger.record([said(ANN, OUT, "sms/marketing", reason=f"r{n}")])
    before = b"\0" * 32
    for seq in range(1, 6):
        ((_, _, _, digest, body, *_),) = ledger.database.ask("event", seq=seq)
        before = hashlib.sha256(before + body).digest()
        assert digest == before
    assert ledger.head().hash == before.hex()


def test_nothing_personal_is_in_what_is_hashed(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing", evidence={"text": "leave me alone"})])
    ((*_, body, _, _, _),) = ledger.database.ask("event", seq=1)
    assert b"4155550100" not in body
    assert b"leave" not in body


def test_a_restarted_ledger_goes_on_where_it_was(
    ledger: Ledger, database_url: str, keys: Keys, clock: HeldClock
) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing", request_id="1")])
    ledger.close()
    with Ledger.open(database_url, keys, clock=clock) as again:
        (repeat, new) = again.record(
            [said(ANN, OUT, "sms/marketing", request_id="1"), said(BEN, OUT, "email/marketing")]
        )
        assert (repeat.seq, repeat.repeat, new.seq) == (1, True, 2)


# --- repeats


def test_the_same_request_again_is_a_repeat(ledger: Ledger, clock: HeldClock) -> None:
    statement = said(ANN, OUT, "sms/marketing", request_id="r", evidence={"a": "1"})
    (first,) = ledger.record([statement])
    clock.pass_by(SECOND)
    (again,) = ledger.record([statement])
    assert again == Receipt(first.seq, first.recorded_at, first.occurred_at, repeat=True)
    assert ledger.head().seq == 1


def test_a_repeat_may_come_in_the_same_group(ledger: Ledger) -> None:
    statement = said(ANN, OUT, "sms/marketing", request_id="r")
    first, again = ledger.record([statement, statement])
    assert (first.seq, again.seq, again.repeat) == (1, 1, True)


@pytest.mark.parametrize(
    "other",
    [
        {"scope": "email/marketing"},
        {"reason": "other"},
        {"evidence": {"text": "b"}},
        {"occurred_at": NOON - 1},
    ],
)
def test_the_same_request_for_something_else_is_a_conflict(
    ledger: Ledger, other: dict[str, Any]
) -> None:
    told: dict[str, Any] = {"request_id": "r", "evidence": {"text": "a"}}
    ledger.record([said(ANN, OUT, "sms/marketing", **told)])
    scope = other.get("scope", "sms/marketing")
    other = {name: value for name, value in other.items() if name != "scope"}
    with pytest.raises(RequestIdConflict, match="event 1"):
        ledger.record([said(BEN, OUT, "email/marketing"), said(ANN, OUT, scope, **told | other)])
    assert ledger.head().seq == 1, "nothing of the group was recorded"
    assert ledger.subject_of(ledger.key_of(BEN)) is None


def test_request_ids_are_the_source_s_own(ledger: Ledger) -> None:
    for source in ("a", "b", "a "):
        (receipt,) = ledger.record([said(ANN, OUT, "sms/marketing", source=source, request_id="r")])
        assert not receipt.repeat


def test_a_source_and_an_id_are_not_run_together(ledger: Ledger) -> None:
    for source, request_id in (("ab", "c"), ("a", "bc"), ("1:a", "b"), ("1", ":ab")):
        (receipt,) = ledger.record(
            [said(ANN, OUT, "sms/marketing", source=source, request_id=request_id)]
        )
        assert not receipt.repeat


def test_a_hook_s_opt_out_is_recorded_in_spite_of_a_conflict(ledger: Ledger) -> None:
    def hook(scope: str) -> Receipt:
        statement = said(ANN, OUT, scope, source="hook:texter", request_id="SM1")
        return ledger.record([statement])[0]

    hook("sms/marketing")
    flagged = hook("*/marketing")
    assert (flagged.seq, flagged.repeat, flagged.flagged) == (2, False, "request_id_conflict")
    again = hook("*/marketing")
    assert (again.seq, again.repeat, again.flagged) == (2, True, "request_id_conflict")
    assert hook("sms/marketing").seq == 1
    assert out_cell(ledger, ANN, "*/marketing") == 2
    with pytest.raises(RequestIdConflict):
        ledger.record([lifting(ANN, "*/marketing", source="hook:texter", request_id="SM1")])


def test_a_retried_opt_in_lifts_nothing_said_in_between(ledger: Ledger, clock: HeldClock) -> None:
    """Scenario 45."""
    opt_in = lifting(ANN, "sms/marketing", occurred_at=NOON, request_id="k")
    ledger.record([opt_in])
    clock.pass_by(1800 * SECOND)
    ledger.record([said(ANN, OUT, "sms/marketing")])
    clock.pass_by(1800 * SECOND)
    assert ledger.record([opt_in])[0].repeat
    state = ledger.state(ledger.key_of(ANN))
    lift, out = state.get("lift", "sms/marketing"), state.get("out", "sms/marketing")
    assert lift is not None
    assert out is not None
    assert lift.at < out.at


def click(subject: Any = ANN, scope: str = "email/topic:weekly_deals", **more: Any) -> Statement:
    return said(subject, OUT, scope, unless_standing=True, **{"source": "one-click", **more})


def test_a_click_is_a_repeat_while_its_opt_out_stands(ledger: Ledger, clock: HeldClock) -> None:
    """Scenario 44."""
    assert not ledger.record([click()])[0].repeat
    clock.pass_by(SECOND)
    assert ledger.record([click()])[0] == Receipt(1, NOON, NOON, repeat=True)
    clock.pass_by(SECOND)
    ledger.record([lifting(ANN, "email/topic:weekly_deals")])
    clock.pass_by(SECOND)
    (again,) = ledger.record([click()])
    assert (again.seq, again.repeat) == (3, False)
    assert ledger.record([click()])[0].seq == 3


def test_a_click_much_later_is_said_anew(ledger: Ledger, clock: HeldClock) -> None:
    """Else an opt-in from between the two, reported late, would undo the person's last word."""
    ledger.record([click()])
    clock.pass_by(301 * SECOND)
    (again,) = ledger.record([click()])
    assert (again.seq, again.repeat) == (2, False)


def test_other_words_are_no_repeat(ledger: Ledger) -> None:
    first = said(ANN, OUT, "email/marketing", unless_standing=True, evidence={"letter": "1 May"})
    other = said(ANN, OUT, "email/marketing", unless_standing=True, evidence={"letter": "3 May"})
    assert not ledger.record([first])[0].repeat
    assert ledger.record([first])[0].repeat
    assert not ledger.record([other])[0].repeat


def test_two_clicks_in_one_group_are_one(ledger: Ledger) -> None:
    first, again = ledger.record([click(), click()])
    assert (first.seq, again.seq, again.repeat) == (1, 1, True)


@pytest.mark.parametrize(
    ("between", "repeats"),
    [
        ("in email/topic:other_deals", False),  # a successor, perhaps; in doubt no repeat
        ("in email/marketing", True),  # wider never lifts narrower
        ("in sms/topic:weekly_deals", True),
        ("implied email/topic:weekly_deals", True),
        ("out email/marketing", True),
    ],
)
def test_only_what_may_have_lifted_it_ends_a_standing_click(
    ledger: Ledger, clock: HeldClock, between: str, repeats: bool
) -> None:
    ledger.record([click()])
    clock.pass_by(SECOND)
    word, scope = between.split()
    ledger.record(
        [
            {
                "in": lambda: lifting(ANN, scope),
                "out": lambda: said(ANN, OUT, scope),
                "implied": lambda: said(ANN, IN, scope, consent=Consent.IMPLIED),
            }[word]()
        ]
    )
    assert ledger.record([click()])[0].repeat is repeats


def test_another_source_or_a_retracted_click_is_no_repeat(ledger: Ledger) -> None:
    ledger.record([click()])
    assert not ledger.record([click(source="page")])[0].repeat
    assert not ledger.record([click()])[0].repeat, "the page's is the latest"
    ledger.record([said(ANN, Action.RETRACT, retracts=3, reason="scanner")])
    ledger.record([said(ANN, Action.RETRACT, retracts=2, reason="scanner")])
    ledger.record([said(ANN, Action.RETRACT, retracts=1, reason="scanner")])
    assert not ledger.record([click()])[0].repeat


def test_a_contact_s_click_is_none_once_an_address_of_it_came_back(
    ledger: Ledger, clock: HeldClock
) -> None:
    ledger.record([said(CRM, LINK, address=ANN), click(CRM, "*/marketing")])
    assert ledger.record([click(CRM, "*/marketing")])[0].repeat
    clock.pass_by(SECOND)
    ledger.record([lifting(ANN, "sms/marketing")])
    assert not ledger.record([click(CRM, "*/marketing")])[0].repeat


# --- retractions


def test_a_retracted_event_is_left_out_of_the_fold(ledger: Ledger, clock: HeldClock) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing"), said(ANN, OUT, "email/marketing")])
    clock.pass_by(SECOND)
    ledger.record([said(ANN, OUT, "sms/marketing")])
    assert out_cell(ledger, ANN, "sms/marketing") == 3
    ledger.record([said(ANN, Action.RETRACT, retracts=3, reason="a scanner's click")])
    assert out_cell(ledger, ANN, "sms/marketing") == 1, "the one before counts again"
    ledger.record([said(ANN, Action.RETRACT, retracts=1, reason="another")])
    assert out_cell(ledger, ANN, "sms/marketing") is None
    assert out_cell(ledger, ANN, "email/marketing") == 2
    assert [event.retracts for event in ledger.history(ledger.key_of(ANN))] == [
        None, None, None, 3, 1,
    ]  # fmt: skip


def test_an_event_can_be_retracted_in_the_group_that_records_it(ledger: Ledger) -> None:
    ledger.record(
        [
            said(ANN, OUT, "sms/marketing"),
            said(ANN, Action.RETRACT, retracts=1, reason="slip"),
            said(ANN, OUT, "email/marketing"),
        ]
    )
    assert out_cell(ledger, ANN, "sms/marketing") is None
    assert out_cell(ledger, ANN, "email/marketing") == 3


def test_what_cannot_be_retracted(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing"), said(CRM, LINK, address=ANN)])
    ledger.record([said(ANN, Action.RETRACT, retracts=1, reason="x", request_id="r")])
    for subject, seq, error, words in [
        (ANN, 99, UnknownEvent, "No event"),
        (ANN, 5, UnknownEvent, "No event"),  # itself
        (CRM, 2, InvalidEvent, "`link`"),
        (ANN, 3, InvalidEvent, "`retract`"),
        (ANN, 1, InvalidEvent, "already, by event 3"),
        (BEN, 1, InvalidEvent, "somebody else"),
    ]:
        group = [
            said(BEN, OUT, "email/marketing"),
            said(subject, Action.RETRACT, retracts=seq, reason="x"),
        ]
        with pytest.raises(error, match=words):
            ledger.record(group)
        assert ledger.head().seq == 3, "nothing of the group was recorded"
    repeat = said(ANN, Action.RETRACT, retracts=1, reason="x", request_id="r")
    assert ledger.record([repeat])[0].repeat


# --- links


def test_a_link_is_known_from_both_sides(ledger: Ledger, clock: HeldClock) -> None:
    address, contact = ledger.key_of(ANN), ledger.key_of(CRM)
    ledger.record([said(CRM, LINK, address=ANN)])
    assert ledger.state(address).linked() == ({contact.hex()}, {contact.hex()})
    assert ledger.state(contact).linked() == ({address.hex()}, {address.hex()})
    clock.pass_by(1)
    ledger.record([said(CRM, UNLINK, address=ANN)])
    assert ledger.state(address).linked() == (set(), {contact.hex()})
    for key in (address, contact):
        assert [event.action for event in ledger.history(key)] == [LINK, UNLINK]
        assert ledger.history(key)[0].address == ANN
        assert ledger.history(key)[0].subject == CRM


def test_push_switched_off_is_said_on_the_contact_too(ledger: Ledger, clock: HeldClock) -> None:
    ledger.record([said(CRM, LINK, address=PHONE)])
    clock.pass_by(1)
    receipts = ledger.record([said(PHONE, OUT, "push/marketing", request_id="p")])
    assert len(receipts) == 1
    assert out_cell(ledger, PHONE, "push/marketing") == 2
    assert out_cell(ledger, CRM, "push/marketing") == 3
    copied = ledger.event(3)
    assert (copied.subject, copied.request_id, copied.evidence) == (CRM, None, None)
    assert ledger.record([said(PHONE, OUT, "push/marketing", request_id="p")])[0].repeat
    assert ledger.head().seq == 3
    ledger.record([said(Contact("other"), LINK, address=PHONE)])
    ledger.record([said(PHONE, OUT, "push/marketing")])
    assert ledger.head().seq == 5, "linked to two, it speaks for neither"


def test_link_and_switch_off_in_one_group(ledger: Ledger) -> None:
    ledger.record([said(CRM, LINK, address=PHONE), said(PHONE, OUT, "push/marketing")])
    assert out_cell(ledger, CRM, "push/marketing") == 3
    assert ledger.event(3).subject == CRM


# --- the rest


def test_digests_are_noticed(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing")])
    assert not ledger.head().digests
    assert not ledger.read([ledger.key_of(ANN)]).digests
    listed = Digest("md5", hashlib.md5(b"ann@example.com", usedforsecurity=False).hexdigest())
    ledger.record([said(listed, OUT, "email/marketing")])
    assert ledger.head().digests
    assert ledger.read([]).digests
    assert ledger.read_one(ledger.key_of(ANN))[0][4] is not None
    assert ledger.subject_of(ledger.key_of(listed)) == listed


def test_how_the_person_was_told_is_kept_with_the_event(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing", confirmation="inline"),
                   said(ANN, OUT, "email/marketing")])  # fmt: skip
    assert ledger.confirmation(1) == "inline"
    assert ledger.confirmation(2) is None


def test_an_erasure_has_a_way_in_of_its_own(ledger: Ledger) -> None:
    with pytest.raises(InvalidEvent, match="erase"):
        ledger.record([said(ANN, Action.ERASE)])


def test_an_empty_group_is_nothing(ledger: Ledger) -> None:
    assert ledger.record([]) == []
    assert ledger.record_many([]) == []
    assert ledger.head().seq == 0


def test_one_bad_group_never_fails_the_others(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing", request_id="taken")])
    good = [said(BEN, OUT, "email/marketing")]
    answers = ledger.record_many(
        [
            good,
            [said(CRM, OUT, "*/marketing"), said(ANN, OUT, "*/marketing", request_id="taken")],
            [said(ANN, OUT, "sms/marketing", reason="\ud800")],
            [said(CRM, OUT, "*/marketing"), said(ANN, Action.RETRACT, retracts=77, reason="x")],
            good,
            [said(ANN, Action.RETRACT, retracts=1, reason="x")],
            good,
        ]
    )
    kinds = [type(a[0]) if isinstance(a, list) else type(a) for a in answers]
    assert kinds == [
        Receipt, RequestIdConflict, InvalidEvent, UnknownEvent, Receipt, Receipt, Receipt,
    ]  # fmt: skip
    assert seqs(ledger) == [1, 2, 3, 4, 5]
    assert ledger.state(ledger.key_of(CRM)).cells == {}
    assert ledger.subject_of(ledger.key_of(CRM)) is None
    assert out_cell(ledger, ANN, "sms/marketing") is None


def test_more_than_one_transaction_takes(ledger: Ledger) -> None:
    groups = [
        [said(Address.parse(f"user{n}@example.com"), OUT, "email/marketing", request_id=str(n))]
        for n in range(4_100)
    ]
    answers = ledger.record_many(groups)
    assert [a[0].seq for a in answers if isinstance(a, list)] == list(range(1, 4_101))
    assert all(a[0].repeat for a in ledger.record_many(groups) if isinstance(a, list))
    keys = [ledger.key_of(group[0].subject) for group in groups]
    reading = ledger.read(keys)
    assert reading.seq == 4_100
    assert {key: rows[0][3] for key, rows in reading.rows.items()} == {
        key: n for n, key in enumerate(keys, 1)
    }
