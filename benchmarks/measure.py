"""Rounds, medians, and a row of the table."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` is the median of the rounds' ratios, not of the rates'.

    `goal` is what DESIGN asks for, as a bound on `ratio`; a line without one is for information.
    """

    name: str
    ours: float
    floor: float | None
    unit: str
    ratio: float | None = None
    goal: float | None = None
    at_most: bool = False
    note: str = ""
    rounds: Sequence[tuple[float, float]] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def compared(
    name: str, unit: str, pairs: Sequence[tuple[float, float]], goal: float | None, note: str = ""
) -> Row:
    """A row of rounds in which ours and the floor took turns."""
    return Row(
        name,
        median(ours for ours, _ in pairs),
        median(floor for _, floor in pairs),
        unit,
        median(ours / floor for ours, floor in pairs),
        goal,
        note=note,
        rounds=pairs,
    )


def by_turns(
    rounds: int, ours: Callable[[], float], floor: Callable[[], float]
) -> list[tuple[float, float]]:
    """Measure both `rounds` times, and swap who goes first each time. One more to warm up."""
    ours(), floor()
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = floor()
            pairs.append((ours(), second))
        else:
            first = ours()
            pairs.append((first, floor()))
    return pairs


def rate(work: Callable[[Any], object], items: Iterable[Any], seconds: float) -> float:
    """How many a second: one after the other, for about so long."""
    now = time.perf_counter
    done, begun = 0, now()
    until = begun + seconds
    iterator = iter(items)
    while True:
        for _ in range(200):
            work(next(iterator))
        done += 200
        ended = now()
        if ended > until:
            return done / (ended - begun)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
