"""Taking back an event that should not have been: a machine's click, a typing error.

The event stays in the history; the state is folded again without it.
"""

from heedful.core.errors import InvalidEvent, UnknownEvent
from heedful.core.event import Action
from heedful.core.state import cells_of, fold
from heedful.ledger.append import Append
from heedful.ledger.draft import FARTHEST, Draft
from heedful.ledger.history import event_of
from heedful.ledger.values import Receipt, Row

RETRACTABLE = frozenset(
    {
        Action.OPT_OUT,
        Action.OPT_IN,
        Action.OPT_IN_REQUESTED,
        Action.SUPPRESS,
        Action.RELEASE,
        Action.LIMIT,
        Action.PREFER,
    }
)


def retract(append: Append, draft: Draft) -> Receipt:
    """Record the retraction and fold again what the named event had written.

    UnknownEvent or InvalidEvent, if that event is not there, is another subject's, is of a kind
    that cannot be taken back, or was taken back before.
    """
    if first := append.repeated(draft):
        return first
    append.flush()
    named = draft.body.retracts
    (rows,) = append.writer.ask(("event", {"seq": named}))
    if not rows:
        raise UnknownEvent(f"No event has the number {named}. Nothing was recorded.")
    event = event_of(rows[0])
    if event.action not in RETRACTABLE:
        raise InvalidEvent(
            f"Event {named} is of kind `{event.action}`, which cannot be retracted. "
            "Nothing was recorded."
        )
    if event.subject_key != draft.body.subject:
        raise InvalidEvent(f"Event {named} is about somebody else. Nothing was recorded.")
    (before,) = append.writer.ask(("retracted_by", {"seq": named}))
    if before:
        raise InvalidEvent(
            f"Event {named} was retracted already, by event {before[0][0]}. Nothing was recorded."
        )
    receipt = append.record(draft, append.now(), draft.request)
    append.flush()
    touched = {(bytes.fromhex(key), cell.slot, cell.scope) for key, cell in cells_of(event)}
    keys = sorted({key for key, _, _ in touched})
    (rows,) = append.writer.ask(append.database.ask_keys("events_until", keys, until=FARTHEST))
    states = fold(event_of(row) for row in rows)
    anew: list[Row] = []
    for key, slot, scope in sorted(touched):
        name = {"subject": key, "slot": slot, "scope": scope}
        append.writer.ask(("delete_cell", name))
        state = states.get(key.hex())
        if state is not None and (cell := state.get(slot, scope)):
            anew.append((key, slot, scope, cell.at, cell.seq, cell.value))
    append.writer.write(("write_cells", anew))
    append.forget()
    return receipt
