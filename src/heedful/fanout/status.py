"""Who has been told, and who has not: as the ledger has it, whichever process asks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from heedful.core.catalogue import Catalogue, Vendor
from heedful.core.errors import HeedfulError
from heedful.core.instant import Instant
from heedful.fanout.deliver import wall_clock
from heedful.fanout.lines import connector_of
from heedful.ledger import Ledger, VendorCursor


class Telling(StrEnum):
    """How it stands with a vendor."""

    TOLD = "told"
    "it follows the feed"
    FIRST = "first"
    "it is being told what stood before it was there, and counts as not told until that is done"
    DISABLED = "disabled"
    "it asked for no more (410), or an operator said so; its instructions wait"
    NOT_CONFIGURED = "not_configured"
    "a setting or secret is missing; its instructions wait"
    HEARS_ONLY = "hears_only"
    "nothing is told to a vendor of this kind"


@dataclass(frozen=True, slots=True)
class VendorStatus:
    """One vendor. `told_to`: everything up to that event was answered or waits to be tried again.

    `behind`: events after it. `waiting`, `dead`: instructions to be tried again, and given up.
    `first_share`: how much of what stood before has been told, 0 to 1. `oldest`: when the oldest
    event was recorded that the vendor has yet to be told of, as far as is known.
    """

    vendor: str
    kind: str
    telling: Telling
    why: str | None
    told_to: int
    behind: int
    waiting: int
    dead: int
    first_share: float | None
    oldest: Instant | None
    last_answer: str | None

    @property
    def told(self) -> bool:
        """Whether nothing is left to tell this vendor, now or ever."""
        return self.telling is Telling.HEARS_ONLY or (
            self.telling is Telling.TOLD and not (self.behind or self.waiting or self.dead)
        )


def status(ledger: Ledger, clock: Callable[[], Instant] = wall_clock) -> tuple[VendorStatus, ...]:
    """Every vendor of the catalogue in force, in its order."""
    catalogue, cursors = ledger.catalogue(), ledger.outbox.cursors()
    return tuple(
        _status(ledger, catalogue, vendor, cursors.get(vendor.name), clock)
        for vendor in catalogue.vendors.values()
    )


def _status(
    ledger: Ledger,
    catalogue: Catalogue,
    vendor: Vendor,
    cursor: VendorCursor | None,
    clock: Callable[[], Instant],
) -> VendorStatus:
    head = ledger.head().seq
    telling, why = _telling(vendor, catalogue, cursor, clock)
    if telling is Telling.HEARS_ONLY:
        return VendorStatus(vendor.name, vendor.kind, telling, None, 0, 0, 0, 0, None, None, None)
    backlog = ledger.outbox.backlog(vendor.name)
    told_to = cursor.seq if cursor and cursor.stage != "first" else 0
    untold = [] if backlog.oldest is None else [backlog.oldest]
    if told_to < head:
        untold.append(told_to + 1)
    return VendorStatus(
        vendor=vendor.name,
        kind=vendor.kind,
        telling=telling,
        why=why,
        told_to=told_to,
        behind=head - told_to,
        waiting=backlog.waiting,
        dead=backlog.dead,
        first_share=_share(cursor) if telling is Telling.FIRST else None,
        oldest=ledger.event(min(untold)).recorded_at if untold else None,
        last_answer=backlog.answer,
    )


def _telling(
    vendor: Vendor,
    catalogue: Catalogue,
    cursor: VendorCursor | None,
    clock: Callable[[], Instant],
) -> tuple[Telling, str | None]:
    try:
        if connector_of(vendor, catalogue, clock) is None:
            return Telling.HEARS_ONLY, None
    except HeedfulError as missing:
        return Telling.NOT_CONFIGURED, str(missing)
    if cursor is not None and cursor.state == "disabled":
        return Telling.DISABLED, cursor.why
    if cursor is None or cursor.stage == "first":
        return Telling.FIRST, None
    return Telling.TOLD, None


def _share(cursor: VendorCursor | None) -> float:
    """How far the scan is. Keys are hashes, spread evenly, so the place tells the share."""
    if cursor is None or cursor.scan is None:
        return 0.0
    return int.from_bytes(cursor.scan[:4], "big") / 2**32
