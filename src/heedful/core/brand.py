"""Read brand.toml into a catalogue.

`parse` collects every fault before it gives up; each finding names the key, the line where the
text has it, and the near miss.
"""

import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from heedful.core.address import sender_of
from heedful.core.catalogue import CHANNELS, Catalogue, Segment, Texts, Topic, Touchpoint, Vendor
from heedful.core.errors import InvalidBrand, InvalidScope, near_miss
from heedful.core.instant import DAY, SECOND, Instant
from heedful.core.policy import ACCEPTS, BASE_CONSENT, Cap, ConsentReach, Kinds
from heedful.core.scope import Category, Channel, Scope, TargetKind

_SPANS = {"second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND, "day": DAY}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def span_of(text: str) -> Instant:
    """Microseconds of `7 days`, `24 hours`, `30 minutes`. ValueError where it is not one."""
    match = re.fullmatch(r"\s*(\d{1,6})\s+(second|minute|hour|day)s?\s*", text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"'{text}' is not a span of time; write it as '7 days' or '24 hours'")
    return int(match[1]) * _SPANS[match[2]]


def parse(text: str) -> Catalogue:
    """Read brand.toml. Raises InvalidBrand with every finding, not only the first."""
    reader = _read(text)
    found = reader.catalogue()
    if reader.findings:
        raise InvalidBrand(reader.findings)
    return found


def applied(text: str) -> Catalogue:
    """Read a text that was put in force once. What has become a fault since is none in it."""
    return _read(text).catalogue()


def _read(text: str) -> "_Reader":
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and int's own for a number of 5,000 digits
        raise InvalidBrand([f"brand.toml is not TOML: {error}."]) from None
    except RecursionError:
        raise InvalidBrand(["brand.toml is not TOML: it is nested too deeply."]) from None
    return _Reader(text, raw)


class _Reader:
    """Takes the parsed tables apart, noting faults as it goes."""

    def __init__(self, text: str, raw: Mapping[str, Any]) -> None:
        self.text, self.raw = text, raw
        self.findings: list[str] = []

    def fault(self, path: str, what: str) -> None:
        line = line_of(self.text, path)
        self.findings.append(f"{path}{f' (line {line})' if line else ''}: {what}")

    def table(self, at: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
        value = at.get(key, {})
        if not isinstance(value, Mapping):
            self.fault(path, "this is a table: write it as [" + path + "].")
            return {}
        return value

    def keys(self, at: Mapping[str, Any], path: str, known: Iterable[str]) -> None:
        known = tuple(known)
        for key in at:
            if key not in known:
                where = f"{path}.{key}" if path else key
                self.fault(where, f"there is no such key.{near_miss(key, known)}")

    def words(self, at: Mapping[str, Any], path: str, key: str, default: str | None) -> str:
        value = at.get(key, default)
        if value is None:
            self.fault(path, f"'{key}' is missing.")
        elif not isinstance(value, str) or not value.strip():
            self.fault(f"{path}.{key}", "this is a text in quotes, and not an empty one.")
        else:
            return value
        return default or ""

    def choice(
        self, at: Mapping[str, Any], path: str, key: str, known: Iterable[str], default: str | None
    ) -> str:
        known = tuple(known)
        value = self.words(at, path, key, default)
        if value and value not in known:
            self.fault(
                f"{path}.{key}",
                f"'{value}' is none of {', '.join(known)}.{near_miss(value, known)}",
            )
            return known[0]
        return value or known[0]

    def listed(
        self, at: Mapping[str, Any], path: str, key: str, default: tuple[str, ...]
    ) -> tuple[str, ...]:
        value = at.get(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            self.fault(f"{path}.{key}", 'this is a list of texts, such as ["sms", "email"].')
            return default
        return tuple(dict.fromkeys(value))

    def channels(
        self, at: Mapping[str, Any], path: str, default: tuple[Channel, ...]
    ) -> tuple[Channel, ...]:
        found = []
        for word in self.listed(at, path, "channels", default):
            if word in CHANNELS:
                found.append(Channel(word))
            else:
                self.fault(
                    f"{path}.channels", f"no channel is called '{word}'.{near_miss(word, CHANNELS)}"
                )
        if not found:
            self.fault(path, "it needs at least one channel.")
        return tuple(found)

    def texts(self, at: Mapping[str, Any], path: str, key: str, needed: bool) -> Texts:
        value = at.get(key, {})
        if isinstance(value, str):
            value = {self.languages[0]: value}
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            self.fault(f"{path}.{key}", 'this is a text for each language: { en = "…" }.')
            return {}
        if (needed or value) and self.languages[0] not in value:
            self.fault(f"{path}.{key}", f"the default language, '{self.languages[0]}', is missing.")
        for language in value:
            if language not in self.languages:
                self.fault(
                    f"{path}.{key}",
                    f"'{language}' is not one of brand.languages."
                    + near_miss(language, self.languages),
                )
        return MappingProxyType(dict(value))

    def span(self, at: Mapping[str, Any], path: str, key: str) -> Instant | None:
        if key not in at:
            return None
        try:
            return span_of(self.words(at, path, key, ""))
        except ValueError as error:
            self.fault(f"{path}.{key}", f"{error}.")
            return None

    def catalogue(self) -> Catalogue:
        raw = self.raw
        self.keys(raw, "", (
            "brand", "intake", "consent", "topics", "segments", "caps",
            "vendors", "network", "touchpoints",
        ))  # fmt: skip
        brand = self.table(raw, "brand", "brand")
        self.keys(
            brand,
            "brand",
            ("name", "url", "postal_address", "support", "region", "languages", "consent_reach"),
        )
        self.languages = self.listed(brand, "brand", "languages", ("en",)) or ("en",)
        region = self.region = self.words(brand, "brand", "region", None)
        if region and not re.fullmatch(r"[A-Z]{2}", region):
            self.fault("brand.region", f"'{region}' is not a country code of two capitals: US, FR.")
        url = self.words(brand, "brand", "url", None)
        if url and not re.fullmatch(r"https?://[^\s/]+[^\s]*", url):
            self.fault("brand.url", "this is a web address: https://prefs.example.com.")
        intake = self.table(raw, "intake", "intake")
        self.keys(intake, "intake", ("sms_stop", "one_click"))
        topics = self.topics()
        segments = self.segments()
        vendors = self.vendors()
        touchpoints = self.touchpoints(topics, vendors)
        network = self.table(raw, "network", "network")
        self.keys(network, "network", ("allow_private", "trusted_proxies"))
        reach = self.choice(brand, "brand", "consent_reach", ConsentReach, "marketing")
        return Catalogue(
            name=self.words(brand, "brand", "name", None),
            url=url.rstrip("/"),
            postal_address=self.words(brand, "brand", "postal_address", None),
            support=self.words(brand, "brand", "support", None),
            region=region,
            languages=self.languages,
            sms_stop=self.sms_stop(intake),
            one_click=self.choice(intake, "intake", "one_click", ("topic", "channel"), "topic"),
            topics=MappingProxyType(topics),
            segments=MappingProxyType(segments),
            vendors=MappingProxyType(vendors),
            touchpoints=touchpoints,
            caps=self.caps(),
            consent=self.consent(),
            consent_reach=ConsentReach(reach),
            allow_private=self.networks(network, "allow_private"),
            trusted_proxies=self.networks(network, "trusted_proxies"),
            text=self.text,
        )

    def sms_stop(self, intake: Mapping[str, Any]) -> Scope:
        text = self.words(intake, "intake", "sms_stop", "sms/marketing")
        try:
            scope = Scope.parse(text)
        except InvalidScope as error:
            self.fault("intake.sms_stop", str(error).removesuffix(" Nothing was recorded."))
            return Scope.parse("sms/marketing")
        wide = scope.kind in (TargetKind.EVERYTHING, TargetKind.MARKETING)
        if not wide or not scope.on(Channel.SMS):
            self.fault(
                "intake.sms_stop",
                "a bare STOP reaches sms/marketing at the least; wider is "
                "*/marketing, sms/everything or */everything.",
            )
        return scope

    def named(self, key: str) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
        for name, value in self.table(self.raw, key, key).items():
            path = f"{key}.{name}"
            if not _NAME.fullmatch(name):
                self.fault(path, "a name is lower-case letters, digits, _ and -, at most 64.")
            if isinstance(value, Mapping):
                yield name, path, value
            else:
                self.fault(path, f"this is a table: write it as [{path}].")

    def topics(self) -> dict[str, Topic]:
        found = {}
        for name, path, at in self.named("topics"):
            self.keys(at, path, ("category", "channels", "title", "replaces"))
            found[name] = Topic(
                name,
                Category(self.choice(at, path, "category", Category, None)),
                self.channels(at, path, ()),
                self.texts(at, path, "title", needed=True),
                self.listed(at, path, "replaces", ()),
            )
        for topic in found.values():
            path = f"topics.{topic.name}.replaces"
            for old in topic.replaces:
                if old == topic.name:
                    self.fault(path, "a topic cannot replace itself.")
                elif (
                    old in found
                    and found[old].category.is_marketing
                    and (not topic.category.is_marketing)
                ):
                    self.fault(path, f"a transactional topic cannot replace '{old}', "
                                     "which is marketing.")  # fmt: skip
        for name in found:
            if _reaches(found, name, name):
                path = f"topics.{name}.replaces"
                self.fault(path, "this leads back to the topic itself, in a circle.")
        if not found:
            self.fault("topics", "there are none; a brand needs at least one [topics.NAME].")
        return found

    def segments(self) -> dict[str, Segment]:
        found = {}
        for name, path, at in self.named("segments"):
            self.keys(at, path, ("title", "data_used", "effect", "review_every"))
            found[name] = Segment(
                name,
                self.texts(at, path, "title", needed=True),
                self.listed(at, path, "data_used", ()),
                self.texts(at, path, "effect", needed=False),
                self.span(at, path, "review_every"),
            )
        return found

    def vendors(self) -> dict[str, Vendor]:
        found = {}
        for name, path, at in self.named("vendors"):
            settings = {}
            for key, value in at.items():
                if key in ("kind", "channels", "honour_within"):
                    continue
                if isinstance(value, str):
                    settings[key] = value
                else:
                    self.fault(f"{path}.{key}", "this is a text in quotes.")
            found[name] = Vendor(
                name,
                self.words(at, path, "kind", None),
                self.channels(at, path, CHANNELS),
                self.span(at, path, "honour_within"),
                MappingProxyType(settings),
            )
        return found

    def touchpoints(
        self, topics: Mapping[str, Topic], vendors: Mapping[str, Vendor]
    ) -> tuple[Touchpoint, ...]:
        found = []
        rows = self.raw.get("touchpoints", [])
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            self.fault("touchpoints", "this is a list of tables: write each as [[touchpoints]].")
            return ()
        for index, at in enumerate(rows):
            path = f"touchpoints.{index}"
            self.keys(at, path, ("stage", "vendor", "channel", "topic", "sender"))
            vendor = self.words(at, path, "vendor", None)
            topic = self.words(at, path, "topic", None)
            channel = Channel(self.choice(at, path, "channel", CHANNELS, None))
            if vendor and vendor not in vendors:
                self.fault(
                    f"{path}.vendor", f"no vendor is called '{vendor}'.{near_miss(vendor, vendors)}"
                )
            if topic and topic not in topics:
                self.fault(
                    f"{path}.topic", f"no topic is called '{topic}'.{near_miss(topic, topics)}"
                )
            elif topic and channel not in topics[topic].channels:
                self.fault(f"{path}.channel", f"topic '{topic}' is not sent by {channel}.")
            if vendor in vendors and channel not in vendors[vendor].channels:
                self.fault(f"{path}.channel", f"vendor '{vendor}' does not serve {channel}.")
            sender = at.get("sender")
            if sender is not None:
                sender = sender_of(self.words(at, path, "sender", None), self.region)
            stage = at.get("stage", "")
            if not isinstance(stage, str):
                self.fault(f"{path}.stage", "this is a text in quotes.")
            found.append(Touchpoint(vendor, channel, topic, str(stage), sender))
        return tuple(found)

    def caps(self) -> tuple[Cap, ...]:
        found = []
        for word, value in self.table(self.raw, "caps", "caps").items():
            path = f"caps.{word}"
            match = re.fullmatch(r"(\d{1,6}) per (.+)", value) if isinstance(value, str) else None
            if word not in tuple(Channel):
                self.fault(path, f"no channel is called '{word}'.{near_miss(word, Channel)}")
                continue
            try:
                if not match or int(match[1]) == 0:
                    raise ValueError("a cap is written as '4 per 7 days'")
                found.append(Cap(Channel(word), int(match[1]), span_of(match[2])))
            except ValueError as error:
                self.fault(path, f"{error}.")
        return tuple(found)

    def consent(self) -> Mapping[tuple[Category, Channel], Kinds]:
        found = dict(BASE_CONSENT)
        marketing = [c for c in Category if c.is_marketing]
        consent = self.table(self.raw, "consent", "consent")
        self.keys(consent, "consent", marketing)
        for category in marketing:
            path = f"consent.{category}"
            at = self.table(consent, category, path)
            self.keys(at, path, CHANNELS)
            for channel in CHANNELS:
                if channel in at:
                    found[category, channel] = ACCEPTS[
                        self.choice(at, path, channel, ACCEPTS, None)
                    ]
        return MappingProxyType(found)

    def networks(self, at: Mapping[str, Any], key: str) -> tuple[str, ...]:
        found = self.listed(at, "network", key, ())
        for text in found:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                self.fault(f"network.{key}", f"'{text}' is not a network such as 10.0.0.0/8.")
        return found


def _reaches(topics: Mapping[str, Topic], start: str, end: str) -> bool:
    """Whether following `replaces` from one topic comes to another, in two steps or more."""
    seen: set[str] = set()
    waiting = [old for old in topics[start].replaces if old != start]
    while waiting:
        name = waiting.pop()
        if name in topics and name not in seen:
            seen.add(name)
            if end in topics[name].replaces:
                return True
            waiting.extend(topics[name].replaces)
    return False


def line_of(text: str, path: str) -> int | None:
    """The line, from 1, on which a key stands in the text, as far as plain lines can tell."""
    want = path.split(".")
    table: list[str] = []
    index = -1
    best: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            table = [part.strip().strip("\"'") for part in header[2].split(".")]
            if header[1] == "[[":
                index += 1
                table.append(str(index))
            here = table
        elif key := re.match(r"\s*([\w.*\"'-]+)\s*=", line):
            here = table + [part.strip("\"'") for part in key[1].split(".")]
        else:
            continue
        if here == want:
            return number
        if (best is None and here == want[: len(here)]) or here == want[:-1]:
            best = number
    return best
