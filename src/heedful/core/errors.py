"""Every error that Heedful raises on purpose.

    HeedfulError
    ├── InvalidInput            what came in cannot be taken; nothing was recorded
    │   ├── InvalidAddress  InvalidScope  InvalidTime  InvalidEvent  InvalidQuestion
    │   ├── UnknownTopic  UnknownSegment  UnknownVendor  UnknownEvent
    │   ├── InvalidJson  InvalidBody  InvalidLink  TooLarge  InvalidBackup
    │   └── InvalidBrand        brand.toml has findings; each names key, line and near miss
    ├── BrandRefused            brand.toml is well formed, but may not replace the one in force
    ├── RequestIdConflict       the same request id came with other content
    ├── Unauthenticated         no key was given, or one that is unknown or revoked
    ├── Forbidden               this key, or this state of affairs, does not allow it
    ├── LeaseLost               another process does this work by now
    ├── Forged                  a webhook whose signature is missing or wrong
    ├── NotConfigured           a vendor's setting names a secret that is not there
    └── LedgerError             nothing was recorded, unless the sentence says otherwise
        ├── LedgerUnavailable  LedgerFull  LedgerBroken  LedgerNotEmpty
        ├── HistoryChanged      a cursor of another history (restore, failover)
        └── WrongKeys           the keys at hand are not the keys of this ledger

An error's text is for the person reading it: what happened, what was or was not recorded, what
to do. The class name in snake case is the code that the API, the command and the docs use.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class HeedfulError(Exception):
    """The root of the tree above. `code` is stable; the text may be reworded."""

    code = "heedful_error"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


class InvalidInput(HeedfulError):
    """What came in cannot be taken. Nothing was recorded."""


class InvalidAddress(InvalidInput):
    """Not a phone number, mailbox, push token, contact or digest. The text masks what was given."""


class InvalidScope(InvalidInput):
    """Not of the form CHANNEL/TARGET, or a target that does not exist."""


class InvalidTime(InvalidInput):
    """Not an RFC 3339 time, or one without a zone."""


class InvalidEvent(InvalidInput):
    """An event that contradicts itself, or lacks what its action needs."""


class InvalidQuestion(InvalidInput):
    """A question to the gate that has no answer: say, an e-mail to a phone number."""


class UnknownTopic(InvalidInput):
    """No topic of that name is in the catalogue in force."""


class UnknownSegment(InvalidInput):
    """No segment of that name is in the catalogue in force."""


class UnknownVendor(InvalidInput):
    """No vendor of that name is in the catalogue in force."""


class UnknownEvent(InvalidInput):
    """No event has that number."""


class InvalidJson(InvalidInput):
    """What came in is not JSON in UTF-8."""


class InvalidBody(InvalidInput):
    """JSON of another shape than the one that is read here; the text names the place."""


class TooLarge(InvalidInput):
    """More bytes than are taken in at once."""


class InvalidBrand(InvalidInput):
    """brand.toml cannot be read as a catalogue. `findings` has one sentence a fault."""

    def __init__(self, findings: Iterable[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(self.findings))


class InvalidLink(InvalidInput):
    """A link that was cut off, changed, or made for something else. Nothing was changed."""


class InvalidBackup(InvalidInput):
    """A file that is no backup, or one that was cut off or changed. Nothing was restored."""


class BrandRefused(HeedfulError):
    """brand.toml is well formed but may not replace the catalogue in force.

    `never` holds what no reason makes acceptable; `loosens` what `--yes` with a reason allows.
    """

    def __init__(self, never: Iterable[str], loosens: Iterable[str]) -> None:
        self.never, self.loosens = tuple(never), tuple(loosens)
        super().__init__("\n".join((*self.never, *self.loosens)))


class RequestIdConflict(HeedfulError):
    """The request id was used before, by the same source, for something else."""


class Unauthenticated(HeedfulError):
    """No key was given, or one that is unknown or revoked."""


class Forbidden(HeedfulError):
    """The caller may not do this."""


class Forged(HeedfulError):
    """A webhook that cannot be shown to come from the vendor. Nothing in it was believed."""


class NotConfigured(HeedfulError):
    """A vendor's setting names a secret that is not there; what concerns that vendor waits."""


class LeaseLost(HeedfulError):
    """Another process does this work by now. Nothing was stored; leave it to that one."""


class LedgerError(HeedfulError):
    """The ledger could not do it. Nothing was recorded, unless the sentence says otherwise."""


class LedgerUnavailable(LedgerError):
    """The database does not answer. Treat the answer to "may I send?" as no."""


class LedgerFull(LedgerError):
    """The disk, or the limit set for the database, is full."""


class LedgerBroken(LedgerError):
    """What is stored contradicts itself. `heedful verify` says where."""


class LedgerNotEmpty(LedgerError):
    """A restore or an init was asked for where a history stands already."""


class HistoryChanged(LedgerError):
    """The cursor belongs to another history. Start again from the beginning."""


class WrongKeys(LedgerError):
    """The keys at hand are not those that this ledger was made with."""


def near_miss(word: str, known: Iterable[str]) -> str:
    """`" Did you mean 'weekly_deals'?"`, or nothing where nothing is near."""
    close = get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
