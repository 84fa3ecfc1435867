"""A text message from somebody → what is recorded, and the one answer, in one transaction.

STOP speaks for the address it came from. How far it reaches is settled here, when it is heard, and
stored as scopes; a later change of the brand's settings moves nothing (47 CFR 64.1200(a)(10)).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from heedful.core.catalogue import Catalogue
from heedful.core.event import Action, Consent, Event, Statement, Suppression, edge_of
from heedful.core.instant import Instant, parse
from heedful.core.keywords import Said, fold
from heedful.core.keywords import hear as hear_keyword
from heedful.core.scope import Category, Scope, TargetKind
from heedful.intake import reach, replies
from heedful.intake.record import Door, again, derived, heard_before
from heedful.ledger import Receipt
from heedful.vendors.contract import Heard

_LONGEST_TEXT = 4000
_NOT_BY_ITSELF = frozenset({"yes"})
"""Twilio opts people in by it, who may only have answered a question of the brand's."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a text message said, what was recorded of it, and the text to answer with, if any."""

    said: Said
    text: str | None = None
    receipts: tuple[Receipt, ...] = ()


class Texts:
    """Hears text messages, on SMS, WhatsApp and RCS alike."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._ledger = door.ledger
        # Two STOPs of one person at once must not both be confirmed.
        self._turns = tuple(Lock() for _ in range(64))

    def hear(self, vendor: str, heard: Heard, can_reply: bool = True) -> Reply:
        """Record what a message says and return the reply, which is recorded with it.

        The same message id with the same words changes nothing and gets the same reply.
        `can_reply` is false where the answer to the vendor has no room for a text.
        """
        said, evidence = _reading(vendor, heard)
        catalogue = self._ledger.catalogue()
        speak = can_reply and not heard.answered
        if said is Said.HELP:
            return Reply(said, replies.helped(catalogue, heard.channel) if speak else None)
        if said is Said.NONE:
            return Reply(said)
        key = self._ledger.key_of(heard.sender)
        with self._turns[key[0] % len(self._turns)]:
            history = self._ledger.history(key)
            earlier = heard_before(history, vendor, heard.message_id)
            if earlier and _same_words(earlier[0], evidence):
                text = (earlier[0].evidence or {}).get("reply")
                return Reply(said, text, tuple(again(event) for event in earlier))
            hearing = _Hearing(vendor, heard, catalogue, evidence, history, speak)
            if said is Said.OPT_OUT:
                text, group = self._stop(hearing, key)
            else:
                text, group = self._start(hearing, key)
            return Reply(said, text, tuple(self._door.say(*group)))

    def _stop(self, hearing: "_Hearing", key: bytes) -> tuple[str | None, Sequence[Statement]]:
        heard = hearing.heard
        scopes = reach.of_stop(
            hearing.catalogue, heard.channel, self._answers_transactional(hearing, key)
        )
        text, how = None, "vendor" if heard.answered else None
        if hearing.speak and not reach.confirmed(
            hearing.history, heard.channel, scopes, self._ledger.confirmation
        ):
            text, how = replies.stopped(hearing.catalogue, heard.channel, scopes), "inline"
        return text, [
            hearing.statement(Action.OPT_OUT, place, text, scope=scope, confirmation=how)
            for place, scope in enumerate(scopes, 1)
        ]

    def _answers_transactional(self, hearing: "_Hearing", key: bytes) -> bool:
        """Whether the message answered was transactional, as far as anybody knows."""
        heard = hearing.heard
        sent = [self._ledger.last_send(key, sender) for sender in hearing.senders]
        last = max(
            (send for send in sent if send is not None and send.channel is heard.channel),
            key=lambda send: send.at,
            default=None,
        )
        if last is not None:
            return last.category is Category.TRANSACTIONAL
        topics = [hearing.catalogue.topics[name] for name in hearing.topics]
        return bool(topics) and not any(topic.category.is_marketing for topic in topics)

    def _start(self, hearing: "_Hearing", key: bytes) -> tuple[str | None, Sequence[Statement]]:
        """Take back STOPs; where nothing had been agreed before, agree to what this sender sends.

        That agreement does not lift: a topic refused by name stays refused, START or not.
        """
        heard, state = hearing.heard, self._ledger.state(key)
        text = replies.started(hearing.catalogue, heard.channel) if hearing.speak else None
        group: list[Statement] = []

        def say(action: Action, scope: Scope, **more: object) -> None:
            group.append(hearing.statement(action, len(group) + 1, text, scope=scope, **more))

        for kind in (TargetKind.MARKETING, TargetKind.EVERYTHING):
            scope = Scope(heard.channel, kind)
            say(Action.OPT_IN, scope, consent=Consent.RESTORED, lifts=True)
        if not reach.agreed(state, heard.channel):
            for topic in hearing.topics:
                scope = Scope(heard.channel, TargetKind.TOPIC, topic)
                say(Action.OPT_IN, scope, consent=Consent.EXPRESS)
        for sender in hearing.senders:
            if reach.blocked(state, heard.channel, sender):
                say(
                    Action.RELEASE,
                    Scope(heard.channel, TargetKind.EVERYTHING),
                    suppression=Suppression.CARRIER_BLOCK,
                    sender=sender,
                )
        return text, group


@dataclass(frozen=True, slots=True)
class _Hearing:
    """One message that opts out or in, and what there is to judge it by."""

    vendor: str
    heard: Heard
    catalogue: Catalogue
    evidence: Mapping[str, str]
    history: Sequence[Event]
    speak: bool

    @property
    def senders(self) -> tuple[str, ...]:
        return (self.heard.to, *((self.heard.service,) if self.heard.service else ()))

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that the sender texted, or its pool, sends on this channel."""
        return tuple(
            dict.fromkeys(
                t.topic
                for t in self.catalogue.touchpoints
                if t.sender in self.senders and t.channel is self.heard.channel
            )
        )

    def statement(self, action: Action, place: int, reply: str | None, **more: object) -> Statement:
        """The n-th thing that this message says, with the words and our reply as evidence."""
        said_at = self.heard.said_at
        at: Instant | None = parse(said_at, edge_of(action)) if said_at else None
        return Statement(
            subject=self.heard.sender,
            action=action,
            source=f"hook:{self.vendor}",
            occurred_at=at,
            evidence={**self.evidence, "reply": reply} if reply else self.evidence,
            request_id=derived(self.heard.message_id, place),
            **more,  # type: ignore[arg-type]  # fields of Statement, given by name just above
        )


def _reading(vendor: str, heard: Heard) -> tuple[Said, dict[str, str]]:
    """What the message says, and the words that show it.

    The vendor's own reading counts before ours, except that an opt-out which either of us reads
    is one: opting out takes weak proof, opting in takes strong.
    """
    ours = hear_keyword(heard.text)
    said = heard.vendor_says or ours.means
    if ours.means is Said.OPT_OUT:
        said = Said.OPT_OUT
    elif said is Said.OPT_IN and fold(heard.text) in _NOT_BY_ITSELF:
        said = Said.NONE
    evidence = {
        "text": heard.text[:_LONGEST_TEXT].replace("\0", "\ufffd"),
        "to": heard.to,
        "message_id": heard.message_id,
        "provider": vendor,
        "word_list": ours.version,
        **heard.evidence,
    }
    if ours.matched:
        evidence["matched"] = ours.matched
    if heard.service:
        evidence["service"] = heard.service
    return said, evidence


def _same_words(event: Event, evidence: Mapping[str, str]) -> bool:
    """Whether an event was made by these words, as far as its evidence is still held."""
    said = event.evidence
    return not said or all(said.get(name) == evidence[name] for name in ("text", "to"))
