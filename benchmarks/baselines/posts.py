"""Signed POSTs as fast as aiohttp sends them: 100 vendors, one in flight at each.

`python -m benchmarks.baselines.posts PORT COUNT VENDORS` prints POSTs a second. The body is of an
instruction's size, and each is signed (HMAC-SHA-256 over id, time and body) as it must be.
"""

import asyncio
import base64
import hmac
import json
import sys
import time

import aiohttp
import uvloop

BODY = json.dumps(
    {
        "type": "consent.opt_out",
        "timestamp": "2026-03-05T09:30:00.123456Z",
        "data": {
            "seq": 4711,
            "subject": "tel:+14155550100",
            "scope": "sms/marketing",
            "action": "opt_out",
            "occurred_at": "2026-03-05T09:30:00.123456Z",
            "standing": [{"channel": "sms", "topic": "weekly_deals", "is": "out"}],
            "honour_by": "2026-03-06T09:30:00.123456Z",
        },
    }
).encode()
SECRET = b"0" * 32


async def main(port: int, count: int, vendors: int) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=cookies) as session:

        async def tell(vendor: int, many: int) -> None:
            url = f"http://127.0.0.1:{port}/{vendor}"
            for number in range(many):
                name, stamp = f"evt_{vendor}_{number}", str(int(time.time()))
                signed = f"{name}.{stamp}.".encode() + BODY
                signature = base64.b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
                headers = {
                    "content-type": "application/json",
                    "webhook-id": name,
                    "webhook-timestamp": stamp,
                    "webhook-signature": f"v1,{signature}",
                }
                async with session.post(url, data=BODY, headers=headers) as answer:
                    await answer.read()
                    assert answer.status == 200

        await asyncio.gather(*(tell(vendor, 2) for vendor in range(vendors)))
        begun = time.perf_counter()
        await asyncio.gather(*(tell(vendor, count // vendors) for vendor in range(vendors)))
        print(vendors * (count // vendors) / (time.perf_counter() - begun))


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:])))
