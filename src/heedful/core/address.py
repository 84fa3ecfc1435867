"""Where messages land, and whom an event is about: one canonical spelling each.

The one door of the core to the phone and domain-name libraries, and the one place that knows which
spellings are the same address. Everything behind it compares plain text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from heedful.core import mailbox, phone
from heedful.core.errors import InvalidAddress
from heedful.core.written import hint

LONGEST_TOKEN = 2048
"""Characters of a push token. Web Push endpoints are URLs of some hundred characters."""
LONGEST_CONTACT = 200


class AddressKind(StrEnum):
    """What an address is; also the prefix of its text form."""

    TEL = "tel"
    MAILTO = "mailto"
    PUSH = "push"


_CHANNELS = {
    AddressKind.TEL: frozenset({"sms", "voice", "whatsapp", "rcs"}),
    AddressKind.MAILTO: frozenset({"email"}),
    AddressKind.PUSH: frozenset({"push"}),
}
_DEFAULT_CHANNEL = {
    AddressKind.TEL: "sms",
    AddressKind.MAILTO: "email",
    AddressKind.PUSH: "push",
}
_TEL, _MAILTO = AddressKind.TEL, AddressKind.MAILTO


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where a message would land, in the one spelling the ledger uses.

    Two spellings that reach the same inbox or handset must compare equal: a missed
    match is a message sent after an opt-out. In doubt, match too widely: that errs
    towards silence. Made by `parse`; the constructor checks nothing.

    >>> Address.parse(" Ana.Lopez@EXAMPLE.com ") == Address.parse("mailto:ana.lopez@example.com")
    True
    >>> Address.parse("+1 (415) 555-0100")     # never the whole thing: reprs end up in logs
    Address(tel +1…00)
    """

    kind: AddressKind
    value: str
    "`+14155550100` (always + and 7 to 15 digits), `ann@example.com`, or a push token verbatim"

    @classmethod
    def parse(cls, text: str, region: str | None = None) -> Address:
        """Read an address as it was written; `region` ('US') is for numbers without +.

        Raises only InvalidAddress, with a sentence that says what would be accepted and shows no
        more than a hint of the text. Parsing a `text` or `value` gives the same address again.

        >>> Address.parse("0044 7911 123456", region="GB").text
        'tel:+447911123456'
        """
        # Imports and audiences are canonical for the most part: these shapes cost about 1 µs.
        body = text[4:] if text.startswith("tel:") else text
        if phone.settled(body):
            return cls(_TEL, body)
        body = text[7:] if text.startswith("mailto:") else text
        if mailbox.settled(body):
            return cls(_MAILTO, body)
        scheme = text.partition(":")[0].strip().lower() if ":" in text[:40] else ""
        if scheme == AddressKind.PUSH:
            return cls(AddressKind.PUSH, _token(text))
        if scheme in {"contact", "md5", "sha256"}:
            raise InvalidAddress(
                f"A '{scheme}:…' is not an address that a message can land on. "
                "Give a phone number, an e-mail address, or push:TOKEN."
            )
        if scheme == AddressKind.MAILTO:
            return cls(_MAILTO, mailbox.canonical(text.partition(":")[2], uri=True))
        if any(at in text for at in "@＠﹫"):
            return cls(_MAILTO, mailbox.canonical(text))
        return cls(_TEL, phone.canonical(text, region))

    @property
    def text(self) -> str:
        """The text form, which `parse` reads back: `tel:+14155550100`.

        In `mailto:` the two characters that a URI reads otherwise are escaped (RFC 6068).
        """
        value = self.value
        if self.kind is _MAILTO and ("%" in value or "?" in value):
            value = value.replace("%", "%25").replace("?", "%3F")
        return f"{self.kind.value}:{value}"

    @property
    def masked(self) -> str:
        """Enough to recognise an address that one knows: `+1…00`, `a…@e….com`, `…wxyz`."""
        if self.kind is _TEL:
            return f"+{phone.calling_code(self.value)}…{self.value[-2:]}"
        if self.kind is AddressKind.PUSH:
            return f"…{self.value[-4:]}" if len(self.value) >= 16 else "…"
        local, _, domain = self.value.rpartition("@")
        host, dot, top = domain.rpartition(".")
        return f"{local[0]}…@{(host or domain)[0]}…{dot}{top if host else ''}"

    @property
    def channels(self) -> frozenset[str]:
        """The channels that can reach it, by name."""
        return _CHANNELS[self.kind]

    @property
    def default_channel(self) -> str:
        """The channel meant when none is named."""
        return _DEFAULT_CHANNEL[self.kind]

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests under which suppression lists may trade this address.

        MD5 and SHA-256 of: the lower-case mail address (with an international domain in both of its
        forms); the number with + and without; in North America also the ten digits alone.

        >>> Address.parse("Ann@example.com").digests[0]
        'md5:257c57037d384ae37ea27a07e8a01665'
        """
        forms = [self.value]
        if self.kind is _TEL:
            forms.append(self.value[1:])
            if self.value.startswith("+1"):
                forms.append(self.value[2:])
        elif self.kind is _MAILTO and (readable := mailbox.readable_domain(self.value)):
            forms.append(readable)
        found = []
        for form in forms:
            octets = form.encode()
            found.append("md5:" + hashlib.md5(octets, usedforsecurity=False).hexdigest())
            found.append("sha256:" + hashlib.sha256(octets).hexdigest())
        return tuple(found)

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Address({self.kind.value} {self.masked})"


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """A person, by the id that the brand's own systems use. Ids are case-sensitive.

    >>> Contact("crm-42").text
    'contact:crm-42'
    """

    id: str

    def __post_init__(self) -> None:
        _check_plain(self.id, "A contact id", LONGEST_CONTACT)
        object.__setattr__(self, "id", unicodedata.normalize("NFC", self.id))

    @property
    def text(self) -> str:
        """The text form: `contact:crm-42`."""
        return f"contact:{self.id}"

    @property
    def masked(self) -> str:
        """An id may be a name or an address: its ends at most."""
        return f"{self.id[:2]}…{self.id[-2:]}" if len(self.id) >= 8 else f"{self.id[0]}…"

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Contact({self.masked})"


_HEX_LENGTH = {"md5": 32, "sha256": 64}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, repr=False)
class Digest:
    """An address that somebody else's list names only by its digest.

    >>> Digest("md5", "257C57037D384AE37EA27A07E8A01665").text
    'md5:257c57037d384ae37ea27a07e8a01665'
    """

    algorithm: str
    "`md5` or `sha256`"
    hex: str

    def __post_init__(self) -> None:
        length = _HEX_LENGTH.get(self.algorithm)
        if length is None:
            raise InvalidAddress("A digest is written md5:… or sha256:…, in hexadecimal digits.")
        object.__setattr__(self, "hex", self.hex.lower())
        if len(self.hex) != length or not _HEX.fullmatch(self.hex):
            raise InvalidAddress(
                f"A {self.algorithm} digest has {length} hexadecimal digits; "
                f"this one has {len(self.hex)} characters or others among them."
            )

    @property
    def text(self) -> str:
        """The text form: `md5:…`, in lower case."""
        return f"{self.algorithm}:{self.hex}"

    @property
    def masked(self) -> str:
        """The first digits only: a digest of a phone number is soon reversed."""
        return f"{self.algorithm}:{self.hex[:4]}…"

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"Digest({self.masked})"


Subject = Address | Contact | Digest
"""Whom an event is about."""


def settled(text: str) -> tuple[AddressKind, str] | None:
    """Kind and text form of a number or mailbox that already stands in its one spelling.

    None may also mean "look closer". Where there is an answer, `parse` gives the same address; it
    is for who needs no more than the text, a thousand times over.

    >>> settled("+14155550100"), settled("mailto:ann@example.com")[1], settled("Ann@example.com")
    ((<AddressKind.TEL: 'tel'>, 'tel:+14155550100'), 'mailto:ann@example.com', None)
    """
    body = text[4:] if text.startswith("tel:") else text
    if phone.settled(body):
        return _TEL, f"tel:{body}"
    body = text[7:] if text.startswith("mailto:") else text
    return (_MAILTO, f"mailto:{body}") if mailbox.settled(body) else None


def parse_subject(text: str, region: str | None = None) -> Subject:
    """Read an address, `contact:ID`, `md5:…` or `sha256:…`. Raises only InvalidAddress.

    >>> parse_subject("contact:crm-42"), parse_subject("(415) 555-0100", region="US")
    (Contact(c…), Address(tel +1…00))
    """
    scheme, colon, rest = text.partition(":")
    if colon and len(scheme) <= 40:
        scheme = scheme.strip().lower()
        if scheme == "contact":
            return Contact(rest.strip(" "))
        if scheme in _HEX_LENGTH:
            return Digest(scheme, rest.strip(" "))
    return Address.parse(text, region)


def sender_of(text: str, region: str | None = None) -> str:
    """A sender in the one spelling it is compared in: a number or mailbox as an address is, and a
    short code, a pool or a name as it stands.

    >>> sender_of("+1 833 555-0100"), sender_of(" MG42 "), sender_of("55501")
    ('+18335550100', 'MG42', '55501')
    """
    plain = text.strip()
    try:
        address = Address.parse(plain, region)
    except InvalidAddress:
        return plain
    return plain if address.kind is AddressKind.PUSH else address.value


def _token(text: str) -> str:
    token = text.partition(":")[2].strip(" ")
    _check_plain(token, "A push token", LONGEST_TOKEN)
    if " " in token:
        raise InvalidAddress("A push token has no spaces. Give it as the app received it.")
    return token


def _check_plain(text: str, what: str, longest: int) -> None:
    """Some characters, all of which can be seen and stored."""
    if not 1 <= len(text) <= longest:
        raise InvalidAddress(f"{what} has 1 to {longest} characters; this one has {len(text)}.")
    if not text.isprintable() or text != text.strip():
        raise InvalidAddress(
            f"{what} has no line breaks, control characters or outer spaces: '{hint(text)}'."
        )
