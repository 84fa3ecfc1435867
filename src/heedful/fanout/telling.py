"""Telling one vendor: its place in the feed, what waits for it, and what is under way.

Nobody else's. A vendor that is slow or gone fills its own lanes, its own connections and, after
that, nothing: the feed is the queue, and this vendor's place in it stays where it is.
"""

import asyncio
import contextlib
import hashlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

import aiohttp

from heedful import observe
from heedful.core.address import Address, Contact
from heedful.core.errors import HistoryChanged, LedgerError, UnknownEvent
from heedful.core.event import Action, Event
from heedful.core.instant import SECOND, Instant
from heedful.fanout.feed import Feed
from heedful.fanout.lanes import Lanes, Pending
from heedful.fanout.places import Places
from heedful.fanout.plan import Touches, Why, Word, data_of, overtaken, why_of
from heedful.fanout.schedule import again_at, bounded
from heedful.fanout.sight import Seen, Sight
from heedful.ledger import Delivery, Ledger, VendorCursor
from heedful.vendors.contract import Answer, Connector, Instruction, Later, Refused, Told

WINDOW = 32
"""Instructions under way at one vendor at once."""
FAILING = 5
"""Failures in a row after which one instruction at a time is tried, until one is taken."""
_ACTIVE = 512
_MOST, _MOST_FAILING = 50_000, 256
_EVENTS, _KEYS = 500, 200
_STALE = 0.25  # seconds between reading what stands and sending it
_RECHECK = 256
_SHOWN = 200

_TYPES = {action: f"consent.{action}" for action in Action}

log = observe.logger(__name__)


@dataclass(slots=True)
class Shared:
    """What all vendors of one dispatcher share."""

    ledger: Ledger
    feed: Feed
    sight: Sight
    clock: Callable[[], Instant]
    rng: Random
    store: Callable[["Telling"], None]
    "asks for what `harvest` holds to be stored soon"


class Answered(StrEnum):
    """How an instruction stands; the words of the table `delivery`."""

    TOLD = "told"
    LATER = "later"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"
    DEAD = "dead"


@dataclass(slots=True, frozen=True)
class Harvest:
    """What is to be stored in one go: answers, the cursor if it moved, a vendor's farewell."""

    vendor: str
    deliveries: tuple[Delivery, ...]
    cursor: VendorCursor | None
    disabled: str | None


@dataclass(slots=True)
class _Prepared:
    item: Pending
    order: Instruction
    read_at: float


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
        self.cursor = cursor
        self._shared, self._touches = shared, touches
        self._connector, self._http = connector, http
        self._lanes = Lanes()
        self._prepared: deque[_Prepared] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._working = self._failures = 0
        self._hold: Instant = 0
        self._closed = self._stopping = False
        self._answers: dict[tuple[int, bytes], Delivery] = {}
        self._disabled: str | None = None
        self._stored = cursor
        self._counts = dict.fromkeys(Answered, 0)
        self._seconds = observe.TELLING.labels(self.vendor)
        self._begin(cursor)

    # --- where it stands ----------------------------------------------------------------------

    def _begin(self, cursor: VendorCursor) -> None:
        """Take up the work where the cursor says. A new vendor, and one that grew, is first told
        what stands; the feed then goes on from there, for one that grew from where it was. A place
        in another history (before a restore) is worth nothing: it is told as a new one.

        Until then the stored number of a new vendor is 0: nothing counts as told.
        """
        anew = not self._shared.feed.knows(cursor.seq or cursor.as_of, cursor.hash)
        if anew:
            log.warning("history_changed", vendor=self.vendor)
        if anew or self._touches.grew(cursor.touches):
            head = self._shared.feed.look()
            cursor = replace(cursor, stage="first", as_of=head.seq, scan=None)
            if anew or not cursor.seq:
                cursor = replace(cursor, seq=0, hash=head.hash)
        self.cursor = replace(cursor, touches=self._touches.text)
        self._read = (self.cursor.seq or self.cursor.as_of, self.cursor.hash)
        self._scan = self.cursor.scan
        self._scans: Places[bytes | None] = Places(self._scan)
        self._scanned = False
        self._places: Places[tuple[int, str]] = Places(self._read)
        self._recheck = self._read[0] + _RECHECK

    @property
    def disabled(self) -> bool:
        return self._disabled is not None or self.cursor.state == "disabled"

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._tasks

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        return tuple(self._tasks)

    @property
    def _first(self) -> bool:
        return self.cursor.stage == "first"

    @property
    def _window(self) -> int:
        return 1 if self._failures >= FAILING else WINDOW

    def next_due(self) -> Instant | None:
        """When there is something to try again."""
        due = self._lanes.next_due()
        return None if due is None or self.disabled else max(due, self._hold)

    def restore(self, waiting: Iterable[Delivery]) -> None:
        """Put back what was stored as to be tried again, by us earlier or by another dispatcher."""
        for row in waiting:
            if not self._lanes.holds(row.subject_key, row.seq):
                with contextlib.suppress(UnknownEvent):  # of a history before a restore
                    item = self._again(row)
                    if item is not None:
                        item.attempts = row.attempts
                        self._lanes.restore(item, row.next_at or 0)

    def _again(self, row: Delivery) -> Pending | None:
        """The instruction that a stored answer belongs to."""
        event = self._shared.ledger.event(row.seq)
        found = [p for p in self._pending(event) if p.key == row.subject_key]
        if row.seq <= self.cursor.as_of:  # it may have stood for all that stood then
            for item in found:
                item.mask = self._touches.all
        return found[0] if found else None

    # --- taking in ----------------------------------------------------------------------------

    def advance(self) -> bool:
        """Take in what is new and send what may be sent. True where there is more to take in."""
        now = self._shared.clock()
        if self._closed or self._stopping or self.disabled:
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
        waiting = self._lanes.size - self._working
        for _ in range(min(self._window - self._working, waiting)):
            if not self._has_work(now):
                break
            self._working += 1
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return more

    def _has_work(self, now: Instant) -> bool:
        if now < self._hold:
            return False
        due = self._lanes.next_due()
        return bool(self._prepared) or self._lanes.ready or (due is not None and due <= now)

    def _take_in(self, now: Instant) -> bool:
        """One batch from the feed, or of what stood before it, if there is room for it."""
        most = _MOST_FAILING if self._failures >= FAILING else _MOST
        size = self._lanes.size
        if size >= most or size - self._lanes.waiting >= _ACTIVE:
            return False
        return self._take_standing(now) if self._first else self._take_events()

    def _take_standing(self, now: Instant) -> bool:
        if self._scanned:
            if len(self._scans):
                return False
            self.cursor = replace(self.cursor, stage="feed", scan=None)
            self._shared.store(self)
            return True
        keys = self._shared.ledger.standing_keys(self._scan, _KEYS)
        seq = self._shared.feed.seq
        seen = self._shared.sight.see(dict.fromkeys(keys), seq)
        for key in keys:
            pending = list(self._standing_of(key, seen[key], seq, now))
            place = self._scans.add(key, len(pending))
            for item in pending:
                item.place = place
                self._lanes.add(item)
            self._scan = key
        self._scanned = len(keys) < _KEYS
        self._shared.store(self)
        return True

    def _standing_of(self, key: bytes, seen: Seen, seq: int, now: Instant) -> Iterable[Pending]:
        """What stands for an address, or for each address of a contact that has nothing of its own
        (those that have come by themselves)."""
        subject = self._shared.ledger.subject_of(key)
        if isinstance(subject, Contact):
            for other, its in self._shared.sight.see(dict.fromkeys(seen.linked()), seq).items():
                if not its.stopped:
                    yield from self._first_word(other, its, None, now)
        elif subject is not None:
            yield from self._first_word(key, seen, subject.text, now)

    def _first_word(
        self, key: bytes, seen: Seen, text: str | None, now: Instant
    ) -> Iterable[Pending]:
        why = self._touches.cause(seen.facts, now, self.cursor.as_of)
        if why is not None:
            standing = self._touches.standing(seen.facts, now)
            mask = sum(1 << bit for bit, s in enumerate(standing) if s.word is not Word.IN)
            yield Pending(key, why, "", mask, text, first=True)

    def _take_events(self) -> bool:
        events = self._shared.feed.after(*self._read, _EVENTS)
        for event in events:
            pending = self._pending(event)
            if pending and event.seq <= self._recheck:
                pending = self._unanswered(event.seq, pending)
            place = self._places.add((event.seq, event.hash), len(pending))
            for item in pending:
                item.place = place
                for old in self._lanes.add(item):
                    self._settle(old, Answered.OVERTAKEN, f"by {event.seq}")
            self._read = (event.seq, event.hash)
        if events:
            self._shared.store(self)
        return len(events) == _EVENTS

    def _unanswered(self, seq: int, pending: list[Pending]) -> list[Pending]:
        """Without what was answered and stored before the cursor came past it."""
        answered = {
            row.subject_key
            for row in self._shared.ledger.outbox.told(seq)
            if row.vendor == self.vendor
        }
        return [item for item in pending if item.key not in answered]

    def _pending(self, event: Event) -> list[Pending]:
        """What this vendor is to be told of an event: an instruction for each address."""
        if event.action is not Action.RETRACT:
            retracted = None
        elif event.retracts is None:
            return []
        else:
            retracted = self._shared.ledger.event(event.retracts)
        mask = self._touches.reach(event, retracted)
        if not mask:
            return []
        why = why_of(event, retracted)
        if event.action is Action.LINK:
            if event.address_key is None:
                return []
            text = event.address.text if event.address else None
            return [self._item(event, why, mask, bytes.fromhex(event.address_key), text)]
        about = retracted or event
        key = bytes.fromhex(about.subject_key)
        if about.subject is None or isinstance(about.subject, Contact):
            seen = self._shared.sight.see({key: None}, self._shared.feed.seq)
            linked = seen[key].linked()
            if about.subject is None:  # erased: only what it is linked to tells what it was
                linked = [k for k in linked if isinstance(self._subject(k), Address)]
            return [self._item(event, why, mask, other, None) for other in linked]
        return [self._item(event, why, mask, key, about.subject.text)]

    def _item(self, event: Event, why: Why, mask: int, key: bytes, text: str | None) -> Pending:
        return Pending(key, why, event.hash, mask, text, since=event.recorded_at)

    def _subject(self, key: bytes) -> object:
        return self._shared.ledger.subject_of(key)

    # --- sending ------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Send one after another while there is something to send."""
        try:
            # Where the vendor is failing, one goes on and the others end.
            while not self._stopping and self._working <= self._window:
                ready = self._next()
                if ready is None:
                    return
                try:
                    reply = await self._connector.tell(ready.order, self._http)
                except Exception as error:  # whatever a connector does, its vendor alone waits
                    observe.UNEXPECTED.labels("connector").inc()
                    log.exception("connector_failed", vendor=self.vendor, seq=ready.item.why.seq)
                    reply = Later(None, type(error).__name__)
                if self._closed:
                    return
                self._answer(ready.item, reply)
        except LedgerError as error:
            log.warning("vendor_waits", vendor=self.vendor, error=error.code)
            self._hold = max(self._hold, self._shared.clock() + SECOND)
        finally:
            self._working -= 1

    def _next(self) -> _Prepared | None:
        now = self._shared.clock()
        if self.disabled or now < self._hold or now >= (self.cursor.leased_until or 0):
            return None
        while True:
            if not self._prepared:
                items = self._lanes.take(now, min(2 * self._window, 64))
                if not items:
                    self._take_in(now)
                    if not self._lanes.ready:
                        return None
                self._prepare(items, now)
                continue
            ready = self._prepared.popleft()
            if time.monotonic() - ready.read_at < _STALE and not self._lanes.follows(ready.item):
                return ready
            before = len(self._prepared)
            self._prepare([ready.item], now)
            if len(self._prepared) > before:
                return self._prepared.pop()

    def _prepare(self, items: Sequence[Pending], now: Instant) -> None:
        """Read what stands and put it into words; what is overtaken ends here."""
        left = deque(items)
        try:
            wanted = {item.key: item.subject for item in items}
            seen = self._shared.sight.see(wanted, self._shared.feed.seq)
            read_at = time.monotonic()
            while left:
                item = left[0]
                if item.subject is None:
                    subject = self._shared.ledger.subject_of(item.key)
                    item.subject = subject.text if subject else None
                order = self._order(item, seen[item.key], now)
                left.popleft()
                if order is not None:
                    self._prepared.append(_Prepared(item, order, read_at))
                elif item.subject is None:
                    self._finish(item, Answered.OVERTAKEN, "by the erasure of the address")
                else:
                    self._finish(item, Answered.OVERTAKEN, "by what stands")
        except BaseException:
            for item in left:
                self._lanes.put_back(item)
            raise

    def _order(self, item: Pending, seen: Seen, now: Instant) -> Instruction | None:
        """The instruction, or None where nothing of what the event said still stands, or nobody
        can say any more whom it was about."""
        if item.subject is None:
            return None
        touches, why = self._touches, item.why
        said = touches.say(item.mask, now, lambda: seen.facts, seen.signature)
        if item.first or why.action is Action.LINK:
            # The news is not this event but what stood already.
            upto = self.cursor.as_of if item.first else sys.maxsize
            cause = touches.cause(seen.facts, now, upto)
            if cause is None:
                return None
            at = cause.at if item.first else why.at
            why = replace(cause, seq=why.seq, at=at)
        elif overtaken(why.action, said):
            return None
        return Instruction(
            vendor=self.vendor,
            id=self._id(item),
            type=_TYPES[why.action],
            data=data_of(why, item.subject, said, touches.honour_within),
            at=why.at,
        )

    def _id(self, item: Pending) -> str:
        """The webhook-id: the same on every attempt, another for each vendor, event and address.

        Another also when a vendor that grew is told anew of an old event, and after a restore or
        a failover, which give old numbers to new events.
        """
        if item.why.seq <= self.cursor.as_of:
            of = f"{self._shared.feed.head.epoch} {self.cursor.as_of} {item.why.seq}"
        else:
            of = item.hash
        whole = f"{self.vendor} {of} {item.key.hex()}"
        return f"msg_{hashlib.sha256(whole.encode()).hexdigest()[:32]}"

    # --- answers ------------------------------------------------------------------------------

    def _answer(self, item: Pending, reply: Answer) -> None:
        now = self._shared.clock()
        match reply:
            case Told():
                self._reached()
                self._finish(item, Answered.TOLD, reply.answer)
                if item.since:
                    self._seconds.observe((now - item.since) / SECOND)
            case Refused(disable=True):
                self._disabled = reply.why[:_SHOWN]
                self._settle(item, Answered.LATER, reply.why, next_at=now)
                self._lanes.postpone(item, now)
                log.warning("vendor_disabled", vendor=self.vendor, seq=item.why.seq)
            case Refused():
                self._reached()
                self._finish(item, Answered.REFUSED, reply.why)
                log.warning("vendor_refused", vendor=self.vendor, seq=item.why.seq)
            case Later():
                self._postpone(item, reply, now)

    def _postpone(self, item: Pending, reply: Later, now: Instant) -> None:
        self._failures += 1
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
        if self._failures >= FAILING:
            self._lanes.hasten()
        self._failures = 0

    def _finish(self, item: Pending, state: Answered, answer: str) -> None:
        self._lanes.done(item)
        self._settle(item, state, answer)

    def _settle(
        self, item: Pending, state: Answered, answer: str, next_at: Instant | None = None
    ) -> None:
        """Note the answer for storing, and that the feed need not wait for this one any more."""
        now = self._shared.clock()
        self._answers[item.why.seq, item.key] = Delivery(
            vendor=self.vendor,
            subject_key=item.key,
            seq=item.why.seq,
            state=state,
            attempts=item.attempts + (state in (Answered.TOLD, Answered.REFUSED)),
            next_at=next_at,
            answered_at=now,
            answer=answer if answer.isdigit() else observe.masked(answer)[:_SHOWN],
        )
        if item.place >= 0:
            (self._scans if item.first else self._places).closed(item.place)
            item.place = -1
        self._counts[state] += 1
        self._shared.store(self)

    # --- storing ------------------------------------------------------------------------------

    def harvest(self, everything: bool = True) -> Harvest | None:
        """What has come in since the last time; without `everything`, no mere step forward."""
        seq, hash_ = self._places.upto
        if self._first:
            self.cursor = replace(self.cursor, scan=self._scans.upto)
        else:
            self.cursor = replace(self.cursor, scan=None, seq=seq, hash=hash_)
        moved = _place(self.cursor) != _place(self._stored)
        if not self._answers and not self._disabled and not (moved and everything):
            return None
        gone = tuple(self._answers.values())
        self._answers = {}
        for answer, count in self._counts.items():
            if count:
                observe.INSTRUCTIONS.labels(self.vendor, answer).inc(count)
                self._counts[answer] = 0
        self._stored = self.cursor
        return Harvest(self.vendor, gone, self.cursor if moved else None, self._disabled)

    def unstored(self, harvest: Harvest) -> None:
        """It could not be stored: it goes with the next. Newer answers win."""
        for row in harvest.deliveries:
            self._answers.setdefault((row.seq, row.subject_key), row)
        self._stored = replace(self._stored, touches="?")

    def stored(self, harvest: Harvest) -> None:
        """It is stored."""
        if harvest.disabled is not None:
            self.cursor = replace(self.cursor, state="disabled", why=harvest.disabled)
            self._disabled = None

    def renewed(self, cursor: VendorCursor) -> bool:
        """The lease goes on. True where somebody has changed the vendor's state, or asked for
        another try: then what waits is to be read again, with `restore`."""
        changed = (cursor.state, cursor.why) != (self.cursor.state, self.cursor.why)
        self.cursor = replace(
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

    # --- the end ------------------------------------------------------------------------------

    def stop(self) -> None:
        """Send nothing new; what is under way is waited for by whoever stops us."""
        self._stopping = True

    def close(self) -> None:
        """At once: the lease is lost, and somebody else may be sending already."""
        self._closed = True
        for task in self._tasks:
            task.cancel()

    @property
    def closed(self) -> bool:
        return self._closed


def _place(cursor: VendorCursor) -> tuple[object, ...]:
    return (cursor.touches, cursor.stage, cursor.as_of, cursor.scan, cursor.seq, cursor.hash)
