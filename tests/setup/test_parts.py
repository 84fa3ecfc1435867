"""The parts that `./run test` brings are there and work. Also the tiny run inside the proof."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg

from tests.setup.chromium import Chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_postgres_is_our_own_and_takes_any_language(postgres_dsn: str, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as db:
        assert db.execute("select '¿Qué? 停止 रोकें'").fetchone() == ("¿Qué? 停止 रोकें",)
        assert db.execute("show server_encoding").fetchone() == ("UTF8",)
        assert db.execute(
            "select count(*) from pg_tables where schemaname = 'public'"
        ).fetchone() == (0,)
        if not os.environ.get("HEEDFUL_TEST_PG"):
            assert db.execute("show listen_addresses").fetchone() == ("",)
            assert db.execute("show fsync").fetchone() == ("on",)


def test_each_database_is_fresh(
    engine: str, database_url: str, new_database_url: Callable[[], str]
) -> None:
    assert database_url.startswith(f"{engine}://")
    assert new_database_url() != database_url


def test_chromium_is_sandboxed_unless_we_are_root(chromium: Chromium) -> None:
    assert "--disable-dev-shm-usage" in chromium.args
    assert ("--no-sandbox" in chromium.args) == (os.geteuid() == 0) == (not chromium.sandbox)


def test_chromium_shows_a_page_and_has_its_letters(page: Page) -> None:
    page.set_content("<h1>Stop</h1><p><span>停</span><span>止</span></p>")
    assert page.get_by_role("heading").inner_text() == "Stop"
    # A letter without a font is drawn as a box of the fallback's width; CJK letters are square.
    box = page.locator("span").first.bounding_box()
    assert box is not None
    assert abs(box["width"] - 16) < 1
