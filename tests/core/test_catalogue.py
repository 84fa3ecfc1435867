"""The catalogue: lineage, senders, vendors, and questions about what it does not have."""

from __future__ import annotations

import pytest

from heedful.core import brand
from heedful.core.errors import InvalidQuestion, UnknownSegment, UnknownTopic, UnknownVendor
from heedful.core.scope import Category, Channel, Scope
from tests.core.test_brand import SAMPLE

SMS, EMAIL, VOICE = Channel.SMS, Channel.EMAIL, Channel.VOICE
P, INFO = Category.PROMOTIONAL, Category.INFORMATIONAL


def made(*topics: tuple[str, str, tuple[str, ...]], more: str = ""):
    head = SAMPLE[: SAMPLE.index("[topics.")]
    text = "\n".join(
        f'[topics.{name}]\ncategory = "{category}"\nchannels = ["sms", "email"]\n'
        f'title = {{ en = "{name}" }}\nreplaces = {list(replaces)}'
        for name, category, replaces in topics
    )
    return brand.parse(f"{head}\n{text}\n{more}")


def test_a_topic_without_a_past_is_its_own_lineage():
    assert made(("a", "promotional", ())).lineage("a") == (("a", P),)


def test_a_chain_near_generations_first():
    found = made(
        ("a", "promotional", ("b",)), ("b", "informational", ("c",)), ("c", "promotional", ())
    )
    assert found.lineage("a") == (("a", P), ("b", INFO), ("c", P))
    message = found.message(SMS, "a")
    assert [message.heirs_of(n) for n in range(3)] == [(), ("a",), ("a", "b")]


def test_each_way_of_a_diamond_is_a_way_of_its_own():
    found = made(
        ("a", "promotional", ("b", "c")), ("b", "promotional", ("d",)),
        ("c", "promotional", ("d",)), ("d", "promotional", ()),
    )  # fmt: skip
    assert found.ways("a") == (("a",), ("a", "b"), ("a", "c"), ("a", "b", "d"), ("a", "c", "d"))


def test_a_topic_that_the_file_no_longer_has_still_passes_its_opt_outs_on():
    found = made(("a", "promotional", ("gone",)))
    assert found.lineage("a") == (("a", P), ("gone", P))
    known = found.numbered(3, {"a": 7}, {"gone": INFO})
    assert known.lineage("a") == (("a", P), ("gone", INFO))
    assert (known.number, known.topic_since["a"]) == (3, 7)


TOUCH = """
[vendors.one]
kind = "webhook"
channels = ["sms"]
[vendors.two]
kind = "webhook"
channels = ["sms", "email"]
[vendors.three]
kind = "webhook"
channels = ["email"]
"""


def touched(*points: tuple[str, str, str, str]):
    rows = "".join(
        f'[[touchpoints]]\nvendor = "{v}"\nchannel = "{c}"\ntopic = "{t}"\n'
        + (f'sender = "{s}"\n' if s else "")
        for v, c, t, s in points
    )
    return made(("a", "promotional", ()), ("b", "transactional", ()), more=TOUCH + rows)


def test_a_vendor_with_touchpoints_sends_those_and_one_without_its_channels():
    found = touched(("one", "sms", "a", "+1"))
    assert found.touches("one") == ((SMS, "a"),)
    assert found.touches("two") == ((SMS, "a"), (EMAIL, "a"), (SMS, "b"), (EMAIL, "b"))
    assert found.touches("three") == ((EMAIL, "a"), (EMAIL, "b"))
    assert not found.allows_vendor(found.message(SMS, "b", vendor="one"))
    assert found.allows_vendor(found.message(SMS, "b", vendor="two"))
    assert found.allows_vendor(found.message(SMS, "b"))


@pytest.mark.parametrize(("points", "vendor", "senders"), [
    ((), None, ()),
    ((("one", "sms", "a", "+1"),), None, ("+1",)),
    ((("one", "sms", "a", "+1"), ("two", "sms", "a", "+2")), None, ("+1", "+2")),
    ((("one", "sms", "a", "+1"), ("two", "sms", "a", "+2")), "two", ("+2",)),
    ((("one", "sms", "a", "+1"), ("two", "sms", "a", "")), None, ()),   # it may come from anywhere
    ((("one", "sms", "a", "+1"),), "three", ()),
])  # fmt: skip
def test_the_senders_of_a_message(points, vendor, senders):
    assert touched(*points).senders(SMS, "a", vendor) == senders


def test_a_message_with_a_named_sender():
    assert touched(("one", "sms", "a", "+1")).message(SMS, "a", sender="+9").senders == ("+9",)


def test_unknown_names_are_errors_never_a_guess():
    found = brand.parse(SAMPLE)
    with pytest.raises(UnknownTopic, match="Did you mean 'weekly_deals'"):
        found.message(SMS, "weekly_deal")
    with pytest.raises(UnknownSegment, match="Did you mean 'lapsed_shoppers'"):
        found.message(SMS, "weekly_deals", ["lapsed_shopper"])
    with pytest.raises(UnknownVendor, match="Did you mean 'texter'"):
        found.message(SMS, "weekly_deals", vendor="textr")
    with pytest.raises(InvalidQuestion, match="not sent by voice"):
        found.message(VOICE, "weekly_deals")
    with pytest.raises(UnknownTopic):
        found.known(Scope.parse("sms/topic:nothing"))
    assert found.known(Scope.parse("sms/marketing")) == Scope.parse("sms/marketing")


def test_a_segment_is_aimed_at_once():
    message = brand.parse(SAMPLE).message(SMS, "weekly_deals", ["lapsed_shoppers"] * 2)
    assert message.segments == ("lapsed_shoppers",)


def test_a_sender_is_one_however_it_is_written():
    found = made(
        ("a", "promotional", ()),
        more=TOUCH
        + """
[[touchpoints]]
vendor = "one"
channel = "sms"
topic = "a"
sender = "(833) 555-0100"
""",
    )
    assert found.touchpoints[-1].sender == "+18335550100"
    for spelled in ("+1 833 555 0100", "18335550100", "tel:+1-833-555-0100"):
        assert found.message(SMS, "a", sender=spelled).senders == ("+18335550100",)
