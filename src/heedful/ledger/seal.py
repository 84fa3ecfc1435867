"""What makes the history provable: keyed hashes, canonical bytes, the chain, signed checkpoints.

An address is known to the tables by a keyed hash only. An event's hash covers salted digests of
what is personal, so that the text can be deleted and the chain still holds.
"""

import hashlib
import os
from dataclasses import replace
from hmac import compare_digest

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from heedful.config import Key, Keys
from heedful.core.address import Subject
from heedful.core.errors import InvalidEvent
from heedful.ledger.values import Checkpoint

START = b"\0" * 32
"""The hash before the first event."""

SALT = 16
"""Bytes of a salt: a digest of a phone number without one is soon reversed."""

_WORD = b"This ledger and this key belong together."


class Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an event's hash covers. Encoded, it is canonical JSON: the fields stand in the order of
    their names here, what is absent is left out, and there is no white space.

    `subject` and `address` are keys in hex. `*_digest` and `evidence` are SHA-256 of salt ‖ text.
    """

    action: str
    address: str | None = None
    address_digest: str | None = None
    basis: str | None = None
    confirmation: str | None = None
    consent: str | None = None
    evidence: str | None = None
    flagged: str | None = None
    lifts: bool = False
    limit: tuple[int | None, int | None, int | None] | None = None
    occurred_at: int
    prefer: tuple[str, str] | None = None
    purge_by: int | None = None
    reason: str | None = None
    recorded_at: int
    request_id: str | None = None
    retracts: int | None = None
    scope: str | None = None
    sender: str | None = None
    seq: int
    source: str
    subject: str
    subject_digest: str | None = None
    suppression: str | None = None


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Body).decode


def canonical(value: object) -> bytes:
    """The one spelling of a value as JSON: keys in order, no white space, UTF-8.

    >>> canonical({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}'
    """
    try:
        return _encode(value)
    except UnicodeEncodeError:
        raise InvalidEvent(
            "A text has half of a character in it (a lone surrogate) and cannot be stored. "
            "Nothing was recorded."
        ) from None


def body_of(encoded: bytes) -> Body:
    """Read a stored body back."""
    return _decode(encoded)


def link(before: bytes, body: bytes) -> bytes:
    """The hash of an event from the hash of the one before and its own body."""
    return hashlib.sha256(before + body).digest()


def salted(salt: bytes, text: str) -> str:
    """The digest under which an event knows a text that can be deleted."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


def new_salt() -> bytes:
    """Random bytes that lie beside one text and are deleted with it."""
    return os.urandom(SALT)


def request_key(source: str, request_id: str) -> bytes:
    """Sixteen bytes for a source's request id, compared byte by byte on every engine."""
    text = f"{len(source)}:{source}{request_id}"
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        canonical(text)
        raise
    return hashlib.blake2b(octets, digest_size=16, person=b"heedful-request").digest()


class Seal:
    """The keyed hashes of one ledger."""

    __slots__ = ("_content", "_subject", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self._subject = hashlib.blake2b(digest_size=16, key=key.secret, person=b"heedful-subject")
        self._content = hashlib.blake2b(digest_size=16, key=key.secret, person=b"heedful-content")

    def key_of(self, subject: Subject) -> bytes:
        """The sixteen bytes by which the ledger knows a subject."""
        return self.key_of_text(subject.text)

    def key_of_text(self, text: str) -> bytes:
        """The same from the subject's canonical text."""
        keyed = self._subject.copy()
        keyed.update(text.encode())
        return keyed.digest()

    def content_of(self, said: bytes) -> bytes:
        """What tells a repeat from another statement, without telling what was said."""
        keyed = self._content.copy()
        keyed.update(said)
        return keyed.digest()

    @property
    def check(self) -> bytes:
        """What the ledger keeps to know this key again."""
        keyed = hashlib.blake2b(_WORD, digest_size=16, key=self.key.secret, person=b"heedful-check")
        return keyed.digest()

    def matches(self, check: bytes) -> bool:
        return compare_digest(self.check, check)


def _signer(key: Key) -> Ed25519PrivateKey:
    derived = HKDF(SHA256(), 32, salt=None, info=b"heedful checkpoint").derive(key.secret)
    return Ed25519PrivateKey.from_private_bytes(derived)


def statement_of(checkpoint: Checkpoint) -> bytes:
    """The bytes that a checkpoint's signature is over."""
    return canonical(
        {
            "epoch": checkpoint.epoch,
            "hash": checkpoint.hash,
            "key": checkpoint.key,
            "made_at": checkpoint.made_at,
            "recorded_at": checkpoint.recorded_at,
            "seq": checkpoint.seq,
        }
    )


def signed(checkpoint: Checkpoint, key: Key) -> Checkpoint:
    """The checkpoint with its signature by this receipts key."""
    named = replace(checkpoint, key=key.id)
    return replace(named, signature=_signer(key).sign(statement_of(named)))


def public_key(key: Key) -> bytes:
    """Thirty-two bytes with which anybody can check a checkpoint's signature (Ed25519)."""
    return _signer(key).public_key().public_bytes_raw()


def is_genuine(checkpoint: Checkpoint, keys: Keys) -> bool:
    """Whether one of our receipts keys signed exactly this."""
    for key in keys.all("receipts"):
        if key.id == checkpoint.key:
            try:
                _signer(key).public_key().verify(checkpoint.signature, statement_of(checkpoint))
            except InvalidSignature:
                continue
            return True
    return False
