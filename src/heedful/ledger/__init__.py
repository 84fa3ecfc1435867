"""The memory of Heedful. `Ledger` is all that other rooms need."""

from heedful.ledger.access import ApiKey, Permission
from heedful.ledger.ledger import Ledger
from heedful.ledger.outbox import Delivery, Outbox, VendorCursor
from heedful.ledger.values import (
    Checkpoint,
    Cursor,
    Group,
    Head,
    Kept,
    Reading,
    Receipt,
    Row,
    SendReport,
)

__all__ = [
    "ApiKey",
    "Checkpoint",
    "Cursor",
    "Delivery",
    "Group",
    "Head",
    "Kept",
    "Ledger",
    "Outbox",
    "Permission",
    "Reading",
    "Receipt",
    "Row",
    "SendReport",
    "VendorCursor",
]
