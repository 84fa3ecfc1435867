"""May I send this? The gate gathers what the ledger knows; `decide()` answers.

One check, a batch, an explanation, a replay and what a subject's page shows all come through
here, so that no two doors can differ.
"""

import time
from collections.abc import Callable, Sequence

from heedful.core.address import Address, Contact, Subject
from heedful.core.errors import InvalidInput
from heedful.core.instant import Instant
from heedful.gate.case import Case, at_once, settle
from heedful.gate.explain import Explanation, explained
from heedful.gate.facts import Asked
from heedful.gate.moment import Past, Present
from heedful.gate.question import SERVES, Answer, Question, check_serves, unknown_campaign
from heedful.gate.signature import Rulebook
from heedful.gate.standing import Standing, standing_of
from heedful.ledger import Ledger, Reading

_BOOKS = 8
"""Catalogues whose plans are kept: the one in force, and some that replays ask for."""


def _now() -> Instant:
    return time.time_ns() // 1000


class Gate:
    """Answers questions out of a ledger. Changes nothing; may be used by many threads.

    An answer is true at its `seq`: it has seen every event up to there, and a question put after
    a commit sees that commit. Where the ledger cannot be read, its error flies: never an *allow*.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], Instant] = _now) -> None:
        self._ledger = ledger
        self._clock = clock
        self._key_of = ledger.key_of
        self._read_one = ledger.read_one
        self._books: dict[int, Rulebook] = {}
        self._latest: Rulebook | None = None

    def check(
        self,
        to: Address | str,
        channel: str,
        topic: str,
        *,
        contact: Contact | None = None,
        segments: Sequence[str] = (),
        at: Instant | None = None,
        as_of: Instant | None = None,
        vendor: str | None = None,
        sender: str | None = None,
        campaign: str | None = None,
    ) -> Answer:
        """Answer one question, whose words are those of `Question`.

        The shortest way: where the address has nothing but opt-outs and opt-ins, it takes one
        statement and a look at what was decided before about such a standing.
        """
        moment = None
        if as_of is None and campaign is None:
            try:
                book = self._latest or self._newest()
                address = Address.parse(to, book.region) if isinstance(to, str) else to
                key = self._key_of(address)
                rows = self._read_one(key)
                _, _, catalogue, seq, digests = rows.pop(0)
                if catalogue == book.number:
                    plan = book.plan(channel, topic, tuple(segments), vendor, sender)
                    if digests is None and plan.reaches is address.kind:
                        answer = at_once(address, plan, rows, catalogue, seq)
                        if answer is not None:
                            return answer
                    reading = Reading(seq, catalogue, digests is not None, {key: rows})
                    moment = Present(self._ledger, (key,), reading)
            except InvalidInput:
                pass  # by a catalogue that may have been replaced: the long way tells
        question = Question(
            to, channel, topic, contact, tuple(segments), at, as_of, vendor, sender, campaign
        )
        return self._case([question], moment).answers[0]

    def ask(self, question: Question) -> Answer:
        """Answer one question."""
        q = question
        return self.check(
            q.to,
            q.channel,
            q.topic,
            contact=q.contact,
            segments=q.segments,
            at=q.at,
            as_of=q.as_of,
            vendor=q.vendor,
            sender=q.sender,
            campaign=q.campaign,
        )

    def ask_many(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer many at one moment, each as `ask` would; one that has no answer fails them all.

        The addresses are read in one statement, and their contacts in one more. A replay is read
        by itself, and so are the sends, where a cap or a limit asks for them.
        """
        present = [q for q in questions if q.as_of is None]
        answers = iter(self._present(present) if present else ())
        return [next(answers) if q.as_of is None else self.ask(q) for q in questions]

    def explain(self, question: Question) -> Explanation:
        """The answer, with every event, subject and rule that it comes from."""
        return explained(question, self._case([question]), self._ledger)

    def standing(self, subject: Subject) -> Standing:
        """All that stands for a subject, and for an address the outcome of every message."""
        key = self._ledger.key_of(subject)
        while True:
            book = self._latest or self._newest()
            questions = [
                Question(subject, channel, topic.name)
                for topic in book.catalogue.topics.values()
                for channel in topic.channels
                if isinstance(subject, Address) and SERVES.get(channel) is subject.kind
            ]
            if questions:
                case = self._case(questions)
            else:
                moment = Present(self._ledger, (key,), self._ledger.read((key,)))
                case = Case(self._book(moment.catalogue), moment, (), ())
            if case.book.number == book.number:
                return standing_of(subject, key, case, self._ledger)
            self._latest = case.book

    # --- within ---------------------------------------------------------------------------

    def _present(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """The answers of now: at once where that suffices, else worked out, all at one moment."""
        moment, answers = None, []
        try:
            book = self._latest or self._newest()
            region, key_of = book.region, self._key_of
            asked = [
                (Address.parse(q.to, region) if isinstance(q.to, str) else q.to) for q in questions
            ]
            keys = [key_of(address) for address in asked]
            moment = Present(self._ledger, keys, self._ledger.read(keys))
            rows, seq, digests = moment.rows, moment.seq, moment.digests
            if moment.catalogue == book.number:
                for q, address, key in zip(questions, asked, keys, strict=True):
                    plan = book.plan(q.channel, q.topic, q.segments, q.vendor, q.sender)
                    simple = not digests and plan.reaches is address.kind and q.campaign is None
                    answers.append(
                        at_once(address, plan, rows[key], book.number, seq) if simple else None
                    )
                if None not in answers:
                    return answers  # type: ignore[return-value]  # as just seen
        except InvalidInput:
            moment, answers = None, []
        return self._case(questions, moment, answers).answers

    def _case(
        self,
        questions: Sequence[Question],
        first: Present | None = None,
        known: Sequence[Answer | None] = (),
    ) -> Case:
        """Work questions out together: all of now, or one of the past.

        `first` is what was read already, and `known` the answers that this sufficed for.
        """
        while True:
            now = self._clock()
            as_of = questions[0].as_of
            past = None if as_of is None else Past(self._ledger, as_of, now)
            book = self._book(past.catalogue) if past else self._latest or self._newest()
            try:
                asked = [self._asked(n, questions, book, now) for n in range(len(questions))]
            except InvalidInput:
                # What is wrong by a catalogue that was replaced meanwhile may be right by now.
                if past or self._ledger.head().catalogue == book.number:
                    raise
                self._newest()
                continue
            keys = [one.key for one in asked]
            moment = past or first or Present(self._ledger, keys, self._ledger.read(keys))
            if case := settle(self._ledger, book, asked, moment, known):
                return case
            self._latest, first, known = self._book(moment.catalogue), None, ()

    def _asked(
        self, index: int, questions: Sequence[Question], book: Rulebook, now: Instant
    ) -> Asked:
        q = questions[index]
        try:
            if q.campaign is not None:
                raise unknown_campaign(q.campaign)
            address = Address.parse(q.to, book.region) if isinstance(q.to, str) else q.to
            plan = book.plan(q.channel, q.topic, q.segments, q.vendor, q.sender)
            check_serves(address, plan.message.channel)
        except InvalidInput as error:
            if len(questions) == 1:
                raise
            raise type(error)(f"Question {index + 1}: {error}") from None
        at = q.at if q.at is not None else now if q.as_of is None else q.as_of
        named = self._ledger.key_of(q.contact) if q.contact else None
        return Asked(address, self._ledger.key_of(address), plan, named, at)

    def _newest(self) -> Rulebook:
        """The rulebook of the catalogue that was applied last."""
        self._latest = book = self._book(self._ledger.catalogue().number)
        return book

    def _book(self, number: int) -> Rulebook:
        """The rulebook of that catalogue, made when it is first met."""
        book = self._books.get(number)
        if book is None:
            if len(self._books) >= _BOOKS:
                self._books.clear()
            book = self._books.setdefault(number, Rulebook(self._ledger.catalogue(number)))
        return book
