"""Every command: what it answers to a person and in JSON, and its exit status."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from heedful.cli.main import hoisted, main

ROOT = Path(__file__).parents[2]
BRAND = (ROOT / "examples/northwind/brand.toml").read_text("utf-8")


@dataclass
class Said:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("HEEDFUL_DATABASE_URL", "HEEDFUL_BRAND", "HEEDFUL_KEYS"):
        monkeypatch.delenv(name, raising=False)

    def do(line: str, *more: str) -> Said:
        capfd.readouterr()
        status = main([*shlex.split(line), *more])
        said = capfd.readouterr()
        return Said(status, said.out, said.err)

    return do


@pytest.fixture
def northwind(run: Run, tmp_path: Path) -> Run:
    """The same with a ledger of the sample brand."""
    (tmp_path / "brand.toml").write_text(BRAND, "utf-8")
    assert run("init").status == 0
    return run


CONSENT = 'opt-in +14155550123 --scope sms/marketing --evidence "ticked the box"'


def test_init_makes_keys_ledger_and_brand_once(run: Run, tmp_path: Path) -> None:
    made = run("init --json")
    assert made.status == 0
    assert made.json == {
        "database": "sqlite:///heedful.db",
        "keys": "heedful.keys",
        "brand": "brand.toml",
        "catalogue": 1,
    }
    keys = tmp_path / "heedful.keys"
    assert keys.stat().st_mode & 0o777 == 0o600
    before = keys.read_bytes()
    again = run("init")
    assert (again.status, again.out) == (1, "")
    assert "Nothing was changed." in again.err
    assert keys.read_bytes() == before
    for secret in json.loads(before)["purposes"]["address_hash"]:
        assert secret["secret"] not in made.out + made.err


def test_a_brand_that_is_there_is_kept(northwind: Run, tmp_path: Path) -> None:
    assert (tmp_path / "brand.toml").read_text("utf-8") == BRAND
    assert northwind("brand show --json").json == {"number": 1, "text": BRAND}


def test_without_a_ledger_it_says_what_to_do(run: Run, tmp_path: Path) -> None:
    said = run("history +14155550123")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("heedful: ")
    assert said.err.count("\n") == 1
    assert "heedful init" in said.err
    assert list(tmp_path.iterdir()) == []


def test_another_ledgers_keys_stop_everything(northwind: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert northwind(f"init --db {other}/heedful.db --brand {tmp_path}/brand.toml").status == 0
    said = northwind("show +14155550123", "--keys", str(other / "heedful.keys"), "--json")
    assert said.status == 1
    assert json.loads(said.err)["code"] == "wrong_keys"


def test_a_keys_file_that_others_can_read_is_refused(northwind: Run, tmp_path: Path) -> None:
    (tmp_path / "heedful.keys").chmod(0o640)
    said = northwind("show +14155550123")
    assert said.status == 1
    assert "chmod 600" in said.err


def test_check_says_it_by_its_status(northwind: Run) -> None:
    ask = "check +14155550123 --channel sms --topic weekly_deals"
    assert northwind(ask).status == 3
    assert northwind(CONSENT).status == 0
    allowed = northwind(ask)
    assert (allowed.status, allowed.out) == (0, "allow\n")
    said = northwind("opt-out +14155550123 --json")
    assert said.json["results"][0]["seq"] == 2
    denied = northwind(f"{ask} --json")
    assert denied.status == 3
    assert denied.json["outcome"] == "deny"
    assert denied.json["reasons"][0]["because"] == [2]
    assert {"outcome", "reasons", "alternatives", "token", "seq"} == set(denied.json)
    explained = northwind(f"{ask} --explain --json").json["explanation"]
    assert set(explained) == {"sentences", "events", "consulted", "rule", "catalogue"}
    assert "It may not be sent." in northwind(f"{ask} --explain").out
    before = denied.json["seq"]
    as_of = northwind("history +14155550123 --json").json[0]["recorded_at"]
    assert northwind(f"{ask} --as-of {as_of}").status == 0
    assert before == 2


def test_defer_is_4(northwind: Run) -> None:
    from heedful.config import Settings
    from heedful.wire import House

    northwind(CONSENT)
    with House.open(Settings.of({})) as house:
        item = {"subject": "+14155550123", "action": "limit", "scope": "sms/marketing",
                "until": "2099-01-01"}  # fmt: skip
        house.door.say(house.door.from_cli(item))
    said = northwind("check +14155550123 --channel sms --topic weekly_deals")
    assert said.status == 4
    assert said.out.startswith("defer, not before 2099-01-01T23:59:59.999999Z")


def test_several_scopes_are_recorded_together_or_not_at_all(northwind: Run) -> None:
    good = northwind("opt-out ann@example.com --scope email/topic:weekly_deals "
                     "--scope email/topic:weekly_tips --request-id r1 --json")  # fmt: skip
    assert [r["seq"] for r in good.json["results"]] == [1, 2]
    again = northwind("opt-out ann@example.com --scope email/topic:weekly_deals "
                      "--scope email/topic:weekly_tips --request-id r1 --json")  # fmt: skip
    assert [r["repeat"] for r in again.json["results"]] == [True, True]
    bad = northwind("opt-out ben@example.com --scope email/marketing --scope email/topic:nope")
    assert bad.status == 2
    assert "Nothing was recorded" in bad.err
    assert northwind("history ben@example.com --json").json == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("opt-in +14155550123 --scope sms/marketing", "--evidence"),
        ("opt-in +14155550123 --evidence x", "--scope"),
        ("opt-out", "Missing argument"),
        ("opt-out nobody", "is not a phone number"),
        ("opt-out +14155550123 --scope sms", "is not a scope"),
        ("opt-out +14155550123 --at yesterday", "is not a time"),
        ("check +14155550123 --channel sms --topic weekly_deal", "Did you mean 'weekly_deals'?"),
        ("check +14155550123 --channel smss --topic weekly_deals", "Did you mean 'sms'?"),
        ("check +14155550123 --topic weekly_deals", "--channel"),
        ("nonsense", "No such command"),
        ("suppress ann@example.com --kind undeliverbale", "undeliverable"),
        ("key create x --permissions chekc", "Did you mean 'check'?"),
        ("key create x --permissions check --vendor nobody", "No vendor is called 'nobody'"),
        ("vendors retry nobody", "No vendor is called 'nobody'"),
        ("events --limit 0", "--limit"),
    ],
)
def test_wrong_usage_is_2_and_one_line(northwind: Run, line: str, words: str) -> None:
    said = northwind(line)
    assert (said.status, said.out) == (2, "")
    assert words in said.err
    assert said.err.count("\n") == 1, said.err
    problem = json.loads(northwind(f"{line} --json").err)
    assert set(problem) == {"type", "title", "code", "detail"}
    assert words in problem["detail"]


def test_suppress_and_release(northwind: Run) -> None:
    northwind("suppress ann@example.com --kind undeliverable --scope email")
    ask = "check ann@example.com --channel email --topic order_updates --json"
    assert northwind(ask).json["reasons"][0]["code"] == "undeliverable"
    northwind("release ann@example.com --kind undeliverable --scope email")
    assert northwind(ask).status == 0


def test_retract_takes_an_event_back_and_keeps_it(
    northwind: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "joan")
    northwind(CONSENT)
    northwind("opt-out +14155550123")
    ask = "check +14155550123 --channel sms --topic weekly_deals"
    assert northwind(ask).status == 3
    said = northwind("retract 2 --reason 'typed the wrong number'")
    assert (said.status, said.out) == (
        0, "event 2 (opt_out sms/marketing for +1…23) counts no more: recorded as event 3\n",
    )  # fmt: skip
    assert northwind(ask).status == 0
    last = northwind("history +14155550123 --json").json[-1]
    assert [last[name] for name in ("action", "retracts", "reason", "source")] == [
        "retract", 2, "typed the wrong number", "joan",
    ]  # fmt: skip
    again = northwind("retract 2 --reason again")
    assert again.status == 2
    assert "was retracted already, by event 3" in again.err
    assert northwind("retract 9 --reason x").status == 1
    third = northwind("retract 1 --reason 'a machine ticked it' --by ann --json").json
    assert third["results"][0]["seq"] == 4
    assert northwind(f"{ask} --json").json["reasons"][0]["code"] == "no_consent"


def test_an_event_of_an_erased_person_is_not_retracted_by_its_number(northwind: Run) -> None:
    northwind("vendors disable mailer --reason x")
    northwind("opt-out ann@example.com")
    northwind("erase ann@example.com --within 0")
    said = northwind("retract 1 --reason x")
    assert said.status == 2
    assert "erased" in said.err


def test_as_of_this_second_is_now(northwind: Run) -> None:
    from datetime import UTC, datetime, timedelta

    northwind(CONSENT)
    ask = "check +14155550123 --channel sms --topic weekly_deals --as-of"
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"):
        said = northwind(f"{ask} {datetime.now(UTC).strftime(form)}")
        assert (said.status, said.err) in ((0, ""), (3, "")), said.err
    tomorrow = northwind(f"{ask} {(datetime.now(UTC) + timedelta(days=1)):%Y-%m-%d}")
    assert tomorrow.status == 2
    assert "lies in the future" in tomorrow.err


def test_a_contact_and_its_addresses(northwind: Run) -> None:
    assert northwind("link crm-42 ann@example.com --json").json["results"][0]["seq"] == 1
    northwind("opt-out contact:crm-42 --scope */marketing")
    ask = "check ann@example.com --channel email --topic weekly_deals"
    assert northwind(ask).status == 3
    assert northwind("unlink contact:crm-42 ann@example.com").status == 0
    assert northwind(ask).status == 3
    shown = northwind("show contact:crm-42 --json").json
    assert shown["links"][0]["now"] is False
    assert "was once linked to" in northwind("show contact:crm-42").out


def test_show_says_nothing_stands_only_where_nothing_does(northwind: Run) -> None:
    nothing = "Nothing stands for this subject."
    northwind("link crm-42 ann@example.com")
    shown = northwind("show contact:crm-42").out
    assert "linked to a…@e….com" in shown
    assert "Nothing" not in shown
    assert nothing in northwind("show contact:crm-43").out
    assert nothing in northwind("show ben@example.com").out
    northwind("suppress ben@example.com --kind undeliverable")
    assert nothing not in northwind("show ben@example.com").out


def test_history_and_show(northwind: Run) -> None:
    northwind("opt-out ann@example.com --reason too_many --source 'call centre'")
    events = northwind("history ann@example.com --json").json
    assert [(e["action"], e["reason"], e["source"]) for e in events] == [
        ("opt_out", "too_many", "call centre")
    ]
    assert (
        "opt_out email/marketing by call centre, too_many"
        in northwind("history ann@example.com").out
    )
    shown = northwind("show ann@example.com")
    assert "email/marketing" in shown.out
    assert "ann@example.com" not in shown.out
    assert northwind("show ann@example.com --json").json["scopes"][0]["out"]["seq"] == 1


def test_erase_keeps_the_opt_out(northwind: Run) -> None:
    northwind("opt-out ann@example.com")
    erased = northwind("erase ann@example.com --within 0 --json").json
    assert erased["opt_out_kept"] is True
    assert northwind("check ann@example.com --channel email --topic weekly_deals").status == 3
    assert all("evidence" not in e for e in northwind("history ann@example.com --json").json)


def test_brand_check_finds_every_fault(northwind: Run, tmp_path: Path) -> None:
    assert northwind("brand check --json").json["ok"] is True
    bad = tmp_path / "bad.toml"
    bad.write_text(BRAND.replace('kind = "webhook"', 'kind = "webhok"'), "utf-8")
    said = northwind("brand check bad.toml")
    assert said.status == 1
    assert said.err.count("Did you mean 'webhook'?") == 2
    assert json.loads(northwind("brand check bad.toml --json").err)["code"] == "invalid_brand"
    assert northwind("brand check missing.toml").status == 1


def test_brand_apply_refuses_what_loosens_unless_told_why(northwind: Run, tmp_path: Path) -> None:
    northwind("opt-out ann@example.com --scope email/topic:weekly_tips")
    unchanged = northwind("brand apply --json").json
    assert unchanged == {"number": 1, "applied": False}
    looser = BRAND.replace('sms = "4 per 7 days"', 'sms = "9 per 7 days"')
    (tmp_path / "brand.toml").write_text(looser, "utf-8")
    refused = northwind("brand apply")
    assert refused.status == 1
    assert "cap" in refused.err
    assert northwind("brand apply --yes").status == 2
    assert northwind("brand apply --yes --reason 'asked by the board' --json").json == {
        "number": 2, "applied": True,
    }  # fmt: skip
    other = looser.replace('category = "informational"', 'category = "transactional"')
    (tmp_path / "brand.toml").write_text(other, "utf-8")
    assert northwind("brand apply --yes --reason x --json").status == 1
    assert northwind("brand show --number 1 --json").json["text"] == BRAND


def test_keys_are_printed_once(northwind: Run) -> None:
    made = northwind("key create checkout --permissions check,record --vendor texter --json").json
    assert made["key"].startswith("hk_")
    assert made["vendor"] == "texter"
    listed = northwind("key list --json")
    assert [(k["name"], k["permissions"]) for k in listed.json] == [
        ("checkout", ["check", "record"])
    ]
    assert made["key"] not in listed.out + northwind("key list").out
    assert northwind("key create checkout --permissions check").status == 1
    assert northwind("key revoke checkout --json").json == {"name": "checkout", "revoked": True}
    twice = northwind("key revoke checkout")
    assert (twice.status, twice.out) == (1, "")
    assert "was revoked already" in twice.err
    northwind("key create campaign_tool --permissions check")
    nobody = northwind("key revoke campain_tool")
    assert (nobody.status, nobody.out) == (1, "")
    assert "Did you mean 'campaign_tool'?" in nobody.err
    assert "Nothing was revoked" in nobody.err
    assert northwind("key list --json").json[1]["revoked"] is None
    assert northwind("key list --json").json[0]["revoked"]


def test_keys_rotate_and_old_links_work(northwind: Run, tmp_path: Path) -> None:
    from heedful.config import Settings
    from heedful.wire import House

    before = northwind("stamp ann@example.com --topic weekly_deals --json").json
    assert northwind("key rotate links --json").json["keys"] == 2
    assert (tmp_path / "heedful.keys").stat().st_mode & 0o777 == 0o600
    after = northwind("stamp ann@example.com --topic weekly_deals --json").json
    assert before["link"] != after["link"]
    with House.open(Settings.of({})) as house:
        for one in (before, after):
            assert house.oneclick.look(one["link"].rpartition("/")[2]).topic == "Weekly deals"
    refused = northwind("key rotate address_hash")
    assert refused.status == 1
    assert "erased" in refused.err
    assert (
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
        in northwind("stamp ann@example.com --topic weekly_deals").out
    )


def test_the_feed_goes_on_from_its_cursor(northwind: Run) -> None:
    for n in range(3):
        northwind(f"opt-out +1415555010{n}")
    first = northwind("events --limit 2 --json").json
    assert [e["seq"] for e in first["events"]] == [1, 2]
    rest = northwind(f"events --after {first['next']} --json").json
    assert [e["seq"] for e in rest["events"]] == [3]
    assert northwind("events --after 9.0123456789abcdef").status == 1


def test_vendors(northwind: Run) -> None:
    rows = northwind("vendors --json").json
    assert [row["vendor"] for row in rows] == ["mailer", "texter"]
    assert rows == northwind("vendors status --json").json
    assert "mailer" in northwind("vendors").out
    assert northwind("vendors disable mailer --reason 'contract ended' --json").json == {
        "vendor": "mailer", "disabled": True,
    }  # fmt: skip
    assert northwind("vendors retry mailer --json").json == {"vendor": "mailer", "retried": 0}


def test_verify_backup_and_restore(northwind: Run, tmp_path: Path) -> None:
    northwind("opt-out ann@example.com")
    assert northwind("verify --json").json == {"ok": True, "events": 1, "differences": []}
    saved = northwind("backup all.backup --json")
    assert saved.json["events"] == 1
    assert "keys" in saved.err
    back = northwind("restore all.backup --db other.db --keys heedful.keys --json")
    assert back.json["events"] == 1, back.err
    ask = "check ann@example.com --channel email --topic weekly_deals"
    assert northwind(f"{ask} --db other.db --keys heedful.keys").status == 3
    assert northwind("restore all.backup --db other.db").status == 1
    damaged = tmp_path / "heedful.db"
    import sqlite3

    with sqlite3.connect(damaged) as raw:
        raw.execute("update cell set at = at + 1")
    raw.close()
    found = northwind("verify --json")
    assert found.status == 1
    assert found.json["ok"] is False
    assert found.json["differences"]


def test_a_backup_says_what_to_do_with_the_keys_and_never_overwrites(
    northwind: Run, tmp_path: Path
) -> None:
    from heedful.ledger.backup import ADVICE

    northwind("opt-out ann@example.com")
    for words in ("", "--json"):
        saved = northwind(f"backup all{words}.backup {words}")
        assert saved.status == 0
        assert ADVICE in saved.err
    assert set(northwind("backup third.backup --json").json) == {
        "file", "events", "bytes", "made_at",
    }  # fmt: skip
    before = (tmp_path / "all.backup").read_bytes()
    again = northwind("backup all.backup")
    assert (again.status, again.out) == (1, "")
    assert "There is a file" in again.err
    assert json.loads(northwind("backup all.backup --json").err)["code"] == "forbidden"
    assert (tmp_path / "all.backup").read_bytes() == before


def test_what_cannot_be_restored_is_one_sentence(northwind: Run, tmp_path: Path) -> None:
    northwind("opt-out ann@example.com")
    northwind("backup all.backup")
    other = tmp_path / "other"
    other.mkdir()
    northwind(f"init --db {other}/heedful.db --brand {tmp_path}/brand.toml")
    (tmp_path / "half.backup").write_bytes((tmp_path / "all.backup").read_bytes()[:-40])
    for line, code, words in (
        ("restore all.backup", "ledger_not_empty", "with a history already"),
        (f"restore all.backup --db new.db --keys {other}/heedful.keys", "wrong_keys",
         "needs the keys of its ledger"),
        ("restore half.backup --db new.db", "invalid_backup", "Nothing was restored"),
        ("restore none.backup --db new.db", "invalid_backup", "Nothing was restored"),
    ):  # fmt: skip
        said = northwind(line)
        assert said.status == (2 if code == "invalid_backup" else 1), line
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert words in said.err
        assert json.loads(northwind(f"{line} --json").err)["code"] == code
    assert not (tmp_path / "new.db").exists()


def test_a_blemished_backup_is_restored_only_when_told_to(northwind: Run, tmp_path: Path) -> None:
    import sqlite3

    northwind("opt-out ann@example.com")
    with sqlite3.connect(tmp_path / "heedful.db") as raw:
        raw.execute("update cell set at = at + 1")
    raw.close()
    assert northwind("backup all.backup").status == 0
    refused = northwind("restore all.backup --db new.db")
    assert refused.status == 1
    assert "--despite-differences" in refused.err
    said = northwind("restore all.backup --db new.db --despite-differences --json")
    assert (said.status, said.json["events"]) == (0, 1)
    assert said.json["differences"]
    told = northwind("restore all.backup --db newer.db --despite-differences")
    assert said.json["differences"][0] in told.out


def test_a_port_that_is_named_and_taken_is_an_error(
    northwind: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from heedful.cli import start

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        for command in ("up", "serve"):
            said = northwind(f"{command} --port {taken}")
            assert (said.status, said.out) == (1, "")
            assert f"port {taken} of 127.0.0.1 is taken" in said.err
            assert said.err.count("\n") == 1
            assert json.loads(northwind(f"{command} --port {taken} --json").err)["detail"]
        monkeypatch.setattr(start, "DEFAULT_PORT", taken)
        with start.listening("127.0.0.1", None) as sock:
            assert taken < sock.getsockname()[1] <= taken + 20
    assert "cannot be had" in northwind("serve --host 192.0.2.1").err


# --- the command line itself -----------------------------------------------------------------


def test_options_of_all_commands_stand_anywhere() -> None:
    assert hoisted(["show", "a", "--json", "--db", "x", "--brand=y"]) == [
        "--json", "--db", "x", "--brand=y", "show", "a",
    ]  # fmt: skip
    assert hoisted(["opt-out", "--", "--json"]) == ["opt-out", "--", "--json"]
    assert hoisted(["show", "--db"]) == ["--db", "show"]


def test_what_is_not_there_is_not_in_the_help(run: Run) -> None:
    said = run("--help")
    assert said.status == 0
    for absent in ("import", "scrub", "report", "console", "understand", "user"):
        assert f"  {absent} " not in said.out
    assert run("--version").status == 0
    assert run("key").status == 2


def test_every_command_has_a_help_that_says_what_it_does(run: Run) -> None:
    for command in commands():
        said = run(f"{command} --help")
        assert said.status == 0
        assert len(said.out.splitlines()) > 3, command


def test_help_is_whole_and_speaks_of_values_by_name(run: Run) -> None:
    for line in ("", "key", "brand", "vendors", *commands()):
        said = run(f"{line} --help").out
        assert "..." not in said.replace("[ARGS]...", ""), f"{line}: a sentence is cut off"
        assert not re.search(r"--[\w-]+ <", said), line
    assert "--port PORT" in run("up --help").out


def test_ctrl_c_is_130_and_a_line(northwind: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("heedful.ledger.verify.verify", interrupted)
    monkeypatch.setattr("heedful.ledger.backup.backup", interrupted)
    for line in ("verify", "backup all.backup"):
        said = northwind(line)
        assert (said.status, said.out) == (130, "")
        assert said.err.count("\n") == 1
        assert json.loads(northwind(f"{line} --json").err)["code"] == "aborted"


def commands() -> list[str]:
    from heedful.cli.main import listed

    return [name for name, _ in listed()]


def test_a_database_by_its_plain_name_and_by_the_environment(
    northwind: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert northwind("verify --db heedful.db").status == 0
    monkeypatch.setenv("HEEDFUL_DATABASE_URL", f"sqlite:///{tmp_path}/heedful.db")
    os.chdir("/")
    assert northwind("verify --json").json["events"] == 0
    assert northwind("--json verify").json["events"] == 0
