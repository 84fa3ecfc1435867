"""The token of a decision: what it was, and at which point of the history, under our seal.

token = base64url(seq ‖ catalogue ‖ outcome ‖ seal)      21 bytes
"""

import base64
import binascii
import hashlib
import hmac
import struct

from heedful.config import Keys
from heedful.core.decision import Outcome
from heedful.core.errors import InvalidBody

_FORM = struct.Struct(">QIB")
_SEAL = 8
_OUTCOMES = (Outcome.ALLOW, Outcome.DENY, Outcome.DEFER)
_NUMBER = {outcome: number for number, outcome in enumerate(_OUTCOMES)}


class DecisionTokens:
    """Makes and checks them, with the keys of the receipts."""

    def __init__(self, keys: Keys) -> None:
        self._seals = [
            hashlib.blake2b(digest_size=_SEAL, key=key.secret, person=b"heedful-decide")
            for key in reversed(keys.all("receipts"))
        ]

    def token(self, seq: int, catalogue: int, outcome: Outcome) -> str:
        said = _FORM.pack(seq, catalogue, _NUMBER[outcome])
        sealed = said + _seal(self._seals[0], said)
        return base64.urlsafe_b64encode(sealed).decode()

    def check(self, token: str) -> tuple[int, int, Outcome]:
        """The head, the catalogue and the outcome of a decision that was made here."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii"))
            said, seal = raw[: _FORM.size], raw[_FORM.size :]
            if not any(hmac.compare_digest(_seal(keyed, said), seal) for keyed in self._seals):
                raise ValueError
            seq, catalogue, number = _FORM.unpack(said)
            return seq, catalogue, _OUTCOMES[number]
        except (ValueError, binascii.Error, struct.error):
            raise InvalidBody(
                "`token` is not the token of a decision made here. Nothing was recorded."
            ) from None


def _seal(keyed: "hashlib.blake2b", said: bytes) -> bytes:
    made = keyed.copy()
    made.update(said)
    return made.digest()
