"""The proof: the README's two commands, in a copy of the checkout, as on a fresh machine.

Once as root and once as a user who was never here. Who runs the tests without being root
proves it for themselves only.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.setup.checkouts import ROOT, Checkout, copied, fresh_user

pytestmark = [pytest.mark.setup, pytest.mark.timeout(400)]

# Enough to see PostgreSQL and Chromium work; the proof must not run itself.
SMALL = "tests/setup/test_parts.py"


def commands_of_the_readme() -> list[list[str]]:
    """Its first lines to type, as words: comments and the prompt taken away."""
    blocks = re.findall(
        r"^```(?:sh|bash|console|shell)\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S
    )
    lines = [
        shlex.split(line.removeprefix("$ "), comments=True) for line in "".join(blocks).splitlines()
    ]
    return [line for line in lines if line and line[0] == "./run"][:2]


@pytest.fixture(
    scope="module", params=["root", "fresh user"] if os.geteuid() == 0 else ["this user"]
)
def checkout(request: pytest.FixtureRequest) -> Iterator[Checkout]:
    """A copy in which nothing has been made yet."""
    if request.param == "fresh user":
        with fresh_user() as user, copied(user) as copy:
            yield copy
    else:
        with copied(None) as copy:
            yield copy


def test_the_readme_has_two_commands() -> None:
    assert commands_of_the_readme() == [["./run"], ["./run", "test"]]


def test_both_commands_work_from_nothing(checkout: Checkout) -> None:
    start, test = commands_of_the_readme()
    with checkout.up(start):
        pass
    data = checkout.folder / ".heedful"
    keys = (data / "heedful.keys").read_bytes()
    assert (data / "heedful.db").stat().st_size > 0

    # The best of three: the machine may have other things to do.
    seconds = []
    while len(seconds) < 3 and min(seconds, default=9.0) >= 3:
        with checkout.up(start) as again:
            seconds.append(again.seconds)
    assert min(seconds) < 3, f"a second start took {seconds} seconds to the first answer"
    assert (data / "heedful.keys").read_bytes() == keys

    said = checkout.run([*test, SMALL])
    assert re.search(r"=+ \d+ passed in", said), said
