"""What the ledger knew about some subjects, all at one moment.

Whom a question concerns is known only once its address was read: the contacts ever linked to it,
and for alternatives their other addresses. So a question is worked out again and again, each time
noting what it missed, until nothing is missing. What is read later is put beside what was read
before only if the head has not moved in between; otherwise everything is read anew, at once.
"""

from collections.abc import Sequence

from heedful.core.errors import InvalidQuestion
from heedful.core.instant import Instant, text_of
from heedful.core.state import Cell, State
from heedful.gate.signature import Row
from heedful.ledger import Ledger, Reading


class Present:
    """The subjects read so far, as of one head. `missing` are those asked for since."""

    __slots__ = (
        "_ledger",
        "_states",
        "catalogue",
        "digests",
        "missing",
        "read_again",
        "rows",
        "seq",
    )

    def __init__(self, ledger: Ledger, known: Sequence[bytes], reading: Reading) -> None:
        self._ledger = ledger
        self.missing: set[bytes] = set()
        self.read_again = False
        "whether it is another moment than at first"
        self._take(known, reading)

    def _take(self, known: Sequence[bytes], reading: Reading) -> None:
        self.seq, self.catalogue, self.digests = reading.seq, reading.catalogue, reading.digests
        self.rows: dict[bytes, Sequence[Row]] = dict.fromkeys(known, ())
        self.rows.update(reading.rows)
        self._states: dict[bytes, State] = {}

    def state(self, key: bytes) -> State | None:
        """The state of a subject, or None where it has yet to be read."""
        held = self._states.get(key)
        if held is None:
            rows = self.rows.get(key)
            if rows is None:
                self.missing.add(key)
                return None
            held = self._states[key] = State(Cell(*row) for row in sorted(rows))
        return held

    def fill(self) -> bool:
        """Read what is missing. True, if the moment is another one now."""
        wanted = sorted(self.missing)
        self.missing.clear()
        reading = self._ledger.read(wanted)
        if (reading.seq, reading.catalogue, reading.digests) == (
            self.seq,
            self.catalogue,
            self.digests,
        ):
            self.rows.update(dict.fromkeys(wanted, ()))
            self.rows.update(reading.rows)
            return False
        self.read_again = True
        known = sorted({*self.rows, *wanted})
        self._take(known, self._ledger.read(known))
        return True


class Past:
    """The same, as it was: the fold of the events that were recorded up to an instant."""

    __slots__ = ("_as_of", "_ledger", "_states", "catalogue", "digests", "missing", "seq")

    def __init__(self, ledger: Ledger, as_of: Instant, now: Instant) -> None:
        head = ledger.head()
        if as_of > max(now, head.recorded_at):
            raise InvalidQuestion(
                f"Nobody knows yet what will be on record at {text_of(as_of)}: `as_of` lies in "
                "the future. To ask about a later time of sending, give it as `at`."
            )
        self._ledger, self._as_of = ledger, as_of
        self.seq, self.digests = head.seq, head.digests
        self.catalogue = ledger.catalogue(as_of=as_of).number
        self._states: dict[bytes, State] = {}
        self.missing: set[bytes] = set()

    def state(self, key: bytes) -> State | None:
        held = self._states.get(key)
        if held is None:
            self.missing.add(key)
        return held

    def fill(self) -> bool:
        """Everything at once: events of this very microsecond may still be coming in."""
        wanted = sorted({*self._states, *self.missing})
        self.missing.clear()
        states = self._ledger.states(wanted, self._as_of)
        self._states = {key: _in_order(states.get(key)) for key in wanted}
        return True


Moment = Present | Past


def _in_order(state: State | None) -> State:
    """By slot and scope, as `Present` has it, so that reasons come in one order at every door."""
    return State(sorted(state or (), key=lambda cell: (cell.slot, cell.scope)))
