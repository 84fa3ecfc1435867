"""Plays a scenario through one door: what is said goes in, what is asked comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Protocol

from heedful.core import brand, instant
from heedful.core.address import Contact, Subject, parse_subject
from heedful.core.catalogue import Catalogue
from heedful.core.decision import Decision, Facts, decide
from heedful.core.event import (
    PERSONAL_ACTS,
    Action,
    Basis,
    Consent,
    Event,
    Limit,
    Statement,
    Suppression,
    edge_of,
)
from heedful.core.instant import Edge, Instant
from heedful.core.scope import Category, Channel, Scope, TargetKind
from heedful.core.state import State, fold
from tests.suite.steps import Asked, Heard, Row, Step, brand_text

PHONES = {"A": "tel:+14155550100", "A2": "tel:+14155550101"}
MAILBOXES = {"A": "mailto:ann@example.com", "A2": "mailto:ann@example.org"}
SENDER = "+18335550100"
ACTIONS = {
    "out": Action.OPT_OUT,
    "in": Action.OPT_IN,
    "requested": Action.OPT_IN_REQUESTED,
    "confirmed": Action.OPT_IN,
    "suppress": Action.SUPPRESS,
    "release": Action.RELEASE,
    "pause": Action.LIMIT,
    "link": Action.LINK,
    "unlink": Action.UNLINK,
    "erase": Action.ERASE,
    "one-click": Action.OPT_OUT,
}


class Player(Protocol):
    """One door, with an empty ledger behind it."""

    def said(self, act: Sequence[Step]) -> None:
        """Let it be said, all at one instant."""

    def ask(self, question: Asked) -> Heard:
        """May it be sent?"""


def play(row: Row, player: Player) -> Heard:
    for act in row.said:
        player.said(act)
    return player.ask(row.ask)


class Words:
    """Who is meant, and what statements a step makes: the same for every door."""

    def __init__(self, row: Row) -> None:
        self.phone = row.ask.channel in ("sms", "voice", "whatsapp", "rcs")
        self.senders: list[str] = []

    def subject(self, who: str) -> Subject:
        book = PHONES if self.phone else MAILBOXES
        return parse_subject(book[who]) if who in book else Contact(f"crm-{who.lower()}")

    @staticmethod
    def occurred(step: Step, action: Action) -> Instant | None:
        dated = step.option("dated")
        return instant.parse(dated, edge_of(action)) if dated else None

    def statement(self, step: Step, asked_at: Instant | None = None) -> Statement:
        """The statement that a door makes of a step that is one thing said."""
        action = ACTIONS[step.verb]
        said: dict[str, object] = {
            "subject": self.subject(step.who),
            "action": action,
            "source": "import" if step.imported else "page",
            "occurred_at": self.occurred(step, action),
            "request_id": step.option("id"),
        }
        match step.verb:
            case "out":
                said["scope"] = Scope.parse(step.words[0])
                said["unless_standing"] = not said["request_id"] and not step.imported
            case "one-click":
                said |= {
                    "scope": Scope.parse("email/topic:weekly_deals"),
                    "source": "one-click",
                    "unless_standing": True,
                }
            case "in":
                kind = Consent(step.words[0])
                said["consent"] = kind
                said["scope"] = Scope.parse(step.words[1])
                said["basis"] = Basis(step.option("basis") or "none")
                said["lifts"] = kind in PERSONAL_ACTS and not step.imported
            case "requested":
                said["scope"] = Scope.parse(step.words[0])
            case "confirmed":
                said |= {
                    "scope": Scope.parse(step.words[0]),
                    "consent": Consent.CONFIRMED,
                    "lifts": True,
                    "occurred_at": asked_at,
                }
            case "suppress" | "release":
                said |= {
                    "suppression": Suppression(step.words[0]),
                    "scope": Scope(Channel(step.words[1]), TargetKind.EVERYTHING),
                    "sender": step.option("sender"),
                }
            case "pause":
                said["scope"] = Scope.parse(step.words[0])
                until = step.option("until") or ""
                said["limit"] = Limit(until=instant.parse(until, Edge.FIRST))
            case "link" | "unlink":
                said["subject"] = self.subject(step.words[0])
                said["address"] = self.subject(step.words[1])
            case "erase":
                said["subject"] = self.subject(step.words[0])
        return Statement(**said)  # type: ignore[arg-type]


class CorePlayer:
    """No ledger at all: a list of events, the fold, decide()."""

    def __init__(self, row: Row) -> None:
        self.words = Words(row)
        self.events: list[Event] = []
        self.ids: set[str] = set()
        self.catalogue: Catalogue = brand.parse(brand_text("base"))

    def said(self, act: Sequence[Step]) -> None:
        for step in act:
            if step.verb == "brand":
                self.catalogue = brand.parse(brand_text(step.words[0]))
            elif step.verb == "STOP":
                self._record(step, *self._stop(step))
            elif step.verb == "START":
                self._record(step, *self._start(step))
            elif step.verb == "erase":
                out = {"action": Action.OPT_OUT, "scope": Scope.parse("*/marketing")}
                subject = self.words.subject(step.words[0])
                self._record(step, Statement(subject=subject, source="erase", **out))
                self._record(step, self.words.statement(step))
            elif step.verb == "confirmed":
                asked = [e for e in self.events if e.action is Action.OPT_IN_REQUESTED]
                self._record(step, self.words.statement(step, asked[-1].occurred_at))
            else:
                self._record(step, self.words.statement(step))

    def _record(self, step: Step, *statements: Statement) -> None:
        for s in statements:
            if s.request_id in self.ids:
                continue
            if s.request_id:
                self.ids.add(s.request_id)
            said = {f.name: getattr(s, f.name) for f in fields(s)}
            for name in ("subject", "address", "unless_standing", "confirmation", "occurred_at"):
                del said[name]
            at = step.at if s.occurred_at is None else min(s.occurred_at, step.at)
            self.events.append(
                Event(
                    seq=len(self.events) + 1,
                    recorded_at=step.at,
                    occurred_at=at,
                    subject_key=s.subject.text,
                    subject=s.subject,
                    address_key=s.address.text if s.address else None,
                    address=s.address,
                    **said,
                )
            )

    def _stop(self, step: Step) -> list[Statement]:
        """As the design says: fixed when it is written; everything, in answer to transactional."""
        answered = self.catalogue.topics.get(step.option("reply-to") or "")
        scope = self.catalogue.sms_stop
        if answered and answered.category is Category.TRANSACTIONAL:
            scope = Scope.parse("sms/everything")
        at = self.words.occurred(step, Action.OPT_OUT)
        subject = self.words.subject("A")
        return [Statement(subject, Action.OPT_OUT, "hook:texter", scope, at)]

    def _start(self, step: Step) -> list[Statement]:
        at = self.words.occurred(step, Action.OPT_IN)
        subject = self.words.subject("A")
        sender = step.option("sender") or SENDER

        def back(scope: str, consent: Consent, lifts: bool) -> Statement:
            return Statement(
                subject, Action.OPT_IN, "hook:texter", Scope.parse(scope), at,
                consent=consent, lifts=lifts,
            )  # fmt: skip

        said = [back(f"sms/{t}", Consent.RESTORED, True) for t in ("marketing", "everything")]
        agreed = [
            e for e in self.events
            if e.action is Action.OPT_IN and e.consent is not Consent.RESTORED
            and e.subject_key == subject.text
        ]  # fmt: skip
        if not agreed:
            topics = [t.topic for t in self.catalogue.touchpoints if t.sender == sender]
            said += [back(f"sms/topic:{topic}", Consent.EXPRESS, True) for topic in topics]
        release = Statement(
            subject,
            Action.RELEASE,
            "hook:texter",
            Scope.parse("sms/everything"),
            at,
            suppression=Suppression.CARRIER_BLOCK,
            sender=sender,
        )
        return [*said, release]

    def ask(self, question: Asked) -> Heard:
        states = fold(self.events)
        own = states.get(self.words.subject(question.to).text, State())
        now, ever = own.linked()
        named = self.words.subject(question.contact).text if question.contact else None
        consulted = ever - (now - {named}) if named in now else ever
        message = self.catalogue.message(
            Channel(question.channel),
            question.topic,
            (question.segment,) if question.segment else (),
            question.vendor,
        )
        facts = Facts(
            own,
            tuple(states[key] for key in sorted(consulted)),
            vendor_allowed=self.catalogue.allows_vendor(message),
        )
        return heard(decide(message, facts, self.catalogue.rules(), question.at))


def heard(decision: Decision) -> Heard:
    return Heard(
        str(decision.outcome),
        frozenset(str(reason.code) for reason in decision.reasons),
        decision.not_before,
    )
