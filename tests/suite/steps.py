"""The words of scenarios.toml, read once into types."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from heedful.core import instant
from heedful.core.instant import SECOND, Edge, Instant

FILE = Path(__file__).with_name("scenarios.toml")
START = instant.parse("2025-01-05T08:00:00Z", Edge.FIRST)
_OPTIONS = {
    "by", "to", "dated", "@", "id", "basis", "until", "reply-to", "sender", "contact",
    "aimed-at", "via",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing said or done. `at` is the clock; `dated` the time that somebody else reports."""

    verb: str
    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    imported: bool
    at: Instant = 0

    def option(self, name: str) -> str | None:
        return dict(self.options).get(name)

    @property
    def who(self) -> str:
        return self.option("by") or "A"


@dataclass(frozen=True)
class Asked:
    """The message: may it go out at that moment?"""

    channel: str
    topic: str
    to: str
    contact: str | None
    segment: str | None
    vendor: str | None
    at: Instant


@dataclass(frozen=True)
class Heard:
    """What a door answers."""

    outcome: str
    codes: frozenset[str]
    not_before: Instant | None = None


@dataclass(frozen=True)
class Row:
    number: str
    title: str
    said: tuple[tuple[Step, ...], ...]
    ask: Asked
    expect: Heard
    told: str | None
    waits_for: str | None

    def __str__(self) -> str:
        return f"{self.number}: {self.title}"


def _options(words: list[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    plain, options = [], []
    rest = iter(words)
    for word in rest:
        if word in _OPTIONS:
            options.append((word, next(rest)))
        else:
            plain.append(word)
    return tuple(plain), tuple(options)


def step(text: str) -> Step:
    """`import out sms/marketing dated 2025-03-05 @ 2025-03-07T09:00:00Z`"""
    words, options = _options(text.split())
    imported = words[0] == "import"
    words = words[1:] if imported else words
    return Step(words[0], words[1:], options, imported)


def asked(text: str) -> Asked:
    """`sms weekly_deals to A2 @ 2025-05-15T12:00:00Z`"""
    (channel, topic), pairs = _options(text.split())
    options = dict(pairs)
    at = instant.parse(options["@"], Edge.FIRST) if "@" in options else 0
    return Asked(
        channel,
        topic,
        options.get("to", "A"),
        options.get("contact"),
        options.get("aimed-at"),
        options.get("via"),
        at,
    )


def _row(raw: dict) -> Row:
    clock, said = START, []
    for line in raw["said"]:
        clock += 60 * SECOND
        parts = [step(part) for part in re.split(r"\s+\+\s+", line)]
        for part in parts:
            if moved := part.option("@"):
                clock = instant.parse(moved, Edge.FIRST)
        said.append(tuple(replace(part, at=clock) for part in parts))
    ask = asked(raw["ask"])
    outcome, *codes = raw["expect"].split()
    not_before = instant.parse(raw["not_before"], Edge.FIRST) if "not_before" in raw else None
    return Row(
        raw["number"],
        raw["title"],
        tuple(said),
        replace(ask, at=ask.at or clock + 60 * SECOND),
        Heard(outcome, frozenset(codes), not_before),
        raw.get("told"),
        raw.get("waits_for"),
    )


@cache
def _file() -> dict:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in order."""
    return tuple(_row(raw) for raw in _file()["row"])


def brand_text(name: str) -> str:
    """brand.toml of that name: the base with one change."""
    brands = _file()["brands"]
    if name == "base":
        return brands["base"]
    change = brands[name]
    # A table may stand only once, and what a change adds comes before the lists of touchpoints.
    head, touch, tail = brands["base"].partition("[[touchpoints]]")
    return head + change + "\n" + touch + tail
