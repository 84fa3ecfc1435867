"""A house for the tests of telling: a ledger, a clock that is set by hand, and real receivers."""

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import TracebackType

from aiohttp import web
from standardwebhooks import Webhook

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Contact, Subject, parse_subject
from heedful.core.event import Action, Consent, Limit, Statement, Suppression
from heedful.core.instant import DAY, SECOND, Instant
from heedful.core.scope import Scope
from heedful.fanout import Dispatcher
from heedful.ledger import Ledger, Receipt

START: Instant = 1_800_000_000 * SECOND
ANN, BEN, CAT = "tel:+14155550100", "tel:+14155550101", "mailto:cat@example.com"
TOPICS = """
[topics.weekly_deals]
category = "promotional"
channels = ["sms", "email"]
title = { en = "Deals" }
[topics.cart_reminders]
category = "promotional"
channels = ["sms"]
title = { en = "Cart" }
[topics.weekly_tips]
category = "informational"
channels = ["email"]
title = { en = "Tips" }
[topics.order_updates]
category = "transactional"
channels = ["sms", "email"]
title = { en = "Orders" }
"""


@dataclass(frozen=True)
class Got:
    """One message as a receiver got it, its signature checked."""

    id: str
    type: str
    data: dict[str, object]
    status: int

    @property
    def words(self) -> str:
        """`12 opt_out tel:+1… sms/weekly_deals out`"""
        rows = " ".join(f"{r['channel']}/{r['topic']} {r['is']}" for r in self.data["standing"])
        return f"{self.data['seq']} {self.data['action']} {self.data['subject']} {rows}"


Answer = Callable[[int], web.Response | Awaitable[web.Response]]


@dataclass
class Receiver:
    """A vendor's own server. `answer` gets the number of the request, from 0."""

    name: str
    secret: str = field(
        default_factory=lambda: "whsec_" + base64.b64encode(os.urandom(24)).decode()
    )
    got: list[Got] = field(default_factory=list)
    answer: Answer = lambda n: web.Response(status=204)
    port: int = 0
    at_once: int = 0
    most_at_once: int = 0
    by_subject: dict[str, int] = field(default_factory=dict)
    runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/", self._take)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        stamp = int(request.headers["webhook-timestamp"])
        signed = Webhook(self.secret).sign(
            request.headers["webhook-id"], datetime.fromtimestamp(stamp, UTC), body.decode()
        )
        assert signed in request.headers["webhook-signature"].split()
        message = json.loads(body)
        subject = message["data"]["subject"]
        self.by_subject[subject] = self.by_subject.get(subject, 0) + 1
        assert self.by_subject[subject] == 1, "two of one subject at once"
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        number = len(self.got)
        self.got.append(Got(request.headers["webhook-id"], message["type"], message["data"], 0))
        try:
            answer = self.answer(number)
            return answer if isinstance(answer, web.Response) else await answer
        finally:
            self.at_once -= 1
            self.by_subject[subject] -= 1

    @property
    def words(self) -> list[str]:
        return [got.words for got in self.got]

    def last_words(self) -> dict[tuple[str, str, str], str]:
        """What the vendor believes: the last word on each subject, channel and topic."""
        found = {}
        for got in self.got:
            for row in got.data["standing"]:
                found[got.data["subject"], row["channel"], row["topic"]] = row["is"]
        return found


class House:
    """A ledger, vendors and dispatchers, in one event loop. `now` is set by hand."""

    def __init__(self, url: str, folder: Path, **vendors: Sequence[str]) -> None:
        """`vendors`: each with what it sends, as `sms/weekly_deals`."""
        self.folder, self.now = folder, START
        self.url, self.keys = url, Keys.make(START)
        self.ledger = Ledger.open(url, self.keys, clock=self.clock, create=True)
        self.vendors: dict[str, tuple[str, ...]] = {}
        self.receivers: dict[str, Receiver] = {}
        self.dispatchers: list[Dispatcher] = []
        self.first_vendors = {name: tuple(sends) for name, sends in vendors.items()}
        self.extra: dict[str, str] = {}

    def clock(self) -> Instant:
        return self.now

    async def __aenter__(self) -> "House":
        await self.employ(**self.first_vendors)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for dispatcher in self.dispatchers:
            await dispatcher.close()
        for receiver in self.receivers.values():
            await receiver.stop()
        self.ledger.close()

    async def employ(self, **vendors: Sequence[str]) -> None:
        """Have these vendors as well, or others' touchpoints changed, by a new brand.toml."""
        for name, sends in vendors.items():
            self.vendors[name] = tuple(sends)
            if name not in self.receivers:
                self.receivers[name] = Receiver(name)
                await self.receivers[name].start()
        self.apply()

    def apply(self) -> None:
        self.ledger.apply(brand.parse(self.brand()), by="the tests", reason=None)

    def brand(self) -> str:
        text = (
            '[brand]\nname = "N"\nurl = "https://n.example"\npostal_address = "1 Quay"\n'
            f'support = "help@n.example"\nregion = "US"\n{TOPICS}\n'
            '[network]\nallow_private = ["127.0.0.0/8"]\n'
        )
        for name, sends in self.vendors.items():
            secret = self.folder / f"{name}.secret"
            if not secret.exists() and name not in self.extra:
                secret.write_text(self.receivers[name].secret)
            text += (
                f'[vendors.{name}]\nkind = "webhook"\nhonour_within = "24 hours"\n'
                f'url = "http://127.0.0.1:{self.receivers[name].port}/"\n'
                f'secret = "{self.extra.get(name, f"file:{secret}")}"\n'
            )
            for send in sends:
                channel, topic = send.split("/")
                text += f'[[touchpoints]]\nvendor = "{name}"\nchannel = "{channel}"\ntopic = "{topic}"\n'
        return text

    def dispatcher(self, **more: object) -> Dispatcher:
        made = Dispatcher(
            self.ledger,
            clock=self.clock,
            rng=Random(len(self.dispatchers)),
            **more,  # type: ignore[arg-type]
        )
        self.dispatchers.append(made)
        return made

    async def settle(self, hours: float = 0) -> None:
        """One dispatcher does what is due now, and, if hours are given, in the course of them."""
        if not self.dispatchers:
            self.dispatcher()
        await self.dispatchers[0].step()
        end = self.now + round(hours * 3600 * SECOND)
        while self.now < end:
            self.now = min(end, self.now + (600 if hours < 12 else 3600) * SECOND)
            await self.dispatchers[0].step()

    # --- what is said -------------------------------------------------------------------------

    def say(self, *statements: Statement) -> list[Receipt]:
        return self.ledger.record(statements)

    def out(self, subject: str, scope: str = "sms/marketing", at: Instant | None = None) -> Receipt:
        return self.say(opt_out(subject, scope, at))[0]

    def back(
        self, subject: str, scope: str = "sms/marketing", at: Instant | None = None, **more: object
    ) -> Receipt:
        return self.say(opt_in(subject, scope, at, **more))[0]


def opt_out(subject: str, scope: str = "sms/marketing", at: Instant | None = None) -> Statement:
    return Statement(parse_subject(subject), Action.OPT_OUT, "test", Scope.parse(scope), at)


def opt_in(
    subject: str, scope: str = "sms/marketing", at: Instant | None = None, lifts: bool = True
) -> Statement:
    return Statement(
        parse_subject(subject),
        Action.OPT_IN,
        "test",
        Scope.parse(scope),
        at,
        consent=Consent.EXPRESS,
        lifts=lifts,
    )


def fact(
    subject: str, kind: Suppression, action: Action = Action.SUPPRESS, at: Instant | None = None,
    scope: str = "sms/everything", sender: str | None = None,
) -> Statement:  # fmt: skip
    return Statement(
        parse_subject(subject), action, "test", Scope.parse(scope), at,
        suppression=kind, sender=sender,
    )  # fmt: skip


def pause(subject: str, scope: str, until: Instant, at: Instant | None = None) -> Statement:
    return Statement(
        parse_subject(subject), Action.LIMIT, "test", Scope.parse(scope), at,
        limit=Limit(until=until),
    )  # fmt: skip


def link(contact: str, address: str, action: Action = Action.LINK) -> Statement:
    subject: Subject = Contact(contact)
    return Statement(subject, action, "test", address=parse_subject(address))  # type: ignore[arg-type]


def run(go: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(go())  # type: ignore[arg-type]


__all__ = ["ANN", "BEN", "CAT", "DAY", "SECOND", "START", "Got", "House", "Receiver"]
