"""The catalogue: what the operator declares, in types that cannot be wrong.

Read from brand.toml by `core/brand.py`; applied to the ledger, where it gets its number.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from heedful.core.address import sender_of
from heedful.core.errors import (
    InvalidQuestion,
    UnknownSegment,
    UnknownTopic,
    UnknownVendor,
    near_miss,
)
from heedful.core.instant import Instant
from heedful.core.policy import Cap, ConsentReach, Kinds, Rules
from heedful.core.scope import Category, Channel, Message, Scope, TargetKind

Texts = Mapping[str, str]
"""A text in several languages: `{"en": "Weekly deals", "es": "Ofertas de la semana"}`."""

CHANNELS = tuple(c for c in Channel if c is not Channel.ANY)


@dataclass(frozen=True, slots=True)
class Topic:
    """A message programme that a customer can choose, in one category for good."""

    name: str
    category: Category
    channels: tuple[Channel, ...]
    title: Texts
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A named part of the customer base that marketing is aimed at."""

    name: str
    title: Texts
    data_used: tuple[str, ...] = ()
    effect: Texts = field(default_factory=dict)
    review_every: Instant | None = None


@dataclass(frozen=True, slots=True)
class Vendor:
    """An outside company that sends on the brand's behalf. `settings` are its kind's own keys."""

    name: str
    kind: str
    channels: tuple[Channel, ...]
    honour_within: Instant | None
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """Vendor × channel × topic × stage × sender: one place where the brand speaks to people."""

    vendor: str
    channel: Channel
    topic: str
    stage: str = ""
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One applied brand.toml. The last three fields are the ledger's to say.

    `topic_since`: when each topic was first applied. `retired`: the category of each topic of
    earlier catalogues that this one no longer has.
    """

    name: str
    url: str
    postal_address: str
    support: str
    region: str
    languages: tuple[str, ...]
    sms_stop: Scope
    one_click: str
    topics: Mapping[str, Topic]
    segments: Mapping[str, Segment]
    vendors: Mapping[str, Vendor]
    touchpoints: tuple[Touchpoint, ...]
    caps: tuple[Cap, ...]
    consent: Mapping[tuple[Category, Channel], Kinds]
    consent_reach: ConsentReach
    allow_private: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    text: str
    number: int = 0
    topic_since: Mapping[str, Instant] = field(default_factory=lambda: MappingProxyType({}))
    retired: Mapping[str, Category] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def digest(self) -> str:
        """SHA-256 of the text as applied, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def numbered(
        self,
        number: int,
        topic_since: Mapping[str, Instant],
        retired: Mapping[str, Category] = MappingProxyType({}),
    ) -> "Catalogue":
        """The same, as the ledger applied it."""
        return replace(
            self,
            number=number,
            topic_since=MappingProxyType(dict(topic_since)),
            retired=MappingProxyType(dict(retired)),
        )

    def rules(self) -> Rules:
        return Rules(self.consent, self.consent_reach, self.topic_since, caps=self.caps)

    def topic(self, name: str) -> Topic:
        found = self.topics.get(name)
        if found is None:
            raise UnknownTopic(
                f"No topic is called '{name[:64]}'.{near_miss(name, self.topics)} "
                "Nothing was recorded. To add a topic, see docs/how-to/add-a-topic.md."
            )
        return found

    def vendor(self, name: str) -> Vendor:
        found = self.vendors.get(name)
        if found is None:
            raise UnknownVendor(
                f"No vendor is called '{name[:64]}'.{near_miss(name, self.vendors)} "
                "Nothing was recorded. To add a vendor, see docs/how-to/add-a-vendor.md."
            )
        return found

    def ways(self, topic: str) -> tuple[tuple[str, ...], ...]:
        """Every way from a topic back to what it replaces, near generations first.

        A topic of an earlier catalogue may stand at the end of one: its opt-outs pass on as well.
        """
        found: list[tuple[str, ...]] = [(topic,)]
        for way in found:
            held = self.topics.get(way[-1])
            found.extend((*way, old) for old in (held.replaces if held else ()) if old not in way)
        return tuple(found)

    def lineage(self, topic: str) -> tuple[tuple[str, Category], ...]:
        """The end of each way with its category; of a topic that nobody knows, its heir's."""
        return tuple((way[-1], self._category(way)) for way in self.ways(topic))

    def _category(self, way: tuple[str, ...]) -> Category:
        for name in reversed(way):
            if name in self.topics:
                return self.topics[name].category
            if name in self.retired:
                return self.retired[name]
        return self.topic(way[0]).category

    def known(self, scope: Scope) -> Scope:
        """The scope, if its topic or segment exists; an error with the near miss otherwise."""
        if scope.kind is TargetKind.TOPIC:
            self.topic(scope.name)
        elif scope.kind is TargetKind.SEGMENT and scope.name not in self.segments:
            raise UnknownSegment(
                f"No segment is called '{scope.name[:64]}'."
                f"{near_miss(scope.name, self.segments)} Nothing was recorded."
            )
        return scope

    def message(
        self,
        channel: Channel,
        topic: str,
        segments: Iterable[str] = (),
        vendor: str | None = None,
        sender: str | None = None,
    ) -> Message:
        """The message of a question. Unknown names are errors, never a guess."""
        held = self.topic(topic)
        if channel not in held.channels:
            raise InvalidQuestion(
                f"Topic '{topic}' is not sent by {channel}, but by {', '.join(held.channels)}. "
                "To change that, add the channel to the topic in brand.toml."
            )
        aimed = tuple(dict.fromkeys(segments))
        for name in aimed:
            self.known(Scope(Channel.ANY, TargetKind.SEGMENT, name))
        if vendor is not None:
            self.vendor(vendor)
        senders = (
            (sender_of(sender, self.region),) if sender else self.senders(channel, topic, vendor)
        )
        lineage = self.lineage(topic)
        heirs = tuple(way[:-1] for way in self.ways(topic))
        return Message(channel, topic, held.category, aimed, lineage, heirs, senders, vendor)

    def senders(self, channel: Channel, topic: str, vendor: str | None) -> tuple[str, ...]:
        """The senders that the touchpoints name for such a message; none, where one is open."""
        found = [
            t.sender
            for t in self.touchpoints
            if t.channel is channel and t.topic == topic and vendor in (None, t.vendor)
        ]
        return tuple(s for s in found if s) if all(found) else ()

    def allows_vendor(self, message: Message) -> bool:
        """Whether the vendor has a touchpoint for the message, or none at all but the channel."""
        if message.vendor is None:
            return True
        return self.concerns(message.vendor, message.channel, message.topic)

    def concerns(self, vendor: str, channel: Channel, topic: str) -> bool:
        """Whether a vendor sends such messages: by its touchpoints, else by its channels."""
        own = [t for t in self.touchpoints if t.vendor == vendor]
        if own:
            return any(t.channel is channel and t.topic == topic for t in own)
        return channel in self.vendors[vendor].channels

    def touches(self, vendor: str) -> tuple[tuple[Channel, str], ...]:
        """Every (channel, topic) that a vendor sends, in the catalogue's order."""
        return tuple(
            (channel, name)
            for name, topic in self.topics.items()
            for channel in topic.channels
            if self.concerns(vendor, channel, name)
        )
