"""What a Heedful is started with: its keys, and the settings that the environment gives.

Keys are kept by purpose, each with an id and a date. Those of links, receipts and codes rotate:
the newest signs, all are accepted. The address hash has one key for good.
"""

import base64
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from heedful.core.errors import Forbidden, InvalidTime, WrongKeys
from heedful.core.instant import Edge, Instant, parse, text_of

PURPOSES = ("address_hash", "links", "receipts", "codes")
"""What there are keys for. Receipts' keys also sign checkpoints."""

DEFAULT_DATABASE = "sqlite:///heedful.db"
DEFAULT_BRAND = "brand.toml"
KEYS_NAME = "heedful.keys"


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """One secret of 32 random bytes. Its `repr` shows its name and never the secret."""

    id: str
    made: Instant
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id} of {text_of(self.made)[:10]})"


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """The keys of one ledger, by purpose, oldest first.

    They lie in a file of their own (mode 0600), apart from the ledger and its backups: whoever has
    both can read who was erased. Without the address-hash key the ledger cannot be opened.
    """

    by_purpose: Mapping[str, tuple[Key, ...]]

    @classmethod
    def make(cls, now: Instant) -> "Keys":
        """New keys for a new ledger: one of each purpose."""
        return cls(MappingProxyType({purpose: (_new_key(now),) for purpose in PURPOSES}))

    @classmethod
    def load(cls, path: str | Path) -> "Keys":
        """Read a keys file. WrongKeys, if it is missing, readable by others or damaged."""
        try:
            mode = Path(path).stat().st_mode
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise WrongKeys(
                f"There is no keys file at {path}. `heedful init` makes one for a new ledger; "
                "for a ledger that exists, put its own keys there or name them in HEEDFUL_KEYS."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise WrongKeys(f"The keys file {path} cannot be read: {error}.") from None
        if stat.S_IMODE(mode) & 0o077:
            raise WrongKeys(
                f"Others can read the keys file {path} (mode {stat.S_IMODE(mode):04o}). "
                f"Close it: chmod 600 {path}"
            )
        try:
            return cls(MappingProxyType(_parsed(json.loads(text))))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidTime):
            raise WrongKeys(
                f"The keys file {path} is damaged. Put its backup in its place; "
                "`heedful init` cannot make these keys again."
            ) from None

    def save(self, path: str | Path) -> None:
        """Write a new keys file, mode 0600. FileExistsError where there is one already."""
        _write(Path(path), self._text())

    def replace(self, path: str | Path) -> None:
        """Put these keys in the place of the file's, in one step (after a rotation)."""
        fresh = Path(path).with_name(f"{Path(path).name}.new")
        fresh.unlink(missing_ok=True)
        _write(fresh, self._text())
        fresh.replace(path)

    def newest(self, purpose: str) -> Key:
        """The key that signs and makes new things."""
        return self.by_purpose[purpose][-1]

    def all(self, purpose: str) -> tuple[Key, ...]:
        """Every key that is accepted, oldest first."""
        return self.by_purpose[purpose]

    def rotate(self, purpose: str, now: Instant) -> "Keys":
        """With one more key of a purpose, which is used from now on; the older ones stay valid."""
        if purpose == "address_hash":
            raise Forbidden(
                "The address-hash key does not rotate: erased addresses are known by their hash "
                "alone and cannot be hashed again, so their opt-outs would be lost."
            )
        if purpose not in PURPOSES:
            raise Forbidden(
                f"There are no keys for '{purpose[:40]}', only for {', '.join(PURPOSES)}."
            )
        kept = (*self.by_purpose[purpose], _new_key(now))
        return Keys(MappingProxyType({**self.by_purpose, purpose: kept}))

    def __repr__(self) -> str:
        return f"Keys({', '.join(f'{p}: {len(k)}' for p, k in self.by_purpose.items())})"

    def _text(self) -> str:
        rows = {
            purpose: [
                {
                    "id": key.id,
                    "made": text_of(key.made),
                    "secret": base64.b64encode(key.secret).decode(),
                }
                for key in keys
            ]
            for purpose, keys in self.by_purpose.items()
        }
        return json.dumps({"purposes": rows}, indent=2) + "\n"


def _new_key(now: Instant) -> Key:
    return Key(secrets.token_hex(4), now, secrets.token_bytes(32))


def _parsed(raw: Mapping[str, Mapping[str, list[Mapping[str, str]]]]) -> dict[str, tuple[Key, ...]]:
    found = {}
    for purpose in PURPOSES:
        keys = tuple(
            Key(
                str(row["id"]),
                parse(row["made"], Edge.FIRST),
                base64.b64decode(row["secret"], validate=True),
            )
            for row in raw["purposes"][purpose]
        )
        if not keys or any(len(key.secret) != 32 for key in keys):
            raise ValueError(purpose)
        found[purpose] = keys
    return found


def _write(path: Path, text: str) -> None:
    """A new file that only its owner can read, on the disk before this returns."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the ledger, the brand and the keys are."""

    database: str
    brand: Path
    keys: Path

    @classmethod
    def of(
        cls,
        environment: Mapping[str, str],
        *,
        database: str | None = None,
        brand: str | Path | None = None,
        keys: str | Path | None = None,
    ) -> "Settings":
        """What was said, else what the environment says, else the defaults.

        The keys are looked for beside the database, or, where that is no file, in the folder at
        hand. A plain file name is taken for a SQLite file.
        """
        url = database or environment.get("HEEDFUL_DATABASE_URL") or DEFAULT_DATABASE
        if "://" not in url:
            url = f"sqlite:///{url}"
        named = keys or environment.get("HEEDFUL_KEYS")
        file = sqlite_file(url)
        return cls(
            url,
            Path(brand or environment.get("HEEDFUL_BRAND") or DEFAULT_BRAND),
            Path(named) if named else (file.parent if file else Path()) / KEYS_NAME,
        )


def version() -> str:
    """The version that is installed; of a checkout that is only on the path, nobody knows."""
    try:
        return metadata.version("heedful")
    except metadata.PackageNotFoundError:
        return "0.dev"


def sqlite_file(url: str) -> Path | None:
    """The file of `sqlite:///heedful.db` (`sqlite:////var/…` is absolute), or None for a server."""
    if not url.startswith("sqlite:///"):
        return None
    return Path(url.removeprefix("sqlite:///").partition("?")[0])
