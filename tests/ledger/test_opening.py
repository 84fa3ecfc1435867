"""Opening a ledger: what is refused, and with which sentence."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from heedful.config import Keys
from heedful.core.errors import LedgerBroken, LedgerUnavailable, WrongKeys
from heedful.core.event import Action
from heedful.ledger import Ledger
from heedful.ledger.database import migrations, queries
from tests.ledger.conftest import NOON
from tests.ledger.everything import ANN, Behind, said


def test_there_must_be_a_ledger(new_database_url: Callable[[], str], keys: Keys) -> None:
    url = new_database_url()
    with pytest.raises(LedgerUnavailable, match="heedful init"):
        Ledger.open(url, keys)
    with pytest.raises(LedgerUnavailable, match="heedful init"):
        Ledger.open(url, keys)
    Ledger.open(url, keys, create=True).close()
    Ledger.open(url, keys).close()
    Ledger.open(url, keys, create=True).close()


def test_many_may_begin_the_same_ledger_at_once(
    new_database_url: Callable[[], str], keys: Keys
) -> None:
    url = new_database_url()

    def begin(n: int) -> int:
        with Ledger.open(url, keys, create=True) as ledger:
            return ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing", reason=str(n))])[0].seq

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(begin, range(8))) == list(range(1, 9))


def test_other_keys_are_refused(ledger: Ledger, database_url: str, keys: Keys) -> None:
    ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing")])
    with pytest.raises(WrongKeys, match="keys file"):
        Ledger.open(database_url, Keys.make(NOON))


def test_other_keys_may_rotate(ledger: Ledger, database_url: str, keys: Keys) -> None:
    rotated = keys.rotate("receipts", NOON)
    with Ledger.open(database_url, rotated) as again:
        assert again.checkpoint().key == rotated.newest("receipts").id


def test_a_newer_schema_is_refused(ledger: Ledger, database_url: str, keys: Keys) -> None:
    ledger.close()
    with Behind(database_url) as behind:
        behind.do("insert into migration (number, name, applied_at) values (9999, 'later', 1)")
    with pytest.raises(LedgerUnavailable, match="newer Heedful"):
        Ledger.open(database_url, keys)


def test_every_migration_has_its_four_lines() -> None:
    folder = Path(__file__).parents[2] / "src/heedful/ledger/migrations"
    for file in folder.glob("*.sql"):
        words = [line.split(":")[0] for line in file.read_text().splitlines()[:4]]
        assert words == ["-- why", "-- before", "-- cost", "-- after"], file.name
    for engine in ("sqlite", "postgresql"):
        assert [m.number for m in migrations(engine)] == list(range(1, len(migrations(engine)) + 1))


def test_both_engines_have_the_same_queries_with_the_same_parameters() -> None:
    """Or a write would give its columns in another order on one of them."""
    here, there = queries("sqlite"), queries("postgresql")
    own = {"begin", "commit", "rollback_to_savepoint"}
    assert set(here) - own == set(there) - own
    for name in set(here) & set(there):
        many = {"count"}
        assert set(here[name].parameters) - many == set(there[name].parameters), name
        if "unnest" in there[name].text and "insert" in there[name].text:
            assert here[name].parameters == there[name].parameters


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "x"])
def test_what_is_no_database(url: str, keys: Keys) -> None:
    with pytest.raises(LedgerUnavailable):
        Ledger.open(url, keys, create=True)


def test_a_server_that_is_not_there(keys: Keys) -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be reached") as caught:
        Ledger.open("postgresql://somebody:secret@127.0.0.1:1/ledger", keys)
    assert "secret" not in str(caught.value)


def test_a_server_that_would_lose_commits_is_refused(postgres_url: str, keys: Keys) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as server:
        name = server.info.dbname
        server.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
        server.execute(f"alter database {name} set synchronous_commit = off")
    with Ledger.open(postgres_url, keys, create=True) as ledger:
        row = ledger.database._mine().raw.execute(  # type: ignore[attr-defined]
            "select current_setting('synchronous_commit'), current_setting('transaction_isolation')"
        )
        assert row.fetchone() == ("on", "read committed")


def test_a_file_of_something_else(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "x.db"
    path.write_text("not a database, but long enough to be looked at" * 99)
    with pytest.raises(LedgerBroken, match="no ledger"):
        Ledger.open(f"sqlite:///{path}", keys)
    with pytest.raises(LedgerUnavailable, match="cannot be made"):
        Ledger.open(f"sqlite:///{tmp_path}/none/x.db", keys, create=True)


def test_a_new_file_is_the_owner_s_alone(sqlite_url: str, keys: Keys) -> None:
    with Ledger.open(sqlite_url, keys, create=True) as ledger:
        ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing")])
        path = Path(sqlite_url.removeprefix("sqlite:///"))
        for file in (path, path.with_name(path.name + "-wal")):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_names_that_a_uri_would_read_otherwise(tmp_path: Path, keys: Keys) -> None:
    path = tmp_path / "a b?mode=memory#%20é.db"
    with Ledger.open(f"sqlite:///{path}", keys, create=True) as ledger:
        ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing")])
    assert sqlite3.connect(path).execute("select count(*) from event").fetchone() == (1,)


def test_a_lost_connection_is_replaced(postgres_url: str, keys: Keys) -> None:
    with Ledger.open(postgres_url, keys, create=True) as ledger:
        ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing")])
        assert ledger.head().seq == 1
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        assert ledger.head().seq == 1
        assert ledger.record([said(ANN, Action.OPT_OUT, "*/marketing")])[0].seq == 2
