"""Opt-outs over HTTP, 8 clients, each durable, beside the engine's own grouped commits."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import load, servers
from benchmarks.baselines import writes
from benchmarks.bed import Bed
from benchmarks.measure import Row, by_turns, compared


def measured(bed: Bed, key: str, rounds: int, seconds: float) -> Row:
    seeds = iter(range(1, 1000))
    used: list[float] = []
    with servers.heedful(bed) as server, tempfile.TemporaryDirectory(dir=_beside(bed)) as folder:

        def opt_out() -> float:
            plan = load.Plan(
                server.port,
                "/v1/events",
                "opt_outs",
                writes.WRITERS,
                seconds,
                key,
                seed=next(seeds),
            )
            before = server.cpu()
            taken = load.run(plan)
            used.append(1e6 * (server.cpu() - before) / taken.count)
            return taken.rate

        pairs = by_turns(rounds, opt_out, _floor(bed, Path(folder), seconds))
    return compared(
        f"opt-outs over HTTP, 8 clients, durable, {bed.engine}",
        "opt-outs/s",
        pairs,
        2 / 3,
        "floor: 8 writers, grouped commits, the engine's fastest way; "
        f"{median(used[1:]):.0f} µs of processor time each",
    )


def _beside(bed: Bed) -> str | None:
    """On the same disk."""
    if bed.engine != "sqlite":
        return None
    return str(Path(bed.url.removeprefix("sqlite:///")).parent)


def _floor(bed: Bed, folder: Path, seconds: float) -> Callable[[], float]:
    if bed.engine == "sqlite":
        return lambda: writes.sqlite_groups(folder / "floor.db", seconds)
    return lambda: max(
        writes.postgres_groups(bed.url, seconds / 2), writes.postgres_writers(bed.url, seconds / 2)
    )
