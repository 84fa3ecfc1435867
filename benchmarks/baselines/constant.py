"""The same JSON from a constant: what server and framework cost by themselves.

`python -m benchmarks.baselines.constant bare|starlette PORT`, with the server's flags and the
collector's settings of Heedful. The body is encoded once; the request's is read and not looked at.
"""

import gc
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

BODY = msgspec.json.encode(ANSWER)


async def _check(request: Request) -> Response:
    await request.body()
    return Response(BODY, media_type="application/json")


async def bare(scope, receive, send):  # type: ignore[no-untyped-def]
    """No framework at all: what the server alone can do."""
    if scope["type"] != "http":
        return
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


APPS = {
    "bare": bare,
    "starlette": Starlette(routes=[Route("/v1/check", _check, methods=["POST"])]),
}

if __name__ == "__main__":
    which, port = sys.argv[1:]
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
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
