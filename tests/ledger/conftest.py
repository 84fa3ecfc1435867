"""An open ledger for each test, on each engine, with a clock that the test holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from heedful.config import Keys
from heedful.core.instant import SECOND, Instant
from heedful.ledger import Ledger

NOON: Instant = 1_780_000_000 * SECOND


class HeldClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.at: Instant = NOON

    def __call__(self) -> Instant:
        return self.at

    def pass_by(self, span: Instant) -> Instant:
        self.at += span
        return self.at


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys.make(NOON)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def ledger(database_url: str, keys: Keys, clock: HeldClock) -> Iterator[Ledger]:
    with Ledger.open(database_url, keys, clock=clock, create=True) as ledger:
        yield ledger
