"""The cells as the events make them, folded by a rule of its own and compared with those stored."""

from collections.abc import Callable, Iterable

from heedful.ledger.rederive import Said, cells_said
from heedful.ledger.values import Row

PART_OF_CELLS = 4_000_000
"""Cells held in memory at once, about 1.5 GB."""

Say = Callable[[str], None]


def parts_of(cells: int) -> int:
    """Into how many parts of the keys so many cells are divided."""
    return min(256, 1 + cells // PART_OF_CELLS)


class Refold:
    """The fold of the events about every subject whose key falls into one part.

    An event's place decides nothing: the latest by (occurred_at, seq) stands, and an event that
    was retracted is as if it had never been.
    """

    def __init__(self, retracted: set[int], part: int, parts: int) -> None:
        self._retracted, self._part, self._parts = retracted, part, parts
        self._cells: dict[tuple[bytes, str, str], tuple[int, int, str | None]] = {}

    def _holds(self, subject: bytes) -> bool:
        return self._parts == 1 or subject[0] * self._parts // 256 == self._part

    def take(self, said: Said) -> None:
        """Fold one event in."""
        if said["seq"] in self._retracted:
            return
        order = said["occurred_at"], said["seq"]
        for whose, slot, scope, value in cells_said(said):
            subject = bytes.fromhex(whose)
            if self._holds(subject):
                name = subject, slot, scope
                held = self._cells.get(name)
                if held is None or held[:2] < order:
                    self._cells[name] = (*order, value)

    def compare(self, stored: Iterable[Row], say: Say) -> None:
        """Say every cell that is stored otherwise, stored in vain, or missing."""
        for subject, slot, scope, *writing in stored:
            if not self._holds(subject):
                continue
            due = self._cells.pop((subject, slot, scope), None)
            where = f"Cell {slot} {scope} of {subject.hex()}"
            if due is None:
                say(f"{where} is stored, and no event says so.")
            elif due != tuple(writing):
                told = "another value" if due[:2] == tuple(writing[:2]) else "another event or time"
                say(f"{where} should come from event {due[1]} and holds {told}.")
        for (subject, slot, scope), (_, seq, _) in self._cells.items():
            say(f"Cell {slot} {scope} of {subject.hex()} is missing; event {seq} says it.")
