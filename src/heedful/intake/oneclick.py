"""One-click (RFC 8058): what the button of a mailbox, or of the link's own page, does.

POST leaves, at once and whatever the body says; GET only looks, since link scanners follow links.
"""

from dataclasses import dataclass
from types import MappingProxyType

from heedful.core.catalogue import Catalogue
from heedful.core.event import Action, Statement
from heedful.core.scope import Channel, Scope, TargetKind
from heedful.intake.links import Link, Links, Purpose
from heedful.intake.record import Door
from heedful.ledger import Receipt

SOURCE = "one-click"


@dataclass(frozen=True, slots=True)
class Look:
    """What the page of a link shows: enough to know whose it is, and what will stop."""

    brand: str
    address: str
    "masked: the link may have been forwarded"
    stops: Scope
    topic: str | None
    "the topic's title, None where all marketing on the channel stops"
    language: str


@dataclass(frozen=True, slots=True)
class Left:
    """What a one-click did: the event's number, and what stopped."""

    receipt: Receipt
    look: Look


class OneClick:
    """Reads the links of messages and takes people off."""

    def __init__(self, door: Door, links: Links) -> None:
        self._door = door
        self._links = links

    def look(self, token: str, language: str | None = None) -> Look:
        """What the link would stop. Changes nothing. InvalidLink for what is no link of ours."""
        link = self._links.read(Purpose.UNSUBSCRIBE, token)
        return _look(link, self._door.ledger.catalogue(), language)

    def leave(self, token: str, language: str | None = None) -> Left:
        """Stop it, and return after the commit.

        Again with the same link, nothing changes while that opt-out stands; after the person came
        back it counts anew.
        """
        link = self._links.read(Purpose.UNSUBSCRIBE, token)
        look = _look(link, self._door.ledger.catalogue(), language)
        named = {
            "topic": link.topic,
            "campaign": link.campaign,
            "segment": link.segment,
            "vendor": link.vendor,
            "message_id": link.message,
        }
        (receipt,) = self._door.say(
            Statement(
                subject=link.address,
                action=Action.OPT_OUT,
                source=SOURCE,
                scope=look.stops,
                evidence=MappingProxyType({k: v for k, v in named.items() if v}),
                unless_standing=True,
            )
        )
        return Left(receipt, look)


def _look(link: Link, catalogue: Catalogue, language: str | None) -> Look:
    channel = Channel(link.address.default_channel)
    shown = language if language in catalogue.languages else catalogue.languages[0]
    topic = catalogue.topics.get(link.topic or "")
    # A topic that is sent no more has nothing to leave: the click means the brand's marketing.
    if topic is None or catalogue.one_click != "topic":
        stops = Scope(channel, TargetKind.MARKETING)
        return Look(catalogue.name, link.address.masked, stops, None, shown)
    title = topic.title.get(shown) or topic.title[catalogue.languages[0]]
    stops = Scope(channel, TargetKind.TOPIC, topic.name)
    return Look(catalogue.name, link.address.masked, stops, title, shown)
