"""The README's tour: every command of it, in order, on a sample that was just started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.conftest import Sample
from tests.docs.generate import ROOT
from tests.docs.pages import Block, assert_shown, blocks

README = ROOT / "README.md"
PORT = "http://127.0.0.1:8000"
MARK = "--- the next block ---"


def tour() -> list[Block]:
    """The blocks after the two commands."""
    return [block for block in blocks(README) if block.text not in ("./run\n", "./run test\n")]


def test_what_it_is_takes_five_sentences() -> None:
    first = README.read_text("utf-8").split("\n\n")[1]
    assert first.count(". ") + first.endswith(".") + first.count(".\n") == 5


def test_every_block_is_run_or_shown() -> None:
    assert {block.kind for block in blocks(README)} == {"sh", "text", "python"}
    assert [b.text for b in blocks(README) if b.kind == "sh"][:2] == ["./run\n", "./run test\n"]


@pytest.mark.timeout(90)
def test_the_tour(sample: Sample) -> None:
    script, typed = "exec 2>&1\n", []
    for block in tour():
        if block.kind == "sh":
            script += f"{block.text}echo; echo '{MARK}'\n"
        elif block.kind == "python":
            file = sample.folder / f"block-{block.line}.py"
            file.write_text(block.text)
            script += f"'{sys.executable}' {file}; echo; echo '{MARK}'\n"
        else:
            continue
        typed.append(block)
    done = subprocess.run(
        ["bash", "-c", script.replace(PORT, sample.url)],
        cwd=sample.folder,
        env=sample.environment,
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    said = dict(zip(map(str, typed), done.stdout.split(MARK), strict=False))
    before = None
    for block in tour():
        if block.kind != "text":
            before = block
        elif block.note == "first terminal":
            for line in block.text.splitlines():
                sample.wait_for(line.replace("(", r"\(").replace(")", r"\)").replace("+", r"\+"))
        else:
            shown = block.text.replace(PORT, sample.url)
            assert_shown(shown, said[str(before)], block)
