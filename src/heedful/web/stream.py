"""The change feed as server-sent events: each event as soon as it is committed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from heedful.core.errors import HeedfulError
from heedful.ledger import Cursor
from heedful.web.bodies import EventRow
from heedful.wire import House

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the line open."""
LOOK = 1.0
"""Seconds after which the ledger is looked at anyway: another process may have written to it."""
PAGE = 200


class Changes:
    """Wakes those who wait for the next commit. Used on the event loop's thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: set[asyncio.Event] = set()
        self._end: Callable[[], None] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set after each commit in this process."""
        if self._end is None:
            loop = asyncio.get_running_loop()

            def committed(_head: int) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody listens
                    loop.call_soon_threadsafe(self._wake)

            self._end = self._house.ledger.subscribe(committed)
        mine = asyncio.Event()
        self._waiting.add(mine)
        try:
            yield mine
        finally:
            self._waiting.discard(mine)

    def _wake(self) -> None:
        for waiting in self._waiting:
            waiting.set()

    def close(self) -> None:
        if self._end is not None:
            self._end()
            self._end = None


Rows = Callable[[Cursor, int], tuple[list[EventRow], Cursor]]


async def events(
    house: House, changes: Changes, rows: Rows, cursor: Cursor, stopping: asyncio.Event
) -> AsyncIterator[bytes]:
    """What a reader of `/v1/events/stream` gets: every event after the cursor, then each new one.

    The `id` of each is the cursor to resume from; a browser sends it back as `Last-Event-ID`.
    Ends when the server stops, or with an `error` event where the feed cannot go on.
    """
    encode = msgspec.json.Encoder().encode
    yield b"retry: 2000\n\n"
    silent = 0.0
    stop = asyncio.ensure_future(stopping.wait())
    try:
        with changes.listening() as changed:
            while not stopping.is_set():
                changed.clear()
                try:
                    found, after = await house.read(rows, cursor, PAGE)
                except HeedfulError as error:
                    yield b"event: error\ndata: %s\n\n" % encode({"code": error.code})
                    return
                if after != cursor:
                    cursor, silent = after, 0.0
                    body = b"".join(b"data: %s\n\n" % encode(row) for row in found[:-1])
                    last = b"data: %s\n" % encode(found[-1]) if found else b""
                    yield body + last + b"id: %s\n\n" % cursor.text.encode()
                    continue
                waking = asyncio.ensure_future(changed.wait())
                await asyncio.wait(
                    {waking, stop}, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED
                )
                if not waking.done():
                    waking.cancel()
                    silent += LOOK
                    if silent >= HEARTBEAT:
                        silent = 0.0
                        yield b": still here\n\n"
    finally:
        stop.cancel()
