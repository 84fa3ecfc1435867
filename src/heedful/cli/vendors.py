"""heedful vendors: who has been told, and who has not."""

from dataclasses import asdict
from typing import Annotated

import typer

from heedful.cli.session import session, table

nouns = typer.Typer(
    help="Who has been told, and who has not. By itself: the status.", invoke_without_command=True
)

Vendor = Annotated[str, typer.Argument(help="A vendor's name in brand.toml.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(nouns, name="vendors")


@nouns.callback()
def vendors(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        status()


@nouns.command("status")
def status() -> None:
    """How far each vendor was told, what waits, what was given up."""
    from heedful.core.instant import text_of

    with session.house() as house:
        found = house.vendors()
    rows = [
        asdict(v)
        | {"telling": str(v.telling), "oldest": None if v.oldest is None else text_of(v.oldest),
           "told": v.told}
        for v in found
    ]  # fmt: skip
    shown = [
        {
            "vendor": v.vendor,
            "kind": v.kind,
            "state": v.telling.replace("_", " "),
            "told to": str(v.told_to),
            "behind": str(v.behind),
            "waiting": str(v.waiting),
            "given up": str(v.dead),
            "why": v.why or v.last_answer or "",
        }
        for v in found
    ]
    session.say(rows, lambda: table(shown, "brand.toml names no vendors."))


@nouns.command("retry")
def retry(vendor: Vendor) -> None:
    """Tell a vendor again what was given up. Goes on with one that was disabled, too."""
    from heedful import fanout
    from heedful.wire import now

    with session.house() as house:
        count = fanout.retry(house.ledger, vendor, now())
    session.say(
        {"vendor": vendor, "retried": count},
        f"{vendor}: {count} instruction{'' if count == 1 else 's'} will be tried again.",
    )


@nouns.command("disable")
def disable(
    vendor: Vendor, reason: Annotated[str, typer.Option(help="Why; shown with its status.")]
) -> None:
    """Tell a vendor nothing, until `vendors retry`. What it is to be told waits."""
    from heedful import fanout

    with session.house() as house:
        fanout.disable(house.ledger, vendor, reason)
    session.say(
        {"vendor": vendor, "disabled": True},
        f"{vendor} is told nothing until `heedful vendors retry {vendor}`; what concerns it waits.",
    )
