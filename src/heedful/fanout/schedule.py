"""When to try again: the steps that Standard Webhooks advises, spread so that instructions that
failed together do not come back together.
"""

from random import Random

from heedful.core.instant import SECOND, Instant

_MINUTE, _HOUR = 60 * SECOND, 3600 * SECOND

STEPS: tuple[Instant, ...] = (
    5 * SECOND,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""The pause after each attempt; about three days in all. After the last comes a dead letter."""

LONGEST_WAIT: Instant = 24 * _HOUR
"""What a vendor may ask for with Retry-After; more is taken as this much."""


def again_at(attempts: int, now: Instant, wait: Instant | None, rng: Random) -> Instant | None:
    """When to try again after so many attempts, or None: no more.

    A step is taken between half and one and a half of its length, never less than the vendor asks
    for; so the whole keeps its length, which matters for a vendor that is away over a weekend.

    >>> again_at(1, 0, None, Random(7)) <= 7.5 * SECOND, again_at(10, 0, None, Random(7))
    (True, None)
    """
    if attempts > len(STEPS):
        return None
    pause = round(STEPS[attempts - 1] * rng.uniform(0.5, 1.5))
    return now + max(pause, bounded(wait))


def bounded(wait: Instant | None) -> Instant:
    """What a vendor asked for, within reason."""
    return min(max(wait or 0, 0), LONGEST_WAIT)
