"""Telling the vendors: every one concerned, in order, until it answers.

dispatcher = Dispatcher(ledger)
dispatcher.start()        # a thread of its own
dispatcher.stop()         # what is under way is finished and its answers are stored
status(ledger)            # who has been told, and who has not
retry(ledger, "shipper", now)
"""

from heedful.fanout.deliver import Dispatcher
from heedful.fanout.operate import disable, retry
from heedful.fanout.status import VendorStatus, status

__all__ = ["Dispatcher", "VendorStatus", "disable", "retry", "status"]
