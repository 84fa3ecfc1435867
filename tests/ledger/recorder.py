"""A program that records as fast as it can and says what was acknowledged, to be killed at it.

    python recorder.py URL KEYS

It stands ready and makes a child for each line `go ACKNOWLEDGED MODE RUN`; `kill` kills the child
with SIGKILL and waits until it is gone. The child appends a line to the file ACKNOWLEDGED for each
receipt, after it came: what was written into a file before a SIGKILL stays in it.

    ready                   the ledger is open
    REQUEST SEQ             recorded under this number
    held FIRST LAST         MODE before, after: stopped for good before, or after, the commit of
                            the events FIRST to LAST, none of which was acknowledged
    error CODE              MODE lasting: tried again, with the same request ids, until it works
    restored EVENTS         MODE restore, where RUN is a backup's path and nothing else is done
"""

from __future__ import annotations

import importlib
import itertools
import os
import random
import signal
import sys
import threading
import time
from typing import Any

from heedful.config import Keys
from heedful.core.address import Address, Contact
from heedful.core.errors import LedgerError
from heedful.core.event import Action, Consent, Statement
from heedful.core.scope import Scope
from heedful.ledger import Ledger
from heedful.ledger.restore import restore

THREADS = 4
MARKETING = Scope.parse("sms/marketing")


class Held:
    """A writer that stops for good beside one of its commits, with everything written."""

    def __init__(self, writer: Any, mode: str, commits: int, acknowledged: int) -> None:
        self._writer, self._mode, self._left = writer, mode, commits
        self._acknowledged = acknowledged

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def commit(self, *writes: Any) -> None:
        seqs = [row[0] for name, rows in writes if name == "append_events" for row in rows]
        self._left -= 1
        if self._left > 0 or not seqs:
            return self._writer.commit(*writes)
        self._writer.write(*writes)
        if self._mode == "after":
            self._writer.commit()
        os.write(self._acknowledged, f"held {min(seqs)} {max(seqs)}\n".encode())
        while True:
            time.sleep(60)


def group(run: str, thread: int, n: int) -> list[Statement]:
    """Two or three statements that stand together, with a text and evidence of their own."""
    where = f"{run}-{thread}-{n}"
    number = Address.parse(f"+1415555{random.randrange(10_000):04}")
    said = [
        Statement(
            number,
            Action.OPT_OUT,
            "killed",
            MARKETING,
            request_id=f"{where}-1",
            evidence={"text": "STOP", "where": where},
            confirmation="inline",
        ),
        Statement(
            Contact(f"crm-{where}"), Action.LINK, "killed", address=number, request_id=f"{where}-2"
        ),
    ]
    if n % 3 == 0:
        said.append(
            Statement(
                number,
                Action.OPT_IN,
                "killed",
                MARKETING,
                consent=Consent.EXPRESS,
                lifts=True,
                request_id=f"{where}-3",
            )
        )
    return said


def record(ledger: Ledger, run: str, thread: int, acknowledged: int, lasting: bool) -> None:
    for n in itertools.count():
        said = group(run, thread, n)
        if n % 7 == 6:
            retracted = f"{run}-{thread}-{n}-retract"
            said = [*said, _retraction(ledger, said[0].subject, retracted, acknowledged, lasting)]
        receipts = _until_it_works(ledger, said, acknowledged, lasting)
        lines = [f"{s.request_id} {r.seq}\n" for s, r in zip(said, receipts, strict=True)]
        os.write(acknowledged, "".join(lines).encode())


def _retraction(
    ledger: Ledger, subject: Any, request_id: str, acknowledged: int, lasting: bool
) -> Statement:
    """Of an opt-out of their own, made on the way."""
    said = [Statement(subject, Action.OPT_OUT, "killed", Scope.parse("sms/everything"))]
    (out,) = _until_it_works(ledger, said, acknowledged, lasting)
    return Statement(
        subject, Action.RETRACT, "killed", retracts=out.seq, reason="typing error",
        request_id=request_id,
    )  # fmt: skip


def _until_it_works(ledger: Ledger, said: Any, acknowledged: int, lasting: bool) -> Any:
    while True:
        try:
            return ledger.record(said)
        except LedgerError as error:
            if not lasting:
                raise
            os.write(acknowledged, f"error {error.code}\n".encode())
            time.sleep(0.02)


def child(url: str, keys: Keys, path: str, mode: str, run: str) -> None:
    acknowledged = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if mode == "restore":
        os.write(acknowledged, b"ready\n")
        events = restore(run, url, keys).events
        os.write(acknowledged, f"restored {events}\n".encode())
        threading.Event().wait()
    random.seed(run)
    ledger = Ledger.open(url, keys)
    if mode in ("before", "after"):
        plain = ledger.database.writer
        commits = random.randrange(1, 6)
        ledger.database.writer = lambda: Held(plain(), mode, commits, acknowledged)  # type: ignore[method-assign,return-value]
    os.write(acknowledged, b"ready\n")
    for thread in range(THREADS):
        threading.Thread(
            target=record, args=(ledger, run, thread, acknowledged, mode == "lasting")
        ).start()


def main(url: str, keys_path: str) -> None:
    keys = Keys.load(keys_path)
    # Whatever is imported on first use is imported once, here.
    for engine in ("sqlite", "postgres"):
        importlib.import_module(f"heedful.ledger.{engine}")
    pid = 0
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "go":
            path, mode, run = rest
            pid = os.fork()
            if pid == 0:
                child(url, keys, path, mode, run)
                return
            print("gone off", flush=True)
        elif word == "kill":
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            print("killed" if os.WTERMSIG(status) == signal.SIGKILL else "ended itself", flush=True)
            pid = 0
    if pid:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
