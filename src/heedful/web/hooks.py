"""Vendors' webhooks, as they arrive: raw bytes in, the vendor's own form of answer out."""

from starlette.responses import Response

from heedful.web.app import Call

LIMIT = 256 * 1024
"""Bytes of a webhook. Providers' batches of events are the largest, at some 100 KiB."""


async def receive(call: Call) -> Response:
    """Hand it to the vendor's own reading; answered after the commit."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1")
        for name, value in call.scope["headers"]
    }
    query = call.scope["query_string"].decode("latin-1")
    reply = await call.house.thread(
        call.house.hooks.receive, call.params["vendor"], query, headers, call.raw
    )
    return Response(reply.body, reply.status, {"content-type": reply.content_type})
