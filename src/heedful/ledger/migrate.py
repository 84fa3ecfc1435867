"""Whether a ledger's schema is one that this version can work with."""

from collections.abc import Sequence

from heedful.core.errors import LedgerUnavailable
from heedful.ledger.database import Migration


def check_version(
    done: Sequence[int], known: Sequence[Migration], create: bool, where: str
) -> None:
    """Refuse, with what to do, an absent ledger that is not to be made, and a newer one."""
    if not done and not create:
        raise LedgerUnavailable(f"There is no ledger at {where}. `heedful init` makes one.")
    newest = known[-1].number
    if done and done[-1] > newest:
        raise LedgerUnavailable(
            f"The ledger at {where} was written by a newer Heedful: its schema is number "
            f"{done[-1]}, and this version knows {newest}. Install that version, or a later one."
        )
