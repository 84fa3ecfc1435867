"""Some questions at one moment, worked out until nothing is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.core.address import Address
from heedful.core.decision import Decision, decide
from heedful.gate.facts import Asked, facts_of, speaking_for
from heedful.gate.moment import Moment, Present
from heedful.gate.question import SERVES, Alternative, Answer
from heedful.gate.signature import Plan, Row, Rulebook, answered, filled, ranked
from heedful.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Case:
    """Questions that were put together, the moment that answers them, and the answers."""

    book: Rulebook
    moment: Moment
    asked: Sequence[Asked]
    answers: Sequence[Answer]


def at_once(
    address: Address, plan: Plan, rows: Sequence[Row], catalogue: int, seq: int
) -> Answer | None:
    """The answer from the address's own cells by what was decided before on such a standing.

    None where that does not suffice: other cells than opt-outs and opt-ins, a cap, an expiry.
    Only where no digests are held. A contact cannot matter: a link would be a cell.
    """
    standing = ranked(rows)
    if standing is None:
        return None
    signature, seqs = standing
    verdict = plan.verdicts.get(signature) or plan.verdict(rows, signature)
    if verdict is None:
        return None
    decision, others = verdict
    return answered(
        filled(decision, seqs),
        tuple([Alternative(channel, address, outcome) for channel, outcome in others])
        if others
        else (),
        catalogue,
        seq,
    )


def settle(
    ledger: Ledger,
    book: Rulebook,
    asked: Sequence[Asked],
    moment: Moment,
    known: Sequence[Answer | None] = (),
) -> Case | None:
    """Answer all of them at one moment; None, if another catalogue came into force meanwhile.

    `known` are answers, true at this moment, that need not be worked out again.
    """
    answers: list[Answer | None] = list(known) or [None] * len(asked)
    while moment.catalogue == book.number:
        for index, one in enumerate(asked):
            if answers[index] is None:
                answers[index] = _answer(ledger, book, one, moment)
        if not moment.missing:
            return Case(book, moment, asked, [answer for answer in answers if answer])
        if moment.fill():
            answers = [None] * len(asked)
    return None


def _answer(ledger: Ledger, book: Rulebook, asked: Asked, moment: Moment) -> Answer | None:
    """The answer, or None where the moment has yet to read something for it."""
    if isinstance(moment, Present) and not moment.digests and asked.key in moment.rows:
        rows = moment.rows[asked.key]
        if answer := at_once(asked.address, asked.plan, rows, book.number, moment.seq):
            return answer
    decision = _decision(ledger, asked, moment)
    if decision is None:
        return None
    alternatives = () if decision.allowed else _alternatives(ledger, book, asked, moment)
    if alternatives is None:
        return None
    return Answer(decision, alternatives, book.number, moment.seq)


def _decision(ledger: Ledger, asked: Asked, moment: Moment) -> Decision | None:
    facts = facts_of(asked, moment, ledger)
    if facts is None:
        return None
    return decide(asked.plan.message, facts, asked.plan.rules, asked.at)


def _alternatives(
    ledger: Ledger, book: Rulebook, asked: Asked, moment: Moment
) -> tuple[Alternative, ...] | None:
    """The same message on the topic's other channels, on this address and the contact's others.

    Each as if it were asked about in the same words; only the sender is left out, since it is one
    of the asked channel.
    """
    found, complete = [], True
    addresses = _addresses(ledger, asked, moment)
    if addresses is None:
        return None
    message = asked.plan.message
    for channel in book.catalogue.topic(message.topic).channels:
        if channel is message.channel:
            continue
        plan = book.plan(channel, message.topic, message.segments, message.vendor, None)
        for address, key in addresses:
            if SERVES.get(channel) is address.kind:
                other = Asked(address, key, plan, asked.named, asked.at)
                decision = _decision(ledger, other, moment)
                if decision is None:
                    complete = False
                else:
                    found.append(Alternative(channel, address, decision.outcome))
    return tuple(found) if complete else None


def _addresses(ledger: Ledger, asked: Asked, moment: Moment) -> list[tuple[Address, bytes]] | None:
    """The address asked about, then the others linked now to the contact that speaks for it."""
    own = moment.state(asked.key)
    contact = speaking_for(own, asked.named) if own else None
    addresses = [(asked.address, asked.key)]
    if contact is None:
        return addresses
    state = moment.state(contact)
    if state is None:
        return None
    keys = {bytes.fromhex(text) for text in state.linked()[0]} - {asked.key}
    others = [
        (subject, key) for key in keys if isinstance(subject := ledger.subject_of(key), Address)
    ]
    return addresses + sorted(others, key=lambda other: other[0].text)
