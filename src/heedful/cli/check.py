"""heedful check: may this be sent?"""

from typing import Annotated

import typer

from heedful.cli.session import session

STATUS = {"allow": 0, "deny": 3, "defer": 4}


def add_to(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    address: Annotated[str, typer.Argument(help="+14155550100, ann@example.com, push:TOKEN")],
    channel: Annotated[str, typer.Option(metavar="C", help="sms, email, voice, push …")],
    topic: Annotated[str, typer.Option(metavar="T", help="A topic of brand.toml.")],
    segment: Annotated[
        list[str] | None, typer.Option(metavar="S", help="A segment the message is aimed at.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="ID", help="Which of several who share the address.")
    ] = None,
    vendor: Annotated[str | None, typer.Option(help="Who would send it.")] = None,
    sender: Annotated[str | None, typer.Option(help="The number or mailbox it comes from.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it would go out; now, if left out.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="With what was recorded up to then, and the rules of then."
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="With the events, subjects and rules behind it.")
    ] = False,
) -> int:
    """May this message be sent? Exit status 0 allow, 3 deny, 4 defer."""
    from heedful.core.address import Contact
    from heedful.core.instant import Edge, parse, parse_past, text_of
    from heedful.gate import Question
    from heedful.gate.question import channel_of
    from heedful.web.bodies import decision_row, event_row, plain
    from heedful.wire import now

    question = Question(
        to=address,
        channel=channel_of(channel),
        topic=topic,
        contact=None if contact is None else Contact(contact.removeprefix("contact:")),
        segments=tuple(segment or ()),
        at=None if at is None else parse(at, Edge.FIRST),
        as_of=None if as_of is None else parse_past(as_of, now()),
        vendor=vendor,
        sender=sender,
    )
    with session.house() as house:
        why = house.gate.explain(question) if explain else None
        answer = why.answer if why else house.gate.ask(question)
        token = house.tokens.token(answer.seq, answer.catalogue, answer.outcome)
        row = plain(decision_row(answer, token)) | {"seq": answer.seq}
    if why is not None:
        row["explanation"] = {
            "sentences": list(why.sentences()),
            "events": [plain(event_row(event)) for event in why.events.values()],
            "consulted": [
                {
                    "key": one.key,
                    **({"subject": one.subject.text} if one.subject else {}),
                    "how": one.how,
                }
                for one in why.consulted
            ],
            "rule": {
                "category": why.rule.category,
                "channel": why.rule.channel,
                "accepts": list(why.rule.accepts),
                "said_by": why.rule.said_by,
            },
            "catalogue": answer.catalogue,
        }
        text = "\n".join(why.sentences())
    else:
        text = "\n".join(
            [
                answer.outcome
                + (f", not before {text_of(answer.not_before)}" if answer.not_before else ""),
                *(
                    f"  {r.code}: {r.text}"
                    + (f" (event {', '.join(map(str, r.because))})" if r.because else "")
                    for r in answer.reasons
                ),
                *(f"  by {a.channel} to {a.to.masked}: {a.outcome}" for a in answer.alternatives),
            ]
        )
    session.say(row, text)
    return STATUS[answer.outcome]
