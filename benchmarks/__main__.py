"""`./run bench`: measure, print the table, write benchmarks/results/last.json.

./run bench                      every row, at 1,000,000 addresses
./run bench --addresses 10M      the same at more
./run bench --only check,http    some rows: check http batch opt-outs told
./run bench --quick              small and short: does it still run?
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks import bed, row_batch, row_check, row_http, row_opt_outs, row_told
from benchmarks.measure import Row
from tests.setup.postgres import NoServer, fresh_database, own_cluster

NAMES = ("check", "http", "batch", "opt-outs", "told")
NOT_YET = (
    "scrub of an audience against as many addresses",
    "import of already canonical addresses",
)
RESULTS = Path(__file__).parent / "results"


def main(words: Sequence[str]) -> int:
    arguments = _arguments(words)
    rounds = 2 if arguments.quick else arguments.rounds
    seconds = 0.5 if arguments.quick else arguments.seconds
    count = _count(arguments.addresses or ("20k" if arguments.quick else "1M"))
    rows = []
    with ExitStack() as stack:
        begun = time.monotonic()
        for row in measured(stack, set(arguments.only), count, rounds, seconds):
            print(_line(row), flush=True)
            rows.append(row)
    for name in NOT_YET:
        print(f"{name:<64}  not yet")
    _write(rows, count, rounds, seconds)
    print(f"{time.monotonic() - begun:.0f} s; {RESULTS / 'last.json'}")
    missed = [row.name for row in rows if row.met is False]
    print(f"goals missed: {'; '.join(missed)}" if missed else "all goals met")
    return 0


def measured(
    stack: ExitStack, only: set[str], count: int, rounds: int, seconds: float
) -> Iterator[Row]:
    """Every row that was asked for, as soon as it is there."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="heedful-bench-")))
    beds = []
    if only != {"told"}:
        _say(f"making ledgers with {count:,} addresses")
        beds.append(bed.made(f"sqlite:///{folder}/bench.db", folder, count))
        try:
            dsn = stack.enter_context(own_cluster())
            url = stack.enter_context(fresh_database(dsn))
            beds.append(bed.made(url, folder, count))
        except NoServer as missing:
            _say(f"no PostgreSQL, so SQLite only: {missing}")
    if "check" in only:
        yield from (row_check.measured(one, rounds, seconds) for one, _ in beds)
    if "http" in only:
        for one, key in beds:
            yield from row_http.measured(one, key, rounds, seconds)
    if "batch" in only:
        yield from (row_batch.measured(one, key, rounds, seconds) for one, key in beds)
    if "opt-outs" in only:
        yield from (row_opt_outs.measured(one, key, rounds, seconds) for one, key in beds)
    if "told" in only:
        yield from row_told.measured(folder, max(1, rounds // 2))


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--addresses", help="how many: 1M, 10M, 50k (1M)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each pair (5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn (3)")
    parser.add_argument("--quick", action="store_true", help="20k addresses, short turns")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=list(NAMES), help=" ".join(NAMES)
    )
    arguments = parser.parse_args(words)
    if unknown := set(arguments.only) - set(NAMES):
        parser.error(f"no row is called {', '.join(sorted(unknown))}; they are {', '.join(NAMES)}")
    return arguments


def _count(text: str) -> int:
    unit = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    return int(text.rstrip("kKmM")) * unit


def _line(row: Row) -> str:
    goal = "" if row.goal is None else f"{'≤' if row.at_most else '≥'} {row.goal:.2f}"
    met = {None: "", True: "met", False: "MISSED"}[row.met]
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    floor = "" if row.floor is None else f"{row.floor:>11,.1f}"
    return (
        f"{row.name:<64} {row.ours:>11,.1f} {floor:>11} {row.unit:<12}"
        f"{ratio:>6}  {goal:<7}{met:<7}{row.note}"
    )


def _write(rows: Sequence[Row], count: int, rounds: int, seconds: float) -> None:
    RESULTS.mkdir(exist_ok=True)
    report = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "system": platform.platform(),
        },
        "addresses": count,
        "rounds": rounds,
        "seconds": seconds,
        "rows": [asdict(row) | {"met": row.met} for row in rows],
        "not_yet": NOT_YET,
    }
    (RESULTS / "last.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
