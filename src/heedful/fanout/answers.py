"""What one vendor answered, until it is stored together with its place in the feed."""

from dataclasses import dataclass, replace
from functools import lru_cache

from heedful import observe
from heedful.core.instant import Instant
from heedful.fanout.lanes import Answered, Pending
from heedful.fanout.reader import Reader
from heedful.ledger import Delivery, VendorCursor

SHOWN = 200
"""Characters of an answer that are stored."""


@dataclass(slots=True, frozen=True)
class Harvest:
    """What is to be stored in one go: answers, the cursor if it moved, a vendor's farewell."""

    vendor: str
    deliveries: tuple[Delivery, ...]
    cursor: VendorCursor | None
    disabled: str | None


class Answers:
    """Those of one vendor. The latest answer about an event and a subject is what counts.

    `farewell`: what the vendor said when it asked for no more. `asked`: whether somebody has asked
    for these to be stored.
    """

    def __init__(self, reader: Reader, stored: VendorCursor) -> None:
        self._vendor = stored.vendor
        self._reader, self._stored = reader, stored
        self.farewell: str | None = None
        self.asked = False
        self._rows: dict[tuple[int, bytes], Delivery] = {}
        self._counts = {state.value: 0 for state in Answered}

    def note(
        self, item: Pending, state: Answered, answer: str, now: Instant, next_at: Instant | None
    ) -> None:
        word = state._value_
        attempts = item.attempts + (state is Answered.TOLD or state is Answered.REFUSED)
        seq, key = item.why.seq, item.key
        self._rows[seq, key] = Delivery(
            self._vendor, key, seq, word, attempts, next_at, now, _masked(answer)
        )
        self._counts[word] += 1

    def withdraw(self, row: Delivery, why: str, now: Instant) -> None:
        """It was to be tried again, and never will be."""
        word = Answered.OVERTAKEN.value
        self._rows[row.seq, row.subject_key] = replace(
            row, state=word, next_at=None, answered_at=now, answer=why
        )
        self._counts[word] += 1

    def harvest(self, everything: bool = True) -> Harvest | None:
        """What has come in since the last time; without `everything`, no mere step forward."""
        self.asked = False
        cursor = self._reader.place()
        moved = _place(cursor) != _place(self._stored)
        if not self._rows and not self.farewell and not (moved and everything):
            return None
        self._stored = cursor
        gone, self._rows = tuple(self._rows.values()), {}
        for answer, count in self._counts.items():
            if count:
                observe.INSTRUCTIONS.labels(self._vendor, answer).inc(count)
                self._counts[answer] = 0
        return Harvest(self._vendor, gone, cursor if moved else None, self.farewell)

    def unstored(self, harvest: Harvest) -> None:
        """It could not be stored: it goes with the next. Newer answers win."""
        for row in harvest.deliveries:
            self._rows.setdefault((row.seq, row.subject_key), row)
        self._stored = replace(self._stored, touches="?")

    def stored(self, harvest: Harvest) -> None:
        """It is stored."""
        if harvest.disabled is not None:
            cursor = self._reader.cursor
            self._reader.cursor = replace(cursor, state="disabled", why=harvest.disabled)
            self.farewell = None


def _place(cursor: VendorCursor) -> tuple[object, ...]:
    return (cursor.touches, cursor.stage, cursor.as_of, cursor.scan, cursor.seq, cursor.hash)


@lru_cache(1024)  # most vendors say the same each time
def _masked(answer: str) -> str:
    return answer if answer.isdigit() else observe.masked(answer)[:SHOWN]
