"""1,000 checks in a request, beside the driver reading 1,000 keys in one statement."""

import random
from statistics import median

from benchmarks import load, servers
from benchmarks.baselines import lookup
from benchmarks.bed import Bed, text_of
from benchmarks.measure import Row, by_turns, compared
from heedful.core.address import Address

SIZE = 1000
CONNECTIONS = 2
"""One request is being worked on while the next one is read."""


def measured(bed: Bed, key: str, rounds: int, seconds: float) -> Row:
    ledger = bed.open()
    chance = random.Random(1)
    batches = [
        [ledger.key_of(Address.parse(text_of(chance.randrange(bed.count)))) for _ in range(SIZE)]
        for _ in range(100)
    ]
    ledger.close()
    used: list[float] = []
    with servers.heedful(bed) as server, lookup.opened_many(bed.url, SIZE) as ways:

        def check() -> float:
            plan = load.Plan(
                server.port, "/v1/check", "checks", CONNECTIONS, seconds, key, SIZE, bed.count
            )
            before = server.cpu()
            taken = load.run(plan)
            used.append(1e6 * (server.cpu() - before) / taken.count / SIZE)
            return taken.rate * SIZE

        pairs = by_turns(rounds, check, lambda: lookup.many_rate(ways, batches, seconds))
    return compared(
        f"batch of {SIZE:,} checks over HTTP, {bed.engine}",
        "addresses/s",
        pairs,
        0.25,
        "floor: the driver, 1,000 keys in one statement; "
        f"{median(used[1:]):.1f} µs of processor time an address",
    )
