"""What an operator may say about a vendor; the dispatcher that tells it takes it up in a second."""

from heedful.core.instant import Instant, text_of
from heedful.ledger import Ledger


def retry(ledger: Ledger, vendor: str, now: Instant) -> int:
    """Try again at once whatever waits or was given up, and a vendor that was disabled.

    Returns the number of dead letters that are no longer dead.
    """
    ledger.catalogue().vendor(vendor)
    found = ledger.outbox.retry(vendor, now)
    # The words differ each time: that is how the dispatcher notices.
    ledger.outbox.set_state(vendor, "active", f"tried again since {text_of(now)}")
    return found


def disable(ledger: Ledger, vendor: str, why: str) -> None:
    """Tell this vendor nothing more until `retry`. Its instructions wait."""
    ledger.catalogue().vendor(vendor)
    ledger.outbox.set_state(vendor, "disabled", why)
