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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import aiohttp
import uvloop

from heedful import observe
from heedful.core.catalogue import Catalogue, Vendor
from heedful.core.errors import HeedfulError, LedgerError, NotConfigured, UnknownVendor
from heedful.core.instant import SECOND, Instant
from heedful.fanout.feed import Feed
from heedful.fanout.guard import Guard
from heedful.fanout.marks import Marks
from heedful.fanout.plan import Touches
from heedful.fanout.sight import Sight
from heedful.fanout.telling import WINDOW, Shared, Telling
from heedful.ledger import Delivery, Ledger, VendorCursor
from heedful.vendors import Can, account, kind_of
from heedful.vendors.contract import Connector

LEASE: Instant = 30 * SECOND
_KEEP: Instant = SECOND
_PURGE: Instant = 60 * SECOND
_LOOK = 0.25
_TIMEOUT = 20.0

Result = TypeVar("Result")
log = observe.logger(__name__)


def wall_clock() -> Instant:
    return time.time_ns() // 1000


@dataclass(slots=True)
class _Line:
    """A vendor that can be told: what it sends, and how it is reached."""

    touches: Touches
    connector: Connector
    guard: Guard


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
        self._tellings: dict[str, Telling] = {}
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._lines: dict[str, _Line] = {}
        self._leaving: dict[str, Telling] = {}
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
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
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

    async def step(self) -> None:
        """Do all that is due at the clock's time, and come back when it is answered and stored."""
        await self._keep()
        while True:
            self._feed.look()
            more = self._advance()
            tasks = [task for telling in self._tellings.values() for task in telling.tasks]
            if tasks:
                await asyncio.wait(tasks)
            elif not more:
                break
            else:
                await asyncio.sleep(0)
        await self._marks.flush(self._tellings.values())

    def _advance(self) -> bool:
        """Wake every telling once. True where one has more to take in than it did."""
        more = False
        for telling in tuple(self._tellings.values()):
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
        tellings = {**self._leaving, **self._tellings}
        for telling in tellings.values():
            telling.stop()
        tasks = [task for telling in tellings.values() for task in telling.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=_TIMEOUT / 2)
        await self._marks.flush(tellings.values())
        for vendor, telling in tellings.items():
            telling.close()
            with contextlib.suppress(LedgerError):
                await self._in_thread(partial(self._ledger.outbox.release, vendor, self.owner))
        for session in self._sessions.values():
            await session.close()
        self._tellings.clear()
        self._leaving.clear()
        self._sessions.clear()
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
                for telling in self._tellings.values():
                    telling.close()
            self._epoch = epoch
        catalogue = await self._in_thread(self._ledger.catalogue)
        if self._catalogue is None or catalogue.number != self._catalogue.number:
            self._catalogue = catalogue
            self._retire(set(self._tellings))
            self._lines.clear()
        self._draw_lines(catalogue)
        await self._finish_leaving()
        self._retire({v for v in self._tellings if v not in self._lines})
        self._tellings = {v: t for v, t in self._tellings.items() if not t.closed}
        wanted = {v for v in self._lines if v not in self._leaving}
        mine = {vendor: telling.cursor for vendor, telling in self._tellings.items()}
        taken, lost = await self._in_thread(lambda: self._take_leases(wanted, mine, now))
        for vendor in lost & set(self._tellings):
            self._tellings.pop(vendor).close()
        for vendor, (cursor, waiting) in taken.items():
            self._hold(vendor, cursor, waiting)
        for telling in self._tellings.values():
            self._marks.soon(telling)
        if now - self._purged >= _PURGE:
            self._purged = now
            told = [v.name for v in catalogue.vendors.values() if can_be_told(v)]
            await self._in_thread(lambda: self._ledger.purge(now, told))

    def _draw_lines(self, catalogue: Catalogue) -> None:
        """How each vendor is reached. One whose secret is missing is left out, and looked at
        again the next time: its instructions wait in the feed."""
        for vendor in catalogue.vendors.values():
            if vendor.name not in self._lines:
                with contextlib.suppress(HeedfulError):
                    connector = connector_of(vendor, catalogue, self._clock)
                    if connector is not None:
                        self._lines[vendor.name] = _Line(
                            Touches(catalogue, vendor.name),
                            connector,
                            Guard(catalogue.allow_private),
                        )

    def _take_leases(
        self, wanted: set[str], mine: Mapping[str, VendorCursor], now: Instant
    ) -> tuple[dict[str, tuple[VendorCursor, list[Delivery]]], set[str]]:
        """The leases that are ours from now on, with what waits there; and those that we lost.

        Runs in the marks' thread. In no fixed order, so that dispatchers that start together get
        some vendors each.
        """
        outbox = self._ledger.outbox
        taken: dict[str, tuple[VendorCursor, list[Delivery]]] = {}
        lost: set[str] = set()
        cursors = outbox.cursors()
        for vendor in random.sample(sorted(wanted), len(wanted)):
            there, here = cursors.get(vendor), mine.get(vendor)
            if there is not None and there.owner != self.owner:
                if here is not None:
                    lost.add(vendor)
                    continue
                if there.owner is not None and (there.leased_until or 0) > now:
                    continue
            changed = here is None or there is None or _asked(here) != _asked(there)
            left = (there.leased_until or 0) - now if there is not None else 0
            if not changed and left > self._lease // 2:
                continue
            leased = outbox.lease(vendor, self.owner, now, now + self._lease)
            if leased is not None:
                taken[vendor] = leased, outbox.waiting(vendor) if changed else []
            elif here is not None:
                lost.add(vendor)
        return taken, lost

    def _hold(self, vendor: str, cursor: VendorCursor, waiting: list[Delivery]) -> None:
        telling = self._tellings.get(vendor)
        if telling is None:
            line = self._lines[vendor]
            if vendor not in self._sessions:
                self._sessions[vendor] = line.guard.session(WINDOW, _TIMEOUT)
            telling = Telling(
                self._shared, line.touches, line.connector, self._sessions[vendor], cursor
            )
            self._tellings[vendor] = telling
            telling.restore(waiting)
        elif telling.renewed(cursor):
            telling.restore(waiting)

    def _retire(self, vendors: set[str]) -> None:
        """These end when what is under way is answered; `_finish_leaving` sees to the rest."""
        for vendor in vendors:
            telling = self._tellings.pop(vendor, None)
            if telling is not None:
                telling.stop()
                self._leaving[vendor] = telling

    async def _finish_leaving(self) -> None:
        for vendor, telling in list(self._leaving.items()):
            if telling.idle:
                await self._marks.flush([telling])
                await self._in_thread(partial(self._ledger.outbox.release, vendor, self.owner))
                await self._sessions.pop(vendor).close()
                del self._leaving[vendor]

    async def _in_thread(self, call: Callable[[], Result]) -> Result:
        """What writes, or may take a while, is done beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._marks.thread, call)


def _asked(cursor: VendorCursor) -> tuple[str, str | None]:
    """What an operator may have changed since we looked."""
    return cursor.state, cursor.why


def can_be_told(vendor: Vendor) -> bool:
    """Whether its kind takes instructions; some only hear for us."""
    with contextlib.suppress(UnknownVendor):
        return Can.TELL in kind_of(vendor).can
    return False


def connector_of(
    vendor: Vendor, catalogue: Catalogue, clock: Callable[[], Instant] = wall_clock
) -> Connector | None:
    """What tells a vendor; None where its kind only hears. NotConfigured says what is missing."""
    kind = kind_of(vendor)
    if not can_be_told(vendor) or kind.make_connector is None:
        return None
    settings = account(vendor)
    url = settings.settings.get("url")
    if url is not None and (fault := Guard(catalogue.allow_private).fault(url)):
        raise NotConfigured(f"vendors.{vendor.name}.url cannot be called: {fault}.")
    return kind.make_connector(replace(settings, clock=clock))
