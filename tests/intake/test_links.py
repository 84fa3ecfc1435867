"""The links of messages: made, read, and not to be forged; what the page shows and the button does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.config import Keys
from heedful.core.address import Address
from heedful.core.errors import HeedfulError, InvalidLink
from heedful.intake import Link, Links, Purpose
from heedful.intake.links import headers
from tests.intake.conftest import Shop

ANN = Address.parse("ana.lopez-garcia@example-company.com")
KEYS = Keys.make(0)
LINK = Link(ANN, "weekly_deals", campaign="spring-2026", vendor="mailer", message="01J9ZK3")


def test_everyday_tokens_are_short_safe_and_always_the_same() -> None:
    token = Links(KEYS).token(Purpose.UNSUBSCRIBE, LINK)
    assert len(token) <= 200
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert token == Links(KEYS).token(Purpose.UNSUBSCRIBE, LINK)
    assert "ana" not in token


@pytest.mark.parametrize(
    "text", ["+14155550100", "ann@example.com", "push:AbC:1", "m%x?@example.com"]
)
def test_what_was_said_is_read(text: str) -> None:
    link = Link(Address.parse(text), segment="lapsed")
    links = Links(KEYS)
    assert links.read(Purpose.PREFERENCES, links.token(Purpose.PREFERENCES, link)) == link


def test_a_link_of_one_purpose_is_worth_nothing_for_another() -> None:
    links = Links(KEYS)
    with pytest.raises(InvalidLink, match="Nothing was changed"):
        links.read(Purpose.PREFERENCES, links.token(Purpose.UNSUBSCRIBE, LINK))


def test_links_outlive_their_key() -> None:
    old = Links(KEYS).token(Purpose.UNSUBSCRIBE, LINK)
    rotated = KEYS.rotate("links", 1)
    assert Links(rotated).read(Purpose.UNSUBSCRIBE, old) == LINK
    assert Links(rotated).token(Purpose.UNSUBSCRIBE, LINK) != old
    with pytest.raises(InvalidLink):
        Links(Keys.make(0)).read(Purpose.UNSUBSCRIBE, old)


def test_no_changed_letter_gets_through() -> None:
    links = Links(KEYS)
    token = links.token(Purpose.UNSUBSCRIBE, LINK)
    for place in range(len(token) - 1):  # the last one may hold bits that are not used
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(InvalidLink):
            links.read(Purpose.UNSUBSCRIBE, changed)
        with pytest.raises(InvalidLink):
            links.read(Purpose.UNSUBSCRIBE, token[:place])


@given(st.text(max_size=300))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(InvalidLink):
        Links(KEYS).read(Purpose.UNSUBSCRIBE, text)


def test_a_token_that_is_too_long_is_refused() -> None:
    with pytest.raises(HeedfulError, match="too long"):
        Links(KEYS).token(Purpose.UNSUBSCRIBE, Link(ANN, campaign="x" * 5000))


def test_the_headers_of_one_click() -> None:
    assert headers("https://prefs.example/u/TOKEN") == {
        "List-Unsubscribe": "<https://prefs.example/u/TOKEN>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


# --- the page and its button ---------------------------------------------------------------------


def token(shop: Shop, **more: str) -> str:
    return shop.links.token(Purpose.UNSUBSCRIBE, Link(ANN, **more))


def test_looking_changes_nothing_and_shows_little(shop: Shop) -> None:
    look = shop.oneclick.look(token(shop, topic="weekly_deals"), "es")
    assert (look.brand, look.topic, look.language) == ("Northwind Outfitters", "Ofertas de la semana", "es")  # fmt: skip
    assert look.address == ANN.masked
    assert str(look.stops) == "email/topic:weekly_deals"
    assert shop.oneclick.look(token(shop, topic="cart_reminders"), "es").topic == "Cart reminders"
    assert shop.oneclick.look(token(shop, topic="weekly_deals"), "xx").topic == "Weekly deals"
    assert shop.ledger.head().seq == 0


@pytest.mark.parametrize(
    ("topic", "one_click", "stops"),
    [
        ("weekly_deals", "topic", "email/topic:weekly_deals"),
        ("weekly_deals", "channel", "email/marketing"),
        (None, "topic", "email/marketing"),
        ("a_topic_of_years_ago", "topic", "email/marketing"),
    ],
)
def test_how_far_one_click_reaches(
    shop: Shop, topic: str | None, one_click: str, stops: str
) -> None:
    if one_click != "topic":
        shop.apply("[intake]", f'[intake]\none_click = "{one_click}"')
    left = shop.oneclick.leave(token(shop, **({"topic": topic} if topic else {})))
    assert str(left.look.stops) == stops
    assert left.receipt.seq == 1
    (event,) = shop.history(ANN.text)
    assert (event.action, str(event.scope), event.source) == ("opt_out", stops, "one-click")


def test_the_message_is_kept_as_evidence(shop: Shop) -> None:
    shop.oneclick.leave(token(shop, topic="weekly_deals", campaign="spring", message="M1"))
    evidence = shop.history(ANN.text)[0].evidence
    assert evidence == {"topic": "weekly_deals", "campaign": "spring", "message_id": "M1"}


def test_a_link_in_a_text_stops_texts(shop: Shop) -> None:
    link = Link(Address.parse("+14155550100"))
    shop.oneclick.leave(shop.links.token(Purpose.UNSUBSCRIBE, link))
    assert shop.told() == ["opt_out sms/marketing"]


def test_a_link_of_a_key_made_since_works_at_once() -> None:
    """Another process, which rotated the keys, may have signed it."""
    rotated = KEYS.rotate("links", 1)
    token = Links(rotated).token(Purpose.UNSUBSCRIBE, LINK)
    with pytest.raises(InvalidLink):
        Links(KEYS).read(Purpose.UNSUBSCRIBE, token)
    looked: list[int] = []

    def again() -> Keys:
        looked.append(1)
        return rotated

    running = Links(KEYS, again)
    assert running.read(Purpose.UNSUBSCRIBE, token) == LINK
    strange = Links(Keys.make(0)).token(Purpose.UNSUBSCRIBE, LINK)
    for _ in range(5):  # whoever invents tokens does not make us read the file each time
        with pytest.raises(InvalidLink):
            running.read(Purpose.UNSUBSCRIBE, strange)
    assert len(looked) == 1
