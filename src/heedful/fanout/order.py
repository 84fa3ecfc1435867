"""One instruction, put into words as the ledger stands when it is read."""

import hashlib
import sys
from dataclasses import replace

from heedful.core.event import Action
from heedful.core.instant import Instant
from heedful.fanout.lanes import Pending
from heedful.fanout.plan import Touches, data_of, overtaken
from heedful.fanout.sight import Seen
from heedful.vendors.contract import Instruction

_TYPES = {action: f"consent.{action}" for action in Action}


def order_of(
    item: Pending, seen: Seen, touches: Touches, now: Instant, as_of: int, epoch: str
) -> Instruction | None:
    """The instruction, or None where nothing of what the event said still stands, or nobody can
    say any more whom it was about."""
    if item.subject is None:
        return None
    why = item.why
    said = touches.say(item.mask, now, lambda: seen.facts, seen.signature)
    if item.first or why.action is Action.LINK:
        # The news is not this event but what stood already.
        upto = as_of if item.first else sys.maxsize
        cause = touches.cause(seen.facts, now, upto, item.mask)
        if cause is None:
            return None
        at = cause.at if item.first else why.at
        why = replace(cause, seq=why.seq, at=at)
    elif overtaken(why.action, said):
        return None
    return Instruction(
        vendor=touches.vendor,
        id=_id(item, touches.vendor, as_of, epoch),
        type=_TYPES[why.action],
        data=data_of(why, item.subject, said, touches.honour_within),
        at=why.at,
    )


def _id(item: Pending, vendor: str, as_of: int, epoch: str) -> str:
    """The webhook-id: the same on every attempt, another for each vendor, event and address.

    Another also when a vendor that grew is told anew of an old event, and after a restore or a
    failover, which give old numbers to new events.
    """
    seq = item.why.seq
    of = f"{epoch} {as_of} {seq}" if seq <= as_of else item.hash
    whole = f"{vendor} {of} {item.key.hex()}"
    return f"msg_{hashlib.sha256(whole.encode()).hexdigest()[:32]}"
