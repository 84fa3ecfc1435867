"""Checks that arrive together are answered by one read.

Where the ledger is a server across a network, each read is a wait; sixteen callers at once would
be sixteen waits in sixteen threads. So what comes while a read is under way waits for the next.
Where it is a file, those that came in one turn of the event loop are read at its end: a key among
sixteen costs half of a key alone. A check is never answered by a read that began before it came.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from heedful.core.errors import HeedfulError, InvalidInput
from heedful.gate import Answer, Found, Question
from heedful.wire import House

MOST = 1000
"""Questions in one read."""
READS = 2
"""Reads under way at once: while one waits, the other's answers are made."""

Asked = Sequence[Question | HeedfulError]
Each = Sequence[Found | Answer | HeedfulError]


class Answers(Struct, frozen=True):
    """In the order of the questions, with the catalogue and the head that they are true at.

    `seq` is 0 where nothing could be asked at all.
    """

    each: Each
    catalogue: int
    seq: int


Taken = Sequence[tuple[Asked, "asyncio.Future[Answers]"]]


class Together:
    """Gathers the questions of requests that wait. Used on the event loop's thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: deque[tuple[Asked, asyncio.Future[Answers]]] = deque()
        self._this_turn: list[tuple[Asked, asyncio.Future[Answers]]] = []
        self._reading = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def answers(self, asked: Asked) -> Answers:
        """The answers of one request, in its order."""
        mine: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, mine))
        if self._reading < READS:
            self._reading += 1
            task = asyncio.ensure_future(self._read())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await mine

    def at_once(self, asked: Asked) -> "asyncio.Future[Answers]":
        """The answers of a small request from a ledger that is a file."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[Answers] = loop.create_future()
        if not self._this_turn:
            loop.call_soon(self._end_turn)
        self._this_turn.append((asked, mine))
        return mine

    def _end_turn(self) -> None:
        waiting, self._this_turn = self._this_turn, []
        at, size = 0, 0
        for end, (asked, _) in enumerate(waiting, 1):
            size += len(asked)
            if size < MOST and end < len(waiting):
                continue
            taken, at, size = waiting[at:end], end, 0
            try:
                answers = answered(self._house, [q for asked, _ in taken for q in asked])
            except Exception as error:  # as in `_settle`
                _fail(taken, error)
            else:
                _hand_out(taken, answers)

    async def _read(self) -> None:
        try:
            while self._waiting:
                taken = [self._waiting.popleft()]
                size = len(taken[0][0])
                while self._waiting and size + len(self._waiting[0][0]) <= MOST:
                    taken.append(self._waiting.popleft())
                    size += len(taken[-1][0])
                await self._settle(taken)
        finally:
            self._reading -= 1

    async def _settle(self, taken: Taken) -> None:
        every = [question for asked, _ in taken for question in asked]
        try:
            answers = await self._house.thread(answered, self._house, every)
        except Exception as error:  # whatever it is, it is the answer to all that wait for it
            _fail(taken, error)
        else:
            _hand_out(taken, answers)


def _fail(taken: Taken, error: Exception) -> None:
    for _, future in taken:
        if not future.done():
            future.set_exception(error)


def _hand_out(taken: Taken, answers: Answers) -> None:
    place = 0
    for asked, future in taken:
        end = place + len(asked)
        if not future.done():
            each = answers.each[place:end]
            future.set_result(Answers(each, answers.catalogue, answers.seq))
        place = end


def answered(house: House, asked: Asked) -> Answers:
    """The answers in the order of the questions, all at one moment of the history."""
    try:
        return _answers(house, asked)
    except InvalidInput:
        # Some have no answer: find which, and ask the others again, at one moment.
        return _answers(house, [_tried(house, question) for question in asked])


def _answers(house: House, asked: Asked) -> Answers:
    good = [q for q in asked if isinstance(q, Question)]
    each: Each
    if not good:
        return Answers([q for q in asked if isinstance(q, HeedfulError)], 0, 0)
    if all(q.as_of is None for q in good):
        ruled = house.gate.rule(good)
        each, catalogue, seq = ruled.each, ruled.catalogue, ruled.seq
    else:
        answers = house.gate.ask_many(good)
        each, catalogue, seq = answers, answers[-1].catalogue, answers[-1].seq
    if len(good) < len(asked):
        found = iter(each)
        each = [next(found) if isinstance(q, Question) else q for q in asked]
    return Answers(each, catalogue, seq)


def _tried(house: House, asked: Question | HeedfulError) -> Question | HeedfulError:
    if isinstance(asked, Question):
        try:
            house.gate.ask(asked)
        except InvalidInput as error:
            return error
    return asked
