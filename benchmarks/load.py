"""The load: a process of its own that keeps connections busy, so that the server is the limit.

`python -m benchmarks.load` reads a plan (JSON) from its input and prints what it measured. Each
connection sends the next request as soon as its answer is there, and nothing else: no pool, no
client library. Requests are made before the clock starts.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send where. `make` names how the bodies are made, see `BODIES`."""

    port: int
    path: str
    make: str
    connections: int
    seconds: float
    key: str = ""
    count: int = 1
    population: int = 1_000_000
    seed: int = 0
    status: int = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests a second, and how long they took in milliseconds."""

    count: int
    rate: float
    p50: float
    p99: float
    failed: int
    said: str


def run(plan: Plan) -> Measured:
    """Put the load on, from another process, and wait for what it measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(asdict(plan)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured = Measured(**json.loads(done.stdout))
    if measured.failed:
        raise RuntimeError(f"{measured.failed} answers were not {plan.status}: {measured.said}")
    return measured


def _number(plan: Plan, chance: random.Random) -> str:
    return f"+1{2_000_000_000 + chance.randrange(plan.population)}"


def _checks(plan: Plan, chance: random.Random, _index: int) -> Any:
    return {
        "checks": [
            {"to": _number(plan, chance), "channel": "sms", "topic": "weekly_deals"}
            for _ in range(plan.count)
        ]
    }


def _opt_outs(plan: Plan, _chance: random.Random, index: int) -> Any:
    return {
        "events": [
            {
                "subject": f"+1{3_000_000_000 + plan.seed * 1_000_000 + index * plan.count + n}",
                "action": "opt_out",
                "scope": "sms/marketing",
                "source": "bench",
                "reason": "too_many",
                "request_id": f"{plan.seed}-{index * plan.count + n}",
            }
            for n in range(plan.count)
        ]
    }


BODIES = {"checks": _checks, "opt_outs": _opt_outs}


def requests(plan: Plan) -> list[bytes]:
    """Whole requests. Checks come round again; opt-outs must not run out, each is new."""
    chance = random.Random(plan.seed)
    many = 20_000 if plan.make == "checks" else int(20_000 * plan.seconds)
    made = []
    for index in range(max(20, many // plan.count)):
        body = json.dumps(BODIES[plan.make](plan, chance, index)).encode()
        head = (
            f"POST {plan.path} HTTP/1.1\r\nhost: 127.0.0.1:{plan.port}\r\n"
            f"authorization: Bearer {plan.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, source: "Source") -> None:
        self.source, self.held = source, b""
        self.left = -1
        self.status = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        request = self.source.next()
        if request is None:
            self.transport.close()
            return
        self.begun = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.left < 0:
            self.held += data
            end = self.held.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.held[:end].lower()
            self.status = head[9:12]
            at = head.index(b"content-length:") + 15
            stop = head.find(b"\r\n", at)
            length = int(head[at:stop] if stop > 0 else head[at:])
            self.left = length - (len(self.held) - end - 4)
            self.said = self.held[end + 4 : end + 400]
            self.held = b""
        else:
            self.left -= len(data)
        if self.left == 0:
            self.left = -1
            self.source.took(time.perf_counter() - self.begun, self.status, self.said)
            self.send()

    def connection_lost(self, _error: Exception | None) -> None:
        self.source.ended()


class Source:
    """Hands out the requests until the time is over, and keeps the times."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.requests = plan, requests(plan)
        self.times: list[float] = []
        self.index, self.open, self.failed, self.said = 0, plan.connections, 0, ""
        self.over = asyncio.get_running_loop().create_future()
        self.begun = time.perf_counter()
        self.until = self.begun + plan.seconds

    def next(self) -> bytes | None:
        if time.perf_counter() > self.until:
            return None
        request = self.requests[self.index]
        self.index += 1
        if self.index == len(self.requests):
            if self.plan.make != "checks":
                self.until = 0.0
            self.index = 0
        return request

    def took(self, seconds: float, status: bytes, said: bytes) -> None:
        self.times.append(seconds)
        if int(status) != self.plan.status or b'"error"' in said:
            self.failed += 1
            self.said = f"{status!r} {said!r}"

    def ended(self) -> None:
        self.open -= 1
        if not self.open:
            self.over.set_result(None)


async def _measure(plan: Plan) -> Measured:
    source = Source(plan)
    loop = asyncio.get_running_loop()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: Connection(source), "127.0.0.1", plan.port)
    await source.over
    seconds = time.perf_counter() - source.begun
    times = sorted(source.times)
    return Measured(
        len(times),
        len(times) / seconds,
        1000 * times[len(times) // 2],
        1000 * times[int(len(times) * 0.99)],
        source.failed,
        source.said,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_measure(Plan(**json.load(sys.stdin)))))))
