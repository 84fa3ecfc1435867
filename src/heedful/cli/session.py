"""What every command shares: where the ledger is, and how to speak: to a person, or in JSON."""

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.config import Settings

if TYPE_CHECKING:
    from heedful.wire import House


@dataclass(slots=True)
class Session:
    """One run of the command: the options that all commands take."""

    database: str | None = None
    brand: str | None = None
    keys: str | None = None
    json: bool = False

    def settings(self) -> Settings:
        return Settings.of(os.environ, database=self.database, brand=self.brand, keys=self.keys)

    @contextmanager
    def house(self) -> Iterator["House"]:
        """The house over the ledger that is meant; it must be there."""
        from heedful.wire import House

        with House.open(self.settings()) as house:
            yield house

    def say(self, row: Any, text: Callable[[], str] | str) -> None:
        """One answer: the row in JSON, or the text for a person."""
        if self.json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            print(text if isinstance(text, str) else text())


session = Session()
"""The run at hand. `main` fills it in before a command is called."""


def who() -> str:
    """Who types: kept with what is applied and what is retracted."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def table(rows: Sequence[Mapping[str, str]], empty: str) -> str:
    """Columns under their names, as wide as they need to be; a sentence where there are none."""
    if not rows:
        return empty
    names = list(rows[0])
    width = {n: max(len(n), *(len(row[n]) for row in rows)) for n in names}
    lines = ["  ".join(n.upper().ljust(width[n]) for n in names).rstrip()]
    lines += ["  ".join(row[n].ljust(width[n]) for n in names).rstrip() for row in rows]
    return "\n".join(lines)


def note(text: str) -> None:
    """A remark beside the answer: on standard error, so that it never mixes with the answer."""
    print(text, file=sys.stderr)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error for what takes longer; None where nobody is looking."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def passed(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield passed


def checkout() -> Path | None:
    """The checkout that this code runs from; None where it was installed as a wheel."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "run").is_file() and (root / "src" / "heedful").is_dir() else None
