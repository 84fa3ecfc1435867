"""May this message be sent? One pure function answers, behind every door.

Gather (the gate reads), decide (here), apply (a reservation, later). All reasons are collected,
not only the first, and each carries the numbers of the events that it rests on.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from heedful.core.event import Consent, Suppression
from heedful.core.instant import LATEST, Instant
from heedful.core.policy import ConsentReach, Kinds, Rules
from heedful.core.scope import (
    Category,
    Channel,
    Message,
    Scope,
    TargetKind,
    aims,
    covers,
    target_covers,
    within,
)
from heedful.core.state import Cell, State


class Outcome(StrEnum):
    """Send it, do not, or not yet."""

    ALLOW = "allow"
    DENY = "deny"
    DEFER = "defer"


class ReasonCode(StrEnum):
    """Why not, or not now. A closed list: a new code changes the contract."""

    OPTED_OUT = "opted_out"
    SEGMENT_OPTED_OUT = "segment_opted_out"
    NO_CONSENT = "no_consent"
    CONSENT_EXPIRED = "consent_expired"
    UNDELIVERABLE = "undeliverable"
    COMPLAINT = "complaint"
    CARRIER_BLOCK = "carrier_block"
    REASSIGNED = "reassigned"
    LEGAL = "legal"
    CONTACT_HOURS = "contact_hours"
    FREQUENCY_CAP = "frequency_cap"
    PAUSED = "paused"
    UNCLEAR = "unclear"
    UNCONFIRMED = "unconfirmed"
    NOT_CONFIGURED = "not_configured"
    VENDOR_NOT_ALLOWED = "vendor_not_allowed"


SENTENCES = {
    ReasonCode.OPTED_OUT: "The person opted out of {scope} and has not come back.",
    ReasonCode.SEGMENT_OPTED_OUT: "The person left {scope}, which this message is aimed at.",
    ReasonCode.NO_CONSENT: "This message needs consent, and none that counts is on record.",
    ReasonCode.CONSENT_EXPIRED: "There was consent for {scope}, but it has run out.",
    ReasonCode.UNDELIVERABLE: "Messages to this address do not arrive.",
    ReasonCode.COMPLAINT: "The person reported a message as unwanted.",
    ReasonCode.CARRIER_BLOCK: "The carrier blocks this sender at the person's wish.",
    ReasonCode.REASSIGNED: "The number has passed to somebody else.",
    ReasonCode.LEGAL: "A legal matter forbids messages.",
    ReasonCode.CONTACT_HOURS: "It is outside the hours in which this person may be contacted.",
    ReasonCode.FREQUENCY_CAP: "As many messages as {scope} allows have been sent.",
    ReasonCode.PAUSED: "The person paused {scope}.",
    ReasonCode.UNCLEAR: "A reply may be an opt-out and is waiting for a person to read it.",
    ReasonCode.UNCONFIRMED: "The person asked for {scope}, but has not confirmed it yet.",
    ReasonCode.NOT_CONFIGURED: "A rule that this message needs is not configured.",
    ReasonCode.VENDOR_NOT_ALLOWED: "This vendor has no touchpoint for the message.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its code, the events behind it, and the scope that it came from, if any."""

    code: ReasonCode
    because: tuple[int, ...] = ()
    scope: str | None = None
    until: Instant | None = None

    @property
    def text(self) -> str:
        return SENTENCES[self.code].format(scope=self.scope or "it")


@dataclass(frozen=True, slots=True)
class Send:
    """A message that went out, for caps and limits."""

    channel: Channel
    topic: str
    category: Category
    at: Instant


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ledger knows about the recipient of one message, gathered by the gate.

    `contacts` are the states of the contacts that are consulted, `digests` those of the address's
    digests where such lists are held. `sends` may hold more than the caps need, in any order.
    """

    own: State
    contacts: tuple[State, ...] = ()
    digests: tuple[State, ...] = ()
    sends: tuple[Send, ...] = ()
    vendor_allowed: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `reasons` is empty for *allow*; `because` then names what it rests on."""

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    because: tuple[int, ...] = ()
    not_before: Instant | None = None

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ALLOW


def decide(message: Message, facts: Facts, rules: Rules, now: Instant) -> Decision:
    """Answer from the arguments alone.

    Deny, if any reason refuses; else defer to the latest `until`, if any reason only delays; else
    allow. A reason that delays has an `until`; no other has.
    """
    given, consent = _consent_reasons(message, facts, rules, now)
    reasons = (
        *(() if facts.vendor_allowed else (Reason(ReasonCode.VENDOR_NOT_ALLOWED),)),
        *suppressed(message, facts),
        *opted_out(message, facts),
        *consent,
        *paused(message, facts, now),
        *_capped(message, facts, rules, now),
    )
    if not reasons:
        return Decision(Outcome.ALLOW, because=given)
    because = tuple(sorted({seq for reason in reasons for seq in reason.because}))
    delays = [reason.until for reason in reasons if reason.until is not None]
    if len(delays) == len(reasons):
        return Decision(Outcome.DEFER, reasons, because, max(delays))
    return Decision(Outcome.DENY, reasons, because)


def suppressed(message: Message, facts: Facts) -> Iterator[Reason]:
    """The facts that stop this message, each as a reason of the same name."""
    held = [(facts.own, False), *((c, True) for c in facts.contacts)]
    held += [(d, False) for d in facts.digests]
    for state, is_contact in held:
        for cell in state:
            word, _, rest = cell.slot.partition(":")
            if word != "suppress":
                continue
            kind_text, _, sender = rest.partition(":")
            kind = Suppression(kind_text)
            if is_contact and kind is not Suppression.LEGAL:
                continue
            if not (kind.stops_everything or message.category.is_marketing):
                continue
            if not Scope.parse(cell.scope).on(message.channel):
                continue
            if sender and message.senders and sender not in message.senders:
                continue
            if not _released(state, cell, kind, sender, message.channel):
                yield Reason(ReasonCode(kind), (cell.seq,), cell.scope)


def _released(state: State, cell: Cell, kind: Suppression, sender: str, channel: Channel) -> bool:
    slots = {f"release:{kind}", f"release:{kind}:{sender}"}
    return any(
        r.slot in slots and r.at > cell.at and Scope.parse(r.scope).on(channel) for r in state
    )


def opted_out(message: Message, facts: Facts) -> Iterator[Reason]:
    """The opt-outs that stand against this message, those of its segments included."""
    for standing in _standing_opt_outs(message, facts):
        code = (
            ReasonCode.SEGMENT_OPTED_OUT
            if standing.scope.kind is TargetKind.SEGMENT
            else ReasonCode.OPTED_OUT
        )
        yield Reason(code, (standing.cell.seq,), standing.cell.scope)


def paused(message: Message, facts: Facts, now: Instant) -> Iterator[Reason]:
    """The person's own pauses that cover this message and are not over."""
    for cell, until, _, _ in _limits(message, facts):
        if until is not None and until > now:
            yield Reason(ReasonCode.PAUSED, (cell.seq,), cell.scope, until)


@dataclass(frozen=True, slots=True)
class _OptOut:
    """An opt-out that covers the message, and whose it is.

    `generation` says by which topic of the message's lineage: 0 is the message's own.
    """

    cell: Cell
    scope: Scope
    by_contact: bool
    home: State
    generation: int


def _opt_outs(message: Message, facts: Facts) -> Iterator[_OptOut]:
    """Every opt-out that covers the message, itself or as what its topic replaced."""
    homes = [(facts.own, False), *((d, False) for d in facts.digests)]
    homes += [(c, True) for c in facts.contacts]
    for home, by_contact in homes:
        for cell in home:
            if cell.slot != "out":
                continue
            scope = Scope.parse(cell.scope)
            if aims(scope, message):
                yield _OptOut(cell, scope, by_contact, home, 0)
            elif scope.on(message.channel):
                for generation, (topic, category) in enumerate(message.generations):
                    if target_covers(scope, topic, category):
                        yield _OptOut(cell, scope, by_contact, home, generation)


def _standing_opt_outs(message: Message, facts: Facts) -> Iterator[_OptOut]:
    seen: set[int] = set()
    for out in _opt_outs(message, facts):
        if id(out.cell) not in seen and not _lifted(out, "lift", message, facts):
            seen.add(id(out.cell))
            yield out


def _lifted(out: _OptOut, slot: str, message: Message, facts: Facts) -> bool:
    """Whether an opt-in in `slot` is later, of the same scope or narrower, and covers still.

    An opt-in on the address is narrower than a contact's opt-out; a contact's opt-in answers
    that contact's own opt-outs only.
    """
    homes = [(facts.own, out.by_contact, _address_gone(facts))]
    if out.by_contact:
        homes.append((out.home, False, _gone(out.home)))
    for state, narrower, gone in homes:
        for cell in state:
            if cell.slot == slot and _since(gone, cell):
                scope = Scope.parse(cell.scope)
                if _answers(out, scope, message) and _later(cell, scope, out, narrower, message):
                    return True
    return False


def _answers(out: _OptOut, scope: Scope, message: Message) -> bool:
    """Whether an opt-in of this scope is within the opt-out's and covers what that covered."""
    if out.scope.kind is TargetKind.SEGMENT:
        return aims(scope, message) and within(scope, out.scope)
    if not scope.on(message.channel):
        return False
    topic, category = message.generations[out.generation]
    if target_covers(scope, topic, category) and within(scope, out.scope):
        return True
    return _of_heir(out, scope, message)


def _of_heir(out: _OptOut, scope: Scope, message: Message) -> bool:
    """Whether the scope is that of a topic which the opt-out was passed on to.

    Such a topic is the narrower thing: who opts in to it by name has come back to it.
    """
    return (
        scope.kind is TargetKind.TOPIC
        and scope.name in message.heirs_of(out.generation)
        and out.scope.on(scope.channel)
    )


def _later(cell: Cell, scope: Scope, out: _OptOut, narrower: bool, message: Message) -> bool:
    """At an equal time the opt-out wins, except over a strictly narrower opt-in.

    `narrower` says that the opt-in's subject is: an address, where the opt-out is a contact's.
    """
    if cell.at != out.cell.at:
        return cell.at > out.cell.at
    if _of_heir(out, scope, message):
        return True
    return within(scope, out.scope) and (narrower or scope != out.scope)


def _gone(*states: State) -> Instant | None:
    """The latest instant up to which no opt-in counts any more, if there is one."""
    cells = [state.get(slot) for state in states for slot in ("reassigned", "erase")]
    return max((cell.at for cell in cells if cell), default=None)


def _address_gone(facts: Facts) -> Instant | None:
    """The same for the address, which may also have been listed by its digest."""
    return _gone(facts.own, *facts.digests)


def _since(gone: Instant | None, cell: Cell) -> bool:
    return gone is None or cell.at > gone


def _consent_reasons(
    message: Message, facts: Facts, rules: Rules, now: Instant
) -> tuple[tuple[int, ...], tuple[Reason, ...]]:
    """The consent that counts (its event), or the reason why there is none.

    An opt-out that stands is a reason of its own and is left aside here, so that the answer says
    what would still be missing once it were taken back.
    """
    accepted = rules.accepts(message.category, message.channel)
    if not accepted:
        return (), ()
    standing = {id(out.cell) for out in _standing_opt_outs(message, facts)}
    outs = [
        out
        for out in _opt_outs(message, facts)
        if out.scope.kind is not TargetKind.SEGMENT
        and id(out.cell) not in standing
        and not _lifted(out, f"in:{Consent.RESTORED}:none", message, facts)
    ]

    def counting(prefix: str, kinds: Kinds | None) -> Iterator[tuple[Cell, Scope, str]]:
        gone = _address_gone(facts)
        for cell in facts.own:
            word, _, rest = cell.slot.partition(":")
            scope = Scope.parse(cell.scope) if word == prefix else None
            if scope is None or not _since(gone, cell) or not covers(scope, message):
                continue
            if kinds is not None and rest.partition(":")[0] not in kinds:
                continue
            if not _reaches(cell, scope, message, rules):
                continue
            if all(_later(cell, scope, out, out.by_contact, message) for out in outs):
                yield cell, scope, rest

    live: list[Cell] = []
    expired: list[Cell] = []
    for cell, _, rest in counting("in", accepted):
        kind, _, basis = rest.partition(":")
        span = next((s for (k, b), s in rules.expiry.items() if k == kind and b == basis), None)
        (live if span is None or cell.at + span > now else expired).append(cell)
    if live:
        return (max(live, key=lambda c: (c.at, c.seq)).seq,), ()
    if expired:
        last = max(expired, key=lambda c: (c.at, c.seq))
        return (), (Reason(ReasonCode.CONSENT_EXPIRED, (last.seq,), last.scope),)
    if pending := [cell for cell, _, _ in counting("pending", None)]:
        last = max(pending, key=lambda c: (c.at, c.seq))
        return (), (Reason(ReasonCode.UNCONFIRMED, (last.seq,), last.scope),)
    ended = tuple(sorted({out.cell.seq for out in outs}))
    return (), (Reason(ReasonCode.NO_CONSENT, ended),)


def _reaches(cell: Cell, scope: Scope, message: Message, rules: Rules) -> bool:
    """Whether consent given then reaches a topic that may have come later."""
    if rules.consent_reach is ConsentReach.LATER_TOPICS or scope.kind is TargetKind.TOPIC:
        return True
    since = rules.topic_since.get(message.topic)
    return since is None or since <= cell.at


def _limits(
    message: Message, facts: Facts
) -> Iterator[tuple[Cell, Instant | None, int | None, Instant | None]]:
    for state in (facts.own, *facts.contacts, *facts.digests):
        for cell in state:
            if cell.slot != "limit" or cell.value is None:
                continue
            scope = Scope.parse(cell.scope)
            if aims(scope, message) or (
                scope.on(message.channel)
                and any(target_covers(scope, t, c) for t, c in message.generations)
            ):
                until, at_most, per = (
                    None if word == "-" else int(word) for word in cell.value.split(" ")
                )
                yield cell, until, at_most, per


def _capped(message: Message, facts: Facts, rules: Rules, now: Instant) -> Iterator[Reason]:
    """Caps of the brand (marketing only) and limits of the person that are used up for now."""
    if message.category.is_marketing:
        for cap in rules.caps:
            if cap.channel in (Channel.ANY, message.channel):
                on = Scope(cap.channel, TargetKind.MARKETING)
                yield from _used_up(on, cap.at_most, cap.per, facts.sends, now, ())
    for cell, _, at_most, per in _limits(message, facts):
        if at_most is not None and per is not None:
            scope = Scope.parse(cell.scope)
            line = {topic for topic, _ in message.generations}
            yield from _used_up(scope, at_most, per, facts.sends, now, (cell.seq,), line)


def _used_up(
    scope: Scope,
    at_most: int,
    per: Instant,
    sends: Iterable[Send],
    now: Instant,
    because: tuple[int, ...],
    line: Container[str] = (),
) -> Iterator[Reason]:
    """`line`: topics whose messages count in any case, as they pass the limit on to each other."""
    recent = sorted(
        send.at
        for send in sends
        if now - per < send.at <= now
        and scope.on(send.channel)
        and (send.topic in line or target_covers(scope, send.topic, send.category))
    )
    if len(recent) >= at_most:
        frees = min(recent[len(recent) - at_most] + per, LATEST)
        yield Reason(ReasonCode.FREQUENCY_CAP, because, scope.text, frees)
