"""How the vendors of a catalogue are reached: what each sends, its connector and its guard."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from heedful.core.catalogue import Catalogue, Vendor
from heedful.core.errors import HeedfulError, NotConfigured, UnknownVendor
from heedful.core.instant import Instant
from heedful.fanout.guard import Guard
from heedful.fanout.plan import Touches
from heedful.vendors import Can, account, kind_of
from heedful.vendors.contract import Connector


@dataclass(slots=True)
class Line:
    """A vendor that can be told."""

    touches: Touches
    connector: Connector
    guard: Guard


def draw_lines(lines: dict[str, Line], catalogue: Catalogue, clock: Callable[[], Instant]) -> None:
    """Add those that are not there. A vendor whose secret is missing is left out, and looked at
    again the next time: its instructions wait in the feed."""
    for vendor in catalogue.vendors.values():
        if vendor.name not in lines:
            with contextlib.suppress(HeedfulError):
                connector = connector_of(vendor, catalogue, clock)
                if connector is not None:
                    touches = Touches(catalogue, vendor.name)
                    lines[vendor.name] = Line(touches, connector, Guard(catalogue.allow_private))


def can_be_told(vendor: Vendor) -> bool:
    """Whether its kind takes instructions; some only hear for us."""
    with contextlib.suppress(UnknownVendor):
        return Can.TELL in kind_of(vendor).can
    return False


def connector_of(
    vendor: Vendor, catalogue: Catalogue, clock: Callable[[], Instant]
) -> Connector | None:
    """What tells a vendor; None where its kind only hears. NotConfigured says what is missing."""
    kind = kind_of(vendor)
    if not can_be_told(vendor) or kind.make_connector is None:
        return None
    settings = account(vendor)
    url = settings.settings.get("url")
    if url is not None and (fault := Guard(catalogue.allow_private).fault(url)):
        raise NotConfigured(f"vendors.{vendor.name}.url cannot be called: {fault}.")
    return kind.make_connector(replace(settings, clock=clock))
