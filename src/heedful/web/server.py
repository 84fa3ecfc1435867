"""One process that answers HTTP: the socket, uvicorn, and an end that keeps every promise."""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable, Generator, Sequence

import uvicorn

from heedful.web.access import AccessLog
from heedful.web.app import App

GRACE = 10
"""Seconds that requests have to finish in, once the process was told to stop."""
FURTHER = 20
"""Ports tried after the one wished for."""


def bound(host: str, port: int, *, strict: bool = False) -> socket.socket:
    """A listening socket on the port wished for or, if that is taken, the next free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    last = port if strict or port == 0 else port + FURTHER
    for number in range(port, last + 1):
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, number))
            sock.listen(2048)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE or number == last:
                raise
        else:
            sock.setblocking(False)
            return sock
    raise AssertionError("the loop ends by return or raise")


def address_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, but told to stop it first ends the streams, which would never end by themselves."""

    def __init__(self, config: uvicorn.Config, app: App, answering: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._answering = app, answering

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._answering()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.stopping.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Stop on SIGINT and SIGTERM and return, so that the rest of the house can end well."""
        loop = asyncio.get_running_loop()
        signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def serve(app: App, sock: socket.socket, answering: Callable[[], None], access: AccessLog) -> None:
    """Answer until told to stop; returns once every request that was taken has been answered."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=30,
        backlog=2048,
    )
    # What is there now stays: the collector need not look at it again, nor as often at the rest.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # A thread that has waited for a read gets its turn sooner than after the usual 5 ms.
    sys.setswitchinterval(0.0005)
    try:
        Server(config, app, answering).run([sock])
    finally:
        access.flush()
