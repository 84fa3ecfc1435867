"""`heedful up --sample`, as `./run` starts it: twice, and its three commands as they are printed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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


def test_two_samples_on_one_machine_never_share_a_vendor(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """Each start has the ports that its own receivers hold, whoever took the former ones."""

    def ports(folder: Path) -> list[int]:
        text = (folder / ".heedful/brand.toml").read_text("utf-8")
        return [int(port) for port in re.findall(r"url = \"http://127\.0\.0\.1:(\d+)/\"", text)]

    one = start("up", "--sample", "--port", "0")
    first = ports(tmp_path)
    assert not {8601, 8602} & set(first)
    assert one.stop() == 0
    other = tmp_path / "other"
    other.mkdir()
    with socket.create_server(("127.0.0.1", first[0])):
        two = start("up", "--sample", "--port", "0", folder=other)
        one = start("up", "--sample", "--port", "0")
        assert ports(tmp_path)[0] != first[0]
        assert ports(tmp_path)[1] == first[1]
        assert not set(ports(tmp_path)) & set(ports(other))
        for folder in (tmp_path, other):
            data = folder / ".heedful"
            words = ["--db", f"sqlite:///{data}/heedful.db", "opt-out", "+14155550123"]
            subprocess.run(
                [sys.executable, "-m", "heedful", *words], cwd=folder, check=True,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True,
            )  # fmt: skip
        _said(one, r"^texter: opt_out tel:\+14155550123")
        _said(two, r"^texter: opt_out tel:\+14155550123")
        assert (one.stop(), two.stop()) == (0, 0)
    assert "wrong signature" not in "".join(one.said + two.said)


def test_a_second_start_on_the_same_sample_is_refused(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    running = start("up", "--sample", "--port", "0")
    before = (tmp_path / ".heedful/brand.toml").read_bytes()
    with pytest.raises(AssertionError, match=f"already, at {running.url}. Nothing was started"):
        start("up", "--sample", "--port", "0")
    assert (tmp_path / ".heedful/brand.toml").read_bytes() == before
    running.process.kill()
    running.process.wait(5)
    assert start("up", "--sample", "--port", "0").stop() == 0


def test_its_vendors_do_not_outlive_it(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start("up", "--sample", "--port", "0")
    ports = re.findall(
        r"url = \"http://127\.0\.0\.1:(\d+)/\"", (tmp_path / ".heedful/brand.toml").read_text()
    )
    assert len(ports) == 2
    running.process.kill()
    running.process.wait(5)
    until = time.monotonic() + 5
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(port)), 1).close()
            except OSError:
                break
            assert time.monotonic() < until
            time.sleep(0.05)
