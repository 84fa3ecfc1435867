"""A statement on its way into the ledger: checked and encoded before the writers' lock is taken,
so that the lock is held only for what needs the event's number and time."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from heedful.core.address import Address, AddressKind, Contact, Subject
from heedful.core.errors import InvalidEvent
from heedful.core.event import Action, Basis, Consent, Event, Limit, Statement, Suppression
from heedful.core.instant import Instant
from heedful.core.scope import Scope
from heedful.core.state import cells_of
from heedful.ledger.seal import Body, Seal, canonical, new_salt, request_key, salted

CellOf = tuple[bytes, str, str, str | None]
"""Whose cell, slot, scope and value: all of a cell but its time and number."""

FARTHEST: Instant = 2**62
"""No instant lies farther from 1970 than this: what both engines can hold, and then some."""

_HOOK = "hook:"


@dataclass(slots=True)
class Draft:
    """One statement, ready to get its number. `body` is filled in under the lock.

    `instead`: the request key and id that a hook's opt-out gets when its own id was used before
    for something else: it is recorded all the same.
    """

    subject: bytes
    text: str | None
    "the subject's text; None where the ledger must already have it"
    other: bytes | None
    other_text: str | None
    said_at: Instant | None
    request: bytes | None
    request_id: str | None
    instead: tuple[bytes, str] | None
    content: bytes
    body: Body
    cells: tuple[CellOf, ...]
    evidence: tuple[bytes, str] | None
    standing_scope: Scope | None
    "the scope that makes it a repeat while the same source's opt-out of it stands"
    is_push_opt_out: bool
    is_digest: bool
    is_contact: bool


def drafts_of(group: Iterable[Statement], seal: Seal) -> list[Draft]:
    """Encode a group. InvalidEvent for what cannot be stored or is not for this door."""
    return [draft_of(statement, seal) for statement in group]


def draft_of(s: Statement, seal: Seal, purge_by: Instant | None = None) -> Draft:
    """Encode one statement. `purge_by` belongs to an erasure, which has a way in of its own."""
    if (s.action is Action.ERASE) != (purge_by is not None):
        raise InvalidEvent("An erasure is asked for by `erase`. Nothing was recorded.")
    if s.occurred_at is not None and not -FARTHEST < s.occurred_at < FARTHEST:
        raise InvalidEvent("The time lies too far from now. Nothing was recorded.")
    subject = seal.key_of(s.subject)
    other = seal.key_of(s.address) if s.address is not None else None
    evidence = None
    if s.evidence:
        evidence = (new_salt(), canonical(dict(s.evidence)).decode())
    body = Body(
        action=s.action.value,
        address=other.hex() if other is not None else None,
        basis=s.basis.value if s.basis is not Basis.NONE else None,
        confirmation=s.confirmation,
        consent=s.consent.value if s.consent is not None else None,
        evidence=salted(*evidence) if evidence else None,
        lifts=s.lifts,
        limit=(s.limit.until, s.limit.at_most, s.limit.per) if s.limit is not None else None,
        occurred_at=0,
        prefer=s.prefer,
        purge_by=purge_by,
        reason=s.reason,
        recorded_at=0,
        request_id=s.request_id,
        retracts=s.retracts,
        scope=s.scope.text if s.scope is not None else None,
        sender=s.sender,
        seq=0,
        source=s.source,
        subject=subject.hex(),
        suppression=s.suppression.value if s.suppression is not None else None,
    )
    is_opt_out = s.action is Action.OPT_OUT
    content = seal.content_of(_said(s, body))
    request, instead = None, None
    if s.request_id is not None:
        request = request_key(s.source, s.request_id)
        if is_opt_out and s.source.startswith(_HOOK):
            again = f"{s.request_id}#{content.hex()}"
            instead = (request_key(s.source, again), again)
    canonical(body)  # what cannot be encoded is refused here, before anything waits for it
    return Draft(
        subject=subject,
        text=s.subject.text,
        other=other,
        other_text=s.address.text if s.address is not None else None,
        said_at=s.occurred_at,
        request=request,
        request_id=s.request_id,
        instead=instead,
        content=content,
        body=body,
        cells=_cells(s, subject, other),
        evidence=evidence,
        standing_scope=s.scope if s.unless_standing and is_opt_out else None,
        is_push_opt_out=is_opt_out and _is_push(s.subject),
        is_digest=not isinstance(s.subject, Address | Contact),
        is_contact=isinstance(s.subject, Contact),
    )


def _is_push(subject: Subject) -> bool:
    return isinstance(subject, Address) and subject.kind is AddressKind.PUSH


def _said(s: Statement, body: Body) -> bytes:
    """What was said, as the source said it: a repeat has the same. Not how we answered it."""
    return canonical(
        (
            body.action,
            s.subject.text,
            body.scope,
            s.address.text if s.address is not None else None,
            s.occurred_at,
            s.reason,
            dict(s.evidence),
            body.consent,
            body.basis,
            s.lifts,
            body.suppression,
            s.sender,
            body.limit,
            s.prefer,
            s.retracts,
        )
    )


def _cells(s: Statement, subject: bytes, other: bytes | None) -> tuple[CellOf, ...]:
    if other is not None:
        event = Event(0, 0, 0, subject.hex(), None, s.action, "", address_key=other.hex())
        return tuple((bytes.fromhex(k), c.slot, c.scope, c.value) for k, c in cells_of(event))
    slots = _slots(
        s.action, s.scope, s.consent, s.basis, s.lifts, s.suppression, s.sender, s.limit, s.prefer
    )
    return tuple((subject, slot, scope, value) for slot, scope, value in slots)


@lru_cache(maxsize=4096)
def _slots(
    action: Action,
    scope: Scope | None,
    consent: Consent | None,
    basis: Basis,
    lifts: bool,
    suppression: Suppression | None,
    sender: str | None,
    limit: Limit | None,
    prefer: tuple[str, str] | None,
) -> tuple[tuple[str, str, str | None], ...]:
    """What an event writes, by the one rule of core.state; remembered, since imports ask the same
    a million times."""
    event = Event(
        seq=0,
        recorded_at=0,
        occurred_at=0,
        subject_key="",
        subject=None,
        action=action,
        source="",
        scope=scope,
        consent=consent,
        basis=basis,
        lifts=lifts,
        suppression=suppression,
        sender=sender,
        limit=limit,
        prefer=prefer,
    )
    return tuple((cell.slot, cell.scope, cell.value) for _, cell in cells_of(event))
