"""Phone numbers: every way of writing one becomes one E.164 number.

`address.py` is the door; nothing else calls this module. It alone knows the phone library
(`phonenumbers`, the metadata of Google's libphonenumber).

A number has to be *possible*, not *valid*: numbering plans change faster than metadata, and an
opt-out of a number that the metadata does not know yet must still be recordable.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType, ValidationResult

from heedful.core.errors import InvalidAddress
from heedful.core.written import JOINERS, clean, hint

RENUMBERED = (
    # Mexico dropped the mobile 1 (and 044, 045, 01 in front of a number) on 2019-08-03; WhatsApp
    # still reports its members as +52 1….
    ("52", r"(?:0?1|04[45])(\d{10})", r"+52\1"),
    # Brazil put a 9 before every mobile number, 2012 to 2016; WhatsApp ids from before lack it.
    ("55", r"([1-9][1-9])([6-9]\d{7})", r"+55\g<1>9\2"),
    # Côte d'Ivoire, 2021-01-31, 8 to 10 digits: the second digit of a mobile told its operator.
    ("225", r"([04-9][0-3]\d{6})", r"+22501\1"),
    ("225", r"([04-9][4-6]\d{6})", r"+22505\1"),
    ("225", r"([04-9][7-9]\d{6})", r"+22507\1"),
    # Benin, 2024-11-30, 8 to 10 digits.
    ("229", r"(\d{8})", r"+22901\1"),
    # Argentina is not here: +54 9 11… is a mobile and +54 11… is what people write for it, but also
    # how every landline is written, and the digits do not tell the two apart.
)
"""(calling code, old national number, the number it is today).

Both spellings reach one handset, and lists hold both; the library leaves the old ones as they are.
"""

_RENUMBERED = tuple((re.compile(rf"\+{code}{old}"), today) for code, old, today in RENUMBERED)
LONGEST_WRITTEN = 250
"""Characters; also the library's own bound."""

_WRITTEN = re.compile(r"\(?\+?[\d ().\-/~]+|\+?[\d ().\-]{3,}[A-Za-z][A-Za-z \-]{2,}")
_EXTENSION = re.compile(r"[ ,;]*(?:\bext(?:n|ension)?\.?|x|#)[=:. ]*\d{1,7}$", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"(\d)[.,](\d+)E\+?(\d\d?)", re.IGNORECASE)
_FLOAT = re.compile(r"(\+?\d{7,15})\.0{1,2}")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3}){2,4}")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−ー"), "-")
_ACCEPTED = "Write it with + and the country code, like +442079460018."


@dataclass(frozen=True, slots=True)
class _Plan:
    """How numbers of one calling code look, as far as needed to leave a finished one alone."""

    code: str
    lengths: frozenset[int]
    "of the whole text, + included"
    touched: re.Pattern[str] | None
    "what the library, or a renumbering, might rewrite"


class _Plans(dict[str, _Plan]):
    """The plan for the three digits after the +, built when first met.

    (Reading the metadata of all 245 regions at start-up would cost a quarter of a second.)
    """

    def __missing__(self, digits: str) -> _Plan:
        plan = self[digits] = self._read(digits)
        return plan

    @staticmethod
    def _read(digits: str) -> _Plan:
        for code in (digits[:1], digits[:2], digits):
            region = phonenumbers.region_code_for_country_code(int(code))
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
            if metadata is None or metadata.general_desc is None:
                continue
            rewritten = [rf"\+{code}{old}\Z" for old_code, old, _ in RENUMBERED if old_code == code]
            if metadata.national_prefix_for_parsing:
                rewritten.append(rf"\+{code}(?:{metadata.national_prefix_for_parsing})")
            lengths = {len(code) + 1 + n for n in metadata.general_desc.possible_length if n > 0}
            return _Plan(
                code,
                frozenset(length for length in lengths if 8 <= length <= 16),
                re.compile("|".join(rewritten)) if rewritten else None,
            )
        return _Plan("", frozenset(), None)


_PLANS = _Plans()


def settled(text: str) -> bool:
    """Whether the text already is the one spelling of a possible number: + and 7 to 15 digits.

    False may also mean "look closer". True is a promise that `canonical` would return the very same
    text, kept by a test over the example numbers of every region.

    >>> settled("+14155550100"), settled("+4407911123456"), settled("4155550100")
    (True, False, False)
    """
    if not (text.startswith("+") and text.isascii() and text[1:].isdigit()):
        return False
    plan = _PLANS[text[1:4]]
    if len(text) not in plan.lengths:
        return False
    if plan.touched is None:
        return True
    match = plan.touched.match(text)
    # Some patterns (Argentina's) match nothing at all, successfully: that rewrites nothing.
    return match is None or match.end() == len(plan.code) + 1


def calling_code(number: str) -> str:
    """The country's part of a canonical number: '1' of '+14155550100'."""
    return _PLANS[number[1:4]].code


def canonical(text: str, region: str | None = None) -> str:
    """The E.164 spelling of a number as people, URIs, vendors and spreadsheets write it.

    `region` ('US') is where a number without + is read. An extension is dropped: an opt-out said
    for a desk then holds for the whole line, which errs towards silence. Raises InvalidAddress.

    >>> canonical("tel:+1-415-555-0100;ext=12"), canonical("(415) 555-0100", "US")
    ('+14155550100', '+14155550100')
    """
    if len(text) > LONGEST_WRITTEN:
        raise InvalidAddress(f"A text of {len(text)} characters is not a phone number. {_ACCEPTED}")
    written = _repaired(clean(text).translate(JOINERS).translate(_DASHES), text)
    if not _WRITTEN.fullmatch(written) or not any(map(str.isdigit, written)):
        raise InvalidAddress(f"'{hint(text)}' is not a phone number. {_ACCEPTED}")
    region = region.upper() if region else None
    number = _read(written, region, text)
    for _ in range(20):  # "+355 0 0 22…" loses one zero a reading.
        if settled(number):
            return number
        before, number = number, _read(number, None, text)
        if number == before:
            return number
    raise InvalidAddress(f"'{hint(text)}' is not a phone number. {_ACCEPTED}")


def _repaired(written: str, text: str) -> str:
    """The number without prefix, extension, and what spreadsheets and URIs did to it."""
    scheme, colon, rest = written.partition(":")
    scheme = scheme.strip().lower()
    if colon and scheme in {"tel", "sms", "smsto", "whatsapp", "rcs"}:
        written = rest.replace("%2B", "+").replace("%2b", "+").replace("%20", " ").strip()
        number, _, parameters = written.partition(";")
        context = re.search(r"(?:^|;)phone-context=(\+[\d.\-]+)", parameters)
        written = f"{context[1]}-{number}" if context and number[:1] != "+" else number
        if scheme == "whatsapp" and written[:1].isdigit():
            written = f"+{written}"  # A WhatsApp number always has its country code.
    written = "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else char for char in written
    )
    written = written.lstrip("'=").strip("\"' ,;")
    if number_in_float := _FLOAT.fullmatch(written):
        return number_in_float[1]
    if number_in_float := _SCIENTIFIC.fullmatch(written):
        if len(number_in_float[2]) != int(number_in_float[3]):
            raise InvalidAddress(
                f"'{hint(text)}' was shortened by a spreadsheet, and digits are lost. Export the "
                f"column again as text. {_ACCEPTED}"
            )
        return number_in_float[1] + number_in_float[2]
    if _THOUSANDS.fullmatch(written):
        return written.replace(",", "")
    return _EXTENSION.sub("", written)


def _read(written: str, region: str | None, text: str) -> str:
    """One reading by the library, as E.164 and, if it was renumbered, as the number of today."""
    written = written.lstrip(" (")
    if region is None and written.startswith("00"):
        written = f"+{written[2:]}"
    if international := written.startswith("+"):
        written = re.sub(r"^\+[ (]*00", "+", written)
    if not international and region is None:
        raise InvalidAddress(
            f"'{hint(text)}' has no country code, and no region to read it in was given. "
            f"{_ACCEPTED}"
        )
    try:
        parsed = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException as problem:
        if region and region not in phonenumbers.SUPPORTED_REGIONS:
            raise InvalidAddress(
                f"No region is called '{region[:20]}', so '{hint(text)}' cannot be read in it. "
                "Give two letters, like US."
            ) from None
        why = _UNREADABLE.get(problem.error_type, "it has too few digits")
        raise InvalidAddress(f"'{hint(text)}' is not a phone number: {why}. {_ACCEPTED}") from None
    number = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if (today := _today(number)) != number:
        return today
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    digits = len(str(parsed.national_number))
    if not international and digits <= 6 and not _is_small_country_number(parsed):
        raise InvalidAddress(
            f"'{hint(text)}' has {digits} digits: a short code sends messages, it is not where one "
            f"lands. {_ACCEPTED}"
        )
    if reason != ValidationResult.IS_POSSIBLE or not 8 <= len(number) <= 16:
        raise InvalidAddress(
            f"'{hint(text)}' is not a phone number that can be reached: {_WHY.get(reason, _LENGTH)}"
            f"{'' if international else f' for a number of region {region}'}. {_ACCEPTED}"
        )
    return number


_UNREADABLE = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "no country has this country code",
    phonenumbers.NumberParseException.TOO_LONG: "it is too long",
}
_LENGTH = "it has the wrong number of digits"
_WHY = {
    ValidationResult.TOO_SHORT: "it is too short",
    ValidationResult.TOO_LONG: "it is too long",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
    ValidationResult.INVALID_COUNTRY_CODE: "no country has this country code",
}


def _today(number: str) -> str:
    """The number after the renumberings that its old spelling tells of."""
    for old, today in _RENUMBERED:
        if match := old.fullmatch(number):
            return match.expand(today)
    return number


def _is_small_country_number(parsed: phonenumbers.PhoneNumber) -> bool:
    """Whether so few digits are a whole number there, as on Ascension or the Faroe Islands.

    In large countries the metadata also calls some short codes possible, so these must be valid.
    """
    region = phonenumbers.region_code_for_number(parsed)
    metadata = PhoneMetadata.metadata_for_region(region or "", None)
    if metadata is None or metadata.general_desc is None:
        return False
    mobile = metadata.mobile.possible_length if metadata.mobile else ()
    return (
        max(metadata.general_desc.possible_length) <= 10
        and min(mobile, default=0) <= 7
        and phonenumbers.number_type(parsed) != PhoneNumberType.UNKNOWN
    )
