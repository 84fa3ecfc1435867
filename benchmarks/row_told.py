"""From the commit of an opt-out until the vendors were told, on the loopback."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median

from benchmarks import load, servers
from benchmarks.bed import BRAND, made
from benchmarks.measure import Row, compared, percentile

VENDORS = 100
SINGLES = 200
"""Opt-outs said one by one, each after the one before was told."""
MANY = 200
"""Opt-outs said at once, told to each of 100 vendors."""
SECRET = "whsec_" + "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="

_VENDOR = """
[vendors.{name}]
kind = "webhook"
channels = ["sms"]
url = "http://127.0.0.1:{port}/{name}"
secret = "env:BENCH_SECRET"
"""


def measured(folder: Path, rounds: int) -> list[Row]:
    one = [_one_vendor(folder, number) for number in range(rounds)]
    many = [_many_vendors(folder, number) for number in range(rounds)]
    return [
        _within("opt-out committed → told, 1 vendor, p99", [p99 for p99, _ in one], 100),
        _within("opt-out committed → told, last of 100 vendors", [m[0] for m in many], 1000),
        compared(
            "instructions to 100 vendors",
            "told/s",
            [m[1] for m in many],
            2 / 3,
            "floor: aiohttp, signed POSTs, 100 at a time",
        ),
    ]


def _within(name: str, values: list[float], most: float) -> Row:
    middle = median(values)
    return Row(name, middle, most, "ms", middle / most, 1, True, f"goal: under {most:.0f} ms")


def _brand(port: int, count: int) -> str:
    network = '\n[network]\nallow_private = ["127.0.0.0/8"]\n'
    vendors = "".join(_VENDOR.format(name=f"v{n}", port=port) for n in range(count))
    return BRAND + network + vendors


class _House:
    """A new ledger with vendors that all live in one sink, and the whole house over it."""

    def __init__(self, folder: Path, name: str, vendors: int) -> None:
        self._sink = servers.sink()
        self.sink_port = self._sink.__enter__().port
        url = f"sqlite:///{folder}/told-{name}-{time.time_ns()}.db"
        self.bed, self.key = made(url, folder, 0, _brand(self.sink_port, vendors))
        self._heedful = servers.heedful(self.bed, "up", {"BENCH_SECRET": SECRET})
        self.port = self._heedful.__enter__().port

    def close(self) -> None:
        self._heedful.__exit__(None, None, None)
        self._sink.__exit__(None, None, None)

    def notes(self) -> list[tuple[str, int, float]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.sink_port}/") as answer:
            return [tuple(note) for note in json.load(answer)]

    def say(self, first: int, count: int) -> list[tuple[int, float]]:
        """Opt-outs; the number of each and when it was recorded, which is before its commit."""
        events = [
            {
                "subject": f"+1{4_000_000_000 + first + n}",
                "action": "opt_out",
                "scope": "sms/marketing",
                "request_id": f"told-{first + n}",
            }
            for n in range(count)
        ]
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/events",
            json.dumps({"events": events}).encode(),
            {"authorization": f"Bearer {self.key}", "content-type": "application/json"},
        )
        begun = time.time()
        with urllib.request.urlopen(request) as answer:
            return [(row["seq"], begun) for row in json.load(answer)["results"]]

    def told(self, want: int, patience: float = 60.0) -> list[tuple[str, int, float]]:
        """Wait until so many came in."""
        found: list[tuple[str, int, float]] = []
        until = time.monotonic() + patience
        while len(found) < want:
            found += self.notes()
            if time.monotonic() > until:
                raise RuntimeError(f"{len(found)} of {want} instructions came in {patience:.0f} s")
            time.sleep(0.01)
        return found


def _one_vendor(folder: Path, number: int) -> tuple[float, float]:
    """p99 and median in ms; from before the request was sent, so with all of the recording."""
    house = _House(folder, f"one-{number}", 1)
    try:
        times = []
        for n in range(SINGLES):
            ((seq, begun),) = house.say(n, 1)
            came = {s: at for _, s, at in house.told(1)}
            if n >= 20:
                times.append(1000 * (came[seq] - begun))
        return percentile(times, 0.99), median(times)
    finally:
        house.close()


def _many_vendors(folder: Path, number: int) -> tuple[float, tuple[float, float]]:
    """The last of 100 vendors in ms; instructions a second, ours and the floor's."""
    house = _House(folder, f"many-{number}", VENDORS)
    try:
        last = []
        for n in range(10):
            ((_, begun),) = house.say(n, 1)
            last.append(1000 * (max(at for _, _, at in house.told(VENDORS)) - begun))
        said = house.say(1000, MANY)
        came = [at for _, _, at in house.told(MANY * VENDORS)]
        ours = len(came) / (max(came) - said[0][1])
        floor = _posts(house.sink_port)
        return percentile(last[2:], 0.99), (ours, floor)
    finally:
        house.close()


def _posts(port: int) -> float:
    words = ["benchmarks.baselines.posts", str(port), str(MANY * VENDORS), str(VENDORS)]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=load.ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
