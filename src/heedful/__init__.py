"""Hears every marketing opt-out, writes it down once, and answers: may I send this?

import heedful

with heedful.open("sqlite:///heedful.db", brand="brand.toml") as h:
    h.opt_out("+14155550100", "sms/marketing", source="call centre", reason="too_many")
    if h.check("+14155550100", channel="sms", topic="weekly_deals").allowed:
        ...
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heedful.client import Heedful as Heedful
    from heedful.client import open as open  # noqa: A004

__all__ = ["Heedful", "open"]


def __getattr__(name: str) -> object:
    # Rooms are imported when they are entered: `import heedful.core` alone stays cheap.
    if name in __all__:
        from heedful import client

        return getattr(client, name)
    raise AttributeError(f"module 'heedful' has no attribute '{name}'")
