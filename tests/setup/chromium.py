"""The real browser of the tests: Debian's Chromium, or the one that $CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


class NoBrowser(Exception):
    """There is no Chromium to test with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Chromium:
    """Where it is, and how it must be started here."""

    path: Path
    args: tuple[str, ...]
    sandbox: bool  # Chromium refuses to sandbox root


def find() -> Chromium:
    named = os.environ.get("CHROMIUM")
    found = named or shutil.which("chromium", path=f"{os.environ.get('PATH', '')}:/usr/bin")
    if not found or not os.access(found, os.X_OK):
        raise NoBrowser(
            f"CHROMIUM is {named!r}, which is no program, so no page was tested. Correct or unset it."
            if named
            else "No Chromium is installed, so no page was tested. "
            "`./run test` installs Debian's; or name one: CHROMIUM=/path/to/chromium"
        )
    root = os.geteuid() == 0
    # /dev/shm has 64 MB in most containers: too small, and a page that needs more crashes.
    args = ("--disable-dev-shm-usage", *(("--no-sandbox",) if root else ()))
    return Chromium(Path(found), args, sandbox=not root)
