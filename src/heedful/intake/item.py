"""One item as a caller writes it (JSON of the API, options of the command) → one Statement.

Here it is settled who may say what, and whether it ends an opt-out (`lifts`).
"""

from dataclasses import dataclass
from typing import Any

from heedful.core.address import Address, AddressKind, Subject, parse_subject, sender_of
from heedful.core.catalogue import Catalogue
from heedful.core.errors import Forbidden, InvalidEvent, InvalidScope
from heedful.core.event import (
    LOOSENING,
    PERSONAL_ACTS,
    Action,
    Basis,
    Consent,
    Statement,
    Suppression,
    edge_of,
)
from heedful.core.scope import Channel, Scope, TargetKind, target_covers
from heedful.intake.fields import Fields, none_of
from heedful.ledger import ApiKey

OURS = ("api", "hook", "one-click", "page", "import", "erase")
"""Sources that Heedful itself gives: nobody else may speak under them."""

_TARGETED = {Action.OPT_OUT, Action.OPT_IN, Action.OPT_IN_REQUESTED, Action.LIMIT}
_PLAIN = frozenset(
    (
        "subject",
        "action",
        "scope",
        "occurred_at",
        "source",
        "reason",
        "evidence",
        "consent",
        "request_id",
    )
)
"""The fields of nearly all items."""
_KINDS_OF_ADDRESS = {
    AddressKind.TEL: "A phone number",
    AddressKind.MAILTO: "A mailbox",
    AddressKind.PUSH: "A push token",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who hands an item in, and how far it is believed.

    `source` is written to events that name none. A source that the caller names is stored with
    `prefix` before it: request ids are unique within a source, so each caller's are its own.
    `dated`: a program that may retry, so that what loosens needs a request id and a time.
    """

    source: str
    prefix: str = ""
    vendor: str | None = None
    dated: bool = False
    operator: bool = True

    @staticmethod
    def api(key: ApiKey) -> "Caller":
        """The holder of an API key: `api:KEY`, or `api:KEY/SOURCE` where it names a source."""
        source = f"api:{key.name}"
        return Caller(source, f"{source}/", key.vendor, True, "admin" in key.permissions)


CLI = Caller("cli")
PYTHON = Caller("python")


def read(raw: object, catalogue: Catalogue, caller: Caller) -> Statement:
    """The statement of one item. Raises an InvalidInput or Forbidden with the sentence to show."""
    item = Fields(raw)
    action = item.choice("action", Action)
    if action is Action.ERASE:
        raise Forbidden("An address is erased by `heedful erase`. Nothing was recorded.")
    subject = parse_subject(item.needed("subject"), catalogue.region)
    scope = _scope(item.text("scope"), action, subject, catalogue)
    consent = _consent(item, action)
    evidence = item.evidence()
    request_id = item.text("request_id")
    occurred_at = item.time("occurred_at", edge_of(action))
    if (
        caller.dated
        and action in (Action.OPT_IN, Action.RELEASE)
        and not (request_id and item.text("occurred_at"))
    ):
        raise InvalidEvent(
            f"`{action}` needs `request_id` and `occurred_at`, for a retried request could undo "
            "an opt-out that was said in between. Nothing was recorded."
        )
    shown = any(text.strip() for text in evidence.values())
    statement = Statement(
        subject=subject,
        action=action,
        source=_source(item.text("source"), caller),
        scope=scope,
        occurred_at=occurred_at,
        reason=item.text("reason"),
        evidence=evidence,
        request_id=request_id,
        consent=consent,
        lifts=consent in PERSONAL_ACTS and shown and caller.vendor is None,
        unless_standing=action is Action.OPT_OUT and request_id is None,
        **({} if item.only(_PLAIN) else _rare(item, catalogue)),
    )
    _allow(statement, catalogue, caller)
    return statement


def _rare(item: Fields, catalogue: Catalogue) -> dict[str, Any]:
    """What most items leave out."""
    address = item.text("address")
    return {
        "basis": item.choice("basis", Basis, Basis.NONE),
        "suppression": item.choice("kind", Suppression) if item.text("kind") else None,
        "sender": _sender(item.text("sender"), catalogue),
        "limit": item.limit(),
        "prefer": item.prefer(),
        "address": Address.parse(address, catalogue.region) if address else None,
        "retracts": item.number("retracts"),
    }


def _sender(said: str | None, catalogue: Catalogue) -> str | None:
    return sender_of(said, catalogue.region) if said else said


def serves(subject: Subject, scope: Scope) -> Scope:
    """The scope, if its channel can reach the subject at all."""
    channel = scope.channel
    if (
        channel is not Channel.ANY
        and isinstance(subject, Address)
        and channel not in subject.channels
    ):
        raise InvalidScope(
            f"{_KINDS_OF_ADDRESS[subject.kind]} is reached by "
            f"{', '.join(sorted(subject.channels))}, not by {scope.channel}: '{scope}' does not "
            "fit it. Nothing was recorded."
        )
    return scope


def _scope(
    text: str | None, action: Action, subject: Subject, catalogue: Catalogue
) -> Scope | None:
    own = subject.default_channel if isinstance(subject, Address) else Channel.ANY.value
    if action in _TARGETED:
        return serves(subject, catalogue.known(Scope.parse(text or f"{own}/marketing")))
    if action in (Action.SUPPRESS, Action.RELEASE):
        written = text or own
        return serves(subject, Scope.parse(written if "/" in written else f"{written}/everything"))
    if text:
        raise InvalidEvent(f"`{action}` has no scope. Nothing was recorded.")
    return None


def _consent(item: Fields, action: Action) -> Consent | None:
    """How consent was given: `express` for an opt-in that does not say."""
    if action is not Action.OPT_IN and item.text("consent") is None:
        return None
    consent = item.choice("consent", Consent, Consent.EXPRESS)
    if consent is Consent.RESTORED:  # for the doors that hear the person: START, undo
        raise none_of("consent", consent, [kind for kind in Consent if kind is not consent])
    return consent


def _source(named: str | None, caller: Caller) -> str:
    if named is None:
        return caller.source
    if not caller.prefix and named.partition(":")[0].strip().lower() in OURS:
        raise InvalidEvent(
            f"The source '{named[:40]}' is one that Heedful writes itself. Name another. "
            "Nothing was recorded."
        )
    return caller.prefix + named


def _allow(said: Statement, catalogue: Catalogue, caller: Caller) -> None:
    """Retracting is the operator's. A vendor's key speaks of what that vendor sends.

    A wish to stop may reach further than the vendor's own messages, as people's wishes do; what
    lets messages through may not.
    """
    if said.action is Action.RETRACT and not caller.operator:
        raise Forbidden("Retracting an event takes the permission `admin`. Nothing was recorded.")
    if caller.vendor is None:
        return
    if caller.vendor not in catalogue.vendors:
        raise Forbidden(
            f"This key is bound to vendor '{caller.vendor}', which is not in brand.toml. "
            "Nothing was recorded."
        )
    scope = said.scope
    # A limit takes the place of the one before on its scope, which may have been the stricter one.
    if scope is None or said.action in (Action.RELEASE, Action.LIMIT):
        raise Forbidden(
            f"A key of vendor '{caller.vendor}' cannot record `{said.action}`. "
            "Nothing was recorded."
        )
    concerned = [
        catalogue.concerns(caller.vendor, channel, topic.name)
        for topic in catalogue.topics.values()
        for channel in topic.channels
        if scope.on(channel)
        and (
            scope.kind in (TargetKind.SEGMENT, TargetKind.USE)
            or target_covers(scope, topic.name, topic.category)
        )
    ]
    if not (all(concerned) if said.action in LOOSENING else any(concerned)) or not concerned:
        raise Forbidden(
            f"The touchpoints of vendor '{caller.vendor}' do not concern all of '{scope}'. "
            "Nothing was recorded."
        )
