"""Where a vendor's messages may go: public addresses, and the networks that the operator allows.

A URL in brand.toml is trusted no further than this: without the guard, whoever may edit it (or the
name server of a vendor that was) could have Heedful call the machines beside it. What is checked is
the address that is connected to, not the name, so a name that answers differently the second time
gains nothing. Each vendor has a session of its own: its connections are nobody else's to wait for.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNICAST6 = ipaddress.IPv6Network("2000::/3")
_REMEMBERED = 100
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Refusal(OSError):
    """The guard's no: an OSError, so that it ends one attempt to connect and nothing more."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, f"The vendor was not called: {why}.")


class Guard:
    """What one vendor may be called at.

    >>> guard = Guard(["127.0.0.0/8"])
    >>> guard.admits("93.184.216.34"), guard.admits("127.0.0.1"), guard.admits("169.254.169.254")
    (True, True, False)
    """

    def __init__(self, allow_private: Iterable[str] = ()) -> None:
        self.allowed: tuple[Network, ...] = tuple(
            ipaddress.ip_network(text) for text in allow_private
        )
        self._plain: set[str] = set()
        self._fine: set[URL] = set()

    def is_private(self, ip: Ip) -> bool:
        """Whether it lies in a network that the operator names in `network.allow_private`."""
        return any(ip.version == net.version and ip in net for net in self.allowed)

    def admits(self, text: str, plain: bool = False) -> bool:
        """Whether this IP address may be connected to; without TLS, only an allowed private one."""
        try:
            ip: Ip = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        return self.is_private(ip) or (not plain and is_public(ip))

    def fault(self, url: str) -> str | None:
        """Why a URL cannot be a vendor's, as far as it tells without asking a name server."""
        try:
            target = URL(url)
            host, port = target.raw_host, target.port
        except ValueError:
            return "it is not a web address"
        if target.scheme not in ("https", "http") or not host or not port:
            return "it does not begin with https:// and a host"
        if target.user or target.password:
            return "it holds a user name or password; a vendor's secret is a setting of its own"
        ip = literal(host)
        plain = target.scheme == "http"
        if ip is None:
            if plain and not self.allowed:
                return "it is not https, and network.allow_private names no network"
            return None
        if self.admits(str(ip), plain):
            return None
        if plain and is_public(ip):
            return "it is not https"
        return "it is not a public address, and network.allow_private does not name its network"

    def session(self, connections: int, timeout: float) -> aiohttp.ClientSession:
        """A session that can reach nothing else: no proxy, no cookies, bounded in connections."""
        return aiohttp.ClientSession(
            connector=_Connector(self, connections),
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 5.0)),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=4096,
            max_field_size=4096,
            auto_decompress=False,
            trust_env=False,
        )

    def check(self, url: URL) -> None:
        """Refuse a URL that is none of a vendor's."""
        if url not in self._fine:
            self._judge(url)

    def _judge(self, url: URL) -> None:
        """Refuse a URL, or remember that it is fine: a vendor has one, and a redirect few."""
        if fault := self.fault(str(url)):
            raise Refusal(f"of its url, {fault}")
        if url.scheme == "http" and url.raw_host:
            self._plain.add(url.raw_host.rstrip("."))
        if len(self._fine) < _REMEMBERED:
            self._fine.add(url)

    def plain(self, host: str) -> bool:
        """Whether a host is called without TLS."""
        return host.rstrip(".") in self._plain

    def socket(self, info: AddrInfoType) -> socket.socket:
        """The last check, on the very address that is connected to."""
        family, kind, protocol, _, peer = info
        if not self.admits(str(peer[0])):
            raise Refusal("its address is not a public one")
        return socket.socket(family, kind, protocol)


class _Connector(aiohttp.TCPConnector):
    """One vendor's connections. Whatever is sent, the guard looks at where it goes first."""

    def __init__(self, guard: Guard, connections: int) -> None:
        super().__init__(
            limit=connections,
            resolver=_Resolver(guard),
            ttl_dns_cache=30,
            socket_factory=guard.socket,
        )
        self._guard = guard

    def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Coroutine[Any, Any, Connection]:
        """Every request passes here, one that follows a redirect included."""
        self._guard.check(req.url)
        return super().connect(req, traces, timeout)


class _Resolver(AbstractResolver):
    """Asks the system in threads of this vendor's own: a name server that hangs holds up no
    other vendor. A name with one address that is refused is refused as a whole."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(2, "heedful-resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        plain = self._guard.plain(host)
        if not found or not all(self._guard.admits(str(row[4][0]), plain) for row in found):
            why = "is called without TLS, and" if plain else "has an address that"
            raise Refusal(f"its host {why} is not in network.allow_private")
        return [_result(host, port, row) for row in found]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(host: str, port: int, row: Sequence[object]) -> ResolveResult:
    family, _, protocol, _, peer = row
    assert isinstance(peer, tuple)
    assert isinstance(family, int)
    assert isinstance(protocol, int)
    return ResolveResult(
        hostname=host,
        host=str(peer[0]),
        port=port,
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def literal(host: str) -> Ip | None:
    """The IP address that a host spells, in any way that a system's resolver would take.

    >>> literal("2130706433"), literal("0x7f.1"), literal("shipper.example")
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'), None)
    """
    text = host.strip("[]").rstrip(".").partition("%")[0]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    if not text or not (text[0].isdigit() and text.isascii()):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


def is_public(ip: Ip) -> bool:
    """Whether anybody on the internet would reach the same machine at this address.

    An IPv6 address that carries an IPv4 one is as public as that one.

    >>> is_public(ipaddress.ip_address("64:ff9b::10.0.0.1"))
    False
    """
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not (ip.is_multicast or ip.is_reserved)
    if ip.ipv4_mapped:
        return is_public(ip.ipv4_mapped)
    if ip in _NAT64:
        return is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    if ip not in _UNICAST6 or not ip.is_global:
        return False
    if ip.sixtofour:
        return is_public(ip.sixtofour)
    isatap = (int(ip) >> 32) & 0xFDFFFFFF == 0x00005EFE
    return ip.teredo is None and (
        not isatap or is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    )
