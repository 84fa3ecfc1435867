"""The one rule again, slow and obvious, over the plain list of events.

Written from the sentences of the design and from nothing else: no cells, no state, nothing of
`core.state`, `core.decision` or the cover relation of `core.scope`. A scope is here what it
reaches, as a plain set of (channel, topic), and narrower means a smaller set.

Conventions that the sentences leave open, shared with `decide()`:

* Consent is judged leaving aside the opt-outs that stand, since they are reasons of their own:
  of a scope in which one stands, none counts (so yes, then STOP gives `opted_out` alone).
* Where a time must be *before* or *after* another and they are equal, the one that stops messages
  wins: a release at the instant of its suppression is too early, and so is an opt-in at the instant
  of an erasure or a reassignment.
* What a topic replaces passes its opt-outs on at each succession. Who opts in by name to the
  successor has opted in to the narrower thing.
* A digest is another name of the address: what is recorded under it is the address's, but for
  opt-ins, which nobody can prove. A contact's opt-out is wider than its addresses'.
* An opt-in before a reassignment "never counts again": neither as consent nor as a lift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from heedful.core.event import Action, Consent, Event, Suppression
from heedful.core.instant import Instant
from heedful.core.policy import Cap, ConsentReach
from heedful.core.scope import Category, Channel, Scope, TargetKind

CHANNELS = [c for c in Channel if c is not Channel.ANY]
Place = tuple[Channel, str]


@dataclass
class World:
    """The brand: its topics with category and what they replace, and its rules."""

    topics: Mapping[str, tuple[Category, tuple[str, ...]]]
    accepts: Mapping[tuple[Category, Channel], frozenset[Consent]]
    reach: ConsentReach = ConsentReach.LATER_TOPICS
    since: Mapping[str, Instant] = field(default_factory=dict)
    expiry: Mapping[tuple[Consent, str], Instant] = field(default_factory=dict)
    caps: tuple[Cap, ...] = ()

    def places(self, scope: Scope) -> frozenset[Place]:
        """All that a scope reaches: each channel with each topic, and with topics yet to come."""
        # Two topics to come for each category, so that no category is as narrow as a topic.
        future = {f"to come {c} {n}": c for c in Category for n in (1, 2)}
        known = {name: category for name, (category, _) in self.topics.items()} | future
        channels = CHANNELS if scope.channel is Channel.ANY else [scope.channel]
        match scope.kind:
            case TargetKind.EVERYTHING:
                names = set(known)
            case TargetKind.MARKETING:
                names = {n for n, c in known.items() if c is not Category.TRANSACTIONAL}
            case TargetKind.CATEGORY:
                names = {n for n, c in known.items() if c == scope.name}
            case TargetKind.TOPIC:
                names = {scope.name}
            case _:  # segments and uses are targets of their own
                names = {scope.text.partition("/")[2]}
        return frozenset(product(channels, names))


@dataclass
class Sent:
    channel: Channel
    topic: str
    at: Instant


@dataclass
class Ask:
    """May this go to `address`? `digests` are its other names; `contact` is the one named."""

    address: str
    channel: Channel
    topic: str
    now: Instant
    segments: tuple[str, ...] = ()
    contact: str | None = None
    digests: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    sends: tuple[Sent, ...] = ()


@dataclass
class Verdict:
    outcome: str
    codes: frozenset[str]
    not_before: Instant | None
    standing: frozenset[int]


class Model:
    """The answer to one question, from the events."""

    def __init__(self, world: World, events: Iterable[Event], ask: Ask) -> None:
        events = list(events)
        undone = {e.retracts for e in events if e.action is Action.RETRACT}
        self.events = list({e.seq: e for e in events if e.seq not in undone}.values())
        self.world, self.ask = world, ask
        self.category = world.topics[ask.topic][0]
        self.marketing = self.category is not Category.TRANSACTIONAL
        self.contacts = self.consulted()

    # --- whom it is about ---------------------------------------------------------------------

    def consulted(self) -> set[str]:
        """Every contact ever linked; one that is named, linked now, leaves aside the others."""
        ever: set[str] = set()
        now: set[str] = set()
        links = [e for e in self.events if e.action in (Action.LINK, Action.UNLINK)]
        for e in sorted(links, key=lambda e: (e.occurred_at, e.seq)):
            if e.address_key != self.ask.address:
                continue
            if e.action is Action.LINK:
                ever.add(e.subject_key)
                now.add(e.subject_key)
            else:
                now.discard(e.subject_key)
        if self.ask.contact in now:
            return ever - (now - {self.ask.contact})
        return ever

    def about_address(self, e: Event) -> bool:
        return e.subject_key == self.ask.address or e.subject_key in self.ask.digests

    def about_us(self, e: Event) -> bool:
        return self.about_address(e) or e.subject_key in self.contacts

    # --- what an opt-in is to an opt-out -------------------------------------------------------

    def counts(self, opt_in: Event) -> bool:
        """Not from before its address was passed on or erased."""
        for e in self.events:
            same = e.subject_key == opt_in.subject_key or (
                self.about_address(e) and opt_in.subject_key == self.ask.address
            )
            ends = e.action is Action.ERASE or (
                e.action is Action.SUPPRESS and e.suppression is Suppression.REASSIGNED
            )
            if same and ends and opt_in.occurred_at <= e.occurred_at:
                return False
        return True

    def subject_within(self, opt_in: Event, out: Event) -> tuple[bool, bool]:
        """Whether the opt-in's subject is the same or narrower, and whether it is narrower."""
        if opt_in.subject_key == out.subject_key:
            return True, False
        if opt_in.subject_key == self.ask.address:
            return True, not self.about_address(out)
        return False, False

    def answers(self, opt_in: Event, out: Event, topic: str) -> bool:
        """Later, same scope or narrower, and still covering a message of that topic."""
        assert opt_in.scope
        assert out.scope
        inner, outer = self.world.places(opt_in.scope), self.world.places(out.scope)
        same_subject, narrower_subject = self.subject_within(opt_in, out)
        if not same_subject or not inner <= outer or (self.ask.channel, topic) not in inner:
            return False
        if opt_in.occurred_at == out.occurred_at:
            return narrower_subject or inner < outer
        return opt_in.occurred_at > out.occurred_at

    def against(self, topic: str, lifting: Sequence[Event], on_the_way: tuple[str, ...] = ()):
        """The opt-outs against a message of a topic that none of `lifting` answers."""
        found: dict[int, Event] = {}
        for out in self.events:
            if out.action is not Action.OPT_OUT or not self.about_us(out) or not out.scope:
                continue
            if (self.ask.channel, topic) in self.world.places(out.scope) and not any(
                self.answers(back, out, topic) for back in lifting
            ):
                found[out.seq] = out
        for old in self.world.topics[topic][1]:
            if old in (topic, *on_the_way):
                continue
            for out in self.against(old, lifting, (*on_the_way, topic)).values():
                if not any(self.came_back(back, out, topic) for back in lifting):
                    found[out.seq] = out
        return found

    def came_back(self, back: Event, out: Event, topic: str) -> bool:
        """Opted in by name to the topic that an opt-out was passed on to."""
        assert back.scope
        assert out.scope
        return (
            self.subject_within(back, out)[0]
            and (back.scope.kind, back.scope.name) == (TargetKind.TOPIC, topic)
            and back.scope.channel in (Channel.ANY, self.ask.channel)
            and out.scope.channel in (Channel.ANY, back.scope.channel)
            and back.occurred_at >= out.occurred_at
        )

    def opt_ins(self) -> list[Event]:
        return [e for e in self.events if e.action is Action.OPT_IN and self.counts(e)]

    def standing(self) -> dict[int, Event]:
        lifting = [e for e in self.opt_ins() if e.lifts]
        return self.against(self.ask.topic, lifting)

    def left_segments(self) -> dict[int, Event]:
        """Segments that this is aimed at and that the person left."""
        aimed = {f"segment:{name}" for name in self.ask.segments}
        found = {}
        for target in aimed if self.marketing else ():
            for out in self.events:
                if out.action is Action.OPT_OUT and self.about_us(out) and out.scope:
                    if (self.ask.channel, target) not in self.world.places(out.scope):
                        continue
                    lifting = [e for e in self.opt_ins() if e.lifts]
                    if not any(self.answers(back, out, target) for back in lifting):
                        found[out.seq] = out
        return found

    # --- consent -------------------------------------------------------------------------------

    def agreed(self, action: Action) -> Iterator[Event]:
        """Opt-ins (or requests) on this address that cover the message and were not revoked."""
        standing = {(e.subject_key, e.scope) for e in self.standing().values()}
        restored = [e for e in self.opt_ins() if e.consent is Consent.RESTORED]
        revoked = [
            out
            for out in self.against(self.ask.topic, restored).values()
            if (out.subject_key, out.scope) not in standing
        ]
        here = (self.ask.channel, self.ask.topic)
        for e in self.events:
            if e.action is not action or e.subject_key != self.ask.address or not e.scope:
                continue
            if here not in self.world.places(e.scope) or not self.counts(e):
                continue
            created = self.world.since.get(self.ask.topic)
            if (
                self.world.reach is ConsentReach.TOPIC
                and e.scope.kind is not TargetKind.TOPIC
                and created is not None
                and created > e.occurred_at
            ):
                continue
            if all(self.after(e, out) for out in revoked):
                yield e

    def after(self, e: Event, out: Event) -> bool:
        """Later than the opt-out; at an equal time only if strictly narrower."""
        if e.occurred_at != out.occurred_at:
            return e.occurred_at > out.occurred_at
        assert e.scope
        assert out.scope
        inner, outer = self.world.places(e.scope), self.world.places(out.scope)
        _, narrower_subject = self.subject_within(e, out)
        passed_on = (self.ask.channel, self.ask.topic) not in outer
        return (
            inner < outer
            or (narrower_subject and inner == outer)
            or (passed_on and self.came_back(e, out, self.ask.topic))
        )

    def consent_reason(self) -> str | None:
        accepted = self.world.accepts.get((self.category, self.ask.channel), frozenset())
        if not accepted:
            return None
        given = [e for e in self.agreed(Action.OPT_IN) if e.consent in accepted]
        if any(not self.expired(e) for e in given):
            return None
        if given:
            return "consent_expired"
        return "unconfirmed" if any(self.agreed(Action.OPT_IN_REQUESTED)) else "no_consent"

    def expired(self, e: Event) -> bool:
        assert e.consent
        span = self.world.expiry.get((e.consent, str(e.basis)))
        return span is not None and e.occurred_at + span <= self.ask.now

    # --- facts, limits, caps -------------------------------------------------------------------

    def suppressions(self) -> Iterator[str]:
        for e in self.events:
            if e.action is not Action.SUPPRESS or not e.scope or not e.suppression:
                continue
            legal = e.suppression is Suppression.LEGAL
            if not (self.about_address(e) or (legal and e.subject_key in self.contacts)):
                continue
            wishes = e.suppression in (Suppression.COMPLAINT, Suppression.UNCLEAR)
            if wishes and not self.marketing:
                continue
            if e.scope.channel not in (Channel.ANY, self.ask.channel):
                continue
            if e.sender and self.ask.senders and e.sender not in self.ask.senders:
                continue
            if not any(self.releases(r, e) for r in self.events):
                yield str(e.suppression)

    def releases(self, r: Event, e: Event) -> bool:
        return (
            r.action is Action.RELEASE
            and r.subject_key == e.subject_key
            and r.suppression is e.suppression
            and r.sender in (None, e.sender)
            and r.scope is not None
            and r.scope.channel in (Channel.ANY, self.ask.channel)
            and r.occurred_at > e.occurred_at
        )

    def limits(self) -> Iterator[Event]:
        """The latest said per exact scope, where it covers the message."""
        latest: dict[tuple[str, Scope], Event] = {}
        for e in self.events:
            if e.action is Action.LIMIT and self.about_us(e) and e.scope:
                held = latest.get((e.subject_key, e.scope))
                if held is None or (held.occurred_at, held.seq) < (e.occurred_at, e.seq):
                    latest[e.subject_key, e.scope] = e
        line = self.line(self.ask.topic, ())
        aimed = {f"segment:{name}" for name in self.ask.segments} if self.marketing else set()
        for e in latest.values():
            assert e.scope
            places = self.world.places(e.scope)
            if any((self.ask.channel, target) in places for target in line | aimed):
                yield e

    def line(self, topic: str, on_the_way: tuple[str, ...]) -> set[str]:
        """The topic and all that it replaces."""
        found = {topic}
        for old in self.world.topics[topic][1]:
            if old not in (topic, *on_the_way):
                found |= self.line(old, (*on_the_way, topic))
        return found

    def delays(self) -> Iterator[tuple[str, Instant]]:
        now = self.ask.now
        line = self.line(self.ask.topic, ())
        for e in self.limits():
            assert e.limit
            assert e.scope
            if e.limit.until is not None and e.limit.until > now:
                yield "paused", e.limit.until
            if e.limit.at_most is not None and e.limit.per is not None:
                places = self.world.places(e.scope)
                sends = [
                    s.at
                    for s in self.ask.sends
                    if (s.channel, s.topic) in places
                    or (s.topic in line and e.scope.channel in (Channel.ANY, s.channel))
                ]
                if free := self.frees(sends, e.limit.at_most, e.limit.per):
                    yield "frequency_cap", free
        for cap in self.world.caps if self.marketing else ():
            if cap.channel in (Channel.ANY, self.ask.channel):
                sends = [
                    s.at
                    for s in self.ask.sends
                    if self.world.topics[s.topic][0] is not Category.TRANSACTIONAL
                    and cap.channel in (Channel.ANY, s.channel)
                ]
                if free := self.frees(sends, cap.at_most, cap.per):
                    yield "frequency_cap", free

    def frees(self, sends: list[Instant], at_most: int, per: Instant) -> Instant | None:
        """The first instant from now on at which one more may be sent, if it is not now."""

        def full(at: Instant) -> bool:
            return len([s for s in sends if s <= self.ask.now and at - per < s <= at]) >= at_most

        if not full(self.ask.now):
            return None
        return next(at for at in range(self.ask.now, self.ask.now + per + 1) if not full(at))

    # --- the answer ----------------------------------------------------------------------------

    def verdict(self) -> Verdict:
        standing, left = self.standing(), self.left_segments()
        refusals = set(self.suppressions())
        if standing:
            refusals.add("opted_out")
        if left:
            refusals.add("segment_opted_out")
        if missing := self.consent_reason():
            refusals.add(missing)
        delays = list(self.delays())
        codes = frozenset(refusals | {code for code, _ in delays})
        # Of several that stand in one scope only the latest is named.
        named: dict[tuple[str, Scope | None], tuple[Instant, int]] = {}
        for e in (*standing.values(), *left.values()):
            key = (e.subject_key, e.scope)
            named[key] = max(named.get(key, (e.occurred_at, e.seq)), (e.occurred_at, e.seq))
        numbers = frozenset(seq for _, seq in named.values())
        if refusals:
            return Verdict("deny", codes, None, numbers)
        if delays:
            return Verdict("defer", codes, max(at for _, at in delays), numbers)
        return Verdict("allow", codes, None, numbers)
