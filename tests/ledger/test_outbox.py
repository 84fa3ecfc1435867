"""What is stored about telling vendors, and that two dispatchers never tell the same one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heedful.config import Keys
from heedful.core.errors import LeaseLost
from heedful.ledger import Delivery, Ledger, VendorCursor
from heedful.ledger.outbox import Backlog
from tests.ledger.conftest import NOON, HeldClock
from tests.ledger.everything import ANN, BEN

TEXTER = "texter"


def delivery(ledger: Ledger, seq: int, state: str, subject: object = ANN) -> Delivery:
    key = ledger.key_of(subject)  # type: ignore[arg-type]
    return Delivery(TEXTER, key, seq, state, 1, NOON + 9 if state == "later" else None, NOON, "503")


def test_one_owner_at_a_time(
    ledger: Ledger, database_url: str, keys: Keys, clock: HeldClock
) -> None:
    with Ledger.open(database_url, keys, clock=clock) as elsewhere:
        mine = ledger.outbox.lease(TEXTER, "me", NOON, NOON + 10)
        assert mine == VendorCursor(TEXTER, owner="me", leased_until=NOON + 10)
        assert elsewhere.outbox.lease(TEXTER, "you", NOON + 9, NOON + 19) is None
        prolonged = ledger.outbox.lease(TEXTER, "me", NOON + 9, NOON + 20)
        assert prolonged is not None
        assert prolonged.leased_until == NOON + 20
        theirs = elsewhere.outbox.lease(TEXTER, "you", NOON + 20, NOON + 30)
        assert theirs is not None
        assert theirs.owner == "you"
        with pytest.raises(LeaseLost, match="another process"):
            ledger.outbox.store(TEXTER, "me", [delivery(ledger, 1, "told")], replace(mine, seq=1))
        assert elsewhere.outbox.told(1) == []
        ledger.outbox.release(TEXTER, "me")
        assert ledger.outbox.lease(TEXTER, "me", NOON + 21, NOON + 31) is None
        elsewhere.outbox.release(TEXTER, "you")
        assert ledger.outbox.lease(TEXTER, "me", NOON + 21, NOON + 31) is not None


def test_answers_and_the_place_are_stored_together(ledger: Ledger) -> None:
    box = ledger.outbox
    box.lease(TEXTER, "me", NOON, NOON + 10)
    cursor = VendorCursor(TEXTER, "digest", "first", 7, b"\x00" * 16, 0, "")
    box.store(TEXTER, "me", [delivery(ledger, 3, "later", BEN), delivery(ledger, 1, "later"),
                             delivery(ledger, 2, "told"), delivery(ledger, 2, "told", BEN)], cursor)  # fmt: skip
    assert box.cursors() == {TEXTER: replace(cursor, owner="me", leased_until=NOON + 10)}
    assert [d.seq for d in box.waiting(TEXTER)] == [1, 3]
    assert len(box.told(2)) == 2
    assert box.told(2)[0] in (delivery(ledger, 2, "told"), delivery(ledger, 2, "told", BEN))
    box.store(TEXTER, "me", [delivery(ledger, 1, "dead"), delivery(ledger, 3, "told", BEN)], None)
    assert box.waiting(TEXTER) == []
    assert box.dead(TEXTER) == box.dead(None) == [delivery(ledger, 1, "dead")]
    assert box.dead("other") == []
    assert box.retry(TEXTER, NOON + 5) == 1
    assert box.retry(TEXTER, NOON + 5) == 0
    (again,) = box.waiting(TEXTER)
    assert (again.next_at, again.attempts) == (NOON + 5, 0)
    assert box.cursors()[TEXTER].seq == 0, "left where it was"


def test_a_delivery_may_be_said_twice_in_one_call(ledger: Ledger) -> None:
    ledger.outbox.lease(TEXTER, "me", NOON, NOON + 10)
    twice = [delivery(ledger, 1, "later"), delivery(ledger, 1, "told")]
    ledger.outbox.store(TEXTER, "me", twice, None)
    assert ledger.outbox.told(1) == [delivery(ledger, 1, "told")]


def test_a_vendor_can_be_disabled(ledger: Ledger) -> None:
    ledger.outbox.set_state(TEXTER, "disabled", "answered 410")
    held = ledger.outbox.cursors()[TEXTER]
    assert (held.state, held.why) == ("disabled", "answered 410")
    leased = ledger.outbox.lease(TEXTER, "me", NOON, NOON + 10)
    assert leased is not None
    assert leased.state == "disabled", "the dispatcher sees why it must not tell it"
    ledger.outbox.set_state(TEXTER, "active")
    assert ledger.outbox.cursors()[TEXTER].why is None


def test_a_backlog_is_counted_and_a_stretch_of_answers_is_known(ledger: Ledger) -> None:
    box = ledger.outbox
    assert box.backlog(TEXTER) == Backlog(0, 0, None, None)
    box.lease(TEXTER, "me", NOON, NOON + 10)
    said = [
        delivery(ledger, 2, "later"),
        replace(delivery(ledger, 4, "later", BEN), answer="500"),
        replace(delivery(ledger, 1, "dead"), answer="400"),
        delivery(ledger, 3, "told"),
        delivery(ledger, 5, "told"),
    ]
    box.store(TEXTER, "me", said, None)
    assert box.backlog(TEXTER) == Backlog(2, 1, 1, "500")
    assert box.backlog("other") == Backlog(0, 0, None, None)
    box.store(TEXTER, "me", [replace(d, state="told") for d in said[:2]], None)
    assert box.backlog(TEXTER) == Backlog(0, 1, 1, "400")
    ann, ben = ledger.key_of(ANN), ledger.key_of(BEN)
    assert box.answered(TEXTER, 1, 4) == {(2, ann), (3, ann), (4, ben)}
    assert box.answered("other", 0, 9) == frozenset()


def test_leases_are_prolonged_together_and_only_the_owners(ledger: Ledger) -> None:
    box = ledger.outbox
    for vendor, owner in ((TEXTER, "me"), ("mailer", "me"), ("other", "you")):
        box.lease(vendor, owner, NOON, NOON + 10)
    assert box.prolong([TEXTER, "mailer", "other"], "me", NOON + 30) == {TEXTER, "mailer"}
    until = {vendor: cursor.leased_until for vendor, cursor in box.cursors().items()}
    assert until == {TEXTER: NOON + 30, "mailer": NOON + 30, "other": NOON + 10}
