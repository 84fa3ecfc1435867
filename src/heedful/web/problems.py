"""Errors as problem documents (RFC 9457): what happened, what was not recorded, what to do."""

import msgspec

from heedful.core import errors
from heedful.core.errors import HeedfulError

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """A problem document. `code` is stable and `type` leads to its explanation; `detail` may be
    reworded."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class ItemProblem(msgspec.Struct, frozen=True):
    """Why one item of several was not taken. Nothing was recorded of it."""

    code: str
    detail: str


# From the most particular to the most general: the first that fits counts.
_STATUS: tuple[tuple[type[HeedfulError], int, str], ...] = (
    (errors.InvalidJson, 400, "Not JSON"),
    (errors.TooLarge, 413, "Too large"),
    (errors.InvalidLink, 404, "No such link"),
    (errors.UnknownEvent, 404, "No such event"),
    (errors.UnknownVendor, 404, "No such vendor"),
    (errors.Forged, 401, "Not the vendor's signature"),
    (errors.NotConfigured, 503, "Not configured"),
    (errors.InvalidInput, 422, "Cannot be taken"),
    (errors.BrandRefused, 409, "Refused"),
    (errors.RequestIdConflict, 409, "Request id used before"),
    (errors.Unauthenticated, 401, "No valid key"),
    (errors.Forbidden, 403, "Not allowed"),
    (errors.HistoryChanged, 409, "Another history"),
    (errors.LedgerBroken, 500, "The ledger contradicts itself"),
    (errors.LedgerError, 503, "The ledger does not answer"),
    (errors.HeedfulError, 500, "Failed"),
)

TITLES = {
    "not_found": (404, "No such page"),
    "method_not_allowed": (405, "No such method"),
    "too_many_requests": (429, "Too many requests"),
    "unexpected": (500, "Something unforeseen"),
}
"""Problems of HTTP itself, which are no errors of Heedful's."""


def of_error(error: HeedfulError) -> Problem:
    """The document of an error. Where the ledger failed, it says that nothing was recorded."""
    status, title = next((s, t) for kind, s, t in _STATUS if isinstance(error, kind))
    detail = str(error) or title + "."
    if isinstance(error, errors.LedgerError) and "recorded" not in detail:
        detail = f"{detail.rstrip()} Nothing was recorded."
    return Problem(f"/docs#{error.code}", title, status, error.code, detail)


def of_code(code: str, detail: str) -> Problem:
    """The document of a problem of HTTP itself."""
    status, title = TITLES[code]
    return Problem(f"/docs#{code}", title, status, code, detail)


def of_item(error: HeedfulError) -> ItemProblem:
    return ItemProblem(error.code, of_error(error).detail)


def every_code() -> dict[str, tuple[int, str, str]]:
    """Each code that can be answered: its status, its title, and what it means."""
    found: dict[str, tuple[int, str, str]] = {}

    def walk(kind: type[HeedfulError]) -> None:
        status, title = next((s, t) for k, s, t in _STATUS if issubclass(kind, k))
        meaning = " ".join((kind.__doc__ or "").split())
        found[kind.code] = (status, title, meaning)
        for further in kind.__subclasses__():
            walk(further)

    for kind in HeedfulError.__subclasses__():
        walk(kind)
    for code, (status, title) in TITLES.items():
        found[code] = (status, title, title + ".")
    return found
