"""A brand with a ledger, and ways to speak to it as people, vendors and programs do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from twilio.request_validator import RequestValidator

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Address
from heedful.core.decision import Decision, Facts, decide
from heedful.core.event import Event
from heedful.core.instant import SECOND, Edge, Instant, parse
from heedful.core.scope import Channel
from heedful.intake import Door, Hooks, Links, OneClick
from heedful.ledger import Ledger, SendReport

TOKEN = "0c8132bd736854112a748a5b686c230d"
ANN, SHOP, CARTS, ORDERS = "+14155550100", "+18335550100", "+18335550101", "+18335550102"

BRAND = f"""
[brand]
name = "Northwind Outfitters"
url = "https://prefs.northwind.example"
postal_address = "1 Harbour Street, Portland, OR 97209, USA"
support = "help@northwind.example"
region = "US"
languages = ["en", "es"]

[intake]
sms_stop = "sms/marketing"

[topics.weekly_deals]
category = "promotional"
channels = ["sms", "email", "whatsapp"]
title = {{ en = "Weekly deals", es = "Ofertas de la semana" }}
[topics.cart_reminders]
category = "promotional"
channels = ["sms", "email"]
title = "Cart reminders"
[topics.order_updates]
category = "transactional"
channels = ["sms", "email"]
title = "Order updates"

[segments.lapsed]
title = "People we have not seen for a while"

[vendors.texter]
kind = "twilio"
channels = ["sms", "whatsapp"]
auth_token = "env:TEST_TWILIO_TOKEN"
[vendors.shipper]
kind = "webhook"
channels = ["sms"]
url = "https://hooks.shipper.example/consent"
secret = "env:TEST_SHIPPER_SECRET"

[[touchpoints]]
vendor = "texter"
channel = "sms"
topic = "weekly_deals"
sender = "{SHOP}"
[[touchpoints]]
vendor = "texter"
channel = "sms"
topic = "cart_reminders"
sender = "{CARTS}"
[[touchpoints]]
vendor = "shipper"
channel = "sms"
topic = "order_updates"
sender = "{ORDERS}"
"""


@dataclass
class Clock:
    """A clock that a test moves; each look at it takes a second."""

    now: Instant = field(default=parse("2026-03-05T09:30:00.000000Z", Edge.FIRST))

    def __call__(self) -> Instant:
        self.now += SECOND
        return self.now


@dataclass
class Shop:
    """The brand's ledger and doors."""

    ledger: Ledger
    keys: Keys
    clock: Clock

    def __post_init__(self) -> None:
        self.door = Door(self.ledger)
        self.hooks = Hooks(self.door)
        self.links = Links(self.keys)
        self.oneclick = OneClick(self.door, self.links)
        self._sids = 0

    def apply(self, old: str, new: str) -> None:
        """Another brand.toml, with one text changed."""
        text = self.ledger.catalogue().text
        assert old in text
        self.ledger.apply(brand.parse(text.replace(old, new)), by="test", reason="test")

    # --- speaking

    def twilio(self, form: dict[str, str], vendor: str = "texter") -> str | None:
        """A request from Twilio; the text that Twilio is to send back, if any."""
        signature = RequestValidator(TOKEN).compute_signature(
            f"https://prefs.northwind.example/hooks/{vendor}", form
        )
        headers = {
            "x-twilio-signature": signature,
            "content-type": "application/x-www-form-urlencoded",
        }
        reply = self.hooks.receive(vendor, "", headers, urlencode(form).encode())
        assert reply.status == 200
        return ElementTree.fromstring(reply.body).findtext("Message")

    def text(self, body: str, sid: str | None = None, to: str = SHOP, **more: str) -> str | None:
        """A text of Ann's to one of the shop's numbers; what she gets back."""
        form = {"From": ANN, "To": to, "Body": body, "MessageSid": sid or self._sid(), **more}
        return self.twilio(form)

    def refused(self, sender: str | None = SHOP, sid: str | None = None, **more: str) -> None:
        """Twilio refuses to deliver to Ann: 21610."""
        form = {"To": ANN, "MessageSid": sid or self._sid(), "MessageStatus": "failed"}
        self.twilio({**form, **({"From": sender} if sender else {}), "ErrorCode": "21610", **more})

    def _sid(self) -> str:
        self._sids += 1
        return f"SM{self._sids:032x}"

    def said(self, item: dict[str, object], source: str = "python") -> None:
        self.door.say(self.door.from_python({"subject": ANN, **item}))

    def agreed(self, scope: str, consent: str = "express", **more: object) -> None:
        """Ann agreed, with evidence, at the shop's counter."""
        self.said(
            {"action": "opt_in", "scope": scope, "consent": consent, "evidence": "form 7", **more}
        )

    def sent(self, topic: str, sender: str = SHOP, to: str = ANN) -> None:
        held = self.ledger.catalogue().topic(topic)
        report = SendReport(
            self.ledger.key_of(Address.parse(to)), Channel.SMS, topic, held.category,
            self.clock(), sender,
        )  # fmt: skip
        self.ledger.report_sends([report])

    # --- looking

    def check(
        self, topic: str, channel: str = "sms", to: str = ANN, sender: str | None = None
    ) -> str:
        """The outcome and its reasons, as the pure rule gives them for the address alone."""
        catalogue = self.ledger.catalogue()
        message = catalogue.message(Channel(channel), topic, sender=sender)
        state = self.ledger.state(self.ledger.key_of(Address.parse(to)))
        found: Decision = decide(message, Facts(state), catalogue.rules(), self.clock())
        return " ".join((found.outcome, *(reason.code for reason in found.reasons)))

    def history(self, to: str = ANN) -> list[Event]:
        return self.ledger.history(self.ledger.key_of(Address.parse(to)))

    def told(self, to: str = ANN) -> list[str]:
        """The history in words: `opt_out sms/marketing`."""
        return [f"{event.action} {event.scope}" for event in self.history(to)]


@pytest.fixture
def keys() -> Keys:
    return Keys.make(0)


@pytest.fixture
def shop(database_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("TEST_TWILIO_TOKEN", TOKEN)
    clock = Clock()
    ledger = Ledger.open(database_url, keys, clock=clock, create=True)
    try:
        ledger.apply(brand.parse(BRAND), by="test", reason=None)
        yield Shop(ledger, keys, clock)
    finally:
        ledger.close()
