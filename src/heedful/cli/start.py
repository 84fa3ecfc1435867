"""heedful init, up, serve, work: the set-up, and the processes."""

import errno
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from heedful.cli.session import note, session, who

if TYPE_CHECKING:
    from heedful.config import Settings
    from heedful.wire import House

DEFAULT_PORT = 8000

Host = Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 for every network.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="This one and no other; 0 is any that is free. Left out: 8000 or, if that is taken, "
        "the next free one.",
    ),
]
Sample = Annotated[
    bool, typer.Option("--sample", help="With a sample brand, its two vendors and some data.")
]


def add_to(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("up")(up)
    app.command("serve")(serve)
    app.command("work")(work)


def init(sample: Sample = False) -> None:
    """Make keys, an empty ledger and a starter brand.toml. Puts that brand.toml in force."""
    from heedful.cli import sample as northwind
    from heedful.core.errors import LedgerNotEmpty

    settings = settings_for(sample)
    if settings.keys.exists() and stands(settings):
        raise LedgerNotEmpty(
            f"There is a ledger at {shown(settings.database)} already, with its keys in "
            f"{settings.keys}. Nothing was changed."
        )
    with ExitStack() as stack:
        if sample:
            northwind.write_brand(settings.brand, "http://127.0.0.1:8000", {})
        house = stack.enter_context(made(settings))
        number = house.ledger.head().catalogue
        if sample:
            northwind.seed(house)
    session.say(
        {
            "database": shown(settings.database),
            "keys": str(settings.keys),
            "brand": str(settings.brand),
            "catalogue": number,
        },
        f"The ledger is {shown(settings.database)}, the brand {settings.brand} (version {number} "
        f"is in force), the keys {settings.keys}.\n"
        "Keep a copy of the keys somewhere else: without them the ledger cannot be opened. "
        "Next: heedful up",
    )


def up(host: Host = "127.0.0.1", port: Port = None, sample: Sample = False) -> None:
    """Everything in one process: API, pages, and telling the vendors.

    Makes what is missing (keys, ledger, starter brand.toml) and applies brand.toml if it changed.
    """
    from heedful.cli import sample as northwind

    with ExitStack() as stack:
        settings = settings_for(sample)
        receivers: northwind.Receivers | None = None
        if sample:
            stack.enter_context(northwind.alone(settings.brand))
            # Their start takes as long as our imports do: both at once.
            receivers = stack.enter_context(northwind.receivers(settings.brand))
        from heedful.web import server

        sock = listening(host, port)
        url = server.address_of(sock)
        if receivers is not None:
            northwind.write_brand(settings.brand, url, receivers.ports())
        house = stack.enter_context(made(settings))
        if sample:
            northwind.seed(house)
        house.start_dispatching()

        def answering() -> None:
            announce(url)
            if sample and not session.json:
                print(northwind.greeting(house, url, commands(settings)), flush=True)

        run(house, sock, answering)


def serve(host: Host = "127.0.0.1", port: Port = None) -> None:
    """The API and the pages alone, beside `heedful work` elsewhere."""
    from heedful.web import server

    with session.house() as house:
        sock = listening(host, port)
        run(house, sock, lambda: announce(server.address_of(sock)))


def work() -> None:
    """The dispatcher alone: tell the vendors, until stopped."""
    from heedful import observe

    observe.set_up()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with session.house() as house:
        house.start_dispatching()
        session.say({"telling": True}, "telling the vendors")
        sys.stdout.flush()
        stop.wait()


def run(house: "House", sock: socket.socket, answering: Callable[[], None]) -> None:
    """Answer HTTP until told to stop, and finish what was taken in."""
    from heedful import observe
    from heedful.web import server
    from heedful.web.access import AccessLog
    from heedful.web.app import App
    from heedful.web.routes import ROUTES

    observe.set_up()
    access = AccessLog()
    server.serve(App(house, ROUTES, access), sock, answering, access)


def listening(host: str, port: int | None) -> socket.socket:
    """The socket to answer at. A port that was named is taken or refused: who named it has told a
    proxy or a firewall of it, and would look for Heedful there."""
    from heedful.core.errors import Forbidden
    from heedful.web import server

    try:
        if port is None:
            return server.bound(host, DEFAULT_PORT)
        return server.bound(host, port, strict=True)
    except OSError as error:
        where = f"port {DEFAULT_PORT if port is None else port} of {host}"
        if error.errno == errno.EADDRINUSE:
            also = "" if port is not None else f", and so are the {server.FURTHER} after it"
            why = f"{where} is taken{also}. Stop what listens there, or name another with --port"
        else:
            why = f"{where} cannot be had: {error.strerror}. Name others with --host and --port"
        raise Forbidden(f"Nothing was started, because {why}; --port 0 is any.") from None


def announce(url: str) -> None:
    session.say({"listening": url}, f"listening on {url}")
    sys.stdout.flush()


# --- what must be there ---------------------------------------------------------------------------


def settings_for(sample: bool) -> "Settings":
    """Where things are; the sample's own folder, where nobody said otherwise."""
    from heedful.config import Settings

    if not sample:
        return session.settings()
    home = Path(".heedful")
    given = {
        "HEEDFUL_DATABASE_URL": f"sqlite:///{home / 'heedful.db'}",
        "HEEDFUL_BRAND": str(home / "brand.toml"),
        **os.environ,
    }
    settings = Settings.of(given, database=session.database, brand=session.brand, keys=session.keys)
    for folder in (settings.brand.parent, settings.keys.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings


@contextmanager
def made(settings: "Settings") -> "Iterator[House]":
    """The house, and what is missing of it made: keys and ledger together, and a brand.toml.

    Where a ledger stands without its keys, none are made: the error says which file is missing.
    """
    from heedful.wire import House

    fresh = not settings.keys.exists() and not stands(settings)
    house = House.made(settings) if fresh else House.open(settings, create=True)
    with house:
        if fresh:
            note(f"made the keys {settings.keys}; keep a copy of them somewhere else")
        if not settings.brand.exists() and not house.ledger.head().catalogue:
            starter = files("heedful.cli") / "starter.toml"
            settings.brand.write_text(starter.read_text("utf-8"), "utf-8")
            note(f"made {settings.brand} to start from")
        if settings.brand.exists():
            catalogue, applied = house.apply_brand(settings.brand, who())
            if applied:
                note(f"put {settings.brand} in force as version {catalogue.number}")
        yield house


def stands(settings: "Settings") -> bool:
    """Whether there is a ledger already; its keys may be missing."""
    from heedful.config import Keys, sqlite_file
    from heedful.core.errors import LedgerUnavailable, WrongKeys
    from heedful.ledger import Ledger
    from heedful.wire import now

    file = sqlite_file(settings.database)
    if file is not None:
        return file.exists() and file.stat().st_size > 0
    try:
        Ledger.open(settings.database, Keys.make(now())).close()
    except WrongKeys:
        return True
    except LedgerUnavailable:
        return False
    return True


def shown(url: str) -> str:
    """The database without the password that its URL may hold."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":…@")


def commands(settings: "Settings") -> str:
    """How to type a command on the same ledger: what comes before its name."""
    from heedful.cli.session import checkout

    root = checkout()
    if root is not None and settings.database == f"sqlite:///{root}/.heedful/heedful.db":
        here = Path.cwd() == root
        return f"{'./run' if here else _quoted(str(root / 'run'))} heedful"
    program = sys.argv[0] if sys.argv[0].endswith("heedful") else f"{sys.executable} -m heedful"
    return (
        f"{program} --db {_quoted(settings.database)} --brand {_quoted(str(settings.brand))} "
        f"--keys {_quoted(str(settings.keys))}"
    )


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
