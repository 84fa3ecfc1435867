"""How far a reader has come when what it read is finished out of order."""

from collections import deque
from typing import Generic, TypeVar

Marker = TypeVar("Marker")


class Places(Generic[Marker]):
    """Places in the order in which they were read, each with a number of things still open there.

    >>> places = Places("start")
    >>> first, second = places.add("a", 2), places.add("b", 1)
    >>> places.closed(second), places.closed(first), places.upto
    (None, None, 'start')
    >>> places.closed(first), places.upto
    (None, 'b')
    """

    def __init__(self, upto: Marker) -> None:
        self.upto = upto
        "the last marker before which, and at which, nothing is open"
        self._first = 0
        self._open: deque[int] = deque()
        self._markers: deque[Marker] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, marker: Marker, things: int) -> int:
        """The next place. Its number, for `closed`."""
        if things or self._open:
            if not things:  # nothing to wait for here: it goes with the place before
                self._markers[-1] = marker
                return self._first + len(self._open) - 1
            self._open.append(things)
            self._markers.append(marker)
        else:
            self.upto = marker
        return self._first + len(self._open) - 1

    def closed(self, place: int) -> None:
        """One thing at that place is finished."""
        index = place - self._first
        if not 0 <= index < len(self._open):
            return
        self._open[index] -= 1
        while self._open and self._open[0] <= 0:
            self._open.popleft()
            self.upto = self._markers.popleft()
            self._first += 1
