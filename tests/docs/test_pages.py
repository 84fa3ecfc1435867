"""The pages themselves: links lead somewhere, examples run, words are the glossary's."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import tomllib
import warnings
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.docs import generate
from tests.docs.conftest import Sample
from tests.docs.generate import DOCS, ROOT
from tests.docs.pages import WRITTEN, Block, anchor, assert_shown, blocks, headings, plain

EVERY_BLOCK = [block for page in WRITTEN for block in blocks(page)]


def of_kind(kind: str, but: str = "") -> list[Block]:
    return [b for b in EVERY_BLOCK if b.kind == kind and (not but or b.page.name != but)]


def named(page: object) -> str:
    return str(page.relative_to(ROOT)) if isinstance(page, Path) else str(page)


# --- whole pages --------------------------------------------------------------------------------


def test_generated_tables_are_up_to_date() -> None:
    stale = [named(p) for p in generate.pages() if generate.generated(p) != p.read_text("utf-8")]
    assert not stale, "./run docs makes them anew"


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", plain(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, place = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{target} is not there"
        if place:
            assert place in {anchor(heading) for heading in headings(there)}, target


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        for target in re.findall(r"\]\(([^)#\s]+\.md)[^)]*\)", page.read_text("utf-8")):
            there = (page.parent / target).resolve()
            if "://" not in target and there not in seen:
                todo.append(there)
    assert not {named(page) for page in generate.pages()} - {named(page) for page in seen}


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_lines_and_headings(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert not re.search(r"[ \t]$", text, re.M), "a line ends with a space"
    found = headings(page)
    assert len(found) == len({anchor(heading) for heading in found}), "two headings share a name"


# Halves are put together here, so that this page does not hold what it forbids.
FORBIDDEN = [
    r"\bTO" + r"DO\b",
    r"\bFIX" + r"ME\b",
    r"\bX" + r"XX\b",
    r"/(?:work|home|Users|tmp|root)/",
    r"\bpull requests?\b",
    r"\b(?:AI|LLM|GPT|Cla" + r"ude)\b",
    r"\bthe issue\b",
    r"\bmilestones?\b",
    r"\bsessions? of (?:work|the project)\b",
    r"\bPyPI\b",
    r"pip install heedful(?![-_/])",
]


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_the_project_speaks_of_itself_alone(page: Path) -> None:
    text = page.read_text("utf-8")
    for word in FORBIDDEN:
        found = re.search(word, text)
        assert not found, f"'{found and found[0]}'"


# What others call it, and what it is called here.
OTHER_WORDS = {
    r"(?i)\boptouts?\b": "opt-out",
    r"(?i)\bopt[- ]?in consent\b": "opt-in, or consent",
    r"(?i)\b(?:black|block) ?lists?\b": "suppression list",
    r"(?i)\bsubscribers?\b": "person, or contact",
    r"(?i)\bpreference center\b": "preference centre",
    r"\bapi keys?\b": "API key",
    r"(?i)\baudit (?:log|trail)s?\b": "history",
    r"(?i)\bwebhook endpoints?\b": "webhook",
    r"(?i)\bjob queues?\b": "change feed",
    r"(?i)\bmicro-?services?\b": "room",
}


@pytest.mark.parametrize("page", [p for p in WRITTEN if "decisions" not in p.parts], ids=named)
def test_words_are_the_glossarys(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "", plain(page))
    for other, ours in OTHER_WORDS.items():
        found = re.search(other, text)
        assert not found, f"'{found and found[0]}' is called {ours} here"


# --- their blocks -------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of_kind("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    if "…" not in block.text:
        json.loads(block.text)


BEFORE_CAPS = (ROOT / "examples/northwind/brand.toml").read_text("utf-8").partition("[caps]")[0]


@pytest.mark.parametrize("block", of_kind("toml"), ids=str)
def test_toml_is_a_part_of_a_brand(block: Block) -> None:
    """As much of a brand.toml as a page shows can be added to the sample's, and is accepted."""
    from heedful.core import brand
    from heedful.vendors import findings

    tomllib.loads(block.text)
    catalogue = brand.parse(BEFORE_CAPS + block.text)
    assert not findings(catalogue)


@pytest.mark.parametrize("block", of_kind("python", but="README.md"), ids=str)
def test_python_runs(block: Block, tmp_path: Path) -> None:
    _run(block, tmp_path)


def test_python_of_the_vendors_readmes_runs(tmp_path: Path) -> None:
    for block in of_kind("python"):
        if block.page.name == "README.md" and block.page != ROOT / "README.md":
            _run(block, tmp_path)


def _run(block: Block, folder: Path) -> dict[str, object]:
    """Run a block as a file of its own, and compare with what the page shows of it."""
    shutil.copy(ROOT / "src/heedful/cli/starter.toml", folder / "brand.toml")
    said = io.StringIO()
    names: dict[str, object] = {"__name__": "a_page"}
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), warnings.catch_warnings():
        exec(compile(block.text, str(block), "exec", dont_inherit=True), names)
    after = EVERY_BLOCK[EVERY_BLOCK.index(block) + 1 :][:1]
    if after and after[0].kind == "text" and after[0].page == block.page:
        assert_shown(after[0].text, said.getvalue(), block)
    return names


def block_with(page: Path, text: str) -> Block:
    return next(b for b in blocks(page) if b.kind == "python" and text in b.text)


@pytest.mark.timeout(60)
def test_the_asking_function_fails_closed(one_sample: Sample, tmp_path: Path) -> None:
    block = block_with(DOCS / "how-to/send-with-heedful.md", "def may_send")
    may_send = _run(block, tmp_path)["may_send"]
    assert callable(may_send)
    key = one_sample.heedful("key", "create", "asks", "--permissions", "check").strip()
    assert may_send(one_sample.url, key, "+14155550123", "sms", "weekly_deals")
    assert not may_send(one_sample.url, key, "+14155550177", "sms", "weekly_deals")
    assert not may_send(one_sample.url, key, "+14155550123", "sms", "no_such_topic")
    assert not may_send(one_sample.url, "hk_wrong", "+14155550123", "sms", "weekly_deals")
    assert not may_send("http://127.0.0.1:1", key, "+14155550123", "sms", "weekly_deals")


def test_the_receiver_of_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from standardwebhooks import Webhook, WebhookVerificationError

    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("HEEDFUL_WEBHOOK", secret)
    page = DOCS / "reference/webhooks.md"
    names = _run(block_with(page, "def receive"), tmp_path)
    receive, my_list = names["receive"], names["my_list"]
    assert callable(receive)
    body = next(b.text for b in blocks(page) if b.kind == "json").encode()
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body.decode()),
    }
    receive(headers, body)
    receive(headers, body)
    assert my_list == {
        ("tel:+14155550100", "sms", "weekly_deals"): "out",
        ("tel:+14155550100", "sms", "cart_reminders"): "out",
    }
    with pytest.raises(WebhookVerificationError):
        receive(headers, body + b" ")
    assert os.environ["HEEDFUL_WEBHOOK"] == secret


@pytest.mark.timeout(60)
def test_requests_of_the_http_page_are_taken(one_sample: Sample) -> None:
    """The first block under each heading of a POST is sent as it stands there."""
    import urllib.request

    key = one_sample.heedful("key", "create", "page", "--permissions", "check,record,read").strip()
    text = (DOCS / "reference/http.md").read_text("utf-8")
    found = re.findall(r"^## POST (/v1/\w+)\n(?:(?!^## ).)*?```json\n(.*?)```", text, re.M | re.S)
    assert {path for path, _ in found} >= {"/v1/check", "/v1/events", "/v1/sends"}
    for path, body in found:
        if path == "/v1/stamp":
            continue  # its block is the answer
        sent = re.sub(r',\s*"token": "[^"]*"', "", body)
        request = urllib.request.Request(
            f"{one_sample.url}{path}", sent.encode(), {"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = json.load(answer)
        (rows,) = [rows for rows in said.values() if isinstance(rows, list)]
        assert "error" not in rows[0], (path, said)
