"""A webhook of the brand's own or of any vendor that takes Standard Webhooks.

Their words      they read ours: type `consent.opt_out`, `data` as docs describe it
Asking twice     safe where they keep `webhook-id`: it is the same on every attempt
Limits           429 and 503 may carry Retry-After, which is obeyed up to an hour
How we checked   fixtures/*.json, from standardwebhooks.com; signed by their own library
"""

from __future__ import annotations

import binascii
import json
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from heedful.core.errors import NotConfigured
from heedful.core.instant import SECOND, Instant, from_datetime, text_of, to_datetime
from heedful.vendors.contract import Account, Answer, Instruction, Later, Refused, Told

TIMEOUT = aiohttp.ClientTimeout(total=15)
"""Standard Webhooks advises 15 to 30 seconds. Who needs longer should answer first, then work."""
LONGEST_WAIT: Instant = 3600 * SECOND
_READ = 2000
_SHOWN = 200
_ADDRESS = re.compile(
    r"""[^\s"'<>,;]*(?:@|%40)[^\s"'<>,;]*
      | (?:tel|mailto|push|contact|md5|sha256):[^\s"'<>,;]+
      | \+?\d[\d\ ().-]{4,}\d""",
    re.VERBOSE | re.IGNORECASE,
)


class WebhookConnector:
    """Tells one URL. May be kept and used from many tasks at once."""

    def __init__(self, account: Account) -> None:
        self._url = account.settings["url"]
        self._clock = account.clock
        try:
            self._signer = Webhook(account.settings["secret"])
        except (binascii.Error, EmptyWebhookSecretError, ValueError):
            raise NotConfigured(
                f"The secret of vendors.{account.vendor} is not one of Standard Webhooks: "
                "whsec_ and then base64."
            ) from None

    async def tell(self, order: Instruction, http: aiohttp.ClientSession) -> Answer:
        body = json.dumps(
            {"type": order.type, "timestamp": text_of(order.at), "data": order.data},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        try:
            async with http.post(
                self._url,
                data=body.encode(),
                headers=self._headers(order.id, body),
                allow_redirects=False,  # the signature is for this address, and so is the data
                timeout=TIMEOUT,
            ) as response:
                said = await response.content.read(_READ)
                return self._answer(response.status, response.headers.get("Retry-After"), said)
        except TimeoutError:
            return Later(None, f"no answer within {TIMEOUT.total:g} seconds")
        except (aiohttp.ClientError, OSError) as error:
            return Later(None, shown(f"{type(error).__name__}: {error}"))

    def _headers(self, message_id: str, body: str) -> dict[str, str]:
        now = to_datetime(self._clock())
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }

    def _answer(self, status: int, retry_after: str | None, said: bytes) -> Answer:
        words = f"{status} {shown(said.decode('utf-8', 'replace'))}".strip()
        if 200 <= status < 300:
            return Told(words)
        if status == 410:  # their way to say: this receiver is gone, send no more
            return Refused(words, disable=True)
        if status in (429, 503):
            return Later(self._wait(retry_after), words)
        return Later(None, words)

    def _wait(self, retry_after: str | None) -> Instant | None:
        """What Retry-After asks for, in seconds or as a date; None where it is neither."""
        text = (retry_after or "").strip()
        if re.fullmatch(r"\d{1,9}", text):
            asked = int(text) * SECOND
        else:
            try:
                until = parsedate_to_datetime(text)
            except (ValueError, TypeError):
                return None
            until = until if until.tzinfo else until.replace(tzinfo=UTC)
            asked = from_datetime(until) - self._clock()
        return min(max(asked, 0), LONGEST_WAIT)


def shown(text: str) -> str:
    """What may be stored of a vendor's answer: one short line without an address in it.

    >>> shown("no such person:\\n ann@example.com, +1 415 555 0100")
    'no such person: …, …'
    """
    plain = "".join(char if char.isprintable() else " " for char in _ADDRESS.sub("…", text))
    line = " ".join(plain.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
