"""What the ledger holds about the subjects of instructions, read for many at once."""

from collections.abc import Hashable, Mapping, Sequence

from heedful.core.address import Address, Digest, parse_subject
from heedful.core.decision import Facts
from heedful.core.state import Cell, State
from heedful.ledger import Ledger, Row

Rows = Sequence[Row]
"""Cells as they are stored: slot, scope, at, seq, value."""

_KEPT = 10_000
_STOPS = ("out", "suppress", "limit")
_TIMELESS = frozenset(("out", "lift", "suppress", "release", "erase", "reassigned"))


class Seen:
    """What is held about one subject, as rows; put together when somebody asks for more.

    Subjects of the same `signature` stand alike at any time; it is None where the time matters,
    because a pause may be over.
    """

    __slots__ = ("_contacts", "_digests", "_facts", "_rows", "signature")

    def __init__(self, rows: Rows, contacts: Sequence[Rows], digests: Sequence[Rows]) -> None:
        self._rows, self._contacts, self._digests = rows, contacts, digests
        self._facts: Facts | None = None
        self.signature = _signature(rows, contacts, digests)

    @property
    def facts(self) -> Facts:
        if self._facts is None:
            self._facts = Facts(
                _state(self._rows),
                tuple(map(_state, self._contacts)),
                tuple(map(_state, self._digests)),
            )
        return self._facts

    @property
    def stopped(self) -> bool:
        """Whether the subject itself has something that may stop a message."""
        return any(row[0].partition(":")[0] in _STOPS for row in self._rows)

    def linked(self) -> list[bytes]:
        """The other sides of all links that there ever were."""
        return _linked(self._rows)


class Sight:
    """Reads subjects with the contacts they were ever linked to, and their digests where lists of
    such are held. What was read is good until the history grows: vendors ask one after another."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: dict[bytes, Seen] = {}
        self._seq = -1

    def see(self, wanted: Mapping[bytes, str | None], seq: int) -> Mapping[bytes, Seen]:
        """The facts about each subject; its text, if known, saves asking for it.

        `seq`: how far the history is known to go. Nothing older than that is answered.
        """
        if seq != self._seq or len(self._seen) > _KEPT:
            self._seen.clear()
            self._seq = seq
        missing = [key for key in wanted if key not in self._seen]
        if missing:
            self._read(missing, wanted)
        return {key: self._seen[key] for key in wanted}

    def _read(self, missing: Sequence[bytes], texts: Mapping[bytes, str | None]) -> None:
        reading = self._ledger.read(missing)
        rows = reading.rows
        digests: dict[bytes, tuple[bytes, ...]] = {}
        if reading.digests:
            digests = {key: self._digests(key, texts[key]) for key in missing}
        contacts = {key: _linked(rows[key]) for key in missing if key in rows}
        others = {k for keys in (*contacts.values(), *digests.values()) for k in keys}
        their = self._ledger.read(sorted(others)).rows if others else {}
        for key in missing:
            self._seen[key] = Seen(
                rows.get(key, ()),
                [their.get(k, ()) for k in contacts.get(key, ())],
                [their.get(k, ()) for k in digests.get(key, ())],
            )

    def _digests(self, key: bytes, text: str | None) -> tuple[bytes, ...]:
        subject = parse_subject(text) if text else self._ledger.subject_of(key)
        if not isinstance(subject, Address):
            return ()
        return tuple(self._ledger.key_of(Digest(*d.split(":", 1))) for d in subject.digests)


def _linked(rows: Rows) -> list[bytes]:
    return [bytes.fromhex(key) for key in sorted(row[1] for row in rows if row[0] == "link")]


def _state(rows: Rows) -> State:
    return State(Cell(*row) for row in rows)


def _signature(rows: Rows, contacts: Sequence[Rows], digests: Sequence[Rows]) -> Hashable | None:
    """Which cells there are and the order of their times: all that a standing depends on."""
    if len(rows) == 1 and not contacts and not digests:  # by far the most frequent: one opt-out
        ((slot, scope, _, _, _),) = rows
        return None if slot == "limit" else (slot, scope)
    found: list[tuple[int, str, str, int]] = []
    for home, held in enumerate((rows, *contacts, *digests)):
        for slot, scope, at, _, _ in held:
            word = slot.partition(":")[0]
            if word in _TIMELESS:
                found.append((home, slot, scope, at))
            elif word == "limit":
                return None
    ranks = {at: rank for rank, at in enumerate(sorted({row[3] for row in found}))}
    return (
        len(contacts),
        len(digests),
        tuple(sorted([(home, slot, scope, ranks[at]) for home, slot, scope, at in found])),
    )
