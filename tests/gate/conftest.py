"""A ledger with the brand of these tests, and words to say things in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Subject, parse_subject
from heedful.core.event import Action, Basis, Consent, Limit, Statement, Suppression
from heedful.core.scope import Scope
from heedful.gate import Gate
from heedful.ledger import Ledger
from tests.gate.brands import BRAND

START = 1_700_000_000_000_000


class Clock:
    """A clock that the test turns: a second for every look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


class Voice:
    """Says things in a ledger: `say("+1…", "out sms/marketing")`, each in a commit of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def __call__(self, subject: str | Subject, *words: str) -> list[int]:
        who = parse_subject(subject, "US") if isinstance(subject, str) else subject
        return [self.ledger.record([self.statement(who, w)])[0].seq for w in words]

    def statement(self, who: Subject, words: str) -> Statement:
        verb, *rest = words.split(" ")
        said: dict[str, object] = {"source": "test"}
        match verb:
            case "out":
                said |= {"action": Action.OPT_OUT, "scope": Scope.parse(rest[0])}
            case "in" | "imported":
                kind = Consent(rest[1]) if len(rest) > 1 else Consent.EXPRESS
                lifts = verb == "in" and kind not in (Consent.SOFT, Consent.IMPLIED)
                said |= {"action": Action.OPT_IN, "scope": Scope.parse(rest[0])}
                said |= {"consent": kind, "basis": Basis.NONE, "lifts": lifts}
            case "suppress" | "release":
                said |= {"action": Action(verb), "suppression": Suppression(rest[0])}
                said |= {"scope": Scope.parse(rest[1])}
                said |= {"sender": rest[2]} if len(rest) > 2 else {}
            case "pause":
                said |= {"action": Action.LIMIT, "scope": Scope.parse(rest[0])}
                said |= {"limit": Limit(until=int(rest[1]))}
            case "at_most":
                said |= {"action": Action.LIMIT, "scope": Scope.parse(rest[0])}
                said |= {"limit": Limit(at_most=int(rest[1]), per=int(rest[2]))}
            case "link" | "unlink":
                said |= {"action": Action(verb), "address": parse_subject(rest[0], "US")}
            case "prefer":
                said |= {"action": Action.PREFER, "prefer": (rest[0], rest[1])}
            case _:
                raise ValueError(words)
        return Statement(subject=who, **said)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_ledger(
    new_database_url: Callable[[], str], clock: Clock
) -> Iterator[Callable[[str], Ledger]]:
    """Opens an empty ledger of the turn's engine with a brand; closed after the test."""
    opened: list[Ledger] = []

    def new(text: str = BRAND) -> Ledger:
        ledger = Ledger.open(new_database_url(), Keys.make(START), clock=clock, create=True)
        opened.append(ledger)
        ledger.apply(brand.parse(text), by="test", reason=None)
        return ledger

    yield new
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(new_ledger: Callable[[str], Ledger]) -> Ledger:
    return new_ledger(BRAND)


@pytest.fixture
def gate(ledger: Ledger, clock: Clock) -> Gate:
    return Gate(ledger, clock)


@pytest.fixture
def say(ledger: Ledger) -> Voice:
    return Voice(ledger)
