"""Twilio's signature: base64(HMAC(secret, URL + each sorted parameter's name and values)).

As their own `request_validator.py` of twilio 9.13.0 computes it, and tested against that.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit, urlunsplit

from heedful.core.errors import Forged
from heedful.vendors.contract import HookRequest

HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
_PORTS = {"https": 443, "http": 80}

Form = Sequence[tuple[str, str]]


def check(
    request: HookRequest, form: Form | None, auth_token: str, shared_key: str | None = None
) -> None:
    """Raise Forged unless Twilio signed this request. `form` is None for a body that is no form."""
    given = request.headers.get(HEADER, "").strip()
    if not given:
        raise Forged("The request has no X-Twilio-Signature. Nothing was recorded.")
    if form is None:
        _check_body(request)
    secret, digest = _secret(request.headers, auth_token, shared_key)
    signed = "".join(_signed(form or ()))
    # Twilio signs some URLs with their default port and some without it.
    one, other = (_hmac(secret, url + signed, digest) for url in _spellings(request.url))
    claimed = given.encode("utf-8", "replace")
    if not hmac.compare_digest(one, claimed) | hmac.compare_digest(other, claimed):
        raise Forged(
            "The X-Twilio-Signature does not fit. Nothing was recorded. It is computed over the "
            "URL as Twilio calls it, which must begin with brand.url, and with the auth token "
            "of the account that owns the number."
        )


def _secret(headers: Mapping[str, str], auth_token: str, shared_key: str | None) -> tuple[str, str]:
    """The secret and the hash that the request claims to be signed with."""
    settings = headers.get(SETTINGS_HEADER, "")
    named = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    algorithm = named.get("algorithm", "").strip().upper()
    if not named.get("key", "").strip() and algorithm in ("", "HMAC_SHA1"):
        return auth_token, "sha1"
    if algorithm != "HMAC_SHA256":
        raise Forged(f"Twilio signed with '{algorithm[:40]}', which is not known here.")
    if not shared_key:
        raise Forged(
            "Twilio signed with a shared key, and this vendor has no `shared_key` in brand.toml. "
            "Nothing was recorded."
        )
    return shared_key, "sha256"


def _check_body(request: HookRequest) -> None:
    """A body that is no form is covered by its digest in the URL, which is signed."""
    claimed = parse_qs(urlsplit(request.url).query).get("bodySHA256", [""])[0]
    actual = hashlib.sha256(request.body).hexdigest()
    if not hmac.compare_digest(actual.encode(), claimed.lower().encode("utf-8", "replace")):
        raise Forged("The body does not fit the URL's bodySHA256. Nothing was recorded.")


def _signed(form: Form) -> Iterator[str]:
    """Each name with each of its values, both sorted, and each only once."""
    for name, value in sorted(set(form)):
        yield name + value


def _hmac(secret: str, text: str, digest: str) -> bytes:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "replace"), digest))


def _spellings(url: str) -> tuple[str, str]:
    """The URL without its port, and with one: its own, else the scheme's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    elif parts.netloc.lower().startswith(host):
        host = parts.netloc[: len(host)]  # as it was written: the signature knows capitals
    port = parts.port or _PORTS.get(parts.scheme, 80)
    return urlunsplit(parts._replace(netloc=host)), urlunsplit(
        parts._replace(netloc=f"{host}:{port}")
    )
