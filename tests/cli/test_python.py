"""`import heedful`: the same gate and door inside a program."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import heedful
from heedful.core.errors import (
    BrandRefused,
    InvalidAddress,
    InvalidEvent,
    InvalidQuestion,
    LedgerUnavailable,
    WrongKeys,
)

ROOT = Path(__file__).parents[2]
BRAND = ROOT / "examples/northwind/brand.toml"


@pytest.fixture
def url(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEEDFUL_KEYS", str(tmp_path / "heedful.keys"))
    return database_url


def test_nothing_is_made_unasked(url: str, tmp_path: Path) -> None:
    with pytest.raises(WrongKeys, match="heedful init"):
        heedful.open(url, brand=BRAND)
    assert list(tmp_path.iterdir()) == []


def test_as_the_reference_says(url: str) -> None:
    with heedful.open(url, brand=BRAND, create=True) as h:
        h.opt_in(
            "+14155550100", "sms/marketing", evidence="ticked the box",
            at=datetime(2026, 1, 1, tzinfo=UTC), request_id="form-1",
        )  # fmt: skip
        assert h.check("+14155550100", channel="sms", topic="weekly_deals").allowed
        receipt = h.opt_out(
            "+14155550100", "sms/marketing", source="call centre", reason="too_many"
        )
        assert repr(receipt).startswith("Receipt(seq=2, ")
        d = h.check("+14155550100", channel="sms", topic="weekly_deals")
        assert not d.allowed
        assert (d.outcome, [r.code for r in d.reasons], d.alternatives) == (
            "deny", ["opted_out"], (),
        )  # fmt: skip
        before = h.check(
            "+14155550100", channel="sms", topic="weekly_deals",
            as_of=datetime(2026, 1, 2, tzinfo=UTC),
        )  # fmt: skip
        assert before.outcome == "deny"
        assert [e.action for e in h.history("+14155550100")] == ["opt_in", "opt_out"]
        with pytest.raises(InvalidAddress):
            h.opt_out("nobody")
    with heedful.open(url) as again:
        assert not again.check("+14155550100", channel="sms", topic="weekly_deals").allowed


def test_whatever_can_be_said_can_be_recorded(url: str) -> None:
    with heedful.open(url, brand=BRAND, create=True) as h:
        h.opt_in("+14155550100", "sms/marketing", evidence="ticked the box")
        receipts = h.record(
            [
                {"subject": "+14155550100", "action": "limit", "scope": "sms/marketing",
                 "until": datetime(2099, 1, 1, tzinfo=UTC)},
                {"subject": "+14155550100", "action": "prefer", "prefer": {"language": "es"}},
            ]
        )  # fmt: skip
        assert [r.seq for r in receipts] == [2, 3]
        assert h.check("+14155550100", channel="sms", topic="weekly_deals").outcome == "defer"
        limit, prefer = h.history("+14155550100")[1:]
        assert (limit.action, limit.source, prefer.prefer) == (
            "limit", "python", ("language", "es"),
        )  # fmt: skip
        with pytest.raises(InvalidEvent, match="Nothing was recorded"):
            h.record([{"subject": "+14155550100", "action": "prefer", "prefer": {"a": "b"}}])


def test_as_of_this_second_is_now(url: str) -> None:
    with heedful.open(url, brand=BRAND, create=True) as h:
        h.opt_out("+14155550100")
        second = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked = h.check("+14155550100", channel="sms", topic="weekly_deals", as_of=second)
        assert [r.code for r in asked.reasons] == ["opted_out", "no_consent"]
        with pytest.raises(InvalidQuestion, match="future"):
            h.check("+14155550100", channel="sms", topic="weekly_deals", as_of="2099-01-01")


def test_a_brand_that_loosens_is_refused(url: str, tmp_path: Path) -> None:
    heedful.open(url, brand=BRAND, create=True).close()
    looser = tmp_path / "looser.toml"
    looser.write_text(BRAND.read_text("utf-8").replace('"4 per 7 days"', '"9 per 7 days"'), "utf-8")
    with pytest.raises(BrandRefused):
        heedful.open(url, brand=looser)


def test_keys_are_not_made_for_a_ledger_that_has_others(url: str, tmp_path: Path) -> None:
    heedful.open(url, brand=BRAND, create=True).close()
    keys = tmp_path / "heedful.keys"
    keys.rename(tmp_path / "safe")
    with pytest.raises(WrongKeys):
        heedful.open(url, brand=BRAND, create=True)
    assert not keys.exists()


def test_what_is_no_database() -> None:
    with pytest.raises((LedgerUnavailable, WrongKeys)):
        heedful.open("mysql://nowhere")


def test_the_public_surface() -> None:
    assert heedful.__all__ == ["Heedful", "open"]
    with pytest.raises(AttributeError):
        heedful.close  # noqa: B018
    public = {name for name in vars(heedful.Heedful) if not name.startswith("_")}
    assert public == {"opt_out", "opt_in", "check", "record", "history", "close"}
