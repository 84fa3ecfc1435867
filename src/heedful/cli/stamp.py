"""heedful stamp: what an e-mail must carry."""

from typing import Annotated

import typer

from heedful.cli.session import session


def add_to(app: typer.Typer) -> None:
    app.command("stamp")(stamp)


def stamp(
    address: Annotated[str, typer.Argument(help="ann@example.com")],
    topic: Annotated[str, typer.Option(metavar="T", help="A topic of brand.toml.")],
    campaign: Annotated[str | None, typer.Option(help="Kept with an opt-out by the link.")] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="S", help="The segment the message is aimed at.")
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="Who sends it.")] = None,
    message_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Kept with an opt-out by the link.")
    ] = None,
) -> None:
    """The List-Unsubscribe headers and the link of a marketing e-mail."""
    from heedful.web.api import stamped
    from heedful.web.bodies import StampRequest, plain

    asked = StampRequest(address, topic, campaign, segment, vendor, message_id)
    with session.house() as house:
        answer = stamped(house, asked)
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    session.say(plain(answer), headers)
