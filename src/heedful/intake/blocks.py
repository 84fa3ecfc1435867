"""A vendor refuses to deliver, because the person told it, or the carrier, to stop."""

from heedful.core.event import Action, Statement, Suppression
from heedful.core.scope import Scope, TargetKind
from heedful.intake import reach
from heedful.intake.record import Door, again, derived, heard_before
from heedful.ledger import Receipt
from heedful.vendors.contract import Block


class Blocks:
    """Learns from what vendors refuse."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._ledger = door.ledger

    def hear(self, vendor: str, block: Block) -> tuple[Receipt, ...] | None:
        """Record that a vendor refuses to deliver. None, where nothing can be made of it.

        The block itself holds for its sender. It is an opt-out too only if none of ours explains
        it: then the person has told the vendor what nobody told us.
        """
        key = self._ledger.key_of(block.address)
        request_id = f"{block.message_id}:{block.code}"
        history = self._ledger.history(key)
        if earlier := heard_before(history, vendor, request_id):
            return tuple(again(event) for event in earlier)
        source = f"hook:{vendor}"
        evidence = {"code": block.code, "message_id": block.message_id, **block.evidence}
        group = []
        if sender := self._blocked_sender(block):
            group.append(
                Statement(
                    subject=block.address,
                    action=Action.SUPPRESS,
                    source=source,
                    scope=Scope(block.channel, TargetKind.EVERYTHING),
                    evidence=evidence,
                    request_id=request_id,
                    suppression=Suppression.CARRIER_BLOCK,
                    sender=sender,
                )
            )
        if not reach.explained(self._ledger.state(key), block.channel):
            group.append(
                Statement(
                    subject=block.address,
                    action=Action.OPT_OUT,
                    source=source,
                    scope=Scope(block.channel, TargetKind.MARKETING),
                    evidence=evidence,
                    request_id=derived(request_id, len(group) + 1),
                    reason="carrier_block",
                    confirmation="vendor",
                )
            )
        return tuple(self._door.say(*group)) if group else None

    def _blocked_sender(self, block: Block) -> str | None:
        """The number, or else the pool; the pool, where the touchpoints speak of that."""
        named = {touchpoint.sender for touchpoint in self._ledger.catalogue().touchpoints}
        known = block.service if block.sender not in named and block.service in named else None
        return known or block.sender or block.service
