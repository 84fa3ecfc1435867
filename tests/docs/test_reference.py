"""What there is, is documented; and what is documented, there is."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from tests.docs import generate
from tests.docs.conftest import Sample
from tests.docs.generate import DOCS, ROOT
from tests.docs.pages import WRITTEN, blocks, headings

REFERENCE = DOCS / "reference"


def text_of(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text("utf-8")


def same(documented: Iterable[str], there: Iterable[str]) -> None:
    documented, there = set(documented), set(there)
    assert not there - documented, f"not documented: {sorted(there - documented)}"
    assert not documented - there, f"documented, and not there: {sorted(documented - there)}"


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next of its kind."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", text_of(name) + "\n", re.M | re.S
    )
    assert found, f"{name}.md has no heading '{heading}'"
    return found[2]


def test_every_reason_code_has_a_heading() -> None:
    from heedful.core.decision import ReasonCode

    same(headings(REFERENCE / "reasons.md")[1:], (str(code) for code in ReasonCode))
    for code in ReasonCode:
        assert "**What to do.**" in section("reasons", code), code


def test_every_error_code_has_a_heading() -> None:
    by_the_command = {"usage", "failed", "aborted"}
    codes = {h for h in headings(REFERENCE / "errors.md") if re.fullmatch(r"[a-z_]+", h)}
    same(codes, {*generate.error_codes(), *by_the_command})
    said = (ROOT / "src/heedful/cli/main.py").read_text("utf-8")
    assert set(re.findall(r'_failed\(\s*"(\w+)"', said)) == by_the_command


def test_every_route_is_documented() -> None:
    found = re.findall(r"^\| `([A-Z]+) (/\S+)` \|", text_of("http"), re.M)
    same((" ".join(row) for row in found), (f"{m} {p}" for m, p, *_ in generate.routes()))
    for method, path, *_ in generate.routes():
        named = [
            h for h in headings(REFERENCE / "http.md") if path in h or path.split("/{")[0] in h
        ]
        assert named or path in text_of("http").partition("<!-- generated")[0], (method, path)


def test_every_action_has_a_heading() -> None:
    from heedful.core.event import Action

    under = section("events", "By action")
    same(re.findall(r"^### (\w+)$", under, re.M), (str(action) for action in Action))


def test_every_field_of_an_event_is_described() -> None:
    from heedful.web.bodies import EventItem

    first = section("events", "Fields").partition("What the ledger adds")[0]
    cells = re.findall(r"^\| (`.*?`) \|", first, re.M)
    same((name for cell in cells for name in re.findall(r"`(\w+)`", cell)),
         EventItem.__struct_fields__)  # fmt: skip


def test_every_command_and_option_is_documented() -> None:
    text = section("commands", "The commands")
    there = generate.commands()
    same((h.removeprefix("heedful ") for h in re.findall(r"^### (.+)$", text, re.M)), there)
    from typer.main import get_command

    from heedful.cli.main import app

    own = {word for p in get_command(app).params for word in p.opts}
    documented = re.findall(
        r"^\| `(--[\w-]+)", section("commands", "Options of every command"), re.M
    )
    same(documented, {*own, "--help"})


def test_commands_on_the_pages_exist() -> None:
    """Each `heedful …` that a page says to type has words and options that there are."""
    there = generate.commands()
    own = {"--json", "--db", "--brand", "--keys", "--help", "--version"}
    wrong = []
    for page in WRITTEN:
        text = page.read_text("utf-8")
        code = [b.text.replace("\\\n", " ") for b in blocks(page) if b.kind in ("", "sh", "text")]
        code += re.findall(r"(?<!`)`([^`]+)`(?!`)", text)
        for said in re.findall(r"(?:^|\s|/)heedful ((?:[a-z-]+ ?)+[^\n`|)]*)", "\n".join(code)):
            words = said.split()
            name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in there), None)
            if name is None and words[0] in {c.split()[0] for c in there} and len(words) == 1:
                continue  # `heedful vendors`, a noun by itself
            if name is None:
                wrong.append(f"{page.relative_to(ROOT)}: heedful {said.strip()}")
                continue
            known = own | {o for p in there[name].params for o in (*p.opts, *p.secondary_opts)}
            wrong += [
                f"{page.relative_to(ROOT)}: heedful {name} {option}"
                for option in re.findall(r"(?<!\S)(--[a-z-]+)", said)
                if option not in known
            ]
    assert not wrong


def test_words_of_run_on_the_pages_exist() -> None:
    run = (ROOT / "run").read_text("utf-8")
    known = set(re.findall(r"^    ([a-z |]+)\)", run, re.M))
    words = {word.strip() for group in known for word in group.split("|")}
    for page in WRITTEN:
        for word in re.findall(r"\./run ([a-z]+)", page.read_text("utf-8")):
            assert word in words, f"{page.relative_to(ROOT)}: ./run {word}"


def test_every_key_of_brand_toml_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader itself says which keys it knows."""
    from heedful.core import brand
    from heedful.vendors import kinds

    there: dict[str, set[str]] = {}
    real = brand._Reader.keys

    def noting(self: object, at: object, path: str, known: Iterable[str]) -> None:
        known = tuple(known)
        name = re.sub(r"^(topics|segments)\..*", r"\1.NAME", path)
        name = re.sub(r"^touchpoints\..*", "touchpoints", name)
        there.setdefault(name, set()).update(str(word) for word in known)
        real(self, at, path, known)  # type: ignore[arg-type]

    monkeypatch.setattr(brand._Reader, "keys", noting)
    brand.parse((ROOT / "examples/northwind/brand.toml").read_text("utf-8"))
    tables = there.pop("")
    for path in [path for path in there if path.startswith("consent.")]:
        del there[path]  # channels
    there["vendors.NAME"] = {"kind", "channels", "honour_within"}
    documented = {
        heading.strip("[]"): set(
            re.findall(
                r"^\| `(\w+)` \|", section("brand-toml", heading).partition("| value |")[0], re.M
            )
        )
        for heading in headings(REFERENCE / "brand-toml.md")[1:]
    }
    same({name.partition(".")[0] for name in documented}, tables)
    for name in documented:
        if name == "vendors.NAME":
            documented[name] -= set(kinds())
        if name != "caps":
            same(documented[name], there[name])
    vendors = re.findall(
        r"^\| `(\w+)` \| `(\w+)` \|", section("brand-toml", "[vendors.NAME]"), re.M
    )
    same((" ".join(row) for row in vendors),
         (f"{kind.name} {key}" for kind in kinds().values() for key in kind.settings))  # fmt: skip


def test_every_environment_variable_is_documented() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), ROOT / "run", *(ROOT / "tests/setup").glob("*.py")]
    read = "\n".join(file.read_text("utf-8") for file in sources)
    there = set(re.findall(r"\bHEEDFUL_[A-Z_]+\b", read))
    there |= set(re.findall(r"^([A-Z_]+)=(?:FILE|DSN|FOLDER)\b", (ROOT / "run").read_text(), re.M))
    same(re.findall(r"^\| `([A-Z_]+)` \|", text_of("settings"), re.M), there)


def test_every_metric_is_documented(one_sample: Sample) -> None:
    one_sample.heedful("check", "+14155550123", "--channel", "sms", "--topic", "weekly_deals")
    with urllib.request.urlopen(f"{one_sample.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    typed = {m[1] for line in lines if (m := re.match(r"# TYPE (heedful_\w+) ", line))}
    bare = {m[1] for line in lines if (m := re.match(r"(heedful_\w+)[ {]", line))}
    histograms = {n for n in typed if f"{n}_sum" in bare} | {
        n for n in typed if f"# TYPE {n} histogram" in lines
    }
    there = {
        name for name in typed | bare
        if not name.endswith("_created")
        and not any(name != h and name.startswith(f"{h}_") for h in histograms)
    }  # fmt: skip
    same(re.findall(r"^\| `(heedful_\w+)` \| \w+ \|", text_of("metrics"), re.M), there)


def test_every_permission_and_purpose_is_described() -> None:
    from heedful.config import PURPOSES
    from heedful.ledger import Permission

    same(re.findall(r"^\| `(\w+)` \|", section("keys", "API keys"), re.M), map(str, Permission))
    same(re.findall(r"^\| `(\w+)` \|", section("keys", "The keys file"), re.M), PURPOSES)


def test_the_glossary_has_the_closed_lists() -> None:
    """Every word of a closed list stands in the glossary as it is in the code."""
    from heedful.core import event, scope
    from heedful.core.decision import Outcome

    text = text_of("glossary")
    lists = (event.Action, event.Consent, event.Basis, event.Suppression, scope.Category, Outcome)
    words = {str(word) for closed in lists for word in closed}
    words |= {str(c) for c in scope.Channel if c is not scope.Channel.ANY}
    same({w for w in words if f"`{w}`" in text}, words)


def test_the_python_page_names_what_there_is() -> None:
    import heedful

    there = {
        name
        for name, held in vars(heedful.Heedful).items()
        if callable(held) and not name.startswith("_")
    } - {"close"}
    found = re.findall(r"^## (?:heedful\.)?(\w+)\((.*)\)$", text_of("python"), re.M)
    same((name for name, _ in found), {*there, "open"})
    import inspect

    for name, shown in found:
        made = heedful.open if name == "open" else getattr(heedful.Heedful, name)
        given = [p for p in inspect.signature(made).parameters if p not in ("self",)]
        documented = [word.strip() for word in shown.split(",")]
        assert [word for word in documented if word != "*"] == [
            p for p in given if p in documented or name != "open"
        ], name
        assert set(documented) - {"*"} == set(given), name


def test_what_the_retries_page_says() -> None:
    from heedful.core.instant import SECOND
    from heedful.fanout.schedule import STEPS

    said = "5 seconds, 5 minutes, 30 minutes, 2, 5, 10, 14, 20 and 24 hours"
    assert said in text_of("webhooks")
    hours = [2, 5, 10, 14, 20, 24]
    assert [s // SECOND for s in STEPS] == [5, 300, 1800, *(h * 3600 for h in hours)]


def test_what_a_vendor_receives() -> None:
    """The message on the page has the fields of a real one, and its table explains each."""
    import json

    from heedful.core.event import Action
    from heedful.fanout import plan

    why = plan.Why(7, 0, Action.OPT_OUT, "sms/marketing")
    real = plan.data_of(why, "tel:+14155550100", SimpleNamespace(rows=()), 1)  # type: ignore[arg-type]
    page = REFERENCE / "webhooks.md"
    shown = json.loads(next(b.text for b in blocks(page) if b.kind == "json"))
    assert list(shown["data"]) == list(real)
    table = text_of("webhooks").partition("## Verify it")[0]
    for name in (*shown, *real, "until", *plan.Word):
        assert name == "data" or f"`{name}`" in table, name
    listed = re.search(r"^\| `type` \|.*$", table, re.M)
    assert listed
    same(set(re.findall(r"`(\w+)`", listed[0])) - {"type"},
         {str(a) for a in plan.SAYS if a is not Action.LINK})  # fmt: skip


def test_what_the_pages_say_of_limits() -> None:
    from heedful.web import app, bodies, callers, hooks, pages

    assert (app.JSON_LIMIT, hooks.LIMIT, pages.FORM_LIMIT) == (1 << 20, 256 << 10, 16 << 10)
    assert "1 MiB of JSON, 256 KiB of a webhook, 16 KiB of a form" in text_of("errors")
    assert bodies.MOST_ITEMS == 1000
    assert callers.REMEMBERED == 2
    assert "within two seconds" in text_of("keys")
