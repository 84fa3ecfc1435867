"""Every row of scenarios.toml by the core alone: the fold and decide()."""

import pytest

from tests.suite.player import CorePlayer, play
from tests.suite.steps import Row, rows

READY = [row for row in rows() if row.waits_for is None]


@pytest.mark.parametrize("row", READY, ids=[row.number for row in READY])
def test_a_row_by_the_core_alone(row: Row):
    assert play(row, CorePlayer(row)) == row.expect


def test_every_number_from_1_to_50_is_there_once():
    numbers = [row.number for row in rows()]
    assert len(set(numbers)) == len(numbers)
    assert {int(number.rstrip("abc")) for number in numbers} == set(range(1, 51))


def test_only_those_that_need_a_jurisdictions_rules_wait():
    waiting = {row.number for row in rows() if row.waits_for}
    assert waiting == {"9", "10", "11", "50a", "50b"}
    assert {row.waits_for for row in rows()} == {None, "rule packs"}
