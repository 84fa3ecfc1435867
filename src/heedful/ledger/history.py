"""Rows of the history as events."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from heedful.core.address import Address, Subject, parse_subject
from heedful.core.event import Action, Basis, Consent, Event, Limit, Suppression
from heedful.core.scope import Scope
from heedful.ledger.seal import body_of
from heedful.ledger.values import Row


def event_of(row: Row) -> Event:
    """An event from (seq, subject, other, hash, body, subject's text, other's text, evidence).

    The texts are None once erased; `evidence` is None too, where there is none (any more).
    """
    seq, _, _, digest, encoded, text, other_text, evidence = row
    body = body_of(encoded)
    return Event(
        seq=seq,
        recorded_at=body.recorded_at,
        occurred_at=body.occurred_at,
        subject_key=body.subject,
        subject=subject_of(text),
        action=Action(body.action),
        source=body.source,
        scope=Scope.parse(body.scope) if body.scope is not None else None,
        reason=body.reason,
        evidence=_evidence(evidence),
        request_id=body.request_id,
        consent=Consent(body.consent) if body.consent is not None else None,
        basis=Basis(body.basis) if body.basis is not None else Basis.NONE,
        lifts=body.lifts,
        suppression=Suppression(body.suppression) if body.suppression is not None else None,
        sender=body.sender,
        limit=Limit(*body.limit) if body.limit is not None else None,
        prefer=body.prefer,
        address_key=body.address,
        address=_address(other_text),
        retracts=body.retracts,
        hash=digest.hex(),
    )


def subject_of(text: str | None) -> Subject | None:
    """The subject whose canonical text is stored, if it still is."""
    return parse_subject(text) if text is not None else None


def _address(text: str | None) -> Address | None:
    return Address.parse(text) if text is not None else None


def _evidence(text: str | None) -> Mapping[str, str] | None:
    return MappingProxyType(json.loads(text)) if text is not None else None
