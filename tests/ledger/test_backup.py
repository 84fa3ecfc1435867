"""A backup is whole or refused, and what comes back is the same ledger on either engine."""

from __future__ import annotations

import gzip
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heedful.config import Keys
from heedful.core.errors import (
    Forbidden,
    HistoryChanged,
    InvalidBackup,
    LedgerBroken,
    LedgerError,
    LedgerFull,
    LedgerNotEmpty,
    LedgerUnavailable,
    WrongKeys,
)
from heedful.core.event import Action
from heedful.ledger import Cursor, Ledger
from heedful.ledger import restore as restore_module
from heedful.ledger.backup import ADVICE, TABLES, backup
from heedful.ledger.restore import restore
from heedful.ledger.verify import verify
from tests.ledger.everything import (
    ANN,
    BACK,
    BEGAN,
    BEN,
    GONE,
    Behind,
    Clock,
    everything,
    ledger_now,
    said,
)

KEYS = Keys.make(BEGAN)


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All that a backup is to bring back."""
    with Behind(url) as behind:
        return {table.name: list(behind.stream(f"backup_{table.name}")) for table in TABLES}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the ledger that has everything, taken from SQLite."""
    folder = tmp_path_factory.mktemp("made")
    with everything(f"sqlite:///{folder}/heedful.db", KEYS) as ledger:
        backup(ledger, folder / "heedful.backup")
    return folder / "heedful.backup"


@pytest.mark.parametrize("turn", ["sqlite to postgresql and back", "postgresql to sqlite and back"])
def test_a_round_trip_over_both_engines_brings_everything_back(
    turn: str, postgres_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    lite, server = (sqlite_url, f"{sqlite_url}-2"), postgres_url
    first, second = (lite[0], server) if turn.startswith("sqlite") else (server, lite[0])
    with everything(first, KEYS) as ledger:
        events, _ = ledger.events(Cursor.START, 1000)
        states = ledger.states([ledger.key_of(ANN), ledger.key_of(BEN)])
        shown = rows_of(first)
        told = backup(ledger, tmp_path / "1")
        assert (told.events, told.path) == (ledger.head().seq, tmp_path / "1")
    steps: list[tuple[int, int]] = []
    done = restore(tmp_path / "1", second, KEYS, lambda *step: steps.append(step))
    assert (done.events, done.differences) == (len(events), ())
    assert steps[-1] == (sum(map(len, shown.values())),) * 2
    with Ledger.open(second, KEYS, clock=Clock(BEGAN * 2)) as ledger:
        assert ledger.events(Cursor.START, 1000)[0] == events
        assert ledger.states(list(states)) == states
        # Vendors are told anew: their cursors come back with no touchpoints behind them.
        shown["vendor_cursor"] = [(row[0], "", *row[2:]) for row in shown["vendor_cursor"]]
        assert rows_of(second) == shown
        assert verify(ledger).ok
        assert ledger.subject_of(ledger.key_of(GONE)) is None
        assert ledger.subject_of(ledger.key_of(BACK)) == BACK
        backup(ledger, tmp_path / "2")
    third = lite[1]
    restore(tmp_path / "2", third, KEYS)
    assert rows_of(third) == shown
    with Ledger.open(third, KEYS) as ledger:
        assert ledger.record([said(BEN, Action.OPT_OUT, "*/marketing")])[0].seq == len(events) + 1
        assert verify(ledger).ok


def test_what_was_restored_goes_on_as_a_ledger_of_its_own(made: Path, database_url: str) -> None:
    done = restore(made, database_url, KEYS)
    with Ledger.open(database_url, KEYS, clock=Clock(BEGAN * 2)) as ledger:
        assert ledger.head().epoch == done.epoch
        (key,) = ledger.keys_list()
        assert (key.name, sorted(key.permissions)) == ("shop", ["check", "record"])
        assert ledger.catalogue().number == 2
        # Waiting deliveries, the vendor's place, and no owner: the host that had it is gone.
        cursor = ledger.outbox.cursors()["texter"]
        assert (cursor.seq, cursor.stage, cursor.owner) == (3, "feed", None)
        assert cursor.touches == ""
        ledger.events(Cursor(cursor.seq, cursor.hash), 10)
        assert [d.seq for d in ledger.outbox.waiting("texter")] == [3]
        # Repeats are known, numbers go on, what is kept gets a new number.
        again = said(BEN, Action.OPT_OUT, "email/marketing", request_id="after")
        (repeat,) = ledger.record([again])
        assert repeat.repeat
        assert ledger.keep("hook:x", "why", b"{}") > 1
        ledger.record([said(BEN, Action.OPT_OUT, "*/marketing")])
        assert ledger.purge(ledger_now(ledger) + BEGAN * 2) == 1
        assert verify(ledger).ok


def test_a_reader_from_after_the_backup_is_told_to_start_again(
    made: Path, sqlite_url: str, new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    with everything(sqlite_url, KEYS) as ledger:
        taken = backup(ledger, tmp_path / "1")
        at_backup = ledger.events(Cursor.START, 1000)[1]
        ledger.record([said(ANN, Action.OPT_OUT, "*/marketing")])
        ledger.record([said(BEN, Action.OPT_OUT, "*/marketing")])
        _, after = ledger.events(Cursor.START, 1000)
        epoch = ledger.head().epoch
    url = new_database_url()
    restore(tmp_path / "1", url, KEYS)
    with Ledger.open(url, KEYS, clock=Clock(BEGAN * 2)) as ledger:
        assert ledger.head().epoch != epoch
        with pytest.raises(HistoryChanged, match="Start again"):
            ledger.events(after, 10)
        for subject in (BEN, ANN, BEN):
            ledger.record([said(subject, Action.OPT_OUT, "*/marketing")])
        assert ledger.head().seq > after.seq > taken.events
        with pytest.raises(HistoryChanged, match="Start again"):
            ledger.events(after, 10)
        assert len(ledger.events(at_backup, 10)[0]) == 3


def test_it_holds_no_keys_and_only_its_owner_reads_it(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    content = gzip.decompress(made.read_bytes())
    for purpose in KEYS.by_purpose:
        for key in KEYS.all(purpose):
            assert key.secret not in content
            assert key.secret.hex().encode() not in content
    assert b"ben@example.com" in content  # as ADVICE says
    assert "keys are not in the file" in ADVICE
    assert b"I am Gone" not in content, "erased texts were deleted before"
    assert all(isinstance(json.loads(line), dict | list) for line in content.splitlines())


def test_a_file_that_is_there_is_not_written_over(made: Path, sqlite_url: str) -> None:
    before = made.read_bytes()
    with everything(sqlite_url, KEYS) as ledger:
        with pytest.raises(Forbidden, match="already"):
            backup(ledger, made)
        with pytest.raises(Forbidden, match="No backup was made"):
            backup(ledger, made.parent / "no folder" / "file")
        assert made.read_bytes() == before
        # What a killed backup left is no obstacle.
        (made.parent / "next.unfinished").write_bytes(b"half")
        backup(ledger, made.parent / "next")
    assert sorted(path.name for path in made.parent.glob("next*")) == ["next"]


def test_a_full_disk_leaves_no_backup(sqlite_url: str) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with everything(sqlite_url, KEYS) as ledger:
        folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
        real = os.open
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "open", lambda path, *rest: (
                real(full, os.O_WRONLY) if str(path).endswith(".unfinished")
                and not os.close(real(path, *rest)) else real(path, *rest)
            ))  # fmt: skip
            with pytest.raises(LedgerFull, match="No backup was made"):
                backup(ledger, folder / "file")
        assert not list(folder.glob("file*"))
        assert verify(ledger).ok


def damaged(made: Path) -> Iterator[tuple[str, bytes]]:
    whole = made.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    for length in (0, 1, 9, 10, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        yield f"cut at {length}", whole[:length]
    for place in (3, 20, len(whole) // 2, len(whole) - 6):
        yield f"bit at {place}", whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :]
    for number in (0, 1, 2, len(lines) // 2, len(lines) - 1):
        yield (
            f"without line {number}",
            gzip.compress(b"".join(lines[:number] + lines[number + 1 :])),
        )
    yield "lines cut", gzip.compress(b"".join(lines)[:-20])
    changed = b"".join(lines).replace(b"sms/marketing", b"sms/everythin")
    yield "a word", gzip.compress(changed)
    yield "text", b"hello"
    yield "json", gzip.compress(b'{"a": 1}\n')
    yield (
        "newer",
        gzip.compress(b"".join(lines).replace(b'"heedful_backup":1', b'"heedful_backup":2')),
    )


def test_a_file_cut_off_or_changed_is_refused_and_nothing_is_made(
    made: Path, tmp_path: Path, sqlite_url: str
) -> None:
    for what, content in damaged(made):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(InvalidBackup) as refusal:
            restore(tmp_path / "file", sqlite_url, KEYS)
        assert "Nothing was restored." in str(refusal.value), what
        assert not Path(sqlite_url.removeprefix("sqlite:///")).exists(), what
    with pytest.raises(InvalidBackup, match="cannot be read"):
        restore(tmp_path / "nowhere", sqlite_url, KEYS)


def test_a_file_changed_by_somebody_who_can_hash_is_refused(
    made: Path, tmp_path: Path, sqlite_url: str
) -> None:
    """Say, with one more permission for a key, which no event can contradict."""
    import hashlib

    lines = gzip.decompress(made.read_bytes()).splitlines(keepends=True)
    end = json.loads(lines.pop())
    forged = b"".join(lines).replace(b"check record", b"admin check ")
    end["sha256"] = hashlib.sha256(forged).hexdigest()
    (tmp_path / "file").write_bytes(gzip.compress(forged + json.dumps(end).encode() + b"\n"))
    with pytest.raises(InvalidBackup, match="was changed"):
        restore(tmp_path / "file", sqlite_url, KEYS)


def test_other_keys_are_refused(made: Path, sqlite_url: str) -> None:
    with pytest.raises(WrongKeys, match="Nothing was restored"):
        restore(made, sqlite_url, Keys.make(BEGAN))
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()


def test_rotated_keys_are_taken(made: Path, sqlite_url: str) -> None:
    restore(made, sqlite_url, KEYS.rotate("receipts", BEGAN).rotate("links", BEGAN))


def test_a_ledger_with_a_history_is_not_written_over(made: Path, database_url: str) -> None:
    with Ledger.open(database_url, KEYS, create=True) as ledger:
        ledger.create_key("shop", ["check"], None, BEGAN)
    with pytest.raises(LedgerNotEmpty, match="Nothing was restored"):
        restore(made, database_url, KEYS)
    with Ledger.open(database_url, KEYS) as ledger:
        ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing")])
        before = rows_of(database_url)
        with pytest.raises(LedgerNotEmpty, match="event 1 is its last"):
            restore(made, database_url, KEYS)
        assert rows_of(database_url) == before


def test_a_restore_that_fails_on_the_way_leaves_an_empty_ledger(
    made: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each table in turn; afterwards it can be done again."""
    real = restore_module.TABLES
    for table in (real[0].name, real[2].name, real[-1].name):

        def lost(done: int, of: int) -> None:
            raise LedgerUnavailable("The database went away.")

        monkeypatch.setattr(restore_module, "AT_ONCE", 1)
        monkeypatch.setattr(restore_module, "OFTEN", 1 + [t.name for t in real].index(table) * 3)
        with pytest.raises(LedgerError):
            restore(made, database_url, KEYS, lost)
        assert not any(rows_of(database_url).values())
        with Ledger.open(database_url, KEYS) as ledger:
            assert ledger.head().seq == 0
    monkeypatch.undo()
    restore(made, database_url, KEYS)


def test_a_ledger_that_had_differences_is_restored_only_if_that_is_said(
    new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    first, second = new_database_url(), new_database_url()
    with everything(first, KEYS) as ledger:
        with Behind(first) as behind:
            behind.do("delete from cell where slot = 'lift'")
        backup(ledger, tmp_path / "1")
    with pytest.raises(LedgerBroken, match=r"Cell lift .* is missing"):
        restore(tmp_path / "1", second, KEYS)
    assert not any(rows_of(second).values())
    done = restore(tmp_path / "1", second, KEYS, despite_differences=True)
    assert len(done.differences) == 1


def test_it_is_taken_of_one_moment_while_writers_go_on(
    new_database_url: Callable[[], str], tmp_path: Path
) -> None:
    with everything(new_database_url(), KEYS) as ledger:
        ending = threading.Event()

        def write() -> None:
            while not ending.is_set():
                ledger.record([said(BEN, Action.OPT_OUT, "email/marketing", evidence={"a": "b"})])

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        try:
            taken = [backup(ledger, tmp_path / str(n)) for n in range(3)]
        finally:
            ending.set()
            for writer in writers:
                writer.join()
        assert taken[0].events < taken[2].events < ledger.head().seq
    for one in taken[::2]:
        assert restore(one.path, new_database_url(), KEYS).events == one.events
