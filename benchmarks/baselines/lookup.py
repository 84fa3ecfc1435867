"""Read the cells of one key, or of many in one statement, with the bare driver."""

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

ONE = "select slot, scope, at, seq, value from cell where subject = "
MANY = "select subject, slot, scope, at, seq, value from cell where subject "

Read = Callable[[Any], list[Any]]


@contextmanager
def opened(url: str) -> Iterator[Read]:
    """A function that reads one key."""
    if url.startswith("sqlite"):
        raw = sqlite_connection(url)
        execute = raw.cursor().execute
        yield lambda key: execute(ONE + "?", (key,)).fetchall()
        raw.close()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.cursor(binary=True)
        text = ONE + "%b"

        def read(key: bytes) -> list[Any]:
            return cursor.execute(text, (key,), prepare=True).fetchall()

        yield read


@contextmanager
def opened_many(url: str, count: int) -> Iterator[dict[str, Read]]:
    """Ways to read so many keys in one statement; the fastest of them is the floor."""
    if url.startswith("sqlite"):
        raw = sqlite_connection(url)
        execute = raw.cursor().execute
        marks = ",".join("?" * count)
        walk = (
            "with recursive n (i) as (select 0 union all select i + 1 from n where i + 1 < ?1) "
            "select cell.subject, slot, scope, at, seq, value "
            "from n cross join cell on cell.subject = substr(?2, n.i * 16 + 1, 16)"
        )
        yield {
            "in": lambda keys: execute(f"{MANY} in ({marks})", keys).fetchall(),
            "walk": lambda keys: execute(walk, (len(keys), b"".join(keys))).fetchall(),
        }
        raw.close()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.cursor(binary=True)
        joined = (
            "select subject, slot, scope, at, seq, value "
            "from unnest(%b::bytea[]) as wanted (subject) join cell using (subject)"
        )
        any_of = MANY + "= any(%b::bytea[])"
        yield {
            "any": lambda keys: cursor.execute(any_of, (keys,), prepare=True).fetchall(),
            "join": lambda keys: cursor.execute(joined, (keys,), prepare=True).fetchall(),
        }


def many_rate(ways: dict[str, Read], batches: Sequence[list[bytes]], seconds: float) -> float:
    """Keys a second, by the fastest way."""
    best = 0.0
    for read in ways.values():
        read(batches[0])
        done, begun = 0, time.perf_counter()
        for keys in itertools.cycle(batches):
            read(keys)
            done += len(keys)
            if time.perf_counter() - begun > seconds / len(ways):
                break
        best = max(best, done / (time.perf_counter() - begun))
    return best


def sqlite_connection(url: str) -> sqlite3.Connection:
    """Opened as a program that cares for speed and for durability would."""
    raw = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    raw.execute("pragma cache_size = -16000")
    raw.execute("pragma synchronous = full")
    return raw
