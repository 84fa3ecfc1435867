"""heedful key: who may ask and record over HTTP, and the keys of the ledger itself."""

from typing import Annotated

import typer

from heedful.cli.session import session, table

nouns = typer.Typer(
    help="API keys, and the rotation of the ledger's own keys.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(nouns, name="key")


@nouns.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for: checkout, campaign_tool.")],
    permissions: Annotated[
        str, typer.Option(metavar="P,P…", help="Of check, record, read, admin.")
    ],
    vendor: Annotated[
        str | None,
        typer.Option(help="Bind it to a vendor: it sees and records what concerns that one only."),
    ] = None,
) -> None:
    """Make an API key. It is printed once, and kept as a hash only."""
    from heedful.ledger.access import permissions_of
    from heedful.wire import now

    wanted = permissions_of(word.strip() for word in permissions.split(",") if word.strip())
    with session.house() as house:
        if vendor is not None:
            house.ledger.catalogue().vendor(vendor)
        key, secret = house.ledger.create_key(name, wanted, vendor, now())
    session.say(
        {"name": key.name, "permissions": sorted(key.permissions), "vendor": key.vendor,
         "key": secret},
        secret,
    )  # fmt: skip


@nouns.command("list")
def show() -> None:
    """The API keys there are. Names and permissions, never the keys themselves."""
    from heedful.core.instant import text_of

    with session.house() as house:
        keys = house.ledger.keys_list()
    rows = [
        {
            "name": key.name,
            "permissions": sorted(key.permissions),
            "vendor": key.vendor,
            "made": text_of(key.made_at),
            "revoked": None if key.revoked_at is None else text_of(key.revoked_at),
        }
        for key in keys
    ]
    shown = [
        {
            "name": key.name,
            "permissions": ",".join(sorted(key.permissions)),
            "vendor": key.vendor or "",
            "made": text_of(key.made_at)[:10],
            "revoked": "" if key.revoked_at is None else text_of(key.revoked_at)[:10],
        }
        for key in keys
    ]
    session.say(
        rows, lambda: table(shown, "There are no API keys. `heedful key create` makes one.")
    )


@nouns.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="As `heedful key list` shows it.")]) -> None:
    """End a key. A running Heedful refuses it within two seconds."""
    from heedful.core.errors import Forbidden, near_miss
    from heedful.core.instant import text_of
    from heedful.wire import now

    with session.house() as house:
        ended = house.ledger.revoke_key(name, now())
        held = {key.name: key.revoked_at for key in house.ledger.keys_list()}
    if not ended and (gone := held.get(name)) is not None:
        raise Forbidden(f"The key '{name}' was revoked already, on {text_of(gone)[:10]}.")
    if not ended:
        near = near_miss(name, (word for word, gone in held.items() if gone is None))
        raise Forbidden(
            f"No key is called '{name[:100]}'.{near} Nothing was revoked. `heedful key list` shows "
            "those that there are."
        )
    session.say({"name": name, "revoked": True}, f"The key '{name}' is revoked.")


@nouns.command("rotate")
def rotate(purpose: Annotated[str, typer.Argument(help="links, receipts or codes")]) -> None:
    """Sign new links, receipts or codes with a new key. Those made before stay valid."""
    from heedful.config import Keys
    from heedful.wire import now

    settings = session.settings()
    keys = Keys.load(settings.keys).rotate(purpose, now())
    keys.replace(settings.keys)
    session.say(
        {"purpose": purpose, "key": keys.newest(purpose).id, "keys": len(keys.all(purpose))},
        f"New {purpose} are signed with key {keys.newest(purpose).id}, by a Heedful that runs "
        f"already after its next start. Copy {settings.keys} to where its backup is kept.",
    )
