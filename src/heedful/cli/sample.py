"""The sample brand of `examples/northwind`: a copy beside the data, its two vendors as processes of
their own, and a little data. In a checkout only; it is no part of the package."""

import contextlib
import ctypes
import fcntl
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from heedful.cli.session import checkout, session
from heedful.core.errors import Forbidden, InvalidBrand

if TYPE_CHECKING:
    from heedful.wire import House

VENDORS = ("mailer", "texter")
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux: a receiver does not outlive a Heedful that was killed."""


def folder() -> Path:
    """Where the sample is."""
    root = checkout()
    if root is None or not (root / "examples" / "northwind").is_dir():
        raise InvalidBrand(
            [
                "The sample brand lies in a checkout (examples/northwind), and this Heedful was "
                "installed without one. Nothing was started. `heedful up` starts with a brand.toml "
                "of your own."
            ]
        )
    return root / "examples" / "northwind"


@contextlib.contextmanager
def alone(brand: Path) -> Iterator[None]:
    """Only one at a time runs on a sample: a second one would write the ports of its own vendors
    into the copy, and take them away from the first when it stops."""
    with (brand.parent / "sample.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            url = _url_in("brand").search(brand.read_text("utf-8")) if brand.exists() else None
            raise Forbidden(
                f"Heedful runs on the sample in {brand.parent} already"
                + (f", at {url[2]}" if url else "")
                + ". Nothing was started."
            ) from None
        yield


class Receivers:
    """The two vendors, running."""

    def __init__(self, started: Mapping[str, "subprocess.Popen[str]"]) -> None:
        self._started = started

    def ports(self) -> dict[str, int]:
        """Where each listens, as it says itself; what else they say is passed on."""
        found = {}
        for name, process in self._started.items():
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r":(\d+)\s*$", line)
            if match is None:
                raise InvalidBrand([f"The sample vendor '{name}' did not start: {line.strip()}"])
            found[name] = int(match[1])
            threading.Thread(target=_passed_on, args=(process.stdout,), daemon=True).start()
        return found


def _passed_on(lines: Iterator[str]) -> None:
    for line in lines:
        print(line, end="", flush=True, file=sys.stderr if session.json else sys.stdout)


@contextlib.contextmanager
def receivers(brand: Path) -> Iterator[Receivers]:
    """Start both, each on its port of the last time or, if that is taken by now, on any free one;
    stop them at the end. The first time each takes any: two samples on one machine share none.

    They ignore Ctrl-C, which a terminal sends to them as well: while the dispatcher finishes, they
    must still answer.
    """
    program = folder() / "receiver.py"
    wished = _last_ports(brand)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = {
            name: subprocess.Popen(
                [
                    sys.executable, str(program), "--name", name,
                    "--secret-file", str(brand.parent / f"{name}.secret"),
                    "--port", str(wished.get(name, 0)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                preexec_fn=_die_with_parent,
            )
            for name in VENDORS
        }  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield Receivers(started)
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)


def _die_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGTERM)


def _url_in(section: str) -> "re.Pattern[str]":
    """The `url` of a section: before it, itself without the last slash, after it."""
    lines = r"(?:(?!\[).*\n)*?"  # a line that begins another section ends this one
    return re.compile(
        rf'^(\[{re.escape(section)}\].*\n{lines}[ \t]*url\s*=\s*")(http://[^"]*?)(/?")', re.M
    )


def _last_ports(brand: Path) -> dict[str, int]:
    """Where the vendors listened the last time. The ports that the example itself names were never
    theirs: every sample has them until its first start."""
    written = _ports_in(folder() / "brand.toml")
    return {name: port for name, port in _ports_in(brand).items() if port != written.get(name)}


def _ports_in(brand: Path) -> dict[str, int]:
    found = {}
    with contextlib.suppress(OSError):
        text = brand.read_text(encoding="utf-8")
        for name in VENDORS:
            url = _url_in(f"vendors.{name}").search(text)
            if url and (port := re.fullmatch(r"http://127\.0\.0\.1:(\d+)", url[2])):
                found[name] = int(port[1])
    return found


def write_brand(brand: Path, url: str, ports: Mapping[str, int]) -> None:
    """Put the addresses of this start into the copy; it is made where there is none yet, and what
    was changed in it by hand stays."""
    text = (brand if brand.exists() else folder() / "brand.toml").read_text(encoding="utf-8")
    text = _url_in("brand").sub(rf"\g<1>{url}\g<3>", text)
    for name, port in ports.items():
        text = _url_in(f"vendors.{name}").sub(rf"\g<1>http://127.0.0.1:{port}\g<3>", text)
    for name in VENDORS:
        secret = str(brand.parent.resolve() / f"{name}.secret").replace("\\", "\\\\")
        text = text.replace(f'"file:{name}.secret"', '"file:{}"'.format(secret.replace('"', '\\"')))
    if not brand.exists() or brand.read_text(encoding="utf-8") != text:
        brand.write_text(text, encoding="utf-8")


# Numbers of the block 555-01XX and names below example.com belong to nobody.
_SAID: tuple[dict[str, object], ...] = (
    {"subject": "+14155550123", "action": "opt_in", "scope": "sms/marketing",
     "evidence": "ticked the box at checkout, with the sentence beside it"},
    {"subject": "ann@example.com", "action": "opt_in", "scope": "email/marketing",
     "evidence": "signed up on the home page"},
    {"subject": "contact:crm-42", "action": "link", "address": "+14155550123"},
    {"subject": "contact:crm-42", "action": "link", "address": "ann@example.com"},
    {"subject": "ben@example.com", "action": "opt_in", "scope": "email/marketing",
     "evidence": "signed up on the home page"},
    {"subject": "ben@example.com", "action": "opt_out", "scope": "email/topic:weekly_deals",
     "reason": "too_many"},
    {"subject": "+14155550177", "action": "opt_in", "scope": "sms/marketing",
     "evidence": "texted JOIN to +18335550100"},
    {"subject": "+14155550177", "action": "opt_out", "scope": "sms/marketing",
     "reason": "texted STOP"},
    {"subject": "gone@example.com", "action": "suppress", "kind": "undeliverable",
     "scope": "email"},
)  # fmt: skip


def seed(house: "House") -> None:
    """Say it once: with its request id, a second start repeats nothing."""
    if house.ledger.head().seq > 0:
        return
    for place, item in enumerate(_SAID):
        given = item | {"source": "sample", "request_id": f"sample-{place}"}
        house.door.say(house.door.from_cli(given))


def greeting(house: "House", url: str, command: str) -> str:
    """The addresses to open, and three commands to try."""
    from heedful.core.address import Address
    from heedful.intake import Link
    from heedful.intake.links import Purpose

    link = Link(Address.parse("ann@example.com"), "weekly_deals")
    token = house.links.token(Purpose.UNSUBSCRIBE, link)
    return f"""
  {url}/docs      the API, to read and to try
  {url}/readyz    how it is
  {url}/u/{token}
                  the page behind the unsubscribe link of an e-mail

Three commands to try, in another terminal:
  {command} check +14155550123 --channel sms --topic weekly_deals
  {command} opt-out +14155550123 --scope sms/marketing --reason too_many
  {command} check +14155550123 --channel sms --topic weekly_deals --explain
"""
