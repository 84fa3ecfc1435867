"""An empty ledger filled from a backup, on either engine: all of it or nothing.

The file is read twice: once to know that it is whole and ours, before anything is touched, and
once to fill the tables. Filling, verifying and the new epoch are one transaction.
"""

import gzip
import hashlib
import json
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any

import msgspec

from heedful.config import Keys
from heedful.core.errors import InvalidBackup, LedgerBroken, LedgerNotEmpty, WrongKeys
from heedful.core.instant import Instant
from heedful.ledger.backup import FORMAT, OFTEN, TABLES, Progress, Table, seal_of
from heedful.ledger.database import Writer, migrations
from heedful.ledger.ledger import Ledger, now
from heedful.ledger.seal import Seal, is_genuine
from heedful.ledger.values import Checkpoint, Row
from heedful.ledger.verify import verified

AT_ONCE = 1_000
"""Rows written at once."""

LONGEST = 16_000_000
"""Bytes of a line: no row comes near it, and a forged file shall not fill the memory."""

NOTHING = "Nothing was restored."


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore made. `differences`: what `verify` found, if that was asked to be no reason
    to refuse; they were in the ledger when the backup was taken."""

    events: int
    epoch: str
    made_at: Instant
    differences: tuple[str, ...]


def restore(
    path: str | Path,
    url: str,
    keys: Keys,
    progress: Progress | None = None,
    *,
    clock: Callable[[], Instant] = now,
    despite_differences: bool = False,
) -> Restored:
    """Fill the empty ledger at `url` from a backup, verify it, and begin a new epoch.

    A ledger is made where there is none. Cursors from after the backup then get HistoryChanged.
    Vendors are told anew what stands, and then go on from where they were; leases end.
    Interrupted at any moment, it leaves an empty ledger, and can be done again.

    InvalidBackup for a file that is none of ours, cut off or changed; WrongKeys, if it needs
    other keys; LedgerNotEmpty where a history stands; LedgerBroken where `verify` finds
    differences, unless `despite_differences`. After any of them nothing was restored.
    """
    header, end = check(path, keys)
    with (
        Ledger.open(url, keys, clock=clock, create=True) as ledger,
        closing(ledger.database.writer()) as writer,
    ):
        try:
            return _restore(path, header, end, ledger, writer, progress, despite_differences)
        except BaseException:
            writer.rollback()
            raise


def check(path: str | Path, keys: Keys) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The header and the end of a backup that is whole, ours, and for these keys."""
    digest = hashlib.sha256()
    lines = _lines(Path(path))
    first = next(lines, b"")
    header = _object(first, "heedful_backup")
    if header["heedful_backup"] != FORMAT:
        raise InvalidBackup(
            f"{path} is a backup of format {header['heedful_backup']}, and this version reads "
            f"format {FORMAT}. {NOTHING} Install the version that it was made with, or a later one."
        )
    held = {key.id: Seal(key) for key in keys.all("address_hash")}
    for name, told in header["key_checks"].items():
        if name not in held or not held[name].matches(bytes.fromhex(told)):
            raise WrongKeys(
                f"The backup needs the keys of its ledger (address-hash key '{name}'), and the "
                f"keys file has another or none. {NOTHING} Put the ledger's own keys file there."
            )
    digest.update(first)
    last = b""
    for line in lines:
        digest.update(last)
        last = line
    end = _object(last, "sha256")
    seal = seal_of(digest.digest(), keys.newest("address_hash"))
    if end["sha256"] != digest.hexdigest() or not compare_digest(seal, str(end.get("seal"))):
        raise InvalidBackup(f"{path} was changed after it was made. {NOTHING} Take another backup.")
    known = migrations("sqlite")[-1].number
    if header["schema"] > known:
        raise InvalidBackup(
            f"{path} was made by a newer Heedful: its schema is number {header['schema']}, and "
            f"this version knows {known}. {NOTHING} Install that version, or a later one."
        )
    return header, end


def _lines(path: Path) -> Iterator[bytes]:
    """The file's lines; InvalidBackup for what is no gzip, is cut off, or is not lines."""
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(LONGEST):
                if not line.endswith(b"\n"):
                    raise InvalidBackup(f"{path} was cut off. {NOTHING} Take another backup.")
                yield line
    except EOFError:
        raise InvalidBackup(f"{path} was cut off. {NOTHING} Take another backup.") from None
    except (gzip.BadGzipFile, zlib.error):
        raise InvalidBackup(f"{path} is not a backup, or it is damaged. {NOTHING}") from None
    except OSError as error:
        raise InvalidBackup(f"{path} cannot be read: {error.strerror}. {NOTHING}") from None


def _object(line: bytes, field: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict) or field not in value:
        what = "is not a backup of Heedful" if field == "heedful_backup" else "was cut off"
        raise InvalidBackup(f"The file {what}. {NOTHING}")
    return value


def _restore(
    path: str | Path,
    header: Mapping[str, Any],
    end: Mapping[str, Any],
    ledger: Ledger,
    writer: Writer,
    progress: Progress | None,
    despite_differences: bool,
) -> Restored:
    ((head,),) = writer.begin()
    (counts,) = writer.stream("backup_counts")
    if head[0] or any(counts):
        raise LedgerNotEmpty(
            f"There is a ledger with a history already (event {head[0]} is its last). "
            f"{NOTHING} Name a database that is empty or not there yet."
        )
    _fill(path, header["rows"], writer, progress)
    epoch = str(uuid.uuid4())
    said = header["head"]
    digest = bytes.fromhex(said["hash"])
    row: Row = (said["seq"], digest, said["recorded_at"], epoch, said["catalogue"], said["digests"])
    writer.write(("restore_head", [row]))
    writer.ask(("study", {}), ("restored", {}))
    differences = (
        *_unlike(end["checkpoint"], said, ledger.keys),
        *verified(writer, ledger.keys).differences,
    )
    if differences and not despite_differences:
        raise LedgerBroken(
            f"The backup is as it was made, but the ledger had {len(differences)} differences "
            f"from its history then. {NOTHING} The first are: " + " ".join(differences[:5])
        )
    writer.commit()
    return Restored(said["seq"], epoch, header["made_at"], differences)


def _unlike(signed: Mapping[str, Any], head: Mapping[str, Any], keys: Keys) -> Iterator[str]:
    """What is wrong with the statement of the head at the backup's end."""
    said = Checkpoint(**{**signed, "signature": bytes.fromhex(signed["signature"])})
    if not is_genuine(said, keys):
        yield f"The backup's head is not signed by one of the keys at hand (it names {said.key})."
    if any(signed[name] != head[name] for name in ("seq", "hash", "recorded_at", "epoch")):
        yield "The backup's head is not the one that was signed."


def _fill(
    path: str | Path, due: Mapping[str, int], writer: Writer, progress: Progress | None
) -> None:
    known = {table.name: table for table in TABLES}
    total = sum(due.values())
    done = dict.fromkeys(due, 0)
    for table, rows in _batches(path, known):
        writer.write((f"restore_{table.name}", rows))
        before = sum(done.values())
        done[table.name] += len(rows)
        if progress is not None and (before + len(rows)) // OFTEN > before // OFTEN:
            progress(before + len(rows), total)
    if done != dict(due):
        raise InvalidBackup(f"{path} has not as many rows as its first line says. {NOTHING}")
    if progress is not None:
        progress(total, total)


def _batches(path: str | Path, known: Mapping[str, Table]) -> Iterator[tuple[Table, list[Row]]]:
    decode = msgspec.json.decode
    table: Table | None = None
    rows: list[Row] = []
    lines = _lines(Path(path))
    next(lines)
    try:
        for line in lines:
            value = decode(line)
            if isinstance(value, list):
                assert table is not None
                rows.append(table.read(value))
            if len(rows) >= AT_ONCE or (rows and isinstance(value, dict)):
                assert table is not None
                yield table, rows
                rows = []
            if isinstance(value, dict) and "table" in value:
                table = known[value["table"]]
                if tuple(value["columns"]) != table.columns:
                    raise ValueError(table.name)
    except (ValueError, TypeError, AttributeError, LookupError, msgspec.DecodeError):
        raise InvalidBackup(f"{path} has a row that no table here has. {NOTHING}") from None
