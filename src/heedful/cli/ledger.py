"""heedful verify, backup, restore: the ledger as a whole."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.session import note, progress, session


def add_to(app: typer.Typer) -> None:
    app.command("verify")(verify)
    app.command("backup")(backup)
    app.command("restore")(restore)


def verify() -> int:
    """Derive everything again from the events, and say what differs."""
    from heedful.ledger.verify import verify as verified

    with session.house() as house, progress("events read") as passed:
        report = verified(house.ledger, passed)
    row = asdict(report) | {"differences": list(report.differences)}
    text = (
        f"{report.events} events: everything is as they say."
        if report.ok
        else "\n".join([*report.differences, f"{report.events} events were read."])
    )
    session.say(row, text)
    return 0 if report.ok else 1


def backup(
    file: Annotated[Path, typer.Argument(help="A new file; it holds addresses and evidence.")],
) -> None:
    """Write the whole ledger, without the keys, into one file. Everything goes on meanwhile."""
    from heedful.core.instant import text_of
    from heedful.ledger.backup import ADVICE
    from heedful.ledger.backup import backup as backed_up

    with session.house() as house, progress("rows written") as passed:
        made = backed_up(house.ledger, file, passed)
    session.say(
        {
            "file": str(made.path),
            "events": made.events,
            "bytes": made.size,
            "made_at": text_of(made.made_at),
        },
        f"{made.path}: {made.events} events, {made.size:,} bytes.",
    )
    note(ADVICE)


def restore(
    file: Annotated[Path, typer.Argument(help="A backup; its keys must be at hand.")],
    despite_differences: Annotated[
        bool,
        typer.Option(
            "--despite-differences",
            help="Also where the backup was taken of a ledger that contradicted itself.",
        ),
    ] = False,
) -> None:
    """Fill an empty ledger, on either engine, from a backup.

    It is verified, and readers of the feed start again.
    """
    from heedful.config import Keys
    from heedful.core.errors import LedgerBroken
    from heedful.core.instant import text_of
    from heedful.ledger.restore import restore as restored

    settings = session.settings()
    keys = Keys.load(settings.keys)
    try:
        with progress("rows restored") as passed:
            made = restored(
                file, settings.database, keys, passed, despite_differences=despite_differences
            )
    except LedgerBroken as error:
        how = "" if despite_differences else " --despite-differences restores it with them."
        raise LedgerBroken(f"{error}{how}") from None
    session.say(
        {
            "events": made.events,
            "epoch": made.epoch,
            "backup_made_at": text_of(made.made_at),
            "differences": list(made.differences),
        },
        "\n".join(
            [
                *made.differences,
                f"{made.events} events are back, as of {text_of(made.made_at)}. What was said "
                "after that is not in it; readers of the feed start again.",
            ]
        ),
    )
