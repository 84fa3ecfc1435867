"""The engine at scale: PostgreSQL through psycopg, READ COMMITTED, one connection a thread.

The first statement of a writing transaction locks the one head row; statements after it see all
that earlier writers committed. A batch takes two round trips: lock and look-ups, then the writes
and the commit, each sent in one go (pipeline mode).
"""

import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import errors
from psycopg.abc import QueryNoTemplate
from psycopg.pq import ExecStatus
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from heedful.core.errors import LedgerBroken, LedgerError, LedgerFull, LedgerUnavailable
from heedful.core.instant import Instant
from heedful.ledger.arrays import Octets, columns_of, register
from heedful.ledger.database import Ask, Write, migrations, queries
from heedful.ledger.migrate import check_version
from heedful.ledger.pipeline import Pipeline
from heedful.ledger.values import Row

PATIENCE = 30
"""Seconds to wait for a lock, and after which the server ends a writer that has gone silent."""

_QUERIES = queries("postgresql")
_TEXT: dict[str, QueryNoTemplate] = {
    name: query.rewritten(r"%(\1)b").encode() for name, query in _QUERIES.items()
}
_COLUMNS = {name: columns_of(query.text) for name, query in _QUERIES.items()}
_CELLS_OF_ONE = _TEXT["cells_of_one"]

_MIGRATING = 0x48656564
"""The advisory lock held while the schema is looked at and changed."""

AT_ONCE = 2_000
"""Rows of a whole table that are fetched at once."""

_LOOK_UPS = (
    "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; "
    "set enable_hashjoin = off; set enable_mergejoin = off; set jit = off"
)
"""Our queries look keys up, so they are planned once and for that. Left alone, the server plans
those with arrays anew each time (0.2 ms), or reads small tables whole, and goes on so while an
import makes them large."""

READING = "Nothing was read."
NOT_RECORDED = "Nothing was recorded."
UNKNOWN = (
    "It may or may not have been recorded; it is safe to send it again with the same request id."
)


def translated(error: psycopg.Error, outcome: str) -> LedgerError:
    """The error in our words. Its own text is left out: it may quote what was to be stored."""
    code = f"{type(error).__name__}, {error.sqlstate}" if error.sqlstate else type(error).__name__
    if isinstance(error, errors.DiskFull | errors.ProgramLimitExceeded):
        return LedgerFull(f"The disk of the ledger's database is full ({code}). {outcome}")
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return LedgerBroken(
            f"The ledger's database is damaged ({code}). {outcome} Restore it from a backup."
        )
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError | psycopg.ProgrammingError):
        return LedgerBroken(
            f"The ledger's database refused a row ({code}). {outcome} `heedful verify` may say why."
        )
    if isinstance(error, errors.LockNotAvailable | errors.QueryCanceled):
        return LedgerUnavailable(
            f"Another process held the ledger for {PATIENCE} seconds ({code}). {outcome} Try again."
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return LedgerUnavailable(
            f"The ledger's database takes no writes: it is a standby ({code}). {outcome} "
            "Name the primary."
        )
    return LedgerUnavailable(f"The ledger's database does not answer ({code}). {outcome}")


class _Connection:
    """One connection, closed with the thread that it belongs to. Autocommit: a statement is a
    transaction, unless `begin` was sent."""

    def __init__(self, url: str, where: str) -> None:
        try:
            self.raw = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=10,
                application_name="heedful",
                client_encoding="utf8",
            )
        except psycopg.Error as error:
            code = type(error).__name__
            raise LedgerUnavailable(
                f"The ledger's database at {where} cannot be reached ({code}). Nothing was "
                "recorded or read. Is the server running, and is the URL right?"
            ) from None
        register(self.raw)
        self.raw.adapters.register_dumper(int, Int8Dumper)
        self.raw.adapters.register_dumper(int, Int8BinaryDumper)
        self.raw.prepared_max = None
        try:
            self._settle(where)
        except psycopg.Error as error:
            self.raw.close()
            raise translated(error, "Nothing was recorded or read.") from None
        except LedgerError:
            self.raw.close()
            raise
        self.cursor = self.raw.cursor(binary=True)
        self.execute = self.cursor.execute

    def _settle(self, where: str) -> None:
        """Durable commits, patience that ends, and nothing on the server that undoes either."""
        self.raw.execute(
            f"set synchronous_commit = on; set lock_timeout = '{PATIENCE}s'; "
            f"set idle_in_transaction_session_timeout = '{PATIENCE}s'; "
            "set default_transaction_isolation = 'read committed'; " + _LOOK_UPS,
            prepare=False,
        )
        row = self.raw.execute(
            "select current_setting('fsync'), current_setting('full_page_writes'), "
            "current_setting('synchronous_commit'), current_setting('server_encoding'), "
            "pg_is_in_recovery()"
        ).fetchone()
        assert row is not None
        for name, held in zip(
            ("fsync", "full_page_writes", "synchronous_commit"), row[:3], strict=True
        ):
            if held != "on":
                raise LedgerUnavailable(
                    f"The PostgreSQL server at {where} has {name} = {held}: what is acknowledged "
                    "could be lost. Set it to on."
                )
        if row[3] != "UTF8":
            raise LedgerUnavailable(
                f"The database at {where} is encoded in {row[3]}. Make one with encoding UTF8."
            )
        if row[4]:
            raise LedgerUnavailable(
                f"The PostgreSQL server at {where} is a standby: it may not know the latest "
                "opt-outs. Name the primary."
            )

    @property
    def lost(self) -> bool:
        return self.raw.closed

    def close(self) -> None:
        self.raw.close()

    def __del__(self) -> None:
        if hasattr(self, "raw"):
            self.raw.close()


class PostgresWriter:
    """See database.Writer. The lock on the head row is the writers' lock, across hosts."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._raw = connection.raw
        self._pipeline = Pipeline(connection.raw, _QUERIES)

    def begin(self, *asks: Ask) -> list[list[Row]]:
        return self._answers(("begin", {}), ("lock_head", {}), *asks)[1:]

    def ask(self, *asks: Ask) -> list[list[Row]]:
        return self._answers(*asks)

    def _answers(self, *asks: Ask) -> list[list[Row]]:
        try:
            return self._pipeline.run(
                (name, [given[key] for key in _QUERIES[name].parameters]) for name, given in asks
            )
        except psycopg.Error as error:
            raise translated(error, NOT_RECORDED) from None

    def write(self, *writes: Write) -> None:
        if writes:
            self._send(writes, commit=False)

    def commit(self, *writes: Write) -> None:
        self._send(writes, commit=True)

    def _send(self, writes: Sequence[Write], commit: bool) -> None:
        commands: list[tuple[str, Sequence[Any]]] = []
        for name, rows in ((name, rows) for name, rows in writes if rows):
            if columns := _COLUMNS[name]:
                parts = zip(columns.values(), zip(*rows, strict=True), strict=True)
                commands.append((name, [kind(values) for kind, values in parts]))
            else:
                commands += [(name, row) for row in rows]
        if commit:
            commands.append(("commit", ()))
        try:
            self._pipeline.run(commands)
        except psycopg.Error as error:
            # An ERROR of the server undid the transaction. If the connection is gone, or the
            # server says that it is going, nobody can tell whether the commit was heard.
            heard = not commit or error.diag.severity_nonlocalized == "ERROR"
            raise translated(error, NOT_RECORDED if heard else UNKNOWN) from None

    def stream(self, name: str) -> Iterator[Row]:
        return _stream(self._connection, name)

    def rollback(self) -> bool:
        return not self._raw.closed and self._plainly(b"rollback")

    def savepoint(self) -> None:
        self._answers(("savepoint", {}))

    def rollback_to_savepoint(self) -> None:
        if not self._plainly(b"rollback to savepoint job"):
            raise LedgerUnavailable(f"The ledger's database does not answer. {NOT_RECORDED}")

    def _plainly(self, command: bytes) -> bool:
        """Go back, past psycopg: after a rollback it would drop every prepared statement, some of
        them while a pipeline is already using them (seen with 3.3.9)."""
        try:
            answer = self._raw.pgconn.exec_(command)
        except psycopg.Error:
            return False
        return answer.status == ExecStatus.COMMAND_OK

    def close(self) -> None:
        self._connection.close()


class PostgresSnapshot:
    """See database.Snapshot."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        try:
            connection.raw.execute("begin isolation level repeatable read, read only")
            # The first statement is what it is as of. What is done with the rows may take long.
            connection.raw.execute("set local idle_in_transaction_session_timeout = 0")
            # Whole tables are read, not keys looked up: see _LOOK_UPS.
            for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
                connection.raw.execute(f"set local {name} = on".encode())
            connection.raw.execute(_TEXT["head"])
        except psycopg.Error as error:
            connection.close()
            raise translated(error, READING) from None

    def stream(self, name: str) -> Iterator[Row]:
        return _stream(self._connection, name)

    def close(self) -> None:
        self._connection.close()


def _stream(connection: _Connection, name: str) -> Iterator[Row]:
    try:
        with connection.raw.cursor(name, binary=True) as cursor:
            cursor.itersize = AT_ONCE
            yield from cursor.execute(_TEXT[name])
    except psycopg.Error as error:
        raise translated(error, READING) from None


class Postgres:
    """See database.Database."""

    engine = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        self.where = f"{parts.hostname or ''}{parts.path}"
        "host and database only: a URL may hold a password"
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def prepare(self, now: Instant, create: bool, first: Sequence[Write]) -> None:
        connection = self._connect()
        try:
            with connection.raw.transaction():
                self._migrate(connection.raw, now, create, first)
        except psycopg.Error as error:
            raise translated(error, NOT_RECORDED) from None
        finally:
            connection.close()

    def _migrate(
        self,
        raw: "psycopg.Connection[Row]",
        now: Instant,
        create: bool,
        first: Sequence[Write],
    ) -> None:
        raw.execute("select pg_advisory_xact_lock(%s)", (_MIGRATING,))
        there = raw.execute("select to_regclass('migration') is not null").fetchone()
        done: list[int] = []
        if there and there[0]:
            done = [number for (number,) in raw.execute(_TEXT["migrations"])]
        known = migrations("postgresql")
        check_version(done, known, create, self.where)
        for migration in known:
            if migration.number not in done:
                raw.execute(";\n".join(migration.statements).encode(), prepare=False)
                self._insert(raw, "add_migration", (*migration.row, now))
        for name, rows in () if done else first:
            for row in rows:
                self._insert(raw, name, row)

    @staticmethod
    def _insert(raw: "psycopg.Connection[Row]", name: str, row: Row) -> None:
        raw.execute(_TEXT[name], dict(zip(_QUERIES[name].parameters, row, strict=True)))

    def _connect(self) -> _Connection:
        connection = _Connection(self._url, self.where)
        with self._lock:
            if self._closed:
                connection.close()
                raise LedgerUnavailable("This ledger was closed. Open it again.")
            self._connections.add(connection)
        return connection

    def _mine(self) -> _Connection:
        held: _Connection | None = getattr(self._local, "connection", None)
        if held is None or held.lost:
            held = self._local.connection = self._connect()
        return held

    def cells_of_one(self, subject: bytes) -> list[Row]:
        return self._read(_CELLS_OF_ONE, {"subject": subject})

    def ask(self, name: str, **parameters: Any) -> list[Row]:
        return self._read(_TEXT[name], parameters)

    def _read(self, text: QueryNoTemplate, given: dict[str, Any]) -> list[Row]:
        """One statement, once more on a new connection if the old one was lost meanwhile."""
        connection = self._mine()
        try:
            return connection.execute(text, given, prepare=True).fetchall()
        except psycopg.Error as error:
            if not connection.lost or self._closed:
                raise self._reading(error) from None
        try:
            return self._mine().execute(text, given, prepare=True).fetchall()
        except psycopg.Error as error:
            raise self._reading(error) from None

    def _reading(self, error: psycopg.Error) -> LedgerError:
        if self._closed:
            return LedgerUnavailable("This ledger was closed. Open it again.")
        return translated(error, READING)

    def ask_keys(self, name: str, keys: Sequence[bytes], **parameters: Any) -> Ask:
        column = "requests" if "requests" in _QUERIES[name].parameters else "subjects"
        return name, {column: Octets(keys), **parameters}

    def writer(self) -> PostgresWriter:
        return PostgresWriter(self._connect())

    def snapshot(self) -> PostgresSnapshot:
        return PostgresSnapshot(self._connect())

    def sweep(self) -> None:
        """Nothing: autovacuum reclaims what was deleted."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            held = list(self._connections)
        for connection in held:
            connection.close()
