"""Heedful inside a program: the same gate and the same door as over HTTP, without the network."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType

from heedful.config import Settings
from heedful.core.address import Contact, parse_subject
from heedful.core.event import Event
from heedful.core.instant import Edge, Instant, from_datetime, parse, parse_past, text_of
from heedful.gate import Answer, Question
from heedful.gate.question import channel_of
from heedful.intake.record import derived
from heedful.ledger import Receipt
from heedful.wire import House, now

Time = str | datetime
"""RFC 3339, or an aware `datetime`."""


def open(  # noqa: A001 - heedful.open() is how it is meant to read
    url: str | None = None,
    brand: str | Path | None = None,
    keys: str | Path | None = None,
    *,
    create: bool = False,
) -> "Heedful":
    """Open the ledger at a URL (or HEEDFUL_DATABASE_URL, or `sqlite:///heedful.db`).

    `brand` is put in force if it differs from what is; left out, what is in force counts. Nothing
    is made, unless `create`: then keys and an empty ledger where there are none, for which `brand`
    is needed. Raises LedgerUnavailable, WrongKeys, InvalidBrand or BrandRefused.
    """
    settings = Settings.of(os.environ, database=url, brand=brand, keys=keys)
    house = House.made(settings) if create else House.open(settings)
    try:
        if brand is not None:
            house.apply_brand(Path(brand), "python")
        house.ledger.catalogue()
    except BaseException:
        house.close()
        raise
    return Heedful(house)


class Heedful:
    """An open Heedful. Threads may share it. `with` closes it at the end."""

    def __init__(self, house: House) -> None:
        self.house = house

    def opt_out(
        self,
        subject: str,
        scope: str | Sequence[str] | None = None,
        *,
        source: str | None = None,
        reason: str | None = None,
        evidence: str | Mapping[str, str] | None = None,
        at: Time | None = None,
        request_id: str | None = None,
    ) -> Receipt:
        """Record that somebody wants no more of something. Returns after the commit.

        Of several scopes all are recorded or none; the receipt is the first one's.
        """
        return self._say(
            "opt_out", subject, scope, request_id,
            {"source": source, "reason": reason, "evidence": evidence, "occurred_at": _text(at)},
        )  # fmt: skip

    def opt_in(
        self,
        subject: str,
        scope: str | Sequence[str],
        *,
        evidence: str | Mapping[str, str],
        consent: str = "express",
        basis: str | None = None,
        source: str | None = None,
        reason: str | None = None,
        at: Time | None = None,
        request_id: str | None = None,
    ) -> Receipt:
        """Record that somebody agreed to something, or came back to it; `evidence` shows it."""
        return self._say(
            "opt_in", subject, scope, request_id,
            {"source": source, "reason": reason, "evidence": evidence, "occurred_at": _text(at),
             "consent": consent, "basis": basis},
        )  # fmt: skip

    def check(
        self,
        to: str,
        *,
        channel: str,
        topic: str,
        segments: Iterable[str] = (),
        contact: str | None = None,
        at: Time | None = None,
        as_of: Time | None = None,
        vendor: str | None = None,
        sender: str | None = None,
    ) -> Answer:
        """May this be sent? The answer has `allowed`, `outcome`, `reasons`, `alternatives`.

        If it raises, take it as *no*.
        """
        return self.house.gate.ask(
            Question(
                to,
                channel_of(channel),
                topic,
                None if contact is None else Contact(contact.removeprefix("contact:")),
                tuple(segments),
                parse(at, Edge.FIRST) if isinstance(at, str) else _given(at),
                parse_past(as_of, now()) if isinstance(as_of, str) else _given(as_of),
                vendor,
                sender,
            )
        )

    def record(self, items: Sequence[Mapping[str, object]]) -> list[Receipt]:
        """Record whatever can be said: a `limit`, a `prefer`, a `suppress`, a `link` and so on.

        An item has the fields that an event has over HTTP; its times may be a `datetime`. All of
        them are recorded or none.
        """
        door = self.house.door
        given = [
            {n: _text(value) if isinstance(value, datetime) else value for n, value in item.items()}
            for item in items
        ]
        return door.say(*(door.from_python(item) for item in given))

    def history(self, subject: str) -> list[Event]:
        """Every event of a subject, oldest first."""
        ledger = self.house.ledger
        return ledger.history(ledger.key_of(parse_subject(subject, ledger.catalogue().region)))

    def close(self) -> None:
        """Finish what was begun."""
        self.house.close()

    def __enter__(self) -> "Heedful":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _say(
        self,
        action: str,
        subject: str,
        scope: str | Sequence[str] | None,
        request_id: str | None,
        said: Mapping[str, object],
    ) -> Receipt:
        scopes = [scope] if scope is None or isinstance(scope, str) else list(scope)
        statements = []
        for place, one in enumerate(scopes, 1):
            item = {"action": action, "subject": subject, "scope": one, **said}
            if request_id is not None:
                item["request_id"] = derived(request_id, place)
            given = {name: value for name, value in item.items() if value is not None}
            statements.append(self.house.door.from_python(given))
        return self.house.door.say(*statements)[0]


def _text(at: Time | None) -> str | None:
    return text_of(from_datetime(at)) if isinstance(at, datetime) else at


def _given(at: datetime | None) -> Instant | None:
    return None if at is None else from_datetime(at)
