"""A PostgreSQL server for one test run, and fresh databases in it."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

# Part of the socket file's name only: the server listens on no TCP port at all. Not 5432, so
# that a default taken by mistake reaches nothing instead of the machine's own server.
SOCKET_NUMBER = 6432
PATIENCE = 30.0  # seconds to come up, and to go down


class NoServer(Exception):
    """There is no PostgreSQL to test with; the text says what to do."""


def programs() -> Path:
    """The folder of the newest PostgreSQL installed here: Debian's, or the one in PATH."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda initdb: float(initdb.parts[-3]),
    )
    if debian:
        return debian[-1].parent
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    raise NoServer(
        "No PostgreSQL server is installed, so nothing was tested on it. "
        "`./run test` installs Debian's; or name one: HEEDFUL_TEST_PG=postgresql://…"
    )


def _unprivileged() -> pwd.struct_passwd | None:
    """Who the server runs as, if not as us: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextmanager
def own_cluster() -> Iterator[str]:
    """A new cluster, as a DSN; stopped and deleted at the end.

    Never the machine's own: it listens on a socket in a folder of its own and nowhere else.
    The folder is short, since a socket's path may have 107 bytes. If we are killed before we
    can stop the server, the kernel tells it (`setpriv --pdeathsig`).
    """
    bin_folder = programs()
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    user = _unprivileged()
    options: dict[str, object] = {
        "cwd": folder,
        "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)},
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,  # Ctrl-C is for us; the server is stopped when we are done
    }
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    server: subprocess.Popen[bytes] | None = None
    try:
        made = subprocess.run(
            [
                bin_folder / "initdb",
                f"--pgdata={data}",
                "--locale=C.UTF-8",
                "--encoding=UTF8",
                "--auth=trust",  # the folder of the socket is closed to everybody else
                "--username=heedful",
                "--no-sync",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **options,  # type: ignore[call-overload]
        )
        if made.returncode:
            raise NoServer(f"initdb could not make a cluster: {made.stdout.decode()}")
        setpriv = shutil.which("setpriv")
        with log.open("wb") as out:
            server = subprocess.Popen(
                [
                    *([setpriv, "--pdeathsig", "INT"] if setpriv else []),
                    bin_folder / "postgres",
                    *("-D", data, "-k", folder, "-p", str(SOCKET_NUMBER)),
                    *("-c", "listen_addresses=", "-c", "max_connections=200"),
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                **options,  # type: ignore[call-overload]
            )
        dsn = f"postgresql://heedful@/postgres?host={folder}&port={SOCKET_NUMBER}"
        _wait(dsn, server, log)
        yield dsn
    finally:
        if server is not None:
            _stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(dsn: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise NoServer(
                    f"PostgreSQL did not come up. It said:\n{log.read_text()[-2000:]}"
                ) from None
            time.sleep(0.02)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; if that takes too long, immediate; then the hard way."""
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(order)
        try:
            server.wait(PATIENCE)
            return
        except subprocess.TimeoutExpired:
            continue


def url_of(dsn: str, database: str) -> str:
    """The same server as in `dsn`, another database, always as a URL."""
    if dsn.startswith(("postgresql://", "postgres://")):
        return urlsplit(dsn)._replace(path=f"/{database}").geturl()
    rest = {key: value for key, value in conninfo_to_dict(dsn).items() if key != "dbname"}
    return f"postgresql:///{database}?{urlencode(rest)}"


_numbers = itertools.count(1)


@contextmanager
def fresh_database(dsn: str) -> Iterator[str]:
    """An empty database on the server `dsn`, as a URL; dropped at the end (20 + 10 ms)."""
    name = f"heedful_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute(f"create database {name} template template0")
    try:
        yield url_of(dsn, name)
    finally:
        with psycopg.connect(dsn, autocommit=True) as server:
            server.execute(f"drop database {name} with (force)")
