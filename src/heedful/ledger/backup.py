"""The whole ledger as one file that belongs to no engine, taken while writers go on.

The file is gzip over lines of JSON: a header; then for each table a line `{"table": …}` and a line
for each row; and at the end the SHA-256 of all lines before, a keyed digest of that, and a signed
statement of the head. Octets are hexadecimal digits; those of an event's body are characters. The
keys are not in it; the addresses and the evidence are, and so are the texts of whoever is erased
later.
"""

import errno
import gzip
import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from heedful.config import Key, Keys
from heedful.core.errors import Forbidden, LedgerFull
from heedful.core.instant import Instant
from heedful.ledger.database import Snapshot, migrations
from heedful.ledger.ledger import Ledger, now
from heedful.ledger.seal import signed
from heedful.ledger.values import Checkpoint, Row

FORMAT = 1
"""Raised when an older Heedful could no longer read the file."""

ADVICE = (
    "The keys are not in the file, and without them it cannot be restored: keep a copy of the "
    "keys file too, in another place. The file holds addresses and evidence: whoever has both "
    "can read them."
)
"""What to say with every backup."""

OFTEN = 10_000
"""Rows between two words of progress."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Progress = Callable[[int, int], None]
"""Told now and then how many rows were done, of how many."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the file has it. Which columns are octets, and which of these are JSON: they
    stand as characters (Latin-1, so that any octets come back)."""

    name: str
    columns: tuple[str, ...]
    octets: frozenset[int]
    json: frozenset[int]

    @classmethod
    def of(cls, name: str, columns: str) -> "Table":
        """`subject! slot body~`: the columns, those of octets and of JSON with their marks."""
        words = columns.split()
        octets, json = (
            frozenset(i for i, word in enumerate(words) if word.endswith(mark)) for mark in "!~"
        )
        return cls(name, tuple(word.rstrip("!~") for word in words), octets, json)

    def told(self, row: Row) -> list[Any]:
        """A row as JSON has it."""
        values = list(row)
        for i in self.octets:
            if values[i] is not None:
                values[i] = values[i].hex()
        for i in self.json:
            values[i] = values[i].decode("latin-1")
        return values

    def read(self, values: list[Any]) -> Row:
        """A row from JSON. ValueError, TypeError or LookupError for what `told` never made."""
        for i in self.octets:
            if values[i] is not None:
                values[i] = bytes.fromhex(values[i])
        for i in self.json:
            values[i] = values[i].encode("latin-1")
        if len(values) != len(self.columns):
            raise ValueError(self.name)
        return tuple(values)


TABLES = tuple(
    Table.of(name, columns)
    for name, columns in (
        ("event", "seq subject! other! recorded_at request! content! retracts hash! body~"),
        ("cell", "subject! slot scope at seq value"),
        ("address", "subject! text salt! since"),
        ("evidence", "seq salt! text"),
        ("erasure", "seq subject! purge_by purged_at"),
        ("confirmation", "seq how"),
        ("send", "subject! at request! channel topic category sender vendor campaign"),
        ("delivery", "seq vendor subject! state attempts next_at answered_at answer"),
        ("catalogue", "number applied_at applied_by reason digest text"),
        ("topic", "name category number since"),
        ("checkpoint", "epoch seq hash! recorded_at made_at key signature!"),
        ("vendor_cursor", "vendor touches stage as_of scan! seq hash state why"),
        ("api_key", "name secret! permissions vendor made_at revoked_at"),
        ("kept", "id source why at body!"),
    )
)
"""All that is in a backup, in the order of `backup_counts`. See backup.sql for what is not."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that lies complete on the disk. `events`: how much of the history it holds."""

    path: Path
    events: int
    made_at: Instant
    size: int


class Written:
    """Lines, hashed on their way into the file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zipped = gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=file, mtime=0)
        self._digest = hashlib.sha256()
        self._encode = msgspec.json.Encoder().encode

    def line(self, value: object) -> None:
        octets = self._encode(value) + b"\n"
        self._digest.update(octets)
        self._zipped.write(octets)

    def digest(self) -> bytes:
        return self._digest.digest()

    def close(self) -> None:
        self._zipped.close()


def seal_of(digest: bytes, key: Key) -> str:
    """Whether a file is one of ours, and as it was, is told by this and the key."""
    return hashlib.blake2b(
        digest, digest_size=32, key=key.secret, person=b"heedful-backup"
    ).hexdigest()


def backup(ledger: Ledger, path: str | Path, progress: Progress | None = None) -> Backup:
    """Write the whole ledger, as of one moment, into a new file that only its owner can read.

    The name appears when the file is complete and on the disk, not before. Say ADVICE with it.
    Forbidden where a file of that name is; LedgerFull where there is no room for it.
    """
    path = Path(path).absolute()
    if path.exists():
        raise Forbidden(f"There is a file {path} already. Choose another name for the backup.")
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(number, "wb") as file, closing(ledger.database.snapshot()) as source:
                made = _write(source, ledger, file, progress)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink()
            raise
        _settle(path.parent)
    except OSError as error:
        kind = LedgerFull if error.errno in _NO_ROOM else Forbidden
        raise kind(
            f"The backup {path} cannot be written: {error.strerror}. No backup was made; "
            "the ledger is as it was."
        ) from None
    return Backup(path, made[0], made[1], path.stat().st_size)


def _write(
    source: Snapshot, ledger: Ledger, file: IO[bytes], progress: Progress | None
) -> tuple[int, Instant]:
    made_at = now()
    (head,) = source.stream("head")
    (counts,) = source.stream("backup_counts")
    seq, digest, recorded_at, epoch, catalogue, digests = head
    written = Written(file)
    written.line(
        {
            "heedful_backup": FORMAT,
            "schema": migrations(ledger.database.engine)[-1].number,
            "made_at": made_at,
            "head": {
                "seq": seq, "hash": digest.hex(), "recorded_at": recorded_at, "epoch": epoch,
                "catalogue": catalogue, "digests": digests,
            },
            "key_checks": {name: check.hex() for name, check in source.stream("key_checks")},
            "rows": {table.name: count for table, count in zip(TABLES, counts, strict=True)},
        }
    )  # fmt: skip
    done = 0
    for table in TABLES:
        written.line({"table": table.name, "columns": table.columns})
        for row in source.stream(f"backup_{table.name}"):
            written.line(table.told(row))
            done += 1
            if progress is not None and done % OFTEN == 0:
                progress(done, sum(counts))
    head_said = Checkpoint(seq, digest.hex(), recorded_at, epoch, made_at, "", b"")
    written.line(_end(written.digest(), head_said, ledger.keys))
    written.close()
    if progress is not None:
        progress(done, sum(counts))
    return seq, made_at


def _end(digest: bytes, head: Checkpoint, keys: Keys) -> dict[str, Any]:
    said = signed(head, keys.newest("receipts"))
    return {
        "sha256": digest.hex(),
        "seal": seal_of(digest, keys.newest("address_hash")),
        "checkpoint": {
            "seq": said.seq, "hash": said.hash, "recorded_at": said.recorded_at,
            "epoch": said.epoch, "made_at": said.made_at, "key": said.key,
            "signature": said.signature.hex(),
        },
    }  # fmt: skip


def _settle(folder: Path) -> None:
    """Have the file's name on the disk too."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
