"""`verify` beside the history: checkpoints, catalogues, cursors, and rows that belong to events."""

import hashlib
import tomllib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from heedful.config import Keys
from heedful.ledger.rederive import key_check, signature_holds, subject_hash
from heedful.ledger.values import Row

Say = Callable[[str], None]
Hashes = dict[int, tuple[bytes, int]]

_DELIVERY_STATES = ("told", "later", "refused", "overtaken", "dead")
_CHANNELS = ("sms", "email", "voice", "whatsapp", "rcs", "push", "postal")
_CATEGORIES = ("transactional", "informational", "promotional")
_PERMISSIONS = {"check", "record", "read", "admin"}


class _Source(Protocol):
    def stream(self, name: str) -> Iterator[Row]: ...


def asides(source: _Source, keys: Keys, last: int, hashes: Hashes, say: Say) -> None:
    """Check everything that is no event and no cell. `last` is the last event's number."""
    for first, second in source.stream("verify_requests"):
        say(f"Events {first} and {second} have the same request.")
    for table, seq in source.stream("verify_alone"):
        say(f"A row of {table} belongs to event {seq}, which is not there.")
    _keys(source, keys, say)
    _addresses(source, keys, last, say)
    _catalogues(source, say)
    _checkpoints(source, keys, last, hashes, say)
    _cursors(source, last, hashes, say)
    _words(source, say)


def _keys(source: _Source, keys: Keys, say: Say) -> None:
    ours = {key.id: key_check(key) for key in keys.all("address_hash")}
    stored: dict[str, bytes] = dict(source.stream("key_checks"))
    for key in ours.keys() | stored.keys():
        if ours.get(key) != stored.get(key):
            say(f"The check value of hash key {key} is not the one of the key at hand.")


def _addresses(source: _Source, keys: Keys, last: int, say: Say) -> None:
    key = keys.newest("address_hash")
    for subject, text, salt, since, named in source.stream("verify_addresses"):
        if text is not None and subject_hash(key, text) != subject:
            say(f"The text stored for {subject.hex()} is another subject's.")
        if (text is None) != (salt is None):
            say(f"Of the text and the salt of {subject.hex()} only one is there.")
        if not 0 < since <= last + 1:
            say(f"The salt of {subject.hex()} is from event {since}, which is not there.")
        if not named:
            say(f"A text is stored for {subject.hex()}, and no event names it.")


def _catalogues(source: _Source, say: Say) -> None:
    (head,) = source.stream("head")
    topics: dict[str, tuple[str, int, int]] = {}
    before, latest = 0, -(2**63)
    for number, applied_at, digest, text in source.stream("verify_catalogues"):
        if number != before + 1:
            say(f"Catalogue {before + 1} is missing.")
        if applied_at < latest:
            say(f"Catalogue {number} was applied earlier than the one before it.")
        before, latest = number, applied_at
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            say(f"The text of catalogue {number} is not what was applied.")
        for name, category in _topics(text):
            topics.setdefault(name, (category, number, applied_at))
    if head[4] != before:
        say(f"The head says catalogue {head[4]}, and the last one is {before}.")
    for name, *rest in source.stream("verify_topics"):
        if topics.pop(name, None) != tuple(rest):
            say(f"Topic '{name}' is not stored as the catalogues say.")
    for name in topics:
        say(f"Topic '{name}' is in the catalogues and not in the list of topics.")


def _topics(text: str) -> Iterator[tuple[str, str]]:
    try:
        held: Any = tomllib.loads(text).get("topics", {})
        for name, topic in held.items():
            yield name, topic["category"]
    except (tomllib.TOMLDecodeError, AttributeError, KeyError, TypeError):
        return  # its digest says that it was changed


def _checkpoints(source: _Source, keys: Keys, last: int, hashes: Hashes, say: Say) -> None:
    known = {key.id: key for key in keys.all("receipts")}
    for seq, digest, recorded_at, epoch, made_at, name, signature in source.stream("checkpoints"):
        statement: dict[str, object] = {
            "epoch": epoch, "hash": digest.hex(), "key": name, "made_at": made_at,
            "recorded_at": recorded_at, "seq": seq,
        }  # fmt: skip
        if name not in known:
            say(f"The checkpoint at event {seq} is signed with key {name}, which is not at hand.")
        elif not signature_holds(known[name], statement, signature):
            say(f"The checkpoint at event {seq} is not what its signature is of.")
        if seq > last:
            say(f"A checkpoint says event {seq}, and the last event is {last}.")
        elif hashes.get(seq) != (digest, recorded_at):
            say(f"The history is not the one that the checkpoint at event {seq} says.")


def _cursors(source: _Source, last: int, hashes: Hashes, say: Say) -> None:
    for vendor, stage, as_of, seq, digest, state in source.stream("verify_vendor_cursors"):
        if stage not in ("first", "feed") or state not in ("active", "disabled"):
            say(f"The cursor of vendor '{vendor}' has a word that means nothing.")
        if not (0 <= seq <= last and 0 <= as_of <= last):
            say(f"Vendor '{vendor}' was told beyond the last event, {last}.")
        elif digest and not hashes.get(seq, (b"", 0))[0].hex().startswith(digest):
            say(f"The cursor of vendor '{vendor}' is of another history than event {seq}.")


def _words(source: _Source, say: Say) -> None:
    for state, seq in source.stream("verify_delivery_states"):
        if state not in _DELIVERY_STATES:
            say(f"The delivery of event {seq} is in a state that means nothing.")
    for channel, category in source.stream("verify_send_words"):
        if channel not in _CHANNELS or category not in _CATEGORIES:
            say("A message reported as sent has a channel or category that means nothing.")
    for name, permissions, secret in source.stream("verify_api_keys"):
        if not set(permissions.split()) <= _PERMISSIONS or len(secret) != 32:
            say(f"The API key '{name}' is not stored as one is.")
