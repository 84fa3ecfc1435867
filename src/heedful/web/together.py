"""Checks that arrive while a read is under way are answered by the next read, all by one.

Where the ledger is a server across a network, each read is a wait; sixteen callers at once would
be sixteen waits in sixteen threads. A check is never answered by a read that began before it came.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from heedful.core.errors import HeedfulError, InvalidInput
from heedful.gate import Answer, Question
from heedful.wire import House

MOST = 1000
"""Questions in one read."""
READS = 2
"""Reads under way at once: while one waits, the other's answers are made."""

Asked = Sequence[Question | HeedfulError]
Answers = Sequence[Answer | HeedfulError]


class Together:
    """Gathers the questions of requests that wait. Used on the event loop's thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: deque[tuple[Asked, asyncio.Future[Answers]]] = deque()
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

    async def _settle(self, taken: list[tuple[Asked, "asyncio.Future[Answers]"]]) -> None:
        every = [question for asked, _ in taken for question in asked]
        try:
            answers = await self._house.thread(answered, self._house, every)
        except Exception as error:  # whatever it is, it is the answer to all that wait for it
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            return
        place = 0
        for asked, future in taken:
            if not future.done():
                future.set_result(answers[place : place + len(asked)])
            place += len(asked)


def answered(house: House, asked: Asked) -> Answers:
    """The answers in the order of the questions, all at one moment of the history."""
    try:
        return _answers(house, asked)
    except InvalidInput:
        # Some have no answer: find which, and ask the others again, at one moment.
        return _answers(house, [_tried(house, question) for question in asked])


def _answers(house: House, asked: Asked) -> Answers:
    good = [q for q in asked if isinstance(q, Question)]
    answers = iter((house.gate.ask(good[0]),) if len(good) == 1 else house.gate.ask_many(good))
    return [next(answers) if isinstance(q, Question) else q for q in asked]


def _tried(house: House, asked: Question | HeedfulError) -> Question | HeedfulError:
    if isinstance(asked, Question):
        try:
            house.gate.ask(asked)
        except InvalidInput as error:
            return error
    return asked
