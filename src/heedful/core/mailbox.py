"""E-mail addresses: every way of writing one becomes one spelling.

`address.py` is the door; nothing else calls this module. It alone knows the library for
international domain names (`idna`).

Policy: match too widely. The whole address is case-folded, the local part too, although RFC 5321
lets a host tell `Ann@` from `ann@`: no host of consequence does. The domain is kept in its ASCII
form (`xn--…`), because lists, vendors and logs trade that one. A +tag stays: it may be another
inbox.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import unquote

import idna

from heedful.core.errors import InvalidAddress
from heedful.core.written import JOINERS, clean, hint

LONGEST_LOCAL = 64
LONGEST_ADDRESS = 254
"""Octets, RFC 5321 §4.5.3.1. The same at every door: what cannot be recorded cannot be sent to."""
LONGEST_WRITTEN = 1000

_ATOM = r"[a-z0-9!#$&'*+/=^`{|}~_-]+"
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SETTLED = re.compile(rf"(?![^@]{{65}}){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_NOT_IN_ATOMS = re.compile(r'[\s()<>\[\]:;@\\,"]')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"@([^"@]+)', re.DOTALL)
_QUOTED_ANYWHERE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_COMMENT_FIRST = re.compile(r"\([^()\\]*\) *")
_HEADERS = re.compile(r"([^@]*@[^?]*)\?.*", re.DOTALL)
_DOTS = dict.fromkeys(map(ord, "。．｡"), ".")
_ACCEPTED = "Write it like name@host.example."


def settled(text: str) -> bool:
    """Whether the text already is the one spelling of an ordinary address.

    False may also mean "look closer". True is a promise that `canonical` returns the same text.

    >>> settled("ann@example.com"), settled("Ann@example.com"), settled("ann@bücher.example")
    (True, False, False)
    """
    return len(text) <= LONGEST_ADDRESS and _SETTLED.fullmatch(text) is not None


def canonical(text: str, *, uri: bool = False) -> str:
    """The one spelling of an address as people, headers, URIs and lists write it.

    `uri` says that the text followed `mailto:`, so that %-escapes are read and `?subject=…` is
    dropped. Underscored and dotless domains, quoted local parts and address literals exist in lists
    and are taken. Raises InvalidAddress.

    >>> canonical("Ana López <Ana@BÜCHER.example.>"), canonical('"ann"@[IPv6:2001:DB8:0::1]')
    ('ana@xn--bcher-kva.example', 'ann@[ipv6:2001:db8::1]')
    """
    written = clean(text)
    if uri:
        address = unquote(_HEADERS.sub(r"\1", written, count=1), errors="replace")
        if written.startswith("?"):
            raise _refusal(text, "this mailto: URI names no address")
        written = clean(address)
    if len(written) > LONGEST_WRITTEN:
        raise _refusal(text, f"it has more than {LONGEST_WRITTEN} characters, the name included")
    result = _once(written, text)
    for _ in range(3):  # Folding can open a new compatibility form: until nothing changes.
        before, result = result, _once(result, text)
        if result == before:
            break
    if len(result.rpartition("@")[0].encode()) > LONGEST_LOCAL:
        raise _refusal(text, f"before the @ it has more than {LONGEST_LOCAL} octets")
    if len(result.encode()) > LONGEST_ADDRESS:
        raise _refusal(text, f"it has more than {LONGEST_ADDRESS} octets")
    return result


def readable_domain(address: str) -> str | None:
    """The address with its international domain in letters, as some lists hash it; else None.

    >>> readable_domain("ana@xn--bcher-kva.example")
    'ana@bücher.example'
    """
    local, _, domain = address.rpartition("@")
    if "xn--" not in domain:
        return None
    try:
        return f"{local}@{idna.decode(domain)}"
    except UnicodeError:
        return None


def _refusal(text: str, why: str) -> InvalidAddress:
    return InvalidAddress(f"'{hint(text)}' is not an e-mail address: {why}. {_ACCEPTED}")


def _once(written: str, text: str) -> str:
    local, domain = _split(_bare(unicodedata.normalize("NFKC", written)), text)
    return f"{_local(local, text)}@{_domain(domain, text)}"


def _bare(written: str) -> str:
    """The address of `Name <address>`, of `address (comment)`, or of one in quotation marks."""
    unquoted = _QUOTED_ANYWHERE.sub(lambda quoted: "_" * len(quoted[0]), written)
    name, opened, address = unquoted.rpartition("<")
    if opened and address.endswith(">") and not re.search(r"[<>]|@.*,|,.*@", name):
        return written[len(name) + 1 : -1].strip()
    if len(written) > 2 and written[0] == written[-1] and written[0] in "'\"":
        written = written[1:-1]
    if comment := _COMMENT_FIRST.match(written):
        written = written[comment.end() :]
    if written.endswith(")"):
        address, _, remark = written[:-1].rpartition("(")
        if not re.search(r"[()\\]", remark):
            written = address
    return written.rstrip(" ,;")


def _split(written: str, text: str) -> tuple[str, str]:
    """Local part (unquoted) and domain."""
    if match := _QUOTED.fullmatch(written):
        return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL), match[2]
    local, at, domain = written.partition("@")
    if not at:
        raise _refusal(text, "it has no @")
    if not local or not domain:
        raise _refusal(text, f"nothing stands {'after' if local else 'before'} the @")
    if found := _NOT_IN_ATOMS.search(local):
        raise _refusal(text, f"'{found[0]}' cannot stand before the @ without quotation marks")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise _refusal(text, "a dot before the @ stands alone, first or last")
    return local, domain


def _local(local: str, text: str) -> str:
    """Quoted only where it must be, so that "ann"@ and ann@ are one."""
    local = unicodedata.normalize("NFKC", local.translate(JOINERS).casefold())
    if not local:
        raise _refusal(text, "nothing stands before the @")
    if _NOT_IN_ATOMS.search(local) or local[0] == "." or local[-1] == "." or ".." in local:
        return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return local


def _domain(domain: str, text: str) -> str:
    if domain.startswith("["):
        return _literal(domain.lower(), text)
    domain = domain.translate(_DOTS).removesuffix(".")
    if len(domain) > LONGEST_ADDRESS:
        raise _refusal(text, "its domain is too long")
    ascii_domain = (domain if domain.isascii() else _ascii(domain)).lower()
    if not _DOMAIN.fullmatch(ascii_domain):
        raise _refusal(text, "what follows the @ is not a domain name")
    return ascii_domain


def _ascii(domain: str) -> str:
    """The registered form (IDNA 2008); for names that only older rules allow, plain punycode."""
    for attempt in (domain, domain.translate(JOINERS)):
        try:
            return idna.encode(attempt, uts46=True).decode("ascii")
        except UnicodeError:
            continue
    labels = domain.translate(JOINERS).casefold().split(".")
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        for label in labels
    )


def _literal(domain: str, text: str) -> str:
    """A host's number in brackets, in the one way of writing that number."""
    inner = domain[1:-1] if domain.endswith("]") else ""
    try:
        if inner.startswith("ipv6:") and "%" not in inner:
            return f"[ipv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise _refusal(text, "what stands in brackets is not an IP address") from None
