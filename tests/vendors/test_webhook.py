"""Telling a webhook: over real HTTP on the loopback, verified by Standard Webhooks' own library."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

import heedful.vendors.webhook
import heedful.vendors.webhook.connector as connector
from heedful.core.errors import NotConfigured
from heedful.core.instant import SECOND, Edge, Instant, parse
from heedful.vendors.contract import Account, Answer, Instruction, Later, Refused, Told
from heedful.vendors.webhook.connector import WebhookConnector, shown

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOON = parse("2026-03-05T09:30:00.000000Z", Edge.FIRST)
FIXTURES = sorted((Path(heedful.vendors.webhook.__path__[0]) / "fixtures").glob("*.json"))
ORDER = Instruction(
    vendor="shipper",
    id="shipper-4711",
    type="consent.opt_out",
    data={"seq": 4711, "subject": "tel:+14155550100", "scope": "sms/marketing", "title": "Über 50"},
    at=NOON,
)
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def account(url: str, secret: str = SECRET, now: Instant = NOON) -> Account:
    return Account("shipper", MappingProxyType({"url": url, "secret": secret}), lambda: now)


def tell(reply: Reply, times: int = 1, now: Instant = NOON) -> list[Answer]:
    async def go() -> list[Answer]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", reply)
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            teller = WebhookConnector(account(str(server.make_url("/consent")), now=now))
            return [await teller.tell(ORDER, http) for _ in range(times)]

    return asyncio.run(go())


def test_what_they_get_verifies() -> None:
    got: list[tuple[Mapping[str, str], bytes]] = []

    async def reply(request: web.Request) -> web.Response:
        got.append((request.headers.copy(), await request.read()))
        return web.Response(status=200 if len(got) > 1 else 500)

    now = (int(datetime.now(UTC).timestamp()) * 10**6) + 999_999
    first, second = tell(reply, times=2, now=now)
    assert isinstance(first, Later)
    assert second == Told("200")
    (headers, body), (again, same) = got
    said = Webhook(SECRET).verify(body, dict(headers))
    assert said == {
        "type": "consent.opt_out",
        "timestamp": "2026-03-05T09:30:00Z",
        "data": dict(ORDER.data),
    }
    assert headers["content-type"] == "application/json"
    assert again["webhook-id"] == headers["webhook-id"] == "shipper-4711"
    assert same == body


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_fixture(path: Path) -> None:
    case = json.loads(path.read_text())
    asked = []

    async def reply(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=case["status"], headers=case["headers"], text=case["body"])

    (answer,) = tell(reply)
    expected = case["answer"]
    match expected["is"]:
        case "told":
            assert isinstance(answer, Told)
        case "refused":
            assert isinstance(answer, Refused)
            assert answer.disable is expected["disable"]
        case "later":
            assert isinstance(answer, Later)
            wait = expected["wait"]
            assert answer.wait == (None if wait is None else wait * SECOND)
    assert "4155550100" not in repr(answer)
    assert "ann@" not in repr(answer)
    assert asked == ["/consent"], "a redirect is not followed"


def test_no_answer_in_time_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "TIMEOUT", aiohttp.ClientTimeout(total=0.2))

    async def reply(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    assert tell(reply) == [Later(None, "no answer within 0.2 seconds")]


def test_no_connection_is_later() -> None:
    async def go() -> Answer:
        async with aiohttp.ClientSession() as http:
            return await WebhookConnector(account("http://127.0.0.1:1/x")).tell(ORDER, http)

    answer = asyncio.run(go())
    assert isinstance(answer, Later)
    assert answer.why.startswith("ClientConnector")


def test_a_connection_that_breaks_off_is_later() -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    (answer,) = tell(reply)
    assert isinstance(answer, Later)


def test_a_long_answer_is_cut_short() -> None:
    async def reply(request: web.Request) -> web.Response:
        return web.Response(status=500, text="x" * 1_000_000)

    (answer,) = tell(reply)
    assert isinstance(answer, Later)
    assert len(answer.why) < 250


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é", "whsec_!"])
def test_a_secret_that_is_none_stops_this_vendor_only(secret: str) -> None:
    with pytest.raises(NotConfigured, match=r"vendors\.shipper"):
        WebhookConnector(account("https://a.example", secret))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no: contact:crm-42 or push:AbC123", "no: … or …"),
        ("a\n\x00b\x1b[31m", "a b [31m"),
        ("seq 4711 is fine", "seq 4711 is fine"),
        ("415-555-0100", "…"),
        ("x%40example.com", "…"),
    ],
)
def test_shown(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize("length", [1, 24, 32, 63, 64, 65, 200])
@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_signs_as_their_library(length: int, prefix: str) -> None:
    secret = prefix + base64.b64encode(bytes(range(length))).decode()
    secret = secret if prefix else secret.rstrip("=")
    teller = WebhookConnector(account("https://a.example", secret, NOON + 999_999))
    made = teller._headers("msg_1", '{"title":"Über 50"}'.encode())
    when = datetime.fromtimestamp(NOON // SECOND, UTC)
    signed = Webhook(secret).sign("msg_1", when, '{"title":"Über 50"}')
    assert made["webhook-signature"] == signed
    assert made["webhook-timestamp"] == str(NOON // SECOND)


@pytest.mark.corpus
def test_signs_as_others_do(corpora: Path) -> None:
    vectors = json.loads((corpora / "webhook-signatures/vectors.json").read_text())
    seen = 0
    for case in vectors:
        if case["scheme"] != "standard-webhooks" or not case["valid"]:
            continue
        seen += 1
        sent = {name.lower(): value for name, value in case["headers"].items()}
        now = int(sent["webhook-timestamp"]) * SECOND
        teller = WebhookConnector(account("https://a.example", case["secret"], now))
        made = teller._headers(sent["webhook-id"], case["body"].encode())
        assert made["webhook-signature"] in sent["webhook-signature"].split(), case["id"]
    assert seen
