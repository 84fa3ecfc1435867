"""A statement on its way into the ledger: checked and encoded before the writers' lock is taken,
so that the lock is held only for what needs the event's number and time."""

from collections.abc import Iterable
from copy import copy
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
_NONE: dict[str, str] = {}


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
    shape = _shape(
        s.action, s.scope, s.consent, s.basis, s.lifts, s.suppression, s.sender, s.limit, s.prefer
    )
    text = s.subject.text
    subject = seal.key_of_text(text)
    body = copy(shape.body)
    body.subject, body.source, body.reason = subject.hex(), s.source, s.reason
    body.request_id, body.retracts = s.request_id, s.retracts
    body.confirmation, body.purge_by = s.confirmation, purge_by
    cells = tuple((subject, *slot) for slot in shape.slots)
    other = other_text = evidence = None
    if s.evidence:
        evidence = (new_salt(), canonical(dict(s.evidence)).decode())
        body.evidence = salted(*evidence)
    if s.address is not None:
        other, other_text = seal.key_of(s.address), s.address.text
        body.address = other.hex()
        cells = _linked(s.action, subject, other)
    is_opt_out = s.action is Action.OPT_OUT
    content = seal.content_of(_said(s, body, text, other_text))
    request, instead = None, None
    if s.request_id is not None:
        request = request_key(s.source, s.request_id)
        if is_opt_out and s.source.startswith(_HOOK):
            again = f"{s.request_id}#{content.hex()}"
            instead = (request_key(s.source, again), again)
    # What cannot be encoded is refused before anything waits for it: here and in the two above.
    canonical((s.source, s.confirmation))
    return Draft(
        subject=subject,
        text=text,
        other=other,
        other_text=other_text,
        said_at=s.occurred_at,
        request=request,
        request_id=s.request_id,
        instead=instead,
        content=content,
        body=body,
        cells=cells,
        evidence=evidence,
        standing_scope=s.scope if s.unless_standing and is_opt_out else None,
        is_push_opt_out=is_opt_out and _is_push(s.subject),
        is_digest=not isinstance(s.subject, Address | Contact),
        is_contact=isinstance(s.subject, Contact),
    )


def _is_push(subject: Subject) -> bool:
    return isinstance(subject, Address) and subject.kind is AddressKind.PUSH


def _said(s: Statement, body: Body, text: str, other_text: str | None) -> bytes:
    """What was said, as the source said it: a repeat has the same. Not how we answered it."""
    return canonical(
        (
            body.action,
            text,
            body.scope,
            other_text,
            s.occurred_at,
            s.reason,
            dict(s.evidence) if s.evidence else _NONE,
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


def _linked(action: Action, subject: bytes, other: bytes) -> tuple[CellOf, ...]:
    event = Event(0, 0, 0, subject.hex(), None, action, "", address_key=other.hex())
    return tuple((bytes.fromhex(k), c.slot, c.scope, c.value) for k, c in cells_of(event))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What statements have in common that say the same of somebody else."""

    body: Body
    slots: tuple[tuple[str, str, str | None], ...]


@lru_cache(maxsize=4096)
def _shape(
    action: Action,
    scope: Scope | None,
    consent: Consent | None,
    basis: Basis,
    lifts: bool,
    suppression: Suppression | None,
    sender: str | None,
    limit: Limit | None,
    prefer: tuple[str, str] | None,
) -> _Shape:
    """The body but for whom, when and why, and what it writes by the one rule of core.state;
    remembered, since imports say the same a million times."""
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
    body = Body(
        action=action.value,
        basis=basis.value if basis is not Basis.NONE else None,
        consent=consent.value if consent is not None else None,
        lifts=lifts,
        limit=(limit.until, limit.at_most, limit.per) if limit is not None else None,
        occurred_at=0,
        prefer=prefer,
        recorded_at=0,
        scope=scope.text if scope is not None else None,
        sender=sender,
        seq=0,
        source="",
        subject="",
        suppression=suppression.value if suppression is not None else None,
    )
    return _Shape(body, tuple((cell.slot, cell.scope, cell.value) for _, cell in cells_of(event)))
