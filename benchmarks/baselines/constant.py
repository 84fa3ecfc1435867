"""The same JSON from a constant: what server and framework cost by themselves.

`python -m benchmarks.baselines.constant bare|starlette PORT`, with the server's flags of Heedful.
"""

import sys

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = {
    "decisions": [
        {
            "outcome": "deny",
            "reasons": [
                {
                    "code": "opted_out",
                    "text": "The person opted out of sms/marketing and has not come back.",
                    "because": [1234567],
                    "scope": "sms/marketing",
                }
            ],
            "alternatives": [],
            "token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        }
    ],
    "seq": 2345678,
}

_encode = msgspec.json.Encoder().encode


async def _check(request: Request) -> Response:
    await request.body()
    return Response(_encode(ANSWER), media_type="application/json")


async def bare(scope, receive, send):  # type: ignore[no-untyped-def]
    """No framework at all: what the server alone can do."""
    if scope["type"] != "http":
        return
    await receive()
    body = _encode(ANSWER)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


APPS = {
    "bare": bare,
    "starlette": Starlette(routes=[Route("/v1/check", _check, methods=["POST"])]),
}

if __name__ == "__main__":
    which, port = sys.argv[1:]
    uvicorn.run(
        APPS[which],
        host="127.0.0.1",
        port=int(port),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=30,
        backlog=2048,
    )
