"""Erasing a person: the texts go, the wish stays, the history still proves itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from heedful.core import brand
from heedful.core.address import Contact, Digest
from heedful.core.errors import Forbidden
from heedful.core.event import Action, Consent
from heedful.core.instant import DAY, SECOND
from heedful.ledger import Delivery, Ledger, VendorCursor
from heedful.ledger.verify import verify
from tests.ledger.conftest import NOON, HeldClock
from tests.ledger.everything import ANN, BEN, BRAND, CRM, PHONE, said

OUT, IN, LINK, UNLINK = Action.OPT_OUT, Action.OPT_IN, Action.LINK, Action.UNLINK
DUE = NOON + 30 * DAY


def erased_cells(ledger: Ledger, subject: object) -> set[str]:
    state = ledger.state(ledger.key_of(subject))  # type: ignore[arg-type]
    return {f"{cell.slot} {cell.scope}".strip() for cell in state}


def test_the_text_goes_and_the_opt_out_stays(ledger: Ledger, clock: HeldClock) -> None:
    key = ledger.key_of(ANN)
    ledger.record([said(ANN, OUT, "email/marketing", evidence={"text": "Stop, I am Ann"})])
    clock.pass_by(SECOND)
    receipt = ledger.erase(ANN, by="ann's letter", purge_by=DUE)
    assert ledger.event(receipt.seq).action is Action.ERASE
    assert erased_cells(ledger, ANN) == {"out email/marketing", "out */marketing", "erase"}
    assert ledger.subject_of(key) == ANN, "until it is told"
    assert ledger.purge(DUE - 1, ["texter"]) == 0
    assert ledger.purge(DUE, ["texter"]) == 1
    assert ledger.purge(DUE, ["texter"]) == 0
    assert ledger.subject_of(key) is None
    history = ledger.history(key)
    assert [event.action for event in history] == [OUT, OUT, Action.ERASE]
    assert all(event.subject is None and event.evidence is None for event in history)
    assert verify(ledger).differences == ()


def test_nothing_of_it_lies_in_the_file(sqlite_url: str, keys: object, clock: HeldClock) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with Ledger.open(sqlite_url, keys, clock=clock, create=True) as ledger:  # type: ignore[arg-type]
        ledger.record([said(ANN, OUT, "email/marketing", evidence={"text": "I am Ann Lopez"})])
        ledger.record([said(BEN, OUT, "email/marketing")])
        ledger.erase(ANN, by="x", purge_by=NOON)
        ledger.purge(NOON, [])
        for file in path.parent.glob(path.name + "*"):
            content = file.read_bytes()
            assert b"4155550100" not in content, file
            assert b"Lopez" not in content, file
        assert b"ben@example.com" in path.read_bytes()


def test_the_opt_out_may_be_declined(ledger: Ledger) -> None:
    ledger.erase(ANN, keep_opt_out=False, by="x", purge_by=DUE)
    assert erased_cells(ledger, ANN) == {"erase"}


def test_told_it_goes_before_it_is_due(ledger: Ledger) -> None:
    ledger.apply(
        brand.parse(BRAND + '[vendors.texter]\nkind = "webhook"\nurl = "https://x.example"\n'),
        "ann",
    )
    ledger.record([said(ANN, OUT, "sms/marketing")])
    seq = ledger.erase(ANN, by="x", purge_by=DUE).seq
    box, key = ledger.outbox, ledger.key_of(ANN)
    assert ledger.purge(NOON) == 0, "a vendor of the catalogue has no cursor yet"
    assert box.lease("texter", "me", NOON, DUE) is not None
    assert ledger.purge(NOON) == 0, "its first synchronisation is not done"
    passed = VendorCursor("texter", "t", "feed", seq=seq - 1, hash="x")
    box.store("texter", "me", [], passed)
    assert ledger.purge(NOON) == 0
    later = Delivery("texter", key, seq - 1, "later", 1, NOON + 1, NOON, "503")
    box.store("texter", "me", [later], VendorCursor("texter", "t", "feed", seq=seq, hash="x"))
    assert ledger.purge(NOON) == 0, "it has yet to be told"
    box.store(
        "texter", "me", [Delivery("texter", key, seq - 1, "told", 2, None, NOON, "200")], None
    )
    assert ledger.purge(NOON) == 1
    assert ledger.subject_of(key) is None


def test_an_erased_address_may_be_written_again(ledger: Ledger, clock: HeldClock) -> None:
    """Scenario 33: it comes back with another salt, and the old opt-out still counts."""
    ledger.record([said(ANN, OUT, "email/marketing", evidence={"text": "Stop"})])
    ledger.erase(ANN, by="x", purge_by=NOON)
    ledger.purge(NOON, [])
    clock.pass_by(SECOND)
    ledger.record([said(ANN, IN, "email/marketing", consent=Consent.IMPLIED, evidence={"a": "b"})])
    assert ledger.subject_of(ledger.key_of(ANN)) == ANN
    assert "out email/marketing" in erased_cells(ledger, ANN)
    first, *_, last = ledger.history(ledger.key_of(ANN))
    assert (first.evidence, dict(last.evidence or {})) == (None, {"a": "b"})
    assert verify(ledger).differences == ()
    ledger.erase(ANN, by="x", purge_by=NOON)
    ledger.purge(NOON, [])
    assert ledger.subject_of(ledger.key_of(ANN)) is None
    assert verify(ledger).differences == ()


def test_written_again_before_the_purge_it_stays(ledger: Ledger, clock: HeldClock) -> None:
    ledger.record([said(ANN, OUT, "email/marketing", evidence={"text": "Stop"})])
    ledger.erase(ANN, by="x", purge_by=NOON)
    clock.pass_by(SECOND)
    ledger.record([said(ANN, OUT, "sms/marketing", evidence={"text": "Stop again"})])
    assert ledger.purge(NOON, []) == 1
    assert ledger.subject_of(ledger.key_of(ANN)) == ANN
    first, *_, last = ledger.history(ledger.key_of(ANN))
    assert (first.evidence, dict(last.evidence or {})) == (None, {"text": "Stop again"})
    assert verify(ledger).differences == ()


def test_a_contact_takes_along_what_is_linked_to_it_alone(ledger: Ledger, clock: HeldClock) -> None:
    shared, former = BEN, ANN
    ledger.record(
        [
            said(CRM, LINK, address=PHONE),
            said(CRM, LINK, address=shared, evidence={"by": "Ann at the desk"}),
            said(Contact("other"), LINK, address=shared),
            said(CRM, LINK, address=former),
        ]
    )
    clock.pass_by(SECOND)
    ledger.record([said(CRM, UNLINK, address=former)])
    receipt = ledger.erase(CRM, by="x", purge_by=NOON)
    assert ledger.event(receipt.seq).subject == CRM
    assert erased_cells(ledger, PHONE) >= {"out */marketing", "erase"}
    assert ledger.purge(NOON, []) == 2
    assert ledger.subject_of(ledger.key_of(CRM)) is None
    assert ledger.subject_of(ledger.key_of(PHONE)) is None
    assert ledger.subject_of(ledger.key_of(shared)) == shared
    assert ledger.subject_of(ledger.key_of(former)) == former
    assert ledger.history(ledger.key_of(shared))[0].evidence is None, "it is the contact's"
    assert verify(ledger).differences == ()


def test_a_digest_cannot_be_erased(ledger: Ledger) -> None:
    with pytest.raises(Forbidden, match="digest"):
        ledger.erase(Digest("md5", "0" * 32), by="x", purge_by=DUE)
    assert ledger.head().seq == 0
