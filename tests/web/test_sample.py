"""`heedful up --sample`, as `./run` starts it: twice, and its three commands as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.web.conftest import ROOT, Running


def _said(running: Running, pattern: str, seconds: float = 10) -> str:
    until = time.monotonic() + seconds
    while True:
        if found := re.search(pattern, "".join(running.said), re.M):
            return found[0]
        assert time.monotonic() < until, "".join(running.said)
        time.sleep(0.02)


def test_it_starts_tells_both_vendors_and_starts_again(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    running = start("up", "--sample", "--port", "0")
    _said(running, r"^mailer: opt_out mailto:ben@example.com")
    _said(running, r"^texter: opt_out tel:\+14155550177")
    text = _said(running, r"Three commands to try[\s\S]*--explain")
    commands = [line.strip() for line in text.splitlines()[1:]]
    assert len(commands) == 3
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    statuses = [
        subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, check=False
        ).returncode
        for command in commands
    ]
    assert statuses == [0, 0, 3]
    _said(running, r"^texter: opt_out tel:\+14155550123")
    assert running.stop() == 0
    home = tmp_path / ".heedful"
    assert home.stat().st_mode & 0o777 == 0o700
    for secret in ("heedful.keys", "mailer.secret", "texter.secret"):
        assert (home / secret).stat().st_mode & 0o777 == 0o600
    assert not re.search(r"wrong signature|Traceback", "".join(running.said))

    again = start("up", "--sample", "--port", "0")
    check = subprocess.run(
        commands[2], shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert check.returncode == 3
    assert "True at event 10" in check.stdout
    assert again.stop() == 0


def test_its_vendors_do_not_outlive_it(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start("up", "--sample", "--port", "0")
    ports = re.findall(
        r"url = \"http://127\.0\.0\.1:(\d+)/\"", (tmp_path / ".heedful/brand.toml").read_text()
    )
    assert len(ports) == 2
    running.process.kill()
    running.process.wait(5)
    import socket

    until = time.monotonic() + 5
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
            except OSError:
                break
            assert time.monotonic() < until
            time.sleep(0.05)
