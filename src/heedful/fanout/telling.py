"""Telling one vendor: its place in the feed, what waits for it, and what is under way.

Nobody else's. A vendor that is slow or gone fills its own lanes, its own connections and, after
that, nothing: the feed is the queue, and this vendor's place in it stays where it is.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import aiohttp

from heedful import observe
from heedful.core.errors import HistoryChanged, LedgerError
from heedful.core.instant import SECOND, Instant
from heedful.fanout.answers import SHOWN, Answers
from heedful.fanout.lanes import Answered, Lanes, Pending
from heedful.fanout.pace import Pace
from heedful.fanout.plan import Touches
from heedful.fanout.reader import Reader
from heedful.fanout.ready import Prepared, Ready
from heedful.fanout.schedule import again_at, bounded
from heedful.fanout.shared import Shared
from heedful.ledger import Delivery, VendorCursor
from heedful.vendors.contract import Answer, Connector, Later, Refused, Told

_ACTIVE = 512
_MOST, _MOST_FAILING = 50_000, 256

log = observe.logger(__name__)


class Telling:
    """One vendor's share of the work, from the moment that its lease is ours."""

    def __init__(
        self,
        shared: Shared,
        touches: Touches,
        connector: Connector,
        http: aiohttp.ClientSession,
        cursor: VendorCursor,
    ) -> None:
        self.vendor = cursor.vendor
        self.closed = False
        self._shared, self._connector, self._http = shared, connector, http
        room = shared.ledger, shared.feed, shared.sight, touches
        self._reader = Reader(*room, cursor)
        self._lanes = Lanes()
        self._ready = Ready(*room, self._lanes, self._finish)
        self.answers = Answers(self._reader, cursor)
        self._pace = Pace()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hold: Instant = 0
        self._stopping = False

    # --- where it stands ----------------------------------------------------------------------

    @property
    def cursor(self) -> VendorCursor:
        return self._reader.cursor

    @property
    def disabled(self) -> bool:
        return self.answers.farewell is not None or self.cursor.state == "disabled"

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What is under way."""
        return tuple(self._tasks)

    def restore(self, waiting: Iterable[Delivery]) -> None:
        """Put back what was stored as to be tried again, by us earlier or by another dispatcher."""
        for row in waiting:
            if self._lanes.holds(row.subject_key, row.seq):
                continue
            item = self._reader.concern.again(row, self.cursor.as_of)
            if item is not None:
                item.attempts = row.attempts
                self._lanes.restore(item, row.next_at or 0)
            else:
                gone = "it concerns the vendor no more"
                self.answers.withdraw(row, gone, self._shared.clock())

    # --- sending ------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Take in what is new and send what may be sent. True where there is more to take in."""
        now = self._shared.clock()
        if self.closed or self._stopping or self.disabled:
            return False
        if now >= (self.cursor.leased_until or 0):
            self.close()
            return False
        try:
            more = self._take_in(now)
        except HistoryChanged:
            self._shared.feed.forget()
            self.close()  # and begun again, in a second, as the lease is still ours
            return False
        waiting = self._lanes.size - self._pace.working
        for _ in range(min(self._pace.room(self._shared.lag), waiting)):
            if not self._has_work(now):
                break
            self._send()
        return more

    def _has_work(self, now: Instant) -> bool:
        if now < self._hold:
            return False
        due = self._lanes.next_due()
        return bool(self._ready) or self._lanes.ready or (due is not None and due <= now)

    def _take_in(self, now: Instant) -> bool:
        """One batch from the feed, or of what stood before it, if there is room for it."""
        most = _MOST_FAILING if self._pace.failing else _MOST
        size = self._lanes.size
        if size >= most or size - self._lanes.waiting >= _ACTIVE:
            return False
        more = self._reader.take_in(self._lanes, now, self._settle)
        self._store()
        return more

    def _send(self) -> None:
        self._pace.working += 1
        task = asyncio.get_running_loop().create_task(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """Send one after another while there is something to send."""
        try:
            # Where the vendor is failing, one goes on and the others end.
            while not self._stopping and self._pace.working <= self._pace.most:
                ready = self._next()
                if ready is None:
                    return
                begun = self._pace.begun()
                try:
                    reply = await self._connector.tell(ready.order, self._http)
                except Exception as error:  # whatever a connector does, its vendor alone waits
                    observe.UNEXPECTED.labels("connector").inc()
                    log.exception("connector_failed", vendor=self.vendor, seq=ready.item.why.seq)
                    reply = Later(None, type(error).__name__)
                if self.closed:
                    return
                self._answer(ready.item, reply)
                if self._pace.answered(begun, self._shared.lag) and self._lanes.ready:
                    self._send()
        except LedgerError as error:
            log.warning("vendor_waits", vendor=self.vendor, error=error.code)
            self._hold = max(self._hold, self._shared.clock() + SECOND)
        except Exception:  # what it had under way is begun again, from what is stored
            observe.UNEXPECTED.labels("telling").inc()
            log.exception("telling_failed", vendor=self.vendor)
            self.close()
        finally:
            self._pace.working -= 1

    def _next(self) -> Prepared | None:
        now = self._shared.clock()
        cursor = self.cursor
        if self.disabled or now < self._hold or now >= (cursor.leased_until or 0):
            return None
        ready = self._ready.next(now, cursor.as_of)
        if ready is None:
            self._take_in(now)
            if self._lanes.ready:
                ready = self._ready.next(now, cursor.as_of)
        return ready

    # --- answers ------------------------------------------------------------------------------

    def _answer(self, item: Pending, reply: Answer) -> None:
        match reply:
            case Told():
                self._reached()
                self._finish(item, Answered.TOLD, reply.answer)
                if item.since:
                    seconds = (self._shared.clock() - item.since) / SECOND
                    observe.TELLINGS.note(self.vendor, seconds)
            case Refused(disable=True):
                now = self._shared.clock()
                self.answers.farewell = reply.why[:SHOWN]
                self._settle(item, Answered.LATER, reply.why, next_at=now)
                self._lanes.postpone(item, now)
                log.warning("vendor_disabled", vendor=self.vendor, seq=item.why.seq)
            case Refused():
                self._reached()
                self._finish(item, Answered.REFUSED, reply.why)
                log.warning("vendor_refused", vendor=self.vendor, seq=item.why.seq)
            case Later():
                self._postpone(item, reply, self._shared.clock())

    def _postpone(self, item: Pending, reply: Later, now: Instant) -> None:
        self._pace.failures += 1
        if reply.wait:
            self._hold = max(self._hold, now + bounded(reply.wait))
        item.attempts += 1
        due = again_at(item.attempts, now, reply.wait, self._shared.rng)
        if due is None:
            self._finish(item, Answered.DEAD, reply.why)
            log.warning("dead_letter", vendor=self.vendor, seq=item.why.seq)
        elif self._lanes.postpone(item, due):
            self._settle(item, Answered.OVERTAKEN, "by a newer one")
        else:
            self._settle(item, Answered.LATER, reply.why, next_at=due)

    def _reached(self) -> None:
        """The vendor answers. If it did not before, nobody waits for a time any more."""
        if self._pace.failing:
            self._lanes.hasten()
        self._pace.failures = 0

    def _finish(self, item: Pending, state: Answered, answer: str) -> None:
        self._lanes.done(item)
        self._settle(item, state, answer)

    def _settle(
        self, item: Pending, state: Answered, answer: str, next_at: Instant | None = None
    ) -> None:
        """Note the answer for storing, and that the feed need not wait for this one any more."""
        self.answers.note(item, state, answer, self._shared.clock(), next_at)
        self._reader.closed(item)
        self._store()

    # --- its lease and its end ----------------------------------------------------------------

    def _store(self) -> None:
        if not self.answers.asked:
            self.answers.asked = True
            self._shared.store(self)

    def renewed(self, cursor: VendorCursor) -> bool:
        """The lease goes on. True where somebody has changed the vendor's state, or asked for
        another try: then what waits is to be read again, with `restore`."""
        changed = (cursor.state, cursor.why) != (self.cursor.state, self.cursor.why)
        self._reader.cursor = replace(
            self.cursor,
            owner=cursor.owner,
            leased_until=cursor.leased_until,
            state=cursor.state,
            why=cursor.why,
        )
        if changed:
            self._hold = 0
            self._lanes.hasten()
        return changed

    def stop(self) -> None:
        """Send nothing new; what is under way is waited for by whoever stops us."""
        self._stopping = True

    def close(self) -> None:
        """At once: the lease is lost, and somebody else may be sending already."""
        self.closed = True
        for task in self._tasks:
            task.cancel()
