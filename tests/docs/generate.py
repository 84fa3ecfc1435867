"""Makes the tables of docs/ that can be made from the code, so that they cannot lie.

    python -m tests.docs.generate            write them (./run docs)
    python -m tests.docs.generate --check    say which pages differ; status 1 if any does

A page says where: between `<!-- generated: NAME -->` and `<!-- end -->`. Everything else on it is
written by hand and left as it is.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_PLACE = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.S)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def generated(page: Path) -> str:
    """The page with its tables made anew."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}{_table_of(found[2])}\n{found[3]}"

    return _PLACE.sub(fill, page.read_text("utf-8"))


def main(words: Sequence[str]) -> int:
    check = "--check" in words
    differ = []
    for page in pages():
        text = generated(page)
        if text != page.read_text("utf-8"):
            differ.append(page)
            if not check:
                page.write_text(text, "utf-8")
    for page in differ:
        print(
            f"{page.relative_to(ROOT)}: {'differs; ./run docs makes it anew' if check else 'made anew'}"
        )
    return 1 if check and differ else 0


def _table_of(name: str) -> str:
    return MADE[name]() if name in MADE else _fields(name)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


# --- HTTP -----------------------------------------------------------------------------------------


def routes() -> list[tuple[str, str, str, str]]:
    """Method, path, permission and summary of every route."""
    from heedful.web.routes import listed

    return listed()


def _routes() -> str:
    return _rows(
        ("route", "key needs", "answers"),
        [
            (f"`{method} {path}`", f"`{permission}`" if permission else "no key", summary)
            for method, path, permission, summary in routes()
        ],
    )


def _struct(name: str) -> type[msgspec.Struct]:
    from heedful.web import bodies, reads, shown

    for module in (bodies, shown, reads):
        if hasattr(module, name):
            found: type[msgspec.Struct] = getattr(module, name)
            return found
    raise KeyError(f"docs/ ask for a table '{name}', which nothing makes")


def _fields(name: str) -> str:
    """A body's fields: what is in each, and whether it must be there."""
    rows = []
    asked = _struct(name).__struct_config__.forbid_unknown_fields
    for field in msgspec.inspect.type_info(_struct(name)).fields:  # type: ignore[attr-defined]
        needs = "must be there" if field.required and asked else ("" if asked else "always")
        if not field.required:
            given = field.default
            plain = given not in (msgspec.NODEFAULT, None, msgspec.UNSET, False) and given != []
            shown = f"else `{msgspec.json.encode(given).decode()}`" if plain else "may be left out"
            needs = shown if asked else "where there is one"
            if not asked and field.default_factory is bool:  # said either way
                needs = "always"
        rows.append((f"`{field.encode_name}`", ", ".join(_kind(field.type)), needs))
    return _rows(("field", "holds", "there"), rows)


def _kind(kind: Any) -> Iterator[str]:
    """What a type holds, in words."""
    match kind:
        case msgspec.inspect.Metadata():
            more = kind.extra_json_schema or {}
            if "enum" in more:
                yield " ".join(f"`{word}`" for word in more["enum"])
            else:
                yield from [more["description"]] if "description" in more else _kind(kind.type)
        case msgspec.inspect.UnionType():
            for one in kind.types:
                if not isinstance(one, msgspec.inspect.NoneType):
                    yield from _kind(one)
        case msgspec.inspect.EnumType():
            yield " ".join(f"`{one.value}`" for one in kind.cls if one.value != "*")
        case msgspec.inspect.ListType():
            yield f"a list of: {', '.join(_kind(kind.item_type))}"
        case msgspec.inspect.DictType():
            yield f"an object of: {', '.join(_kind(kind.value_type))}"
        case msgspec.inspect.StructType():
            names = ", ".join(f"`{f.encode_name}`" for f in kind.fields)
            yield f"an object with {names}"
        case msgspec.inspect.StrType():
            yield f"text, at most {kind.max_length}" if kind.max_length else "text"
        case msgspec.inspect.IntType():
            low, high = kind.ge, kind.le
            yield "a whole number" + (
                f", {low} to {high:,}" if high is not None else f" from {low}" if low else ""
            )
        case msgspec.inspect.BoolType():
            yield "`true` or `false`"
        case _:
            yield type(kind).__name__.removesuffix("Type").lower()


# --- errors, metrics, decisions -------------------------------------------------------------------


def error_codes() -> dict[str, tuple[int, str, str]]:
    """Each code of an error: status, title, meaning. Those of HTTP itself have no class."""
    from heedful.web.problems import every_code

    return every_code()


def _errors() -> str:
    from heedful.core.errors import HeedfulError

    classes: dict[str, str] = {}

    def walk(kind: type[HeedfulError]) -> None:
        classes[kind.code] = kind.__name__
        for further in kind.__subclasses__():
            walk(further)

    walk(HeedfulError)
    return _rows(
        ("code", "status", "title", "class"),
        [
            (
                f"[`{code}`](#{code})",
                str(status),
                title,
                f"`{classes[code]}`" if code in classes else "",
            )
            for code, (status, title, _) in sorted(error_codes().items())
        ],
    )


_METRIC = re.compile(r"heedful_[a-z_]+")


def metrics() -> dict[str, tuple[str, str, str]]:
    """Each metric by its name: kind, labels, meaning."""
    from heedful import observe

    found = {}
    for metric in observe.REGISTRY.collect():
        if metric.name.startswith("heedful_"):
            # A metric of the library's own kind has its labels at its collector.
            held = observe.REGISTRY._names_to_collectors.get(metric.name)
            words = getattr(held, "_labelnames", ()) or getattr(metric, "_labelnames", ())
            labels = " ".join(f"`{name}`" for name in words)
            ending = "_total" if metric.type == "counter" else ""
            found[metric.name + ending] = (metric.type, labels, metric.documentation)
    return found


def _metrics() -> str:
    return _rows(
        ("metric", "kind", "labels", "meaning"),
        [(f"`{name}`", *rest) for name, rest in sorted(metrics().items())],
    )


def _decisions() -> str:
    rows = []
    for page in sorted((DOCS / "decisions").glob("*.md")):
        number, _, title = (
            page.read_text("utf-8").splitlines()[0].removeprefix("# ").partition(" · ")
        )
        rows.append(f"- {number}: [{title}](decisions/{page.name})")
    return "\n".join(rows)


# --- the command ----------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Every command that does something, by its words: `key create`."""
    from typer.main import get_command

    from heedful.cli.main import app

    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[" ".join(words)] = command
            return
        for name, further in inner.items():
            walk(further, (*words, name))

    walk(get_command(app), ())
    return found


def options(command: Any) -> list[tuple[str, str]]:
    """Each option of a command as it is typed, and what it is for."""
    rows = []
    for param in command.params:
        if param.param_type_name == "option" and "--help" not in param.opts:
            value = "" if param.is_flag else f" {_placeholder(param)}"
            off = "".join(f", `{word}`" for word in param.secondary_opts)
            given = param.default
            if isinstance(given, enum.Enum):
                given = given.value
            shown = (
                f" Else `{given}`."
                if isinstance(given, str | int) and not isinstance(given, bool)
                else ""
            )
            if param.required:
                shown = " Must be there."
            again = " May be given several times." if param.multiple else ""
            said = (param.help or "").strip()
            said += "." if said and said[-1] not in ".…])" else ""
            rows.append((f"`{param.opts[0]}{value}`{off}", (said + shown + again).strip()))
    return rows


def _placeholder(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _commands() -> str:
    parts = []
    for words, command in commands().items():
        takes = [
            f"[{_argument(p)}]" if not p.required else _argument(p)
            for p in command.params
            if p.param_type_name == "argument"
        ]
        parts.append(f"### heedful {words}\n")
        parts.append(f"`heedful {' '.join((words, *takes))}`\n")
        parts.append(" ".join((command.help or "").split()) + "\n")
        for param in command.params:
            if param.param_type_name == "argument" and (said := getattr(param, "help", None)):
                parts.append(f"- `{_argument(param)}`: {said}\n")
        if rows := options(command):
            parts.append(_rows(("option", "meaning"), rows) + "\n")
    return "\n".join(parts).rstrip()


def _argument(param: Any) -> str:
    return str(param.metavar or param.name.upper()).strip("[]")


MADE: dict[str, Callable[[], str]] = {
    "routes": _routes,
    "errors": _errors,
    "metrics": _metrics,
    "decisions": _decisions,
    "commands": _commands,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
