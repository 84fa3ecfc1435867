"""Killed in mid-write, fifty times an engine (a thousand in `./run soak`), at random moments and
at moments known to lie just before and just after a commit: what was acknowledged is there, once,
and nothing is there by halves."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heedful.config import Keys
from heedful.core.errors import LedgerNotEmpty, LedgerUnavailable
from heedful.ledger import Ledger
from heedful.ledger.backup import backup
from heedful.ledger.rederive import cells_said, chained
from heedful.ledger.restore import restore
from heedful.ledger.verify import verify
from tests.ledger import recorder
from tests.ledger.everything import BEGAN, Behind
from tests.ledger.servers import Server, own_server

KEYS = Keys.make(BEGAN)
ROOT = Path(__file__).parents[2]

MODES = ("random", "random", "random", "before", "after")
"""In turn: of fifty kills ten lie between the last write and the commit, ten just behind it."""


class Acknowledged:
    """The file that a recorder writes its receipts to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def lines(self) -> list[str]:
        """The lines that are complete."""
        return self.path.read_text().rpartition("\n")[0].split("\n")

    def wait(self, beginning: str, seconds: float = 30) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for line in self.lines():
                if line.startswith(beginning):
                    return line
            time.sleep(0.001)
        raise AssertionError(f"no line begins with '{beginning}': {self.lines()[-5:]}")

    def receipts(self) -> dict[str, int]:
        told = (line.split() for line in self.lines())
        return {w[0]: int(w[1]) for w in told if len(w) == 2 and w[0] != "error"}


class Recorder:
    """The program of recorder.py, which makes one child after the other."""

    def __init__(self, url: str, folder: Path) -> None:
        KEYS.save(folder / "heedful.keys")
        self.folder = folder
        self._run = 0
        self._program = subprocess.Popen(
            [sys.executable, recorder.__file__, url, str(folder / "heedful.keys")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )

    def go(self, mode: str, run: str | None = None) -> Acknowledged:
        """Make a child; a run's name tells its request ids from those of others."""
        self._run += 1
        acknowledged = Acknowledged(self.folder / f"acknowledged-{self._run}")
        self._tell(f"go {acknowledged.path} {mode} {run or self._run}", "gone off")
        return acknowledged

    def kill(self) -> None:
        self._tell("kill", "killed")

    def _tell(self, line: str, answer: str) -> None:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()
        assert self._program.stdout.readline() == answer + "\n"

    def close(self) -> None:
        self._program.communicate(timeout=30)


@contextmanager
def recording(url: str, folder: Path) -> Iterator[Recorder]:
    recorder = Recorder(url, folder)
    try:
        yield recorder
    finally:
        recorder.close()


class Witness:
    """Looks at the tables themselves after each kill, from where it looked last."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self.seq, self._hash = 0, bytes(32)
        self.requests: dict[str, int] = {}

    def look(self, acknowledged: dict[str, int]) -> None:
        # A commit that was on its way to the server at the kill may still take place meanwhile.
        with self._behind.at_once():
            self._look(acknowledged)

    def _look(self, acknowledged: dict[str, int]) -> None:
        rows = self._behind.ask(
            "select e.seq, e.hash, e.body, a.text, v.text, c.how from event e "
            "left join address a on a.subject = e.subject left join evidence v on v.seq = e.seq "
            "left join confirmation c on c.seq = e.seq where e.seq > ? order by e.seq",
            self.seq,
        )
        ((head, head_hash),) = self._behind.ask("select seq, hash from head")
        said = [json.loads(body) for _, _, body, *_ in rows]
        retracted = {one["retracts"] for one in said if "retracts" in one}
        groups: Counter[str] = Counter()
        for (seq, digest, body, text, evidence, how), one in zip(rows, said, strict=True):
            assert seq == one["seq"] == self.seq + 1
            self._hash = chained(self._hash, body)
            self.seq = seq
            assert digest == self._hash
            assert text is not None
            assert (evidence is None) == (one.get("evidence") is None)
            assert how == one.get("confirmation")
            if request := one.get("request_id"):
                assert request not in self.requests, "recorded twice"
                self.requests[request] = seq
                groups[request.rpartition("-")[0]] += 1
            for whose, slot, scope, _ in () if seq in retracted else cells_said(one):
                cell = self._behind.ask(
                    "select seq from cell where subject = ? and slot = ? and scope = ?",
                    bytes.fromhex(whose), slot, scope,
                )  # fmt: skip
                assert cell, f"event {seq} has not its cell {slot}"
                assert cell[0][0] >= seq, f"event {seq} is not in its cell {slot}"
        assert (head, head_hash) == (self.seq, self._hash)
        for where, count in groups.items():
            n = int(where.rpartition("-")[2])
            assert count == 2 + (n % 3 == 0) + (n % 7 == 6), f"group {where} is there by halves"
        for request, seq in acknowledged.items():
            assert self.requests.get(request) == seq, "acknowledged, and not there"


def killed(url: str, folder: Path, kills: int, verify_every: int) -> None:
    chance = random.Random(kills)
    proved: Counter[str] = Counter()
    count = 0
    with Ledger.open(url, KEYS, create=True) as ledger:
        with Behind(url) as behind, recording(url, folder) as program:
            witness = Witness(behind)
            for n in range(kills):
                mode = MODES[n % len(MODES)]
                acknowledged = program.go(mode)
                if mode == "random":
                    # From before the first event, through many, with no regard to what it does.
                    acknowledged.wait("ready")
                    time.sleep(chance.uniform(0, 0.05))
                    program.kill()
                    witness.look(acknowledged.receipts())
                else:
                    _, first, last = acknowledged.wait("held").split()
                    program.kill()
                    witness.look(acknowledged.receipts())
                    assert witness.seq == (int(first) - 1 if mode == "before" else int(last))
                    assert int(first) > max(acknowledged.receipts().values(), default=0)
                    proved[mode] += 1
                count += len(acknowledged.receipts())
                acknowledged.path.unlink()
                if (n + 1) % verify_every == 0:
                    assert verify(ledger).differences == ()
        report = verify(ledger)
        assert report.differences == ()
        assert report.events == witness.seq >= count > kills
        assert proved == {"before": kills // 5, "after": kills // 5}
        # The file or server is none the worse for it.
        assert ledger.record(recorder.group("end", 0, 1))[0].seq == report.events + 1


def test_killed_fifty_times(database_url: str, tmp_path: Path) -> None:
    killed(database_url, tmp_path, 50, verify_every=10)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_a_thousand_times(database_url: str, tmp_path: Path) -> None:
    killed(database_url, tmp_path, 1000, verify_every=100)


# --- a restore killed


def test_a_restore_killed_on_the_way_is_all_or_nothing(
    new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    chance = random.Random(5)
    first, second = new_database_url(), new_database_url()
    with Ledger.open(first, KEYS, create=True) as ledger:
        ledger.record_many(recorder.group("restored", 0, n) for n in range(400))
        events = backup(ledger, tmp_path / "backup").events
    began = time.monotonic()
    restore(tmp_path / "backup", second, KEYS)
    takes = time.monotonic() - began
    url, seq = new_database_url(), 0
    with recording(url, tmp_path) as program:
        for _ in range(5):
            acknowledged = program.go("restore", str(tmp_path / "backup"))
            acknowledged.wait("ready")
            time.sleep(chance.uniform(0, takes))
            program.kill()
            try:
                with Ledger.open(url, KEYS) as ledger:
                    seq = ledger.head().seq
                    assert seq in (0, events)
                    assert verify(ledger).ok
                if seq == events:
                    break
            except LedgerUnavailable as error:
                if "There is no ledger" not in str(error):
                    raise
    if seq != events:
        assert restore(tmp_path / "backup", url, KEYS).events == events
    with pytest.raises(LedgerNotEmpty):
        restore(tmp_path / "backup", url, KEYS)


# --- the server killed, and the writer goes on


def server_killed(server: Server, url: str, folder: Path, kills: int) -> None:
    """The recorder outlives its server: what it could not know, it says again with the same ids."""
    chance = random.Random(kills)
    with Ledger.open(url, KEYS, create=True) as ledger, recording(url, folder) as program:
        acknowledged = program.go("lasting")
        seen = 0
        for _ in range(kills):
            until = time.monotonic() + 30
            while len(acknowledged.receipts()) <= seen and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            server.kill()
            at_kill = acknowledged.receipts()
            assert len(at_kill) > seen, "it did not go on by itself"
            server.start()
            with Behind(url) as behind:
                held = dict(behind.ask("select seq, hash from event"))
                assert set(at_kill.values()) <= held.keys()
            seen = len(at_kill)
        assert any(line == "error ledger_unavailable" for line in acknowledged.lines())
        acknowledged.wait("error")
        program.kill()
        with Behind(url) as behind:
            Witness(behind).look(acknowledged.receipts())
        assert verify(ledger).differences == ()


def test_the_server_killed_under_a_writer(tmp_path: Path) -> None:
    with own_server() as server:
        server_killed(server, server.new_database(), tmp_path, 3)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_server_killed_fifty_times_under_a_writer(tmp_path: Path) -> None:
    with own_server() as server:
        server_killed(server, server.new_database(), tmp_path, 50)
