"""A house with the sample brand, asked in this process or as a server of its own."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from heedful.config import Keys, Settings
from heedful.core.address import Address
from heedful.intake import Link
from heedful.intake.links import Purpose
from heedful.web.app import App
from heedful.web.routes import ROUTES
from heedful.wire import House, now

ROOT = Path(__file__).parents[2]
BRAND = (ROOT / "examples/northwind/brand.toml").read_text("utf-8")


@dataclass
class Asked:
    """The app of a house, and keys to ask it with."""

    house: House
    app: App
    client: TestClient
    secret: str

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(path, json=body, headers=self.headers(**headers))

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=self.headers(**headers))

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"} | {
            name.replace("_", "-"): value for name, value in more.items()
        }

    def key(self, name: str, *permissions: str, vendor: str | None = None) -> str:
        return self.house.ledger.create_key(name, permissions, vendor, now())[1]

    def token(self, address: str, topic: str | None = "weekly_deals") -> str:
        return self.house.links.token(Purpose.UNSUBSCRIBE, Link(Address.parse(address), topic))

    def check(self, to: str, channel: str, topic: str, **more: Any) -> dict[str, Any]:
        item = {"to": to, "channel": channel, "topic": topic, **more}
        answer = self.post("/v1/check", {"checks": [item]})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["decisions"][0]
        return found

    def say(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.post("/v1/events", {"events": list(events)})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found


def made(url: str, folder: Path, brand: str = BRAND) -> House:
    folder.mkdir(exist_ok=True)
    (folder / "brand.toml").write_text(brand, "utf-8")
    settings = Settings.of({}, database=url, brand=folder / "brand.toml", keys=folder / "keys")
    Keys.make(now()).save(settings.keys)
    house = House.open(settings, create=True)
    house.apply_brand(settings.brand, "test")
    return house


@contextmanager
def asking(house: House) -> Iterator[Asked]:
    _, secret = house.ledger.create_key("test", ["check", "record", "read"], None, now())
    app = App(house, ROUTES)
    with house, TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Asked(house, app, client, secret)


@pytest.fixture
def asked(sqlite_url: str, tmp_path: Path) -> Iterator[Asked]:
    """On SQLite."""
    with asking(made(sqlite_url, tmp_path / "home")) as it:
        yield it


@pytest.fixture
def asked_on_each(database_url: str, tmp_path: Path) -> Iterator[Asked]:
    """On each engine in turn."""
    with asking(made(database_url, tmp_path / "home")) as it:
        yield it


class Running:
    """A `heedful` process that answers, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str], url: str, said: list[str]) -> None:
        self.process, self.url, self.said = process, url, said

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `heedful WORDS` in a folder of its own and wait until it listens."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str, folder: Path = tmp_path) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "heedful", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        lines: queue.Queue[str | None] = queue.Queue()
        said: list[str] = []

        def read() -> None:
            assert process.stdout is not None
            with process.stdout as out:
                for line in out:
                    said.append(line)
                    lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        until = time.monotonic() + 30
        while (line := lines.get(timeout=max(0.1, until - time.monotonic()))) is not None:
            if found := re.search(r"^listening on (http://\S+)", line):
                return Running(process, found[1], said)
        raise AssertionError(f"it never listened:\n{''.join(said)}")

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
