"""For a user without a checkout: the wheel, in an empty environment, then `heedful up`."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.checkouts import Checkout, copied

pytestmark = [pytest.mark.setup, pytest.mark.timeout(300)]


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    with copied(None) as copy:
        yield copy


def environment(checkout: Checkout, folder: Path) -> list[str]:
    """Make an empty environment in `folder`; the pip that fills it, as the start of a command."""
    python = str(folder / "bin/python")
    if importlib.util.find_spec("ensurepip"):
        checkout.run([sys.executable, "-m", "venv", str(folder)])
        return [python, "-m", "pip"]
    # Debian without python3-venv, as in ./run.
    base = str(Path(sys.base_prefix) / "bin/python3")
    checkout.run([base, "-m", "venv", "--without-pip", str(folder)])
    return [base, "-m", "pip", "--python", python]


def test_wheel_installs_into_an_empty_environment_and_comes_up(checkout: Checkout) -> None:
    checkout.run(["./run", "build"])
    (wheel,) = (checkout.folder / "dist").glob("heedful-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "heedful/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(name.startswith(("heedful/", "heedful-")) for name in names)
    # What the code reads beside itself: rules, SQL, templates, languages.
    for file in (checkout.folder / "src/heedful").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert file.relative_to(checkout.folder / "src").as_posix() in names

    empty = checkout.folder.with_name("empty")
    pip = environment(checkout, empty)
    install = [*pip, "install", "-q", "--only-binary", ":all:"]
    checkout.run([*install, "--require-hashes", "-r", str(checkout.folder / "constraints.txt")])
    checkout.run([*install, "--no-deps", "--no-index", str(wheel)])
    checkout.run([*pip, "check"])

    work = checkout.folder.with_name("work")
    work.mkdir()
    with checkout.up([str(empty / "bin/heedful"), "up", "--port", "0"], timeout=30, cwd=work):
        pass
