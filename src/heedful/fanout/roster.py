"""The vendors that one dispatcher tells, each with its connections, and those that are leaving."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from functools import partial

import aiohttp

from heedful.core.errors import LedgerError
from heedful.fanout.lines import Line
from heedful.fanout.marks import Marks
from heedful.fanout.pace import WINDOW
from heedful.fanout.shared import Shared
from heedful.fanout.telling import Telling
from heedful.ledger import Delivery, VendorCursor

_TIMEOUT = 20.0


class Roster:
    """A telling for every vendor whose lease is ours. One that retires keeps its lease until
    what it has under way is answered and stored."""

    def __init__(self, shared: Shared, marks: Marks, owner: str) -> None:
        self._shared, self._marks, self._owner = shared, marks, owner
        self.tellings: dict[str, Telling] = {}
        self.leaving: dict[str, Telling] = {}
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def hold(self, line: Line, cursor: VendorCursor, waiting: Iterable[Delivery]) -> None:
        """The lease is ours, from now on or still; `waiting` is what must be looked at anew."""
        vendor = cursor.vendor
        telling = self.tellings.get(vendor)
        if telling is None:
            if vendor not in self._sessions:
                self._sessions[vendor] = line.guard.session(WINDOW, _TIMEOUT)
            session = self._sessions[vendor]
            telling = Telling(self._shared, line.touches, line.connector, session, cursor)
            self.tellings[vendor] = telling
            telling.restore(waiting)
        elif telling.renewed(cursor):
            telling.restore(waiting)

    def lose(self, vendors: Iterable[str]) -> None:
        """Their leases are somebody else's."""
        for vendor in vendors:
            if vendor in self.tellings:
                self.tellings.pop(vendor).close()

    def drop_closed(self) -> None:
        """Those that ended by themselves may begin again."""
        self.tellings = {v: t for v, t in self.tellings.items() if not t.closed}

    def retire(self, vendors: Iterable[str]) -> None:
        """These end when what is under way is answered; `finish_leaving` sees to the rest."""
        for vendor in vendors:
            telling = self.tellings.pop(vendor, None)
            if telling is not None:
                telling.stop()
                self.leaving[vendor] = telling

    async def finish_leaving(self) -> None:
        """Give back the leases of those that retired and have nothing under way."""
        for vendor, telling in list(self.leaving.items()):
            if not telling.tasks:
                await self._marks.flush([telling])
                await self._release(vendor)
                await self._sessions.pop(vendor).close()
                del self.leaving[vendor]

    async def close(self) -> None:
        """The end: what is under way may finish, answers are stored, leases are given back."""
        tellings = {**self.leaving, **self.tellings}
        for telling in tellings.values():
            telling.stop()
        tasks = [task for telling in tellings.values() for task in telling.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=_TIMEOUT / 2)
        await self._marks.flush(tellings.values())
        for vendor, telling in tellings.items():
            telling.close()
            with contextlib.suppress(LedgerError):
                await self._release(vendor)
        for session in self._sessions.values():
            await session.close()
        self.tellings.clear()
        self.leaving.clear()
        self._sessions.clear()

    async def _release(self, vendor: str) -> None:
        release: Callable[[], None] = partial(
            self._shared.ledger.outbox.release, vendor, self._owner
        )
        await asyncio.get_running_loop().run_in_executor(self._marks.thread, release)
