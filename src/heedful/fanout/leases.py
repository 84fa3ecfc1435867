"""Which vendors are ours to tell: a lease for each, taken, prolonged, and sometimes lost."""

import random
from collections.abc import Mapping
from dataclasses import replace

from heedful.core.instant import Instant
from heedful.ledger import Delivery, Outbox, VendorCursor

Taken = dict[str, tuple[VendorCursor, list[Delivery]]]


def take_leases(
    outbox: Outbox,
    owner: str,
    wanted: set[str],
    mine: Mapping[str, VendorCursor],
    now: Instant,
    lease: Instant,
) -> tuple[Taken, set[str]]:
    """The leases that are the owner's from now on, with what waits there; and those it lost.

    In no fixed order, so that dispatchers that start together get some vendors each.
    """
    taken: Taken = {}
    lost: set[str] = set()
    old: dict[str, VendorCursor] = {}
    cursors = outbox.cursors()
    for vendor in random.sample(sorted(wanted), len(wanted)):
        there, here = cursors.get(vendor), mine.get(vendor)
        if there is not None and there.owner != owner:
            if here is not None:
                lost.add(vendor)
                continue
            if there.owner is not None and (there.leased_until or 0) > now:
                continue
        changed = here is None or there is None or _asked(here) != _asked(there)
        left = (there.leased_until or 0) - now if there is not None else 0
        if not changed and left > lease // 2:
            continue
        if here is not None and there is not None and not changed:
            old[vendor] = there
            continue
        leased = outbox.lease(vendor, owner, now, now + lease)
        if leased is not None:
            taken[vendor] = leased, outbox.waiting(vendor) if changed else []
        elif here is not None:
            lost.add(vendor)
    kept = outbox.prolong(sorted(old), owner, now + lease) if old else frozenset()
    for vendor in kept:
        taken[vendor] = replace(old[vendor], leased_until=now + lease), []
    return taken, lost | (set(old) - kept)


def _asked(cursor: VendorCursor) -> tuple[str, str | None]:
    """What an operator may have changed since we looked."""
    return cursor.state, cursor.why
