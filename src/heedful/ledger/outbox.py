"""What is stored about telling vendors: how far each has been told, and what it answered.

The change feed is the queue: nothing is written for an event until its first answer. A vendor's
cursor passes an event that is answered, that does not concern it, or whose delivery is `later`.
No rule is in here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from heedful.core.errors import LeaseLost
from heedful.core.instant import Instant
from heedful.ledger.append import Append
from heedful.ledger.database import Database
from heedful.ledger.values import Row

T = TypeVar("T")
Perform = Callable[[Callable[[Append], Any]], Any]


@dataclass(frozen=True, slots=True)
class VendorCursor:
    """How far a vendor has been told.

    `touches`: what it sends and where it is told; more of it means a first synchronisation again.
    `stage`:
    `first`, going through the standing subjects in the order of their keys (`scan` is the last
    one done) as of event `as_of`; then `feed`, having passed event `seq` with hash `hash`.
    `owner` tells it until `leased_until`. `state`: `active` or `disabled`, with `why`.
    """

    vendor: str
    touches: str = ""
    stage: str = "first"
    as_of: int = 0
    scan: bytes | None = None
    seq: int = 0
    hash: str = ""
    owner: str | None = None
    leased_until: Instant | None = None
    state: str = "active"
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a vendor answered about one event of one subject.

    `state`: `told`, `later` (again at `next_at`), `refused`, `overtaken` or `dead`.
    `answer` is masked and short.
    """

    vendor: str
    subject_key: bytes
    seq: int
    state: str
    attempts: int
    next_at: Instant | None
    answered_at: Instant
    answer: str

    @property
    def row(self) -> Row:
        return (
            self.seq, self.vendor, self.subject_key, self.state, self.attempts,
            self.next_at, self.answered_at, self.answer,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much of one vendor is `later` and `dead`, the oldest event among both, and what the
    vendor said to the newest of them."""

    waiting: int
    dead: int
    oldest: int | None
    answer: str | None


class Outbox:
    """The stored part of the dispatcher. Several may run; a lease says who tells a vendor."""

    def __init__(self, database: Database, perform: Perform) -> None:
        self._database, self._perform = database, perform

    def cursors(self) -> dict[str, VendorCursor]:
        rows = self._database.ask("vendor_cursors")
        return {row[0]: VendorCursor(*row) for row in rows}

    def lease(self, vendor: str, owner: str, now: Instant, until: Instant) -> VendorCursor | None:
        """Take or prolong the right to tell a vendor; None while another owner holds it.

        A vendor that is new gets a cursor at the beginning, with nothing in `touches`.
        """

        def work(append: Append) -> VendorCursor | None:
            append.writer.write(("add_vendor_cursor", [(vendor,)]))
            held = _cursor(append, vendor)
            if held.owner not in (None, owner) and (held.leased_until or 0) > now:
                return None
            append.writer.write(("take_lease", [(owner, until, vendor)]))
            return _cursor(append, vendor)

        found: VendorCursor | None = self._perform(work)
        return found

    def prolong(self, vendors: Sequence[str], owner: str, until: Instant) -> frozenset[str]:
        """Keep the leases of these vendors, in one transaction. Which are still the owner's."""

        def work(append: Append) -> frozenset[str]:
            asks = [
                ("prolong_lease", {"vendor": v, "owner": owner, "until": until}) for v in vendors
            ]
            return frozenset(row[0] for rows in append.writer.ask(*asks) for row in rows)

        kept: frozenset[str] = self._perform(work)
        return kept

    def release(self, vendor: str, owner: str) -> None:
        """Give the lease back, if it is still ours."""
        self._perform(lambda append: append.writer.write(("end_lease", [(vendor, owner)])))

    def store(
        self,
        vendor: str,
        owner: str,
        deliveries: Sequence[Delivery],
        cursor: VendorCursor | None,
    ) -> None:
        """Write answers and the place that the vendor has been told to, both or neither.

        LeaseLost, if another owner tells this vendor by now; then nothing is written.
        """
        rows = {(d.seq, d.vendor, d.subject_key): d.row for d in deliveries}

        def work(append: Append) -> None:
            if _cursor(append, vendor).owner != owner:
                raise LeaseLost(
                    f"Vendor '{vendor}' is told by another process by now. Nothing was stored."
                )
            if rows:
                append.writer.write(("write_deliveries", list(rows.values())))
            if cursor is not None:
                c = cursor
                moved = (c.touches, c.stage, c.as_of, c.scan, c.seq, c.hash, vendor)
                append.writer.write(("move_vendor_cursor", [moved]))

        self._perform(work)

    def store_all(
        self,
        owner: str,
        told: Sequence[tuple[str, Sequence[Delivery], VendorCursor | None]],
    ) -> frozenset[str]:
        """`store` for many vendors, in one transaction. A vendor that another owner tells by now
        is left aside, and named in the answer."""

        def work(append: Append) -> frozenset[str]:
            lost: set[str] = set()
            rows: dict[tuple[int, str, bytes], Row] = {}
            moves: list[Row] = []
            (cursors,) = append.writer.ask(("vendor_cursors", {}))
            owners = {row[0]: row[7] for row in cursors}
            for vendor, deliveries, c in told:
                if owners.get(vendor) != owner:
                    lost.add(vendor)
                    continue
                rows.update({(d.seq, d.vendor, d.subject_key): d.row for d in deliveries})
                if c is not None:
                    moves.append((c.touches, c.stage, c.as_of, c.scan, c.seq, c.hash, vendor))
            if rows:
                append.writer.write(("write_deliveries", list(rows.values())))
            if moves:
                append.writer.write(("move_vendor_cursor", moves))
            return frozenset(lost)

        found: frozenset[str] = self._perform(work)
        return found

    def waiting(self, vendor: str) -> list[Delivery]:
        """What this vendor is to be told later, oldest event first."""
        return _deliveries(self._database.ask("deliveries_later", vendor=vendor))

    def dead(self, vendor: str | None = None) -> list[Delivery]:
        """What was given up, of one vendor or of all."""
        vendors = [vendor] if vendor is not None else list(self.cursors())
        return [
            delivery
            for name in vendors
            for delivery in _deliveries(self._database.ask("deliveries_dead", vendor=name))
        ]

    def retry(self, vendor: str, now: Instant) -> int:
        """Try again, from now on, what was given up. How many there are."""

        def work(append: Append) -> int:
            (rows,) = append.writer.ask(("retry_dead", {"vendor": vendor, "now": now}))
            return len(rows)

        count: int = self._perform(work)
        return count

    def set_state(self, vendor: str, state: str, why: str | None = None) -> None:
        """`active`, or `disabled` with the reason: then it is told nothing until it is active."""

        def work(append: Append) -> None:
            append.writer.write(("add_vendor_cursor", [(vendor,)]))
            append.writer.write(("set_vendor_state", [(state, why, vendor)]))

        self._perform(work)

    def answered(self, vendor: str, after: int, upto: int) -> frozenset[tuple[int, bytes]]:
        """The events after one and up to another that this vendor has answered, each with the
        subject's key; those that wait to be tried again are among them."""
        rows = self._database.ask("deliveries_between", vendor=vendor, after=after, upto=upto)
        return frozenset((seq, subject) for seq, subject in rows)

    def backlog(self, vendor: str) -> Backlog:
        """How much waits to be tried again or was given up. Counts; the rows are not read."""
        ((waiting, first),) = self._database.ask("count_later", vendor=vendor)
        ((dead, first_dead),) = self._database.ask("count_dead", vendor=vendor)
        oldest = min((seq for seq in (first, first_dead) if seq is not None), default=None)
        rows = self._database.ask("answer_open", vendor=vendor) if waiting or dead else []
        return Backlog(waiting, dead, oldest, rows[0][0] if rows else None)

    def told(self, seq: int) -> list[Delivery]:
        """Every vendor's answer about one event."""
        return _deliveries(self._database.ask("deliveries_told", seq=seq))


def _cursor(append: Append, vendor: str) -> VendorCursor:
    (rows,) = append.writer.ask(("vendor_cursor", {"vendor": vendor}))
    return VendorCursor(*rows[0]) if rows else VendorCursor(vendor)


def _deliveries(rows: list[Row]) -> list[Delivery]:
    return [Delivery(*row) for row in rows]
