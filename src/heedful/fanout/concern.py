"""What of the history concerns one vendor: an event, or what stands, as instructions to be told."""

from collections.abc import Iterator
from contextlib import suppress

from heedful.core.address import Address, Contact, Subject
from heedful.core.errors import UnknownEvent
from heedful.core.event import Action, Event
from heedful.core.instant import Instant
from heedful.fanout.feed import Feed
from heedful.fanout.lanes import Pending
from heedful.fanout.plan import Touches, Why, Word, why_of
from heedful.fanout.sight import Seen, Sight
from heedful.ledger import Delivery, Ledger


class Concern:
    """One vendor's touches over the history. Each address is told of the channels it serves."""

    def __init__(self, ledger: Ledger, feed: Feed, sight: Sight, touches: Touches) -> None:
        self._ledger, self._feed, self._sight = ledger, feed, sight
        self._touches = touches

    def of_event(self, event: Event) -> list[Pending]:
        """What the vendor is to be told of an event: an instruction for each address."""
        one = self._feed.of_one(event)
        if one is not None:
            mask = self._touches.reach(event) & self._touches.served(one.subject)
            if not mask:
                return []
            return [Pending(one.key, one.why, event.hash, mask, one.text, since=event.recorded_at)]
        about, retracted = event, None
        if event.action is Action.RETRACT:
            if event.retracts is None:
                return []
            about = retracted = self._ledger.event(event.retracts)
        mask = self._touches.reach(event, retracted)
        if not mask:
            return []
        why = why_of(event, retracted)
        if event.action is Action.LINK:
            if event.address_key is None:
                return []
            return self._items(event, why, mask, bytes.fromhex(event.address_key), event.address)
        key, subject = bytes.fromhex(about.subject_key), about.subject
        if subject is not None and not isinstance(subject, Contact):
            return self._items(event, why, mask, key, subject)
        linked = self._sight.see({key: None}, self._feed.seq)[key].linked()
        subjects = {other: self._ledger.subject_of(other) for other in linked}
        if subject is None:  # erased: only what it is linked to tells what it was
            subjects = {k: s for k, s in subjects.items() if isinstance(s, Address)}
        return [i for k, s in subjects.items() for i in self._items(event, why, mask, k, s)]

    def _items(
        self, event: Event, why: Why, mask: int, key: bytes, subject: Subject | None
    ) -> list[Pending]:
        mask &= self._touches.served(subject)
        if not mask:
            return []
        text = subject.text if subject is not None else None
        return [Pending(key, why, event.hash, mask, text, since=event.recorded_at)]

    def of_standing(self, key: bytes, seen: Seen, now: Instant, as_of: int) -> Iterator[Pending]:
        """What stands for an address, or for each address of a contact that has nothing of its own
        (those that have come by themselves)."""
        subject = self._ledger.subject_of(key)
        if isinstance(subject, Contact):
            linked = dict.fromkeys(seen.linked())
            for other, its in self._sight.see(linked, self._feed.seq).items():
                if not its.stopped:
                    yield from self._first_word(
                        other, its, self._ledger.subject_of(other), now, as_of
                    )
        else:
            yield from self._first_word(key, seen, subject, now, as_of)

    def _first_word(
        self, key: bytes, seen: Seen, subject: Subject | None, now: Instant, as_of: int
    ) -> Iterator[Pending]:
        if subject is None:
            return
        served = self._touches.served(subject)
        why = self._touches.cause(seen.facts, now, as_of, served)
        if why is not None:
            standing = self._touches.standing(seen.facts, now)
            stopped = sum(1 << bit for bit, s in enumerate(standing) if s.word is not Word.IN)
            yield Pending(key, why, "", served & stopped, subject.text, first=True)

    def again(self, row: Delivery, as_of: int) -> Pending | None:
        """The instruction that a stored answer belongs to. None where it concerns the vendor no
        more, or was of a history before a restore."""
        with suppress(UnknownEvent):
            event = self._ledger.event(row.seq)
            found = next((i for i in self.of_event(event) if i.key == row.subject_key), None)
            if row.seq > as_of:
                return found
            # It may have stood for all that stood then.
            subject = self._ledger.subject_of(row.subject_key)
            served = self._touches.served(subject)
            if found is not None:
                found.mask = served
                return found
            if subject is not None and served:
                text = subject.text
                return Pending(row.subject_key, why_of(event), "", served, text, first=True)
        return None
