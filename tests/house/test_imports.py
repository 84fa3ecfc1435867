"""Imports go one way, and the names inside follow the glossary.

    core ← ledger, vendors ← gate, intake, fanout, insight ← wire ← web, cli

Rooms side by side meet only through the ledger. Read from the source text, so that an import
inside a function counts as well.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "heedful"
FILES = sorted(SRC.rglob("*.py"))

SHARED = {"core", "config", "observe", "tokens"}
MAY = {
    "core": set(),
    "observe": {"core"},
    "config": {"core", "observe"},
    "tokens": {"core", "config", "observe"},
    "rules": {"core"},
    "ledger": SHARED,
    "vendors": {"core"},
    "gate": SHARED | {"rules", "ledger"},
    "intake": SHARED | {"rules", "ledger", "vendors"},
    "fanout": SHARED | {"rules", "ledger", "vendors"},
    "insight": SHARED | {"rules", "ledger"},
    "web": SHARED | {"rules", "ledger", "vendors", "gate", "intake", "fanout", "insight", "wire"},
    "cli": SHARED | {"rules", "ledger", "vendors", "gate", "intake", "fanout", "insight", "web", "wire"},
    "wire": SHARED | {"rules", "ledger", "vendors", "gate", "intake", "fanout", "insight"},
    "client": SHARED | {"ledger", "gate", "intake", "wire"},
    "__init__": {"client"},
    "__main__": {"cli"},
}  # fmt: skip
"""What each room may import. The faces stand on the house that wire puts together, which knows
neither of them."""

ADDRESS_DOOR = {"address", "phone", "mailbox"}
"""The modules of core behind which the phone and domain-name libraries stand."""

TRANSLATORS = {"phonenumbers", "idna"}


def name_of(path: Path) -> str:
    parts = ("heedful", *path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imported(path: Path) -> set[str]:
    """The modules that a file imports, absolute."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            if module == "heedful":
                found |= {f"heedful.{alias.name}" for alias in node.names}
            else:
                found.add(module)
    return found


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_imports_go_one_way(path: Path):
    room = room_of(name_of(path))
    assert room in MAY, f"{room} is a room that DESIGN §5 does not have"
    for module in imported(path):
        if module.partition(".")[0] == "heedful":
            other = room_of(module)
            assert other == room or other in MAY[room], f"{room} imports {module}"


@pytest.mark.parametrize("path", sorted(SRC.glob("core/*.py")), ids=lambda path: path.stem)
def test_core_needs_the_standard_library_only(path: Path):
    allowed = {*sys.stdlib_module_names, "heedful"}
    if path.stem in ADDRESS_DOOR:
        allowed |= TRANSLATORS
    assert {module.partition(".")[0] for module in imported(path)} <= allowed


@pytest.mark.parametrize("path", sorted(SRC.glob("core/*.py")), ids=lambda path: path.stem)
def test_core_reads_no_clock_no_settings_and_no_file(path: Path):
    outside = {"os", "time", "random", "secrets", "socket", "sqlite3", "subprocess", "threading"}
    assert not {module.partition(".")[0] for module in imported(path)} & outside
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(datetime\.now|utcnow|date\.today|open)\(", text)


def vendors() -> list[Path]:
    return sorted(path for path in SRC.glob("vendors/*") if path.is_dir() and path.name[0] != "_")


@pytest.mark.parametrize("folder", vendors(), ids=lambda folder: folder.name)
def test_a_vendor_knows_core_and_the_contract_and_no_other_vendor(folder: Path):
    own = f"heedful.vendors.{folder.name}"
    for path in folder.rglob("*.py"):
        for module in imported(path):
            if module.startswith("heedful.vendors"):
                assert module.startswith(own) or module == "heedful.vendors.contract"


FORBIDDEN = re.compile(r"(Manager|Service|Handler|Helper|Util)s?$")


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_names_are_nouns_of_the_glossary(path: Path):
    assert not re.search(r"(util|helper|misc|common|manager|handler|service)", path.stem)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert not [name for name in names if FORBIDDEN.search(name)]


OTHER_WORDS = {
    r"\bsubscriber": "contact or address",
    r"\bunsubscribed_at": "occurred_at",
    r"\bblacklist": "suppression",
    r"\bblocklist": "suppression",
    r"\bwhitelist": "consent",
    r"\bprovider_name": "vendor",
    r"\bconsent_level": "consent kind",
}


@pytest.mark.parametrize("path", FILES, ids=[name_of(path) for path in FILES])
def test_one_word_per_thing(path: Path):
    """Names of classes, functions and variables; words of others may be quoted in strings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    for pattern, word in OTHER_WORDS.items():
        found = [name for name in names if re.search(pattern, name.lower())]
        assert not found, f"{found}: the glossary says {word}"


def public(path: Path) -> list[tuple[str, bool]]:
    """Public classes and functions, and public methods of public classes: do they say what for?

    Left out: what a decorator or a base class has said already (overloads, overrides of a
    Protocol), properties of one line, and members of an enum.
    """
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            found.append((node.name, ast.get_docstring(node) is not None))
    return found


DOCUMENTED = [p for room in ("core", "ledger", "gate") for p in sorted(SRC.glob(f"{room}/**/*.py"))]


@pytest.mark.parametrize("path", DOCUMENTED, ids=[name_of(path) for path in DOCUMENTED])
def test_every_public_name_of_core_ledger_and_gate_says_what_it_is_for(path: Path):
    silent = [name for name, says in public(path) if not says]
    assert not silent, f"{path.relative_to(SRC)}: no docstring on {', '.join(silent)}"


def test_every_public_method_of_the_ledger_and_the_gate_says_what_may_be_relied_on():
    silent = []
    for path, named in ((SRC / "ledger/ledger.py", "Ledger"), (SRC / "gate/gate.py", "Gate")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == named]
        for node in found.body:
            public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if public and ast.get_docstring(node) is None:
                silent.append(f"{named}.{node.name}")
    assert not silent


def test_the_tree_of_errors_stands_in_one_file():
    """Signals between two modules of a room are no errors of ours, and may stand elsewhere."""
    from heedful.core import errors

    ours = {name for name, value in vars(errors).items() if isinstance(value, type)}
    strays = [
        f"{name_of(path)}.{node.name}"
        for path in FILES
        if path != SRC / "core" / "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and ours & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert not strays
