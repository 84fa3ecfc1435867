"""Told is marked after the answer: answers of all vendors are stored together, a few at a time.

An answer that is not stored yet is only in memory. If the process ends there, the vendor is told
again, with the same webhook-id.
"""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from heedful import observe
from heedful.core.errors import LedgerError
from heedful.fanout.answers import Harvest
from heedful.fanout.telling import Telling
from heedful.ledger import Ledger

_GATHER = 0.01
_STEP_FORWARD = 0.5
_AGAIN = 1.0

log = observe.logger(__name__)


class Marks:
    """Stores what the vendors' tellings bring in, in one thread of its own."""

    def __init__(self, ledger: Ledger, owner: str) -> None:
        self._ledger, self._owner = ledger, owner
        self.thread = ThreadPoolExecutor(1, "heedful-marks")
        self._with_answers: dict[str, Telling] = {}
        self._task: asyncio.Task[None] | None = None
        self._stepped = 0.0

    def soon(self, telling: Telling) -> None:
        """What this one holds is stored in a moment."""
        self._with_answers[telling.vendor] = telling
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._store_all())

    async def flush(self, tellings: Iterable[Telling]) -> None:
        """Returns when everything that they hold is stored, mere steps forward included."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
        self._with_answers.update((telling.vendor, telling) for telling in tellings)
        await self._store_all(at_once=True)

    async def _store_all(self, at_once: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while self._with_answers:
            if not at_once:
                await asyncio.sleep(_GATHER)
            everything = at_once or loop.time() - self._stepped >= _STEP_FORWARD
            tellings, self._with_answers = list(self._with_answers.values()), {}
            gone = [
                (t, h) for t in tellings if not t.closed if (h := t.answers.harvest(everything))
            ]
            if not gone:
                return
            if everything:
                self._stepped = loop.time()
            try:
                lost = await loop.run_in_executor(self.thread, self._write, [h for _, h in gone])
            except Exception as error:
                # The vendors were told; that they were must be stored, and will be.
                observe.UNEXPECTED.labels("marks").inc()
                if isinstance(error, LedgerError):
                    log.warning("answers_not_stored", error=error.code)
                else:
                    log.error("answers_not_stored", exc_info=error)
                for telling, harvest in gone:
                    telling.answers.unstored(harvest)
                    self._with_answers[telling.vendor] = telling
                if at_once:
                    return
                await asyncio.sleep(_AGAIN)
            else:
                for telling, harvest in gone:
                    if harvest.vendor in lost:
                        telling.close()
                    else:
                        telling.answers.stored(harvest)

    def _write(self, harvests: Sequence[Harvest]) -> frozenset[str]:
        """Store them. Returns the vendors whose lease is somebody else's by now."""
        outbox = self._ledger.outbox
        lost = outbox.store_all(self._owner, [(h.vendor, h.deliveries, h.cursor) for h in harvests])
        for harvest in harvests:
            if harvest.disabled is not None and harvest.vendor not in lost:
                outbox.set_state(harvest.vendor, "disabled", harvest.disabled)
        return lost
