"""What the stored columns should be, worked out again from an event's body alone.

For `verify` only, and written apart from seal.py, draft.py and core.state on purpose: a fault in
one of those must show as a difference here. So nothing of them is imported.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from heedful.config import Key

Said = dict[str, Any]
"""An event's body as plain JSON values."""

BEFORE_ALL = bytes(32)
"""The hash that the first event's is built on."""

ACTIONS = (
    "opt_out", "opt_in", "opt_in_requested", "suppress", "release", "limit", "prefer", "link",
    "unlink", "retract", "erase",
)  # fmt: skip


def plain_json(value: object) -> bytes:
    """JSON with its keys in order and no white space, in UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def said_in(body: bytes) -> Said | str:
    """The body's values, or a sentence about why they are not readable as written."""
    try:
        said = json.loads(body)
        if not isinstance(said, dict) or plain_json(said) != body:
            return "its body is not canonical JSON"
    except (ValueError, RecursionError):
        return "its body is not JSON"
    required = {"action": str, "occurred_at": int, "recorded_at": int, "seq": int}
    required |= {"source": str, "subject": str}
    for name, kind in required.items():
        if not isinstance(said.get(name), kind):
            return f"its body says no {name}"
    if said["action"] not in ACTIONS:
        return "its body names no action that there is"
    return said


def chained(before: bytes, body: bytes) -> bytes:
    """The hash of an event: over the hash before it and its own body."""
    digest = hashlib.sha256(before)
    digest.update(body)
    return digest.digest()


def text_digest(salt: bytes, text: str) -> str:
    """The salted digest that stands in a body for a personal text."""
    digest = hashlib.sha256(salt)
    digest.update(text.encode())
    return digest.hexdigest()


def request_digest(source: str, request_id: str) -> bytes:
    """The key of a request id within its source."""
    said = str(len(source)) + ":" + source + request_id
    return hashlib.blake2b(said.encode(), digest_size=16, person=b"heedful-request").digest()


def subject_hash(key: Key, text: str) -> bytes:
    """The key of a subject, from its text form."""
    return hashlib.blake2b(
        text.encode(), digest_size=16, key=key.secret, person=b"heedful-subject"
    ).digest()


def key_check(key: Key) -> bytes:
    """What a ledger keeps of its address-hash key, to know it again."""
    word = b"This ledger and this key belong together."
    return hashlib.blake2b(word, digest_size=16, key=key.secret, person=b"heedful-check").digest()


def content_digest(
    key: Key, said: Said, text: str, other: str | None, evidence: str | None, at: int | None
) -> bytes:
    """What tells a repeat from another statement; `at` is the time as its source said it."""
    told = [
        said["action"],
        text,
        said.get("scope"),
        other,
        at,
        said.get("reason"),
        json.loads(evidence) if evidence is not None else {},
        said.get("consent"),
        said.get("basis"),
        said.get("lifts", False),
        said.get("suppression"),
        said.get("sender"),
        said.get("limit"),
        said.get("prefer"),
        said.get("retracts"),
    ]
    return hashlib.blake2b(
        plain_json(told), digest_size=16, key=key.secret, person=b"heedful-content"
    ).digest()


def signature_holds(key: Key, statement: dict[str, object], signature: bytes) -> bool:
    """Whether the receipts key signed the statement (Ed25519, derived by HKDF-SHA-256)."""
    seed = HKDF(SHA256(), 32, salt=None, info=b"heedful checkpoint").derive(key.secret)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    try:
        public.verify(signature, plain_json(statement))
    except InvalidSignature:
        return False
    return True


def cells_said(said: Said) -> Iterator[tuple[str, str, str, str | None]]:
    """The cells that an event writes: whose (hex), slot, scope, value."""
    action, subject, scope = said["action"], said["subject"], said.get("scope") or ""
    if action == "opt_out":
        yield subject, "out", scope, None
    elif action == "opt_in":
        yield subject, f"in:{said['consent']}:{said.get('basis', 'none')}", scope, None
        if said.get("lifts"):
            yield subject, "lift", scope, None
    elif action == "opt_in_requested":
        yield subject, "pending", scope, None
    elif action in ("suppress", "release"):
        kind = [action, said["suppression"]]
        if said.get("sender"):
            kind.append(said["sender"])
        yield subject, ":".join(kind), scope, None
        if kind[:2] == ["suppress", "reassigned"]:
            yield subject, "reassigned", "", None
    elif action == "limit":
        parts = ["-" if part is None else str(part) for part in said["limit"]]
        yield subject, "limit", scope, " ".join(parts)
    elif action == "prefer":
        what, wish = said["prefer"]
        yield subject, "prefer:" + what, "", wish
    elif action in ("link", "unlink"):
        yield subject, action, said["address"], None
        yield said["address"], action, subject, None
    elif action == "erase":
        yield subject, "erase", "", None
