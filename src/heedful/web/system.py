"""What operators and tools ask: is it alive, is it ready, what does it count, what can it do."""

import re
from functools import cache

import msgspec
from starlette.responses import Response

from heedful import observe
from heedful.config import version
from heedful.core.decision import SENTENCES, ReasonCode
from heedful.core.errors import HeedfulError
from heedful.ledger import Permission
from heedful.web.app import Call, Route
from heedful.web.bodies import Health, Readiness
from heedful.web.callers import is_local
from heedful.web.openapi import described
from heedful.web.problems import every_code
from heedful.web.templating import inlined, page
from heedful.wire import House


async def healthz(_call: Call) -> Health:
    """This process is alive. Says nothing about the ledger: restarting would not help that."""
    return Health(ok=True)


async def readyz(call: Call) -> Response:
    """200 or 503, and which part is not ready. Vendors are shown to this machine and to who has a
    key only; one that is not configured makes nothing unready."""
    ready = await call.house.thread(_readiness, call.house)
    if not _may_look(call):
        ready = msgspec.structs.replace(ready, vendors=msgspec.UNSET)
    return Response(
        msgspec.json.encode(ready),
        200 if ready.ready else 503,
        {"content-type": "application/json", "cache-control": "no-store"},
    )


def _readiness(house: House) -> Readiness:
    try:
        house.ledger.head()
        ledger = "ok"
        vendors = {v.vendor: str(v.telling) for v in house.vendors()}
    except HeedfulError as error:
        ledger, vendors = error.code, {}
    dispatcher = house.dispatching()
    return Readiness(ledger == "ok" and dispatcher != "stopped", ledger, dispatcher, vendors)


async def metrics(call: Call) -> Response:
    """The counters, for Prometheus: to this machine, or with a key that may `read`."""
    if not is_local(call.scope):
        call.app.callers.admitted(call.scope["headers"], Permission.READ)
    body = await call.house.thread(_metrics, call.house)
    return Response(body, 200, {"content-type": "text/plain; version=0.0.4; charset=utf-8"})


def _metrics(house: House) -> bytes:
    lines = []
    try:
        lines.append(f"heedful_ledger_head {house.ledger.head().seq}")
        for vendor in house.vendors():
            label = f'{{vendor="{vendor.vendor}"}}'
            numbers = {"behind": vendor.behind, "waiting": vendor.waiting, "dead": vendor.dead}
            lines += [f"heedful_vendor_{name}{label} {n}" for name, n in numbers.items()]
        lines.append("heedful_ledger_up 1")
    except HeedfulError:
        lines.append("heedful_ledger_up 0")
    return observe.metrics() + "\n".join(sorted(lines)).encode() + b"\n"


def _may_look(call: Call) -> bool:
    if is_local(call.scope):
        return True
    try:
        call.app.callers.admitted(call.scope["headers"], Permission.READ)
    except HeedfulError:
        return False
    return True


async def openapi(call: Call) -> Response:
    """The description of every route, itself included."""
    return Response(_openapi(call.app.routes), 200, {"content-type": "application/json"})


@cache
def _openapi(routes: tuple[Route, ...]) -> bytes:
    return msgspec.json.encode(described(routes, version()))


async def docs(call: Call) -> Response:
    """All of it to read and to try, without asking anybody else for anything."""
    css, css_hash = inlined("docs.css")
    js, js_hash = inlined("docs.js")
    return page(
        200,
        "docs.html",
        f"style-src {css_hash}; script-src {js_hash}; connect-src 'self'",
        "en",
        version=version(),
        routes=[_documented(route) for route in call.app.routes],
        reasons=[(code, SENTENCES[code].format(scope="SCOPE")) for code in ReasonCode],
        problems=[(code, s, meaning) for code, (s, _, meaning) in sorted(every_code().items())],
        css=css,
        js=js,
    )


_EXAMPLES: dict[str, object] = {
    "/v1/events": {"events": [{"subject": "+14155550100", "action": "opt_out"}]},
    "/v1/check": {
        "checks": [{"to": "ann@example.com", "channel": "email", "topic": "weekly_deals"}]
    },
    "/v1/subjects/query": {"subject": "+14155550100"},
    "/v1/sends": {
        "sends": [
            {
                "to": "ann@example.com",
                "channel": "email",
                "topic": "weekly_deals",
                "at": "2026-03-05T09:30:00Z",
                "request_id": "mail-1",
            }
        ]
    },
    "/v1/stamp": {"to": "ann@example.com", "topic": "weekly_deals"},
}


def _documented(route: Route) -> dict[str, object]:
    example = _EXAMPLES.get(route.path) if route.method == "POST" else None
    return {
        "id": route.method.lower() + re.sub(r"\W+", "-", route.path).rstrip("-"),
        "method": route.method,
        "path": route.path,
        "summary": route.summary,
        "permission": route.permission,
        "fields": fields_of(route.body),
        "parts": [(p[1:-1], "+14155550100") for p in route.path.split("/") if p.startswith("{")],
        "query": fields_of(route.query),
        "example": example and msgspec.json.format(msgspec.json.encode(example)).decode(),
        "try_it": route.path.startswith(("/v1/", "/healthz", "/readyz"))
        and route.media == "application/json",
    }


def fields_of(struct: type | None) -> list[str]:
    return [] if struct is None else [field.name for field in msgspec.structs.fields(struct)]
