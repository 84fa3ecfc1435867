"""What the ledger takes and answers: plain values, no connection behind any of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from heedful.core.errors import HistoryChanged
from heedful.core.event import Statement
from heedful.core.instant import Instant
from heedful.core.scope import Category, Channel

Group = Sequence[Statement]
"""Statements that are recorded together or not at all, in this order."""

Row = tuple[Any, ...]
"""One row as the driver gives it."""

HASH_SHOWN = 16
"""Hexadecimal digits of an event's hash in a cursor: 64 bits, enough to tell histories apart."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The number under which a statement stands in the ledger. It exists only after the commit.

    `repeat`: the same thing was recorded before; the numbers and times are those of that event.
    `flagged`: recorded, but somebody should look: `request_id_conflict`.
    """

    seq: int
    recorded_at: Instant
    occurred_at: Instant
    repeat: bool = False
    lifts: bool = False
    flagged: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the history. `epoch` is new whenever a history is restored from a backup.

    `digests`: whether the ledger holds a list that names addresses by their digests only.
    """

    seq: int
    hash: str
    recorded_at: Instant
    epoch: str
    catalogue: int
    digests: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the change feed: the last event read, by its number and its hash.

    >>> Cursor.parse("7.00112233445566778899").text
    '7.0011223344556677'
    """

    seq: int
    hash: str

    START: ClassVar["Cursor"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", self.hash[:HASH_SHOWN])

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read the text form. HistoryChanged for what is none: no history has such a place."""
        seq, _, digits = text.partition(".")
        if text == "0":
            return cls.START
        if not (seq.isascii() and seq.isdigit() and 0 < len(seq) < 19) or len(digits) < HASH_SHOWN:
            raise HistoryChanged(
                f"'{text[:40]}' is not a cursor that this ledger gave out. "
                "Start again from the beginning, without one."
            )
        return cls(int(seq), digits)

    @property
    def text(self) -> str:
        return f"{self.seq}.{self.hash}" if self.seq else "0"


Cursor.START = Cursor(0, "")


@dataclass(frozen=True, slots=True)
class Reading:
    """The cells of some subjects and the head, all of one instant.

    `rows` has raw tuples (slot, scope, at, seq, value) for the hot path; a subject without cells
    is missing from it.
    """

    seq: int
    catalogue: int
    digests: bool
    rows: Mapping[bytes, list[Row]]


@dataclass(frozen=True, slots=True)
class SendReport:
    """A message that went out, as reported. The recipient is kept as a key only.

    Reported again with the same source, request id and time it is counted once.
    """

    subject_key: bytes
    channel: Channel
    topic: str
    category: Category
    at: Instant
    sender: str | None = None
    vendor: str | None = None
    campaign: str | None = None
    source: str = "api"
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of the head: whoever keeps one can prove later that nothing before it
    was changed. `signature` is Ed25519 over `statement`, by the receipts key named `key`."""

    seq: int
    hash: str
    recorded_at: Instant
    epoch: str
    made_at: Instant
    key: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that came in and could not be understood: flagged, not lost."""

    id: int
    source: str
    why: str
    at: Instant
    body: bytes
