"""heedful show, history, link, unlink, erase: one subject."""

from typing import TYPE_CHECKING, Annotated

import typer

from heedful.cli.session import session, table

if TYPE_CHECKING:
    from heedful.gate import Standing

Subject = Annotated[
    str, typer.Argument(help="+14155550100, ann@example.com, push:TOKEN, contact:ID, md5:…")
]
ContactId = Annotated[str, typer.Argument(help="contact:ID, or the ID alone")]
AddressText = Annotated[str, typer.Argument(help="+14155550100, ann@example.com, push:TOKEN")]
Source = Annotated[str | None, typer.Option(metavar="WHO", help="Who says so.")]


def add_to(app: typer.Typer) -> None:
    app.command("show")(show)
    app.command("history")(history)
    app.command("link")(link)
    app.command("unlink")(unlink)
    app.command("erase")(erase)


def show(subject: Subject) -> None:
    """What stands for a subject, by scope and for each message.

    With its suppressions, limits, links and preferences.
    """
    from heedful.core.address import parse_subject
    from heedful.web.bodies import plain
    from heedful.web.shown import subject_answer

    with session.house() as house:
        found = parse_subject(subject, house.ledger.catalogue().region)
        standing = house.gate.standing(found)
    session.say(plain(subject_answer(standing)), lambda: _text(standing))


def _text(standing: "Standing") -> str:
    from heedful.core.instant import text_of

    parts = [f"{standing.subject.masked}, as of event {standing.seq}"]
    if standing.erased:
        parts.append(f"erased at {text_of(standing.erased.at)} (event {standing.erased.seq})")
    scopes = []
    for one in standing.scopes:
        words = [("out", one.out), ("came back", one.lift), ("asked for, unconfirmed", one.pending)]
        words += [(f"consent {kind}", said) for kind, said in one.consents]
        scopes += [
            {"scope": one.scope, "said": word, "at": text_of(said.at), "event": str(said.seq)}
            for word, said in words
            if said
        ]
    if scopes:
        parts.append(table(scopes, ""))
    for held in standing.suppressions:
        parts.append(
            f"suppressed: {held.kind} on {', '.join(held.channels)} (event {held.said.seq})"
        )
    for limit in standing.limits:
        until = f" until {text_of(limit.until)}" if limit.until else f" {limit.at_most} at most"
        parts.append(f"limit on {limit.scope}:{until} (event {limit.said.seq})")
    for other in standing.links:
        name = other.subject.masked if other.subject else "erased"
        parts.append(f"{'linked to' if other.now else 'was once linked to'} {name}")
    messages = [
        {
            "channel": one.channel,
            "topic": one.topic,
            "may be sent": one.decision.outcome,
            "why not": " ".join(reason.code for reason in one.decision.reasons),
        }
        for one in standing.messages
    ]
    parts += [f"prefers {what} {wish}" for what, wish in standing.preferences]
    if len(parts) == 1:
        parts.append("Nothing stands for this subject.")
    if messages:
        parts.append(table(messages, ""))
    return "\n".join(parts)


def history(subject: Subject) -> None:
    """Every event of a subject, oldest first."""
    from heedful.core.address import parse_subject
    from heedful.gate import event_sentence
    from heedful.web.bodies import event_row, plain

    with session.house() as house:
        found = parse_subject(subject, house.ledger.catalogue().region)
        events = house.ledger.history(house.ledger.key_of(found))
    text = "\n".join(event_sentence(event) for event in events) or "There are no events."
    session.say([plain(event_row(event)) for event in events], text)


def link(contact: ContactId, address: AddressText, source: Source = None) -> None:
    """Note that an address belongs to a contact. The contact's opt-outs cover it from then on."""
    _join("link", contact, address, source)


def unlink(contact: ContactId, address: AddressText, source: Source = None) -> None:
    """Note that an address belongs to a contact no more. What was opted out stays so."""
    _join("unlink", contact, address, source)


def _join(action: str, contact: str, address: str, source: str | None) -> None:
    from heedful.web.bodies import plain, recorded

    item: dict[str, object] = {
        "action": action,
        "subject": f"contact:{contact.removeprefix('contact:')}",
        "address": address,
    }
    if source is not None:
        item["source"] = source
    with session.house() as house:
        (receipt,) = house.door.say(house.door.from_cli(item))
    session.say(
        {"results": [plain(recorded(receipt))]}, f"{action}: recorded as event {receipt.seq}"
    )


def erase(
    subject: Subject,
    forget_opt_outs: Annotated[
        bool,
        typer.Option(
            "--forget-opt-outs",
            help="Record no opt-out with it: only where the person asks for that too.",
        ),
    ] = False,
    within: Annotated[
        int, typer.Option(min=0, max=365, help="Days for the vendors to be told in, at the most.")
    ] = 30,
    by: Annotated[str, typer.Option(metavar="WHO", help="Who was asked for it.")] = "cli",
) -> None:
    """Delete an address and what was said about it. Its opt-outs survive as a keyed hash."""
    from heedful.core.address import parse_subject
    from heedful.core.instant import DAY, text_of
    from heedful.web.bodies import plain, recorded
    from heedful.wire import now

    with session.house() as house:
        found = parse_subject(subject, house.ledger.catalogue().region)
        due = now() + within * DAY
        receipt = house.ledger.erase(found, keep_opt_out=not forget_opt_outs, by=by, purge_by=due)
        purged = house.ledger.purge(now())
    row = plain(recorded(receipt)) | {
        "opt_out_kept": not forget_opt_outs,
        "text_deleted": purged > 0,
        "deleted_by": text_of(due),
    }
    kept = "No opt-out was recorded with it." if forget_opt_outs else (
        "An opt-out from all marketing was recorded with it and stands for the hash alone."
    )  # fmt: skip
    session.say(
        row,
        f"Erased as event {receipt.seq}. {kept} Its text and evidence are deleted once the vendors "
        f"concerned have answered, at the latest {text_of(due)[:10]}.",
    )
