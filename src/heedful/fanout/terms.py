"""What a vendor's knowledge depends on, spelt out and remembered with its cursor.

With a word in it that is new, the vendor does not know what stands, and must be told that first.
"""

import hashlib
from collections.abc import Iterator, Sequence

from heedful.core.catalogue import Vendor
from heedful.core.scope import Message


def terms(messages: Sequence[Message], vendor: Vendor) -> str:
    """What is sent, and to whom it is told: `at:93ac4f02 email/tips email/tips@*`."""
    return " ".join(sorted((*_spelt(messages), _receiver(vendor))))


def grew(now: str, remembered: str) -> bool:
    """Whether there is a term now that was not among those remembered."""
    return not set(now.split()) <= set(remembered.split())


def _spelt(messages: Sequence[Message]) -> Iterator[str]:
    """What the standing of each touch depends on: `sms/deals`, what it replaces (`<old_deals`),
    and from whom it comes (`@+1…`, `@*` where that is open)."""
    for m in messages:
        touch = f"{m.channel}/{m.topic}"
        yield touch
        yield from (f"{touch}<{old}" for old, _ in m.generations[1:])
        yield from (f"{touch}@{sender}" for sender in m.senders or ("*",))


def _receiver(vendor: Vendor) -> str:
    """Who is told: at another address there may be somebody who has heard of nothing yet.
    A secret is no part of it; it is another's place to look, and may be changed."""
    plain = sorted(
        f"{name}={value}"
        for name, value in vendor.settings.items()
        if not value.startswith(("env:", "file:"))
    )
    whole = "\n".join((vendor.kind, *plain))
    return f"at:{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
