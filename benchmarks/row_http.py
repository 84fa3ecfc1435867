"""One check over HTTP, one worker, beside the same server with the same JSON from a constant."""

from statistics import median

from benchmarks import load, servers
from benchmarks.bed import Bed
from benchmarks.measure import Row, by_turns, compared

CONNECTIONS = 16


def measured(bed: Bed, key: str, rounds: int, seconds: float) -> list[Row]:
    with (
        servers.heedful(bed) as ours,
        servers.constant("starlette") as framework,
        servers.constant("bare") as bare,
    ):
        turns = {server: _Turns(server, bed, key, seconds) for server in (ours, framework, bare)}
        pairs = by_turns(rounds, turns[ours].rate, turns[framework].rate)
        alone = [(rate, turns[bare].rate()) for rate, _ in pairs]
    mine, floor = turns[ours], turns[framework]
    what = f"one check over HTTP, {bed.engine}, one worker"
    # A database server is a round trip away, which no constant answer has to make.
    goal = 2 / 3 if bed.engine == "sqlite" else None
    return [
        compared(what, "checks/s", pairs, goal, "floor: uvicorn and Starlette, a constant"),
        Row(
            f"{what}: p99 beside p50",
            mine.middle("p99"),
            mine.middle("p50"),
            "ms",
            mine.middle("p99") / mine.middle("p50"),
            goal=3 if goal else None,
            at_most=True,
            note=f"the floor's own: {floor.middle('p99') / floor.middle('p50'):.1f}",
        ),
        Row(
            f"{what}: processor time a check",
            median(mine.cpu),
            median(floor.cpu),
            "µs",
            median(mine.cpu) / median(floor.cpu),
            note="which a busy machine does not change",
        ),
        compared(f"{what}, bare", "checks/s", alone, None, "floor: uvicorn alone, a constant"),
    ]


class _Turns:
    """What one server did in its turns; the first is to warm up and is not counted."""

    def __init__(self, server: servers.Server, bed: Bed, key: str, seconds: float) -> None:
        self._server, self._bed, self._key, self._seconds = server, bed, key, seconds
        self._taken: list[load.Measured] = []
        self._used: list[float] = []

    def rate(self) -> float:
        before = self._server.cpu()
        plan = load.Plan(
            self._server.port,
            "/v1/check",
            "checks",
            CONNECTIONS,
            self._seconds,
            self._key,
            1,
            self._bed.count,
            len(self._taken),
        )
        taken = load.run(plan)
        self._taken.append(taken)
        self._used.append(1e6 * (self._server.cpu() - before) / taken.count)
        return taken.rate

    def middle(self, which: str) -> float:
        return median(getattr(taken, which) for taken in self._taken[1:])

    @property
    def cpu(self) -> list[float]:
        """Microseconds a request."""
        return self._used[1:]
