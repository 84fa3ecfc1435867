"""The dispatcher: keeps a telling for every vendor whose lease it holds, and wakes them.

One event loop in one thread. A commit of this process wakes it at once; those of other processes
are noticed by looking at the head a few times a second. Several dispatchers may run, on one machine
or on many: each vendor is told by the one that holds its lease.
"""

import asyncio
import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

import uvloop

from heedful import observe
from heedful.core.catalogue import Catalogue
from heedful.core.errors import HeedfulError, LedgerError
from heedful.core.instant import SECOND, Instant
from heedful.fanout.feed import Feed
from heedful.fanout.leases import take_leases
from heedful.fanout.lines import Line, can_be_told, draw_lines
from heedful.fanout.marks import Marks
from heedful.fanout.roster import Roster
from heedful.fanout.shared import Shared
from heedful.fanout.sight import Sight
from heedful.ledger import Ledger

LEASE: Instant = 8 * SECOND
"""How long the vendors of a process that was killed wait for another one, at the most."""
_KEEP: Instant = SECOND
_PURGE: Instant = 60 * SECOND
_LOOK = 0.25
_TICK = 0.02

Result = TypeVar("Result")
log = observe.logger(__name__)


def wall_clock() -> Instant:
    return time.time_ns() // 1000


class Dispatcher:
    """Tells the vendors of the catalogue in force. `start` and `stop` run it in a thread; a test
    calls `step` in a loop of its own, with a clock of its own.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Callable[[], Instant] = wall_clock,
        rng: random.Random | None = None,
        owner: str | None = None,
        lease: Instant = LEASE,
    ) -> None:
        self._ledger, self._clock, self._lease = ledger, clock, lease
        self.owner = owner or f"dispatcher-{uuid.uuid4().hex[:12]}"
        self._marks = Marks(ledger, self.owner)
        self._feed = Feed(ledger)
        self._shared = Shared(
            ledger, self._feed, Sight(ledger), clock, rng or random.Random(), self._marks.soon
        )
        self._roster = Roster(self._shared, self._marks, self.owner)
        self._lines: dict[str, Line] = {}
        self._catalogue: Catalogue | None = None
        self._epoch: str | None = None
        self._kept: Instant = -_KEEP
        self._purged: Instant = -_PURGE
        self._looked = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._woken: asyncio.Event | None = None
        self._stopping = False

    # --- from outside -------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether it runs in its thread."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Tell vendors from now on, in a thread."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run_in_thread, name="heedful-dispatcher", daemon=True
            )
            self._thread.start()

    def stop(self, timeout: float = 20.0) -> None:
        """Finish what is under way, store the answers, give the leases back."""
        self._stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def wake(self, seq: int = 0) -> None:
        """There is something new, up to that event. May be called from any thread."""
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(self._wake, seq, woken)

    def _wake(self, seq: int, woken: asyncio.Event) -> None:
        self._feed.heard(seq)
        woken.set()

    def _run_in_thread(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.run())

    # --- the loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Until `stop`. Survives whatever goes wrong in between."""
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        unsubscribe = self._ledger.subscribe(self.wake)
        keeping: asyncio.Task[None] | None = None
        feeling = self._loop.create_task(self._feel_lag())
        try:
            while not self._stopping:
                pause = _LOOK
                try:
                    if keeping is None or keeping.done():
                        keeping = self._loop.create_task(self._keep_if_time())
                    if self._loop.time() - self._looked >= _LOOK:
                        self._looked = self._loop.time()
                        self._feed.look()
                    if self._advance():
                        pause = 0.0
                except Exception as error:  # the promise to tell outlives any one mistake
                    self._survived(error)
                    pause = 1.0
                await self._wait(pause)
        finally:
            unsubscribe()
            besides = [feeling] if keeping is None else [feeling, keeping]
            for task in besides:
                task.cancel()
            await asyncio.gather(*besides, return_exceptions=True)
            await self.close()
            self._loop = self._woken = None

    async def _wait(self, pause: float) -> None:
        assert self._woken is not None
        if pause == 0.0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._woken.wait()
        self._woken.clear()

    async def _feel_lag(self) -> None:
        """Note how late this loop wakes whoever sleeps: what it has to do comes before."""
        while True:
            begun = time.monotonic()
            await asyncio.sleep(_TICK)
            late = time.monotonic() - begun - _TICK
            self._shared.lag = max(late, 0.8 * self._shared.lag)

    async def step(self) -> None:
        """Do all that is due at the clock's time, and come back when it is answered and stored."""
        await self._keep()
        while True:
            self._feed.look()
            more = self._advance()
            tasks = [task for telling in self._roster.tellings.values() for task in telling.tasks]
            if tasks:
                await asyncio.wait(tasks)
            elif not more:
                break
            else:
                await asyncio.sleep(0)
        await self._marks.flush(self._roster.tellings.values())

    def _advance(self) -> bool:
        """Wake every telling once. True where one has more to take in than it did."""
        more = False
        for telling in tuple(self._roster.tellings.values()):
            try:
                more |= telling.advance()
            except LedgerError:
                raise
            except Exception as error:  # one vendor's trouble is not another's
                self._survived(error)
                telling.close()
        return more

    def _survived(self, error: Exception) -> None:
        observe.UNEXPECTED.labels("dispatcher").inc()
        if isinstance(error, HeedfulError):
            log.warning("dispatcher_waits", error=error.code)
        else:
            log.error("dispatcher_survived", exc_info=error)

    async def close(self) -> None:
        """The end: what is under way may finish, answers are stored, leases are given back."""
        await self._roster.close()
        self._marks.thread.shutdown()

    # --- keeping house ------------------------------------------------------------------------

    async def _keep_if_time(self) -> None:
        if self._clock() - self._kept >= _KEEP:
            try:
                await self._keep()
            except Exception as error:  # tried again in a second
                self._survived(error)

    async def _keep(self) -> None:
        """Follow the catalogue, take and renew leases, notice what an operator changed, purge."""
        now = self._kept = self._clock()
        epoch = self._feed.look().epoch
        if epoch != self._epoch:
            if self._epoch is not None:  # a restore, under our feet
                self._feed.forget()
                for telling in self._roster.tellings.values():
                    telling.close()
            self._epoch = epoch
        catalogue = await self._in_thread(self._ledger.catalogue)
        if self._catalogue is None or catalogue.number != self._catalogue.number:
            self._catalogue = catalogue
            self._roster.retire(set(self._roster.tellings))
            self._lines.clear()
        draw_lines(self._lines, catalogue, self._clock)
        roster = self._roster
        await roster.finish_leaving()
        roster.retire({v for v in roster.tellings if v not in self._lines})
        roster.drop_closed()
        wanted = {v for v in self._lines if v not in roster.leaving}
        mine = {vendor: telling.cursor for vendor, telling in roster.tellings.items()}
        taken, lost = await self._in_thread(
            lambda: take_leases(self._ledger.outbox, self.owner, wanted, mine, now, self._lease)
        )
        roster.lose(lost)
        for vendor, (cursor, waiting) in taken.items():
            roster.hold(self._lines[vendor], cursor, waiting)
        for telling in roster.tellings.values():
            self._marks.soon(telling)
        if now - self._purged >= _PURGE:
            self._purged = now
            told = [v.name for v in catalogue.vendors.values() if can_be_told(v)]
            await self._in_thread(lambda: self._ledger.purge(now, told))

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        """What writes, or may take a while, is done beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._marks.thread, call)
