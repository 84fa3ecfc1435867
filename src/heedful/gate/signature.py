"""The standing signature: what a decision depends on, without whose it is or when.

Where an address has only opt-outs and opt-ins, no consent runs out and no cap concerns the message,
`decide()` looks at nothing but the order of the cells. So its answer is worked out once for each
order that occurs, with ranks in place of times and event numbers, and then filled in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from heedful.core.address import Address, AddressKind
from heedful.core.catalogue import Catalogue
from heedful.core.decision import Decision, Facts, Outcome, Reason, ReasonCode, decide
from heedful.core.policy import ConsentReach, Rules
from heedful.core.scope import Channel, Message
from heedful.core.state import Cell, State
from heedful.gate.question import SERVES, Alternative, Answer, channel_of

Row = tuple[str, str, int, int, str | None]
"""A cell as it is stored: slot, scope, at, seq, value."""

Signature = tuple[object, ...]

_MOST = 1024
"""Signatures of a plan, and plans of a rulebook, that are kept: some kB each."""


def ranked(rows: Sequence[Row]) -> tuple[Signature, tuple[int, ...]] | None:
    """The signature and the event numbers in order; None, if there are times before 1970.

    The signature keeps which cells there are, the order of their times with ties, and the order of
    their events: a decision sorts by both. In which order the rows come does not matter. Times
    before 1970 are left to the long way: 1969's last instant stands for "never" there. Values are
    left out, so a verdict is kept under a signature only where all cells are `plain`.
    """
    count = len(rows)
    if count == 2:  # by far the most frequent: one choice, once changed
        (slot, scope, at, seq, _), (slot2, scope2, at2, seq2, _) = rows
        if at < 0 or at2 < 0:
            return None
        if slot > slot2 or (slot == slot2 and scope > scope2):
            slot, scope, at, seq, slot2, scope2, at2, seq2 = (
                slot2, scope2, at2, seq2, slot, scope, at, seq,
            )  # fmt: skip
        order = (at > at2) - (at < at2)
        if seq == seq2:
            return (slot, scope, slot2, scope2, order, 0), (seq,)
        if seq < seq2:
            return (slot, scope, slot2, scope2, order, -1), (seq, seq2)
        return (slot, scope, slot2, scope2, order, 1), (seq2, seq)
    if count == 0:
        return (), ()
    ats = sorted({row[2] for row in rows})
    if ats[0] < 0:
        return None
    seqs = sorted({row[3] for row in rows})
    if count == 1:
        return (rows[0][0], rows[0][1]), (seqs[0],)
    by_at = {at: rank for rank, at in enumerate(ats)}
    by_seq = {seq: rank for rank, seq in enumerate(seqs)}
    return (
        tuple([(slot, scope, by_at[at], by_seq[seq]) for slot, scope, at, seq, _ in sorted(rows)]),
        tuple(seqs),
    )


_PLAIN = {"out", "lift"}


def plain(rows: Sequence[Row]) -> bool:
    """Whether there are only opt-outs and opt-ins among the cells."""
    return all(slot in _PLAIN or slot.startswith("in:") for slot, _, _, _, _ in rows)


def state_in_ranks(rows: Sequence[Row]) -> State:
    """The state with ranks for times and event numbers, from 0."""
    by_at = {at: rank for rank, at in enumerate(sorted({row[2] for row in rows}))}
    by_seq = {seq: rank for rank, seq in enumerate(sorted({row[3] for row in rows}))}
    return State(
        Cell(slot, scope, by_at[at], by_seq[seq], value)
        for slot, scope, at, seq, value in sorted(rows)
    )


def filled(decision: Decision, seqs: Sequence[int]) -> Decision:
    """The decision with event numbers in place of ranks."""
    ranks = decision.because
    if not ranks:
        return decision
    because = (seqs[ranks[0]],) if len(ranks) == 1 else tuple([seqs[rank] for rank in ranks])
    reasons = decision.reasons
    if reasons:
        filled_in = []
        for r in reasons:
            mine = r.because
            if mine == ranks:
                mine = because
            elif len(mine) == 1:
                mine = (seqs[mine[0]],)
            else:
                mine = tuple([seqs[rank] for rank in mine])
            filled_in.append(_reason(r.code, mine, r.scope))
        reasons = tuple(filled_in)
    return _decision(decision.outcome, reasons, because)


# A frozen dataclass checks each of its fields as it is made, which costs more than all the rest of
# an answer; these two set the slots themselves. A timeless decision never has an `until`.
_new = object.__new__
_code, _because, _scope, _until = (
    getattr(Reason, name).__set__ for name in ("code", "because", "scope", "until")
)
_outcome, _reasons, _rests_on, _not_before = (
    getattr(Decision, name).__set__ for name in ("outcome", "reasons", "because", "not_before")
)


def _reason(code: ReasonCode, because: tuple[int, ...], scope: str | None) -> Reason:
    reason = _new(Reason)
    _code(reason, code)
    _because(reason, because)
    _scope(reason, scope)
    _until(reason, None)
    return reason


def _decision(outcome: Outcome, reasons: tuple[Reason, ...], because: tuple[int, ...]) -> Decision:
    decision = _new(Decision)
    _outcome(decision, outcome)
    _reasons(decision, reasons)
    _rests_on(decision, because)
    _not_before(decision, None)
    return decision


_decided, _alternatives, _catalogue, _seq = (
    getattr(Answer, name).__set__ for name in ("decision", "alternatives", "catalogue", "seq")
)


def answered(
    decision: Decision, alternatives: tuple[Alternative, ...], catalogue: int, seq: int
) -> Answer:
    """An Answer, made the quick way."""
    answer = _new(Answer)
    _decided(answer, decision)
    _alternatives(answer, alternatives)
    _catalogue(answer, catalogue)
    _seq(answer, seq)
    return answer


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What `decide()` said about one order of cells: the decision, with ranks for event numbers.

    `others`: where it is not *allow*, what holds on the address's other channels.
    """

    decision: Decision
    others: tuple[tuple[Channel, Outcome], ...] = ()

    def answer(self, seqs: Sequence[int], to: str, catalogue: int, seq: int) -> Answer:
        """The answer for an address of such a standing, by its text form and its events."""
        others: tuple[Alternative, ...] = ()
        if self.others:
            address = Address.parse(to)
            others = tuple([Alternative(channel, address, out) for channel, out in self.others])
        return answered(filled(self.decision, seqs), others, catalogue, seq)


Ruling = tuple[Verdict, tuple[int, ...]]
"""A verdict, and the event numbers that stand for its ranks."""


@dataclass(slots=True, eq=False)
class Plan:
    """One message of one catalogue, and the verdicts on it so far.

    `timeless`: the order of plain cells is all that the decision depends on.
    """

    message: Message
    rules: Rules
    vendor_allowed: bool
    timeless: bool
    reaches: AddressKind | None
    others: tuple["Plan", ...] = ()
    "the plans of the topic's other channels that reach the same kind of address"
    verdicts: dict[Signature, Verdict | None] = field(default_factory=dict)

    def ruling(self, rows: Sequence[Row]) -> Ruling | None:
        """By what was decided before on such a standing; None where only the long way can tell."""
        standing = ranked(rows) if self.timeless else None
        if standing is None:
            return None
        verdict = self.verdicts.get(standing[0]) or self._verdict(rows, standing[0])
        return None if verdict is None else (verdict, standing[1])

    def _verdict(self, rows: Sequence[Row], signature: Signature) -> Verdict | None:
        """The verdict, worked out and remembered."""
        try:
            return self.verdicts[signature]
        except KeyError:
            pass
        if not plain(rows):
            return None
        state = state_in_ranks(rows)
        decision = self.decide(state)
        found: Verdict | None = Verdict(decision)
        if not decision.allowed:
            if all(other.timeless for other in self.others):
                channels = [(o.message.channel, o.decide(state).outcome) for o in self.others]
                found = Verdict(decision, tuple(channels))
            else:
                found = None
        if len(self.verdicts) >= _MOST:
            self.verdicts.clear()
        self.verdicts[signature] = found
        return found

    def decide(self, state: State) -> Decision:
        facts = Facts(state, vendor_allowed=self.vendor_allowed)
        return decide(self.message, facts, self.rules, 0)


class Rulebook:
    """One catalogue in force: its rules, and a plan for each message that was asked about.

    Shared between threads: what two of them work out at once is the same, and either may stay.
    """

    __slots__ = ("_plans", "catalogue", "number", "region", "rules")

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.number = catalogue.number
        self.region = catalogue.region
        self.rules = catalogue.rules()
        self._plans: dict[tuple[object, ...], Plan] = {}

    def plan(
        self,
        channel: str,
        topic: str,
        segments: tuple[str, ...] = (),
        vendor: str | None = None,
        sender: str | None = None,
    ) -> Plan:
        """The plan of a message. Unknown names are errors, never a guess."""
        wanted = (channel, topic, segments, vendor, sender)
        try:
            return self._plans[wanted]
        except KeyError:
            pass
        plan = self._made(channel_of(channel), topic, segments, vendor, sender)
        plan.others = tuple(
            self._made(other, topic, segments, vendor, None)
            for other in self.catalogue.topic(topic).channels
            if other is not plan.message.channel and SERVES.get(other) is plan.reaches
        )
        if len(self._plans) >= _MOST:
            self._plans.clear()
        self._plans[wanted] = plan
        return plan

    def _made(
        self,
        channel: Channel,
        topic: str,
        segments: tuple[str, ...],
        vendor: str | None,
        sender: str | None,
    ) -> Plan:
        message = self.catalogue.message(channel, topic, segments, vendor, sender)
        return Plan(
            message,
            self.rules,
            self.catalogue.allows_vendor(message),
            timeless(message, self.rules),
            SERVES.get(channel),
        )


def timeless(message: Message, rules: Rules) -> bool:
    """Whether only the order of the cells matters: no expiry, no cap, no topic's first day."""
    if message.category.is_marketing and any(
        cap.channel in (Channel.ANY, message.channel) for cap in rules.caps
    ):
        return False
    return not rules.accepts(message.category, message.channel) or (
        not rules.expiry and rules.consent_reach is ConsentReach.LATER_TOPICS
    )
