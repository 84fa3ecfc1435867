"""May I send this? The gate gathers what the ledger knows; `decide()` answers.

One check, a batch, an explanation, a replay and what a subject's page shows all come through
here, so that no two doors can differ.
"""

import time
from collections.abc import Callable, Sequence

from heedful.core.address import Address, AddressKind, Contact, Subject, settled
from heedful.core.errors import InvalidInput
from heedful.core.instant import Instant
from heedful.gate.case import Case, settle
from heedful.gate.explain import Explanation, explained
from heedful.gate.facts import Asked
from heedful.gate.moment import Past, Present
from heedful.gate.question import SERVES, Answer, Question, check_serves, unknown_campaign
from heedful.gate.ruled import Found, Ruled
from heedful.gate.signature import Rulebook, Verdict
from heedful.gate.standing import Standing, standing_of
from heedful.ledger import Ledger, Reading

_BOOKS = 8
"""Catalogues whose plans are kept: the one in force, and some that replays ask for."""


def _now() -> Instant:
    return time.time_ns() // 1000


def _heard(to: Address | str, region: str | None) -> tuple[AddressKind, str]:
    address = Address.parse(to, region) if isinstance(to, str) else to
    return address.kind, address.text


def _ruled(case: Case) -> Ruled:
    return Ruled(case.book.number, case.moment.seq, case.answers)


class Gate:
    """Answers questions out of a ledger. Changes nothing; may be used by many threads.

    An answer is true at its `seq`: it has seen every event up to there, and a question put after
    a commit sees that commit. Where the ledger cannot be read, its error flies: never an *allow*.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], Instant] = _now) -> None:
        self._ledger = ledger
        self._clock = clock
        self._key_of_text = ledger.key_of_text
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
        first = None
        if as_of is None and campaign is None:
            found = self._at_once(to, channel, topic, tuple(segments), vendor, sender)
            if isinstance(found, tuple):
                verdict, seqs, text, catalogue, seq = found
                return verdict.answer(seqs, text, catalogue, seq)
            first = found
        question = Question(
            to, channel, topic, contact, tuple(segments), at, as_of, vendor, sender, campaign
        )
        return self._case([question], first).answers[0]

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
        answers = iter(self.rule(present).answers() if present else ())
        return [next(answers) if q.as_of is None else self.ask(q) for q in questions]

    def rule(self, questions: Sequence[Question]) -> Ruled:
        """`ask_many` of now, for who only passes the answers on: where a remembered verdict
        suffices, it is given as it is, and no Answer is made of it."""
        if len(questions) == 1:
            q = questions[0]
            first = None
            if q.campaign is None:
                found = self._at_once(q.to, q.channel, q.topic, q.segments, q.vendor, q.sender)
                if isinstance(found, tuple):
                    return Ruled(found[3], found[4], (found[:3],))
                first = found
            return _ruled(self._case(questions, first))
        try:
            return self._many_at_once(questions)
        except InvalidInput:
            return _ruled(self._case(questions))  # by the catalogue in force, or told with a number

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

    def _at_once(
        self,
        to: Address | str,
        channel: str,
        topic: str,
        segments: tuple[str, ...],
        vendor: str | None,
        sender: str | None,
    ) -> tuple[Verdict, tuple[int, ...], str, int, int] | Present | None:
        """The verdict, its events, the address, catalogue and head; else what was read, if it was.

        InvalidInput is swallowed: by a catalogue that may have been replaced. The long way tells.
        """
        try:
            book = self._latest or self._newest()
            found = settled(to) if isinstance(to, str) else None
            kind, text = found or _heard(to, book.region)
            key = self._key_of_text(text)
            rows = self._read_one(key)
            _, _, catalogue, seq, digests = rows.pop(0)
            if catalogue != book.number:
                return None
            plan = book.plan(channel, topic, segments, vendor, sender)
            if digests is None and plan.reaches is kind:
                ruling = plan.ruling(rows)
                if ruling is not None:
                    return ruling[0], ruling[1], text, catalogue, seq
        except InvalidInput:
            return None
        return Present(
            self._ledger, (key,), Reading(seq, catalogue, digests is not None, {key: rows})
        )

    def _many_at_once(self, questions: Sequence[Question]) -> Ruled:
        """One read for all; those for which no verdict suffices are worked out at that moment."""
        book = self._latest or self._newest()
        region, key_of_text, plan_of = book.region, self._key_of_text, book.plan
        heard = [
            (isinstance(q.to, str) and settled(q.to)) or _heard(q.to, region) for q in questions
        ]
        keys = [key_of_text(text) for _, text in heard]
        reading = self._ledger.read(keys)
        if reading.catalogue != book.number:
            return _ruled(self._case(questions))
        rows_of, digests = reading.rows.get, reading.digests
        found: list[Found | Answer | None] = []
        for q, (kind, text), key in zip(questions, heard, keys, strict=True):
            plan = plan_of(q.channel, q.topic, q.segments, q.vendor, q.sender)
            simple = plan.reaches is kind and not digests and q.campaign is None
            ruling = plan.ruling(rows_of(key, ())) if simple else None
            found.append(None if ruling is None else (*ruling, text))
        if None in found:
            left = [n for n, one in enumerate(found) if one is None]
            moment = Present(self._ledger, keys, reading)
            case = self._case([questions[n] for n in left], moment)
            if case.moment is not moment or moment.read_again:
                return _ruled(self._case(questions))
            for n, answer in zip(left, case.answers, strict=True):
                found[n] = answer
        return Ruled(reading.catalogue, reading.seq, found)  # type: ignore[arg-type]  # none left

    def _case(
        self,
        questions: Sequence[Question],
        first: Present | None = None,
    ) -> Case:
        """Work questions out together: all of now, or one of the past.

        `first` is what was read already.
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
            if case := settle(self._ledger, book, asked, moment):
                return case
            self._latest, first = self._book(moment.catalogue), None

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
