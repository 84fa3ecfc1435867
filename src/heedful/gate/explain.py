"""Why: every event, subject and rule that an answer comes from, as data and as sentences."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from heedful.core.address import Subject
from heedful.core.decision import Outcome
from heedful.core.event import Consent, Event
from heedful.core.instant import text_of
from heedful.gate.case import Case
from heedful.gate.facts import Asked, consulted, digest_keys
from heedful.gate.moment import Moment
from heedful.gate.question import Answer, Question
from heedful.ledger import Ledger


class How(StrEnum):
    """Why a subject was consulted, or was not."""

    ASKED = "asked about"
    LINKED = "linked now"
    FORMERLY = "formerly linked"
    ASIDE = "left aside"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Consulted:
    """One subject and how it comes in. `subject` is None where its text was erased.

    `left aside` is a contact that is linked now while another one, linked now too, was named: it
    was not consulted. Digests are listed only where something is on record for them.
    """

    key: str
    subject: Subject | None
    how: How


@dataclass(frozen=True, slots=True)
class Rule:
    """The consent that such a message needs, and who says so: the pack `base` or the brand."""

    category: str
    channel: str
    accepts: tuple[Consent, ...]
    said_by: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer and all that it comes from. Holds addresses: for who may read the history."""

    question: Question
    answer: Answer
    events: Mapping[int, Event]
    consulted: tuple[Consulted, ...]
    rule: Rule

    def sentences(self) -> tuple[str, ...]:
        """The explanation for a reader, a sentence or two a line; addresses are masked."""
        return tuple(_sentences(self))


def explained(question: Question, case: Case, ledger: Ledger) -> Explanation:
    """The explanation of the one question of a case."""
    asked, answer = case.asked[0], case.answers[0]
    decision = answer.decision
    seqs = {*decision.because, *(seq for reason in decision.reasons for seq in reason.because)}
    message = asked.plan.message
    brand = tomllib.loads(case.book.catalogue.text).get("consent", {})
    return Explanation(
        question,
        answer,
        {seq: ledger.event(seq) for seq in sorted(seqs)},
        tuple(_consulted(asked, case.moment, ledger)),
        Rule(
            message.category,
            message.channel,
            tuple(sorted(asked.plan.rules.accepts(message.category, message.channel))),
            "brand" if message.channel in brand.get(message.category, {}) else "base",
        ),
    )


def _consulted(asked: Asked, moment: Moment, ledger: Ledger) -> Iterator[Consulted]:
    yield Consulted(asked.key.hex(), asked.address, How.ASKED)
    own = moment.state(asked.key)
    if own is None:
        return
    counted = consulted(own, asked.named)
    for key, now in consulted(own, None).items():
        how = How.ASIDE if key not in counted else How.LINKED if now else How.FORMERLY
        yield Consulted(key.hex(), ledger.subject_of(key), how)
    if moment.digests:
        for key in digest_keys(ledger, asked.address):
            state = moment.state(key)
            if state and state.cells:
                yield Consulted(key.hex(), ledger.subject_of(key), How.DIGEST)


_OUTCOMES = {
    Outcome.ALLOW: "It may be sent.",
    Outcome.DENY: "It may not be sent.",
    Outcome.DEFER: "It may not be sent yet.",
}


def _sentences(why: Explanation) -> Iterator[str]:
    answer, decision = why.answer, why.answer.decision
    until = f" Not before {text_of(decision.not_before)}." if decision.not_before else ""
    yield _OUTCOMES[answer.outcome] + until
    for reason in decision.reasons:
        yield reason.text
        yield from (f"  {event_sentence(why.events[seq])}" for seq in reason.because)
    if not decision.reasons:
        yield from (f"  {event_sentence(why.events[seq])}" for seq in decision.because)
    kinds = " or ".join(why.rule.accepts)
    needs = f"needs {kinds} consent" if kinds else "needs no consent, only that nobody opted out"
    said_by = "brand.toml" if why.rule.said_by == "brand" else "the pack 'base'"
    yield f"A message of category {why.rule.category} by {why.rule.channel} {needs} ({said_by})."
    for subject in why.consulted:
        name = subject.subject.masked if subject.subject else f"erased ({subject.key[:8]}…)"
        yield (
            f"Consulted: {name}, {subject.how}."
            if subject.how is not How.ASIDE
            else (f"Not consulted: {name}, linked now, because another contact was named.")
        )
    for other in answer.alternatives:
        yield f"By {other.channel} to {other.to.masked}: {other.outcome}."
    yield f"True at event {answer.seq}, by catalogue {answer.catalogue}."


def event_sentence(event: Event) -> str:
    """One event in a line, without an address."""
    what = f" {event.scope}" if event.scope else ""
    kind = event.consent or event.suppression
    why = f", {event.reason}" if event.reason else ""
    return (
        f"Event {event.seq}: {event.action}{what}{f' ({kind})' if kind else ''} by {event.source}"
        f"{why}, at {text_of(event.occurred_at)}."
    )
