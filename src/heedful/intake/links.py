"""The tokens in messages: encrypted, so that a forwarded link shows no address; authenticated, so
that nobody can make one; bound to one purpose; and the same each time, so that nothing is stored.

    token = base64url(version ‖ length of key id ‖ key id ‖ AES-SIV(JSON, purpose))

They have no end. A link in a message of years ago must still stop messages.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from heedful.config import Key, Keys
from heedful.core.address import Address, AddressKind
from heedful.core.errors import InvalidAddress, InvalidInput, InvalidLink

_VERSION = 1
_LONGEST = 4096
_LOOK_EVERY = 1.0
"""Seconds between two looks into the keys file: whoever invents tokens must not cost us more."""
_FIELDS = {"t": "topic", "k": "campaign", "s": "segment", "v": "vendor", "m": "message"}


class Purpose(StrEnum):
    """What a link is for. A token of one purpose is worth nothing for another."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says: whose it is, and which message it came in."""

    address: Address
    topic: str | None = None
    campaign: str | None = None
    segment: str | None = None
    vendor: str | None = None
    message: str | None = None


class Links:
    """Makes and reads tokens. Tokens of every key that ever signed are read.

    `again` reads the keys anew: where a token names a key that is not known here, another process
    may have signed it with one that was made since.
    """

    def __init__(self, keys: Keys, again: Callable[[], Keys] | None = None) -> None:
        self._again = again
        self._looked = 0.0
        self._know(keys)

    def _know(self, keys: Keys) -> None:
        self._newest = keys.newest("links")
        self._ciphers = {key.id: _cipher(key) for key in keys.all("links")}

    def _cipher_of(self, key_id: str) -> AESSIV | None:
        due = monotonic() - self._looked > _LOOK_EVERY
        if key_id not in self._ciphers and self._again is not None and due:
            self._looked = monotonic()
            self._know(self._again())
        return self._ciphers.get(key_id)

    def token(self, purpose: Purpose, link: Link) -> str:
        """The token of a link: URL-safe, below 200 characters for everyday names."""
        said = {"a": _short(link.address)}
        for letter, name in _FIELDS.items():
            if value := getattr(link, name):
                said[letter] = value
        sealed = self._ciphers[self._newest.id].encrypt(
            json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(),
            [purpose.encode()],
        )
        key_id = self._newest.id.encode()
        token = base64.urlsafe_b64encode(bytes((_VERSION, len(key_id))) + key_id + sealed)
        if len(token) > _LONGEST:
            raise InvalidInput(f"A link of {len(token)} characters is too long for a message.")
        return token.decode().rstrip("=")

    def read(self, purpose: Purpose, token: str) -> Link:
        """What the token says. InvalidLink, if it was cut off, changed, or made for another use."""
        try:
            if len(token) > _LONGEST:
                raise ValueError
            raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            version, length = raw[0], raw[1]
            cipher = self._cipher_of(raw[2 : 2 + length].decode())
            if version != _VERSION or cipher is None:
                raise ValueError
            said = json.loads(cipher.decrypt(raw[2 + length :], [purpose.encode()]))
            return _link(said)
        except (ValueError, IndexError, KeyError, binascii.Error, InvalidTag, InvalidAddress):
            raise InvalidLink(
                "This link does not work: a part of it is missing or was changed. Nothing was "
                "changed. Open it again from the message itself, or opt out by your address."
            ) from None


def headers(url: str) -> dict[str, str]:
    """The headers of RFC 8058 for a message with this unsubscribe link.

    Both must be covered by the message's DKIM signature (`h=`), else mailboxes ignore them.
    """
    return {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _cipher(key: Key) -> AESSIV:
    """Two AES-256 keys out of the one secret, for this use alone."""
    return AESSIV(hmac.digest(key.secret, b"heedful links 1", "sha512"))


def _short(address: Address) -> str:
    """The shortest text that `Address.parse` reads back."""
    return address.text if address.kind is AddressKind.PUSH else address.value


def _link(said: Mapping[str, str]) -> Link:
    rest = {name: said[letter] for letter, name in _FIELDS.items() if letter in said}
    return Link(Address.parse(said["a"]), **rest)
