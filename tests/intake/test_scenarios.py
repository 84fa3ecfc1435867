"""The rows of the one rule that begin at this door, said through the real doors, on both engines.

Numbers are those of the scenario table. What is decided is decided by core alone.
"""

from heedful.core.address import Address
from heedful.core.scope import Channel
from heedful.intake import Caller, Link, Purpose
from heedful.intake.sms import Texts
from heedful.ledger import ApiKey, Permission
from heedful.vendors.contract import Heard
from tests.intake.conftest import ANN, CARTS, ORDERS, SHOP, Shop

KEY = Caller.api(ApiKey("job", frozenset({Permission.RECORD}), None, 0))


def test_3_start_takes_back_stop(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.text("STOP")
    assert shop.check("weekly_deals") == "deny opted_out"
    shop.text("START")
    assert shop.check("weekly_deals") == "allow"


def test_4_start_where_nothing_was_agreed(shop: Shop) -> None:
    shop.text("STOP")
    shop.text("START", to=SHOP)
    assert shop.check("weekly_deals") == "allow"
    assert shop.check("cart_reminders") == "deny no_consent"


def test_5_start_grants_nothing_new(shop: Shop) -> None:
    shop.agreed("sms/topic:weekly_deals")
    shop.text("STOP", to=CARTS)
    shop.text("START", to=CARTS)
    assert shop.check("weekly_deals") == "allow"
    assert shop.check("cart_reminders") == "deny no_consent"


def test_6_start_leaves_the_topic_refused_before(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.said({"action": "opt_out", "scope": "sms/topic:weekly_deals"})
    shop.text("STOP")
    shop.text("START")
    assert shop.check("weekly_deals") == "deny opted_out"
    assert shop.check("cart_reminders") == "allow"


def test_18_19_stop_in_answer_to_a_transactional_message(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.sent("order_updates", sender=ORDERS)
    shop.text("STOP", to=ORDERS)
    assert shop.check("order_updates") == "deny opted_out"
    shop.text("START", to=ORDERS)
    assert shop.check("order_updates") == "allow"
    assert shop.check("weekly_deals") == "allow"


def test_20_stop_in_answer_to_marketing(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.sent("weekly_deals")
    shop.text("STOP")
    assert shop.check("order_updates") == "allow"
    assert shop.check("weekly_deals") == "deny opted_out"


def test_21_start_after_the_brand_changed_how_far_stop_reaches(shop: Shop) -> None:
    shop.apply('sms_stop = "sms/marketing"', 'sms_stop = "sms/everything"')
    shop.text("STOP")
    assert shop.check("order_updates") == "deny opted_out"
    shop.apply('sms_stop = "sms/everything"', 'sms_stop = "sms/marketing"')
    shop.text("START")
    assert shop.check("order_updates") == "allow"


def test_34_35_a_block_holds_for_its_sender_until_start_there(shop: Shop) -> None:
    shop.agreed("sms/marketing")
    shop.text("STOP")
    shop.agreed("sms/marketing")
    shop.refused(SHOP)
    assert shop.check("weekly_deals", sender=SHOP) == "deny carrier_block"
    assert shop.check("weekly_deals", sender=CARTS) == "allow"
    shop.text("START", to=CARTS)
    assert shop.check("weekly_deals", sender=SHOP) == "deny carrier_block"
    shop.text("START", to=SHOP)
    assert shop.check("weekly_deals", sender=SHOP) == "allow"


def test_44_one_click_with_the_same_mail_after_coming_back(shop: Shop) -> None:
    link = Link(Address.parse("ann@example.com"), topic="weekly_deals", message="M")
    token = shop.links.token(Purpose.UNSUBSCRIBE, link)
    first = shop.oneclick.leave(token).receipt
    again = shop.oneclick.leave(token).receipt
    assert (again.seq, again.repeat) == (first.seq, True)
    shop.agreed("email/topic:weekly_deals", subject="ann@example.com")
    assert shop.check("weekly_deals", "email", "ann@example.com") == "allow"
    third = shop.oneclick.leave(token).receipt
    assert not third.repeat
    assert shop.check("weekly_deals", "email", "ann@example.com") == "deny opted_out"


def test_45_a_retried_opt_in_does_not_undo_a_later_stop(shop: Shop) -> None:
    item = {
        "subject": ANN, "action": "opt_in", "scope": "sms/marketing", "evidence": "form 7",
        "occurred_at": "2026-03-05T09:00:00Z", "request_id": "k",
    }  # fmt: skip
    (first,) = shop.door.say_many([item], KEY)
    shop.text("STOP")
    (again,) = shop.door.say_many([item], KEY)
    assert (again.seq, again.repeat) == (first.seq, True)  # type: ignore[union-attr]
    assert shop.check("weekly_deals") == "deny opted_out"


def timed(shop: Shop, body: str, sid: str, at: str) -> None:
    """A text that the vendor stamped with its own time."""
    heard = Heard(Address.parse(ANN), Channel.SMS, SHOP, body, sid, said_at=at)
    Texts(shop.door).hear("texter", heard)


def test_46_start_arrives_before_the_stop_that_it_takes_back(shop: Shop) -> None:
    shop.agreed("sms/marketing", occurred_at="2026-03-01T00:00:00Z")
    timed(shop, "START", "SM2", "2026-03-05T09:05:00Z")
    timed(shop, "STOP", "SM1", "2026-03-05T09:00:00Z")
    assert shop.check("weekly_deals") == "allow"


def test_47_start_arrives_after_the_stop_that_came_after_it(shop: Shop) -> None:
    shop.agreed("sms/marketing", occurred_at="2026-03-01T00:00:00Z")
    timed(shop, "STOP", "SM2", "2026-03-05T09:05:00Z")
    timed(shop, "START", "SM1", "2026-03-05T09:00:00Z")
    assert shop.check("weekly_deals") == "deny opted_out"


def test_48_a_stop_stamped_to_the_second_means_its_last_instant(shop: Shop) -> None:
    shop.agreed("sms/marketing", occurred_at="2026-03-05T09:00:00.500000Z")
    timed(shop, "STOP", "SM1", "2026-03-05T09:00:00Z")
    assert shop.check("weekly_deals") == "deny opted_out"
