"""The one door: whatever is recorded in Heedful is said here.

A door hands statements to the ledger and has an answer only after the commit. What may be said,
and whether it ends an opt-out (`lifts`), is settled before, in `intake/item.py`.

    door = Door(ledger)
    door.say(statement, statement)              all or nothing; → [Receipt, …]
    door.say_many(items, Caller.api(key))       each by itself; → [Receipt | HeedfulError, …]
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from heedful import observe
from heedful.core.errors import HeedfulError
from heedful.core.event import Consent, Event, Statement
from heedful.intake.item import CLI, PYTHON, Caller, read
from heedful.ledger import Ledger, Receipt

__all__ = ["CLI", "PYTHON", "Caller", "Door", "again", "derived", "heard_before"]

_DOORS = ("api", "cli", "python", "hook", "one-click", "page", "import")


class Door:
    """Where statements become events. May be used by many threads."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def say(self, *statements: Statement) -> list[Receipt]:
        """Record statements, all or none, in their order. Returns after the commit."""
        receipts = self.ledger.record(statements)
        _count(statements)
        return receipts

    def say_many(self, items: Sequence[object], caller: Caller) -> list[Receipt | HeedfulError]:
        """Record items, each by itself: what is wrong with one is its own answer."""
        answers: list[Receipt | HeedfulError | None] = [None] * len(items)
        places, groups = [], []
        for place, item in enumerate(items):
            try:
                groups.append((self.statement(item, caller),))
                places.append(place)
            except HeedfulError as error:
                answers[place] = error
        for place, answer in zip(places, self.ledger.record_many(groups), strict=True):
            answers[place] = answer if isinstance(answer, HeedfulError) else answer[0]
        _count([said for (said,) in groups])
        return [answer for answer in answers if answer is not None]

    def statement(self, item: object, caller: Caller) -> Statement:
        """The statement of one item, checked against the catalogue in force. Records nothing."""
        return self._counted_from_request(read(item, self.ledger.catalogue(), caller))

    def at_once(self, item: object, caller: Caller) -> tuple[Statement, int] | None:
        """The same without reading the ledger, checked against the catalogue last seen, and that
        one's number, to be handed in with it. None, where `statement` has the word: the item seems
        wrong, or needs a look at what is on record."""
        seen = self.ledger.catalogue_seen()
        if seen is None:
            return None
        try:
            said = read(item, seen, caller)
        except HeedfulError:
            return None
        return None if said.consent is Consent.CONFIRMED else (said, seen.number)

    def from_cli(self, item: Mapping[str, object]) -> Statement:
        return self.statement(item, CLI)

    def from_python(self, item: Mapping[str, object]) -> Statement:
        return self.statement(item, PYTHON)

    def _counted_from_request(self, said: Statement) -> Statement:
        """A confirmed opt-in counts from the moment it was asked for, so that an opt-out said
        while it was pending wins. One whose request we never saw counts from its own time."""
        if said.consent is not Consent.CONFIRMED or said.scope is None:
            return said
        pending = self.ledger.state(self.ledger.key_of(said.subject)).get(
            "pending", said.scope.text
        )
        if pending is None or (said.occurred_at is not None and said.occurred_at < pending.at):
            return said
        return replace(said, occurred_at=pending.at)


def _count(statements: Sequence[Statement]) -> None:
    for said in statements:
        door = said.source.partition(":")[0]
        observe.RECORDED.labels(door if door in _DOORS else "named").inc()


def derived(request_id: str, place: int) -> str:
    """The request id of the n-th statement of a group, from 1: `ID`, `ID/2`, `ID/3`."""
    return request_id if place == 1 else f"{request_id}/{place}"


def heard_before(history: Sequence[Event], vendor: str, request_id: str) -> list[Event]:
    """The events that the message of this id made before."""
    source = f"hook:{vendor}"
    return [
        event
        for event in history
        if event.source == source
        and event.request_id is not None
        and event.request_id.partition("/")[0] == request_id
    ]


def again(event: Event) -> Receipt:
    """The receipt of an event that is there already."""
    return Receipt(event.seq, event.recorded_at, event.occurred_at, repeat=True, lifts=event.lifts)
