"""Every row of scenarios.toml, through every door, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from heedful.core import brand
from tests.suite.doors import DOORS
from tests.suite.player import CorePlayer, play
from tests.suite.steps import Heard, Row, brand_text, rows

READY = [row for row in rows() if row.waits_for is None]
WAITING = [row for row in rows() if row.waits_for is not None]


def played(row: Row, door: str, url: str, folder: Path) -> Heard:
    player = DOORS[door](row, url, folder)
    try:
        return play(row, player)
    finally:
        player.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("row", READY, ids=[row.number for row in READY])
def test_a_row(row: Row, door: str, database_url: str, tmp_path: Path):
    assert played(row, door, database_url, tmp_path) == row.expect


@pytest.mark.parametrize("row", WAITING, ids=[row.number for row in WAITING])
def test_a_waiting_row_can_be_played(row: Row, record_property):
    """It says something, right or wrong; the summary names it, and whether it would pass."""
    answer = play(row, CorePlayer(row))
    record_property("waiting", f"row {row} (waits for {row.waits_for})")
    record_property("passes", answer == row.expect)
    assert answer.outcome in ("allow", "deny", "defer")


def test_a_topic_that_has_gone_from_the_file_passes_its_opt_outs_on(
    database_url: str, tmp_path: Path
):
    """By name, and by the category that it had, which only the ledger still knows."""
    row = next(row for row in rows() if row.number == "24")
    player = DOORS["python"](row, database_url, tmp_path)
    try:
        for act in row.said:
            player.said(act)
        text = brand_text("tips_deals")
        start, end = text.index("[topics.weekly_tips]"), text.index("[topics.order_updates]")
        player.ledger.apply(brand.parse(text[:start] + text[end:]), "suite", "tips are over")
        assert player.ask(row.ask) == row.expect
    finally:
        player.close()
