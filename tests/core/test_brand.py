"""brand.toml: what it says is read; each fault is named with its key, its line and the near miss."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import brand
from heedful.core.errors import InvalidBrand
from heedful.core.event import Consent
from heedful.core.instant import DAY
from heedful.core.policy import BASE_CONSENT, EXPRESS, EXPRESS_WRITTEN, Cap, ConsentReach
from heedful.core.scope import Category, Channel, Scope

SAMPLE = """[brand]
name = "Northwind Outfitters"
url = "https://prefs.northwind.example"     # where customers reach the pages
postal_address = "1 Harbour Street, Portland, OR 97209, USA"
support = "help@northwind.example"
region = "US"                               # for numbers without +, and the fallback rule pack
languages = ["en", "es", "fr"]              # the first is the default

[intake]
sms_stop = "sms/marketing"
one_click = "topic"

[topics.weekly_deals]
category = "promotional"                    # transactional | informational | promotional
channels = ["sms", "email", "push"]
title = { en = "Weekly deals", es = "Ofertas de la semana", fr = "Offres de la semaine" }
# replaces = ["old_deals"]

[topics.cart_reminders]
category = "promotional"
channels = ["sms"]
title = { en = "What you left in your cart" }

[segments.lapsed_shoppers]
title = { en = "Shoppers we have not seen for a while" }
data_used = ["date of your last purchase"]
effect = { en = "You get win-back offers" }
review_every = "90 days"

[caps]                                      # marketing only, per recipient
sms = "4 per 7 days"
"*" = "6 per 7 days"

[vendors.texter]
kind = "twilio"
channels = ["sms", "voice"]
account_sid = "env:TWILIO_ACCOUNT_SID"
auth_token = "env:TWILIO_AUTH_TOKEN"
honour_within = "24 hours"

[vendors.shipper]
kind = "webhook"
url = "https://hooks.shipper.example/consent"
secret = "env:SHIPPER_SECRET"

[network]
allow_private = ["127.0.0.0/8"]
trusted_proxies = []

[[touchpoints]]
stage = "cart abandoned"
vendor = "texter"
channel = "sms"
topic = "cart_reminders"
sender = "+18335550100"
"""


def findings(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidBrand) as refused:
        brand.parse(text)
    return refused.value.findings


def test_the_sample_is_read():
    found = brand.parse(SAMPLE)
    assert (found.name, found.region) == ("Northwind Outfitters", "US")
    assert found.languages == ("en", "es", "fr")
    assert found.sms_stop == Scope.parse("sms/marketing")
    topic = found.topics["weekly_deals"]
    assert topic.category is Category.PROMOTIONAL
    assert topic.channels == (Channel.SMS, Channel.EMAIL, Channel.PUSH)
    assert topic.title["es"] == "Ofertas de la semana"
    assert found.segments["lapsed_shoppers"].review_every == 90 * DAY
    assert found.caps == (Cap(Channel.SMS, 4, 7 * DAY), Cap(Channel.ANY, 6, 7 * DAY))
    assert found.vendors["texter"].honour_within == DAY
    assert found.vendors["texter"].settings["auth_token"] == "env:TWILIO_AUTH_TOKEN"
    assert found.vendors["shipper"].channels == tuple(c for c in Channel if c is not Channel.ANY)
    assert found.touchpoints[0].sender == "+18335550100"
    assert found.consent == BASE_CONSENT
    assert found.consent_reach is ConsentReach.LATER_TOPICS
    assert len(found.digest) == 64


FAULTS = [
    ('region = "US"',            'region = "USA"',             "brand.region (line 6)", "two capitals"),
    ('region = "US"',            "region = 1",                 "brand.region (line 6)", "a text in quotes"),
    ('url = "https://prefs.northwind.example" ', 'url = "prefs.northwind.example" ', "brand.url (line 3)", "web address"),
    ('support = "help@northwind.example"', "",                 "brand (line 1)", "'support' is missing"),
    ('support = ',               'suport = ',                  "brand.suport (line 5)", "Did you mean 'support'?"),
    ('[intake]',                 '[intakes]',                  "intakes (line 9)", "Did you mean 'intake'?"),
    ('sms_stop = "sms/marketing"', 'sms_stop = "sms/marketin"', "intake.sms_stop (line 10)", "Did you mean 'marketing'?"),
    ('sms_stop = "sms/marketing"', 'sms_stop = "sms/topic:weekly_deals"', "intake.sms_stop (line 10)", "at the least"),
    ('sms_stop = "sms/marketing"', 'sms_stop = "email/marketing"', "intake.sms_stop (line 10)", "at the least"),
    ('one_click = "topic"',      'one_click = "topics"',       "intake.one_click (line 11)", "Did you mean 'topic'?"),
    ('category = "promotional"      ', 'category = "promotion"      ', "topics.weekly_deals.category (line 14)", "Did you mean 'promotional'?"),
    ('channels = ["sms", "email", "push"]', 'channels = ["sms", "emial"]', "topics.weekly_deals.channels (line 15)", "Did you mean 'email'?"),
    ('channels = ["sms", "email", "push"]', 'channels = "sms"', "topics.weekly_deals.channels (line 15)", "list of texts"),
    ('channels = ["sms", "email", "push"]', 'channels = ["*"]', "topics.weekly_deals.channels (line 15)", "no channel"),
    ('{ en = "Weekly deals", ',  '{ ',                         "topics.weekly_deals.title (line 16)", "'en', is missing"),
    ('fr = "Offres',             'fi = "Offres',               "topics.weekly_deals.title (line 16)", "not one of brand.languages"),
    ('# replaces = ["old_deals"]', 'replaces = ["weekly_deals"]', "topics.weekly_deals.replaces (line 17)", "cannot replace itself"),
    ('# replaces = ["old_deals"]', 'replace = ["old_deals"]',  "topics.weekly_deals.replace (line 17)", "Did you mean 'replaces'?"),
    ('[topics.cart_reminders]',  '[topics.Cart]',              "topics.Cart (line 19)", "lower-case"),
    ('review_every = "90 days"', 'review_every = "90 dais"',   "segments.lapsed_shoppers.review_every (line 28)", "span of time"),
    ('sms = "4 per 7 days"',     'smss = "4 per 7 days"',      "caps.smss (line 31)", "Did you mean 'sms'?"),
    ('sms = "4 per 7 days"',     'sms = "4 a week"',           "caps.sms (line 31)", "written as '4 per 7 days'"),
    ('sms = "4 per 7 days"',     'sms = "0 per 7 days"',       "caps.sms (line 31)", "written as '4 per 7 days'"),
    ('sms = "4 per 7 days"',     'sms = 4',                    "caps.sms (line 31)", "written as '4 per 7 days'"),
    ('honour_within = "24 hours"', 'honour_within = "soon"',   "vendors.texter.honour_within (line 39)", "span of time"),
    ('kind = "webhook"',         "",                           "vendors.shipper (line 41)", "'kind' is missing"),
    ('secret = "env:SHIPPER_SECRET"', "secret = 7",            "vendors.shipper.secret (line 44)", "text in quotes"),
    ('allow_private = ["127.0.0.0/8"]', 'allow_private = ["home"]', "network.allow_private (line 47)", "not a network"),
    ('vendor = "texter"',        'vendor = "textr"',           "touchpoints.0.vendor (line 52)", "Did you mean 'texter'?"),
    ('channel = "sms"',          'channel = "smss"',           "touchpoints.0.channel (line 53)", "Did you mean 'sms'?"),
    ('channel = "sms"',          'channel = "email"',          "touchpoints.0.channel (line 53)", "not sent by email"),
    ('topic = "cart_reminders"', 'topic = "cart_reminder"',    "touchpoints.0.topic (line 54)", "Did you mean 'cart_reminders'?"),
    ('sender = "+18335550100"',  "sender = 1",                 "touchpoints.0.sender (line 55)", "text in quotes"),
    ('stage = "cart abandoned"', "stage = 1",                  "touchpoints.0.stage (line 51)", "text in quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "where", "says"), FAULTS)
def test_each_fault_names_key_line_and_near_miss(right, wrong, where, says):
    assert right in SAMPLE
    found = findings(SAMPLE.replace(right, wrong, 1))
    assert any(f.startswith(where + ":") and says in f for f in found), found


def test_all_faults_at_once():
    text = (
        SAMPLE.replace('"US"', '"USA"').replace('"4 per 7 days"', '"4"').replace('"90 days"', '"?"')
    )
    assert len(findings(text)) == 3


@pytest.mark.parametrize(("text", "says"), [
    ("[brand", "not TOML"),
    ("a = " + "9" * 5000, "not TOML"),
    ("a = " + "[" * 5000, "nested too deeply"),
    ("brand = 1", "this is a table"),
    ("topics = []", "this is a table"),
    ("topics.a = 1", "write it as [topics.a]"),
    ("touchpoints = 1", "write each as [[touchpoints]]"),
    ("[brand]\nlanguages = 1", "a list of texts"),
    ("", "there are none; a brand needs at least one"),
])  # fmt: skip
def test_what_is_hardly_a_brand_at_all(text, says):
    assert any(says in finding for finding in findings(text))


def test_a_circle_of_successors_is_a_fault():
    text = SAMPLE.replace('# replaces = ["old_deals"]', 'replaces = ["cart_reminders"]').replace(
        'title = { en = "What', 'replaces = ["weekly_deals"]\ntitle = { en = "What'
    )
    assert any("circle" in finding for finding in findings(text))


def test_a_transactional_topic_cannot_take_over_from_marketing():
    text = SAMPLE + (
        '[topics.orders]\ncategory = "transactional"\nchannels = ["sms"]\n'
        'title = { en = "Orders" }\nreplaces = ["weekly_deals"]\n'
    )
    assert any("transactional topic cannot replace 'weekly_deals'" in f for f in findings(text))


LINES = SAMPLE.splitlines()
JUNK = st.sampled_from(
    [
        "= 1",
        '"*" = 7',
        "[topics]",
        "[[topics]]",
        "x = []",
        "[caps.sms]",
        "brand = 1",
        "kind = {}",
        "'",
        "title = [1]",
        "[[touchpoints]]",
        "replaces = [[]]",
        "é = 1",
        "[consent.promotional]",
        "sms = 'none'",
        "sms = inf",
        "url = 1979-05-27",
    ]
)


@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), JUNK | st.just("")), max_size=5))
@settings(max_examples=400, deadline=None)
def test_mangled_text_raises_nothing_but_findings(edits):
    lines = list(LINES)
    for where, what in edits:
        lines[where] = what
    try:
        brand.parse("\n".join(lines))
        found: tuple[str, ...] = ()
    except InvalidBrand as refused:
        found = refused.findings or ("nothing",)
    assert all(finding.endswith((".", "?")) for finding in found), found


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_raises_nothing_but_findings(text):
    with pytest.raises(InvalidBrand):
        brand.parse(text)


@pytest.mark.parametrize(("word", "accepted"), [
    ("none", frozenset()),
    ("express_written", EXPRESS_WRITTEN),
    ("express", EXPRESS),
    ("confirmed", frozenset({Consent.CONFIRMED})),
    ("soft", EXPRESS | {Consent.SOFT}),
    ("implied", EXPRESS | {Consent.SOFT, Consent.IMPLIED}),
])  # fmt: skip
def test_the_words_of_consent(word, accepted):
    found = brand.parse(SAMPLE + f'[consent.promotional]\nemail = "{word}"\n').consent
    assert found[Category.PROMOTIONAL, Channel.EMAIL] == accepted
    assert found[Category.INFORMATIONAL, Channel.EMAIL] == frozenset()
    assert found[Category.PROMOTIONAL, Channel.SMS] == EXPRESS


@pytest.mark.parametrize(("text", "says"), [
    ('[consent.promotional]\nemail = "expres"', "Did you mean 'express'?"),
    ('[consent.promotional]\nemial = "express"', "Did you mean 'email'?"),
    ('[consent.transactional]\nemail = "express"', "no such key"),
    ('[consent]\npromotional = "express"', "this is a table"),
])  # fmt: skip
def test_faults_of_consent(text, says):
    assert any(says in f for f in findings(f"{SAMPLE}\n{text}"))


@pytest.mark.parametrize(("text", "micros"), [
    ("7 days", 7 * DAY), ("1 day", DAY), ("24 hours", DAY), (" 30 minutes ", 1_800_000_000),
    ("1 second", 1_000_000),
])  # fmt: skip
def test_spans(text, micros):
    assert brand.span_of(text) == micros


@pytest.mark.parametrize(
    "text", ["", "7", "days", "0 days", "-1 days", "1 week", "1.5 days", "7 daysx"]
)
def test_what_is_no_span(text):
    with pytest.raises(ValueError, match=re.escape("is not a span of time")):
        brand.span_of(text)
