"""What one vendor waits for: a lane for each subject, in which one instruction at a time is under
way and the others follow in order. Pure bookkeeping: no clock, no I/O.
"""

import heapq
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from heedful.core.instant import Instant
from heedful.fanout.plan import Why


class Answered(StrEnum):
    """How an instruction stands; the words of the table `delivery`."""

    TOLD = "told"
    LATER = "later"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"
    DEAD = "dead"


@dataclass(slots=True, eq=False)
class Pending:
    """One event that one vendor is to be told about one subject.

    `mask` is the set of touches that it is about. `first`: it stands for all that stood before the
    vendor was first told. `attempts` have been made so far. `since`: when the event was recorded.
    `place` is where the reader was, -1 if it need not wait for this one.
    """

    key: bytes
    why: Why
    hash: str
    mask: int
    subject: str | None = None
    first: bool = False
    attempts: int = 0
    since: Instant = 0
    place: int = -1


@dataclass(slots=True, eq=False)
class _Lane:
    items: list[Pending] = field(default_factory=list)
    under_way: bool = False
    due: Instant = 0
    "when the first item may be tried; 0 is at once"


class Lanes:
    """The lanes of one vendor."""

    def __init__(self) -> None:
        self._lanes: dict[bytes, _Lane] = {}
        self._ready: deque[bytes] = deque()
        self._later: list[tuple[Instant, int, bytes]] = []
        self._count = 0
        self.size = 0
        "instructions in all lanes, those under way included"
        self.waiting = 0
        "lanes that wait for their time"

    def add(self, new: Pending) -> list[Pending]:
        """Put it at the end of its lane; a new wish is tried at once, whatever waits before it.

        Returns those that it overtakes: waiting ones that said the same of no more than it does.
        """
        lane = self._lanes.get(new.key)
        if lane is None:
            lane = self._lanes[new.key] = _Lane()
        gone: list[Pending] = []
        if lane.items:
            keep: list[Pending] = []
            for index, old in enumerate(lane.items):
                if not (lane.under_way and index == 0) and _covered(old, new):
                    gone.append(old)
                else:
                    keep.append(old)
            lane.items = keep
        lane.items.append(new)
        self.size += 1 - len(gone)
        if not lane.under_way and (len(lane.items) == 1 or lane.due):
            self._at_once(new.key, lane)
        return gone

    def restore(self, old: Pending, due: Instant) -> None:
        """Put back what was waiting when it was last stored; in order of number."""
        lane = self._lanes.setdefault(old.key, _Lane())
        lane.items.append(old)
        self.size += 1
        if len(lane.items) == 1:
            self._wait(old.key, lane, due)

    def take(self, now: Instant, most: int) -> list[Pending]:
        """Those that may be tried now; each is under way until `done` or `postpone`."""
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            lane = self._lanes.get(key)
            if lane is not None and lane.due == due and not lane.under_way:
                self._at_once(key, lane)
        taken: list[Pending] = []
        while self._ready and len(taken) < most:
            key = self._ready.popleft()
            lane = self._lanes.get(key)
            if lane is not None and not lane.under_way and not lane.due and lane.items:
                lane.under_way = True
                taken.append(lane.items[0])
        return taken

    def done(self, item: Pending) -> None:
        """It has its answer; the next of its lane may go."""
        lane = self._lanes[item.key]
        del lane.items[0]
        lane.under_way = False
        self.size -= 1
        if lane.items:
            self._at_once(item.key, lane)
        else:
            del self._lanes[item.key]

    def postpone(self, item: Pending, due: Instant) -> bool:
        """It is tried again at `due`. True where one that came meanwhile overtakes it instead."""
        lane = self._lanes[item.key]
        lane.under_way = False
        if any(_covered(item, newer) for newer in lane.items[1:]):
            del lane.items[0]
            self.size -= 1
            self._at_once(item.key, lane)
            return True
        self._wait(item.key, lane, due)
        return False

    def put_back(self, item: Pending) -> None:
        """It was taken and not tried."""
        lane = self._lanes[item.key]
        lane.under_way = False
        self._at_once(item.key, lane)

    def follows(self, item: Pending) -> bool:
        """Whether a newer one waits behind it."""
        return len(self._lanes[item.key].items) > 1

    def hasten(self) -> None:
        """Everything that waits for its time may be tried at once: the vendor answers again."""
        for key, lane in self._lanes.items():
            if lane.due and not lane.under_way:
                self._at_once(key, lane)

    def holds(self, key: bytes, seq: int) -> bool:
        """Whether this very instruction is in its lane."""
        lane = self._lanes.get(key)
        return lane is not None and any(item.why.seq == seq for item in lane.items)

    @property
    def ready(self) -> bool:
        """Whether something may be tried at once."""
        return bool(self._ready)

    def next_due(self) -> Instant | None:
        """When the earliest of those that wait for their time may be tried."""
        while self._later:
            due, _, key = self._later[0]
            lane = self._lanes.get(key)
            if lane is not None and lane.due == due and not lane.under_way:
                return due
            heapq.heappop(self._later)
        return None

    def _at_once(self, key: bytes, lane: _Lane) -> None:
        if lane.due:
            lane.due = 0
            self.waiting -= 1
        self._ready.append(key)

    def _wait(self, key: bytes, lane: _Lane, due: Instant) -> None:
        if not lane.due:
            self.waiting += 1
        lane.due = max(due, 1)
        self._count += 1
        heapq.heappush(self._later, (lane.due, self._count, key))


def _covered(old: Pending, new: Pending) -> bool:
    """Whether the newer one says all that the older one does."""
    return old.why.action is new.why.action and old.mask & ~new.mask == 0 and not new.first
