"""heedful brand: what brand.toml says, and what is in force."""

from pathlib import Path
from typing import Annotated

import typer

from heedful.cli.session import session, who

nouns = typer.Typer(
    help="brand.toml: check it, apply it, show what is in force.", no_args_is_help=True
)

File = Annotated[Path | None, typer.Argument(help="Instead of --brand.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(nouns, name="brand")


@nouns.command("check")
def check(file: File = None) -> None:
    """Read brand.toml and say everything that is wrong with it. Changes nothing."""
    from heedful.wire import read_brand

    catalogue = read_brand(file or session.settings().brand)
    session.say(
        {"ok": True, "topics": list(catalogue.topics), "vendors": list(catalogue.vendors)},
        f"{catalogue.name}: {len(catalogue.topics)} topics, {len(catalogue.segments)} segments, "
        f"{len(catalogue.vendors)} vendors, {len(catalogue.touchpoints)} touchpoints. "
        "Nothing is wrong with it.",
    )


@nouns.command("apply")
def apply(
    file: File = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also where it loosens what people have chosen.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the version.")] = None,
    by: Annotated[str | None, typer.Option(metavar="WHO", help="Who applies it.")] = None,
) -> None:
    """Put brand.toml in force, as a numbered version."""
    from heedful.core.errors import InvalidBody

    if yes and not (reason and reason.strip()):
        raise InvalidBody(
            "`--yes` needs --reason: it is kept with the version. Nothing was applied."
        )
    with session.house() as house:
        catalogue, fresh = house.apply_brand(
            file or session.settings().brand,
            by or who(),
            reason=reason,
            yes=yes,
        )
    session.say(
        {"number": catalogue.number, "applied": fresh},
        f"Version {catalogue.number} is in force."
        + ("" if fresh else " It was already; nothing changed."),
    )


@nouns.command("show")
def show(
    number: Annotated[
        int | None, typer.Option(help="A version; the one in force, if left out.")
    ] = None,
) -> None:
    """The brand.toml that is in force, as it was applied."""
    with session.house() as house:
        catalogue = house.ledger.catalogue(number)
    session.say({"number": catalogue.number, "text": catalogue.text}, catalogue.text.rstrip("\n"))
