"""A webhook of the brand's own or of any vendor that takes Standard Webhooks.

Their words      they read ours: type `consent.opt_out`, `data` as docs describe it
Asking twice     safe where they keep `webhook-id`: it is the same on every attempt
Limits           429 and 503 may carry Retry-After, which is obeyed up to an hour
How we checked   fixtures/*.json, from standardwebhooks.com; signed by their own library
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error as NotBase64
from binascii import b2a_base64
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

import aiohttp
import msgspec
from aiohttp.payload import BytesPayload
from yarl import URL

from heedful.core.errors import NotConfigured
from heedful.core.instant import SECOND, Instant, from_datetime, text_of
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


_json = msgspec.json.Encoder().encode
_text_of = lru_cache(1024)(text_of)  # vendors hear of the same event one after another


class WebhookConnector:
    """Tells one URL. May be kept and used from many tasks at once."""

    def __init__(self, account: Account) -> None:
        self._url = URL(account.settings["url"])
        self._clock = account.clock
        self._key = _key(account)

    async def tell(self, order: Instruction, http: aiohttp.ClientSession) -> Answer:
        said = {"type": order.type, "timestamp": _text_of(order.at), "data": order.data}
        body = _json(said)
        try:
            response = await http.post(
                self._url,
                data=BytesPayload(body),
                headers=self._headers(order.id, body),
                allow_redirects=False,  # the signature is for this address, and so is the data
                timeout=TIMEOUT,
            )
            try:
                words = await response.content.read(_READ)
            finally:
                response.release()  # what was read to its end is used again, all else is closed
            if 200 <= response.status < 300:
                return _told(response.status, words)
            return self._answer(response.status, response.headers.get("Retry-After"), words)
        except TimeoutError:
            return Later(None, f"no answer within {TIMEOUT.total:g} seconds")
        except (aiohttp.ClientError, OSError) as error:
            return Later(None, shown(f"{type(error).__name__}: {error}"))

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        """Signed as Standard Webhooks says: over id, second and body, with HMAC-SHA-256."""
        stamp = str(self._clock() // SECOND)
        signed = hmac.digest(self._key, f"{message_id}.{stamp}.".encode() + body, "sha256")
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": "v1," + b2a_base64(signed, newline=False).decode(),
        }

    def _answer(self, status: int, retry_after: str | None, said: bytes) -> Answer:
        words = _words(status, said)
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


def _key(account: Account) -> bytes:
    """The bytes that a secret of Standard Webhooks stands for."""
    try:
        # Some leave out the padding; too much of it harms nothing.
        key = b64decode(account.settings["secret"].removeprefix("whsec_") + "==")
    except (NotBase64, ValueError):
        key = b""
    if not key:
        raise NotConfigured(
            f"The secret of vendors.{account.vendor} is not one of Standard Webhooks: "
            "whsec_ and then base64."
        )
    return key


def _words(status: int, said: bytes) -> str:
    return f"{status} {shown(said.decode('utf-8', 'replace'))}".strip()


@lru_cache(256)  # most say the same each time
def _told(status: int, said: bytes) -> Told:
    return Told(_words(status, said))


def shown(text: str) -> str:
    """What may be stored of a vendor's answer: one short line without an address in it.

    >>> shown("no such person:\\n ann@example.com, +1 415 555 0100")
    'no such person: …, …'
    """
    plain = "".join(char if char.isprintable() else " " for char in _ADDRESS.sub("…", text))
    line = " ".join(plain.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
