"""Many threads, one writer: each waits for the commit that carries its event, and no longer."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from heedful.config import Keys
from heedful.core.address import Address
from heedful.core.errors import LedgerBroken, LedgerUnavailable, RequestIdConflict
from heedful.core.event import Action
from heedful.ledger import Cursor, Ledger, Receipt
from heedful.ledger.append import Append
from tests.ledger.conftest import HeldClock
from tests.ledger.everything import ANN, BEN, said

OUT = Action.OPT_OUT


def address(n: int) -> Address:
    return Address.parse(f"user{n}@example.com")


def test_sixty_four_threads_each_get_their_own_number(ledger: Ledger) -> None:
    def one(n: int) -> Receipt:
        (receipt,) = ledger.record([said(address(n), OUT, "email/marketing", request_id=str(n))])
        # Written before acknowledged: whoever asks now sees it.
        cell = ledger.state(ledger.key_of(address(n))).get("out", "email/marketing")
        assert cell is not None
        assert cell.seq == receipt.seq
        return receipt

    with ThreadPoolExecutor(64) as threads:
        receipts = list(threads.map(one, range(320)))
    assert sorted(r.seq for r in receipts) == list(range(1, 321))
    for n, receipt in enumerate(receipts):
        assert ledger.event(receipt.seq).request_id == str(n)
    assert ledger._commits.transactions < 320, "some shared a commit"


class Held:
    """Keeps the writing thread busy, so that what is submitted meanwhile waits together."""

    def __init__(self, ledger: Ledger) -> None:
        self.go_on = threading.Event()
        began = threading.Event()

        def work(_: Append) -> None:
            began.set()
            assert self.go_on.wait(10)

        self.thread = threading.Thread(target=ledger._commits.perform, args=(work,))
        self.thread.start()
        assert began.wait(10)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self.thread.join()


def test_one_at_fault_in_a_shared_commit_harms_no_other(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing", request_id="r")])
    with Held(ledger):
        futures: list[Future[list[Receipt]]] = [
            ledger.submit([said(BEN, OUT, "email/marketing", request_id="b")]),
            ledger.submit(
                [said(BEN, OUT, "*/marketing"), said(ANN, OUT, "*/marketing", request_id="r")]
            ),
            ledger.submit([said(BEN, OUT, "email/marketing", request_id="b")]),
            ledger.submit([said(ANN, Action.RETRACT, retracts=2, reason="not hers")]),
            ledger.submit([said(ANN, OUT, "email/marketing")]),
        ]
        before = ledger._commits.transactions
    assert isinstance(futures[1].exception(), RequestIdConflict)
    assert futures[3].exception() is not None
    first, again, last = (futures[n].result()[0] for n in (0, 2, 4))
    assert (first.seq, again.seq, again.repeat, last.seq) == (2, 2, True, 3)
    assert ledger._commits.transactions == before + 2
    assert [e.seq for e in ledger.events(Cursor.START, 9)[0]] == [1, 2, 3]
    assert ledger.state(ledger.key_of(BEN)).get("out", "*/marketing") is None


def test_a_row_that_the_engine_refuses_is_tried_alone(ledger: Ledger) -> None:
    def broken(append: Append) -> None:
        append.writer.write(("add_erasure", [(1, b"x", 1), (1, b"x", 1)]))

    with Held(ledger):
        good = [ledger.submit([said(address(n), OUT, "email/marketing")]) for n in range(3)]
        failures: list[BaseException] = []

        def perform() -> None:
            try:
                ledger._commits.perform(broken)
            except LedgerBroken as error:
                failures.append(error)

        thread = threading.Thread(target=perform)
        thread.start()
        while ledger._commits._waiting.qsize() < 4:
            thread.join(0.01)
        good += [ledger.submit([said(address(n), OUT, "email/marketing")]) for n in range(3, 5)]
    thread.join()
    assert [future.result()[0].seq for future in good] == [1, 2, 3, 4, 5]
    assert len(failures) == 1
    assert "Nothing was recorded" in str(failures[0])


def test_cancelled_in_time_it_is_not_recorded(ledger: Ledger) -> None:
    with Held(ledger):
        kept = ledger.submit([said(ANN, OUT, "sms/marketing")])
        gone = ledger._commits.submit([[]])
        assert gone.cancel()
    assert kept.result()[0].seq == 1
    assert ledger.head().seq == 1


def test_subscribers_hear_of_each_commit(ledger: Ledger) -> None:
    heard: list[int] = []
    end = ledger.subscribe(heard.append)

    def faulty(_: int) -> None:
        raise RuntimeError

    end_faulty = ledger.subscribe(faulty)
    ledger.record([said(ANN, OUT, "sms/marketing"), said(ANN, OUT, "*/marketing")])
    ledger.record([said(BEN, OUT, "email/marketing")])
    end_faulty()
    end()
    ledger.record([said(BEN, OUT, "*/marketing")])
    ledger.close()
    assert heard == [2, 3]


def test_a_subscriber_may_not_write(ledger: Ledger) -> None:
    raised: list[BaseException] = []

    def write(_: int) -> None:
        try:
            ledger.record([said(BEN, OUT, "email/marketing")])
        except LedgerUnavailable as error:
            raised.append(error)

    ledger.subscribe(write)
    ledger.record([said(ANN, OUT, "sms/marketing")])
    ledger.close()
    assert "subscriber" in str(raised[0])


def test_close_finishes_what_was_submitted(
    ledger: Ledger, database_url: str, keys: Keys, clock: HeldClock
) -> None:
    futures = [ledger.submit([said(address(n), OUT, "email/marketing")]) for n in range(200)]
    ledger.close()
    assert sorted(f.result()[0].seq for f in futures) == list(range(1, 201))
    for call in (
        lambda: ledger.record([said(ANN, OUT, "sms/marketing")]),
        lambda: ledger.head(),
        lambda: ledger.read_one(ledger.key_of(ANN)),
    ):
        with pytest.raises(LedgerUnavailable, match="closed"):
            call()
    with Ledger.open(database_url, keys, clock=clock) as again:
        assert again.head().seq == 200


def test_a_reader_waits_for_no_writer(ledger: Ledger) -> None:
    ledger.record([said(ANN, OUT, "sms/marketing")])
    with Held(ledger):
        assert ledger.head().seq == 1
        assert len(ledger.read_one(ledger.key_of(ANN))) == 2


def test_a_program_may_end_without_closing(
    database_url: str, ledger: Ledger, keys: Keys, tmp_path: Path
) -> None:
    """Its writing thread ends by itself, having finished what was submitted."""
    keys.save(tmp_path / "keys")
    program = f"""
from heedful.config import Keys
from heedful.ledger import Ledger
from tests.ledger.everything import ANN, said
ledger = Ledger.open({database_url!r}, Keys.load({str(tmp_path / "keys")!r}))
for n in range(50):
    ledger.submit([said(ANN, "opt_out", "sms/marketing", request_id=str(n))])
"""
    program = program.replace(
        '"opt_out"', "__import__('heedful.core.event').core.event.Action.OPT_OUT"
    )
    done: Any = subprocess.run(
        [sys.executable, "-c", program], timeout=20, capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2], env={"PYTHONPATH": "src:."},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ledger.head().seq == 50


def test_what_was_checked_against_an_older_catalogue_is_not_recorded(ledger: Ledger) -> None:
    answers: list[object] = []
    done = threading.Event()

    def answered(outcome: object) -> None:
        answers.append(outcome)
        done.set()

    number = ledger.head().catalogue
    ledger.hand_in([said(ANN, OUT, "sms/marketing")], answered, number + 1)
    assert done.wait(10)
    assert (answers, ledger.head().seq) == ([[]], 0)
    done.clear()
    ledger.hand_in([said(ANN, OUT, "sms/marketing")], answered, number)
    assert done.wait(10)
    assert [receipt.seq for receipt in answers[1]] == [1]  # type: ignore[attr-defined]
