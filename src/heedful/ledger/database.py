"""The seam to an engine: what sqlite.py and postgres.py both offer, and the queries by name.

All logic of the ledger stands above this once. An engine knows how to run a named query, how to
begin and end the one writing transaction, and what its errors mean.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Protocol

from heedful.core.instant import Instant
from heedful.ledger.values import Row

Parameters = Mapping[str, Any]
Ask = tuple[str, Parameters]
"""A query's name and its parameters; it answers with rows."""
Write = tuple[str, Sequence[Row]]
"""A query's name and rows of parameters in the order of their first appearance in its text."""

Engine = str
"""`sqlite` or `postgresql`, as the sections of queries.sql name them."""

_FILES = ("queries.sql", "verify.sql", "backup.sql")
_HEADER = re.compile(r"^-- name: (\w+)(?: \[(\w+)\])?$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True, slots=True)
class Query:
    """One named query as written, and its parameters in the order of first appearance."""

    name: str
    text: str
    parameters: tuple[str, ...]

    def rewritten(self, pattern: str) -> str:
        """The text with each `:name` replaced; `\\1` in the pattern is the name."""
        return _PARAMETER.sub(pattern, self.text)

    @property
    def numbered(self) -> str:
        """The text with each `:name` as its number among the parameters: `$1`."""
        return _PARAMETER.sub(lambda m: f"${self.parameters.index(m[1]) + 1}", self.text)


def queries(engine: Engine) -> dict[str, Query]:
    """All queries that are for this engine: of queries.sql, verify.sql and backup.sql."""
    folder = files(__package__)
    text = "\n".join(folder.joinpath(name).read_text("utf-8") for name in _FILES)
    heads = list(_HEADER.finditer(text))
    found: dict[str, Query] = {}
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        name, only = head.groups()
        if only not in (None, engine):
            continue
        body = text[head.end() : after.start() if after else len(text)]
        lines = [line for line in body.splitlines() if line and not line.startswith("--")]
        sql = "\n".join(lines).strip().removesuffix(";")
        assert name not in found, name
        found[name] = Query(name, sql, tuple(dict.fromkeys(_PARAMETER.findall(sql))))
    return found


@dataclass(frozen=True, slots=True)
class Migration:
    """One forward step of the schema; `row` is what is noted of it."""

    number: int
    name: str
    statements: tuple[str, ...]

    @property
    def row(self) -> tuple[int, str]:
        return self.number, self.name


_OTHER_TYPES = {"bytea": "blob", "bigint": "integer"}


def migrations(engine: Engine) -> tuple[Migration, ...]:
    """Every migration, oldest first, in the engine's own words (see the header of the first)."""
    found = []
    folder = files(__package__).joinpath("migrations")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            text = re.sub(r"^\s*--.*$", "", file.read_text("utf-8"), flags=re.MULTILINE)
            text = re.sub(rf"/\*{engine} (.*?)\*/", r"\1", text)
            text = re.sub(r"/\*.*?\*/", "", text)
            if engine == "sqlite":
                text = re.sub(r"\b(bytea|bigint)\b", lambda m: _OTHER_TYPES[m[1]], text)
            parts = tuple(part.strip() for part in text.split(";") if part.strip())
            found.append(Migration(int(match[1]), match[2], parts))
    return tuple(found)


class Writer(Protocol):
    """The connection that appends, used by one thread. Nothing is written outside begin…commit.

    Errors come out translated: LedgerFull and LedgerUnavailable with what became of the
    transaction, LedgerBroken where the engine refused a row.
    """

    def begin(self, *asks: Ask) -> list[list[Row]]:
        """Take the writers' lock; the first list is the head, then one list for each question."""

    def ask(self, *asks: Ask) -> list[list[Row]]: ...

    def write(self, *writes: Write) -> None: ...

    def commit(self, *writes: Write) -> None:
        """Write the last rows and make all durable. After an error here nobody knows."""

    def stream(self, name: str) -> Iterator[Row]:
        """The rows of a query, read as they are asked for, those not yet committed included."""

    def rollback(self) -> bool:
        """Undo the transaction. False where the connection is lost, which undoes it too."""

    def savepoint(self) -> None: ...

    def rollback_to_savepoint(self) -> None: ...

    def close(self) -> None: ...


class Snapshot(Protocol):
    """One moment of the whole ledger, while writers go on. Close it: it holds back what the
    engine clears away. Used by one thread."""

    def stream(self, name: str) -> Iterator[Row]:
        """The rows of a query, read as they are asked for."""

    def close(self) -> None: ...


class Database(Protocol):
    """One database of one engine."""

    engine: Engine

    def prepare(self, now: Instant, create: bool, first: Sequence[Write]) -> None:
        """Apply the migrations that are missing, and write the first rows of a new ledger.

        LedgerUnavailable where there is no ledger and none is to be made, or where it was made by
        a newer version.
        """

    def cells_of_one(self, subject: bytes) -> list[Row]:
        """The hot path, see queries.sql: the head's row first, then the subject's cells."""

    def ask(self, name: str, **parameters: Any) -> list[Row]:
        """Run one reading query on this thread's connection."""

    def ask_keys(self, name: str, keys: Sequence[bytes], **parameters: Any) -> Ask:
        """The question about many keys of 16 bytes, as this engine takes them."""

    def writer(self) -> Writer:
        """A new connection for the writing thread."""

    def snapshot(self) -> Snapshot:
        """The ledger as it is now, on a connection of its own."""

    def sweep(self) -> None:
        """After texts were deleted: let no copy lie in the files longer than the engine needs."""

    def close(self) -> None:
        """Close this database's connections, those of other threads included."""
