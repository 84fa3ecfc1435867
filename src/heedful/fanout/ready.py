"""Instructions of one vendor that are in words, ready to be sent: read shortly before that."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from heedful.core.instant import Instant
from heedful.fanout.feed import Feed
from heedful.fanout.lanes import Answered, Lanes, Pending
from heedful.fanout.order import order_of
from heedful.fanout.plan import Touches
from heedful.fanout.reader import Settle
from heedful.fanout.sight import Sight
from heedful.ledger import Ledger
from heedful.vendors.contract import Instruction

_AT_ONCE = 64
_STALE = 0.25  # seconds between reading what stands and sending it


@dataclass(slots=True)
class Prepared:
    """An instruction, and when what it says was read."""

    item: Pending
    order: Instruction
    read_at: float


class Ready:
    """Takes from the lanes what may be tried; what is overtaken ends here, by `finish`."""

    def __init__(
        self,
        ledger: Ledger,
        feed: Feed,
        sight: Sight,
        touches: Touches,
        lanes: Lanes,
        finish: Settle,
    ) -> None:
        self._ledger, self._feed, self._sight = ledger, feed, sight
        self._touches, self._lanes, self._finish = touches, lanes, finish
        self._prepared: deque[Prepared] = deque()

    def __bool__(self) -> bool:
        return bool(self._prepared)

    def next(self, now: Instant, as_of: int) -> Prepared | None:
        """The next one to send; None where nothing may be tried now."""
        while True:
            if not self._prepared:
                items = self._lanes.take(now, _AT_ONCE)
                if not items:
                    return None
                self._prepare(items, now, as_of)
                continue
            ready = self._prepared.popleft()
            if time.monotonic() - ready.read_at < _STALE and not self._lanes.follows(ready.item):
                return ready
            before = len(self._prepared)
            self._prepare([ready.item], now, as_of)
            if len(self._prepared) > before:
                return self._prepared.pop()

    def _prepare(self, items: Sequence[Pending], now: Instant, as_of: int) -> None:
        """Read what stands and put it into words."""
        left = deque(items)
        try:
            wanted = {item.key: item.subject for item in items}
            seen = self._sight.see(wanted, self._feed.seq)
            read_at, epoch = time.monotonic(), self._feed.head.epoch
            while left:
                item = left[0]
                if item.subject is None:
                    subject = self._ledger.subject_of(item.key)
                    item.subject = subject.text if subject else None
                order = order_of(item, seen[item.key], self._touches, now, as_of, epoch)
                left.popleft()
                if order is not None:
                    self._prepared.append(Prepared(item, order, read_at))
                elif item.subject is None:
                    self._finish(item, Answered.OVERTAKEN, "by the erasure of the address")
                else:
                    self._finish(item, Answered.OVERTAKEN, "by what stands")
        except BaseException:
            for item in left:
                self._lanes.put_back(item)
            raise
