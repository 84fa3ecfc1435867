"""From the ledger's writing thread back to the event loop: what one commit answers lands in one go.

A future of each thread for each statement, and a wake-up of the loop for each, would cost more than
reading the request does.
"""

import asyncio
from collections import deque
from functools import partial

from heedful.core.errors import HeedfulError
from heedful.core.event import Statement
from heedful.ledger import Ledger, Receipt

_Outcome = list[Receipt] | HeedfulError
_Waiting = asyncio.Future[list[Receipt]]


class Landing:
    """Records statements for requests that wait on the event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._loop: asyncio.AbstractEventLoop | None = None
        self._landed: deque[tuple[_Waiting, _Outcome]] = deque()
        self._called = False

    async def record(self, said: Statement, catalogue: int | None = None) -> list[Receipt]:
        """The receipt, after the commit that holds it; see `Ledger.hand_in` for `catalogue`."""
        waiting: _Waiting = asyncio.get_running_loop().create_future()
        self._ledger.hand_in((said,), partial(self._land, waiting), catalogue)
        return await waiting

    def _land(self, waiting: _Waiting, outcome: _Outcome) -> None:
        """On the writing thread."""
        loop = waiting.get_loop()
        if loop is not self._loop:
            self._loop, self._landed, self._called = loop, deque(), False
        self._landed.append((waiting, outcome))
        if not self._called:
            self._called = True
            loop.call_soon_threadsafe(self._hand_out, self._landed)

    def _hand_out(self, landed: deque[tuple[_Waiting, _Outcome]]) -> None:
        self._called = False  # before looking: what lands from here on calls again
        while landed:
            waiting, outcome = landed.popleft()
            if waiting.done():  # the caller hung up
                continue
            if isinstance(outcome, HeedfulError):
                waiting.set_exception(outcome)
            else:
                waiting.set_result(outcome)
