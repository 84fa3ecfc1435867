"""heedful events: the change feed."""

from typing import Annotated

import typer

from heedful.cli.session import note, session


def add_to(app: typer.Typer) -> None:
    app.command("events")(events)


def events(
    after: Annotated[
        str, typer.Option(metavar="CURSOR", help="Where to go on, as the run before said.")
    ] = "0",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
) -> None:
    """The change feed, gap-free, from a cursor on. Says the cursor to go on from."""
    from heedful.gate import event_sentence
    from heedful.ledger import Cursor
    from heedful.web.bodies import event_row, plain

    with session.house() as house:
        found, cursor = house.ledger.events(Cursor.parse(after), limit)
    if session.json:
        session.say({"events": [plain(event_row(e)) for e in found], "next": cursor.text}, "")
    else:
        for event in found:
            print(event_sentence(event))
        note(f"go on with --after {cursor.text}")
