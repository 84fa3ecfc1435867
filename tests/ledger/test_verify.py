"""`verify` finds nothing in an honest ledger, and every change made behind its back."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.config import Keys
from heedful.core.address import Address
from heedful.core.event import Action
from heedful.ledger import Ledger
from heedful.ledger import refold as refold_module
from heedful.ledger.backup import TABLES
from heedful.ledger.rederive import plain_json
from heedful.ledger.seal import canonical
from heedful.ledger.verify import MOST_TOLD, verified, verify
from tests.ledger.everything import ANN, BEGAN, BEN, Behind, Clock, everything, said

KEYS = Keys.make(BEGAN)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with everything(database_url, KEYS) as ledger:
        yield ledger


def test_an_honest_ledger_has_no_differences(ledger: Ledger, database_url: str) -> None:
    """It has a row in every table, or the tests below would prove nothing of that table."""
    with Behind(database_url) as behind:
        for name in (*(table.name for table in TABLES), "key_check"):
            assert behind.ask(f"select count(*) from {name}") > [(0,)], name
    report = verify(ledger)
    assert report.differences == ()
    assert report.ok
    assert report.events == ledger.head().seq > 30


def test_an_empty_ledger_has_none_either(database_url: str) -> None:
    with Ledger.open(database_url, KEYS, create=True) as ledger:
        assert verify(ledger).ok
        ledger.checkpoint()
        assert verify(ledger).ok


# What is changed by SQL, and what must be said of it. One a line; both engines.
TAMPERED = [
    ("delete from event where seq = 5", "The history lacks event 5."),
    ("delete from event where seq > 5 and seq < 9", "The history lacks event 6 to 8."),
    ("delete from event where seq = 1", "The history lacks event 1."),
    ("delete from event where seq = (select max(seq) from event)", "The head says event"),
    ("update event set hash = body where seq = 4", "Event 4: its hash is not that"),
    ("update event set body = hash where seq = 4", "Event 4: its body is not JSON"),
    ("update event set recorded_at = recorded_at - 90000000 where seq = 9", "Event 9 is recorded earlier"),
    ("update event set recorded_at = recorded_at + 1 where seq = 9", "Event 9: its column for recorded_at"),
    ("update event set subject = content where seq = 2", "Event 2: its column for subject"),
    ("update event set other = null where seq = 2", "Event 2: its column for address"),
    ("update event set other = content where seq = 1", "Event 1: its column for address"),
    ("update event set request = content where seq = 1", "Event 1: its request is not that"),
    ("update event set request = null where seq = 1", "Event 1: its request is not that"),
    ("update event set content = subject where request is not null and seq > 3 and seq < 9",
     "its column for content is not that of what was said"),
    ("update event set retracts = 3 where retracts is not null", "its column for retracts"),
    ("update event set retracts = null where retracts is not null", "its column for retracts"),
    ("update cell set at = at + 1 where slot = 'out' and scope = 'sms/everything'",
     "Cell out sms/everything of ... should come from event 3 and holds another event or time."),
    ("update cell set seq = 1 where slot = 'out' and scope = 'sms/everything'",
     "should come from event 3"),
    ("update cell set value = 'en' where slot = 'prefer:language'",
     "Cell prefer:language  of ... should come from event 11 and holds another value."),
    ("delete from cell where slot = 'lift'", "Cell lift email/topic:weekly_deals of ... is missing"),
    ("update cell set scope = '*/marketing' where slot = 'lift'", "is stored, and no event says so."),
    ("update cell set slot = 'lift' where slot = 'in:soft:none'", "is stored, and no event says so."),
    ("delete from cell where slot = 'link'", "Cell link"),
    ("delete from cell", "is missing; event"),
    ("update address set text = 'tel:+14155550177' where text = 'tel:+14155550100'",
     "The text stored for ... is another subject's."),
    ("update address set text = 'tel:+14155550177' where text = 'tel:+14155550100'",
     "Event 1: the text of ... is not the one it was recorded with."),
    ("update address set salt = subject where text = 'tel:+14155550100'", "is not the one it was recorded with"),
    ("update address set text = null, salt = null where text = 'tel:+14155550100'",
     "Event 1: the text of ... is gone without an erasure."),
    ("update address set salt = null where text = 'tel:+14155550100'", "only one is there"),
    ("delete from address where text = 'tel:+14155550100'", "Event 1: there is no row of addresses"),
    ("update address set since = 1000000 where text = 'contact:crm-42'", "which is not there"),
    ("insert into address (subject, text, salt, since) select content, 'contact:x', content, 1 from event where seq = 1",
     "and no event names it"),
    ("update evidence set text = '{\"text\":\"start\"}' where seq = 1", "Event 1: its evidence is not what"),
    ("update evidence set salt = (select hash from event where seq = 1) where seq = 1",
     "Event 1: its evidence is not what"),
    ("delete from evidence where seq = 1", "Event 1: its evidence is gone without an erasure."),
    ("update evidence set seq = 2 where seq = 1", "Event 2 came without evidence"),
    ("update evidence set seq = 2000 where seq = 1", "A row of evidence belongs to event 2000"),
    ("update confirmation set how = 'vendor'", "Event 1: the confirmation stored beside it"),
    ("delete from confirmation", "Event 1: the confirmation stored beside it"),
    ("update confirmation set seq = 2000", "A row of confirmation belongs to event 2000"),
    ("update erasure set purge_by = purge_by + 1", "the list of erasures says otherwise"),
    ("delete from erasure", "the list of erasures says otherwise"),
    ("update erasure set purged_at = null", "is gone without an erasure"),
    ("update erasure set seq = 1 where seq = (select min(seq) from erasure)", "event 1, which is none"),
    ("update catalogue set text = 'x' where number = 1", "The text of catalogue 1 is not what was applied."),
    ("delete from catalogue where number = 1", "Catalogue 1 is missing."),
    ("delete from catalogue where number = 2", "The head says catalogue 2, and the last one is 1."),
    ("update catalogue set applied_at = 0 where number = 2", "Catalogue 2 was applied earlier"),
    ("update topic set category = 'transactional' where name = 'weekly_deals'", "Topic 'weekly_deals' is not stored"),
    ("update topic set since = 0 where name = 'order_updates'", "Topic 'order_updates' is not stored"),
    ("delete from topic where name = 'order_updates'", "Topic 'order_updates' is in the catalogues and not"),
    ("update checkpoint set made_at = made_at + 1", "is not what its signature is of"),
    ("update checkpoint set signature = hash", "is not what its signature is of"),
    ("update checkpoint set key = 'other'", "is signed with key other, which is not at hand"),
    ("update checkpoint set hash = (select hash from event where seq = 3)", "The history is not the one"),
    ("update checkpoint set seq = 2000", "A checkpoint says event 2000"),
    ("update vendor_cursor set seq = 2", "is of another history than event 2"),
    ("update vendor_cursor set seq = 2000", "was told beyond the last event"),
    ("update vendor_cursor set as_of = 2000", "was told beyond the last event"),
    ("update vendor_cursor set stage = 'done'", "has a word that means nothing"),
    ("update delivery set seq = 2000 where seq = 3", "A row of delivery belongs to event 2000"),
    ("update delivery set state = 'sent' where seq = 3", "The delivery of event 3 is in a state"),
    ("update send set channel = 'fax'", "A message reported as sent has a channel"),
    ("update api_key set permissions = 'check admni'", "The API key 'shop' is not stored as one is."),
    ("update key_check set value = (select content from event where seq = 1)", "The check value of hash key"),
    ("delete from key_check", "The check value of hash key"),
    ("update head set seq = seq + 1", "The head says event"),
    ("update head set hash = (select hash from event where seq = 1)", "The head's hash is not that"),
    ("update head set recorded_at = recorded_at + 1", "The head's time is not that"),
    ("update head set catalogue = 1", "The head says catalogue 1, and the last one is 2."),
    ("update head set digests = null", "Digests are held, and the head says that there are none."),
    ("update head set epoch = ''", "The head names no epoch."),
]  # fmt: skip


def test_every_change_is_found(ledger: Ledger, database_url: str) -> None:
    """Each is made in a transaction that is undone, so that one ledger serves for all."""
    addresses = [ANN.value, "ben@", "crm-", "token", "Gone"]
    with Behind(database_url) as behind:
        for sql, expected in TAMPERED:
            with behind.undone():
                assert behind.do(sql) > 0, sql
                differences = verified(behind, KEYS).differences
            masked = [re.sub(r"\b[0-9a-f]{32}\b", "...", text) for text in differences]
            assert any(expected in text for text in masked), (sql, masked[:5])
            assert not [t for t in differences if any(a in t for a in addresses)], sql
    assert verify(ledger).ok


def test_a_history_written_anew_is_given_away_by_its_checkpoint(
    ledger: Ledger, database_url: str
) -> None:
    """Whoever forges one event and then the whole chain after it cannot forge the signature."""
    with Behind(database_url) as behind, behind.undone():
        rows = behind.ask("select seq, body from event order by seq")
        before = bytes(32)
        for seq, body in rows:
            if seq == 1:
                body = body.replace(b"hook:texter", b"hook:forger")
            before = hashlib.sha256(before + body).digest()
            behind.do("update event set body = ?, hash = ? where seq = ?", body, before, seq)
        behind.do("update head set hash = ?", before)
        differences = verified(behind, KEYS).differences
    assert any(
        text.startswith("The history is not the one that the checkpoint") for text in differences
    )
    assert not any("its hash is not that" in text for text in differences)


def test_cells_are_folded_in_parts_where_there_are_many(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refold_module, "PART_OF_CELLS", 5)
    steps: list[tuple[int, int]] = []
    report = verify(ledger, lambda done, of: steps.append((done, of)))
    assert report.ok
    assert report.events == ledger.head().seq
    done, of = steps[-1]
    assert done == of >= 5 * report.events
    with Behind(database_url) as behind, behind.undone():
        (count,) = behind.ask("select count(*) from cell")[0]
        behind.do("delete from cell")
        assert len([t for t in verified(behind, KEYS).differences if "missing" in t]) == count


def test_a_thousand_differences_are_written_out_and_the_rest_counted(database_url: str) -> None:
    with Ledger.open(database_url, KEYS, clock=Clock(), create=True) as ledger:
        ledger.record_many(
            [said(Address.parse(f"+1415555{n:04}"), Action.OPT_OUT, "sms/marketing")]
            for n in range(MOST_TOLD + 7)
        )
        with Behind(database_url) as behind:
            behind.do("delete from cell")
        report = verify(ledger)
    assert not report.ok
    assert len(report.differences) == MOST_TOLD + 1
    assert report.differences[-1] == "And 7 more."


def test_it_sees_one_moment_while_writers_go_on(ledger: Ledger) -> None:
    going = threading.Event()

    def write() -> None:
        n = 0
        while not going.is_set():
            n += 1
            ledger.record([said(BEN, Action.OPT_OUT, "email/marketing", evidence={"n": str(n)})])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [verify(ledger) for _ in range(8)]
    finally:
        going.set()
        writer.join()
    assert [report.differences for report in seen] == [()] * 8
    assert seen[-1].events > seen[0].events


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(),
    lambda some: st.lists(some) | st.dictionaries(st.text(), some),
))  # fmt: skip
def test_both_write_json_alike(value: object) -> None:
    """The ledger's canonical JSON and that of `verify`, which were written apart."""
    assert plain_json(value) == canonical(value)
