"""Some questions at one moment, worked out until nothing is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.core.address import Address
from heedful.core.decision import Decision, decide
from heedful.gate.facts import Asked, facts_of, speaking_for
from heedful.gate.moment import Moment, Present
from heedful.gate.question import SERVES, Alternative, Answer
from heedful.gate.signature import Rulebook
from heedful.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Case:
    """Questions that were put together, the moment that answers them, and the answers."""

    book: Rulebook
    moment: Moment
    asked: Sequence[Asked]
    answers: Sequence[Answer]


def settle(
    ledger: Ledger,
    book: Rulebook,
    asked: Sequence[Asked],
    moment: Moment,
) -> Case | None:
    """Answer all of them at one moment; None, if another catalogue came into force meanwhile."""
    answers: list[Answer | None] = [None] * len(asked)
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
    if isinstance(moment, Present) and not moment.digests:
        rows = moment.rows.get(asked.key)
        # No contact can matter, named or not, where there is a ruling: a link would be a cell.
        ruling = None if rows is None else asked.plan.ruling(rows)
        if ruling:
            return ruling[0].answer(ruling[1], asked.address.text, book.number, moment.seq)
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
    """The address asked about, then the others linked now to the contact that speaks for it.

    Of a vendor's message only the first: a vendor is not to learn a person's other addresses.
    """
    if asked.plan.message.vendor is not None:
        return [(asked.address, asked.key)]
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
