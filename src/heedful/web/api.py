"""What programs say and ask over HTTP. No rule stands here: bodies become the words of the gate,
the door and the ledger, and their answers become bodies."""

from collections.abc import Sequence
from typing import Any

import msgspec

from heedful import observe
from heedful.core.address import Address, Contact, sender_of
from heedful.core.errors import (
    Forbidden,
    HeedfulError,
    InvalidBody,
    InvalidInput,
    InvalidQuestion,
    LedgerError,
)
from heedful.core.instant import Edge, parse, parse_past
from heedful.core.scope import Channel
from heedful.gate import Question
from heedful.intake import Caller, Link
from heedful.intake.links import Purpose, headers
from heedful.ledger import Receipt, SendReport
from heedful.web import bodies, problems
from heedful.web.app import Call, decoded
from heedful.web.bodies import CheckItem, FailedItem
from heedful.web.together import answered
from heedful.wire import House, now

INLINE = 100
"""Checks that are answered on the event loop, where the ledger is a file; more go to a thread."""

_checks = msgspec.json.Decoder(bodies.Checks).decode
_loose_checks = msgspec.json.Decoder(bodies.LooseChecks)
_check = msgspec.json.Decoder(CheckItem)
_loose_events = msgspec.json.Decoder(bodies.LooseItems)
_event = msgspec.json.Decoder(bodies.EventItem)
_loose_sends = msgspec.json.Decoder(bodies.LooseSends)
_send = msgspec.json.Decoder(bodies.SendItem)
_stamp = msgspec.json.Decoder(bodies.StampRequest)
_recorded = observe.RECORDED.labels("api")


# --- may I send this? ---------------------------------------------------------------------------


async def check(call: Call) -> bytes:
    """Decide each. A "no" is an answer (200), not an error."""
    house, vendor = call.house, call.key.vendor if call.key else None
    items: Sequence[CheckItem | HeedfulError]
    try:
        items = _checks(call.raw).checks
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        items = [_item(_check, raw) for raw in call.body(_loose_checks).checks]
    asked: list[Question | HeedfulError] = [_question(item, vendor) for item in items]
    if not house.reads_at_once:
        answers = await call.app.together.answers(asked)
    elif len(asked) <= INLINE:
        answers = await call.app.together.at_once(asked)
    else:
        answers = await house.thread(answered, house, asked)
    seq = answers.seq or (await house.read(house.ledger.head)).seq
    return call.app.wording.body(answers.each, answers.catalogue, seq)


def _question(item: CheckItem | HeedfulError, vendor: str | None) -> Question | HeedfulError:
    if isinstance(item, HeedfulError):
        return item
    try:
        return question(item, vendor)
    except (InvalidInput, Forbidden) as error:
        return error


def question(item: CheckItem, vendor: str | None = None) -> Question:
    """The gate's question. A key that is bound to a vendor asks for that vendor only."""
    if vendor is not None and item.vendor not in (None, vendor):
        raise Forbidden(f"This key is bound to vendor '{vendor}' and cannot ask for another.")
    return Question(
        item.to,
        item.channel,
        item.topic,
        None if item.contact is None else Contact(item.contact.removeprefix("contact:")),
        tuple(item.segments),
        None if item.at is None else parse(item.at, Edge.FIRST),
        None if item.as_of is None else parse_past(item.as_of, now()),
        vendor or item.vendor,
        item.sender,
        item.campaign,
    )


def _item(decoder: "msgspec.json.Decoder[Any]", raw: msgspec.Raw) -> Any:
    """One item, or what is wrong with it."""
    try:
        return decoded(decoder, bytes(raw))
    except HeedfulError as error:
        return error


# --- recording ----------------------------------------------------------------------------------


async def record(call: Call) -> bodies.EventsAnswer:
    """Record each by itself, and answer after the commit that holds it."""
    assert call.key is not None
    caller = Caller.api(call.key)
    request_id = _request_id(call)
    items = [_as_mapping(_item(_event, raw)) for raw in call.body(_loose_events).events]
    if len(items) == 1:
        answers = [await _record_one(call, items[0], caller, request_id)]
    else:
        answers = await call.house.thread(_record_many, call.house, items, caller, request_id)
    _raise_if_all_failed(answers)
    return bodies.EventsAnswer([bodies.recorded(answer) for answer in answers])


async def _record_one(
    call: Call, item: dict[str, object] | HeedfulError, caller: Caller, request_id: str | None
) -> Receipt | HeedfulError:
    """Into the next group commit, without a thread of its own to wait in."""
    if isinstance(item, HeedfulError):
        return item
    if request_id is not None:
        item.setdefault("request_id", request_id)
    house, landing, receipts = call.house, call.app.landing, []
    try:
        if said := house.door.at_once(item, caller):
            receipts = await landing.record(*said)
        if not receipts:  # wrong, or the catalogue is another by now: the one in force says
            receipts = await landing.record(await house.read(house.door.statement, item, caller))
    except HeedfulError as error:
        return error
    _recorded.inc()
    return receipts[0]


def _record_many(
    house: House,
    items: Sequence[dict[str, object] | HeedfulError],
    caller: Caller,
    request_id: str | None,
) -> list[Receipt | HeedfulError]:
    """Those that could be read, all the same numbered by their place in the request."""
    for place, item in enumerate(items):
        if request_id is not None and isinstance(item, dict):
            item.setdefault("request_id", f"{request_id}/{place}")
    said = iter(house.door.say_many([i for i in items if isinstance(i, dict)], caller))
    return [next(said) if isinstance(item, dict) else item for item in items]


def _as_mapping(item: Any) -> Any:
    return item if isinstance(item, HeedfulError) else msgspec.to_builtins(item)


def _request_id(call: Call) -> str | None:
    text = call.header(b"idempotency-key")
    if text is not None and not (0 < len(text.strip()) <= 180 and text.isprintable()):
        raise InvalidBody(
            "The header Idempotency-Key is 1 to 180 visible characters. Nothing was recorded."
        )
    return text


def _raise_if_all_failed(answers: Sequence[object]) -> None:
    """Where the ledger took nothing at all, that is the answer to the request itself (503)."""
    first = next((a for a in answers if isinstance(a, LedgerError)), None)
    if first is not None and all(isinstance(a, HeedfulError) for a in answers):
        raise first


# --- what was sent, and what a message must carry -----------------------------------------------


async def sends(call: Call) -> bodies.SendsAnswer:
    """Note what went out: caps and limits count it, and a reply of STOP finds what it answers."""
    assert call.key is not None
    house, key = call.house, call.key
    request_id = _request_id(call)
    items = [_item(_send, raw) for raw in call.body(_loose_sends).sends]

    def note() -> list[bodies.NotedItem | FailedItem]:
        reports = [
            _report(house, item, f"api:{key.name}", key.vendor, named)
            for item, named in zip(items, _numbered(request_id, len(items)), strict=True)
        ]
        house.ledger.report_sends([r for r in reports if isinstance(r, SendReport)])
        return [
            bodies.NotedItem(noted=True)
            if isinstance(r, SendReport)
            else FailedItem(problems.of_item(r))
            for r in reports
        ]

    return bodies.SendsAnswer(await house.thread(note))


def _numbered(request_id: str | None, count: int) -> list[str | None]:
    """The header's id for an only item, and with its place for each of several."""
    if request_id is None or count == 1:
        return [request_id] * count
    return [f"{request_id}/{place}" for place in range(count)]


def _report(
    house: House,
    item: bodies.SendItem | HeedfulError,
    source: str,
    vendor: str | None,
    request_id: str | None,
) -> SendReport | HeedfulError:
    if isinstance(item, HeedfulError):
        return item
    try:
        request_id = item.request_id or request_id
        if request_id is None:
            raise InvalidBody(
                "A send needs a `request_id`, or the request an Idempotency-Key. "
                "Nothing was recorded."
            )
        if any(word and "\0" in word for word in (request_id, item.sender, item.campaign)):
            raise InvalidBody("A send holds no NUL. Nothing was recorded.")
        if vendor is not None and item.vendor not in (None, vendor):
            raise Forbidden(f"This key is bound to vendor '{vendor}'. Nothing was recorded.")
        if item.token is not None:
            house.tokens.check(item.token)
        catalogue = house.ledger.catalogue()
        message = catalogue.message(item.channel, item.topic, vendor=vendor or item.vendor)
        to = Address.parse(item.to, catalogue.region)
        if item.channel not in to.channels:
            raise InvalidQuestion(f"No message by {item.channel} can reach {to.masked}.")
        # A send of the future would be the latest one for years, and count for no cap.
        at = min(parse(item.at, Edge.LAST), now())
        return SendReport(
            house.ledger.key_of(to), message.channel, message.topic, message.category, at,
            sender_of(item.sender, catalogue.region) if item.sender else None,
            vendor or item.vendor, item.campaign, source, request_id,
        )  # fmt: skip
    except (InvalidInput, Forbidden) as error:
        return error


async def stamp(call: Call) -> bodies.StampAnswer:
    """The headers and the link of a marketing e-mail, for whoever is about to sign and send it."""
    asked: bodies.StampRequest = call.body(_stamp)
    return await call.house.read(stamped, call.house, asked)


def stamped(house: House, asked: bodies.StampRequest) -> bodies.StampAnswer:
    catalogue = house.ledger.catalogue()
    to = Address.parse(asked.to, catalogue.region)
    if "email" not in to.channels:
        raise InvalidQuestion(f"Only e-mail is stamped yet, and {to.masked} is no mailbox.")
    catalogue.message(
        Channel.EMAIL, asked.topic, [asked.segment] if asked.segment else [], asked.vendor
    )
    link = Link(to, asked.topic, asked.campaign, asked.segment, asked.vendor, asked.message_id)
    url = f"{catalogue.url}/u/{house.links.token(Purpose.UNSUBSCRIBE, link)}"
    return bodies.StampAnswer(headers(url), url)
