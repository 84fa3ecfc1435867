"""Texts that people send: what is recorded, and the one answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from heedful.core import brand
from heedful.core.address import Address
from heedful.core.errors import Forged, NotConfigured, UnknownVendor
from heedful.core.keywords import Said
from heedful.core.scope import Channel, Scope
from heedful.intake import replies
from heedful.intake.sms import Texts
from heedful.vendors.contract import Heard
from tests.intake.conftest import ANN, BRAND, CARTS, ORDERS, SHOP, Shop

STOPPED = (
    "You will not get more marketing texts from Northwind Outfitters. Reply START to come back."
)
ALL_STOPPED = "You will not get any more texts from Northwind Outfitters. Reply START to come back."


def test_stop_from_somebody_never_seen_is_recorded_and_confirmed_once(shop: Shop) -> None:
    assert shop.text("Stop!", sid="SM1") == STOPPED
    (event,) = shop.history()
    assert (event.action, str(event.scope)) == ("opt_out", "sms/marketing")
    assert (event.source, event.request_id) == ("hook:texter", "SM1")
    assert event.evidence is not None
    assert dict(event.evidence) | {"word_list": "?"} == {
        "text": "Stop!",
        "matched": "stop",
        "word_list": "?",
        "to": SHOP,
        "message_id": "SM1",
        "provider": "texter",
        "reply": STOPPED,
    }
    assert shop.ledger.confirmation(event.seq) == "inline"
    assert shop.text("STOP") is None, "never in answer to a repeat"
    assert shop.told() == ["opt_out sms/marketing"] * 2
    assert shop.text("START") is not None
    assert shop.text("quit") == STOPPED, "she came back, so it is news again"


def test_the_same_message_again_changes_nothing_and_gets_the_same_answer(shop: Shop) -> None:
    for body in ("STOP", "START", "STOP"):
        first = shop.text(body, sid=f"SM{len(shop.history())}")
        seen = shop.history()
        again = shop.text(body, sid=seen[-1].request_id.partition("/")[0])  # type: ignore[union-attr]
        assert again == first
        assert shop.history() == seen


def test_the_same_message_again_after_the_brand_changed_its_mind(shop: Shop) -> None:
    assert shop.text("STOP", sid="SM1") == STOPPED
    shop.apply('sms_stop = "sms/marketing"', 'sms_stop = "sms/everything"')
    assert shop.text("STOP", sid="SM1") == STOPPED
    assert shop.told() == ["opt_out sms/marketing"]


def test_the_same_id_with_other_words_is_recorded_as_well(shop: Shop) -> None:
    shop.text("STOP", sid="SM1")
    shop.text("QUIT", sid="SM1")
    assert shop.told() == ["opt_out sms/marketing"] * 2
    shop.text("QUIT", sid="SM1")
    assert len(shop.history()) == 2
    shop.text("START", sid="SM1")
    assert len(shop.history()) == 2, "what loosens is kept for a person to look at, not recorded"
    assert [kept.why for kept in shop.ledger.kept(10)] == ["request_id_conflict"]


def test_a_confirmation_is_remembered_when_the_words_are_erased(shop: Shop) -> None:
    shop.text("STOP")
    address = Address.parse(ANN)
    shop.ledger.erase(address, keep_opt_out=True, by="test", purge_by=0)
    shop.ledger.purge(shop.clock())
    assert shop.history()[0].evidence is None
    assert shop.text("STOP") is None


@pytest.mark.parametrize("word", ["STOP", "opt out", "ＳＴＯＰ", "Arrêt", " «end» "])
def test_the_vendor_has_answered(shop: Shop, word: str) -> None:
    assert shop.text(word, OptOutType="STOP") is None
    (event,) = shop.history()
    assert shop.ledger.confirmation(event.seq) == "vendor"
    assert shop.text("STOP") is None, "the vendor's confirmation counts"


def test_the_vendors_reading_counts_before_ours(shop: Shop) -> None:
    assert shop.text("NO MORE DEALS", OptOutType="STOP") is None
    assert shop.check("weekly_deals") == "deny opted_out no_consent"
    assert shop.text("DEALS", OptOutType="START") is None
    assert shop.check("weekly_deals") == "allow"
    assert shop.text("ayuda", OptOutType="HELP") is None
    assert len(shop.history()) == 4


def test_an_opt_out_that_either_of_us_reads_is_one(shop: Shop) -> None:
    shop.text("CANCEL", OptOutType="HELP")
    assert shop.told() == ["opt_out sms/marketing"]


def test_yes_alone_brings_nobody_back(shop: Shop) -> None:
    shop.text("STOP")
    assert shop.text("Yes!", OptOutType="START") is None
    assert shop.told() == ["opt_out sms/marketing"]


def test_help_and_other_texts_record_nothing(shop: Shop) -> None:
    answer = shop.text("HELP")
    assert answer is not None
    for part in ("Northwind Outfitters", "help@northwind.example", "STOP"):
        assert part in answer
    assert shop.text("thanks, see you tomorrow") is None
    assert shop.text("") is None
    assert shop.history() == []


@pytest.mark.parametrize(
    ("sms_stop", "sent", "to", "scopes", "reply"),
    [
        ("sms/marketing", None, SHOP, ["sms/marketing"], STOPPED),
        ("sms/marketing", "weekly_deals", SHOP, ["sms/marketing"], STOPPED),
        ("sms/marketing", "order_updates", SHOP, ["sms/everything"], ALL_STOPPED),
        ("sms/marketing", None, ORDERS, ["sms/everything"], ALL_STOPPED),
        ("sms/marketing", "weekly_deals", ORDERS, ["sms/marketing"], STOPPED),
        ("sms/marketing", None, "+18335550199", ["sms/marketing"], STOPPED),
        ("sms/everything", "weekly_deals", SHOP, ["sms/everything"], ALL_STOPPED),
        ("*/marketing", None, SHOP, ["*/marketing"], STOPPED.replace("texts", "messages")),
        ("*/marketing", None, ORDERS, ["sms/everything", "*/marketing"], ALL_STOPPED.replace("texts", "texts, or other marketing,")),
        ("*/everything", None, ORDERS, ["*/everything"], ALL_STOPPED.replace("texts", "messages")),
    ],
)  # fmt: skip
def test_how_far_stop_reaches(
    shop: Shop, sms_stop: str, sent: str | None, to: str, scopes: list[str], reply: str
) -> None:
    if sms_stop != "sms/marketing":
        shop.apply('sms_stop = "sms/marketing"', f'sms_stop = "{sms_stop}"')
    if sent:
        shop.sent(sent, sender=to)
    assert shop.text("STOP", to=to) == reply
    assert shop.told() == [f"opt_out {scope}" for scope in scopes]


def test_only_the_latest_message_of_that_sender_was_answered(shop: Shop) -> None:
    shop.sent("order_updates", sender=SHOP)
    shop.sent("weekly_deals", sender=SHOP)
    shop.sent("order_updates", sender=ORDERS)
    shop.text("STOP", to=SHOP)
    assert shop.told() == ["opt_out sms/marketing"]


def test_a_wider_stop_is_confirmed_anew(shop: Shop) -> None:
    assert shop.text("STOP", to=SHOP) == STOPPED
    assert shop.text("STOP", to=ORDERS) == ALL_STOPPED
    assert shop.text("STOP", to=SHOP) is None
    assert shop.text("STOP", to=ORDERS) is None


def test_stop_on_whatsapp_is_for_whatsapp(shop: Shop) -> None:
    answer = shop.twilio(
        {"From": f"whatsapp:{ANN}", "To": f"whatsapp:{SHOP}", "Body": "STOP", "MessageSid": "SM1"}
    )
    assert answer == STOPPED.replace("texts", "WhatsApp messages")
    assert shop.told() == ["opt_out whatsapp/marketing"]


def test_start_grants_what_this_sender_sends_and_no_more(shop: Shop) -> None:
    answer = shop.text("UNSTOP", to=SHOP)
    assert answer is not None
    assert "STOP" in answer
    assert shop.told() == [
        "opt_in sms/marketing",
        "opt_in sms/everything",
        "opt_in sms/topic:weekly_deals",
    ]
    assert [e.lifts for e in shop.history()] == [True, True, False]
    assert shop.check("weekly_deals") == "allow"
    assert shop.check("cart_reminders") == "deny no_consent"


def test_start_grants_nothing_where_something_had_been_agreed(shop: Shop) -> None:
    shop.agreed("sms/topic:cart_reminders")
    shop.text("START", to=SHOP)
    assert shop.check("weekly_deals") == "deny no_consent"


def test_start_does_not_take_back_a_topic_refused_by_name(shop: Shop) -> None:
    shop.said({"action": "opt_out", "scope": "sms/topic:weekly_deals"})
    shop.text("STOP")
    shop.text("START")
    assert shop.check("weekly_deals") == "deny opted_out"


def test_what_was_agreed_before_the_number_changed_hands_is_gone(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.said({"action": "suppress", "kind": "reassigned"})
    shop.said({"action": "release", "kind": "reassigned"})
    shop.text("START", to=CARTS)
    assert shop.check("weekly_deals") == "deny no_consent"
    assert shop.check("cart_reminders") == "allow"


def test_a_segment_agreed_to_is_no_agreement(shop: Shop) -> None:
    shop.agreed("sms/segment:lapsed")
    shop.text("START")
    assert shop.check("weekly_deals") == "allow"


def test_every_word_of_the_fcc_and_of_ctia(shop: Shop) -> None:
    words = ["stop", "quit", "end", "revoke", "cancel", "unsubscribe"]
    words += ["opt out", "please opt me out", "opt-out", "OPTOUT"]
    for number, word in enumerate(words):
        person = f"+141555501{number:02}"
        assert shop.text(word, From=person) == STOPPED, word
        assert shop.told(person) == ["opt_out sms/marketing"]


def test_at_once_is_like_one_after_the_other(shop: Shop) -> None:
    with ThreadPoolExecutor(8) as crowd:
        same = list(crowd.map(lambda _: shop.text("STOP", sid="SM1"), range(8)))
    assert same == [STOPPED] * 8
    assert len(shop.history()) == 1
    shop.text("START", sid="SM2")
    with ThreadPoolExecutor(8) as crowd:
        others = list(crowd.map(lambda n: shop.text("STOP", sid=f"SM1{n}"), range(8)))
    assert sorted(others, key=str) == [None] * 7 + [STOPPED]


# --- what the vendor refuses ---------------------------------------------------------------------


def test_a_block_that_nothing_explains_is_an_opt_out_too(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.refused(SHOP, sid="SM1")
    _, block, out = shop.history()
    assert (block.action, str(block.scope), block.sender) == ("suppress", "sms/everything", SHOP)
    assert (block.request_id, out.request_id) == ("SM1:21610", "SM1:21610/2")
    assert (out.action, str(out.scope), out.reason) == ("opt_out", "sms/marketing", "carrier_block")
    assert shop.check("weekly_deals") == "deny carrier_block opted_out"
    shop.refused(SHOP, sid="SM1")
    assert len(shop.history()) == 3
    assert shop.text("STOP") is None, "Twilio confirmed that STOP"


def test_a_block_that_an_opt_out_of_ours_explains_is_none(shop: Shop) -> None:
    shop.text("STOP")
    shop.refused(SHOP)
    assert [e.action for e in shop.history()] == ["opt_out", "suppress"]


def test_a_block_without_a_sender(shop: Shop) -> None:
    shop.refused(None)
    assert shop.told() == ["opt_out sms/marketing"]
    shop.refused(None)
    assert len(shop.history()) == 1
    assert [kept.why for kept in shop.ledger.kept(10)] == ["nothing to record"]


def test_a_block_of_a_pool(shop: Shop) -> None:
    shop.apply(f'sender = "{SHOP}"', 'sender = "MG1"')
    shop.refused(SHOP, MessagingServiceSid="MG1")
    shop.refused(CARTS, MessagingServiceSid="MG1")
    assert [e.sender for e in shop.history() if e.sender] == ["MG1", CARTS]
    shop.text("START", to=SHOP, MessagingServiceSid="MG1")
    assert [e.sender for e in shop.history() if e.action == "release"] == ["MG1"]


# --- what cannot be understood -------------------------------------------------------------------


def test_odd_requests_are_kept_and_answered(shop: Shop) -> None:
    assert shop.twilio({"From": ANN, "Body": "STOP"}) is None
    assert shop.twilio({"From": "12345", "To": SHOP, "Body": "STOP", "MessageSid": "SM1"}) is None
    kept = shop.ledger.kept(10)
    assert {k.why for k in kept} == {"no MessageSid", "an address that is no phone number"}
    assert {k.source for k in kept} == {"hook:texter"}


def test_nul_and_endless_texts_are_heard(shop: Shop) -> None:
    assert shop.text("STOP\0") == STOPPED
    shop.text("QUIT" + " " * 9000)
    assert shop.told() == ["opt_out sms/marketing"] * 2


def test_who_is_not_heard(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Forged):
        shop.hooks.receive("texter", "", {}, b"Body=STOP")
    with pytest.raises(UnknownVendor, match="Did you mean 'texter'"):
        shop.hooks.receive("texte", "", {}, b"")
    with pytest.raises(UnknownVendor, match="sends no webhooks"):
        shop.hooks.receive("shipper", "", {}, b"")
    monkeypatch.delenv("TEST_TWILIO_TOKEN")
    with pytest.raises(NotConfigured):
        shop.hooks.receive("texter", "", {}, b"")
    assert shop.history() == []


def test_a_reply_that_cannot_be_sent_is_not_written_down(shop: Shop) -> None:
    heard = Heard(Address.parse(ANN), Channel.SMS, SHOP, "STOP", "SM1")
    reply = Texts(shop.door).hear("texter", heard, can_reply=False)
    assert (reply.said, reply.text) == (Said.OPT_OUT, None)
    assert shop.ledger.confirmation(shop.history()[0].seq) is None


# --- the texts themselves ------------------------------------------------------------------------

GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.WHATSAPP, Channel.RCS])
def test_every_reply_fits_one_sms_for_an_everyday_name(channel: Channel) -> None:
    catalogue = brand.parse(BRAND)
    scopes = ["sms/marketing", "sms/everything", "*/marketing", "*/everything"]
    texts = [
        replies.helped(catalogue, channel),
        replies.started(catalogue, channel),
        replies.stopped(catalogue, channel, (Scope.parse("sms/everything"), Scope.parse("*/marketing"))),
        *(replies.stopped(catalogue, channel, (Scope.parse(scope),)) for scope in scopes),
    ]  # fmt: skip
    for text in texts:
        assert len(text) <= 160, text
        assert set(text) <= GSM_7
        assert catalogue.name in text


def test_a_brand_without_english_has_replies_all_the_same() -> None:
    spanish = brand.parse(BRAND.replace('languages = ["en", "es"]', 'languages = ["es"]').replace("{ en = ", "{ es = ").replace(', es = "Ofertas de la semana"', ""))  # fmt: skip
    assert "Northwind" in replies.helped(spanish, Channel.SMS)
