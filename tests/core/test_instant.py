"""Time: coarse times are spans, and which end is meant errs towards silence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core import instant
from heedful.core.errors import InvalidTime
from heedful.core.event import Action, edge_of
from heedful.core.instant import Edge, parse, text_of


@pytest.mark.parametrize(("said", "first", "last"), [
    ("2025-03-05",                    "2025-03-05T00:00:00Z",        "2025-03-05T23:59:59.999999Z"),
    ("2025-03-05T10:00Z",             "2025-03-05T10:00:00Z",        "2025-03-05T10:00:59.999999Z"),
    ("2025-03-05T10:00:07Z",          "2025-03-05T10:00:07Z",        "2025-03-05T10:00:07.999999Z"),
    ("2025-03-05T10:00:07.5Z",        "2025-03-05T10:00:07.500000Z", "2025-03-05T10:00:07.599999Z"),
    ("2025-03-05T10:00:07.123Z",      "2025-03-05T10:00:07.123000Z", "2025-03-05T10:00:07.123999Z"),
    ("2025-03-05T10:00:07.123456Z",   "2025-03-05T10:00:07.123456Z", "2025-03-05T10:00:07.123456Z"),
    ("2025-03-05T10:00:07.123456789Z", "2025-03-05T10:00:07.123456Z", "2025-03-05T10:00:07.123456Z"),
    ("2025-03-05T10:00:00+05:30",     "2025-03-05T04:30:00Z",        "2025-03-05T04:30:00.999999Z"),
    ("2025-03-05T10:00:00-0800",      "2025-03-05T18:00:00Z",        "2025-03-05T18:00:00.999999Z"),
    ("2025-03-05 10:00:00 +01:00",    "2025-03-05T09:00:00Z",        "2025-03-05T09:00:00.999999Z"),
    ("2025-03-05t10:00:00z",          "2025-03-05T10:00:00Z",        "2025-03-05T10:00:00.999999Z"),
    ("2025-03-05T10:00:07,5Z",        "2025-03-05T10:00:07.500000Z", "2025-03-05T10:00:07.599999Z"),
    ("  2025-03-05 ",                 "2025-03-05T00:00:00Z",        "2025-03-05T23:59:59.999999Z"),
    ("2016-12-31T23:59:60Z",          "2017-01-01T00:00:00Z",        "2017-01-01T00:00:00.999999Z"),  # leap
    ("2016-12-31T15:59:60.5-08:00",   "2017-01-01T00:00:00.500000Z", "2017-01-01T00:00:00.599999Z"),
    ("2024-02-29",                    "2024-02-29T00:00:00Z",        "2024-02-29T23:59:59.999999Z"),
    ("1969-07-20",                    "1969-07-20T00:00:00Z",        "1969-07-20T23:59:59.999999Z"),
    ("9999-12-31",                    "9999-12-31T00:00:00Z",        "9999-12-31T23:59:59.999999Z"),
])  # fmt: skip
def test_a_coarse_time_is_a_span(said, first, last):
    assert text_of(parse(said, Edge.FIRST)) == first
    assert text_of(parse(said, Edge.LAST)) == last


@pytest.mark.parametrize("said", [
    "", "yesterday", "2025-03-05T10:00:00", "2025-13-01", "2025-02-29", "2025-03-05T25:00:00Z",
    "2025-03-05T10:61:00Z", "2025-03-05T10:00:61Z", "2025-03-05T10:00:00+25:00", "05/03/2025",
    "2025-3-5", "1741168800", "٢٠٢٥-٠٣-٠٥", "0000-01-01", "2025-03-05T10Z", "2025-03-05\x00",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-01:00",
    "2025-03-05T10:00:00.1234567890Z", "2025-03-05T10:00:00 UTC", "9" * 5000,
])  # fmt: skip
def test_what_is_no_time_is_refused_with_a_sentence(said):
    for edge in Edge:
        with pytest.raises(InvalidTime, match="Nothing was recorded"):
            parse(said, edge)


@given(
    st.text(max_size=40)
    | st.from_regex(
        r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?", fullmatch=True
    )
)
def test_parse_raises_nothing_else_and_what_it_reads_can_be_written(text):
    try:
        first, last = parse(text, Edge.FIRST), parse(text, Edge.LAST)
    except InvalidTime:
        return
    assert first <= last
    assert parse(text_of(first), Edge.FIRST) == first
    assert instant.from_datetime(instant.to_datetime(last)) == last


@given(
    st.datetimes(
        min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)
    )
)
def test_an_instant_is_a_datetime_and_sorts_like_it(at):
    assert instant.to_datetime(instant.from_datetime(at)) == at
    assert parse(
        at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0"), Edge.LAST
    ) == instant.from_datetime(at)


def test_a_time_without_a_zone_is_whose_noon():
    with pytest.raises(InvalidTime, match="no zone"):
        instant.from_datetime(datetime(2025, 3, 5, 12))


@pytest.mark.parametrize("action", Action)
def test_only_what_lets_messages_through_means_the_first_instant(action):
    loosens = action in (Action.OPT_IN, Action.OPT_IN_REQUESTED, Action.RELEASE)
    assert edge_of(action) is (Edge.FIRST if loosens else Edge.LAST)
