"""Players through the real doors: Python, HTTP, the command. Each has an empty ledger behind it.

A step that no door offers yet (a file, the preference page) enters as the statement that such a
door makes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from msgspec.structs import replace
from starlette.testclient import TestClient

from heedful.cli.main import main
from heedful.config import Keys, Settings
from heedful.core import brand, instant
from heedful.core.address import Address, Contact
from heedful.core.event import Action
from heedful.core.instant import DAY, Edge, Instant, text_of
from heedful.core.scope import Channel
from heedful.gate import Gate, Question
from heedful.intake.links import Link, Purpose
from heedful.intake.sms import Texts
from heedful.ledger import Ledger, Permission, SendReport
from heedful.vendors.contract import Heard as Text
from heedful.web.app import App
from heedful.web.routes import ROUTES
from heedful.wire import House
from tests.suite.player import ACTIONS, SENDER, Words, heard
from tests.suite.steps import Asked, Heard, Row, Step, brand_text


def exact(at: Instant) -> str:
    """To the microsecond, so that it is a point and not a span."""
    text = text_of(at)
    return text if "." in text else text.replace("Z", ".000000Z")


class HousePlayer:
    """A house on an empty database, whose clock the scenario turns."""

    def __init__(self, row: Row, url: str, folder: Path) -> None:
        self.words, self.url, self.keys = Words(row), url, folder / "heedful.keys"
        self.row, self.now, self.count = row, row.said[0][0].at, 0
        keys = Keys.make(self.now)
        keys.save(self.keys)
        self.ledger = Ledger.open(url, keys, clock=self.clock, create=True)
        self.house = House(Settings(url, folder / "brand.toml", self.keys), keys, self.ledger)
        self.house.gate = Gate(self.ledger, self.clock)
        self.texts = Texts(self.house.door)
        self.apply("base")

    def clock(self) -> Instant:
        return self.now

    def close(self) -> None:
        self.house.close()

    def apply(self, name: str) -> None:
        self.ledger.apply(brand.parse(brand_text(name)), "suite", "a scenario")

    # --- what is said --------------------------------------------------------------------

    def said(self, act: Sequence[Step]) -> None:
        self.now = act[0].at
        items = []
        for step in act:
            self.count += 1
            match step.verb:
                case "brand":
                    self.apply(step.words[0])
                case "STOP" | "START":
                    self.text(step)
                case "erase":
                    subject = self.words.subject(step.words[0])
                    self.ledger.erase(subject, by="suite", purge_by=self.now + DAY)
                case "one-click":
                    self.click(step)
                case _ if step.imported:
                    self.ledger.record([self.words.statement(step)])
                case _:
                    items.append(self.item(step, together=len(act) > 1))
        if items:
            self.say(items)

    def item(self, step: Step, together: bool) -> dict[str, object]:
        """One item as the API, the library and the command take it."""
        said = self.words.statement(step)
        item: dict[str, object] = {
            "subject": said.subject.text,
            "action": str(ACTIONS[step.verb]),
            "request_id": said.request_id,
        }
        if said.scope:
            item["scope"] = said.scope.text
        if said.consent:
            item |= {"consent": str(said.consent), "basis": str(said.basis)}
            item["evidence"] = "said so on the page"
        if said.suppression:
            item |= {"kind": str(said.suppression), "sender": said.sender}
        if said.limit and said.limit.until is not None:
            item["until"] = exact(said.limit.until)
        if said.address:
            item["address"] = said.address.text
        if dated := step.option("dated"):
            item["occurred_at"] = dated
        elif self.dates(step, together):
            item["occurred_at"] = exact(step.at)
        if self.needs_id(said.action):
            item["request_id"] = said.request_id or f"step-{self.count}"
        return {name: value for name, value in item.items() if value is not None}

    def dates(self, step: Step, together: bool) -> bool:
        return together

    def needs_id(self, action: Action) -> bool:
        return False

    def text(self, step: Step) -> None:
        subject, sender = self.words.subject("A"), step.option("sender") or SENDER
        assert isinstance(subject, Address)
        if topic := step.option("reply-to"):
            category = self.ledger.catalogue().topic(topic).category
            key = self.ledger.key_of(subject)
            sent = SendReport(key, Channel.SMS, topic, category, self.clock(), sender)
            self.ledger.report_sends([sent])
        message = f"SM{self.count}"
        said = Text(subject, Channel.SMS, sender, step.verb, message, said_at=step.option("dated"))
        self.texts.hear("texter", said, can_reply=True)

    def token(self, step: Step) -> str:
        subject = self.words.subject("A")
        assert isinstance(subject, Address)
        link = Link(subject, topic="weekly_deals", message=step.words[0])
        return self.house.links.token(Purpose.UNSUBSCRIBE, link)

    def click(self, step: Step) -> None:
        self.house.oneclick.leave(self.token(step))

    def say(self, items: Sequence[dict[str, object]]) -> None:
        raise NotImplementedError


class PythonPlayer(HousePlayer):
    """The library: the single question, a batch, the explanation and a replay, which agree."""

    def say(self, items: Sequence[dict[str, object]]) -> None:
        door = self.house.door
        door.say(*(door.from_python(item) for item in items))

    def question(self, asked: Asked) -> Question:
        contact = self.words.subject(asked.contact) if asked.contact else None
        to = self.words.subject(asked.to)
        assert isinstance(to, Address)
        assert contact is None or isinstance(contact, Contact)
        return Question(
            to,
            Channel(asked.channel),
            asked.topic,
            contact=contact,
            segments=(asked.segment,) if asked.segment else (),
            at=asked.at,
            vendor=asked.vendor,
        )

    def ask(self, question: Asked) -> Heard:
        self.now = question.at
        asked = self.question(question)
        answer = self.house.gate.ask(asked)
        assert self.house.gate.explain(asked).answer == answer
        other = replace(asked, to="+14155550199" if self.words.phone else "zoe@example.com")
        batch = self.house.gate.ask_many([other, asked, other, asked])
        assert batch[1] == batch[3] == answer
        replayed = self.house.gate.ask(replace(asked, as_of=self.now))
        assert replayed.decision == answer.decision
        return heard(answer.decision)


class HttpPlayer(HousePlayer):
    """POST /v1/events, POST /u/{token}, POST /v1/check."""

    def __init__(self, row: Row, url: str, folder: Path) -> None:
        super().__init__(row, url, folder)
        every = frozenset({Permission.CHECK, Permission.RECORD})
        _, secret = self.ledger.create_key("suite", every, None, self.now)
        self.http = TestClient(
            App(self.house, ROUTES), headers={"authorization": f"Bearer {secret}"}
        )

    def dates(self, step: Step, together: bool) -> bool:
        return together or ACTIONS[step.verb] in (Action.OPT_IN, Action.RELEASE)

    def needs_id(self, action: Action) -> bool:
        return action in (Action.OPT_IN, Action.RELEASE)

    def say(self, items: Sequence[dict[str, object]]) -> None:
        answer = self.http.post("/v1/events", json={"events": list(items)})
        assert answer.status_code == 200, answer.text
        assert all("seq" in result for result in answer.json()["results"]), answer.text

    def click(self, step: Step) -> None:
        form = {"List-Unsubscribe": "One-Click"}
        assert self.http.post(f"/u/{self.token(step)}", data=form).status_code == 200

    def ask(self, question: Asked) -> Heard:
        self.now = question.at
        check = {
            "to": self.words.subject(question.to).text,
            "channel": question.channel,
            "topic": question.topic,
            "at": exact(question.at),
        }
        if question.contact:
            check["contact"] = self.words.subject(question.contact).text
        if question.segment:
            check["segments"] = [question.segment]
        if question.vendor:
            check["vendor"] = question.vendor
        answer = self.http.post("/v1/check", json={"checks": [check]})
        assert answer.status_code == 200, answer.text
        (decision,) = answer.json()["decisions"]
        return read(decision)


class CommandPlayer(HousePlayer):
    """heedful opt-out, opt-in, suppress, release, link, unlink, check: by the machine's clock."""

    def clock(self) -> Instant:
        self.now += 1
        return max(self.now, instant_now())

    def dates(self, step: Step, together: bool) -> bool:
        return together or step.option("@") is not None

    def say(self, items: Sequence[dict[str, object]]) -> None:
        for item in items:
            words = self.command(item)
            if words:
                status, _ = self.run(*words)
                assert status == 0
            else:
                self.house.door.say(self.house.door.from_cli(item))

    def command(self, item: dict[str, object]) -> list[str]:
        action = str(item["action"])
        if action in ("link", "unlink"):
            return [action, str(item["subject"]), str(item["address"])]
        if action not in ("opt_out", "opt_in", "suppress", "release"):
            return []
        options = {
            "scope": "--scope", "consent": "--consent", "basis": "--basis", "kind": "--kind",
            "sender": "--sender", "evidence": "--evidence", "occurred_at": "--at",
            "request_id": "--request-id",
        }  # fmt: skip
        given = [(flag, str(item[name])) for name, flag in options.items() if name in item]
        return [
            action.replace("_", "-"),
            str(item["subject"]),
            *(w for pair in given for w in pair),
        ]

    def run(self, *words: str) -> tuple[int, str]:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main([*words, "--json", "--db", self.url, "--keys", str(self.keys)])
        assert status in (0, 3, 4), (words, out.getvalue(), err.getvalue())
        return status, out.getvalue()

    def ask(self, question: Asked) -> Heard:
        words = [
            "check", self.words.subject(question.to).text, "--channel", question.channel,
            "--topic", question.topic, "--at", exact(question.at),
        ]  # fmt: skip
        if question.contact:
            words += ["--contact", self.words.subject(question.contact).text]
        if question.segment:
            words += ["--segment", question.segment]
        if question.vendor:
            words += ["--vendor", question.vendor]
        status, text = self.run(*words)
        answer = read(json.loads(text))
        assert status == {"allow": 0, "deny": 3, "defer": 4}[answer.outcome]
        return answer


def instant_now() -> Instant:
    from heedful.ledger.ledger import now

    return now()


def read(decision: dict) -> Heard:
    """A decision as JSON tells it."""
    until = decision.get("not_before")
    return Heard(
        decision["outcome"],
        frozenset(reason["code"] for reason in decision["reasons"]),
        instant.parse(until, Edge.FIRST) if until else None,
    )


DOORS = {
    "python": PythonPlayer,
    "http": HttpPlayer,
    "command": CommandPlayer,
}
