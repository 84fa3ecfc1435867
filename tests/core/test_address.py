"""Which spellings are the same address, which are refused, and what a refusal may show."""

from __future__ import annotations

import hashlib

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core import mailbox, phone
from heedful.core.address import Address, AddressKind, Contact, Digest, parse_subject, settled
from heedful.core.errors import InvalidAddress

SAME_PHONE = [
    # (as written, region, E.164)
    ("+14155550100", None, "+14155550100"),
    ("tel:+14155550100", None, "+14155550100"),
    ("TEL:+1-415-555-0100", None, "+14155550100"),
    ("tel:555-0100;phone-context=+1-415", None, "+14155550100"),
    ("tel:%2B14155550100", None, "+14155550100"),
    ("whatsapp:+14155550100", None, "+14155550100"),
    ("whatsapp:14155550100", None, "+14155550100"),
    ("sms:+14155550100", None, "+14155550100"),
    ("+1 (415) 555-0100", None, "+14155550100"),
    ("+1.415.555.0100", None, "+14155550100"),
    ("(+1) 415 555 0100", None, "+14155550100"),
    ("415-555-0100", "US", "+14155550100"),
    ("415-555-0100;", "US", "+14155550100"),
    ("415-555-0100", "us", "+14155550100"),
    ("1 415 555 0100", "US", "+14155550100"),
    ("00 1 415 555 0100", None, "+14155550100"),
    ("0044 7911 123456", "GB", "+447911123456"),
    ("+0044 7911 123456", None, "+447911123456"),
    ("+44 (0)7911 123456", None, "+447911123456"),
    ("+4407911123456", None, "+447911123456"),
    ("07911 123456", "GB", "+447911123456"),
    ("+1 415 555 0100 ext. 12", None, "+14155550100"),  # the whole line falls silent
    ("+1 415 555 0100 x12", None, "+14155550100"),
    ("tel:+14155550100;ext=12", None, "+14155550100"),
    ("1-800-FLOWERS", "US", "+18003569377"),
    # what the eye does not see
    ("\uff0b\uff11 415 555 0100", None, "+14155550100"),
    ("+١٤١٥٥٥٥٠١٠٠", None, "+14155550100"),
    ("+۱۴۱۵۵۵۵۰۱۰۰", None, "+14155550100"),
    ("\u202a+1\u00a0415\u2009555\u20110100\u202c", None, "+14155550100"),
    ("\ufeff+1415\u200b555\u200d0100 \t", None, "+14155550100"),
    # what spreadsheets leave
    ("1.4155550100E+10", "US", "+14155550100"),
    ("1,4155550100E+10", "US", "+14155550100"),
    ("14155550100.0", "US", "+14155550100"),
    ("'+14155550100", None, "+14155550100"),
    ('="+14155550100"', None, "+14155550100"),
    ("=+14155550100", None, "+14155550100"),
    ("14,155,550,100", "US", "+14155550100"),
    # Italy keeps its zeros
    ("+39 06 698 12345", None, "+390669812345"),
    ("06 698 12345", "IT", "+390669812345"),
    # possible, but unknown to the metadata: still recordable
    ("+1 555 555 0100", None, "+15555550100"),
    # small countries have short numbers
    ("40123", "AC", "+24740123"),
    # the same handset before and after a renumbering
    ("+52 55 1234 5678", None, "+525512345678"),
    ("+52 1 55 1234 5678", None, "+525512345678"),
    ("whatsapp:+5215512345678", None, "+525512345678"),
    ("044 55 1234 5678", "MX", "+525512345678"),
    ("045 55 1234 5678", "MX", "+525512345678"),
    ("01 55 1234 5678", "MX", "+525512345678"),
    ("+55 31 98888-7777", None, "+5531988887777"),
    ("+55 31 8888-7777", None, "+5531988887777"),
    ("0 15 31 8888-7777", "BR", "+5531988887777"),
    ("+55 11 2345-6789", None, "+551123456789"),  # a landline has no 9
    ("+225 07 12 34 56", None, "+2250707123456"),
    ("+225 45 12 34 56", None, "+2250545123456"),
    ("+225 01 12 34 56", None, "+2250101123456"),
    ("+229 97 12 34 56", None, "+2290197123456"),
    ("011 15-2345-6789", "AR", "+5491123456789"),
    ("+54 11 15 2345 6789", None, "+5491123456789"),
]


@pytest.mark.parametrize(("written", "region", "number"), SAME_PHONE)
def test_a_phone_number_has_one_spelling(written: str, region: str | None, number: str) -> None:
    address = Address.parse(written, region)
    assert address == Address(AddressKind.TEL, number)
    assert Address.parse(address.text) == Address.parse(address.value) == address


NO_PHONE = [
    ("555-2671", "US", "area code"),
    ("12345", "US", "short code"),
    ("123456", "US", "short code"),
    ("72020", "DE", "short code"),
    ("4.47911E+11", "GB", "digits are lost"),
    ("1.415555E+10", "US", "digits are lost"),
    ("4155550100", None, "no region"),
    ("447911123456", "US", "too long"),
    ("+1415555010000000", None, "too long"),
    ("+999 1234 5678", None, "no country has"),
    ("+1 415 555 010", None, "too short"),
    ("", "US", "not a phone number"),
    ("   ", "US", "not a phone number"),
    ("+", "US", "not a phone number"),
    ("---", "US", "not a phone number"),
    ("tel:", "US", "not a phone number"),
    ("call me", "US", "not a phone number"),
    ("call 4155550100", "US", "not a phone number"),
    ("4155550100\n4155550101", "US", "line break"),
    ("+14155550100\x00", None, "control character"),
    ("+14155550100, +14155550101", None, "not a phone number"),
    ("4155550100;4155550101", "US", "not a phone number"),
    ("4155550100/4155550101", "US", "too long"),
    ("4155550100", "XX", "No region is called 'XX'"),
    ("+1" * 2000, None, "characters"),
    ("+\ud800" + "1" * 10, None, r"U\+D800"),
]


@pytest.mark.parametrize(("written", "region", "why"), NO_PHONE)
def test_what_is_not_a_phone_number_is_refused_with_the_reason(
    written: str, region: str | None, why: str
) -> None:
    with pytest.raises(InvalidAddress, match=why) as refusal:
        Address.parse(written, region)
    assert len(written.strip()) < 4 or written.strip() not in str(refusal.value)


SAME_MAILBOX = [
    ("ann@example.com", "ann@example.com"),
    ("Ann@Example.COM", "ann@example.com"),
    ("mailto:ann@example.com", "ann@example.com"),
    ("MAILTO:Ann@Example.com?subject=stop%20it", "ann@example.com"),
    ("mailto:ann%40example.com", "ann@example.com"),
    ("mailto:a%25b@example.com", "a%b@example.com"),
    ("a%25b@example.com", "a%25b@example.com"),  # not a URI: as written
    ("mailto:a%3Fb@example.com?subject=stop", "a?b@example.com"),
    ("  ann@example.com\t", "ann@example.com"),
    ("Ann Example <ann@example.com>", "ann@example.com"),
    ('"Example, Ann" <Ann@example.com>', "ann@example.com"),
    ("Example, Ann <ann@example.com>", "ann@example.com"),
    ("<ann@example.com>", "ann@example.com"),
    ("ann@example.com <ann@example.com>", "ann@example.com"),
    ("ann@example.com (Ann Example)", "ann@example.com"),
    ("(work) ann@example.com", "ann@example.com"),
    ('"ann@example.com"', "ann@example.com"),
    ("'ann@example.com'", "ann@example.com"),
    ("ann@example.com.", "ann@example.com"),
    ("ann+tag@example.com", "ann+tag@example.com"),  # may be another inbox
    ("a.n.n@example.com", "a.n.n@example.com"),  # so may this
    ("ann@\u200bexample.com\ufeff", "ann@example.com"),
    ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com"),
    ("ann@example。com", "ann@example.com"),
    ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
    ("ann@bu\u0308cher.example", "ann@xn--bcher-kva.example"),
    ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
    ("ann@ΣΟΦΟΣ.example", "ann@xn--0xaakcn.example"),  # σ, as browsers map Σ; ς is another name
    ("ann@example.com;", "ann@example.com"),
    ("ann@faß.example", "ann@xn--fa-hia.example"),  # IDNA 2008: not fass.example
    ("ann@☕.example", "ann@xn--53h.example"),  # only older rules allow it, and it is in use
    ("ann@نامه‌ای.example", "ann@xn--mgba3gch31f060k.example"),
    ("JÜRGEN@example.com", "jürgen@example.com"),
    ("ju\u0308rgen@example.com", "jürgen@example.com"),
    ("STRAßE@example.com", "strasse@example.com"),
    ("ann@my_host.example.com", "ann@my_host.example.com"),
    ("ann@localhost", "ann@localhost"),
    ("ann@c--n.com", "ann@c--n.com"),
    ('"ann"@example.com', "ann@example.com"),
    ('"a\\n\\n"@example.com', "ann@example.com"),
    ('"Ann Lee"@example.com', '"ann lee"@example.com'),
    ('"a\\"b"@example.com', '"a\\"b"@example.com'),
    ('"a@b"@example.com', '"a@b"@example.com'),
    ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
    ("ann@[IPv6:2001:DB8:0:0::1]", "ann@[ipv6:2001:db8::1]"),
]


@pytest.mark.parametrize(("written", "canonical"), SAME_MAILBOX)
def test_a_mailbox_has_one_spelling(written: str, canonical: str) -> None:
    address = Address.parse(written)
    assert address == Address(AddressKind.MAILTO, canonical)
    assert Address.parse(address.text) == Address.parse(address.value) == address


NO_MAILBOX = [
    ("@", "nothing stands before"),
    ("ann@", "nothing stands after"),
    ("@example.com", "nothing stands before"),
    ('""@example.com', "nothing stands before"),
    ("mailto:ann.example.com", "no @"),
    ("mailto:?to=ann@example.com", "names no address"),
    ("j\ufffdrgen@example.com", "letter was lost"),
    ("mailto:%ff@example.com", "letter was lost"),
    ("ann@bob@example.com", "what follows"),
    ("ann lee@example.com", "' ' cannot stand"),
    ("ann..lee@example.com", "a dot"),
    (".ann@example.com", "a dot"),
    ("ann@exam ple.com", "what follows"),
    ("ann@-example.com", "what follows"),
    ("ann@example..com", "what follows"),
    ("ann@example.com, bob@example.com", "what follows"),
    ("ann@example.com;bob@example.com", "what follows"),
    ("Ann <ann@example.com>, Bob <bob@example.com>", "not an e-mail address"),
    ("ann@[300.1.1.1]", "not an IP address"),
    ("ann@example.com\r\nBcc: bob@example.com", "line break"),
    ("ann@example.com\n", "line break"),
    ("mailto:ann%0A@example.com", "line break"),
    ("ann\x00@example.com", "control character"),
    ("a" * 65 + "@example.com", "64 octets"),
    ("ü" * 33 + "@example.com", "64 octets"),
    ("ann@" + "a." * 124 + "com", "254 octets"),
    ("ann@" + "a" * 64 + ".com", "what follows"),
    ("\ud800@example.com", "U\\+D800"),
]


@pytest.mark.parametrize(("written", "why"), NO_MAILBOX)
def test_what_is_not_a_mailbox_is_refused_with_the_reason(written: str, why: str) -> None:
    with pytest.raises(InvalidAddress, match=why) as refusal:
        Address.parse(written)
    assert len(written) < 4 or written not in str(refusal.value)


@pytest.mark.parametrize(
    "written", ["push:", "push: ", "push:a b", "push:a\nb", "push:" + "a" * 2049]
)
def test_a_push_token_is_some_characters_without_spaces(written: str) -> None:
    with pytest.raises(InvalidAddress, match="push token"):
        Address.parse(written)


def test_a_push_token_is_kept_verbatim() -> None:
    address = Address.parse(" PUSH:dXy_9:APA91b-Ef ")
    assert address.text == "push:dXy_9:APA91b-Ef"
    assert Address.parse(address.text) == address


@pytest.mark.parametrize(
    ("written", "channels", "default"),
    [
        ("+14155550100", {"sms", "voice", "whatsapp", "rcs"}, "sms"),
        ("ann@example.com", {"email"}, "email"),
        ("push:token", {"push"}, "push"),
    ],
)
def test_channels_of_an_address(written: str, channels: set[str], default: str) -> None:
    address = Address.parse(written)
    assert address.channels == channels
    assert address.default_channel == default


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("+14155550100", "Address(tel +1…00)"),
        ("+447911123456", "Address(tel +44…56)"),
        ("+24740123", "Address(tel +247…23)"),
        ("ann@mail.example.com", "Address(mailto a…@m….com)"),
        ("a@localhost", "Address(mailto a…@l…)"),
        ("push:abcdefghijklmnopqrstuvwxyz", "Address(push …wxyz)"),
        ("push:short", "Address(push …)"),
        ("contact:crm-42", "Contact(c…)"),
        ("contact:customer-4711", "Contact(cu…11)"),
        ("md5:" + "0f" * 16, "Digest(md5:0f0f…)"),
    ],
)
def test_what_logs_may_show(written: str, shown: str) -> None:
    subject = parse_subject(written)
    assert repr(subject) == shown
    assert str(subject) == f"{subject}" == subject.masked
    assert subject.masked in shown


def test_digests_are_of_the_forms_that_lists_trade() -> None:
    digests = Address.parse("+1 415 555 0100").digests
    assert len(digests) == 6
    assert _md5("+14155550100") in digests
    assert _md5("14155550100") in digests
    assert _md5("4155550100") in digests
    assert len(Address.parse("+447911123456").digests) == 4
    mail = Address.parse("Ann@BÜCHER.example").digests
    assert _md5("ann@bücher.example") in mail
    assert _md5("ann@xn--bcher-kva.example") in mail
    for digest in digests + mail:
        assert parse_subject(digest).text == digest


def _md5(text: str) -> str:
    return "md5:" + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_subjects_are_told_apart_by_their_prefix() -> None:
    assert parse_subject("contact:CRM-42") == Contact("CRM-42") != Contact("crm-42")
    assert parse_subject("Contact: crm 42 ") == Contact("crm 42")
    assert parse_subject("contact:re\u0301ne") == parse_subject("contact:réne")
    assert parse_subject("MD5:" + "AB" * 16) == Digest("md5", "ab" * 16)
    assert parse_subject("415 555 0100", "US") == Address.parse("+14155550100")


@pytest.mark.parametrize(
    "written",
    [
        "contact:",
        "contact:" + "x" * 201,
        "contact:a\nb",
        "contact:a\u202eb",
        "contact:\ud800",
        "md5:",
        "md5:" + "g" * 32,
        "md5:" + "a" * 31,
        "sha256:" + "a" * 32,
        "sha1:" + "a" * 40,
        "crm-42",
    ],
)
def test_what_is_no_subject_is_refused(written: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_subject(written)


@pytest.mark.parametrize("written", ["contact:crm-42", "md5:" + "a" * 32])
def test_a_message_lands_on_an_address_only(written: str) -> None:
    with pytest.raises(InvalidAddress, match="not an address"):
        Address.parse(written)


def _example_numbers() -> list[str]:
    kinds = [kind for kind in phonenumbers.PhoneNumberType.values() if kind < 11]
    found = {
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for region in phonenumbers.SUPPORTED_REGIONS
        for kind in kinds
        if (number := phonenumbers.example_number_for_type(region, kind))
    }
    return sorted(found)


def test_the_short_way_agrees_with_the_long_way_on_every_example_number_of_the_world() -> None:
    examples = _example_numbers()
    assert len(examples) > 900
    short = 0
    for number in examples:
        if phone.settled(number):
            short += 1
            assert phone.canonical(number) == number
    assert short > 0.9 * len(examples)


@st.composite
def plus_and_digits(draw: st.DrawFn) -> str:
    """Numbers around real ones: real beginnings, prefixes put in between, any length."""
    number = draw(st.sampled_from(_EXAMPLES))
    cut = draw(st.integers(2, 6))
    middle = draw(st.sampled_from(["", "0", "1", "9", "15", "00", "044"]))
    rest = draw(st.text("0123456789", max_size=11)) if draw(st.booleans()) else number[cut:]
    return (number[:cut] + middle + rest)[:18]


_EXAMPLES = _example_numbers()


@given(plus_and_digits())
def test_the_short_way_agrees_with_the_long_way(number: str) -> None:
    if phone.settled(number):
        assert phone.canonical(number) == number
    else:
        try:
            canonical = phone.canonical(number)
        except InvalidAddress:
            return
        assert phone.canonical(canonical) == canonical
        assert 8 <= len(canonical) <= 16


@given(
    st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.text("0123456789 -", max_size=14)
)
def test_reading_a_national_number_again_changes_nothing(region: str, written: str) -> None:
    try:
        address = Address.parse(written, region)
    except InvalidAddress:
        return
    assert Address.parse(address.text, region) == Address.parse(address.value, None) == address


_MAIL_PARTS = st.text(
    st.one_of(
        st.sampled_from(list("aAzZ0.-_+%?#'\"\\()<>[]:;@, ßİıſﬁΣςé\u0301\u200d\u200c。＠")),
        st.characters(),
    ),
    max_size=12,
)


@given(_MAIL_PARTS, _MAIL_PARTS, st.sampled_from(["", "mailto:", "Ann <", '"']))
def test_reading_a_mailbox_again_changes_nothing(local: str, domain: str, before: str) -> None:
    try:
        address = Address.parse(f"{before}{local}@{domain}")
    except InvalidAddress:
        return
    if address.kind is AddressKind.MAILTO:
        assert mailbox.canonical(address.value) == address.value
    assert Address.parse(address.text) == address
    assert address.masked != address.value


@given(st.one_of(st.text(max_size=40), _MAIL_PARTS), st.sampled_from(["US", "IT", None, "no"]))
def test_no_text_does_more_than_be_refused(text: str, region: str | None) -> None:
    for prefix in ("", "tel:", "mailto:", "push:", "contact:", "md5:", "whatsapp:", "+"):
        try:
            subject = parse_subject(prefix + text, region)
        except InvalidAddress:
            continue
        assert parse_subject(subject.text) == subject
        str(subject).encode()


@given(
    st.text(max_size=20),
    st.sampled_from(["4155551234987", "zq7.wv9@ky3.test"]),
    st.text(max_size=20),
)
def test_a_refusal_never_repeats_the_address(before: str, address: str, after: str) -> None:
    for prefix in ("", "tel:", "mailto:", "push:", "contact:", "md5:", "whatsapp:", "+"):
        try:
            parse_subject(f"{prefix}{before}{address}{after}", "US")
        except InvalidAddress as refusal:
            hidden = address not in str(refusal)
            assert hidden


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * 1_000_000,
        "a" + "\u0301\u0316" * 500_000 + "@example.com",
        "@" * 4000,
        '"' * 4000 + "@a",
        " " * 3000 + "x1",
        "1 " * 2000,
        "ann@" + "\u0644\u200d" * 2000,
        "\ufdfa" * 4000 + "@example.com",
        "mailto:" + "@?" * 1500,
        "E" * 4000,
        "<" * 2000 + ">" * 2000 + "@>",
    ],
)
@pytest.mark.timeout(2)
def test_hostile_texts_take_no_time(hostile: str) -> None:
    with pytest.raises(InvalidAddress):
        Address.parse(hostile, "US")


@given(
    st.one_of(
        plus_and_digits(),
        plus_and_digits().map("tel:{}".format),
        st.builds(
            str.format,
            st.sampled_from(["{}@example.com", "mailto:{}@example.com", "{}@EXAMPLE.com"]),
            st.sampled_from(["ann", "Ann", "a.b+c", "a%b", "a%25b", "a?b", "o'neil"]),
        ),
        st.from_regex(r"(mailto:)?[A-Za-z.%?'+-]{1,8}@[a-zA-Z.-]{1,9}", fullmatch=True),
    )
)
def test_what_is_settled_is_what_parse_reads(text: str) -> None:
    found = settled(text)
    if found is not None:
        address = Address.parse(text, "US")
        assert found == (address.kind, address.text)
        assert Address.parse(found[1]) == address
