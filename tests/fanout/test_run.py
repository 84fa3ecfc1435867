"""The dispatcher in its thread, by the real clock; and the sample brand's two receivers."""

import asyncio
import http.client
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heedful.core import brand
from heedful.core.instant import DAY
from heedful.fanout import Dispatcher, status
from heedful.ledger import Ledger
from heedful.vendors import findings
from tests.fanout.house import ANN, BEN, House, opt_out

ROOT = Path(__file__).resolve().parents[2]
NORTHWIND = ROOT / "examples" / "northwind"


def until(what: Callable[[], bool], seconds: float = 10) -> float:
    """Seconds until it holds."""
    start = time.monotonic()
    while not what():
        assert time.monotonic() - start < seconds, "it never came"
        time.sleep(0.005)
    return time.monotonic() - start


class Receiver:
    """`receiver.py` as a process of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.secret = folder / f"{name}.secret"
        self.process = subprocess.Popen(
            [
                *f"{sys.executable} {NORTHWIND}/receiver.py --name {name} --port 0 --secret-file".split(),
                str(self.secret),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.lines = self.process.stdout
        self.url = self.line().removeprefix("listening on ")

    def line(self) -> str:
        return self.lines.readline().strip()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.lines.close()


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[dict[str, Receiver]]:
    started = {name: Receiver(name, tmp_path) for name in ("mailer", "texter")}
    yield started
    for receiver in started.values():
        receiver.stop()


def sample(receivers: dict[str, Receiver]) -> str:
    text = (NORTHWIND / "brand.toml").read_text()
    for name, port in (("mailer", 8601), ("texter", 8602)):
        text = text.replace(f"http://127.0.0.1:{port}", receivers[name].url)
        text = text.replace(f"file:{name}.secret", f"file:{receivers[name].secret}")
    return text


def test_the_sample_brand_is_without_fault() -> None:
    catalogue = brand.parse((NORTHWIND / "brand.toml").read_text())
    assert findings(catalogue) == ()
    assert {v.kind for v in catalogue.vendors.values()} == {"webhook"}
    for topic in catalogue.topics.values():
        assert set(topic.title) == set(catalogue.languages)


def test_the_sample_vendors_print_what_they_are_told(
    database_url: str, tmp_path: Path, receivers: dict[str, Receiver]
) -> None:
    house = House(database_url, tmp_path)
    house.now = time.time_ns() // 1000
    house.ledger.apply(brand.parse(sample(receivers)), by="test")
    dispatcher = Dispatcher(house.ledger)
    dispatcher.start()
    try:
        until(lambda: all(s.told for s in status(house.ledger)))
        house.ledger.record([opt_out(ANN)])
        assert receivers["texter"].line() == (
            f"texter: opt_out {ANN} (event 1): sms weekly_deals out, sms cart_reminders out"
        )
        # What another process commits is told as well.
        other = Ledger.open(database_url, house.keys, clock=house.clock)
        other.record([opt_out("mailto:cat@example.com", "email/topic:weekly_tips")])
        other.close()
        assert receivers["mailer"].line() == (
            "mailer: opt_out mailto:cat@example.com (event 2): email weekly_tips out"
        )
        until(lambda: all(s.told for s in status(house.ledger)))
    finally:
        dispatcher.stop()
    assert all(c.owner is None for c in house.ledger.outbox.cursors().values())
    house.ledger.close()


def test_a_receiver_believes_only_who_has_its_secret(receivers: dict[str, Receiver]) -> None:
    texter = receivers["texter"]
    host, port = texter.url.removeprefix("http://").split(":")
    assert texter.secret.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", texter.secret.read_text())
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    signed = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": "v1,AAAA",
    }
    for headers in ({}, signed):
        connection.request("POST", "/", b"{}", headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 401
    connection.close()


def test_an_opt_out_is_told_within_a_blink(sqlite_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(sqlite_url, tmp_path, texter=["sms/weekly_deals"]) as house:
            dispatcher = Dispatcher(house.ledger, clock=house.clock)
            dispatcher.start()
            texter, slowest = house.receivers["texter"], 0.0
            house.now += DAY
            for number in range(20):
                receipt = house.out(f"tel:+1415555{number:04}")
                start = time.monotonic()
                while not texter.got or texter.got[-1].data["seq"] != receipt.seq:
                    assert time.monotonic() - start < 5
                    await asyncio.sleep(0.001)
                if number:
                    slowest = max(slowest, time.monotonic() - start)
            await asyncio.to_thread(dispatcher.stop)
            assert slowest < 1.0  # the goal is 0.1; shared machines hiccup

    asyncio.run(go())


def test_a_ledger_that_is_away_for_a_while_ends_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        from heedful.core.errors import LedgerUnavailable

        async with House(sqlite_url, tmp_path, texter=["sms/weekly_deals"]) as house:
            dispatcher = Dispatcher(house.ledger)
            dispatcher.start()
            house.out(ANN)
            texter = house.receivers["texter"]
            async with asyncio.timeout(5):
                while not texter.got:
                    await asyncio.sleep(0.01)
            away = True
            real = house.ledger.read

            def read(keys: list[bytes]) -> object:
                if away:
                    raise LedgerUnavailable("The database does not answer.")
                return real(keys)

            monkeypatch.setattr(house.ledger, "read", read)
            house.out(BEN)
            await asyncio.sleep(0.3)
            assert len(texter.got) == 1
            away = False
            async with asyncio.timeout(5):
                while len(texter.got) < 2:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(dispatcher.stop)

    asyncio.run(go())
