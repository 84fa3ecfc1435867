"""IN: whatever shape an opt-out arrives in becomes one consent event, through one door.

record   the one door: items of the API, the command and Python → statements → the ledger
sms      a text that somebody sent → statements and the one reply, in one transaction
blocks   a vendor's refusal to deliver → a suppression, and an opt-out if nothing explains it
hooks    a vendor's webhook → what was said → sms, blocks
links    the tokens in messages: whose, about what, for which purpose
oneclick what a link's page shows, and what its button does
"""

from heedful.intake.hooks import Hooks
from heedful.intake.links import Link, Links, Purpose
from heedful.intake.oneclick import Left, Look, OneClick
from heedful.intake.record import Caller, Door

__all__ = ["Caller", "Door", "Hooks", "Left", "Link", "Links", "Look", "OneClick", "Purpose"]
