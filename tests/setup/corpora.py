"""The corpora: real words and real mails, kept outside the checkout."""

from __future__ import annotations

import os
from pathlib import Path


class NoCorpora(Exception):
    """The corpora are not where they should be; the text says what to do."""


def folder() -> Path | None:
    """What $HEEDFUL_CORPORA names; None if it is unset, which is an error where CI=true."""
    named = os.environ.get("HEEDFUL_CORPORA")
    if named:
        if not Path(named).is_dir():
            raise NoCorpora(
                f"HEEDFUL_CORPORA is '{named}', and no such folder is there. No test was run. "
                "Correct it, or unset it to leave the corpus tests out."
            )
        return Path(named)
    if os.environ.get("CI") == "true":
        raise NoCorpora(
            "CI is true and HEEDFUL_CORPORA is not set, so the corpus tests would be left out. "
            "No test was run. Set HEEDFUL_CORPORA to the folder of the corpora."
        )
    return None
