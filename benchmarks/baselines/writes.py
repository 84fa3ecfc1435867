"""The engine's own durable writes: 8 writers, groups committed together, each waits for its commit.

A write is what an opt-out must leave behind at the least: an entry of a history and the cell that
it makes. Every way is tried, and the fastest is the floor.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import psycopg

WRITERS = 8
BODY = json.dumps({"action": "opt_out", "scope": "sms/marketing", "source": "bench"} | {
    f"field_{n}": "0123456789abcdef" for n in range(8)
}).encode()  # fmt: skip

TABLES = (
    "create table if not exists entry (seq {int} primary key, subject {bytes}, body {bytes})",
    "create table if not exists held (subject {bytes}, slot text, scope text, at {int}, seq {int},"
    " primary key (subject, slot, scope)){tail}",
)


def sqlite_groups(path: Path, seconds: float) -> float:
    """One connection writes for all: what waits when a commit ends is the next group."""
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    raw.execute("pragma journal_mode = wal")
    raw.execute("pragma synchronous = full")
    raw.execute("pragma cache_size = -16000")
    for table in TABLES:
        raw.execute(table.format(int="integer", bytes="blob", tail=" without rowid"))
    (begun_at,) = raw.execute("select coalesce(max(seq), 0) from entry").fetchone()

    def commit(group: list[bytes], seq: int) -> None:
        raw.execute("begin immediate")
        raw.executemany(
            "insert into entry values (?, ?, ?)",
            [(seq + n, key, BODY) for n, key in enumerate(group)],
        )
        raw.executemany(
            "insert into held values (?, 'out', 'sms/marketing', ?, ?)",
            [(key, seq + n, seq + n) for n, key in enumerate(group)],
        )
        raw.execute("commit")

    done = _grouped(commit, begun_at + 1, seconds)
    raw.close()
    return done


def postgres_groups(url: str, seconds: float) -> float:
    """The same on one connection of PostgreSQL, rows as arrays."""
    with psycopg.connect(url, autocommit=True) as raw:
        _prepare(raw)
        row = raw.execute(
            "select coalesce(max(seq), 0) from entry where seq < 1000000000"
        ).fetchone()
        assert row is not None

        def commit(group: list[bytes], seq: int) -> None:
            seqs = list(range(seq, seq + len(group)))
            raw.execute(
                "with e as (insert into entry"
                " select *, %s::bytea from unnest(%s::bigint[], %s::bytea[]))"
                " insert into held select s, 'out', 'sms/marketing', n, n"
                " from unnest(%s::bigint[], %s::bytea[]) as t (n, s)",
                (BODY, seqs, group, seqs, group),
                prepare=True,
            )

        return _grouped(commit, int(row[0]) + 1, seconds)


def postgres_writers(url: str, seconds: float) -> float:
    """8 connections that commit for themselves; the server flushes what ends together at once."""
    with psycopg.connect(url, autocommit=True) as raw:
        _prepare(raw)
        raw.execute("create sequence if not exists entry_seq cache 100 start 1000000000")
    counts = [0] * WRITERS
    begun = time.perf_counter()

    def write(index: int) -> None:
        with psycopg.connect(url, autocommit=True) as mine:
            while time.perf_counter() - begun < seconds:
                mine.execute(
                    "with e as (insert into entry values (nextval('entry_seq'), %b, %b)"
                    " returning seq) insert into held"
                    " select %b, 'out', 'sms/marketing', seq, seq from e",
                    (key := os.urandom(16), BODY, key),
                    prepare=True,
                )
                counts[index] += 1

    _threads(write)
    return sum(counts) / (time.perf_counter() - begun)


def _prepare(raw: psycopg.Connection) -> None:
    raw.execute("set synchronous_commit = on")
    for table in TABLES:
        raw.execute(table.format(int="bigint", bytes="bytea", tail=""))


def _grouped(commit: Callable[[list[bytes], int], None], seq: int, seconds: float) -> float:
    """8 threads each hand in one write and wait; one thread commits all that is there."""
    waiting: SimpleQueue[tuple[bytes, SimpleQueue[bool]] | None] = SimpleQueue()
    counts = [0] * WRITERS
    begun = time.perf_counter()

    def write(index: int) -> None:
        mine: SimpleQueue[bool] = SimpleQueue()
        while time.perf_counter() - begun < seconds:
            waiting.put((os.urandom(16), mine))
            mine.get()
            counts[index] += 1

    def commit_all() -> None:
        nonlocal seq
        while (first := waiting.get()) is not None:
            group = [first]
            while not waiting.empty() and (more := waiting.get()) is not None:
                group.append(more)
            commit([key for key, _ in group], seq)
            seq += len(group)
            for _, answer in group:
                answer.put(True)

    committer = threading.Thread(target=commit_all)
    committer.start()
    _threads(write)
    ended = time.perf_counter() - begun
    waiting.put(None)
    committer.join()
    return sum(counts) / ended


def _threads(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
