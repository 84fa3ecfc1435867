"""The fold: what remains of a subject's events when all that matters for *now* is kept.

Every event writes a few cells, and a cell keeps the latest writing only. So folding is a maximum:
the order, the repetition and the grouping of the events make no difference.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from heedful.core.event import Action, Event, Suppression
from heedful.core.instant import Instant

# A slot is one text, the same in SQL and here:
#   out  lift  pending  limit  erase  reassigned     by exact scope (the last two without one)
#   in:KIND:BASIS                                    by exact scope
#   suppress:KIND[:SENDER]  release:KIND[:SENDER]    by channel/everything
#   link  unlink                                     by the other side's key: contact ↔ address
#   prefer:WHAT                                      without a scope
SlotScope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """The latest writing of one slot: when it happened, by which event, and a value if it has."""

    slot: str
    scope: str
    at: Instant
    seq: int
    value: str | None = None


def cells_of(event: Event) -> Iterator[tuple[str, Cell]]:
    """The cells that one event writes, each with the key of the subject whose cell it is.

    `retract` writes none: its effect is that the event it names is left out of the fold.
    """
    key, scope = event.subject_key, event.scope.text if event.scope else ""

    def cell(slot: str, scope: str = scope, value: str | None = None) -> Cell:
        return Cell(slot, scope, event.occurred_at, event.seq, value)

    match event.action:
        case Action.OPT_OUT:
            yield key, cell("out")
        case Action.OPT_IN:
            yield key, cell(f"in:{event.consent}:{event.basis}")
            if event.lifts:
                yield key, cell("lift")
        case Action.OPT_IN_REQUESTED:
            yield key, cell("pending")
        case Action.SUPPRESS | Action.RELEASE:
            sender = f":{event.sender}" if event.sender else ""
            yield key, cell(f"{event.action}:{event.suppression}{sender}")
            if event.action is Action.SUPPRESS and event.suppression is Suppression.REASSIGNED:
                yield key, cell("reassigned", scope="")
        case Action.LIMIT if event.limit:
            limit = event.limit
            said = (limit.until, limit.at_most, limit.per)
            yield key, cell("limit", value=" ".join("-" if v is None else str(v) for v in said))
        case Action.PREFER if event.prefer:
            yield key, cell(f"prefer:{event.prefer[0]}", scope="", value=event.prefer[1])
        case Action.LINK | Action.UNLINK if event.address_key:
            yield key, cell(str(event.action), scope=event.address_key)
            yield event.address_key, cell(str(event.action), scope=key)
        case Action.ERASE:
            yield key, cell("erase", scope="")


class State:
    """The fold of one subject's events: its cells. A semilattice: `|` joins two of them."""

    __slots__ = ("cells",)

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self.cells: dict[SlotScope, Cell] = {}
        for cell in cells:
            self._put(cell)

    def _put(self, cell: Cell) -> None:
        held = self.cells.get((cell.slot, cell.scope))
        if held is None or (cell.at, cell.seq) > (held.at, held.seq):
            self.cells[cell.slot, cell.scope] = cell

    def __or__(self, other: "State") -> "State":
        return State((*self.cells.values(), *other.cells.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.cells == other.cells

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        return f"State({sorted(self.cells)})"

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells.values())

    def get(self, slot: str, scope: str = "") -> Cell | None:
        return self.cells.get((slot, scope))

    def linked(self) -> tuple[frozenset[str], frozenset[str]]:
        """The keys on the other side of every link: those linked now, and those ever linked."""
        now, ever = set(), set()
        for (slot, other), cell in self.cells.items():
            if slot == "link":
                ever.add(other)
                ended = self.cells.get(("unlink", other))
                if ended is None or (ended.at, ended.seq) < (cell.at, cell.seq):
                    now.add(other)
        return frozenset(now), frozenset(ever)


def fold(events: Iterable[Event]) -> dict[str, State]:
    """The states of all subjects of these events, those retracted left out."""
    events = list(events)
    retracted = {e.retracts for e in events if e.action is Action.RETRACT}
    states: dict[str, State] = {}
    for event in events:
        if event.seq not in retracted:
            for key, cell in cells_of(event):
                states.setdefault(key, State())._put(cell)
    return states
