"""Where vendors may be called: every spelling of a private address is refused."""

import asyncio
import socket

import aiohttp
import pytest
from aiohttp import web

from heedful.fanout.guard import Guard, literal

PUBLIC = [
    "https://hooks.shipper.example/consent",
    "https://93.184.216.34/",
    "https://[2606:4700:4700::1111]/x",
    "https://[64:ff9b::5db8:d822]/",  # a public IPv4 address by way of NAT64
    "https://hooks.shipper.example:8443/",
]
PRIVATE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0.0.0.0/",
    "https://１２７.0.0.1/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://192.0.2.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[2606:4700::5efe:127.0.0.1]/",
]
NEVER = [
    "ftp://hooks.shipper.example/",
    "file:///etc/passwd",
    "hooks.shipper.example",
    "https:///path",
    "https://",
    "https://user:pass@hooks.shipper.example/",
    "http://[::1",
    "https://a.example:99999/",
    "",
]


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_address_may_be_called(url: str) -> None:
    assert Guard().fault(url) is None


@pytest.mark.parametrize("url", PRIVATE)
def test_no_spelling_of_a_private_address_may_be_called(url: str) -> None:
    assert Guard().fault(url)


@pytest.mark.parametrize("url", NEVER)
def test_what_is_no_web_address_is_refused_whatever_is_allowed(url: str) -> None:
    assert Guard(["0.0.0.0/0", "::/0"]).fault(url)


def test_http_is_for_allowed_networks_only() -> None:
    assert Guard().fault("http://hooks.shipper.example/")
    assert Guard(["127.0.0.0/8"]).fault("http://93.184.216.34/")
    assert Guard(["127.0.0.0/8"]).fault("http://127.0.0.1:8601/") is None
    assert Guard(["10.0.0.0/8"]).fault("http://127.0.0.1:8601/")


def test_an_allowed_network_is_allowed_and_nothing_beside_it() -> None:
    guard = Guard(["127.0.0.0/8", "fd00::/8"])
    assert guard.admits("127.3.2.1")
    assert guard.admits("::ffff:127.0.0.1")
    assert guard.admits("fd00::7")
    assert not guard.admits("10.0.0.1")
    assert not guard.admits("::1")
    assert not guard.admits("hooks.shipper.example")


def test_names_are_not_taken_for_numbers() -> None:
    assert literal("7-eleven.example") is None
    assert literal("1password.example") is None


# --- on the wire ---------------------------------------------------------------------------


@pytest.fixture
def everything_resolves_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *args: object, **kwargs: object) -> list[object]:
        if host.endswith(".example"):
            host = "127.0.0.1"
        return real(host, *args, **kwargs)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return


async def _called(guard: Guard, url: str, path_of_redirect: str | None = None) -> list[str]:
    heard: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.path)
        if path_of_redirect and request.path == "/":
            raise web.HTTPFound(path_of_redirect)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with guard.session(4, 5) as http:
            try:
                async with http.post(url.format(port=port)) as response:
                    await response.read()
            except (aiohttp.ClientError, OSError):
                heard.append("refused")
    finally:
        await runner.cleanup()
    return heard


def test_a_name_that_leads_inside_is_not_called(everything_resolves_to_loopback: None) -> None:
    assert asyncio.run(_called(Guard(), "https://evil.example:{port}/")) == ["refused"]
    assert asyncio.run(_called(Guard(["10.0.0.0/8"]), "http://evil.example:{port}/")) == ["refused"]


def test_a_name_that_leads_to_an_allowed_network_is_called(
    everything_resolves_to_loopback: None,
) -> None:
    heard = asyncio.run(_called(Guard(["127.0.0.0/8"]), "http://shipper.example:{port}/hook"))
    assert heard == ["/hook"]


def test_http_to_a_name_outside_is_not_called_though_https_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: outside)

    async def go() -> None:
        async with Guard(["127.0.0.0/8"]).session(1, 5) as http:
            with pytest.raises((aiohttp.ClientError, OSError), match="without TLS"):
                await http.post("http://shipper.example/")

    asyncio.run(go())


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443))
        for ip in ("93.184.216.34", "10.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: both)

    async def go() -> None:
        async with Guard().session(1, 5) as http:
            with pytest.raises((aiohttp.ClientError, OSError), match="allow_private"):
                await http.post("https://shipper.example/")

    asyncio.run(go())


def test_the_socket_is_the_last_check_whoever_resolved_the_name() -> None:
    with pytest.raises(OSError, match="not a public one"):
        Guard().socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)))


def test_a_redirect_inside_ends_there() -> None:
    heard = asyncio.run(
        _called(Guard(["127.0.0.0/8"]), "http://127.0.0.1:{port}/", "http://10.0.0.1/inside")
    )
    assert heard == ["/", "refused"]


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    assert asyncio.run(_called(Guard(["127.0.0.0/8"]), "http://127.0.0.1:{port}/x")) == ["/x"]
