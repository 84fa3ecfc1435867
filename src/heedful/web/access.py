"""The access log: one line of JSON a request, with the route's template and nothing of its path.

Lines are gathered and written some fifty times a second: a system call for each would cost a fast
answer a tenth of its rate, and a long gathering would make one answer wait for all their lines.
What is gathered is written before the process ends.
"""

import asyncio
import sys
import time
from typing import BinaryIO

from heedful.core.instant import SECOND, to_datetime

EVERY = 0.02
"""Seconds between two writings."""


class AccessLog:
    """Gathers lines on the event loop's thread and writes them to a stream (standard error)."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream or sys.stderr.buffer
        self._lines: list[tuple[str, str, int, float, int]] = []

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(EVERY, self.flush)
        self._lines.append((method, route, status, seconds, time.time_ns()))

    def flush(self) -> None:
        """Write what was gathered. Methods and routes are our own words: nothing to escape."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        second, text = -1, ""
        written = []
        for method, route, status, seconds, at in lines:
            if at // 1_000_000_000 != second:
                second = at // 1_000_000_000
                text = to_datetime(second * SECOND).strftime("%Y-%m-%dT%H:%M:%S")
            written.append(
                f'{{"event":"request","method":"{method}","route":"{route}","status":{status},'
                f'"ms":{seconds * 1000:.2f},"at":"{text}.{at // 1000 % 1_000_000:06}Z"}}\n'
            )
        self._stream.write("".join(written).encode())
        self._stream.flush()
