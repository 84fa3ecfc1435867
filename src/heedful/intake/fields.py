"""The fields of an item as a caller writes it, each read as what it must be.

What is wrong is said in a sentence that names the field and the near miss; nothing is recorded.
"""

import re
from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from heedful.core.brand import span_of
from heedful.core.catalogue import CHANNELS
from heedful.core.errors import InvalidEvent, near_miss
from heedful.core.event import PREFERENCES, Limit
from heedful.core.instant import Edge, Instant, parse

FIELDS = (
    "subject", "scope", "action", "occurred_at", "source", "reason", "evidence", "consent",
    "basis", "address", "request_id", "kind", "sender", "until", "at_most", "per", "prefer",
    "retracts",
)  # fmt: skip
_KNOWN = frozenset(FIELDS)

E = TypeVar("E", bound=StrEnum)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def none_of(name: str, value: str, known: Iterable[str]) -> InvalidEvent:
    """The error for a word that is not of its list."""
    words = [str(word) for word in known]
    return InvalidEvent(
        f"`{name}` is one of {', '.join(words)}, not '{value[:40]}'."
        f"{near_miss(value, words)} Nothing was recorded."
    )


class Fields:
    """The fields of one item, each read as what it must be."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict | Mapping):
            raise InvalidEvent("An event is an object with fields. Nothing was recorded.")
        for name in () if raw.keys() <= _KNOWN else raw:
            if name not in _KNOWN:
                raise InvalidEvent(
                    f"An event has no field '{str(name)[:40]}'.{near_miss(str(name), FIELDS)} "
                    "Nothing was recorded."
                )
        self.raw: Mapping[str, object] = raw

    def only(self, names: Set[str]) -> bool:
        """Whether no other fields are given than these."""
        return self.raw.keys() <= names

    def text(self, name: str) -> str | None:
        value = self.raw.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidEvent(f"`{name}` is a text. Nothing was recorded.")
        return value

    def needed(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise InvalidEvent(f"`{name}` is missing. Nothing was recorded.")
        return value

    def choice(self, name: str, known: type[E], default: E | None = None) -> E:
        """One word of a closed list."""
        value = self.text(name) if default is not None else self.needed(name)
        if value is None:
            assert default is not None
            return default
        try:
            return known(value)
        except ValueError:
            raise none_of(name, value, known) from None

    def time(self, name: str, edge: Edge) -> Instant | None:
        text = self.text(name)
        return None if text is None else parse(text, edge)

    def number(self, name: str) -> int | None:
        value = self.raw.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
            raise InvalidEvent(f"`{name}` is a whole number from 1. Nothing was recorded.")
        return value

    def evidence(self) -> Mapping[str, str]:
        value = self.raw.get("evidence")
        if value is None or value == "":
            return {}
        if isinstance(value, str):
            return {"text": value}
        if isinstance(value, Mapping) and all(
            isinstance(part, str) for pair in value.items() for part in pair
        ):
            return dict(value)
        raise InvalidEvent(
            "`evidence` is a text, or an object whose values are texts. Nothing was recorded."
        )

    def limit(self) -> Limit | None:
        until = self.time("until", Edge.LAST)
        at_most, per = self.number("at_most"), self.text("per")
        if until is None and at_most is None and per is None:
            return None
        try:
            return Limit(until, at_most, span_of(per) if per is not None else None)
        except ValueError as error:
            raise InvalidEvent(f"`per`: {error}. Nothing was recorded.") from None

    def prefer(self) -> tuple[str, str] | None:
        value = self.raw.get("prefer")
        if value is None:
            return None
        if not isinstance(value, Mapping) or len(value) != 1:
            raise InvalidEvent(
                f"`prefer` is an object with one of {', '.join(PREFERENCES)}. Nothing was recorded."
            )
        ((what, wish),) = value.items()
        if not isinstance(what, str) or not isinstance(wish, str) or not _possible(what, wish):
            raise InvalidEvent(
                "`prefer` is a channel, a language such as 'es', a time zone such as "
                f"'Europe/Madrid', or a place, not this.{near_miss(str(what), PREFERENCES)} "
                "Nothing was recorded."
            )
        return what, wish


def _possible(what: str, wish: str) -> bool:
    match what:
        case "channel":
            return wish in CHANNELS
        case "language":
            return _LANGUAGE.fullmatch(wish) is not None
        case "time_zone":
            try:
                ZoneInfo(wish)
            except (LookupError, ValueError, OSError):  # OSError: a folder of zones
                return False
            return True
        case _:
            return what in PREFERENCES
