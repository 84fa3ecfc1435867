"""How many instructions are under way at one vendor at once.

As few as keep up with it: each further connection costs both sides to open, and gains nothing with
a vendor that answers as fast as we send. It is the wait for answers that another one fills.
"""

import time

WINDOW = 32
"""Instructions under way at one vendor at once."""
FAILING = 5
"""Failures in a row after which one instruction at a time is tried, until one is taken."""
_FEW = 2
_SLOW = 0.015
_LAGS = 6


class Pace:
    """One vendor's. `working` counts those that send, `failures` the failures in a row."""

    def __init__(self) -> None:
        self.working = self.failures = 0
        self._width = _FEW
        self._heard = 0.0

    @property
    def failing(self) -> bool:
        return self.failures >= FAILING

    @property
    def most(self) -> int:
        return 1 if self.failing else self._width

    def room(self, lag: float) -> int:
        """How many more may begin to send. A vendor that leaves all of them without an answer for
        a while gets twice as many: one that hangs holds up no others."""
        if self.working >= self._width < WINDOW and self._slow(self._heard, lag):
            self._width = min(2 * self._width, WINDOW)
            self._heard = time.monotonic()
        return max(self.most - self.working, 0)

    def begun(self) -> float:
        """One is sent now."""
        now = time.monotonic()
        if self.working == 1:
            self._heard = now
        return now

    def answered(self, begun: float, lag: float) -> bool:
        """One has its answer. True where another one beside it may be sent as well, because the
        time went into waiting for the vendor and not for our own turn."""
        if self._width < WINDOW and self._slow(begun, lag) and not self.failing:
            self._width += 1
        self._heard = time.monotonic()
        return self.working < self.most

    def _slow(self, since: float, lag: float) -> bool:
        return time.monotonic() - since > _SLOW + _LAGS * lag
