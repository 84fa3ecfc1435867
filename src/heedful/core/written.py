"""What people paste: the damage is removed, and a refusal never repeats it.

Addresses arrive from spreadsheets, chats and right-to-left pages, with full-width letters, no-break
spaces and invisible direction marks. What cannot be seen cannot be part of an address.
"""

from __future__ import annotations

import unicodedata

from heedful.core.errors import InvalidAddress

LONGEST = 4096
"""Characters of a written address that are looked at; a longer text is refused unread."""

JOINERS = {0x200C: None, 0x200D: None}
"""Zero-width joiners. Invisible, yet part of some Persian and Indic domain names."""

_LINE_BREAKS_AND_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def clean(text: str) -> str:
    r"""The text without what cannot be seen, in compatibility form, without outer spaces.

    Joiners stay, because a domain name may need them. Line breaks, NUL and other control characters
    are refused, not removed: they are how one address is made to look like two.

    >>> clean("\u202a\uff0b1\u00a0415\u200e ")
    '+1 415'
    """
    if len(text) > LONGEST:
        raise InvalidAddress(
            f"A text of {len(text)} characters is not an address: "
            f"at most {LONGEST} characters are read. Give one address at a time."
        )
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    seen = [char for char in text if unicodedata.category(char) != "Cf" or ord(char) in JOINERS]
    plain = unicodedata.normalize("NFKC", "".join(seen)).strip(" \t")
    for char in plain:
        if unicodedata.category(char) in _LINE_BREAKS_AND_CONTROLS:
            raise InvalidAddress(
                f"'{hint(text)}' is not an address: it contains a line break or control character "
                f"(U+{ord(char):04X}). Give one address, without line breaks."
            )
    if "\ufffd" in plain:
        raise InvalidAddress(
            f"'{hint(text)}' is not an address: a letter was lost when the text was decoded "
            "(U+FFFD). Read the file again in the encoding it was written in."
        )
    return plain


def hint(text: str) -> str:
    """Enough of a refused text to find it again in a list, never the text itself.

    >>> hint("415 555 010"), hint("a@b.c")
    ('4…10', '…')
    """
    shown = "".join(char for char in text[:LONGEST] if char.isprintable() and char != "'").strip()
    return f"{shown[0]}…{shown[-2:]}" if len(shown) >= 7 else "…"
