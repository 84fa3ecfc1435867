"""What is said over HTTP, in both directions: one Struct a body. The command prints the same.

An unknown field is an error: a misspelt `segments` would otherwise let a message through.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from heedful.core.decision import Decision, Outcome, ReasonCode
from heedful.core.errors import HeedfulError
from heedful.core.event import Action, Basis, Consent, Event, Suppression
from heedful.core.instant import DAY, SECOND, Instant, text_of
from heedful.core.scope import Channel
from heedful.gate import Answer
from heedful.ledger import Receipt
from heedful.web.problems import ItemProblem, of_item

MOST_ITEMS = 1000


def either(*names: str) -> Meta:
    """Items of one Struct or the other. msgspec describes such a union only of tagged Structs, and
    a tag would be one more word in every answer."""
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return Meta(extra_json_schema={"items": {"anyOf": refs}})


def some(name: str) -> Meta:
    """Items of a Struct, as many as one request may have. One of another form is described as
    allowed, because it does not make the request fail."""
    other = {"description": "of another form: it alone gets an error"}
    items = {"anyOf": [{"$ref": f"#/components/schemas/{name}"}, other]}
    return Meta(min_length=1, max_length=MOST_ITEMS, extra_json_schema={"items": items})


def but(closed: type[StrEnum], *refused: str) -> Meta:
    """A closed list without the words that are refused here. They are read all the same, for they
    are answered with a sentence that says how to record such a thing."""
    return Meta(extra_json_schema={"enum": [word for word in closed if word not in refused]})


Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Seq = Annotated[int, Meta(ge=1)]
Time = Annotated[str, Meta(max_length=64, description="RFC 3339, such as 2026-03-05T09:30:00Z")]
Subject = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        description="+14155550100, ann@example.com, push:TOKEN, contact:ID, md5:… or sha256:…",
    ),
]
AddressText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        description="+14155550100, ann@example.com or push:TOKEN",
    ),
]
Mailbox = Annotated[str, Meta(min_length=1, max_length=4096, description="ann@example.com")]
OneChannel = Annotated[Channel, but(Channel, Channel.ANY)]
PageSize = Annotated[int, Meta(ge=1, le=MOST_ITEMS)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]


class EventItem(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """One thing that was said or found out.

    `scope` left out is the address's own channel and marketing. An `opt_in` or `release` needs
    `occurred_at` and `request_id`. `kind` is what a `suppress` or `release` is about; `until`, or
    `at_most` and `per`, make a `limit`; `address` is the other side of a `link` or `unlink`.
    """

    subject: Subject
    action: Annotated[Action, but(Action, Action.ERASE)]
    scope: Word | None = None
    occurred_at: Time | None = None
    source: Word | None = None
    reason: Word | None = None
    evidence: dict[str, str] | str | None = None
    consent: Annotated[Consent, but(Consent, Consent.RESTORED)] | None = None
    basis: Basis | None = None
    address: AddressText | None = None
    request_id: Word | None = None
    kind: Suppression | None = None
    sender: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    until: Time | None = None
    at_most: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    per: Annotated[str, Meta(max_length=40, examples=["7 days"])] | None = None
    prefer: dict[str, str] | None = None
    retracts: Seq | None = None


class EventsRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """At most 1,000. An item of another form gets its error in its place."""

    events: Annotated[list[Any], some("EventItem")]


class LooseItems(Struct, forbid_unknown_fields=True, frozen=True):
    """The same body, its items unread: one that is wrong shall not fail the others."""

    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_ITEMS)]


class RecordedItem(Struct, frozen=True, omit_defaults=True):
    """The number that the event has in the ledger: it is durable. `repeat`: it was there before."""

    seq: int
    recorded_at: str
    repeat: bool = msgspec.field(default_factory=bool)
    lifts: bool = False
    flagged: str | None = None


class FailedItem(Struct, frozen=True):
    """This item was not recorded, or not decided; the others were not touched by it."""

    error: ItemProblem


class EventsAnswer(Struct, frozen=True):
    """In the order of the request: what was recorded, or why not."""

    results: Annotated[list[Any], either("RecordedItem", "FailedItem")]


class CheckItem(Struct, forbid_unknown_fields=True, frozen=True):
    """May this message be sent?"""

    to: AddressText
    channel: OneChannel
    topic: Name
    contact: Word | None = None
    segments: Annotated[list[Name], Meta(max_length=100)] = []
    at: Time | None = None
    as_of: Time | None = None
    campaign: Word | None = None
    vendor: Name | None = None
    sender: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class CheckRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """At most 1,000. An item of another form gets its error in its place."""

    checks: Annotated[list[Any], some("CheckItem")]


class Checks(Struct, forbid_unknown_fields=True, frozen=True):
    """The same where every item is as it should be: read in one go."""

    checks: Annotated[list[CheckItem], Meta(min_length=1, max_length=MOST_ITEMS)]


class LooseChecks(Struct, forbid_unknown_fields=True, frozen=True):
    checks: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_ITEMS)]


class ReasonRow(Struct, frozen=True, omit_defaults=True):
    """Why not, or not now; `because` are the numbers of the events behind it."""

    code: ReasonCode
    text: str
    because: list[int]
    scope: str | None = None


class AlternativeRow(Struct, frozen=True):
    """The same message on another channel of the contact's."""

    channel: Channel
    to: str
    outcome: Outcome


class DecisionRow(Struct, frozen=True, omit_defaults=True):
    """The answer. `token` names this decision when a send is reported."""

    outcome: Outcome
    reasons: list[ReasonRow]
    alternatives: list[AlternativeRow]
    token: str
    not_before: str | None = None


class CheckAnswer(Struct, frozen=True):
    """In the order of the request; `seq` is the head of the history that the answers are true at.

    If this cannot be had (any other status, no answer), take it as *no*.
    """

    decisions: Annotated[list[Any], either("DecisionRow", "FailedItem")]
    seq: int


class EventRow(Struct, frozen=True, omit_defaults=True):
    """An event as the ledger holds it. `subject` is missing once the address was erased."""

    seq: int
    recorded_at: str
    occurred_at: str
    action: Action
    source: str
    subject_key: str
    hash: str
    subject: str | None = None
    scope: str | None = None
    reason: str | None = None
    evidence: dict[str, str] | None = None
    consent: Consent | None = None
    basis: Basis = Basis.NONE
    lifts: bool = False
    kind: Suppression | None = None
    sender: str | None = None
    until: str | None = None
    at_most: int | None = None
    per: str | None = None
    prefer: dict[str, str] | None = None
    address: str | None = None
    retracts: int | None = None
    request_id: str | None = None


class HistoryAnswer(Struct, frozen=True):
    """Every event, oldest first."""

    events: list[EventRow]


class FeedAnswer(Struct, frozen=True):
    """The change feed: ask again with `after` = `next`. Nothing is skipped, nothing comes twice."""

    events: list[EventRow]
    next: str


class SubjectQuery(Struct, forbid_unknown_fields=True, frozen=True):
    subject: Subject


class SendItem(Struct, forbid_unknown_fields=True, frozen=True):
    """A message that went out."""

    to: AddressText
    channel: OneChannel
    topic: Name
    at: Time
    request_id: Word | None = None
    sender: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    vendor: Name | None = None
    campaign: Word | None = None
    token: Annotated[str, Meta(max_length=100)] | None = None


class LooseSends(Struct, forbid_unknown_fields=True, frozen=True):
    sends: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_ITEMS)]


class SendsRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """At most 1,000. An item of another form gets its error in its place."""

    sends: Annotated[list[Any], some("SendItem")]


class NotedItem(Struct, frozen=True):
    """The send was noted (or had been, under the same request id)."""

    noted: bool


class SendsAnswer(Struct, frozen=True):
    results: Annotated[list[Any], either("NotedItem", "FailedItem")]


class StampRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The message that is about to go out by e-mail."""

    to: Mailbox
    topic: Name
    campaign: Word | None = None
    segment: Name | None = None
    vendor: Name | None = None
    message_id: Word | None = None


class StampAnswer(Struct, frozen=True):
    """`headers` to add before the message is signed (both must be among DKIM's signed headers),
    and the `link` for the visible unsubscribe line."""

    headers: dict[str, str]
    link: str


class Health(Struct, frozen=True):
    ok: bool


class Readiness(Struct, frozen=True, omit_defaults=True):
    """Whether this process can do its work now; each part that cannot says why."""

    ready: bool
    ledger: str
    dispatcher: str
    vendors: dict[str, str] | UnsetType = UNSET


NAMED = (EventItem, CheckItem, SendItem, RecordedItem, FailedItem, DecisionRow, NotedItem)
"""What `either` and `some` name."""


def decision_row(answer: Answer, token: str) -> DecisionRow:
    """What is told of an answer of the gate."""
    decision = answer.decision
    return DecisionRow(
        decision.outcome,
        reason_rows(decision),
        [AlternativeRow(a.channel, a.to.text, a.outcome) for a in answer.alternatives],
        token,
        None if decision.not_before is None else text_of(decision.not_before),
    )


def reason_rows(decision: Decision) -> list[ReasonRow]:
    return [ReasonRow(r.code, r.text, list(r.because), r.scope) for r in decision.reasons]


def event_row(event: Event, *, private: bool = True) -> EventRow:
    """What is shown of an event; without its evidence and reason to who may not see what is
    `private`."""
    limit = event.limit
    return EventRow(
        seq=event.seq,
        recorded_at=text_of(event.recorded_at),
        occurred_at=text_of(event.occurred_at),
        action=event.action,
        source=event.source,
        subject_key=event.subject_key,
        hash=event.hash,
        subject=event.subject.text if event.subject else None,
        scope=event.scope.text if event.scope else None,
        reason=event.reason if private else None,
        evidence=dict(event.evidence) if event.evidence and private else None,
        consent=event.consent,
        basis=event.basis,
        lifts=event.lifts,
        kind=event.suppression,
        sender=event.sender,
        until=None if limit is None or limit.until is None else text_of(limit.until),
        at_most=None if limit is None else limit.at_most,
        per=None if limit is None or limit.per is None else span_text(limit.per),
        prefer={event.prefer[0]: event.prefer[1]} if event.prefer else None,
        address=event.address.text if event.address else None,
        retracts=event.retracts,
        request_id=event.request_id,
    )


def recorded(answer: Receipt | HeedfulError) -> RecordedItem | FailedItem:
    """What is told of a receipt."""
    if isinstance(answer, HeedfulError):
        return FailedItem(of_item(answer))
    return RecordedItem(
        answer.seq, text_of(answer.recorded_at), answer.repeat, answer.lifts, answer.flagged
    )


_SPANS = ((DAY, "day"), (3600 * SECOND, "hour"), (60 * SECOND, "minute"), (SECOND, "second"))


def span_text(span: Instant) -> str:
    """A span as brand.toml and the items write it: `7 days`."""
    unit, word = next((u, w) for u, w in (*_SPANS, (1, "microsecond")) if span % u == 0)
    return f"{span // unit} {word}{'' if span == unit else 's'}"


def plain(row: Any) -> Any:
    """A row as dictionaries and lists, for printing."""
    return msgspec.to_builtins(row)
