"""What stands for a subject: what its page, its API and the command show."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from heedful.core.address import Address, Subject
from heedful.core.catalogue import CHANNELS
from heedful.core.decision import Decision, Facts, suppressed
from heedful.core.instant import Instant
from heedful.core.scope import Category, Message
from heedful.core.state import Cell, State
from heedful.gate.case import Case
from heedful.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Said:
    """The latest word of one sort about a scope: when it was said, and in which event."""

    at: Instant
    seq: int


@dataclass(frozen=True, slots=True)
class ScopeStanding:
    """The latest words on one exact scope. `consents` by kind and basis: `express:none`."""

    scope: str
    out: Said | None
    lift: Said | None
    pending: Said | None
    consents: tuple[tuple[str, Said], ...]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A suppression that stands: its kind, on which channels, and the sender if it has one."""

    kind: str
    channels: tuple[str, ...]
    sender: str | None
    said: Said


@dataclass(frozen=True, slots=True)
class LimitStanding:
    """The person's own limit on a scope. One whose `until` is over is still listed."""

    scope: str
    until: Instant | None
    at_most: int | None
    per: Instant | None
    said: Said


@dataclass(frozen=True, slots=True)
class Link:
    """The other side of a link: its key, its text unless erased, and whether it holds now."""

    key: str
    subject: Subject | None
    now: bool
    said: Said


@dataclass(frozen=True, slots=True)
class MessageStanding:
    """What the gate answers for one topic on one channel."""

    channel: str
    topic: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Standing:
    """All of it, at one moment. `messages` is empty for a contact or a digest."""

    subject: Subject
    scopes: tuple[ScopeStanding, ...]
    suppressions: tuple[Suppressed, ...]
    limits: tuple[LimitStanding, ...]
    links: tuple[Link, ...]
    preferences: tuple[tuple[str, str], ...]
    erased: Said | None
    messages: tuple[MessageStanding, ...]
    catalogue: int
    seq: int


def standing_of(subject: Subject, key: bytes, case: Case, ledger: Ledger) -> Standing:
    """Read the standing off a case that asked about every message to the subject."""
    state = case.moment.state(key) or State()
    cells = sorted(state, key=lambda cell: (cell.scope, cell.slot))
    return Standing(
        subject=subject,
        scopes=tuple(_scopes(cells)),
        suppressions=tuple(_suppressions(subject, state)),
        limits=tuple(_limit(cell) for cell in cells if cell.slot == "limit" and cell.value),
        links=tuple(_links(state, ledger)),
        preferences=tuple(
            (cell.slot.partition(":")[2], cell.value or "")
            for cell in cells
            if cell.slot.startswith("prefer:")
        ),
        erased=_said(state.get("erase")),
        messages=tuple(
            MessageStanding(one.plan.message.channel, one.plan.message.topic, answer.decision)
            for one, answer in zip(case.asked, case.answers, strict=True)
        ),
        catalogue=case.book.number,
        seq=case.moment.seq,
    )


def _said(cell: Cell | None) -> Said | None:
    return Said(cell.at, cell.seq) if cell else None


def _scopes(cells: list[Cell]) -> Iterator[ScopeStanding]:
    for scope, group in groupby(cells, key=lambda cell: cell.scope):
        held = {cell.slot: Said(cell.at, cell.seq) for cell in group}
        consents = tuple(
            (s.removeprefix("in:"), said) for s, said in held.items() if s[:3] == "in:"
        )
        if consents or not held.keys().isdisjoint(("out", "lift", "pending")):
            yield ScopeStanding(
                scope, held.get("out"), held.get("lift"), held.get("pending"), consents
            )


def _suppressions(subject: Subject, state: State) -> Iterator[Suppressed]:
    """By the rule itself: on which channels a marketing message of that sender is stopped."""
    facts = Facts(state)
    for cell in state:
        word, _, rest = cell.slot.partition(":")
        if word != "suppress":
            continue
        kind, _, sender = rest.partition(":")
        senders = (sender,) if sender else ()
        channels = tuple(
            str(channel)
            for channel in CHANNELS
            if (not isinstance(subject, Address) or channel in subject.channels)
            and any(
                (reason.code, *reason.because) == (kind, cell.seq)
                for reason in suppressed(
                    Message(channel, "", Category.PROMOTIONAL, senders=senders), facts
                )
            )
        )
        if channels:
            yield Suppressed(kind, channels, sender or None, Said(cell.at, cell.seq))


def _limit(cell: Cell) -> LimitStanding:
    until, at_most, per = (
        None if word == "-" else int(word) for word in (cell.value or "- - -").split(" ")
    )
    return LimitStanding(cell.scope, until, at_most, per, Said(cell.at, cell.seq))


def _links(state: State, ledger: Ledger) -> Iterator[Link]:
    now, ever = state.linked()
    for key in sorted(ever):
        latest = max(
            (cell for slot in ("link", "unlink") if (cell := state.get(slot, key))),
            key=lambda cell: (cell.at, cell.seq),
        )
        subject = ledger.subject_of(bytes.fromhex(key))
        yield Link(key, subject, key in now, Said(latest.at, latest.seq))
