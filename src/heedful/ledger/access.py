"""API keys: who may call, and what for. A key's secret is shown once and kept as a hash."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest

from heedful.core.errors import Forbidden, InvalidInput, near_miss
from heedful.core.instant import Instant, text_of
from heedful.ledger.append import Append
from heedful.ledger.values import Row

PREFIX = "hk_"


class Permission(StrEnum):
    """What a key may do. `admin` is for keys, catalogues and erasures."""

    CHECK = "check"
    RECORD = "record"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the ledger knows it; the secret itself is nowhere."""

    name: str
    permissions: frozenset[Permission]
    vendor: str | None
    made_at: Instant
    revoked_at: Instant | None = None


def permissions_of(words: Iterable[str]) -> frozenset[Permission]:
    """Read the names of permissions. InvalidInput, with the near miss, for one that is none."""
    found = set()
    for word in words:
        if word not in tuple(Permission):
            raise InvalidInput(
                f"No permission is called '{word[:40]}'.{near_miss(word, Permission)} "
                f"There are {', '.join(Permission)}."
            )
        found.add(Permission(word))
    if not found:
        raise InvalidInput(f"A key needs at least one of {', '.join(Permission)}.")
    return frozenset(found)


def new_secret() -> str:
    """`hk_` and 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hashed(secret: str) -> bytes:
    """What is kept of a secret. It has 256 random bits, so a plain hash cannot be reversed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def create(append: Append, key: ApiKey, secret: str) -> None:
    """Store a key under the hash of its secret. A name is given once, also after a revocation."""
    if not key.name.strip() or len(key.name) > 100 or not key.name.isprintable():
        raise InvalidInput("A key's name has 1 to 100 characters, all of which can be seen.")
    (there,) = append.writer.ask(("api_key", {"name": key.name}))
    if there:
        held = key_of(there[0])
        gone = f", revoked {text_of(held.revoked_at)[:10]}" if held.revoked_at else ""
        raise Forbidden(f"There is a key called '{key.name}' already{gone}. Choose another name.")
    words = " ".join(sorted(key.permissions))
    row = (key.name, hashed(secret), words, key.vendor, key.made_at)
    append.writer.write(("add_api_key", [row]))


def found(rows: list[Row], secret: str) -> ApiKey | None:
    """The key with this secret, if it is there and not revoked."""
    for *row, kept in rows:
        if compare_digest(kept, hashed(secret)) and row[4] is None:
            return key_of(tuple(row))
    return None


def key_of(row: Row) -> ApiKey:
    """The key of a stored row."""
    name, words, vendor, made_at, revoked_at = row
    return ApiKey(name, permissions_of(words.split()), vendor, made_at, revoked_at)
