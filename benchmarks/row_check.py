"""One check in process, beside the bare point look-up of the same driver on the same file."""

import random

from benchmarks.baselines import lookup
from benchmarks.bed import Bed, text_of
from benchmarks.measure import Row, by_turns, compared, rate
from heedful.core.address import Address
from heedful.gate import Gate

ASKED = 100_000
"""Addresses asked about, drawn from all of them; they come round again."""


def measured(bed: Bed, rounds: int, seconds: float) -> Row:
    ledger = bed.open()
    try:
        gate = Gate(ledger)
        chance = random.Random(1)
        texts = [text_of(chance.randrange(bed.count)) for _ in range(ASKED)]
        keys = [ledger.key_of(Address.parse(text)) for text in texts]
        check = gate.check
        with lookup.opened(bed.url) as read:
            pairs = by_turns(
                rounds,
                lambda: rate(
                    lambda text: check(text, "sms", "weekly_deals"), _round(texts), seconds
                ),
                lambda: rate(read, _round(keys), seconds),
            )
    finally:
        ledger.close()
    return compared(
        f"one check, in process, {bed.engine}, {bed.count:,} addresses",
        "checks/s",
        pairs,
        0.5,
        "floor: the driver's point look-up",
    )


def _round(items):  # type: ignore[no-untyped-def]
    while True:
        yield from items
