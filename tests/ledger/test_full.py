"""The disk full, and the database gone: a clear error each time, nothing acknowledged lost, and
back to work by itself when there is room, or the database is there again."""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heedful.config import Keys
from heedful.core.address import Address
from heedful.core.errors import LedgerBroken, LedgerError, LedgerFull, LedgerUnavailable
from heedful.core.event import Action, Statement
from heedful.core.scope import Scope
from heedful.ledger import Cursor, Ledger
from heedful.ledger.verify import verify
from tests.ledger.everything import BEGAN
from tests.ledger.servers import Server, own_server

KEYS = Keys.make(BEGAN)
_numbers = itertools.count(1)


def stop(evidence: int = 2000) -> list[Statement]:
    """An opt-out with a request id that was never used, and something to fill a disk with."""
    n = next(_numbers)
    return [
        Statement(
            Address.parse(f"mailto:person-{n}@example.com"),
            Action.OPT_OUT,
            "full",
            Scope.parse("email/marketing"),
            request_id=str(n),
            evidence={str(n): os.urandom(1000).hex() for n in range(evidence // 2000)},
        )
    ]


class Tally:
    """What was acknowledged, and what was refused with the promise that it was not recorded."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.acknowledged: dict[str, int] = {}
        self.refused: set[str] = set()

    def record(self, said: list[Statement]) -> LedgerError | None:
        (request,) = [s.request_id or "" for s in said]
        try:
            (receipt,) = self.ledger.record(said)
        except LedgerError as error:
            if "Nothing was recorded" in str(error):
                self.refused.add(request)
            elif "It may or may not have been recorded" not in str(error):
                raise AssertionError(f"it does not say what was recorded: {error}") from None
            return error
        self.acknowledged[request] = receipt.seq
        self.refused.discard(request)
        return None

    def until_refused(self, most: int = 5000) -> LedgerError:
        """Record, with four at a time, until one is refused."""
        errors: list[LedgerError] = []

        def some() -> None:
            for _ in range(most):
                if errors:
                    return
                if error := self.record(stop()):
                    errors.append(error)

        threads = [threading.Thread(target=some) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors, "it never filled up"
        return errors[0]

    def check(self) -> None:
        """All that was acknowledged is there, and nothing that was refused."""
        events, _ = self.ledger.events(Cursor.START, 100_000)
        there = {event.request_id: event.seq for event in events}
        assert len(there) == len(events)
        assert self.acknowledged.items() <= there.items()
        assert not self.refused & there.keys()
        assert verify(self.ledger).differences == ()


def full(ledger: Ledger, make_room: Callable[[], Any]) -> None:
    """A ledger on a disk with some room is filled, read, given room, and goes on."""
    tally = Tally(ledger)
    error = tally.until_refused()
    assert isinstance(error, LedgerFull), error
    assert "full" in str(error)
    assert len(tally.acknowledged) > 5
    # What is there can be read while there is no room, and a second refusal is as clear.
    assert ledger.head().seq >= len(tally.acknowledged)
    last = stop(20_000)
    assert isinstance(tally.record(last), LedgerError)
    tally.check()
    make_room()
    # By itself, with the ledger that was open all the time; what was refused is said again.
    assert tally.record(last) is None
    for _ in range(50):
        assert tally.record(stop()) is None
    tally.check()


# --- full


def test_sqlite_at_its_page_limit(sqlite_url: str) -> None:
    with Ledger.open(sqlite_url, KEYS, create=True) as ledger:
        plain = ledger.database.writer
        connections = []

        def limited() -> Any:
            writer: Any = plain()
            connections.append(writer._connection.raw)
            ((pages,),) = connections[0].execute("pragma page_count").fetchall()
            connections[0].execute(f"pragma max_page_count = {pages + 100}")
            return writer

        ledger.database.writer = limited  # type: ignore[method-assign]
        full(ledger, lambda: connections[0].execute("pragma max_page_count = 1000000").fetchall())


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 160 MB in memory."""
    # Not in the test's own folder, into which the server's user may not go.
    disk = Path(tempfile.mkdtemp(prefix="hf-disk-", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        disk.rmdir()
        pytest.skip(
            "A disk that is really full needs a small file system of its own, and this user may "
            f"not mount one: {mounted.stderr.strip()}. Run the tests as root."
        )
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


def fill_up(disk: Path, leave: int) -> Path:
    """Take all of a disk but so many bytes."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)
    return ballast


def test_sqlite_on_a_full_disk(small_disk: Path) -> None:
    with Ledger.open(f"sqlite:///{small_disk}/heedful.db", KEYS, create=True) as ledger:
        tally = Tally(ledger)
        tally.record(stop())
        ballast = fill_up(small_disk, 300_000)
        full(ledger, ballast.unlink)
        tally.check()


def test_postgresql_on_a_full_disk(small_disk: Path) -> None:
    with (
        own_server(small_disk) as server,
        Ledger.open(server.new_database(), KEYS, create=True) as ledger,
    ):
        tally = Tally(ledger)
        tally.record(stop())
        ballast = fill_up(small_disk, 300_000)
        full(ledger, ballast.unlink)
        tally.check()


def test_postgresql_with_no_room_for_its_log(small_disk: Path) -> None:
    """Then the server itself gives up. All that was acknowledged is there when it has room."""
    with (
        own_server(log_disk=small_disk) as server,
        Ledger.open(server.new_database(), KEYS, create=True) as ledger,
    ):
        tally = Tally(ledger)
        tally.record(stop())
        ballast = fill_up(small_disk, 300_000)
        error = tally.until_refused()
        assert isinstance(error, LedgerFull | LedgerUnavailable)
        assert len(tally.acknowledged) > 5
        ballast.unlink()
        server.kill()  # it has given up already, or is trying to start
        server.start()
        assert tally.record(stop()) is None
        tally.check()


# --- gone


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


def test_postgresql_stopped_and_started_again(server: Server) -> None:
    with Ledger.open(server.new_database(), KEYS, create=True) as ledger:
        tally = Tally(ledger)
        said = stop()
        assert tally.record(said) is None
        key = ledger.key_of(said[0].subject)
        writing = threading.Thread(target=tally.until_refused)
        writing.start()
        time.sleep(0.1)
        server.stop()
        writing.join()
        # No answer is an error, in every way of asking: nobody may take it for "nothing stands".
        for ask in (
            lambda: ledger.read_one(key),
            lambda: ledger.read([key]),
            lambda: ledger.state(key),
            lambda: ledger.states([key], as_of=BEGAN),
            lambda: ledger.history(key),
            lambda: ledger.head(),
            lambda: ledger.event(1),
            lambda: ledger.events(Cursor.START, 1),
            lambda: ledger.find_key("hk_x"),
            lambda: ledger.outbox.cursors(),
            lambda: ledger.checkpoint(),
            lambda: verify(ledger),
        ):
            with pytest.raises(LedgerUnavailable):
                ask()  # type: ignore[no-untyped-call]
        again = stop()
        for _ in range(2):
            error = tally.record(again)
            assert isinstance(error, LedgerUnavailable)
            assert "Nothing was recorded" in str(error)
        with pytest.raises(LedgerUnavailable, match="Is the server running"):
            Ledger.open(ledger.database._url, KEYS)  # type: ignore[attr-defined]
        server.start()
        assert tally.record(again) is None
        assert ledger.state(key)
        tally.check()


def test_postgresql_ending_every_connection(server: Server) -> None:
    """As at a failover, or by an administrator: the next call works."""
    import psycopg

    with Ledger.open(server.new_database(), KEYS, create=True) as ledger:
        tally = Tally(ledger)
        for _ in range(3):
            assert tally.record(stop()) is None
            with psycopg.connect(server.dsn, autocommit=True) as other:
                other.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                    "where application_name = 'heedful'"
                )
            assert ledger.head().seq == len(tally.acknowledged)
        tally.check()


@pytest.mark.parametrize("how", ["deleted", "replaced", "folder gone"])
def test_sqlites_file_taken_away_under_an_open_ledger(how: str, tmp_path: Path) -> None:
    """SQLite itself would go on writing to a file without a name, and acknowledge that."""
    folder = tmp_path / "data"
    folder.mkdir()
    file, aside = folder / "heedful.db", tmp_path / "aside"
    with Ledger.open(f"sqlite:///{file}", KEYS, create=True) as ledger:
        tally = Tally(ledger)
        said = stop()
        assert tally.record(said) is None
        key = ledger.key_of(said[0].subject)
        assert ledger.read_one(key)[1:]
        back = (aside, file)
        if how == "folder gone":
            back = (aside, folder)
            folder.rename(aside)
        else:
            file.rename(aside)
        if how == "replaced":
            with Ledger.open(f"sqlite:///{tmp_path}/other.db", KEYS, create=True):
                pass
            (tmp_path / "other.db").rename(file)
        time.sleep(0.11)
        with pytest.raises(LedgerUnavailable, match="moved, deleted or replaced"):
            ledger.read_one(key)
        with pytest.raises(LedgerUnavailable, match="moved, deleted or replaced"):
            ledger.head()
        for _ in range(2):
            again = stop()
            error = tally.record(again)
            assert isinstance(error, LedgerUnavailable)
            assert "Nothing was recorded." in str(error)
        back[0].rename(back[1])
        assert tally.record(again) is None
        assert ledger.read_one(key)[1:]
        tally.check()


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "heedful.db"
    with pytest.raises(LedgerUnavailable, match="no ledger"):
        Ledger.open(f"sqlite:///{file}", KEYS)
    file.touch()
    with pytest.raises(LedgerUnavailable, match="no ledger"):
        Ledger.open(f"sqlite:///{file}", KEYS)
    file.write_bytes(b"a letter to somebody " * 500)
    with pytest.raises(LedgerBroken, match="is no ledger"):
        Ledger.open(f"sqlite:///{file}", KEYS)
    with pytest.raises(LedgerUnavailable):
        Ledger.open(f"sqlite:///{tmp_path}", KEYS, create=True)
