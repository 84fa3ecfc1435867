"""heedful opt-out, opt-in, suppress, release, retract: what is entered by hand."""

from typing import Annotated

import typer

from heedful.cli.session import session, who
from heedful.core.errors import InvalidEvent

Subject = Annotated[
    str, typer.Argument(help="+14155550100, ann@example.com, push:TOKEN, contact:ID")
]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="CHANNEL/TARGET", help="sms/marketing, email/topic:NAME …"),
]
Reason = Annotated[str | None, typer.Option(help="Why, in a word: too_many.")]
Source = Annotated[str | None, typer.Option(metavar="WHO", help="Where it was said.")]
At = Annotated[str | None, typer.Option(metavar="TIME", help="When it was said; now, if left out.")]
RequestId = Annotated[
    str | None, typer.Option(metavar="ID", help="Said again with the same id, it is one event.")
]
Evidence = Annotated[str | None, typer.Option(metavar="TEXT", help="What shows it.")]
Kind = Annotated[
    str,
    typer.Option(help="undeliverable, reassigned, carrier_block, legal, complaint, unclear"),
]
Sender = Annotated[str | None, typer.Option(help="The sender that a carrier_block is about.")]


def add_to(app: typer.Typer) -> None:
    app.command("opt-out")(opt_out)
    app.command("opt-in")(opt_in)
    app.command("suppress")(suppress)
    app.command("release")(release)
    app.command("retract")(retract)


def opt_out(
    subject: Subject,
    scope: Scopes = None,
    reason: Reason = None,
    source: Source = None,
    at: At = None,
    request_id: RequestId = None,
    evidence: Evidence = None,
) -> None:
    """Record that somebody wants no more messages."""
    _record(
        "opt_out", subject, scope, request_id,
        reason=reason, source=source, occurred_at=at, evidence=evidence,
    )  # fmt: skip


def opt_in(
    subject: Subject,
    scope: Scopes = None,
    evidence: Evidence = None,
    consent: Annotated[
        str, typer.Option(help="express_written, express, confirmed, soft, implied")
    ] = "express",
    basis: Annotated[
        str | None, typer.Option(help="purchase, inquiry, contract, application")
    ] = None,
    reason: Reason = None,
    source: Source = None,
    at: At = None,
    request_id: RequestId = None,
) -> None:
    """Record that somebody agreed, or came back. Needs --scope and --evidence."""
    if not scope or not evidence:
        raise InvalidEvent(
            "An opt-in needs --scope and --evidence: to what, and what shows that the person "
            "agreed. Nothing was recorded."
        )
    _record(
        "opt_in", subject, scope, request_id, consent=consent, basis=basis,
        reason=reason, source=source, occurred_at=at, evidence=evidence,
    )  # fmt: skip


def suppress(
    subject: Subject,
    kind: Kind,
    scope: Scopes = None,
    sender: Sender = None,
    reason: Reason = None,
    source: Source = None,
    at: At = None,
    request_id: RequestId = None,
    evidence: Evidence = None,
) -> None:
    """Record a fact that stops messages, such as a dead mailbox. --scope is a channel here."""
    _record(
        "suppress", subject, scope, request_id, kind=kind, sender=sender,
        reason=reason, source=source, occurred_at=at, evidence=evidence,
    )  # fmt: skip


def release(
    subject: Subject,
    kind: Kind,
    scope: Scopes = None,
    sender: Sender = None,
    reason: Reason = None,
    source: Source = None,
    at: At = None,
    request_id: RequestId = None,
    evidence: Evidence = None,
) -> None:
    """Record that a fact that stopped messages is over. --scope is a channel here."""
    _record(
        "release", subject, scope, request_id, kind=kind, sender=sender,
        reason=reason, source=source, occurred_at=at, evidence=evidence,
    )  # fmt: skip


def retract(
    seq: Annotated[int, typer.Argument(min=1, help="The event's number: `heedful history`.")],
    reason: Annotated[str, typer.Option(help="Why it should not have been; kept with it.")],
    by: Annotated[str | None, typer.Option(metavar="WHO", help="Who retracts it.")] = None,
) -> None:
    """Take back an event that should not have been. It stays in the history and counts no more.

    For typing errors and machines' clicks. Who wants messages again opts in: `heedful opt-in`.
    """
    from heedful.core.errors import InvalidEvent
    from heedful.web.bodies import plain, recorded

    with session.house() as house:
        wrong = house.ledger.event(seq)
        if wrong.subject is None:
            raise InvalidEvent(
                f"Event {seq} is about somebody who was erased since, and cannot be retracted by "
                "its number alone. Nothing was recorded."
            )
        item = {"action": "retract", "subject": wrong.subject.text, "retracts": seq,
                "reason": reason, "source": by or who()}  # fmt: skip
        (receipt,) = house.door.say(house.door.from_cli(item))
    what = f"{wrong.action} {wrong.scope}" if wrong.scope else wrong.action
    session.say(
        {"results": [plain(recorded(receipt))]},
        f"event {seq} ({what} for {wrong.subject.masked}) counts no more: "
        f"recorded as event {receipt.seq}",
    )


def _record(
    action: str,
    subject: str,
    scopes: list[str] | None,
    request_id: str | None,
    **said: str | None,
) -> None:
    """All scopes in one transaction: all of it is recorded, or nothing is."""
    from heedful.intake.record import derived
    from heedful.web.bodies import plain, recorded

    given = {name: value for name, value in said.items() if value is not None}
    with session.house() as house:
        statements = []
        for place, scope in enumerate(scopes or [None], 1):
            item: dict[str, object] = {"action": action, "subject": subject, **given}
            if scope is not None:
                item["scope"] = scope
            if request_id is not None:
                item["request_id"] = derived(request_id, place)
            statements.append(house.door.from_cli(item))
        receipts = house.door.say(*statements)
    lines = [
        f"{statement.scope or action} for {statement.subject.masked}: "
        + (f"was recorded before, as event {receipt.seq}" if receipt.repeat
           else f"recorded as event {receipt.seq}")
        + ("; it ends earlier opt-outs of the same or wider scope" if receipt.lifts else "")
        for statement, receipt in zip(statements, receipts, strict=True)
    ]  # fmt: skip
    session.say({"results": [plain(recorded(r)) for r in receipts]}, "\n".join(lines))
