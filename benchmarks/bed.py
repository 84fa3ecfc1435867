"""A ledger with many addresses of two cells each, made fast.

The cells are written by bulk SQL, not said one by one: no events stand behind them, so the chain of
this history does not hold, and `heedful verify` would say so. What is read is the same.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Address
from heedful.ledger import Ledger, Permission

BRAND = """
[brand]
name = "Bench"
url = "https://prefs.bench.example"
postal_address = "1 Harbour Street, Portland, OR 97209, USA"
support = "help@bench.example"
region = "US"
languages = ["en"]

[topics.weekly_deals]
category = "promotional"
channels = ["sms", "email"]
title = "Weekly deals"

[topics.order_updates]
category = "transactional"
channels = ["sms", "email"]
title = "Order updates"
"""

HELD = (
    (("in:express:none", "sms/marketing", 1), ("lift", "sms/marketing", 1)),
    (("in:express:none", "sms/marketing", 1), ("out", "sms/marketing", 2)),
    (("lift", "sms/marketing", 2), ("out", "sms/marketing", 1)),
    (("out", "*/marketing", 1), ("out", "sms/topic:weekly_deals", 2)),
)
"""What is on record for an address: slot, scope, second. Two cells each; the key says which."""

BEGUN = 1_780_000_000_000_000


@dataclass(frozen=True, slots=True)
class Bed:
    """Where a ledger lies, and how many addresses are in it."""

    url: str
    keys_path: Path
    count: int

    @property
    def engine(self) -> str:
        return self.url.partition(":")[0]

    def open(self) -> Ledger:
        return Ledger.open(self.url, Keys.load(self.keys_path))

    def texts(self, numbers: Iterator[int]) -> list[str]:
        return [text_of(n) for n in numbers]


def text_of(number: int) -> str:
    """The canonical text of one address of the bed."""
    return f"tel:+1{2_000_000_000 + number}"


def made(url: str, folder: Path, count: int, text: str = BRAND) -> tuple[Bed, str]:
    """A new ledger with so many addresses, and an API key for it."""
    now = time.time_ns() // 1000
    keys_path = folder / f"{url.partition(':')[0]}-{now}.keys"
    keys = Keys.make(now)
    keys.save(keys_path)
    ledger = Ledger.open(url, keys, create=True)
    ledger.apply(brand.parse(text), by="bench", reason=None)
    _, secret = ledger.create_key("bench", frozenset(Permission), None, now)
    assert ledger.key_of(Address.parse(text_of(0))) == _key_maker(keys)(text_of(0))
    ledger.close()
    if count:
        fill = _fill_sqlite if url.startswith("sqlite") else _fill_postgres
        fill(url, sorted(map(_key_maker(keys), map(text_of, range(count)))))
    return Bed(url, keys_path, count), secret


def _key_maker(keys: Keys):  # type: ignore[no-untyped-def]
    base = hashlib.blake2b(
        digest_size=16, key=keys.newest("address_hash").secret, person=b"heedful-subject"
    )

    def key(text: str) -> bytes:
        one = base.copy()
        one.update(text.encode())
        return one.digest()

    return key


def _cells(keys: list[bytes]) -> Iterator[tuple[bytes, str, str, int, int]]:
    for number, key in enumerate(keys):
        for slot, scope, second in HELD[key[-1] % 4]:
            yield key, slot, scope, BEGUN + second * 1_000_000, 2 * number + second


def _fill_sqlite(url: str, keys: list[bytes]) -> None:
    raw = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    raw.execute("pragma synchronous = off")
    raw.execute("begin")
    raw.executemany(
        "insert into cell (subject, slot, scope, at, seq) values (?, ?, ?, ?, ?)", _cells(keys)
    )
    raw.execute("update head set seq = ?, recorded_at = ?", (2 * len(keys), BEGUN + 3_000_000))
    raw.execute("commit")
    raw.execute("pragma wal_checkpoint(truncate)")
    raw.close()


def _fill_postgres(url: str, keys: list[bytes]) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        with (
            raw.cursor() as cursor,
            cursor.copy(
                "copy cell (subject, slot, scope, at, seq) from stdin (format binary)"
            ) as c,
        ):
            c.set_types(["bytea", "text", "text", "int8", "int8"])
            for row in _cells(keys):
                c.write_row(row)
        raw.execute(
            "update head set seq = %s, recorded_at = %s", (2 * len(keys), BEGUN + 3_000_000)
        )
        raw.execute("vacuum analyze cell")
