"""How far STOP and START reach, judged by what is known of the address and by nothing else."""

from collections.abc import Callable, Sequence

from heedful.core.catalogue import Catalogue
from heedful.core.event import Action, Consent, Event, Suppression
from heedful.core.scope import Channel, Scope, TargetKind, within
from heedful.core.state import State

_GRANTS = (
    TargetKind.EVERYTHING,
    TargetKind.MARKETING,
    TargetKind.CATEGORY,
    TargetKind.TOPIC,
)


def of_stop(catalogue: Catalogue, channel: Channel, transactional: bool) -> tuple[Scope, ...]:
    """How far a bare STOP reaches: as the brand says, and everything where it answers a
    transactional message, whichever is wider; both, where neither contains the other."""
    brand = catalogue.sms_stop
    base = brand if brand.on(channel) else Scope(channel, TargetKind.MARKETING)
    if not transactional:
        return (base,)
    everything = Scope(channel, TargetKind.EVERYTHING)
    if within(everything, base):
        return (base,)
    return (everything,) if within(base, everything) else (everything, base)


def confirmed(
    history: Sequence[Event],
    channel: Channel,
    scopes: tuple[Scope, ...],
    told: Callable[[int], str | None],
) -> bool:
    """Whether the person was told of an opt-out as wide as this since they last came back.

    `told` gives the confirmation that was recorded with an event.
    """
    missing = set(scopes)
    for event in reversed(history):
        if event.scope is None or not event.scope.on(channel):
            continue
        if event.action is Action.OPT_IN and event.lifts:
            break
        if event.action is Action.OPT_OUT and told(event.seq):
            missing = {scope for scope in missing if not within(scope, event.scope)}
            if not missing:
                return True
    return False


def agreed(state: State, channel: Channel) -> bool:
    """Whether anything was ever agreed to on this address for the channel, and still may count."""
    ended = [c.at for c in map(state.get, ("reassigned", "erase")) if c]
    for cell in state:
        word, _, rest = cell.slot.partition(":")
        if (
            word == "in"
            and all(cell.at > at for at in ended)
            and not rest.startswith(f"{Consent.RESTORED}:")
        ):
            scope = Scope.parse(cell.scope)
            if scope.kind in _GRANTS and scope.on(channel):
                return True
    return False


def blocked(state: State, channel: Channel, sender: str) -> bool:
    """Whether a block of this sender stands: suppressed, and not released since."""
    scope = Scope(channel, TargetKind.EVERYTHING).text
    slot = f"{Suppression.CARRIER_BLOCK}:{sender}"
    block = state.get(f"suppress:{slot}", scope)
    release = state.get(f"release:{slot}", scope)
    return block is not None and (release is None or release.at <= block.at)


def explained(state: State, channel: Channel) -> bool:
    """Whether an opt-out of ours, taken back or not, is why the vendor blocks."""
    return any(
        cell.slot == "out"
        and (scope := Scope.parse(cell.scope)).on(channel)
        and scope.kind in (TargetKind.MARKETING, TargetKind.EVERYTHING)
        for cell in state
    )
