"""A vendor's webhook → that vendor's own reading of it → what is recorded → the answer.

hooks = Hooks(door)
hooks.receive("texter", query, headers, body)     → HookReply(status, content_type, body)
"""

from collections.abc import Mapping

from heedful import observe
from heedful.core.errors import Forged, InvalidInput, RequestIdConflict, UnknownVendor
from heedful.core.keywords import Said
from heedful.intake.blocks import Blocks
from heedful.intake.record import Door
from heedful.intake.sms import Texts
from heedful.vendors import Can, account, kind_of
from heedful.vendors.contract import Block, Heard, HookReply, HookRequest, Inbound, Unknown

_LOG = observe.logger(__name__)


class Hooks:
    """Receives the webhooks of every vendor in the catalogue. May be used by many threads."""

    def __init__(self, door: Door) -> None:
        self._ledger = door.ledger
        self._texts = Texts(door)
        self._blocks = Blocks(door)

    def receive(
        self, vendor: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> HookReply:
        """Take one request to `/hooks/{vendor}` and answer it, after the commit.

        `query` is the raw query string, `headers` have lower-case names. Raises UnknownVendor
        (404), Forged (401), NotConfigured and LedgerError (503: the vendor should try again).
        Whatever else comes, signed by the vendor, is recorded, or kept and flagged.
        """
        catalogue = self._ledger.catalogue()
        held = catalogue.vendor(vendor)
        kind = kind_of(held)
        if Can.HEAR not in kind.can or kind.make_hook is None:
            raise UnknownVendor(
                f"Vendor '{vendor}' is of kind '{kind.name}', which sends no webhooks to Heedful."
            )
        hook = kind.make_hook(account(held))
        url = f"{catalogue.url}/hooks/{vendor}" + (f"?{query}" if query else "")
        try:
            parts = hook.hear(HookRequest(url, headers, body))
        except Forged:
            observe.HOOKS.labels(vendor, "forged").inc()
            raise
        text = None
        for part in parts:
            why = part.why if isinstance(part, Unknown) else "nothing to record"
            try:
                result, text = self._take(vendor, part, len(parts) == 1)
            except (InvalidInput, RequestIdConflict) as error:
                result, why = "unknown", error.code
            if result == "unknown":
                self._keep(vendor, why, body)
            observe.HOOKS.labels(vendor, result).inc()
        return hook.reply(text)

    def _take(self, vendor: str, part: Inbound, alone: bool) -> tuple[str, str | None]:
        """Record one part; what it was, in the words of the counter, and the text to answer."""
        match part:
            case Heard():
                reply = self._texts.hear(vendor, part, can_reply=alone)
                return ("unread" if reply.said is Said.NONE else str(reply.said)), reply.text
            case Block():
                return ("block" if self._blocks.hear(vendor, part) else "unknown"), None
            case Unknown():
                return "unknown", None
            case _:
                return "nothing", None

    def _keep(self, vendor: str, why: str, body: bytes) -> None:
        """Lay aside what could not be understood, for a person to look at."""
        number = self._ledger.keep(f"hook:{vendor}", why, body)
        _LOG.warning("webhook_kept", vendor=vendor, why=why, kept=number)
