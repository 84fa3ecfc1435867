"""The command `heedful`: options that stand anywhere, errors of one line, exit statuses.

0 done, or allow     1 failed     2 wrong usage     3 deny     4 defer     130 Ctrl-C
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from heedful.cli import brand, check, feed, key, ledger, say, stamp, start, subject, vendors
from heedful.cli.session import session
from heedful.config import version
from heedful.core.errors import HeedfulError, InvalidBrand, InvalidInput, UnknownEvent

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="heedful",
    help="The one place that hears every marketing opt-out, tells every vendor, and answers: "
    "may I send this?",
    epilog="`heedful COMMAND --help` says more of each. --db, --brand, --keys and --json may stand "
    "before or after the command.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for noun in (start, say, check, subject, feed, brand, vendors, key, stamp, ledger):
    noun.add_to(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(version())
        raise typer.Exit


@app.callback()
def options(
    db: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The ledger. [HEEDFUL_DATABASE_URL; sqlite:///heedful.db]"
        ),
    ] = None,
    brand: Annotated[
        str | None, typer.Option(metavar="FILE", help="[HEEDFUL_BRAND; brand.toml]")
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="[HEEDFUL_KEYS; heedful.keys beside the database]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    session.database, session.brand, session.keys, session.json = db, brand, keys, as_json


def command() -> Any:
    """The whole command. In its help a value is called by its option's name, not by its type."""

    def named(one: Any) -> Any:
        for param in one.params:
            if param.metavar is None and not getattr(param, "is_flag", False):
                param.metavar = param.name.upper()
        for inner in getattr(one, "commands", {}).values():
            named(inner)
        return one

    return named(get_command(app))


def listed() -> list[tuple[str, str]]:
    """Every command with what it does, for the reference pages: `key create`, `check` …"""
    found: list[tuple[str, str]] = []
    for name, noun in command().commands.items():
        nested = getattr(noun, "commands", {})
        if not nested or getattr(noun, "invoke_without_command", False):
            found.append((name, noun.help or ""))
        found += [(f"{name} {verb}", one.help or "") for verb, one in nested.items()]
    return found


_VALUED = ("--db", "--brand", "--keys")


def hoisted(words: Sequence[str]) -> list[str]:
    """The words with the options of every command put first, wherever they stood."""
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word == "--json" or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            first.append(word)
        elif word in _VALUED:
            first += [word, *(value for value in [next(waiting, None)] if value is not None)]
        else:
            rest.append(word)
    return first + rest


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    said = hoisted(sys.argv[1:] if words is None else words)
    as_json = "--json" in said
    try:
        status = command().main(said, prog_name="heedful", standalone_mode=False)
        sys.stdout.flush()
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        return status if isinstance(status, int) else 0
    except HeedfulError as error:
        wrong = isinstance(error, InvalidInput) and not isinstance(
            error, InvalidBrand | UnknownEvent
        )
        return _failed(error.code, str(error), WRONG_USAGE if wrong else FAILED, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("aborted", _STOPPED, INTERRUPTED, as_json)
    except BrokenPipeError:
        # Whoever read the answer has seen enough. Nothing may be written there any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _failed("failed", f"{error.strerror or error}{where}.", FAILED, as_json)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        if usage().startswith("Usage:"):  # a noun without a verb: its help is the answer
            print(usage())
            return WRONG_USAGE
        return _failed("usage", f"{usage()} Try --help.", WRONG_USAGE, as_json)


_STOPPED = "Stopped before it was done. What it did not say it recorded may not be recorded."


def _failed(code: str, detail: str, status: int, as_json: bool) -> int:
    """One line on standard error (more where brand.toml has more faults), or a problem object."""
    if as_json:
        from heedful.web.problems import every_code

        title = every_code().get(
            code, (0, "Wrong usage" if status == WRONG_USAGE else "Failed", "")
        )[1]
        problem = {"type": f"/docs#{code}", "title": title, "code": code, "detail": detail}
        print(json.dumps(problem, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"heedful: {detail}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
