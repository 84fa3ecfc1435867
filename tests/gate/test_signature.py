"""The short way and the long way give one answer, reasons and events included."""

from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import brand
from heedful.core.address import Address
from heedful.core.decision import Facts, decide
from heedful.core.event import Basis, Consent
from heedful.core.state import Cell, State
from heedful.gate.question import SERVES
from heedful.gate.signature import Rulebook, ranked
from tests.gate.brands import BRAND, CAPPED, NARROW, STRICT

BOOKS = [Rulebook(brand.parse(text)) for text in (BRAND, CAPPED, STRICT, NARROW)]
ADDRESSES = {
    kind: Address.parse(text)
    for text in ("tel:+14155550100", "mailto:ann@example.com", "push:abcdefghijklmnopqrst")
    for kind in [Address.parse(text).kind]
}
NOW = 1_700_000_000_000_000


def at_once(address, plan, rows, catalogue, seq):
    ruling = plan.ruling(rows)
    return ruling and ruling[0].answer(ruling[1], address.text, catalogue, seq)


scopes = st.sampled_from(
    [
        f"{channel}/{target}"
        for channel in ("sms", "email", "*")
        for target in (
            "everything",
            "marketing",
            "category:promotional",
            "category:transactional",
            "topic:weekly_deals",
            "topic:weekly_tips",
            "segment:lapsed",
            "use:profiling",
        )
    ]
)
plain = st.sampled_from(
    ["out", "out", "lift", *(f"in:{kind}:{Basis.NONE}" for kind in Consent), "in:implied:purchase"]
)
others = st.sampled_from(
    ["pending", "limit", "suppress:complaint", "suppress:carrier_block:+18335550100", "erase"]
)


@st.composite
def rows(draw, slots):
    keys = draw(st.lists(st.tuples(slots, scopes), max_size=6, unique=True))
    ats = st.integers(-2, 3).map(lambda n: n if n < 0 else NOW - 1000 + n)
    return [
        (
            slot,
            scope,
            draw(ats),
            draw(st.integers(1, 5)),
            f"{NOW + 5} - -" if slot == "limit" else None,
        )
        for slot, scope in keys
    ]


@st.composite
def messages(draw):
    book = draw(st.sampled_from(BOOKS))
    topic = draw(st.sampled_from(sorted(book.catalogue.topics.values(), key=lambda t: t.name)))
    channel = draw(st.sampled_from(topic.channels))
    segments = draw(st.sampled_from([(), ("lapsed",)]))
    vendor = draw(st.sampled_from([None, "texter"]))
    sender = draw(st.sampled_from([None, "+18335550100", "+15005550006"]))
    return book, (channel, topic.name, segments, vendor, sender)


@settings(max_examples=1500, deadline=None)
@given(messages(), st.one_of(rows(plain), rows(st.one_of(plain, others))))
def test_short_way_is_the_long_way(message, rows):
    book, words = message
    plan = book.plan(*words)
    address = ADDRESSES[SERVES[plan.message.channel]]
    found = at_once(address, plan, rows, 1, 9)
    if found is None:
        return

    def long_way(plan):
        state = State(Cell(*row) for row in sorted(rows))
        facts = Facts(state, vendor_allowed=plan.vendor_allowed)
        return decide(plan.message, facts, plan.rules, NOW)

    assert found.decision == long_way(plan)
    expected = []
    if not found.allowed:
        _, topic, segments, vendor, _ = words
        for channel in book.catalogue.topic(topic).channels:
            if channel is not plan.message.channel and SERVES[channel] is address.kind:
                other = book.plan(channel, topic, segments, vendor, None)
                expected.append((channel, address, long_way(other).outcome))
    assert [(a.channel, a.to, a.outcome) for a in found.alternatives] == expected


@given(rows(plain))
def test_order_of_rows_does_not_matter(rows):
    assert ranked(rows) == ranked(rows[::-1])


def test_short_way_is_taken_for_what_is_frequent():
    plan = BOOKS[0].plan("sms", "weekly_deals")
    consent = ("in:express:none", "sms/marketing", NOW, 7, None)
    lift = ("lift", "sms/marketing", NOW, 7, None)
    out = ("out", "sms/marketing", NOW + 1, 8, None)
    phone = Address.parse("+14155550100")
    for held, outcome in (([], "deny"), ([consent, lift], "allow"), ([consent, out], "deny")):
        answer = at_once(phone, plan, held, 1, 9)
        assert answer is not None
        assert answer.outcome == outcome
    assert BOOKS[1].plan("sms", "weekly_deals").timeless is False
    assert BOOKS[3].plan("sms", "weekly_deals").timeless is False


def test_times_before_1970_are_left_to_the_long_way():
    old = [
        ("in:express:none", "sms/marketing", -5, 1, None),
        ("lift", "sms/marketing", -5, 1, None),
    ]
    assert ranked(old[:1]) is None
    assert ranked(old) is None
    assert ranked([*old, ("out", "sms/marketing", NOW, 2, None)]) is None


def test_what_is_remembered_stays_within_bounds():
    plan = Rulebook(brand.parse(BRAND)).plan("email", "weekly_deals")
    for number in range(3000):
        rows = [("out", f"email/topic:t{number}", NOW, 1, None)]
        assert plan.ruling(rows)
    assert len(plan.verdicts) <= 1024
