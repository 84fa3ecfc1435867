"""Gather what `decide()` needs to know about one message to one address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from heedful.core.address import Address, Digest
from heedful.core.decision import Facts
from heedful.core.instant import Instant
from heedful.core.scope import Channel
from heedful.core.state import State
from heedful.gate.moment import Moment
from heedful.gate.signature import Plan
from heedful.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its names resolved: the address, the message, the contact that was named."""

    address: Address
    key: bytes
    plan: Plan
    named: bytes | None
    at: Instant


def consulted(own: State, named: bytes | None) -> Mapping[bytes, bool]:
    """The contacts that count for an address, by key, and whether each is linked now.

    Every contact ever linked. Naming one that is linked now leaves aside the others linked now;
    naming any other changes nothing.
    """
    now, ever = own.linked()
    if named is not None and named.hex() in now:
        ever -= now - {named.hex()}
    return {bytes.fromhex(key): key in now for key in sorted(ever)}


def speaking_for(own: State, named: bytes | None) -> bytes | None:
    """The contact whose other addresses are alternatives: the one named, or the only one."""
    now, _ = own.linked()
    if named is not None and named.hex() in now:
        return named
    return bytes.fromhex(next(iter(now))) if len(now) == 1 else None


def digest_keys(ledger: Ledger, address: Address) -> tuple[bytes, ...]:
    """The keys under which foreign lists may hold the address."""
    return tuple(ledger.key_of(Digest(*text.split(":", 1))) for text in address.digests)


def facts_of(asked: Asked, moment: Moment, ledger: Ledger) -> Facts | None:
    """The facts, or None where the moment has yet to read some of the subjects."""
    own = moment.state(asked.key)
    if own is None:
        return None
    contacts = [moment.state(key) for key in consulted(own, asked.named)]
    digests = (
        [moment.state(key) for key in digest_keys(ledger, asked.address)] if moment.digests else []
    )
    known = tuple(state for state in (*contacts, *digests) if state is not None)
    if len(known) < len(contacts) + len(digests):
        return None
    since = _sends_since(asked, (own, *known))
    return Facts(
        own=own,
        contacts=known[: len(contacts)],
        digests=known[len(contacts) :],
        sends=() if since is None else ledger.sends(asked.key, since),
        vendor_allowed=asked.plan.vendor_allowed,
    )


def _sends_since(asked: Asked, states: Iterable[State]) -> Instant | None:
    """From when on sends matter, or None: no cap, and no limit of so many in a span."""
    message, spans = asked.plan.message, []
    if message.category.is_marketing:
        on = (Channel.ANY, message.channel)
        spans = [cap.per for cap in asked.plan.rules.caps if cap.channel in on]
    for state in states:
        for cell in state:
            if cell.slot == "limit" and cell.value is not None:
                per = cell.value.split(" ")[2]
                if per != "-":
                    spans.append(int(per))
    return asked.at - max(spans) if spans else None
