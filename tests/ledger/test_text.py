"""Text is compared byte by byte, and comes back as it was written, on every engine."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core.address import Address, Contact
from heedful.core.errors import InvalidEvent
from heedful.core.event import Action, Limit
from heedful.ledger import Ledger
from heedful.ledger.seal import Body, body_of, canonical
from tests.ledger.everything import ANN, CRM, said

OUT = Action.OPT_OUT

TRAPS = [
    ("ß", "ss"),
    ("i", "İ"),
    ("I", "ı"),
    ("a", "A"),
    ("é", unicodedata.normalize("NFD", "é")),
    ("a", "a "),
    ("a", " a"),
    ("a-b", "ab"),
    ("a", "a\u200d"),
    ("👍", "👍🏽"),
    ("ａ", "a"),
    ("a%", "a_"),
    ("a\\", "a\\\\"),
    ("'", "''"),
    ("1", "01"),
    ("1", "1.0"),
    ("1e5", "100000"),
    ("ﬁ", "fi"),
]


def test_two_request_ids_that_look_alike_are_two(ledger: Ledger) -> None:
    texts = list(dict.fromkeys(text for pair in TRAPS for text in pair))
    for text in texts:
        (receipt,) = ledger.record([said(ANN, OUT, "sms/marketing", request_id=text)])
        assert not receipt.repeat, ascii(text)
        assert ledger.event(receipt.seq).request_id == text
    for seq, text in enumerate(texts, 1):
        (receipt,) = ledger.record([said(ANN, OUT, "sms/marketing", request_id=text)])
        assert (receipt.seq, receipt.repeat) == (seq, True)


def test_contacts_senders_and_sources_that_look_alike_are_two(ledger: Ledger) -> None:
    for lower, upper in (("crm", "CRM"), ("straße", "strasse"), ("i", "İ")):
        keys = {ledger.key_of(Contact(lower)), ledger.key_of(Contact(upper))}
        assert len(keys) == 2
        ledger.record([said(Contact(lower), OUT, "*/marketing", source=lower)])
        assert ledger.subject_of(ledger.key_of(Contact(upper))) is None
        first, _ = ledger.create_key(lower, ["read"], None, 1)
        second, _ = ledger.create_key(upper, ["read"], None, 1)
        assert {first.name, second.name} <= {key.name for key in ledger.keys_list()}


@given(
    st.fixed_dictionaries(
        {"reason": st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20)},
        optional={"sender": st.text(max_size=9), "request_id": st.text(max_size=9)},
    )
)
def test_canonical_bytes_are_plain_json(fields: dict[str, str]) -> None:
    """What is hashed can be made again with any JSON library."""
    body = Body(
        action="opt_out", occurred_at=1, recorded_at=2, seq=3, source="é", subject="00",
        prefer=("language", "es"), limit=(None, 2, 3), lifts=True, **fields,
    )  # fmt: skip
    try:
        encoded = canonical(body)
    except InvalidEvent:
        assert any("\ud800" <= c <= "\udfff" for text in fields.values() for c in text)
        return
    again = json.dumps(
        json.loads(encoded), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    assert again.encode() == encoded
    assert body_of(encoded) == body


@pytest.mark.parametrize("field", ["reason", "request_id", "source", "evidence"])
def test_half_a_character_is_refused_cleanly(ledger: Ledger, field: str) -> None:
    bad = "ok \ud83d"
    with pytest.raises(InvalidEvent, match="surrogate"):
        ledger.record(
            [said(ANN, OUT, "sms/marketing", **{field: {"a": bad} if field == "evidence" else bad})]
        )
    assert ledger.head().seq == 0
    ledger.record([said(ANN, OUT, "sms/marketing", reason="ok \U0001f44b")])


def test_any_evidence_comes_back_as_it_was(ledger: Ledger) -> None:
    texts = {"a": "\u2028\u2029", "b": "\\u0000 \" ' % :x ?", "c": "\x01\x7f\x85", "d": "\ufeffx",
             "e": "🏴\U000e0067", "f": " ", "g": "\r\n"}  # fmt: skip
    ledger.record([said(ANN, OUT, "sms/marketing", evidence=texts)])
    assert dict(ledger.event(1).evidence or {}) == texts


def test_large_numbers_and_long_texts_fit(ledger: Ledger) -> None:
    ledger.record(
        [
            said(CRM, Action.LIMIT, "*/marketing", limit=Limit(until=2**61)),
            said(CRM, OUT, "*/marketing", evidence={str(n): "é" * 8000 for n in range(20)}),
        ]
    )
    assert ledger.event(1).limit == Limit(until=2**61)
    assert len((ledger.event(2).evidence or {})["7"]) == 8000
    token = Address.parse("push:" + "x" * 2048)
    ledger.record([said(token, OUT, "push/marketing")])
    assert ledger.subject_of(ledger.key_of(token)) == token


def test_addresses_come_in_the_order_of_their_keys(ledger: Ledger) -> None:
    addresses = [Address.parse(f"user{n}@example.com") for n in range(40)]
    ledger.record([said(a, OUT, "email/marketing") for a in addresses])
    ledger.record([said(a, OUT, "*/marketing") for a in addresses])
    wanted = sorted(ledger.key_of(a) for a in addresses)
    found: list[bytes] = []
    while part := ledger.standing_keys(found[-1] if found else None, 7):
        found += part
    assert found == wanted
