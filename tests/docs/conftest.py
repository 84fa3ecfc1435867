"""The sample brand, running, for the pages to be tried on."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Sample:
    """A Heedful with the sample brand, in a folder of its own that looks like a checkout's."""

    folder: Path
    process: subprocess.Popen[str]
    url: str = ""
    said: list[str] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.folder)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(r"listening on (http://\S+)", line):
                self.url = found[1]
                self.answering.set()
        self.answering.set()

    def heedful(self, *words: str) -> str:
        """What a command answers: run in here, since a process for each would take a second."""
        from heedful.cli.main import main

        data = self.folder / ".heedful"
        own = ["--db", f"sqlite:///{data}/heedful.db", "--brand", str(data / "brand.toml")]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([*own, *words])
        assert status in (0, 3, 4), f"heedful {' '.join(words)}: {err.getvalue()}"
        return out.getvalue()

    def wait_for(self, pattern: str, seconds: float = 15) -> None:
        """Until the first terminal shows a line of that pattern."""
        until = time.monotonic() + seconds
        while not any(re.search(pattern, line) for line in self.said):
            assert time.monotonic() < until, f"no line like {pattern!r} in:\n{''.join(self.said)}"
            time.sleep(0.05)


def environment(folder: Path) -> dict[str, str]:
    """A bare one: what the machine's owner has set shall not make a difference."""
    return {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONUTF8": "1",
        "HOME": str(folder),
    }


def like_a_checkout(folder: Path) -> None:
    """`./run heedful`, and what the tour takes for granted on a machine."""
    data = folder / ".heedful"
    _program(
        folder / "run",
        f"""#!/bin/sh
[ "$1" = heedful ] && shift
export HEEDFUL_DATABASE_URL="sqlite:///{data}/heedful.db" HEEDFUL_BRAND="{data}/brand.toml"
exec "{sys.executable}" -m heedful "$@"
""",
    )
    (folder / "bin").mkdir()
    if not Path("/usr/bin/curl").exists():
        _program(folder / "bin" / "curl", f"#!{sys.executable}\n{CURL}")


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


CURL = '''
"""As much of curl as the tour uses, for machines without it."""
import sys, urllib.request
words = iter(sys.argv[1:]); headers = {}; body = url = out = None; write = ""
for word in words:
    if word == "-s": pass
    elif word == "-o": out = next(words)
    elif word == "-w": write = next(words)
    elif word == "-d": body = next(words).encode()
    elif word == "-H": name, _, value = next(words).partition(":"); headers[name] = value.strip()
    else: url = word
with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
    if out is None: sys.stdout.write(answer.read().decode())
    sys.stdout.write(write.replace("%{http_code}", str(answer.status)).replace("\\\\n", "\\n"))
'''


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    """Started afresh; stopped as Ctrl-C would stop it."""
    yield from started(tmp_path)


@pytest.fixture(scope="module")
def one_sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    """One for tests that do not mind each other."""
    yield from started(tmp_path_factory.mktemp("sample"))


def started(folder: Path) -> Iterator[Sample]:
    like_a_checkout(folder)
    process = subprocess.Popen(
        [str(folder / "run"), "heedful", "up", "--sample", "--port", "0"],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    sample = Sample(folder, process)
    reader = threading.Thread(target=sample.read, daemon=True)
    reader.start()
    try:
        assert sample.answering.wait(60), "it never said where it listens"
        assert sample.url, f"it did not start:\n{''.join(sample.said)}"
        yield sample
        process.send_signal(signal.SIGINT)
        process.wait(20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        reader.join(5)
        if process.stdout is not None:
            process.stdout.close()
