"""The pages as data: their blocks of code, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.generate import ROOT, pages

_BLOCK = re.compile(
    r"(?P<before><!-- (?P<note>[\w ]+) -->\n)?^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```",
    re.M | re.S,
)
WRITTEN = [
    *pages(),
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "src/heedful/vendors").rglob("README.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
"""Every page that somebody may read."""


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its text, and the remark that stands before it."""

    page: Path
    line: int
    kind: str
    text: str
    note: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in order."""
    whole = page.read_text("utf-8")
    for found in _BLOCK.finditer(whole):
        cut = len(found["indent"])
        text = "".join(line[cut:] or "\n" for line in found["text"].splitlines(keepends=True))
        line = whole.count("\n", 0, found.start("kind")) + 1
        yield Block(page, line, found["kind"], text, found["note"] or "")


def plain(page: Path) -> str:
    """The page without its blocks of code."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", plain(page), re.M)


def anchor(heading: str) -> str:
    """What a link to a heading says, as GitHub makes it."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


_TIME = r"\d{4}-\d\d-\d\dT[\d:.]+Z"


def pattern(shown: str) -> re.Pattern[str]:
    """What is shown, as a pattern: `…` between spaces or quotes, or at a link's end, stands for whatever was left out,
    a time is any time, and the width of a gap or the end of a line says nothing."""
    text = re.sub(_TIME, "\0", shown.strip())
    text = re.sub(r"(?<!\S)…(?!\S)|(?<=\")…(?=\")|(?<=/)…(?=>)", "\1", text)
    found = re.escape(text).replace("\0", _TIME)
    found = re.sub(r"(?:\\\s)+", r"\\s*", found)
    return re.compile(found.replace("\1", ".*?"), re.S)


def assert_shown(shown: str, said: str, where: object) -> None:
    """All that was said is on the page, but for what the page says that it leaves out."""
    assert pattern(shown).fullmatch(said.strip()), (
        f"{where} shows\n{shown}\nbut this is said:\n{said}"
    )
