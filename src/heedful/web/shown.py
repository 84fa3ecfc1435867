"""A subject's standing as a body."""

from collections.abc import Callable

from msgspec import Struct

from heedful.core.decision import Outcome
from heedful.core.instant import text_of
from heedful.core.scope import Channel
from heedful.gate import MessageStanding, Standing
from heedful.gate.standing import Said
from heedful.web.bodies import ReasonRow, reason_rows, span_text


class SaidRow(Struct, frozen=True):
    """When it was said, and the number of the event."""

    at: str
    seq: int


class ScopeRow(Struct, frozen=True, omit_defaults=True):
    """The latest words on one exact scope; `consents` by kind and basis, as in `express:none`."""

    scope: str
    out: SaidRow | None = None
    lift: SaidRow | None = None
    pending: SaidRow | None = None
    consents: dict[str, SaidRow] = {}


class SuppressionRow(Struct, frozen=True, omit_defaults=True):
    """A suppression that stands."""

    kind: str
    channels: list[Channel]
    said: SaidRow
    sender: str | None = None


class LimitRow(Struct, frozen=True, omit_defaults=True):
    """The person's own limit on a scope."""

    scope: str
    said: SaidRow
    until: str | None = None
    at_most: int | None = None
    per: str | None = None


class LinkRow(Struct, frozen=True, omit_defaults=True):
    """A contact's address, or an address's contact. `subject` is missing once it was erased."""

    now: bool
    said: SaidRow
    key: str
    subject: str | None = None


class MessageRow(Struct, frozen=True):
    """What the gate answers now for one topic on one channel."""

    channel: Channel
    topic: str
    outcome: Outcome
    reasons: list[ReasonRow]


class SubjectAnswer(Struct, frozen=True, omit_defaults=True):
    """All that stands for a subject; `seq` is the head of the history that it is true at."""

    subject: str
    seq: int
    catalogue: int
    scopes: list[ScopeRow]
    suppressions: list[SuppressionRow]
    limits: list[LimitRow]
    links: list[LinkRow]
    messages: list[MessageRow]
    preferences: dict[str, str] = {}
    erased: SaidRow | None = None


def _all(_: object) -> bool:
    return True


def subject_answer(
    standing: Standing,
    messages: Callable[[MessageStanding], bool] = _all,
    scopes: Callable[[str], bool] = _all,
    *,
    private: bool = True,
) -> SubjectAnswer:
    """The body; what the two filters refuse is left out, and so are links and preferences where
    the reader is not to see what is `private`."""
    return SubjectAnswer(
        subject=standing.subject.text,
        seq=standing.seq,
        catalogue=standing.catalogue,
        scopes=[
            ScopeRow(
                s.scope,
                _said(s.out),
                _said(s.lift),
                _said(s.pending),
                {kind: _row(said) for kind, said in s.consents},
            )
            for s in standing.scopes
            if scopes(s.scope)
        ],
        suppressions=[
            SuppressionRow(s.kind, [Channel(c) for c in s.channels], _row(s.said), s.sender)
            for s in standing.suppressions
            if any(scopes(f"{channel}/everything") for channel in s.channels)
        ],
        limits=[
            LimitRow(
                limit.scope,
                _row(limit.said),
                None if limit.until is None else text_of(limit.until),
                limit.at_most,
                None if limit.per is None else span_text(limit.per),
            )
            for limit in standing.limits
            if scopes(limit.scope)
        ],
        links=[
            LinkRow(
                link.now,
                _row(link.said),
                link.key,
                None if link.subject is None else link.subject.text,
            )
            for link in standing.links
            if private
        ],
        messages=[
            MessageRow(Channel(m.channel), m.topic, m.decision.outcome, reason_rows(m.decision))
            for m in standing.messages
            if messages(m)
        ],
        preferences=dict(standing.preferences) if private else {},
        erased=_said(standing.erased),
    )


def _row(said: Said) -> SaidRow:
    return SaidRow(text_of(said.at), said.seq)


def _said(said: Said | None) -> SaidRow | None:
    return None if said is None else _row(said)
