"""What an event covers, and what a message is: the cover relation of the one rule.

Scopes are ordered, each dimension by itself: `*` ⊇ each channel; `everything` ⊇ `marketing` ⊇
`category:c` ⊇ `topic:t`, and `everything` ⊇ the transactional ones. A segment and a use of data
are targets of their own, outside that order.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from heedful.core.errors import InvalidScope, near_miss


class Channel(StrEnum):
    """A way to reach somebody. `ANY`, written `*`, stands in scopes only."""

    SMS = "sms"
    EMAIL = "email"
    VOICE = "voice"
    WHATSAPP = "whatsapp"
    RCS = "rcs"
    PUSH = "push"
    POSTAL = "postal"
    ANY = "*"


class Category(StrEnum):
    """The class of a message. Marketing is all that is not transactional."""

    TRANSACTIONAL = "transactional"
    INFORMATIONAL = "informational"
    PROMOTIONAL = "promotional"

    @property
    def is_marketing(self) -> bool:
        return self is not Category.TRANSACTIONAL


class TargetKind(StrEnum):
    """What a scope aims at. `everything`, `marketing` have no name, the others do."""

    EVERYTHING = "everything"
    MARKETING = "marketing"
    CATEGORY = "category"
    TOPIC = "topic"
    SEGMENT = "segment"
    USE = "use"


USES = ("sale_share", "profiling")
_CHANNELS, _KINDS, _CATEGORIES = frozenset(Channel), frozenset(TargetKind), frozenset(Category)
_RANK = {
    TargetKind.EVERYTHING: 0,
    TargetKind.MARKETING: 1,
    TargetKind.CATEGORY: 2,
    TargetKind.TOPIC: 3,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """A channel and a target, as in `sms/marketing` or `*/segment:lapsed_shoppers`.

    >>> str(Scope.parse("sms/topic:weekly_deals"))
    'sms/topic:weekly_deals'
    """

    channel: Channel
    kind: TargetKind
    name: str = ""

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> "Scope":
        """Read the text form. Whether the topic or segment exists is the catalogue's to say."""
        channel, slash, target = text.strip().partition("/")
        kind, colon, name = target.partition(":")
        problem = ""
        if not slash:
            problem = "a scope is CHANNEL/TARGET, such as sms/marketing"
        elif channel not in _CHANNELS:
            problem = f"no channel is called '{channel[:40]}'." + near_miss(channel, Channel)
        elif kind not in _KINDS:
            problem = f"no target is called '{kind[:40]}'." + near_miss(kind, TargetKind)
        elif bool(colon) != (kind not in ("everything", "marketing")) or bool(colon) != bool(name):
            plain = kind in ("everything", "marketing")
            problem = f"'{kind}' " + ("takes no name" if plain else f"needs a name: {kind}:NAME")
        elif kind == "category" and name not in _CATEGORIES:
            problem = f"no category is called '{name[:40]}'." + near_miss(name, Category)
        elif kind == "use" and name not in USES:
            problem = f"no use of data is called '{name[:40]}'." + near_miss(name, USES)
        if problem:
            raise InvalidScope(
                f"'{text[:80]}' is not a scope: {problem.rstrip('.')}. Nothing was recorded."
            )
        return Scope(Channel(channel), TargetKind(kind), name)

    @property
    def text(self) -> str:
        target = f"{self.kind}:{self.name}" if self.name else str(self.kind)
        return f"{self.channel}/{target}"

    def __str__(self) -> str:
        return self.text

    def on(self, channel: Channel) -> bool:
        """Whether the channel of this scope takes in that one."""
        return self.channel is Channel.ANY or self.channel is channel


@dataclass(frozen=True, slots=True)
class Message:
    """What would be sent: one topic on one channel, and whom it is aimed at.

    `lineage` is the topic itself, then what it replaces, then what those replaced, each with its
    category: opt-outs pass from a topic to its successor, consents do not. `heirs` has for each of
    them the topics on the way to it, this one first: who opts in to an heir has come back.
    `senders` are the numbers or mailboxes that it may come from; empty where nobody knows.
    """

    channel: Channel
    topic: str
    category: Category
    segments: tuple[str, ...] = ()
    lineage: tuple[tuple[str, Category], ...] = ()
    heirs: tuple[tuple[str, ...], ...] = ()
    senders: tuple[str, ...] = ()
    vendor: str | None = None

    @property
    def generations(self) -> tuple[tuple[str, Category], ...]:
        return self.lineage or ((self.topic, self.category),)

    def heirs_of(self, generation: int) -> tuple[str, ...]:
        """The topics that have passed its opt-outs on to this one, this one included."""
        if generation < len(self.heirs):
            return self.heirs[generation]
        return (self.topic,) if generation else ()


def target_covers(scope: Scope, topic: str, category: Category) -> bool:
    """Whether the target alone takes in a topic of that category."""
    match scope.kind:
        case TargetKind.EVERYTHING:
            return True
        case TargetKind.MARKETING:
            return category.is_marketing
        case TargetKind.CATEGORY:
            return scope.name == category
        case TargetKind.TOPIC:
            return scope.name == topic
        case _:
            return False


def covers(scope: Scope, message: Message) -> bool:
    """Whether a scope takes in a message, by itself and not by what its topic replaced."""
    return scope.on(message.channel) and target_covers(scope, message.topic, message.category)


def aims(scope: Scope, message: Message) -> bool:
    """Whether a segment's scope is consulted: marketing aimed at that segment, on the channel."""
    return (
        scope.kind is TargetKind.SEGMENT
        and scope.name in message.segments
        and message.category.is_marketing
        and scope.on(message.channel)
    )


def within(inner: Scope, outer: Scope) -> bool:
    """Whether `inner` is the same scope or a narrower one.

    A topic's name does not tell its category: that a topic is within a category, or within
    marketing, is true where both take in one same message, and is asked there only.
    """
    if not outer.on(inner.channel):
        return False
    if inner.kind is outer.kind:
        return inner.name == outer.name
    if inner.kind not in _RANK or outer.kind not in _RANK:
        return False
    if outer.kind is TargetKind.MARKETING and inner.name == Category.TRANSACTIONAL:
        return False
    return _RANK[inner.kind] > _RANK[outer.kind]
