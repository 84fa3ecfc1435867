"""The page of an unsubscribe link, as mailboxes, scanners and people meet it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import Asked

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ANN = "ann@example.com"
ONE_CLICK = "List-Unsubscribe=One-Click"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def outs(asked: Asked) -> list[str]:
    asked.app.callers.forget()
    return [
        f"{e['subject']} {e['scope']}"
        for e in asked.get("/v1/events").json()["events"]
        if e["action"] == "opt_out"
    ]


def test_one_click_stops_it_and_again_changes_nothing(asked: Asked) -> None:
    path = f"/u/{asked.token(ANN)}"
    for _ in range(3):
        answer = asked.client.post(path, content=ONE_CLICK, headers=FORM)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert outs(asked) == ["mailto:ann@example.com email/topic:weekly_deals"]
    assert asked.check(ANN, "email", "weekly_deals")["outcome"] == "deny"
    assert asked.check(ANN, "email", "cart_reminders")["outcome"] == "allow"


def test_as_multipart_too(asked: Asked) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
        b"--b--\r\n"
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = asked.client.post(f"/u/{asked.token(ANN)}", content=body, headers=headers)
    assert answer.status_code == 200
    assert len(outs(asked)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null", "cookie": "session=someone-else"},
        {"authorization": "Bearer nonsense"},
        {"referer": "https://mail.example/", "content-type": "text/plain"},
    ],
)
def test_no_guard_stands_in_its_way(asked: Asked, headers: dict[str, str]) -> None:
    path = f"/u/{asked.token(ANN)}"
    assert asked.client.post(path, content=ONE_CLICK, headers=headers).status_code == 200
    assert len(outs(asked)) == 1


def test_looking_changes_nothing(asked: Asked) -> None:
    path = f"/u/{asked.token(ANN)}"
    assert asked.client.head(path).status_code == 200
    page = asked.client.get(path)
    assert page.status_code == 200
    assert outs(asked) == []
    text = page.text
    assert "Northwind Outfitters" in text
    assert "Weekly deals" in text
    assert "a…@e….com" in text
    assert ANN not in text
    assert text.count("<button") == 1
    assert "<script" not in text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text


@pytest.mark.parametrize(
    ("accepted", "lang", "words"),
    [
        ("es-MX,es;q=0.9,en;q=0.5", "es", "Ofertas de la semana"),
        ("fr;q=0.8, de", "fr", "Ne plus les recevoir"),
        ("de, ja;q=0.5", "en", "Stop them"),
        ("", "en", "Stop them"),
        ("*;q=0.1, ;;q=x,,=", "en", "Stop them"),
    ],
)
def test_in_the_readers_language(asked: Asked, accepted: str, lang: str, words: str) -> None:
    page = asked.client.get(f"/u/{asked.token(ANN)}", headers={"accept-language": accepted})
    assert f'<html lang="{lang}" dir="ltr">' in page.text
    assert words in page.text


def test_a_link_without_a_topic_stops_all_marketing(asked: Asked) -> None:
    asked.client.post(f"/u/{asked.token(ANN, None)}", content=ONE_CLICK, headers=FORM)
    assert outs(asked) == ["mailto:ann@example.com email/marketing"]


def test_a_link_that_does_not_work_says_so(asked: Asked) -> None:
    token = asked.token(ANN)
    for broken in (token[:-3], token[:9] + "A" + token[10:], "xyz", "%FF%00", "a" * 5000):
        for answer in (
            asked.client.get(f"/u/{broken}"),
            asked.client.post(f"/u/{broken}", content=ONE_CLICK, headers=FORM),
        ):
            assert answer.status_code == 404
    assert "help@northwind.example" in asked.client.get("/u/xyz").text
    assert outs(asked) == []


def test_guessing_is_slowed_and_a_real_link_never(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter

    from heedful.web import pages

    monkeypatch.setattr(pages, "_guesses", FixedWindowRateLimiter(MemoryStorage()))
    statuses = [asked.client.get("/u/guess").status_code for _ in range(40)]
    assert statuses[:30] == [404] * 30
    assert set(statuses[31:]) == {429}
    path = f"/u/{asked.token(ANN)}"
    assert asked.client.get(path).status_code == 200
    assert asked.client.post(path, content=ONE_CLICK, headers=FORM).status_code == 200


def test_what_the_corpus_asks_of_one_click(asked: Asked, corpora: Path) -> None:
    with (corpora / "gpc-and-oneclick" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "oneclick"]
    assert rows
    for row in rows:
        address = f"{row['id']}@example.org"
        path = f"/u/{asked.token(address, None)}"
        headers: dict[str, Any] = json.loads(row["headers"])
        before = outs(asked)
        answer = asked.client.request(row["method"], path, headers=headers, content=row["body"])
        assert answer.status_code < 500
        said = [one for one in outs(asked) if one not in before]
        if row["expected"].startswith("none"):
            assert said == [], row["id"]
        elif "acceptable" in row["expected"]:
            assert said in ([], [f"mailto:{address} email/marketing"])
        else:
            assert said == [f"mailto:{address} email/marketing"], row["id"]
            assert answer.status_code == 200


# --- in a real browser -----------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 640)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_stops_it_by_the_pages_button_without_javascript(
    browser: Browser, start: Any, tmp_path: Path, width: int, height: int, scheme: Any
) -> None:
    running = start("up", "--sample", "--port", "0")
    url = (
        next(line.split()[0] for line in running.said if "/u/" in line)
        if any("/u/" in line for line in running.said)
        else _url_of(running)
    )
    context = browser.new_context(
        java_script_enabled=False,
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale="en-US",
    )
    page = context.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.goto(url)
    assert page.title() == "Stop these messages? · Northwind Outfitters"
    page.screenshot(path=tmp_path / f"look-{width}-{scheme}.png")
    button = page.get_by_role("button")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    button.click()
    assert page.get_by_role("heading").inner_text() == "It is stopped"
    page.screenshot(path=tmp_path / f"left-{width}-{scheme}.png")
    assert {one.partition("/u/")[0] for one in seen} == {url.partition("/u/")[0]}
    assert faults == []
    context.close()


def _url_of(running: Any) -> str:
    import time

    until = time.monotonic() + 10
    while time.monotonic() < until:
        for line in list(running.said):
            if "/u/" in line:
                return str(line.split()[0])
        time.sleep(0.05)
    raise AssertionError("".join(running.said))


def test_the_api_can_be_tried_in_its_own_page(browser: Browser, start: Any, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    from tests.web.conftest import ROOT

    running = start("up", "--port", "0")
    words = ["key", "create", "docs", "--permissions", "check"]
    key = subprocess.run(
        [sys.executable, "-m", "heedful", *words], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=True,
    ).stdout.strip()  # fmt: skip
    context = browser.new_context()
    page = context.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.goto(f"{running.url}/docs")
    page.fill("#key", key)
    page.click("#post-v1-check summary")
    page.click("#post-v1-check button")
    answer = page.locator("#post-v1-check pre")
    page.wait_for_function("document.querySelector('#post-v1-check pre').textContent.length > 5")
    assert answer.inner_text().startswith("200 OK")
    assert all(url.startswith(running.url) for url in seen)
    context.close()
