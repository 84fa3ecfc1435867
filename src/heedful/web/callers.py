"""Who is asking: the key of a request, and the address it comes from."""

import ipaddress
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache

from starlette.types import Scope

from heedful.core.errors import Forbidden, Unauthenticated
from heedful.ledger import ApiKey, Ledger, Permission

REMEMBERED = 2.0
"""Seconds for which a key that was found is taken as valid without asking the ledger again. A key
that is revoked elsewhere stops working within them; one revoked in this process, at once."""
MOST_REMEMBERED = 1000


class Callers:
    """The keys that were found lately."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._found: dict[bytes, tuple[ApiKey, float]] = {}

    def remembered(
        self, headers: Iterable[tuple[bytes, bytes]], needs: Permission
    ) -> ApiKey | None:
        """The key, if it was found a moment ago and may do this; else `admitted` has the word."""
        for name, value in headers:
            if name == b"authorization":
                held = self._found.get(value)
                if held and held[1] >= time.monotonic() and needs in held[0].permissions:
                    return held[0]
        return None

    def admitted(self, headers: Iterable[tuple[bytes, bytes]], needs: Permission) -> ApiKey:
        """The key of a request, if it has the permission that the route needs."""
        value = next((v for name, v in headers if name == b"authorization"), None)
        if value is None:
            raise Unauthenticated(
                "This needs a key: send `Authorization: Bearer hk_…`. "
                "`heedful key create NAME --permissions …` makes one. Nothing was recorded."
            )
        held = self._found.get(value)
        if held is None or held[1] < time.monotonic():
            held = self._find(value)
        if needs not in held[0].permissions:
            raise Forbidden(
                f"This key may {' and '.join(sorted(held[0].permissions)) or 'do nothing'}, but "
                f"this needs '{needs}'. Nothing was recorded."
            )
        return held[0]

    def _find(self, value: bytes) -> tuple[ApiKey, float]:
        self._found.pop(value, None)
        scheme, _, secret = value.decode("latin-1").partition(" ")
        key = self._ledger.find_key(secret.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise Unauthenticated(
                "This key is unknown here, or was revoked. `heedful key list` shows those that "
                "are valid. Nothing was recorded."
            )
        if len(self._found) >= MOST_REMEMBERED:
            self._found.clear()
        self._found[value] = (key, time.monotonic() + REMEMBERED)
        return self._found[value]

    def forget(self) -> None:
        """Ask the ledger again for every key: one was revoked."""
        self._found.clear()


@lru_cache(maxsize=16)
def _networks(texts: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def _within(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _networks(tuple(networks)))


def client_of(scope: Scope, trusted: Sequence[str]) -> str:
    """The nearest address that is no proxy we trust; the peer's, if that is none."""
    peer = str(scope["client"][0]) if scope.get("client") else ""
    if not trusted or not _within(peer, trusted):
        return peer
    said: list[bytes] = [v for k, v in scope["headers"] if k == b"x-forwarded-for"]
    chain = [part.strip() for v in said for part in v.decode("latin-1").split(",")]
    for address in reversed(chain):
        if not _within(address, trusted):
            return address
        peer = address
    return peer


def is_local(scope: Scope) -> bool:
    """Whether the request comes from this machine itself, and through no proxy on it."""
    peer = str(scope["client"][0]) if scope.get("client") else ""
    passed_on = {b"x-forwarded-for", b"x-forwarded-host", b"forwarded", b"via", b"x-real-ip"}
    if any(name in passed_on for name, _ in scope["headers"]):
        return False
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
