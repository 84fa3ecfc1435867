"""The words by which a text message opts out by itself, without anyone having to understand it.

A word is heard when it is the whole message. What is longer ("please stop texting me") is for
`intake/language.py`: the law wants that honoured too, but it takes judgement.

Lists: 47 CFR 64.1200(a)(10), CTIA's Messaging Principles, and the words that carriers and vendors
act on by themselves. A word that a vendor acts on must be heard here too, else the two disagree
about who has opted out.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 2000
"""Characters of a message that are looked at; more cannot be one keyword. Bounds the time taken."""


class Said(StrEnum):
    """What a message says, as far as keywords go."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Keyword:
    """One word or phrase that speaks for itself."""

    word: str
    means: Said
    source: str
    verified: bool
    "read in the source itself, not reported by others"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard, by which word of which list: kept as evidence with the event."""

    means: Said
    matched: str | None
    version: str


_FCC = "47 CFR 64.1200(a)(10)"
_CTIA = "CTIA Messaging Principles and Best Practices"
_TWILIO = "Twilio, default keywords"
_TELNYX = "Telnyx, default keywords"
_PROXY = "Twilio Proxy, default keywords"
_AWS = "AWS End User Messaging, default keywords"
_CANADA = "Canadian short codes and RCS, as listed by AWS"

VERSION = "1"
"""Names the list below and is stored with events: another list, another version."""

KEYWORDS = (
    Keyword("stop", Said.OPT_OUT, _FCC, True),
    Keyword("quit", Said.OPT_OUT, _FCC, True),
    # Also where a flow of the brand's uses them otherwise ("reply CANCEL to cancel your visit"):
    # the rule has no exception for that.
    Keyword("end", Said.OPT_OUT, _FCC, True),
    Keyword("cancel", Said.OPT_OUT, _FCC, True),
    Keyword("revoke", Said.OPT_OUT, _FCC, True),
    # Twilio matches OPTOUT and no spaces, so that its own list misses the rule's OPT OUT.
    Keyword("opt out", Said.OPT_OUT, _FCC, True),
    Keyword("unsubscribe", Said.OPT_OUT, _FCC, True),
    Keyword("please opt me out", Said.OPT_OUT, _CTIA, True),
    Keyword("stop all", Said.OPT_OUT, _TELNYX, True),
    Keyword("remove", Said.OPT_OUT, _AWS, True),
    Keyword("td", Said.OPT_OUT, _AWS, True),
    Keyword("arret", Said.OPT_OUT, _AWS, True),
    Keyword("arrete", Said.OPT_OUT, _PROXY, True),
    Keyword("arrett", Said.OPT_OUT, _PROXY, True),
    Keyword("sair", Said.OPT_OUT, "Brazilian carriers", False),
    Keyword("pare", Said.OPT_OUT, "Brazilian carriers, in practice", False),
    # YES is missing on purpose. Vendors' defaults opt people in by it who only answered a question;
    # it counts inside a pending confirmation, which knows what it asked.
    Keyword("start", Said.OPT_IN, _TWILIO, True),
    Keyword("unstop", Said.OPT_IN, _TWILIO, True),
    Keyword("help", Said.HELP, _CTIA, True),
    Keyword("info", Said.HELP, _TWILIO, True),
    Keyword("aide", Said.HELP, _CANADA, True),
)

_BY_WORD = {keyword.word: keyword for keyword in KEYWORDS}
# Spaces may be anywhere in what opts out or asks for help: OPTOUT, OPT-OUT, S T O P. What opts in
# must be written as listed: "St Art" is not START.
_BY_LETTERS = {
    keyword.word.replace(" ", ""): keyword
    for keyword in KEYWORDS
    if keyword.means is not Said.OPT_IN
}
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ´`"), None)


def hear(text: str) -> Heard:
    """What the whole message says by keyword; NONE when it takes reading.

    Said twice, or with several words of the same meaning ("STOP STOP", "stop, unsubscribe"), it
    still says it. Costs some microseconds, on hostile input some milliseconds.

    >>> hear("Opt-Out!").means, hear("ARRÊT").matched, hear("stop by the shop").means
    (<Said.OPT_OUT: 'opt_out'>, 'arret', <Said.NONE: 'none'>)
    """
    if len(text) > LONGEST:
        text = text.strip()
    if len(text) <= LONGEST:
        folded = fold(text)
        # The second pass without accents is a pass of its own, so that a word which means something
        # else with its accents can be listed with them.
        for words in (folded, without_accents(folded)):
            if keyword := _find(words):
                return Heard(keyword.means, keyword.word, VERSION)
    return Heard(Said.NONE, None, VERSION)


def fold(text: str) -> str:
    """The words alone: lower case, one space between them, nothing else but letters and digits.

    Compatibility forms (full-width letters) become plain ones, the Turkish i's become one, and
    punctuation, quotation marks, hyphens, emoji and invisible characters go. Only the first
    `LONGEST` characters are folded. Folding twice changes nothing.

    >>> fold("  «ＳＴＯＰ» 🛑 "), fold("opt-out"), fold("Don’t STOP")
    ('stop', 'opt out', 'dont stop')
    """
    if len(text) <= LONGEST and text.isascii() and text.isalpha():
        return text.lower()
    folded = text[:LONGEST]
    for _ in range(4):  # What is taken away can bring letter and accent together: once more.
        before, folded = folded, _fold_once(folded)
        if folded == before:
            break
    return folded


def without_accents(text: str) -> str:
    """The text without its diacritics.

    >>> without_accents("arrête")
    'arrete'
    """
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    bare = "".join(char for char in decomposed if unicodedata.category(char) != "Mn")
    return unicodedata.normalize("NFC", bare)


def _fold_once(text: str) -> str:
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    text = unicodedata.normalize("NFKC", text.replace("i\u0307", "i").replace("ı", "i"))
    return " ".join("".join(map(_kept, text.translate(_APOSTROPHES))).split())


def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if category[0] in "LN" or (category in {"Mn", "Mc"} and not "\ufe00" <= char <= "\ufe0f"):
        return char
    # Invisible characters stand inside words, the frame around a keycap emoji on top of a digit.
    return "" if category in {"Cf", "Me", "Mn"} else " "


def _find(words: str) -> Keyword | None:
    if keyword := _BY_WORD.get(words) or _BY_LETTERS.get(words.replace(" ", "")):
        return keyword
    parts = words.split()
    for times in (2, 3, 4, 5):  # "STOP ALL STOP ALL": people who mean it say it again.
        once = parts[: len(parts) // times]
        if once and once * times == parts:
            return _find(" ".join(once))
    said = [_BY_WORD.get(part) or _BY_LETTERS.get(part) for part in parts[:10]]
    first = said[0] if said else None
    if first and len(parts) <= 10 and all(word and word.means is first.means for word in said):
        return first
    return None
