"""The change feed as all vendors of one process read it: the newest events are read once."""

from dataclasses import dataclass

from heedful.core.address import Contact, Subject
from heedful.core.errors import HistoryChanged
from heedful.core.event import Action, Event
from heedful.fanout.plan import Why, why_of
from heedful.ledger import Cursor, Head, Ledger

_KEPT = 2048


@dataclass(slots=True, frozen=True)
class Heard:
    """An event about one address, taken apart once for all vendors."""

    why: Why
    key: bytes
    subject: Subject
    text: str


class Feed:
    """Reads on from any place. The tail is kept, because every vendor wants it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tail: list[Event] = []
        self._head: Head | None = None
        self._heard: dict[str, Heard | None] = {}
        self.seq = 0
        "the newest event that this process knows of"

    @property
    def head(self) -> Head:
        return self._head or self.look()

    def look(self) -> Head:
        """Ask the ledger how far it is: other processes write to it as well."""
        self._head = self._ledger.head()
        self.seq = max(self.seq, self._head.seq)
        return self._head

    def heard(self, seq: int) -> None:
        """This process has committed up to that event."""
        self.seq = max(self.seq, seq)

    def after(self, seq: int, hash_: str, most: int) -> list[Event]:
        """The next events. HistoryChanged where that place is one of another history."""
        if seq >= self.seq:
            return []
        if kept := self._kept(seq, hash_, most):
            return kept
        events, _ = self._ledger.events(Cursor(seq, hash_), most)
        if events and (not self._tail or self._tail[-1].seq == seq):
            self._tail.extend(events)
            del self._tail[:-_KEPT]
        elif events and events[-1].seq > self._tail[-1].seq:
            self._tail = events[-_KEPT:]
        return events

    def of_one(self, event: Event) -> Heard | None:
        """What an event says that is about one address only, and by itself; else None."""
        try:
            return self._heard[event.hash]
        except KeyError:
            if len(self._heard) >= _KEPT:
                self._heard.clear()
            subject, found = event.subject, None
            composed = event.action is Action.RETRACT or event.action is Action.LINK
            if not (composed or subject is None or isinstance(subject, Contact)):
                key = bytes.fromhex(event.subject_key)
                found = Heard(why_of(event), key, subject, subject.text)
            self._heard[event.hash] = found
            return found

    def knows(self, seq: int, hash_: str) -> bool:
        """Whether that place is one of this history, and not of one before a restore."""
        try:
            self._ledger.events(Cursor(seq, hash_), 0)
        except HistoryChanged:
            return False
        return True

    def forget(self) -> None:
        """The history is another one."""
        self._tail.clear()
        self._heard.clear()
        self.seq = 0

    def _kept(self, seq: int, hash_: str, most: int) -> list[Event]:
        if not self._tail:
            return []
        index = seq - self._tail[0].seq
        if not 0 <= index < len(self._tail) - 1:
            return []
        if Cursor(seq, self._tail[index].hash) != Cursor(seq, hash_):
            return []
        return self._tail[index + 1 : index + 1 + most]
