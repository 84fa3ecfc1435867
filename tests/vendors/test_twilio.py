"""Twilio's webhooks: each fixture, signed by Twilio's own library; and what must be refused."""

import base64
import hashlib
import hmac
import json
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

import heedful.vendors.twilio
from heedful.core.address import Address
from heedful.core.errors import Forged
from heedful.vendors.contract import Account, Block, Heard, HookRequest, Inbound, Nothing, Unknown
from heedful.vendors.twilio.hook import TwilioHook

TOKEN = "0c8132bd736854112a748a5b686c230d"
URL = "https://prefs.northwind.example/hooks/texter"
FIXTURES = sorted((Path(heedful.vendors.twilio.__path__[0]) / "fixtures").glob("*.json"))


def hook(**more: str) -> TwilioHook:
    return TwilioHook(Account("texter", MappingProxyType({"auth_token": TOKEN, **more})))


def signed(form: dict[str, str], url: str = URL, token: str = TOKEN) -> HookRequest:
    signature = RequestValidator(token).compute_signature(url, form)
    return HookRequest(
        url,
        {
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
            "x-twilio-signature": signature,
        },
        urlencode(form).encode(),
    )


INBOUND = {"From": "+14155550100", "To": "+18335550100", "Body": "STOP", "MessageSid": "SM1"}


def told(part: Inbound) -> dict[str, object]:
    """A part in the words of the fixtures."""
    found: dict[str, object] = {"is": type(part).__name__.lower()}
    if isinstance(part, Heard | Block):
        found |= {k: v for k, v in asdict(part).items() if k not in ("evidence", "said_at")}
        for name in ("sender", "address"):
            value = getattr(part, name, None)
            if isinstance(value, Address):
                found[name] = value.text
    return found


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_fixture(path: Path) -> None:
    case = json.loads(path.read_text())
    assert [told(part) for part in hook().hear(signed(case["form"]))] == [case["hears"]]


def test_a_wrong_signature_is_forged() -> None:
    good = signed(INBOUND)
    for bad in (
        HookRequest(good.url, good.headers, good.body.replace(b"STOP", b"START")),
        HookRequest(good.url + "?x=1", good.headers, good.body),
        HookRequest(good.url, {**good.headers, "x-twilio-signature": ""}, good.body),
        HookRequest(good.url, {**good.headers, "x-twilio-signature": "é\udcff"}, good.body),
        HookRequest(good.url, {"content-type": good.headers["content-type"]}, good.body),
        HookRequest(good.url, {**good.headers, "content-type": "application/json"}, good.body),
        signed(INBOUND, token="another"),
    ):
        with pytest.raises(Forged):
            hook().hear(bad)


@pytest.mark.parametrize(
    ("signed_over", "reached_at"),
    [
        ("https://prefs.northwind.example:443/hooks/texter", URL),
        (URL, "https://prefs.northwind.example:443/hooks/texter"),
        ("http://127.0.0.1:8080/hooks/texter", "http://127.0.0.1:8080/hooks/texter"),
        ("http://127.0.0.1/hooks/texter", "http://127.0.0.1:8080/hooks/texter"),
        ("https://Prefs.example/hooks/texter?a=1&b=2", "https://Prefs.example/hooks/texter?a=1&b=2"),
    ],
)  # fmt: skip
def test_signed_with_and_without_the_port(signed_over: str, reached_at: str) -> None:
    request = signed(INBOUND, url=signed_over)
    (part,) = hook().hear(HookRequest(reached_at, request.headers, request.body))
    assert isinstance(part, Heard)


def test_another_account_is_refused_where_the_own_one_is_named() -> None:
    request = signed({**INBOUND, "AccountSid": "AC2"})
    assert isinstance(hook(account_sid="AC2").hear(request)[0], Heard)
    with pytest.raises(Forged, match="another Twilio account"):
        hook(account_sid="AC1").hear(request)


def test_a_shared_key_signs_by_sha256() -> None:
    form = dict(sorted(INBOUND.items()))
    text = URL + "".join(name + value for name, value in form.items())
    mac = hmac.digest(b"shared", text.encode(), hashlib.sha256)
    headers = {
        "x-twilio-signature": base64.b64encode(mac).decode(),
        "x-twilio-webhooks-signature-settings": "key=SK1,algorithm=HMAC_SHA256",
    }
    request = HookRequest(URL, headers, urlencode(form).encode())
    assert isinstance(hook(shared_key="shared").hear(request)[0], Heard)
    with pytest.raises(Forged, match="`shared_key`"):
        hook().hear(request)
    settings = "x-twilio-webhooks-signature-settings"
    odd = HookRequest(URL, {**headers, settings: "key=SK1,algorithm=MD5"}, request.body)
    with pytest.raises(Forged, match="'MD5'"):
        hook(shared_key="shared").hear(odd)


def test_a_json_body_is_covered_by_its_digest_in_the_url() -> None:
    body = b'{"a": 1}'
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {
        "content-type": "application/json",
        "x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, {}),
    }
    assert hook().hear(HookRequest(url, headers, body)) == (Unknown("a body that is no form"),)
    with pytest.raises(Forged, match="bodySHA256"):
        hook().hear(HookRequest(url, headers, b'{"a": 2}'))
    headers["x-twilio-signature"] = RequestValidator(TOKEN).compute_signature(URL, {})
    with pytest.raises(Forged, match="bodySHA256"):
        hook().hear(HookRequest(URL, headers, body))


@pytest.mark.parametrize(
    ("text", "answered"),
    [("STOP", True), (" unstop ", True), ("opt out", False), ("REMOVE", False), ("hi", False)],
)
def test_twilio_answers_its_default_keywords_by_itself(text: str, answered: bool) -> None:
    request = signed({**INBOUND, "Body": text})
    for setting, expected in (({"answers": "twilio"}, answered), ({}, False)):
        (part,) = hook(**setting).hear(request)
        assert isinstance(part, Heard)
        assert part.answered is expected


def test_the_reply_is_twiml() -> None:
    empty = hook().reply(None)
    assert (empty.status, empty.content_type) == (200, "text/xml; charset=utf-8")
    root = ElementTree.fromstring(empty.body)
    assert (root.tag, len(root)) == ("Response", 0)
    text = "Fish & <Chips>\x00 \ud800 “à la carte” 🛑"
    root = ElementTree.fromstring(hook().reply(text).body)
    assert root.findtext("Message") == "Fish & <Chips>  “à la carte” 🛑"


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*INBOUND, "MessageStatus", "ErrorCode", "OptOutType", "SmsStatus", ""]),
        st.one_of(st.text(max_size=30).filter(lambda t: t.isprintable()), st.just("21610"), st.just("+14155550100")),
    )
)  # fmt: skip
def test_no_signed_form_raises(form: dict[str, str]) -> None:
    for part in hook().hear(signed(form)):
        assert isinstance(part, Heard | Block | Nothing | Unknown)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=40))
def test_no_bytes_raise_but_forged(body: bytes, signature: str) -> None:
    with pytest.raises(Forged):
        hook().hear(HookRequest(URL, {"x-twilio-signature": signature}, body))


@pytest.mark.corpus
def test_signatures_of_others(corpora: Path) -> None:
    vectors = json.loads((corpora / "webhook-signatures/vectors.json").read_text())
    seen = 0
    for case in vectors:
        if case["scheme"] != "twilio-x-twilio-signature":
            continue
        seen += 1
        form = case["form"]
        headers = {name.lower(): value for name, value in case["headers"].items()}
        headers["content-type"] = (
            "application/json" if form is None else "application/x-www-form-urlencoded"
        )
        body = (
            case["raw_body"].encode()
            if form is None
            else urlencode([tuple(pair) for pair in form]).encode()
        )
        reader = TwilioHook(Account("a", {"auth_token": case["auth_token"]}))
        request = HookRequest(case["url"], headers, body)
        if case["valid"]:
            assert len(reader.hear(request)) == 1, case["id"]
        else:
            with pytest.raises(Forged):
                reader.hear(request)
    assert seen


@pytest.mark.corpus
def test_payloads_of_others(corpora: Path) -> None:
    """What a production gateway meets; signed here, since its files carry no signature."""
    import csv
    from urllib.parse import parse_qsl

    folder = corpora / "webhooks-sms-courier"
    seen = 0
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["vendor"] != "twiml":
                continue
            seen += 1
            case = json.loads((folder / row["file"]).read_text())
            form = dict(parse_qsl(case["body"], keep_blank_values=True))
            (part,) = hook().hear(signed(form))
            match row["expected_action"]:
                case "inbound_text" if "US.1234" in row["sender"]:
                    assert isinstance(part, Unknown)  # WhatsApp without a number: kept
                case "inbound_text":
                    assert isinstance(part, Heard)
                    assert part.sender.value == "+" + row["sender"].partition(":")[2].lstrip("+")
                    assert part.message_id == row["external_id"]
                case "opt_out":
                    assert isinstance(part, Block)
                    assert part.address.text == row["sender"]
                case _:
                    assert isinstance(part, Nothing | Unknown)
    assert seen
