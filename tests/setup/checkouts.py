"""A copy of this checkout, as somebody else would have it on a fresh machine."""

from __future__ import annotations

import http.client
import os
import pwd
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".venv.lock", ".heedful", ".*_cache", ".hypothesis", "__pycache__", "dist"
)


@dataclass(frozen=True, slots=True)
class Started:
    """A Heedful that answers, and how long that took from the command on."""

    url: str
    seconds: float
    process: subprocess.Popen[str]


class Checkout:
    """The copy, owned by `user` (None: by who we are), worked in with a bare environment.

    Bare is: no HOME, no LANG, no terminal, nothing but /usr/bin and /bin in PATH, and not
    in the checkout's folder.
    """

    def __init__(self, folder: Path, user: pwd.struct_passwd | None) -> None:
        self.folder = folder
        self._options: dict[str, object] = {
            "env": {"PATH": "/usr/bin:/bin"},
            "stdin": subprocess.DEVNULL,
            "text": True,
            "start_new_session": True,
        }
        if user is not None:
            self._options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(self, command: list[str], timeout: float = 240) -> str:
        """Run to the end; what it printed. Fails the test if the command failed."""
        process = self._start(command)
        try:
            said, _ = process.communicate(timeout=timeout)
        finally:
            _end(process)
        assert process.returncode == 0, f"{command} ended with {process.returncode}:\n{said}"
        return said

    @contextmanager
    def up(
        self, command: list[str], timeout: float = 240, cwd: str | Path = "/"
    ) -> Iterator[Started]:
        """Start, wait for the first answer; stop with Ctrl-C at the end."""
        begun = time.monotonic()
        process = self._start(command, cwd)
        try:
            url, said = _wait_for_line(process, begun + timeout)
            assert url, f"{command} never said where it listens:\n{said}"
            assert _status(f"{url}/healthz") == 200
            yield Started(url, time.monotonic() - begun, process)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) in (0, 130, -signal.SIGINT)
        finally:
            _end(process)

    def _start(self, command: list[str], cwd: str | Path = "/") -> subprocess.Popen[str]:
        program, *words = command
        return subprocess.Popen(
            [str((self.folder / program) if program.startswith("./") else program), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            **self._options,  # type: ignore[call-overload]
        )


def _wait_for_line(process: subprocess.Popen[str], until: float) -> tuple[str, str]:
    """The address it prints, and all it printed before; no address if it ended or took too long."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as out:
            for line in out:  # to the end, so that it never waits for us to read
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = ""
    while True:
        try:
            line = lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return "", said
        if line is None:
            return "", said
        said += line
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1].rstrip("/"), said


def _status(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    finally:
        connection.close()


def _end(process: subprocess.Popen[str]) -> None:
    """End it and all that it started, however the test went."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@contextmanager
def copied(user: pwd.struct_passwd | None) -> Iterator[Checkout]:
    """A copy in a folder with a space in its name, gone at the end."""
    base = Path(tempfile.mkdtemp(prefix="heedful-copy-", dir="/tmp"))
    try:
        base.chmod(0o755)
        folder = base / "my checkout"
        shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
        if user is not None:
            for path in (base, folder, *folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        yield Checkout(folder, user)
    finally:
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def fresh_user() -> Iterator[pwd.struct_passwd]:
    """Somebody who was never here, without a home; gone at the end. Needs root."""
    name = f"heedful-t{os.getpid()}"
    sbin = {"env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, "check": True, "capture_output": True}
    subprocess.run(  # type: ignore[call-overload]
        ["useradd", "--no-create-home", "--home-dir", "/nonexistent", name], **sbin
    )
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", name], **sbin)  # type: ignore[call-overload]
