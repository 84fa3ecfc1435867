"""What a vendor is to be told. Pure: events, facts and the catalogue in, values out.

A vendor is told of an event if the event can change what stands for something that it sends: for
one of its *touches*, a topic on a channel. It is told the standing of those touches as it is when
the message leaves, so the last word that it got is the standing, whatever was said in between.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from heedful.core.address import Address, AddressKind, Subject
from heedful.core.catalogue import Catalogue
from heedful.core.decision import Facts, Reason, opted_out, paused, suppressed
from heedful.core.event import Action, Event, Suppression
from heedful.core.instant import Instant, text_of
from heedful.core.scope import Message, Scope, target_covers
from heedful.fanout.terms import terms

_MEMO = 4096


class Word(StrEnum):
    """What stands for one touch, as a vendor hears it.

    `in` says that nobody's wish and no fact stops the message, not that there is consent: whoever
    sends still asks.
    """

    OUT = "out"
    IN = "in"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Standing:
    """One touch and its word; `until` where it is paused."""

    channel: str
    topic: str
    word: Word
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What stands for some touches: as values, the words that occur, and as rows for JSON."""

    standing: tuple[Standing, ...]
    words: frozenset[Word]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Why:
    """The event that an instruction names: its number, time and scope, and what it did."""

    seq: int
    at: Instant
    action: Action
    scope: str


SAYS: Mapping[Action, frozenset[Word]] = {
    Action.OPT_OUT: frozenset({Word.OUT}),
    Action.SUPPRESS: frozenset({Word.OUT}),
    Action.ERASE: frozenset({Word.OUT}),
    Action.LINK: frozenset({Word.OUT, Word.PAUSED}),
    Action.OPT_IN: frozenset({Word.IN, Word.PAUSED}),
    Action.RELEASE: frozenset({Word.IN, Word.PAUSED}),
    Action.LIMIT: frozenset({Word.IN, Word.PAUSED}),
    Action.RETRACT: frozenset(Word),
}
"""The words that an event can have brought about. No other event changes what stands."""

_NO_TARGET = "*/everything"


class Touches:
    """What one vendor sends, by one catalogue: its touches in the catalogue's order.

    A set of touches is an integer, bit by bit in that order. `text` is what is remembered with the
    vendor's cursor: with a word in it that is new, the vendor must be told anew what stands.
    """

    def __init__(self, catalogue: Catalogue, vendor: str) -> None:
        self.vendor = vendor
        self.honour_within = catalogue.vendor(vendor).honour_within
        self.messages: tuple[Message, ...] = tuple(
            catalogue.message(channel, topic, vendor=vendor)
            for channel, topic in catalogue.touches(vendor)
        )
        self.all = (1 << len(self.messages)) - 1
        self.text = terms(self.messages, catalogue.vendor(vendor))
        self._served: dict[AddressKind, int] = {}
        self._reach: dict[Hashable, tuple[Scope | None, int]] = {}
        self._said: dict[Hashable, Said] = {}

    def served(self, subject: Subject | None) -> int:
        """The touches on channels that an address serves; all, where that cannot be told."""
        if not isinstance(subject, Address):
            return self.all
        found = self._served.get(subject.kind)
        if found is None:
            found = self._served[subject.kind] = sum(
                1 << bit
                for bit, message in enumerate(self.messages)
                if message.channel in subject.channels
            )
        return found

    def reach(self, event: Event, retracted: Event | None = None) -> int:
        """The touches whose standing the event can have changed; 0 where it concerns none.

        `retracted`: the event that a `retract` names.
        """
        if event.action is Action.RETRACT:
            return self.reach(retracted) if retracted else 0
        if event.action not in SAYS or (event.action is Action.OPT_IN and not event.lifts):
            return 0
        # A scope is remembered with its id: hashing it would cost more than all the rest.
        what = (event.action._value_, id(event.scope), event.suppression, event.sender)
        found = self._reach.get(what)
        if found is None:
            if len(self._reach) >= _MEMO:
                self._reach.clear()
            mask = sum(
                1 << bit for bit, message in enumerate(self.messages) if _reaches(event, message)
            )
            found = self._reach[what] = event.scope, mask
        return found[1]

    def standing(self, facts: Facts, now: Instant) -> tuple[Standing, ...]:
        """What stands for each touch."""
        return tuple(_standing(message, facts, now) for message in self.messages)

    def say(
        self, mask: int, now: Instant, facts: Callable[[], Facts], signature: Hashable | None
    ) -> Said:
        """What stands for a set of touches, ready to be told. Facts of the same signature stand
        alike at any time, so that it is worked out once, and the facts are not asked for."""
        if signature is None:
            return self._worked_out(mask, facts(), now)
        found = self._said.get((signature, mask))
        if found is None:
            if len(self._said) >= _MEMO:
                self._said.clear()
            found = self._said[signature, mask] = self._worked_out(mask, facts(), now)
        return found

    def _worked_out(self, mask: int, facts: Facts, now: Instant) -> Said:
        standing = self.standing(facts, now)
        picked = tuple(s for bit, s in enumerate(standing) if mask >> bit & 1)
        return Said(picked, frozenset(s.word for s in picked), tuple(map(_row, picked)))

    def cause(self, facts: Facts, now: Instant, upto: int, mask: int) -> Why | None:
        """The latest event up to a number for which one of these touches is out or paused."""
        best: tuple[int, str, Action] | None = None
        for bit, message in enumerate(self.messages):
            if not mask >> bit & 1:
                continue
            stops = [(r, Action.OPT_OUT) for r in _stops(message, facts)]
            stops += [(r, Action.LIMIT) for r in paused(message, facts, now)]
            for reason, action in stops:
                for seq in reason.because:
                    if seq <= upto and (best is None or seq > best[0]):
                        best = (seq, reason.scope or _NO_TARGET, action)
        if best is None:
            return None
        seq, scope, action = best
        states = (facts.own, *facts.contacts, *facts.digests)
        at = next(cell.at for state in states for cell in state if cell.seq == seq)
        return Why(seq, at, action, scope)


def why_of(event: Event, retracted: Event | None = None) -> Why:
    """The event as an instruction names it. What has no target of its own names all."""
    scope = event.scope or (retracted.scope if retracted else None)
    return Why(
        event.seq, event.occurred_at, event.action, scope.text if scope is not None else _NO_TARGET
    )


def overtaken(action: Action, said: Said) -> bool:
    """Whether none of what the event said still stands: a later wish, which is told by itself,
    or an earlier report of a later one, has taken its place."""
    return said.words.isdisjoint(SAYS[action])


def data_of(
    why: Why, subject: str, said: Said, honour_within: Instant | None
) -> Mapping[str, object]:
    """An instruction's `data`, ready for JSON."""
    data: dict[str, object] = {
        "seq": why.seq,
        "subject": subject,
        "scope": why.scope,
        "action": why.action._value_,
        "occurred_at": _text_of(why.at),
        "standing": said.rows,
    }
    if honour_within is not None:
        data["honour_by"] = _text_of(why.at + honour_within)
    return data


_text_of = lru_cache(4096)(text_of)  # vendors hear of the same event one after another


def _row(standing: Standing) -> Mapping[str, str]:
    row = {"channel": standing.channel, "topic": standing.topic, "is": str(standing.word)}
    if standing.until is not None:
        row["until"] = text_of(standing.until)
    return row


def _standing(message: Message, facts: Facts, now: Instant) -> Standing:
    channel, topic = str(message.channel), message.topic
    if _stops(message, facts):
        return Standing(channel, topic, Word.OUT)
    ends = [reason.until for reason in paused(message, facts, now) if reason.until is not None]
    if ends:
        return Standing(channel, topic, Word.PAUSED, max(ends))
    return Standing(channel, topic, Word.IN)


def _stops(message: Message, facts: Facts) -> tuple[Reason, ...]:
    return (*suppressed(message, facts), *opted_out(message, facts))


def _reaches(event: Event, message: Message) -> bool:
    match event.action:
        case Action.ERASE | Action.LINK:
            return True
        case Action.SUPPRESS | Action.RELEASE:
            return _fact_reaches(event, message)
        case _:
            return event.scope is not None and _wish_reaches(event.scope, message)


def _wish_reaches(scope: Scope, message: Message) -> bool:
    return scope.on(message.channel) and any(
        target_covers(scope, topic, category) for topic, category in message.generations
    )


def _fact_reaches(event: Event, message: Message) -> bool:
    if event.suppression is None or event.scope is None:
        return False
    if event.suppression is Suppression.REASSIGNED and event.action is Action.SUPPRESS:
        return True  # what the number's former holder opted in to counts on no channel any more
    return (
        event.scope.on(message.channel)
        and (event.suppression.stops_everything or message.category.is_marketing)
        and not (event.sender and message.senders and event.sender not in message.senders)
    )
