"""What is asked of a message before it may go out: the rules, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from heedful.core.event import Basis, Consent
from heedful.core.instant import Instant
from heedful.core.scope import Category, Channel

Kinds = frozenset[Consent]
"""The kinds of consent that a rule accepts. The empty set: no consent is asked for."""

NO_CONSENT_NEEDED: Kinds = frozenset()
EXPRESS_WRITTEN: Kinds = frozenset({Consent.EXPRESS_WRITTEN})
EXPRESS: Kinds = frozenset({Consent.EXPRESS_WRITTEN, Consent.EXPRESS, Consent.CONFIRMED})
SOFT: Kinds = EXPRESS | {Consent.SOFT}
IMPLIED: Kinds = SOFT | {Consent.IMPLIED}

ACCEPTS: Mapping[str, Kinds] = MappingProxyType(
    {
        "none": NO_CONSENT_NEEDED,
        "implied": IMPLIED,
        "soft": SOFT,
        "express": EXPRESS,
        "confirmed": frozenset({Consent.CONFIRMED}),
        "express_written": EXPRESS_WRITTEN,
    }
)
"""The words of `[consent]` in brand.toml, and the kinds that each accepts."""


class ConsentReach(StrEnum):
    """Whether consent for `marketing` covers topics that came later."""

    LATER_TOPICS = "marketing"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `at_most` marketing messages to one address in any span of `per` microseconds."""

    channel: Channel
    at_most: int
    per: Instant


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force for one brand: the base pack, and what the brand sets itself."""

    consent: Mapping[tuple[Category, Channel], Kinds]
    consent_reach: ConsentReach = ConsentReach.LATER_TOPICS
    topic_since: Mapping[str, Instant] = field(default_factory=lambda: MappingProxyType({}))
    expiry: Mapping[tuple[Consent, Basis], Instant] = field(
        default_factory=lambda: MappingProxyType({})
    )
    caps: tuple[Cap, ...] = ()

    def accepts(self, category: Category, channel: Channel) -> Kinds:
        return self.consent.get((category, channel), NO_CONSENT_NEEDED)


_ASKS_FIRST = (Channel.SMS, Channel.WHATSAPP, Channel.RCS, Channel.VOICE)

BASE_CONSENT: Mapping[tuple[Category, Channel], Kinds] = MappingProxyType(
    {
        (category, channel): (
            EXPRESS if category.is_marketing and channel in _ASKS_FIRST else NO_CONSENT_NEEDED
        )
        for category in Category
        for channel in Channel
        if channel is not Channel.ANY
    }
)
"""The pack `base`: marketing by SMS, WhatsApp, RCS and voice needs express consent; e-mail, push
and post may be sent until opted out; transactional messages always."""
