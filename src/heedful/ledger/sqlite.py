"""The embedded engine: SQLite in WAL mode with `synchronous=FULL`, one connection a thread.

FULL, because NORMAL may lose the last commits at a power failure, and those were acknowledged.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from heedful.core.errors import LedgerBroken, LedgerError, LedgerFull, LedgerUnavailable
from heedful.core.instant import Instant
from heedful.ledger.database import Ask, Parameters, Write, migrations, queries
from heedful.ledger.migrate import check_version
from heedful.ledger.values import Row

PATIENCE = 30.0
"""Seconds to wait for another process's transaction."""

LOOK_EVERY = 0.1
"""Seconds between a reader's looks whether the file is still the one that was opened. SQLite goes
on with a file that was deleted or replaced; writers look before and after each transaction."""

CACHE = -16_000
"""Kibibytes of page cache for a connection (SQLite takes a negative number as such)."""

_QUERIES = queries("sqlite")
_NAMED = {name: query.text for name, query in _QUERIES.items()}
_POSITIONAL = {name: query.rewritten("?") for name, query in _QUERIES.items()}
_CELLS_OF_ONE = _POSITIONAL["cells_of_one"]

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_REFUSED = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}


def translated(error: sqlite3.Error, outcome: str) -> LedgerError:
    """The error in our words. Its own text is left out: it may quote what was to be stored."""
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    primary = None if code is None else code & 0xFF
    if primary in _FULL:
        return LedgerFull(f"The disk that holds the ledger is full ({name}). {outcome} Make room.")
    if primary in _DAMAGED:
        return LedgerBroken(
            f"The ledger's file is damaged or is no ledger ({name}). {outcome} "
            "Restore it from a backup."
        )
    if primary in _REFUSED or isinstance(error, sqlite3.IntegrityError | sqlite3.InterfaceError):
        return LedgerBroken(
            f"The ledger's file refused a row ({name}). {outcome} `heedful verify` may say why."
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerUnavailable(
            f"Another process held the ledger for {PATIENCE:.0f} seconds ({name}). {outcome} "
            "Try again."
        )
    return LedgerUnavailable(f"The ledger's file cannot be used ({name}). {outcome}")


READING = "Nothing was read."
NOT_RECORDED = "Nothing was recorded."
UNKNOWN = (
    "It may or may not have been recorded; it is safe to send it again with the same request id."
)


class _Connection:
    """One connection, closed with the thread that it belongs to."""

    def __init__(self, uri: str) -> None:
        try:
            self.raw = sqlite3.connect(
                uri,
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except sqlite3.Error as error:
            raise translated(error, READING) from None
        try:
            self.raw.execute(f"pragma cache_size = {CACHE}")
            self.raw.execute("pragma synchronous = full")
            self.raw.execute("pragma foreign_keys = on")
            # Deleted text is overwritten: an erasure must not leave it in free pages.
            self.raw.execute("pragma secure_delete = on")
            (level,) = self.raw.execute("pragma synchronous").fetchone()
        except sqlite3.Error as error:
            self.raw.close()
            raise translated(error, READING) from None
        if level < 2:
            self.raw.close()
            raise LedgerUnavailable("SQLite would not be durable: synchronous=FULL did not take.")
        self.cursor = self.raw.cursor()
        self.execute = self.cursor.execute

    def close(self) -> None:
        self.raw.close()

    def __del__(self) -> None:
        if hasattr(self, "raw"):
            self.raw.close()


class SqliteWriter:
    """See database.Writer. `begin immediate` is the writers' lock, across processes."""

    def __init__(self, connection: _Connection, look: Callable[[str], None]) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._look = look

    def begin(self, *asks: Ask) -> list[list[Row]]:
        self._look(NOT_RECORDED)
        try:
            self._execute("begin immediate")
        except sqlite3.Error as error:
            raise translated(error, NOT_RECORDED) from None
        return self.ask(("lock_head", {}), *asks)

    def ask(self, *asks: Ask) -> list[list[Row]]:
        try:
            return [self._execute(_NAMED[name], given).fetchall() for name, given in asks]
        except sqlite3.Error as error:
            raise translated(error, NOT_RECORDED) from None

    def write(self, *writes: Write) -> None:
        many = self._connection.cursor.executemany
        try:
            for name, rows in writes:
                many(_POSITIONAL[name], rows)
        except sqlite3.Error as error:
            raise translated(error, NOT_RECORDED) from None
        except OverflowError:
            raise LedgerBroken(f"A number is too large to store. {NOT_RECORDED}") from None

    def commit(self, *writes: Write) -> None:
        self.write(*writes)
        try:
            self._execute("commit")
        except sqlite3.Error as error:
            # Full or busy: SQLite has not begun to commit. After any other error the frames may
            # have reached the file, and a recovery would find them.
            began = error.sqlite_errorcode & 0xFF not in (*_FULL, sqlite3.SQLITE_BUSY)
            raise translated(error, UNKNOWN if began else NOT_RECORDED) from None
        self._look(UNKNOWN)

    def stream(self, name: str) -> Iterator[Row]:
        return _stream(self._connection, name)

    def rollback(self) -> bool:
        try:
            if self._connection.raw.in_transaction:
                self._execute("rollback")
        except sqlite3.Error:
            return False
        return True

    def savepoint(self) -> None:
        self._execute(_NAMED["savepoint"])

    def rollback_to_savepoint(self) -> None:
        self._execute(_NAMED["rollback_to_savepoint"])

    def close(self) -> None:
        self._connection.close()


class SqliteSnapshot:
    """See database.Snapshot."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        try:
            connection.execute("begin")
            connection.execute(_NAMED["head"]).fetchall()  # the first read is what it is as of
        except sqlite3.Error as error:
            connection.close()
            raise translated(error, READING) from None

    def stream(self, name: str) -> Iterator[Row]:
        return _stream(self._connection, name)

    def close(self) -> None:
        self._connection.close()


def _stream(connection: _Connection, name: str) -> Iterator[Row]:
    try:
        yield from connection.raw.execute(_NAMED[name])
    except sqlite3.Error as error:
        raise translated(error, READING) from None


class Sqlite:
    """See database.Database."""

    engine = "sqlite"

    def __init__(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        if not url.startswith("sqlite:///") or not path or path.startswith(":"):
            raise LedgerUnavailable(
                f"'{url}' names no file. Write sqlite:///heedful.db, or sqlite:////var/… "
                "with four slashes for an absolute path."
            )
        self.path = Path(path).absolute()
        self._uri = f"{self.path.as_uri()}?mode=rw"
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False
        self._file: tuple[int, int] | None = None
        self._look_at = 0.0

    def prepare(self, now: Instant, create: bool, first: Sequence[Write]) -> None:
        if create and not self.path.exists():
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            except OSError as error:
                raise LedgerUnavailable(
                    f"The ledger's file {self.path} cannot be made: {error.strerror}."
                ) from None
        if not self.path.exists() or (not create and self.path.stat().st_size == 0):
            raise LedgerUnavailable(f"There is no ledger at {self.path}. `heedful init` makes one.")
        connection = self._connect()
        try:
            self._migrate(connection.raw, now, create, first)
        except sqlite3.Error as error:
            raise translated(error, NOT_RECORDED) from None
        finally:
            connection.close()

    def _migrate(
        self, raw: sqlite3.Connection, now: Instant, create: bool, first: Sequence[Write]
    ) -> None:
        (mode,) = raw.execute("pragma journal_mode = wal").fetchone()
        if mode != "wal":
            raise LedgerUnavailable(f"SQLite would not keep a WAL at {self.path}: it says {mode}.")
        raw.execute("begin immediate")
        try:
            there = raw.execute("select 1 from sqlite_master where name = 'migration'").fetchone()
            done = [n for (n,) in raw.execute(_NAMED["migrations"])] if there else []
            known = migrations("sqlite")
            check_version(done, known, create, str(self.path))
            for migration in known:
                if migration.number not in done:
                    for statement in migration.statements:
                        raw.execute(statement)
                    raw.execute(_POSITIONAL["add_migration"], (*migration.row, now))
            for name, rows in () if done else first:
                raw.executemany(_POSITIONAL[name], rows)
            raw.execute("commit")
        except BaseException:
            raw.rollback()
            raise

    def _look(self, outcome: str) -> None:
        """LedgerUnavailable, if the path no longer leads to the file that was opened."""
        try:
            there = self.path.stat()
        except OSError:
            file = None
        else:
            file = there.st_dev, there.st_ino
            self._file = self._file or file
        if file is None or file != self._file:
            raise LedgerUnavailable(
                f"The ledger's file {self.path} was moved, deleted or replaced while it was open. "
                f"{outcome} Put it back, or stop Heedful before another file takes its place."
            )
        self._look_at = monotonic() + LOOK_EVERY

    def _connect(self) -> _Connection:
        connection = _Connection(self._uri)
        try:
            self._look(READING)
        except LedgerUnavailable:
            connection.close()
            raise
        with self._lock:
            if self._closed:
                connection.close()
                raise LedgerUnavailable("This ledger was closed. Open it again.")
            self._connections.add(connection)
        return connection

    def _mine(self) -> _Connection:
        held: _Connection | None = getattr(self._local, "connection", None)
        if held is None:
            held = self._local.connection = self._connect()
            self._local.execute = held.execute
        return held

    def cells_of_one(self, subject: bytes) -> list[Row]:
        if monotonic() > self._look_at:
            self._look(READING)
        try:
            return self._local.execute(_CELLS_OF_ONE, (subject,)).fetchall()  # type: ignore[no-any-return]
        except AttributeError:
            self._mine()
        except sqlite3.Error as error:
            raise self._reading(error) from None
        return self.cells_of_one(subject)

    def ask(self, name: str, **parameters: Any) -> list[Row]:
        if monotonic() > self._look_at:
            self._look(READING)
        try:
            return self._mine().execute(_NAMED[name], parameters).fetchall()
        except sqlite3.Error as error:
            raise self._reading(error) from None

    def _reading(self, error: sqlite3.Error) -> LedgerError:
        if self._closed:
            return LedgerUnavailable("This ledger was closed. Open it again.")
        return translated(error, READING)

    def ask_keys(self, name: str, keys: Sequence[bytes], **parameters: Any) -> Ask:
        column = _QUERIES[name].parameters
        many: Parameters = {
            ("requests" if "requests" in column else "subjects"): b"".join(keys),
            "count": len(keys),
            **parameters,
        }
        return name, many

    def writer(self) -> SqliteWriter:
        return SqliteWriter(self._connect(), self._look)

    def snapshot(self) -> SqliteSnapshot:
        return SqliteSnapshot(self._connect())

    def sweep(self) -> None:
        try:
            self._mine().execute("pragma wal_checkpoint(truncate)").fetchall()
        except sqlite3.Error as error:
            raise translated(
                error, "What was erased may stay in the WAL a little longer."
            ) from None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            held = list(self._connections)
        for connection in held:
            connection.close()
