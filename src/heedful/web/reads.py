"""What is known of a subject, and the change feed. A key that is bound to a vendor sees what that
vendor's touchpoints concern, and nothing else."""

import msgspec
from starlette.responses import Response, StreamingResponse

from heedful.core.address import parse_subject
from heedful.core.catalogue import Catalogue
from heedful.core.event import Action, Event
from heedful.core.scope import Scope, TargetKind, target_covers
from heedful.ledger import ApiKey, Cursor, Permission
from heedful.web import bodies, shown, stream
from heedful.web.app import Call
from heedful.web.bodies import EventRow, FeedAnswer, HistoryAnswer
from heedful.web.shown import SubjectAnswer
from heedful.wire import House

_query = msgspec.json.Decoder(bodies.SubjectQuery)


async def subject(call: Call) -> SubjectAnswer:
    """What stands for a subject."""
    return await call.house.read(_standing, call.house, call.params["subject"], call.key)


async def query(call: Call) -> SubjectAnswer:
    """The same, with the address in the body and so in nobody's log."""
    return await call.house.read(_standing, call.house, call.body(_query).subject, call.key)


async def history(call: Call) -> HistoryAnswer:
    """Every event of a subject, oldest first."""
    return await call.house.read(_history, call.house, call.params["subject"], call.key)


def _standing(house: House, text: str, key: ApiKey | None) -> SubjectAnswer:
    catalogue = house.ledger.catalogue()
    standing = house.gate.standing(parse_subject(text, catalogue.region))
    if key is None or key.vendor is None:
        return shown.subject_answer(standing)
    touches = frozenset(catalogue.touches(key.vendor))
    return shown.subject_answer(
        standing,
        messages=lambda m: (m.channel, m.topic) in touches,
        scopes=lambda text: concerns(catalogue, key.vendor, Scope.parse(text)),
        private=False,
    )


def _history(house: House, text: str, key: ApiKey | None) -> HistoryAnswer:
    found = parse_subject(text, house.ledger.catalogue().region)
    return HistoryAnswer(rows(house, house.ledger.history(house.ledger.key_of(found)), key))


def rows(house: House, events: list[Event], key: ApiKey | None) -> list[EventRow]:
    """The events as bodies, those left out that are none of the key's business."""
    if key is None or key.vendor is None:
        return [bodies.event_row(event) for event in events]
    catalogue = house.ledger.catalogue()
    return [
        bodies.event_row(event, private=False)
        for event in events
        if event_concerns(catalogue, key.vendor, event)
    ]


def event_concerns(catalogue: Catalogue, vendor: str, event: Event) -> bool:
    """Whether an event can change what stands for the messages that a vendor sends.

    A retraction, an erasure or a link does so without a scope of its own.
    """
    if event.action is Action.PREFER:
        return False
    return event.scope is None or concerns(catalogue, vendor, event.scope)


def concerns(catalogue: Catalogue, vendor: str | None, scope: Scope) -> bool:
    """Whether a scope takes in anything that the vendor's touchpoints name."""
    if vendor is None or vendor not in catalogue.vendors:
        return vendor is None
    return any(
        scope.on(channel)
        and (
            scope.kind is TargetKind.SEGMENT
            or target_covers(scope, topic, catalogue.topics[topic].category)
        )
        for channel, topic in catalogue.touches(vendor)
    )


class FeedQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where to go on (`next` of the answer before), and how much at once."""

    after: str = "0"
    limit: bodies.PageSize = 100


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where to go on; the header Last-Event-ID says the same and comes first."""

    after: str = "0"


async def feed(call: Call) -> FeedAnswer:
    """The next events after a cursor: 409 `history_changed` if it is of another history."""
    asked = call.query(FeedQuery)
    cursor = Cursor.parse(asked.after)
    return await call.house.read(_page, call.house, cursor, asked.limit, call.key)


def _page(house: House, cursor: Cursor, limit: int, key: ApiKey | None) -> FeedAnswer:
    events, after = house.ledger.events(cursor, limit)
    return FeedAnswer(rows(house, events, key), after.text)


async def feed_stream(call: Call) -> Response:
    """The same as server-sent events, without an end."""
    asked = call.query(StreamQuery)
    cursor = Cursor.parse(call.header(b"last-event-id") or asked.after)
    house, key = call.house, call.key
    # A cursor of another history is refused with a status, before the stream begins.
    await house.read(_page, house, cursor, 1, key)

    def page(cursor: Cursor, limit: int) -> tuple[list[EventRow], Cursor]:
        call.app.callers.admitted(call.scope["headers"], Permission.READ)
        events, after = house.ledger.events(cursor, limit)
        return rows(house, events, key), after

    if call.scope["method"] == "HEAD":
        return Response(media_type="text/event-stream")
    body = stream.events(house, call.app.changes, page, cursor, call.app.stopping)
    return StreamingResponse(
        body,
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )
