"""Where one vendor is in the history: first through all that stands, then along the feed.

A place is passed when everything read there is answered, or stored as to be tried again.
"""

from collections.abc import Callable
from dataclasses import replace

from heedful import observe
from heedful.core.instant import Instant
from heedful.fanout.concern import Concern
from heedful.fanout.feed import Feed
from heedful.fanout.lanes import Answered, Lanes, Pending
from heedful.fanout.places import Places
from heedful.fanout.plan import Touches
from heedful.fanout.sight import Sight
from heedful.fanout.terms import grew
from heedful.ledger import Ledger, VendorCursor

_EVENTS, _KEYS = 500, 200
_RECHECK = 256

Settle = Callable[[Pending, Answered, str], None]

log = observe.logger(__name__)


class Reader:
    """Reads for one vendor into its lanes; `cursor` is its place, as far as it is known here."""

    def __init__(
        self, ledger: Ledger, feed: Feed, sight: Sight, touches: Touches, cursor: VendorCursor
    ) -> None:
        self._ledger, self._feed, self._sight = ledger, feed, sight
        self.concern = Concern(ledger, feed, sight, touches)
        self.cursor = self._begin(touches, cursor)
        self._read = (self.cursor.seq or self.cursor.as_of, self.cursor.hash)
        self._scan = self.cursor.scan
        self._scans: Places[bytes | None] = Places(self._scan)
        self._scanned = False
        self._places: Places[tuple[int, str]] = Places(self._read)
        self._recheck = self._read[0] + _RECHECK
        self._answered: frozenset[tuple[int, bytes]] | None = None

    def _begin(self, touches: Touches, cursor: VendorCursor) -> VendorCursor:
        """Take up the work where the cursor says. A new vendor, and one that grew, is first told
        what stands; the feed then goes on from there, for one that grew from where it was. A place
        in another history (before a restore) is worth nothing: it is told as a new one.

        A new epoch counts as growing: since the backup the vendor may have been told what this
        history does not know of. Until then the stored number of a new vendor is 0: nothing
        counts as told.
        """
        anew = not self._feed.knows(cursor.seq or cursor.as_of, cursor.hash)
        if anew:
            log.warning("history_changed", vendor=touches.vendor)
        head = self._feed.look()
        text = f"{touches.text} epoch:{head.epoch[:8]}"
        if anew or (touches.all and grew(text, cursor.touches)):
            cursor = replace(cursor, stage="first", as_of=head.seq, scan=None)
            if anew or not cursor.seq:
                cursor = replace(cursor, seq=0, hash=head.hash)
        return replace(cursor, touches=text)

    @property
    def first(self) -> bool:
        """Whether it is still being told what stood before."""
        return self.cursor.stage == "first"

    def take_in(self, lanes: Lanes, now: Instant, settle: Settle) -> bool:
        """One batch. True where there was something, and may be more."""
        return self._take_standing(lanes, now) if self.first else self._take_events(lanes, settle)

    def _take_standing(self, lanes: Lanes, now: Instant) -> bool:
        if self._scanned:
            if len(self._scans):
                return False
            self.cursor = replace(self.cursor, stage="feed", scan=None)
            return True
        keys = self._ledger.standing_keys(self._scan, _KEYS)
        seen = self._sight.see(dict.fromkeys(keys), self._feed.seq)
        for key in keys:
            pending = list(self.concern.of_standing(key, seen[key], now, self.cursor.as_of))
            place = self._scans.add(key, len(pending))
            for item in pending:
                item.place = place
                lanes.add(item)
            self._scan = key
        self._scanned = len(keys) < _KEYS
        return True

    def _take_events(self, lanes: Lanes, settle: Settle) -> bool:
        events = self._feed.after(*self._read, _EVENTS)
        for event in events:
            pending = self.concern.of_event(event)
            if event.seq <= self._recheck and pending:
                pending = self._unanswered(event.seq, pending)
            place = self._places.add((event.seq, event.hash), len(pending))
            for item in pending:
                item.place = place
                for old in lanes.add(item):
                    settle(old, Answered.OVERTAKEN, f"by {event.seq}")
            self._read = (event.seq, event.hash)
        return len(events) == _EVENTS

    def _unanswered(self, seq: int, pending: list[Pending]) -> list[Pending]:
        """Without what was answered and stored before the cursor came past it."""
        if self._answered is None:
            after = self._places.upto[0]
            outbox = self._ledger.outbox
            self._answered = outbox.answered(self.cursor.vendor, after, self._recheck)
        return [item for item in pending if (seq, item.key) not in self._answered]

    def closed(self, item: Pending) -> None:
        """The place where this was read need not wait for it any more."""
        if item.place >= 0:
            (self._scans if item.first else self._places).closed(item.place)
            item.place = -1

    def place(self) -> VendorCursor:
        """The cursor, moved to where all before it is answered."""
        if self.first:
            self.cursor = replace(self.cursor, scan=self._scans.upto)
        else:
            seq, hash_ = self._places.upto
            self.cursor = replace(self.cursor, scan=None, seq=seq, hash=hash_)
        return self.cursor
