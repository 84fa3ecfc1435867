"""A PostgreSQL server that may be killed, stopped, and put on a disk that fills up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.setup.postgres import SOCKET_NUMBER, _unprivileged, programs, url_of

PATIENCE = 60.0


class Server:
    """One cluster in a folder of its own. It listens on a socket there, and nowhere else."""

    def __init__(self, folder: Path, data: Path, log_disk: Path | None = None) -> None:
        self.folder, self.data = folder, data
        self.dsn = f"postgresql://heedful@/postgres?host={folder}&port={SOCKET_NUMBER}"
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "log"
        self._databases = 0
        user = _unprivileged()
        self._options: dict[str, Any] = {
            "cwd": folder,
            "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)},
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
        }
        if user is not None:
            for path in {folder, data.parent, log_disk or folder}:
                os.chown(path, user.pw_uid, user.pw_gid)
            self._options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        subprocess.run(
            [
                *(programs() / "initdb", f"--pgdata={data}", "--locale=C.UTF-8"),
                *("--encoding=UTF8", "--auth=trust", "--username=heedful", "--no-sync"),
                *(("--waldir", log_disk / "wal", "--wal-segsize=1") if log_disk else ()),
            ],
            stdout=subprocess.DEVNULL,
            check=True,
            **self._options,
        )

    def start(self) -> None:
        """Start it, and wait until it answers: after a kill, until it has recovered."""
        setpriv = shutil.which("setpriv")
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [
                    *([setpriv, "--pdeathsig", "INT"] if setpriv else []),
                    *(programs() / "postgres", "-D", self.data, "-k", self.folder),
                    *("-p", str(SOCKET_NUMBER), "-c", "listen_addresses="),
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                **self._options,
            )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.dsn).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"no server:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.01)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """In good order, or at least at once."""
        if self._process is not None:
            for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if self.runs:
                    self._process.send_signal(order)
                try:
                    self._process.wait(PATIENCE)
                    break
                except subprocess.TimeoutExpired:
                    continue
            self._process = None

    def kill(self) -> None:
        """SIGKILL to all of its processes at once: as if the machine's memory were gone."""
        assert self._process is not None
        # Each of its processes leads a session of its own, so the group of one is not all of them.
        first = self._process.pid
        children: list[str] = []
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended by itself
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while any(_lives(int(pid)) for pid in children):
            assert time.monotonic() < until
            time.sleep(0.002)
        self._process = None

    def new_database(self) -> str:
        self._databases += 1
        name = f"heedful_{self._databases}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"create database {name} template template0")
        return url_of(self.dsn, name)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextmanager
def own_server(disk: Path | None = None, log_disk: Path | None = None) -> Iterator[Server]:
    """A running server, gone afterwards; its data in a folder on `disk`, if one is given, or its
    write-ahead log only on `log_disk`."""
    # Short, and not the test's own: a socket's path may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    server = None
    try:
        server = Server(folder, (disk or folder) / "data", log_disk)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
