"""An event: one immutable entry of the ledger, as a door hands it over and as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from heedful.core.address import Address, Contact, Subject
from heedful.core.errors import InvalidEvent
from heedful.core.instant import Edge, Instant
from heedful.core.scope import Scope, TargetKind


class Action(StrEnum):
    """What was said or found out. The words of the glossary, in SQL, JSON and on the pages."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    OPT_IN_REQUESTED = "opt_in_requested"
    SUPPRESS = "suppress"
    RELEASE = "release"
    LIMIT = "limit"
    PREFER = "prefer"
    LINK = "link"
    UNLINK = "unlink"
    RETRACT = "retract"
    ERASE = "erase"


class Consent(StrEnum):
    """How an opt-in was given. Kinds are not ranked: a rule names those that it accepts."""

    EXPRESS_WRITTEN = "express_written"
    EXPRESS = "express"
    CONFIRMED = "confirmed"
    SOFT = "soft"
    IMPLIED = "implied"
    RESTORED = "restored"


class Basis(StrEnum):
    """What an opt-in rests on."""

    NONE = "none"
    PURCHASE = "purchase"
    INQUIRY = "inquiry"
    CONTRACT = "contract"
    APPLICATION = "application"


class Suppression(StrEnum):
    """A fact that stops messages, not a wish. What it stops follows from its kind."""

    UNDELIVERABLE = "undeliverable"
    REASSIGNED = "reassigned"
    CARRIER_BLOCK = "carrier_block"
    LEGAL = "legal"
    COMPLAINT = "complaint"
    UNCLEAR = "unclear"

    @property
    def stops_everything(self) -> bool:
        """The others stop marketing only."""
        return self not in (Suppression.COMPLAINT, Suppression.UNCLEAR)


PERSONAL_ACTS = frozenset({Consent.EXPRESS_WRITTEN, Consent.EXPRESS, Consent.CONFIRMED})
"""Kinds that can be the person's own express act; `restored` is one by construction."""

LOOSENING = frozenset({Action.OPT_IN, Action.OPT_IN_REQUESTED, Action.RELEASE})
PREFERENCES = ("channel", "language", "place", "time_zone")


def edge_of(action: Action) -> Edge:
    """Which end a coarse time means: in doubt, the one that keeps messages stopped."""
    return Edge.FIRST if action in LOOSENING else Edge.LAST


@dataclass(frozen=True, slots=True)
class Limit:
    """The person's own limit: nothing until an instant, or at most so many in a span."""

    until: Instant | None = None
    at_most: int | None = None
    per: Instant | None = None

    def __post_init__(self) -> None:
        if (self.at_most is None) != (self.per is None) or (self.until is None) == (
            self.at_most is None
        ):
            raise InvalidEvent(
                "A limit says either `until`, or `at_most` and `per`. Nothing was recorded."
            )
        if self.at_most is not None and (self.at_most < 1 or not self.per or self.per < 1):
            raise InvalidEvent(
                "A limit's `at_most` is 1 or more and its `per` is a span of time; "
                "to stop altogether, opt out. Nothing was recorded."
            )


@dataclass(frozen=True, slots=True)
class Statement:
    """What a door hands to the ledger: one thing said, checked, and not yet recorded.

    `occurred_at` is None where the door heard the person itself: then it is the ledger's clock.
    `lifts` was decided by the door: the person's own express act, which alone ends an opt-out.
    `evidence` is personal data and is stored apart; everything else must hold none.
    `unless_standing`: said without a request id, so that it is a repeat while the opt-out that the
    same source made of it before still stands (the ledger looks, under its lock).
    `confirmation`: how the person was told in the same breath: `inline` by us, or by the `vendor`.
    """

    subject: Subject
    action: Action
    source: str
    scope: Scope | None = None
    occurred_at: Instant | None = None
    reason: str | None = None
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    request_id: str | None = None
    consent: Consent | None = None
    basis: Basis = Basis.NONE
    lifts: bool = False
    suppression: Suppression | None = None
    sender: str | None = None
    limit: Limit | None = None
    prefer: tuple[str, str] | None = None
    address: Address | None = None
    retracts: int | None = None
    unless_standing: bool = False
    confirmation: str | None = None

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise InvalidEvent(f"{problem} Nothing was recorded.")


_NEEDS_TARGET = {Action.OPT_OUT, Action.OPT_IN, Action.OPT_IN_REQUESTED, Action.LIMIT}


def _problem(s: Statement) -> str:
    """The first thing wrong with a statement, as a sentence, or nothing."""
    if s.action in _NEEDS_TARGET | {Action.SUPPRESS, Action.RELEASE} and s.scope is None:
        return f"`{s.action}` needs a scope."
    if (s.consent is not None) != (s.action is Action.OPT_IN):
        return "An `opt_in` says how consent was given, and nothing else does."
    if s.lifts and s.consent not in PERSONAL_ACTS | {Consent.RESTORED}:
        return f"Only the person's own express act lifts an opt-out; `{s.consent}` is none."
    if s.basis is not Basis.NONE and s.consent in (None, Consent.RESTORED):
        return "Only an `opt_in` that grants something new rests on a basis."
    if s.consent is Consent.RESTORED and not s.lifts:
        return "`restored` takes back an opt-out and can only come from the person."
    if (s.suppression is not None) != (s.action in (Action.SUPPRESS, Action.RELEASE)):
        return "`suppress` and `release` name a kind of suppression, and nothing else does."
    if s.suppression and s.scope and s.scope.kind is not TargetKind.EVERYTHING:
        return "A suppression has a channel and no target."
    if s.suppression and isinstance(s.subject, Contact) and s.suppression is not Suppression.LEGAL:
        return f"`{s.suppression}` is about an address; only `legal` may be about a contact."
    if (s.sender is not None) and s.suppression is not Suppression.CARRIER_BLOCK:
        return "Only a `carrier_block` names a sender."
    if s.suppression is Suppression.CARRIER_BLOCK and s.action is Action.SUPPRESS and not s.sender:
        return "A `carrier_block` names the sender that is blocked."
    if (s.limit is not None) != (s.action is Action.LIMIT):
        return "A `limit` says `until`, or `at_most` and `per`; nothing else does."
    if s.limit and s.scope and s.scope.kind is TargetKind.USE:
        return "A limit is about messages; a use of data can only be opted out of, or in to."
    if (s.prefer is not None) != (s.action is Action.PREFER):
        return "A `prefer` says what is preferred; nothing else does."
    if s.prefer and s.prefer[0] not in PREFERENCES:
        return f"Nobody can prefer a '{s.prefer[0]}': it is one of {', '.join(PREFERENCES)}."
    if (s.address is not None) != (s.action in (Action.LINK, Action.UNLINK)):
        return "`link` and `unlink` name an address, and nothing else does."
    if s.address is not None and not isinstance(s.subject, Contact):
        return "`link` and `unlink` are about a contact: contact:ID."
    if (s.retracts is not None) != (s.action is Action.RETRACT):
        return "A `retract` names the number of an event, and nothing else does."
    if s.action is Action.RETRACT and not s.reason:
        return "A `retract` says why."
    if s.action is Action.OPT_IN and not isinstance(s.subject, Address | Contact):
        return "Only an address or a contact can opt in: nobody can prove a digest is theirs."
    return _bounds(s)


def _bounds(s: Statement) -> str:
    for name, value, most in (
        ("source", s.source, 200),
        ("reason", s.reason, 200),
        ("request id", s.request_id, 200),
        ("sender", s.sender, 100),
        ("preference", s.prefer and s.prefer[1], 100),
    ):
        if value is not None and (not value.strip() or len(value) > most or "\0" in value):
            return f"The {name} is empty, longer than {most} characters, or holds a NUL."
    if len(s.evidence) > 20 or any(
        "\0" in k + v or len(k) > 60 or len(v) > 8000 for k, v in s.evidence.items()
    ):
        return "The evidence has more than 20 entries, one over 8,000 characters, or a NUL."
    return ""


@dataclass(frozen=True, slots=True)
class Event:
    """A statement as the ledger holds it, with its number and times.

    `subject` is None once the address was erased; `subject_key` (32 hex digits) stays.
    """

    seq: int
    recorded_at: Instant
    occurred_at: Instant
    subject_key: str
    subject: Subject | None
    action: Action
    source: str
    scope: Scope | None = None
    reason: str | None = None
    evidence: Mapping[str, str] | None = None
    request_id: str | None = None
    consent: Consent | None = None
    basis: Basis = Basis.NONE
    lifts: bool = False
    suppression: Suppression | None = None
    sender: str | None = None
    limit: Limit | None = None
    prefer: tuple[str, str] | None = None
    address_key: str | None = None
    address: Address | None = None
    retracts: int | None = None
    hash: str = ""
