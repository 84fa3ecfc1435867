"""A floor that used our own code would move with it."""

import ast
from pathlib import Path

BASELINES = Path(__file__).parents[2] / "benchmarks" / "baselines"


def test_floors_import_nothing_of_heedful():
    files = sorted(BASELINES.glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.split(".")[0] in ("heedful", "tests")], file.name
            assert not [n for n in names if n.startswith("benchmarks.") and "baselines" not in n]


def test_floors_read_what_the_gate_reads(sqlite_url, tmp_path):
    """The look-up that stands for the floor finds the two cells that the check decides on."""
    from benchmarks import bed
    from benchmarks.baselines import lookup
    from heedful.core.address import Address
    from heedful.gate import Gate

    made, _ = bed.made(sqlite_url, tmp_path, 50)
    ledger = made.open()
    texts = [bed.text_of(n) for n in range(50)]
    keys = [ledger.key_of(Address.parse(text)) for text in texts]
    gate = Gate(ledger)
    assert {gate.check(text, "sms", "weekly_deals").outcome for text in texts} == {"allow", "deny"}
    with lookup.opened(sqlite_url) as read, lookup.opened_many(sqlite_url, 50) as ways:
        for key in keys:
            assert sorted(read(key)) == sorted(ledger.read_one(key)[1:])
        for read_many in ways.values():
            assert len(read_many(keys)) == 100
    ledger.close()
