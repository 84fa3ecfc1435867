"""What is asked of the gate, and what it answers."""

from dataclasses import dataclass

from msgspec import Struct

from heedful.core.address import Address, AddressKind, Contact
from heedful.core.decision import Decision, Outcome, Reason
from heedful.core.errors import InvalidQuestion, near_miss
from heedful.core.instant import Instant
from heedful.core.scope import Channel

SERVES = {
    Channel(name): kind for kind in AddressKind for name in sorted(Address(kind, "").channels)
}
"""The one kind of address that each channel reaches. Postal addresses are not kept yet."""


class Question(Struct, frozen=True):
    """May this message go to this address?

    `at` is the time of sending, now if not said. `as_of` asks for what would have been answered
    with the events recorded up to then and the catalogue of that time; `at` is then `as_of`, if
    not said. A contact that is linked to the address now leaves aside the others linked now.
    (A Struct, for it is made a thousand times a request, and ten times faster than a dataclass.)
    """

    to: Address | str
    "text is read with the brand's region, as everywhere"
    channel: str
    topic: str
    contact: Contact | None = None
    segments: tuple[str, ...] = ()
    at: Instant | None = None
    as_of: Instant | None = None
    vendor: str | None = None
    sender: str | None = None
    campaign: str | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same message on another channel of the contact's, and the answer there."""

    channel: Channel
    to: Address
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, the catalogue that it follows, and the head of the history it is true at.

    A replay is of the time that was asked about; its `seq` is the head when it was asked.
    """

    decision: Decision
    alternatives: tuple[Alternative, ...]
    catalogue: int
    seq: int

    @property
    def outcome(self) -> Outcome:
        return self.decision.outcome

    @property
    def allowed(self) -> bool:
        return self.decision.outcome is Outcome.ALLOW

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return self.decision.reasons

    @property
    def not_before(self) -> Instant | None:
        return self.decision.not_before


def channel_of(word: str) -> Channel:
    """The channel of that name. Not `*`: one message goes one way."""
    known = [channel for channel in Channel if channel is not Channel.ANY]
    if word not in known:
        raise InvalidQuestion(
            f"No channel is called '{word[:40]}'.{near_miss(word, known)} "
            f"It is one of {', '.join(known)}."
        )
    return Channel(word)


def check_serves(address: Address, channel: Channel) -> None:
    """An error, if no message of that channel can land on the address."""
    if SERVES.get(channel) is not address.kind:
        needs = {
            AddressKind.TEL: "a phone number",
            AddressKind.MAILTO: "a mailbox",
            AddressKind.PUSH: "a push token (push:TOKEN)",
        }
        kind = SERVES.get(channel)
        raise InvalidQuestion(
            f"A message by {channel} cannot reach {address.masked}: "
            + (
                f"it needs {needs[kind]}, and this serves {', '.join(sorted(address.channels))}."
                if kind
                else f"addresses for {channel} are not kept yet."
            )
        )


def unknown_campaign(campaign: str) -> InvalidQuestion:
    """A campaign brings its segments itself; one that nobody registered would bring a guess."""
    return InvalidQuestion(
        f"No campaign is called '{campaign[:64]}': campaigns cannot be registered yet. "
        "Name the segments that the message is aimed at instead."
    )
