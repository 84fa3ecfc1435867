"""Every applied brand.toml is numbered, dated and kept; sends are counted; shapes are kept."""

from __future__ import annotations

import pytest

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Address
from heedful.core.decision import Send
from heedful.core.errors import InvalidBrand
from heedful.core.event import Action, Consent, Limit, Statement
from heedful.core.instant import DAY, SECOND
from heedful.core.scope import Category, Channel, Scope
from heedful.ledger import Ledger, SendReport
from heedful.ledger.seal import is_genuine, public_key, signed
from tests.ledger.conftest import NOON, HeldClock
from tests.ledger.everything import ANN, BEN, BRAND, LATER_BRAND, said


def test_catalogues_are_numbered_and_dated(
    ledger: Ledger, database_url: str, keys: Keys, clock: HeldClock
) -> None:
    with pytest.raises(InvalidBrand, match="brand apply"):
        ledger.catalogue()
    first = ledger.apply(brand.parse(BRAND), "ann")
    assert (first.number, dict(first.topic_since)) == (1, {"weekly_deals": NOON})
    later = clock.pass_by(DAY)
    second = ledger.apply(brand.parse(LATER_BRAND), "ben", "new programme")
    assert dict(second.topic_since) == {"weekly_deals": NOON, "order_updates": later}
    assert second.number == ledger.head().catalogue == ledger.read([]).catalogue == 2
    assert ledger.read_one(ledger.key_of(ANN))[0][2] == 2
    clock.pass_by(DAY)
    assert ledger.apply(brand.parse(LATER_BRAND), "ben").number == 2, "nothing new"
    third = ledger.apply(brand.parse(BRAND), "ben", "back again")
    assert third.number == 3
    assert third.topic_since["weekly_deals"] == NOON, "since it was known first"
    with Ledger.open(database_url, keys, clock=clock) as other:
        assert other.catalogue() == third
        assert other.catalogue(1) == first
        assert other.catalogue(as_of=NOON - 1) == first, "there was none before"
        assert other.catalogue(as_of=later - 1) == first
        assert other.catalogue(as_of=later) == second


def test_what_is_held_of_a_catalogue_s_names(ledger: Ledger) -> None:
    ledger.apply(brand.parse(LATER_BRAND), "ann")
    ledger.record([
        said(ANN, Action.OPT_OUT, "sms/topic:weekly_deals"),
        said(BEN, Action.OPT_OUT, "sms/topic:weekly_deals"),
        said(ANN, Action.OPT_IN, "email/marketing", consent=Consent.SOFT),
    ])  # fmt: skip
    held = ledger.held()
    assert held.opt_outs == {"sms/topic:weekly_deals"}
    assert held.topics == {
        "weekly_deals": Category.PROMOTIONAL,
        "order_updates": Category.TRANSACTIONAL,
    }


def test_sends_are_counted_once(ledger: Ledger) -> None:
    key = ledger.key_of(ANN)

    def send(at: int, request_id: str | None = None, sender: str = "+18335550100") -> SendReport:
        return SendReport(key, Channel.SMS, "weekly_deals", Category.PROMOTIONAL, at, sender,
                          campaign="c", request_id=request_id)  # fmt: skip

    reports = [send(NOON - DAY, "1"), send(NOON, "2"), send(NOON, "3", "+18335550199")]
    assert ledger.report_sends(reports) == 3
    ledger.report_sends(reports[:2])
    found = Send(Channel.SMS, "weekly_deals", Category.PROMOTIONAL, NOON)
    assert ledger.sends(key, NOON - DAY + 1) == (found, found)
    assert len(ledger.sends(key, 0)) == 3
    assert ledger.sends(ledger.key_of(BEN), 0) == ()
    ledger.report_sends([send(NOON - 1), send(NOON - 1)])
    assert len(ledger.sends(key, 0)) == 5, "without an id, each is one"
    last = ledger.last_send(key, "+18335550100")
    assert last is not None
    assert (last.at, last.topic, last.campaign) == (NOON, "weekly_deals", "c")
    assert ledger.last_send(key, "+18335550111") is None


def test_what_was_not_understood_is_kept(ledger: Ledger) -> None:
    first = ledger.keep("hook:texter", "no such field", b"\x00\xff{")
    second = ledger.keep("hook:texter", "too long", b"x" * 100_000)
    assert second > first
    latest, earliest = ledger.kept(10)
    assert (earliest.body, earliest.why, earliest.at) == (b"\x00\xff{", "no such field", NOON)
    assert len(latest.body) == 65_536
    assert len(ledger.kept(1)) == 1


def test_a_checkpoint_is_signed_and_stored(ledger: Ledger, keys: Keys, clock: HeldClock) -> None:
    ledger.record([said(ANN, Action.OPT_OUT, "sms/marketing")])
    first = ledger.checkpoint()
    head = ledger.head()
    assert (first.seq, first.hash, first.epoch) == (1, head.hash, head.epoch)
    assert is_genuine(first, keys)
    assert not is_genuine(first, Keys.make(NOON))
    clock.pass_by(SECOND)
    ledger.record([said(BEN, Action.OPT_OUT, "email/marketing")])
    second = ledger.checkpoint()
    assert ledger.checkpoints() == [first, second]
    key = keys.newest("receipts")
    assert len(public_key(key)) == 32
    from dataclasses import replace

    assert not is_genuine(replace(second, seq=1), keys)
    assert signed(replace(second, signature=b""), key) == second


def test_keys_are_shown_once_and_kept_as_hashes(
    ledger: Ledger, database_url: str, keys: Keys, clock: HeldClock
) -> None:
    key, secret = ledger.create_key("shop", ["check", "record"], None, NOON)
    bound, other_secret = ledger.create_key("texter's", ["read"], "texter", NOON + 1)
    assert secret.startswith("hk_")
    assert ledger.find_key(secret) == key
    assert ledger.find_key(other_secret) == bound
    for wrong in ("", "hk_", secret[:-1], secret + "x", secret.upper(), "\ud800", "ß" * 99):
        assert ledger.find_key(wrong) is None
    assert ledger.keys_list() == [key, bound]
    assert ledger.revoke_key("shop", NOON + 2)
    assert not ledger.revoke_key("shop", NOON + 3)
    assert not ledger.revoke_key("none", NOON + 3)
    assert ledger.find_key(secret) is None
    assert [k.revoked_at for k in ledger.keys_list()] == [NOON + 2, None]
    with Ledger.open(database_url, keys, clock=clock) as again:
        assert again.find_key(other_secret) == bound


@pytest.mark.parametrize(
    ("name", "permissions", "words"),
    [
        ("shop", ["check"], "already"),
        ("", ["check"], "1 to 100"),
        ("a\nb", ["check"], "can be seen"),
        ("new", ["chek"], "Did you mean 'check'"),
        ("new", [], "at least one"),
    ],
)
def test_keys_that_are_refused(
    ledger: Ledger, name: str, permissions: list[str], words: str
) -> None:
    from heedful.core.errors import HeedfulError

    ledger.create_key("shop", ["admin"], None, NOON)
    with pytest.raises(HeedfulError, match=words):
        ledger.create_key(name, permissions, None, NOON)
    assert len(ledger.keys_list()) == 1


def test_a_limit_holds_a_topic_as_an_opt_out_does(ledger: Ledger) -> None:
    paused = Statement(
        Address.parse("+14155550100"),
        Action.LIMIT,
        "cli",
        Scope.parse("sms/topic:weekly_deals"),
        limit=Limit(until=2_000_000_000_000_000),
    )
    ledger.record([paused])
    assert ledger.held().opt_outs == {"sms/topic:weekly_deals"}
