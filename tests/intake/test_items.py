"""Items of the API, the command and Python: what is taken, what is refused, in which words."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import brand
from heedful.core.address import Address
from heedful.core.errors import Forbidden, HeedfulError, InvalidInput
from heedful.core.event import Action, Statement
from heedful.core.instant import text_of
from heedful.intake.fields import FIELDS
from heedful.intake.item import CLI, PYTHON, Caller, read
from heedful.ledger import ApiKey, Permission, Receipt
from tests.intake.conftest import ANN, BRAND, Shop

CATALOGUE = brand.parse(BRAND)


def key(vendor: str | None = None, *more: Permission) -> Caller:
    return Caller.api(ApiKey("shop", frozenset({Permission.RECORD, *more}), vendor, 0))


API, SHIPPER = key(), key("shipper")
DATED = {"occurred_at": "2026-03-05T09:00:00Z", "request_id": "k1"}


def said(caller: Caller = API, **item: object) -> Statement:
    return read({"subject": ANN, "action": "opt_out", **item}, CATALOGUE, caller)


@pytest.mark.parametrize(
    ("item", "scope"),
    [
        ({}, "sms/marketing"),
        ({"subject": "Ann@Example.com"}, "email/marketing"),
        ({"subject": "push:AbC"}, "push/marketing"),
        ({"subject": "contact:crm-42"}, "*/marketing"),
        ({"subject": "md5:" + "0" * 32}, "*/marketing"),
        ({"subject": "(415) 555-0100"}, "sms/marketing"),
        ({"scope": "voice/everything"}, "voice/everything"),
        ({"scope": "*/segment:lapsed"}, "*/segment:lapsed"),
        ({"subject": "contact:crm-42", "scope": "postal/marketing"}, "postal/marketing"),
        ({"action": "suppress", "kind": "undeliverable"}, "sms/everything"),
        ({"action": "suppress", "kind": "undeliverable", "scope": "voice"}, "voice/everything"),
        ({"action": "suppress", "kind": "legal", "scope": "*/everything"}, "*/everything"),
        ({"action": "suppress", "kind": "legal", "subject": "contact:a"}, "*/everything"),
        ({"action": "limit", "until": "2026-06-01"}, "sms/marketing"),
    ],
)
def test_the_scope_that_is_meant(item: dict[str, object], scope: str) -> None:
    assert str(said(**item).scope) == scope


@pytest.mark.parametrize(
    ("item", "code", "sentence"),
    [
        ({"subjct": "x"}, "invalid_event", "An event has no field 'subjct'. Did you mean 'subject'?"),
        ({"subject": None}, "invalid_event", "`subject` is missing."),
        ({"subject": "nobody"}, "invalid_address", ""),
        ({"subject": 4155550100}, "invalid_event", "`subject` is a text."),
        ({"action": "optout"}, "invalid_event", "`action` is one of opt_out, opt_in, opt_in_requested, suppress, release, limit, prefer, link, unlink, retract, erase, not 'optout'. Did you mean 'opt_out'?"),
        ({"action": "erase"}, "forbidden", "`heedful erase`"),
        ({"scope": "sms/topic:weekly_deal"}, "unknown_topic", "Did you mean 'weekly_deals'?"),
        ({"scope": "sms/segment:lapse"}, "unknown_segment", "Did you mean 'lapsed'?"),
        ({"scope": "email/marketing"}, "invalid_scope", "A phone number is reached by rcs, sms, voice, whatsapp, not by email: 'email/marketing' does not fit it."),
        ({"subject": "ann@example.com", "scope": "sms/marketing"}, "invalid_scope", "A mailbox is reached by email, not by sms"),
        ({"scope": "sms"}, "invalid_scope", "CHANNEL/TARGET"),
        ({"action": "suppress", "kind": "undeliverable", "scope": "sms/marketing"}, "invalid_event", "A suppression has a channel and no target."),
        ({"action": "suppress"}, "invalid_event", "name a kind"),
        ({"action": "suppress", "kind": "bounced"}, "invalid_event", "`kind` is one of undeliverable, reassigned"),
        ({"action": "suppress", "kind": "carrier_block"}, "invalid_event", "names the sender"),
        ({"action": "prefer", "prefer": {"language": "es"}, "scope": "sms/marketing"}, "invalid_event", "`prefer` has no scope."),
        ({"action": "prefer", "prefer": {"colour": "red"}}, "invalid_event", "`prefer` is"),
        ({"action": "prefer", "prefer": {"time_zone": "Europe/Madrit"}}, "invalid_event", "`prefer` is"),
        ({"action": "prefer", "prefer": {"time_zone": "Europe"}}, "invalid_event", "`prefer` is"),
        ({"action": "prefer", "prefer": {"time_zone": "../../etc/passwd"}}, "invalid_event", "`prefer` is"),
        ({"action": "prefer", "prefer": {}}, "invalid_event", "with one of"),
        ({"action": "limit"}, "invalid_event", "A `limit` says `until`"),
        ({"action": "limit", "at_most": 2, "per": "week"}, "invalid_event", "`per`: 'week' is not a span of time"),
        ({"action": "limit", "at_most": True, "per": "7 days"}, "invalid_event", "`at_most` is a whole number"),
        ({"action": "limit", "at_most": 2}, "invalid_event", "`at_most` and `per`"),
        ({"occurred_at": "yesterday"}, "invalid_time", "'yesterday' is not a time"),
        ({"occurred_at": "2026-03-05T09:00:00"}, "invalid_time", "is not a time"),
        ({"evidence": ["a"]}, "invalid_event", "`evidence` is a text"),
        ({"evidence": {"a": 1}}, "invalid_event", "`evidence` is a text"),
        ({"evidence": "x" * 9000}, "invalid_event", "8,000 characters"),
        ({"request_id": " "}, "invalid_event", "The request id is empty"),
        ({"consent": "express"}, "invalid_event", "nothing else does"),
        ({"action": "opt_in", **DATED, "consent": "restored"}, "invalid_event", "`consent` is one of express_written, express, confirmed, soft, implied, not 'restored'."),
        ({"action": "opt_in", "request_id": "k"}, "invalid_event", "`opt_in` needs `request_id` and `occurred_at`"),
        ({"action": "release", "kind": "complaint", "occurred_at": "2026-03-05"}, "invalid_event", "`release` needs"),
        ({"action": "retract", "retracts": 7, "reason": "typing error"}, "forbidden", "`admin`"),
        ({"action": "link", "subject": "contact:a", "address": "contact:b"}, "invalid_address", ""),
        ({"action": "link", "address": "ann@example.com"}, "invalid_event", "about a contact"),
    ],
)  # fmt: skip
def test_what_is_refused_and_in_which_words(
    item: dict[str, object], code: str, sentence: str
) -> None:
    with pytest.raises((InvalidInput, Forbidden)) as refused:
        said(**item)
    assert refused.value.code == code
    assert sentence in str(refused.value)
    assert "4155550100" not in str(refused.value)


def test_an_item_that_is_none() -> None:
    for item in (None, "STOP", 7, ["a"]):
        with pytest.raises(InvalidInput, match="object with fields"):
            read(item, CATALOGUE, API)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["opt_in", "limit", "sms/marketing", "7 days", "2026-03-05", "legal", ANN]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8),
    st.sampled_from(list(Action)),
    st.sampled_from([API, SHIPPER, CLI]),
)
def test_no_item_raises_anything_else(item: dict[str, object], action: str, caller: Caller) -> None:
    for given_item in (item, {"subject": ANN, **item, "action": str(action)}):
        with contextlib.suppress(HeedfulError):
            read(given_item, CATALOGUE, caller)


def test_a_coarse_time_keeps_messages_stopped() -> None:
    day = {"occurred_at": "2025-03-05", "request_id": "k"}
    out, back = said(**day), said(action="opt_in", **day)
    assert out.occurred_at is not None
    assert back.occurred_at is not None
    assert text_of(out.occurred_at) == "2025-03-05T23:59:59.999999Z"
    assert text_of(back.occurred_at) == "2025-03-05T00:00:00Z"


@pytest.mark.parametrize(
    ("caller", "item", "lifts"),
    [
        (API, {"evidence": "form 7"}, True),
        (API, {"evidence": {"form": "7"}, "consent": "express_written"}, True),
        (API, {}, False),
        (API, {"evidence": "", "consent": "express"}, False),
        (API, {"evidence": "form 7", "consent": "soft"}, False),
        (API, {"evidence": "a purchase", "consent": "implied", "basis": "purchase"}, False),
        (SHIPPER, {"evidence": "form 7", "scope": "sms/topic:order_updates"}, False),
        (CLI, {"evidence": "form 7"}, True),
        (PYTHON, {"evidence": "form 7"}, True),
    ],
)
def test_what_ends_an_opt_out(caller: Caller, item: dict[str, object], lifts: bool) -> None:
    assert (
        said(caller, **{"action": "opt_in", "scope": "sms/marketing", **DATED, **item}).lifts
        is lifts
    )


@pytest.mark.parametrize(
    ("item", "allowed"),
    [
        (
            {"scope": "sms/everything"},
            True,
        ),  # a wish to stop reaches further than what this vendor sends
        ({"scope": "sms/topic:order_updates"}, True),
        ({"scope": "sms/topic:weekly_deals"}, False),
        ({"scope": "*/everything"}, True),
        ({"scope": "voice/marketing"}, False),
        ({"subject": "ann@example.com"}, False),
        ({}, False),  # it sends no marketing
        ({"action": "suppress", "kind": "undeliverable"}, True),
        ({"action": "release", "kind": "undeliverable", **DATED}, False),
        ({"action": "opt_in", "scope": "sms/topic:order_updates", **DATED}, True),
        ({"action": "opt_in", "scope": "sms/everything", **DATED}, False),
        ({"action": "opt_in", "scope": "sms/segment:lapsed", **DATED}, False),
        (  # it would take the place of the person's own, which may be the stricter one
            {
                "action": "limit",
                "scope": "sms/topic:order_updates",
                "until": "2020-01-01T00:00:00Z",
            },
            False,
        ),
        ({"action": "prefer", "prefer": {"language": "es"}}, False),
        ({"action": "link", "subject": "contact:a", "address": ANN}, False),
    ],
)
def test_a_vendors_key_speaks_of_what_the_vendor_sends(
    item: dict[str, object], allowed: bool
) -> None:
    if allowed:
        said(SHIPPER, **item)
    else:
        with pytest.raises(Forbidden, match="vendor 'shipper'"):
            said(SHIPPER, **item)


def test_a_key_of_a_vendor_that_is_gone_records_nothing() -> None:
    with pytest.raises(Forbidden, match=r"not in brand\.toml"):
        said(key("postbox"))


def test_an_operator_retracts() -> None:
    item = {"action": "retract", "retracts": 7, "reason": "typing error"}
    assert said(key(None, Permission.ADMIN), **item).retracts == 7
    assert said(CLI, **item).retracts == 7


def test_sources_are_each_callers_own() -> None:
    assert said(API).source == "api:shop"
    assert said(API, source="till 4").source == "api:shop/till 4"
    assert said(API, source="hook:texter").source == "api:shop/hook:texter"
    assert (said(CLI).source, said(PYTHON).source) == ("cli", "python")
    assert said(PYTHON, source="call centre").source == "call centre"
    for ours in ("hook:texter", "Api:shop", "one-click"):
        with pytest.raises(InvalidInput, match="Heedful writes itself"):
            said(PYTHON, source=ours)


def test_an_opt_out_without_an_id_is_a_repeat_while_it_stands(shop: Shop) -> None:
    def out() -> Receipt:
        (receipt,) = shop.door.say(shop.door.from_python({"subject": ANN, "action": "opt_out"}))
        return receipt

    first = out()
    assert (out().seq, out().repeat) == (first.seq, True)
    shop.agreed("sms/marketing")
    assert out().seq > first.seq


def test_one_bad_item_never_fails_the_others(shop: Shop) -> None:
    good: dict[str, object] = {"subject": ANN, "action": "opt_out", "request_id": "a"}
    conflict = {**good, "scope": "sms/everything"}
    answers = shop.door.say_many([good, {"subject": "x"}, conflict, 7, good], API)
    assert [a.code if isinstance(a, HeedfulError) else a.repeat for a in answers] == [
        False, "invalid_event", "request_id_conflict", "invalid_event", True,
    ]  # fmt: skip
    assert shop.told() == ["opt_out sms/marketing"]
    assert shop.door.say_many([], API) == []


def test_a_confirmed_opt_in_counts_from_its_request(shop: Shop) -> None:
    def confirm() -> None:
        item = {"subject": ANN, "action": "opt_in", "scope": "sms/marketing"}
        shop.door.say(shop.door.from_python({**item, "consent": "confirmed", "evidence": "link"}))

    ask = {"action": "opt_in_requested", "scope": "sms/marketing"}
    shop.said(ask)
    asked = shop.history()[0]
    shop.text("STOP")
    confirm()
    assert shop.history()[-1].occurred_at == asked.occurred_at
    assert shop.check("weekly_deals") == "deny opted_out"
    shop.said(ask)
    confirm()
    assert shop.check("weekly_deals") == "allow"


def test_a_confirmation_of_a_request_never_seen_counts_from_its_own_time(shop: Shop) -> None:
    shop.agreed("sms/marketing", "confirmed", occurred_at="2026-03-01T00:00:00Z")
    (event,) = shop.history()
    assert text_of(event.occurred_at) == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    "item", [{"reason": "\ud800"}, {"evidence": {"\ud800": "a"}}, {"source": "a\udfff"}]
)
def test_half_characters_are_refused(shop: Shop, item: dict[str, object]) -> None:
    (answer,) = shop.door.say_many([{"subject": ANN, "action": "opt_out", **item}], API)
    assert isinstance(answer, InvalidInput)


def test_links_limits_and_preferences(shop: Shop) -> None:
    for item in (
        {"action": "link", "subject": "contact:crm-42", "address": ANN},
        {"action": "limit", "at_most": 2, "per": "7 days"},
        {"action": "prefer", "prefer": {"language": "pt-BR"}},
        {"action": "prefer", "prefer": {"time_zone": "Europe/Madrid"}},
        {"action": "prefer", "prefer": {"channel": "email"}},
        {"action": "unlink", "subject": "contact:crm-42", "address": ANN},
    ):
        shop.said(item)
    state = shop.ledger.state(shop.ledger.key_of(Address.parse(ANN)))
    assert {cell.slot for cell in state} >= {
        "link", "unlink", "limit", "prefer:language", "prefer:time_zone", "prefer:channel",
    }  # fmt: skip
