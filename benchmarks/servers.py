"""Start what is measured, and what it is measured against, each in a process of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.bed import Bed

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """What was started: where it listens, and which process it is."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of processor time that it has used (Linux), its threads included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def process(words: list[str], port: int, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a Python module that listens on the port; stopped at the end."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths} | dict(more or {})
    # The log goes to a file, as it would; it is shown if the server does not come up.
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment, stdout=said, stderr=said
        ) as server,
    ):
        try:
            _wait(server, port, words, said)
            yield Server(port, server.pid)
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait(server: subprocess.Popen[bytes], port: int, words: list[str], said: IO[str]) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                said.seek(0)
                what = " ".join(words[:2])
                raise RuntimeError(f"{what} did not come up. It said:\n{said.read()}") from None
            time.sleep(0.05)


@contextmanager
def heedful(
    bed: Bed, command: str = "serve", more: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Heedful over a bed, in one process."""
    port = free_port()
    words = ["heedful", "--db", bed.url, command, "--host", "127.0.0.1", "--port", str(port)]
    settings = {"HEEDFUL_KEYS": str(bed.keys_path), "HEEDFUL_DATABASE_URL": bed.url}
    with process(words, port, settings | dict(more or {})) as server:
        yield server


@contextmanager
def constant(which: str) -> Iterator[Server]:
    """The constant answer, `bare` or by `starlette`."""
    port = free_port()
    with process(["benchmarks.baselines.constant", which, str(port)], port) as server:
        yield server


@contextmanager
def sink() -> Iterator[Server]:
    """The vendor that answers 200 to everything."""
    port = free_port()
    with process(["benchmarks.baselines.sink", str(port)], port) as server:
        yield server
