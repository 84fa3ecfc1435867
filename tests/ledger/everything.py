"""A small ledger that has a row in every table: one of each action, and of each odd situation."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Address, Contact, Digest
from heedful.core.event import Action, Basis, Consent, Limit, Statement, Suppression
from heedful.core.instant import DAY, SECOND, Instant
from heedful.core.scope import Category, Channel, Scope
from heedful.ledger import Delivery, Ledger, SendReport
from heedful.ledger.database import queries

BEGAN: Instant = 1_780_000_000 * SECOND

BRAND = """
[brand]
name = "Northwind"
url = "https://prefs.northwind.example"
postal_address = "1 Harbour Street, Portland"
support = "help@northwind.example"
region = "US"
languages = ["en"]

[topics.weekly_deals]
category = "promotional"
channels = ["sms", "email", "push"]
title = { en = "Weekly deals" }
"""
LATER_BRAND = (
    BRAND
    + """
[topics.order_updates]
category = "transactional"
channels = ["sms"]
title = { en = "Your orders – où?" }
"""
)

ANN = Address.parse("+14155550100")
BEN = Address.parse("mailto:ben@example.com")
CAT = Address.parse("mailto:cät@example.com")
PHONE = Address.parse("push:token-0123456789abcdef")
CRM = Contact("crm-42")
GONE = Address.parse("+14155550199")
BACK = Address.parse("+14155550198")
GOING = Contact("crm-going")


class Clock:
    """A clock that moves on by a second each time it is read."""

    def __init__(self, at: Instant = BEGAN) -> None:
        self.at = at

    def __call__(self) -> Instant:
        self.at += SECOND
        return self.at


def said(
    subject: Any, action: Action, scope: str | None = None, *, source: str = "test", **more: Any
) -> Statement:
    return Statement(subject, action, source, scope=Scope.parse(scope) if scope else None, **more)


def fill(ledger: Ledger) -> None:
    """Record all of it. The ledger's clock is a `Clock`."""
    out, opt_in = Action.OPT_OUT, Action.OPT_IN
    ledger.apply(brand.parse(BRAND), "ann")
    ledger.record([
        said(ANN, out, "sms/marketing", request_id="SM1", source="hook:texter",
             evidence={"text": "Stop! é\u2028\U0001f44b", "from": "+14155550100"},
             confirmation="inline"),
        said(CRM, Action.LINK, address=ANN),
    ])  # fmt: skip
    # The same id for something else: recorded and flagged.
    ledger.record([said(ANN, out, "sms/everything", request_id="SM1", source="hook:texter")])
    ledger.record([said(CRM, Action.LINK, address=PHONE), said(PHONE, out, "push/marketing")])
    ledger.record([
        said(BEN, opt_in, "email/topic:weekly_deals", consent=Consent.EXPRESS, lifts=True,
             basis=Basis.INQUIRY, occurred_at=BEGAN - DAY, request_id="form-1",
             evidence={"ip": "192.0.2.1"}),
        said(BEN, Action.OPT_IN_REQUESTED, "email/marketing"),
        said(BEN, Action.LIMIT, "email/marketing", limit=Limit(at_most=2, per=DAY)),
        said(BEN, Action.LIMIT, "*/marketing", limit=Limit(until=BEGAN + DAY)),
        said(BEN, Action.PREFER, prefer=("language", "fr")),
    ])  # fmt: skip
    for kind, sender in (("undeliverable", None), ("carrier_block", "+18335550100")):
        ledger.record([said(ANN, Action.SUPPRESS, "sms/everything", sender=sender,
                            suppression=Suppression(kind))])  # fmt: skip
    ledger.record([
        said(ANN, Action.RELEASE, "sms/everything", suppression=Suppression.CARRIER_BLOCK,
             sender="+18335550100"),
        said(ANN, Action.SUPPRESS, "sms/everything", suppression=Suppression.REASSIGNED),
        said(Digest("md5", "0" * 32), out, "email/marketing"),
        said(Contact("crm-7"), Action.LINK, address=ANN),
        said(Contact("crm-7"), Action.UNLINK, address=ANN),
    ])  # fmt: skip
    clicked, _ = ledger.record(
        [said(CAT, out, "email/marketing"), said(CAT, out, "*/use:profiling")]
    )
    ledger.record([said(CAT, out, "email/marketing", occurred_at=BEGAN - DAY)])
    ledger.record([said(CAT, Action.RETRACT, retracts=clicked.seq, reason="a scanner's click")])
    ledger.apply(brand.parse(LATER_BRAND), "ann", "orders")
    for one in (GONE, BACK):
        ledger.record([said(one, out, "sms/marketing", evidence={"text": "stop, I am Gone"})])
        ledger.erase(one, by="ann", purge_by=BEGAN)
    # Named again before its texts are deleted: the text stays, under a new salt.
    ledger.record([said(BACK, opt_in, "sms/marketing", consent=Consent.SOFT)])
    ledger.purge(ledger_now(ledger))
    ledger.record([said(GOING, out, "*/marketing")])
    ledger.erase(GOING, by="ann", purge_by=BEGAN + 10_000 * DAY)
    ledger.report_sends([
        SendReport(ledger.key_of(ANN), Channel.SMS, "weekly_deals", Category.PROMOTIONAL, BEGAN,
                   sender="+18335550100", vendor="texter", request_id="m1")
    ])  # fmt: skip
    ledger.create_key("shop", ["check", "record"], None, BEGAN)
    ledger.keep("hook:texter", "unknown shape", b"\x00\xff{")
    ledger.checkpoint()
    _tell(ledger)
    ledger.record([said(BEN, out, "email/marketing", request_id="after")])


def ledger_now(ledger: Ledger) -> Instant:
    return ledger.head().recorded_at + SECOND


def _tell(ledger: Ledger) -> None:
    outbox = ledger.outbox
    cursor = outbox.lease("texter", "host-1", BEGAN, BEGAN + DAY)
    assert cursor is not None
    event = ledger.event(3)
    cursor = replace(cursor, stage="feed", seq=event.seq, hash=event.hash, touches="t", as_of=2)
    told = [
        Delivery("texter", ledger.key_of(ANN), 1, "told", 1, None, BEGAN, "204"),
        Delivery("texter", ledger.key_of(ANN), 3, "later", 2, BEGAN + DAY, BEGAN, "503"),
    ]
    outbox.store("texter", "host-1", told, cursor)


def everything(url: str, keys: Keys) -> Ledger:
    """A new ledger at `url` that has it all."""
    ledger = Ledger.open(url, keys, clock=Clock(), create=True)
    fill(ledger)
    return ledger


class Behind:
    """The database behind the ledger's back, as whoever has its password could change it."""

    def __init__(self, url: str) -> None:
        self._lite = url.startswith("sqlite")
        self._queries = queries("sqlite" if self._lite else "postgresql")
        if self._lite:
            self._raw: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        else:
            self._raw = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def do(self, sql: str, *given: Any) -> int:
        """Run it; `?` for what is given. How many rows it changed."""
        return int(self._raw.execute(sql if self._lite else sql.replace("?", "%s"), given).rowcount)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is asked in here is all of one moment."""
        self._raw.execute("begin" if self._lite else "begin isolation level repeatable read")
        try:
            yield
        finally:
            self._raw.execute("rollback")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done in here is taken back."""
        self._raw.execute("begin")
        try:
            yield
        finally:
            self._raw.execute("rollback")

    def stream(self, name: str) -> Iterator[tuple[Any, ...]]:
        """One of the ledger's queries, on this connection."""
        return iter(self.ask(self._queries[name].text))

    def ask(self, sql: str, *given: Any) -> Sequence[tuple[Any, ...]]:
        rows = self._raw.execute(sql if self._lite else sql.replace("?", "%s"), given).fetchall()
        return [tuple(row) for row in rows]
