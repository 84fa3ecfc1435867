"""What Heedful and one vendor's folder say to each other: values, and no I/O of its own.

A folder of `vendors/` is one company. It exports `KIND`, which declares what it can do; nothing is
asked of a vendor that it did not declare. It knows `heedful.core` and this module, nothing else.

    their webhook ──► Hook.hear ──► Heard, Block, Nothing, Unknown ──► intake ──► Hook.reply
    an instruction ──► Connector.tell ──► Told, Later, Refused
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from heedful.core.address import Address
from heedful.core.instant import Instant
from heedful.core.keywords import Said
from heedful.core.scope import Channel

if TYPE_CHECKING:
    import aiohttp


class Can(StrEnum):
    """What a vendor's folder can do."""

    HEAR = "hear"
    "receive the vendor's webhooks"
    TELL = "tell"
    "pass an instruction on to the vendor"
    LIST = "list"
    "read the vendor's own suppression list"
    SEND = "send"
    "send a message through the vendor"


# --- what comes in -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class HookRequest:
    """A webhook as it arrived.

    `url` is the public one (`brand.url`, path and query), over which vendors compute signatures.
    Header names are in lower case.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HookReply:
    """What the vendor gets back."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Heard:
    """Somebody wrote to one of the brand's numbers.

    `to` is the number or name they wrote to, `service` the pool that it belongs to, if it does.
    `vendor_says` is the vendor's own reading of the text, where it has one; `answered` says that
    the vendor replies by itself, so that we must not. `said_at` is the vendor's own time in
    RFC 3339, as precise as it gave it; None where the webhook comes as the message does.
    """

    sender: Address
    channel: Channel
    to: str
    text: str
    message_id: str
    service: str | None = None
    vendor_says: Said | None = None
    answered: bool = False
    said_at: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """The vendor refused to deliver because the person told it, or the carrier, to stop.

    It holds for `sender`, the number or name that the message came from, and for `service`, the
    pool that it belongs to. Both are None where the vendor did not say.
    """

    address: Address
    channel: Channel
    sender: str | None
    code: str
    message_id: str
    service: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nothing:
    """Understood, and of no concern: a message was delivered, say."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The signature is the vendor's, the shape is not one that we know. It is kept and flagged."""

    why: str


Inbound = Heard | Block | Nothing | Unknown


class Hook(Protocol):
    """Reads one vendor's webhooks. Pure: the same request gives the same answer."""

    def hear(self, request: HookRequest) -> Sequence[Inbound]:
        """What was said. Raises Forged, and nothing else, whatever the bytes are."""

    def reply(self, text: str | None) -> HookReply:
        """The answer in the vendor's own form, with a text for the person or without."""


# --- what goes out -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Instruction:
    """What one vendor is to be told.

    `id` is the same each time that this vendor is told of this event, so that it can tell a
    repeat. `at` is the event's time, not the attempt's. `data` is ready for JSON.
    """

    vendor: str
    id: str
    type: str
    data: Mapping[str, object]
    at: Instant


@dataclass(frozen=True, slots=True)
class Told:
    """The vendor has taken it. `answer` is what it said, masked and short."""

    answer: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """Not taken, and worth another attempt. `wait`: microseconds the vendor asks for, if it did."""

    wait: Instant | None
    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken, and never will be. `disable`: the vendor wants no more instructions at all."""

    why: str
    disable: bool = False


Answer = Told | Later | Refused


class Connector(Protocol):
    """Passes instructions on to one vendor. Holds no state that matters between two calls."""

    async def tell(self, order: Instruction, http: aiohttp.ClientSession) -> Answer:
        """One attempt. An answer of the vendor, however odd, is a value and no exception."""


# --- what a folder declares --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that `[vendors.NAME]` may have. A secret one is written `env:NAME` or `file:PATH`."""

    required: bool = True
    secret: bool = False
    choices: tuple[str, ...] = ()


def _clock() -> Instant:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, repr=False)
class Account:
    """One `[vendors.NAME]` of brand.toml, its secrets read. Never shown."""

    vendor: str
    settings: Mapping[str, str]
    clock: Callable[[], Instant] = _clock


@dataclass(frozen=True, slots=True)
class Kind:
    """A company as `kind = "…"` names it: what it can do, and what it must be told for that."""

    name: str
    can: frozenset[Can]
    settings: Mapping[str, Setting]
    make_hook: Callable[[Account], Hook] | None = None
    make_connector: Callable[[Account], Connector] | None = None
