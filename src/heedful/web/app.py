"""From bytes to an endpoint and back: the one place that finds the route, the key and the body,
and that turns an error into a problem document.

Written on ASGI itself, so that "may I send this?" costs little more than the server does; what is
no hot path uses Starlette's requests and responses.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from heedful import observe
from heedful.core.errors import HeedfulError, InvalidBody, InvalidJson, TooLarge
from heedful.ledger import ApiKey, Permission
from heedful.web import problems
from heedful.web.access import AccessLog
from heedful.web.callers import Callers, client_of
from heedful.web.landing import Landing
from heedful.web.stream import Changes
from heedful.web.together import Together
from heedful.web.wording import Wording
from heedful.wire import House

log = observe.logger(__name__)
S = TypeVar("S")

JSON_LIMIT = 1 << 20
"""Bytes of a body that are read; 1,000 events of ordinary length take a quarter of it."""


class Gone(Exception):
    """The caller hung up while its request was being read. There is nobody to answer."""


@dataclass(slots=True)
class Call:
    """One request, as an endpoint sees it."""

    app: "App"
    house: House
    route: "Route"
    scope: Scope
    receive: Receive
    params: Mapping[str, str]
    key: ApiKey | None = None
    raw: bytes = b""

    def body(self, decoder: "msgspec.json.Decoder[Any]") -> Any:
        return decoded(decoder, self.raw)

    def query(self, struct: type[S]) -> S:
        """The query string as its Struct. A name that is given twice counts as given last."""
        said = parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            return msgspec.convert(dict(said), struct, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidBody(plain_error(error)) from None

    def header(self, name: bytes) -> str | None:
        """The first header of that name (in lower case), as text."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return None

    @property
    def client(self) -> str:
        """The address that asks, seen through the proxies that brand.toml trusts."""
        return client_of(self.scope, self.house.trusted_proxies)


Endpoint = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the page of routes: what it answers, to whom, and in what form.

    `answer` is the Struct of a 200; a route without one answers `media`.
    """

    method: str
    path: str
    endpoint: Endpoint
    permission: Permission | None
    summary: str
    body: type | None = None
    answer: type | None = None
    query: type | None = None
    media: str = "application/json"
    takes: tuple[str, ...] = ("application/json",)
    problems: tuple[int, ...] = ()
    limit: int = JSON_LIMIT
    headers: tuple[tuple[str, str], ...] = ()


def decoded(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    """The body as its Struct. Errors name the place and show nothing of the content."""
    try:
        if not raw.isascii():
            raw.decode()  # what is skipped unread must be text all the same
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidBody(f"{plain_error(error)} Nothing was recorded.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidJson("The body is not JSON in UTF-8. Nothing was recorded.") from None


def plain_error(error: msgspec.ValidationError) -> str:
    """msgspec's sentence without what was sent: an `Invalid enum value` could hold anything."""
    text = str(error)
    said, _, place = text.partition(" - at ")
    what = said.split("'")[0].rstrip() if said.startswith("Invalid enum value") else said[:200]
    return what + (f" at {place.strip('`')}" if place else "") + "."


class App:
    """The ASGI application over one house."""

    def __init__(self, house: House, routes: Iterable[Route], access: AccessLog | None = None):
        self.house = house
        self.routes = tuple(routes)
        self.callers = Callers(house.ledger)
        self.changes = Changes(house)
        self.together = Together(house)
        self.wording = Wording(house.tokens)
        self.landing = Landing(house.ledger)
        self.stopping = asyncio.Event()
        self._access = access
        self._encode = msgspec.json.Encoder().encode
        self._exact = {(r.method, r.path): r for r in self.routes if "{" not in r.path}
        self._patterns = [
            (r, tuple(part for part in r.path.split("/"))) for r in self.routes if "{" in r.path
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
            else:
                await send({"type": "websocket.close", "code": 1000})
            return
        begun = time.perf_counter()
        method, status = scope["method"], 0
        route = self._exact.get((method, scope["path"]))
        params: Mapping[str, str] = _NONE
        try:
            if route is None:
                route, params = self._find(method, scope)
            if route is None:
                status = await self._nowhere(scope, method, send)
                return
            call = Call(self, self.house, route, scope, receive, params)
            if route.permission is not None:
                call.key = self.callers.remembered(
                    scope["headers"], route.permission
                ) or await self.house.read(
                    self.callers.admitted, scope["headers"], route.permission
                )
            if method == "POST":
                message = await receive()
                call.raw = message.get("body", b"")
                if (
                    message.get("more_body", False)
                    or len(call.raw) > route.limit
                    or message["type"] != "http.request"
                ):
                    call.raw = await body_of(message, receive, scope["headers"], route.limit)
            answer = await route.endpoint(call)
            if type(answer) is bytes:
                status = 200
                length = (b"content-length", b"%d" % len(answer))
                head = {"type": "http.response.start", "status": 200, "headers": [*_JSON, length]}
                await send(head)
                await send({"type": "http.response.body", "body": answer})
            elif isinstance(answer, Response):
                status = answer.status_code
                await answer(scope, receive, _bodiless(send) if method == "HEAD" else send)
            else:
                status = 200
                await _send(send, 200, self._encode(answer), _JSON, method)
        except HeedfulError as error:
            status = await self._problem(send, problems.of_error(error), method)
            if status >= 500:
                log.error("request_failed", route=route and route.path, code=error.code)
        except Gone:
            status = 499
        # The server must outlive what nobody foresaw; it is logged, counted, and said to be so.
        except Exception:
            log.exception("unexpected", route=route and route.path)
            observe.UNEXPECTED.labels("http").inc()
            if status == 0:
                said = problems.of_code("unexpected", _UNEXPECTED)
                status = await self._problem(send, said, method)
        finally:
            self._note(route.path if route else "-", method, status, time.perf_counter() - begun)

    def _find(self, method: str, scope: Scope) -> tuple[Route | None, Mapping[str, str]]:
        """The route of a path with parameters; HEAD is answered as GET without its body."""
        if method == "HEAD":
            exact = self._exact.get(("GET", scope["path"]))
            if exact is not None:
                return exact, _NONE
            method = "GET"
        parts = _segments(scope)
        for route, pattern in self._patterns:
            if route.method == method and (params := _matched(pattern, parts)) is not None:
                return route, params
        return None, _NONE

    async def _nowhere(self, scope: Scope, method: str, send: Send) -> int:
        """404, or 405 with the methods that there are."""
        path, parts = scope["path"], _segments(scope)
        methods = {m for m, p in self._exact if p == path}
        methods |= {r.method for r, p in self._patterns if _matched(p, parts) is not None}
        if not methods:
            said = problems.of_code("not_found", "There is nothing here. /docs lists all there is.")
            return await self._problem(send, said, method)
        if "GET" in methods:
            methods.add("HEAD")
        allowed = ", ".join(sorted(methods))
        said = problems.of_code("method_not_allowed", f"This answers to {allowed} only.")
        return await self._problem(send, said, method, ((b"allow", allowed.encode()),))

    async def _problem(
        self,
        send: Send,
        said: problems.Problem,
        method: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> int:
        if said.status == 401:
            headers = (*headers, (b"www-authenticate", b"Bearer"))
        if said.status == 503:
            headers = (*headers, (b"retry-after", b"2"))
        await _send(send, said.status, self._encode(said), (*_PROBLEM, *headers), method)
        return said.status

    def _note(self, path: str, method: str, status: int, seconds: float) -> None:
        if method not in _METHODS:
            method = "other"  # the caller's own word: labels come from closed lists
        observe.REQUESTS.note(path, method, status, seconds)
        if self._access is not None:
            self._access.note(method, path, status, seconds)


_NONE: Mapping[str, str] = {}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_JSON = ((b"content-type", b"application/json"), *_SAFE)
_PROBLEM = ((b"content-type", problems.MEDIA_TYPE.encode()), *_SAFE)
_UNEXPECTED = (
    "Something went wrong here that nobody foresaw; it was noted. If you were recording, ask again "
    "with the same request id: what was recorded is not recorded twice."
)


async def _send(
    send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...], method: str
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _bodiless(send: Send) -> Send:
    """A sender that leaves the body away and keeps the headers, as HEAD wants it."""

    async def headers_only(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return headers_only


async def body_of(
    message: Message, receive: Receive, headers: Iterable[tuple[bytes, bytes]], limit: int
) -> bytes:
    """The whole body, if it is no longer than the limit. One that says so is refused unread.

    `message` is its first part.
    """
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request":
        if len(body) <= limit:
            return body
        raise TooLarge(_too_large(limit))
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise TooLarge(_too_large(limit))
    chunks, size = [body], len(body)
    while True:
        if message["type"] == "http.disconnect":
            raise Gone
        if size > limit:
            raise TooLarge(_too_large(limit))
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])


def _too_large(limit: int) -> str:
    return (
        f"The body has more than {limit:,} bytes. Nothing was recorded. Send it in several parts, "
        "of at most 1,000 items each."
    )


def _segments(scope: Scope) -> list[bytes]:
    """The path as it was sent, cut at its slashes: an id may hold an escaped one."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].split(b"/")


def _matched(pattern: tuple[str, ...], parts: list[bytes]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    params = {}
    for want, part in zip(pattern, parts, strict=True):
        if want.startswith("{"):
            try:
                text = unquote_to_bytes(part).decode()
            except UnicodeDecodeError:
                return None
            if not text:
                return None
            params[want[1:-1]] = text
        elif want.encode() != part:
            return None
    return params


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
