"""What the tellings of one dispatcher have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from heedful.core.instant import Instant
from heedful.fanout.feed import Feed
from heedful.fanout.sight import Sight
from heedful.ledger import Ledger

if TYPE_CHECKING:
    from heedful.fanout.telling import Telling


@dataclass(slots=True)
class Shared:
    """What all vendors of one dispatcher share. `lag`: seconds that its loop is behind by now."""

    ledger: Ledger
    feed: Feed
    sight: Sight
    clock: Callable[[], Instant]
    rng: Random
    store: Callable[[Telling], None]
    "asks for its `answers` to be stored soon"
    lag: float = 0.0
