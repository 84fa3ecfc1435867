"""The change feed: every event once, in order, without gaps, while others write."""

from __future__ import annotations

import multiprocessing
import queue
import time
from pathlib import Path
from typing import Any

import pytest

from heedful.config import Keys
from heedful.core.address import Address
from heedful.core.errors import HistoryChanged
from heedful.core.event import Action
from heedful.ledger import Cursor, Ledger, Receipt
from tests.ledger.conftest import HeldClock
from tests.ledger.everything import ANN, BEN, said

OUT = Action.OPT_OUT


def test_pages_of_the_feed_join_without_gap_or_overlap(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing", reason=str(n)) for n in range(10)])
    found, cursor = [], Cursor.START
    while True:
        events, cursor = ledger.events(cursor, 3)
        if not events:
            break
        found += [event.seq for event in events]
        cursor = Cursor.parse(cursor.text)
    assert found == list(range(1, 11))
    ledger.record([said(BEN, OUT, "email/marketing")])
    assert [event.seq for event in ledger.events(cursor, 3)[0]] == [11]


def test_a_cursor_of_another_history_is_told_so(
    ledger: Ledger, new_database_url: Any, keys: Keys, clock: HeldClock
) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing") for _ in range(3)])
    _, cursor = ledger.events(Cursor.START, 2)
    with Ledger.open(new_database_url(), keys, clock=clock, create=True) as other:
        with pytest.raises(HistoryChanged, match="beginning"):
            other.events(cursor, 10)
        other.record([said(BEN, OUT, "email/marketing") for _ in range(3)])
        with pytest.raises(HistoryChanged, match="beginning"):
            other.events(cursor, 10)
    with pytest.raises(HistoryChanged):
        ledger.events(Cursor(99, cursor.hash), 10)
    assert ledger.events(cursor, 10)[0][0].seq == 3


@pytest.mark.parametrize("text", ["", "7", "x.0011223344556677", "-1.0011223344556677", "7.00",
                                  "\u0667.0011223344556677", "9" * 40 + ".0011223344556677"])  # fmt: skip
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(HistoryChanged):
        Cursor.parse(text)


def test_the_beginning_has_a_text_form() -> None:
    assert Cursor.parse(Cursor.START.text) == Cursor.START


# --- two processes write, one reads

SPAN = 2.0
"""Seconds that they write for."""


def write(url: str, keys_path: Path, name: str, results: Any) -> None:
    with Ledger.open(url, Keys.load(keys_path)) as ledger:
        until, seqs, n = time.monotonic() + SPAN, [], 0
        while time.monotonic() < until:
            address = Address.parse(f"{name}{n}@example.com")
            groups = [
                [said(address, OUT, "email/marketing", source=name, request_id=f"{n}-{part}")]
                for part in range(n % 4 + 1)
            ]
            for outcome in ledger.record_many(groups):
                assert isinstance(outcome, list), outcome
                seqs.append(outcome[0].seq)
            n += 1
    results.put((name, seqs))


def test_two_processes_write_and_a_reader_skips_nothing(
    ledger: Ledger, database_url: str, keys: Keys, tmp_path: Path
) -> None:
    keys.save(tmp_path / "keys")
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    writers = [
        spawn.Process(target=write, args=(database_url, tmp_path / "keys", name, results))
        for name in ("left", "right")
    ]
    for writer in writers:
        writer.start()
    read: list[tuple[int, str]] = []
    cursor, answers = Cursor.START, {}
    while True:
        events, cursor = ledger.events(cursor, 50)
        read += [(event.seq, event.source) for event in events]
        # What the feed has shown, a check that starts now must see.
        if events and events[-1].subject is not None:
            key = ledger.key_of(events[-1].subject)
            reading = ledger.read([key])
            assert reading.seq >= events[-1].seq
            assert reading.rows[key][0][3] >= events[-1].seq
        if not events and len(answers) == 2:
            break
        try:
            name, seqs = results.get(block=not events and len(answers) < 2, timeout=0.01)
            answers[name] = seqs
        except queue.Empty:
            assert all(writer.exitcode in (None, 0) for writer in writers)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [seq for seq, _ in read] == list(range(1, len(read) + 1))
    for name, seqs in answers.items():
        assert seqs == [seq for seq, source in read if source == name]
        assert len(seqs) > 20
    times = [event.recorded_at for event in ledger.events(Cursor.START, 100_000)[0]]
    assert times == sorted(times)


def test_a_repeat_is_one_for_the_other_process_too(
    ledger: Ledger, database_url: str, keys: Keys, clock: HeldClock
) -> None:
    statement = said(ANN, OUT, "sms/marketing", request_id="r")
    with Ledger.open(database_url, keys, clock=clock) as other:
        first: Receipt = ledger.record([statement])[0]
        again: Receipt = other.record([statement])[0]
        assert (again.seq, again.repeat) == (first.seq, True)
        assert other.state(other.key_of(ANN)) == ledger.state(ledger.key_of(ANN))
