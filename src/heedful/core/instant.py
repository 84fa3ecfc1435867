"""Time inside Heedful: whole microseconds since 1970 in UTC, as one integer.

An integer compares, hashes and stores alike on every engine, which a date type does not (SQLite
has none, PostgreSQL's rounds). Text and `datetime` exist at the edges only.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from heedful.core.errors import InvalidTime

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND: Instant = 1_000_000
DAY: Instant = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Instant = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""The last instant that can be written."""
_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*"
    r"([Zz]|[+-]\d\d:?\d\d))?",
    re.ASCII,
)


class Edge(StrEnum):
    """Which end of the span that a coarse time names: its `first` or its `last` instant."""

    FIRST = "first"
    LAST = "last"


def from_datetime(at: datetime) -> Instant:
    """The instant of an aware `datetime`. A naive one is an error: whose noon would it be?"""
    if at.tzinfo is None:
        raise InvalidTime(f"The time {at.isoformat()} has no zone. Nothing was recorded.")
    return (at - _EPOCH) // timedelta(microseconds=1)


def to_datetime(at: Instant) -> datetime:
    """The aware `datetime` in UTC. OverflowError outside of the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=at)


def text_of(at: Instant) -> str:
    """RFC 3339 in UTC with microseconds where there are any.

    >>> text_of(0), text_of(1)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000001Z')
    """
    return to_datetime(at).isoformat().replace("+00:00", "Z")


def parse(text: str, edge: Edge) -> Instant:
    """Read RFC 3339, or a bare date (of UTC), at the precision it was written with.

    A time known only to the second, minute or day is a span; `edge` says which end is meant:
    the last instant for what stops messages, the first for what lets them through.

    >>> text_of(parse("2025-03-05", Edge.LAST))
    '2025-03-05T23:59:59.999999Z'
    >>> text_of(parse("2025-03-05T10:00:00+01:00", Edge.FIRST))
    '2025-03-05T09:00:00Z'
    """
    m = _FORM.fullmatch(text.strip())
    if not m:
        raise InvalidTime(
            f"'{text[:40]}' is not a time. Write it as 2026-03-05T09:30:00Z. Nothing was recorded."
        )
    year, month, day, hour, minute, second, fraction, zone = m.groups()
    try:
        if hour is None:
            start = from_datetime(datetime(int(year), int(month), int(day), tzinfo=UTC))
            span = DAY
        else:
            zone = "+00:00" if zone in "Zz" else zone
            leap = second == "60"
            clock = f"{hour}:{minute}:{'59' if leap else second or '00'}"
            base = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{zone}")
            start = from_datetime(base) + (SECOND if leap else 0)
            start += int((fraction or "0").ljust(6, "0")[:6])
            span = 60 * SECOND if second is None else SECOND // 10 ** min(len(fraction or ""), 6)
        for end in (start, start + span - 1):
            to_datetime(end)  # an offset or a leap second may lead out of the years 1 to 9999
    except (ValueError, OverflowError) as error:
        raise InvalidTime(f"'{text[:40]}' is not a time: {error}. Nothing was recorded.") from None
    return start + span - 1 if edge is Edge.LAST else start


def parse_past(text: str, now: Instant) -> Instant:
    """Read the moment to look back to: the last instant of what was written, but no later than
    `now` where that has begun. Who asks at 10:30 about today means: as far as it is known.

    >>> noon = parse("2025-03-05T12:00:00.5Z", Edge.FIRST)
    >>> text_of(parse_past("2025-03-05T12:00:00Z", noon))
    '2025-03-05T12:00:00.500000Z'
    """
    first, last = parse(text, Edge.FIRST), parse(text, Edge.LAST)
    return now if first <= now < last else last
