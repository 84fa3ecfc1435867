"""The how-to pages, followed on the sample."""

from __future__ import annotations

import json
import re
import shlex
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.conftest import Sample
from tests.docs.generate import DOCS
from tests.docs.pages import blocks
from tests.docs.test_pages import BEFORE_CAPS

HOW_TO = DOCS / "how-to"
pytestmark = pytest.mark.timeout(90)


def block(page: str, text: str) -> str:
    """The block of a page that holds a text."""
    return next(b.text for b in blocks(HOW_TO / f"{page}.md") if text in b.text)


def typed(sample: Sample, page: str, begins: str, **instead: str) -> str:
    """Type a command as it stands on a page, with other words in place of some; what it answers."""
    text = (HOW_TO / f"{page}.md").read_text("utf-8")
    found = re.search(rf"heedful ({re.escape(begins)}[^`\n]*)", text)
    assert found, f"{page}.md has no 'heedful {begins}'"
    said = found[1]
    for old, new in instead.items():
        said = said.replace(old, new)
    return sample.heedful(*shlex.split(said))


def outcome(sample: Sample, to: str, channel: str, topic: str) -> str:
    said = sample.heedful("check", to, "--channel", channel, "--topic", topic, "--json")
    decision = json.loads(said)
    return " ".join([decision["outcome"], *(r["code"] for r in decision["reasons"])])


def post(sample: Sample, request: str, key: str) -> Mapping[str, object]:
    """Send `POST /path` and the body under it, as a page shows them."""
    first, _, body = request.strip().partition("\n")
    method, path = first.split()
    asked = urllib.request.Request(
        sample.url + path, body.encode(), {"Authorization": f"Bearer {key}"}, method=method
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        said: Mapping[str, object] = json.load(answer)
    return said


def test_add_a_topic(one_sample: Sample) -> None:
    sample = one_sample
    sample.heedful("opt-out", "+14155550150", "--scope", "*/marketing")
    brand = sample.folder / ".heedful/brand.toml"
    text = brand.read_text("utf-8")
    assert "[topics.spring_sale]" not in text
    brand.write_text(text + "\n" + block("add-a-topic", "[topics.spring_sale]"), "utf-8")
    typed(sample, "add-a-topic", "brand check")
    typed(sample, "add-a-topic", "brand apply")
    assert outcome(sample, "cy@example.com", "email", "spring_sale") == "allow"
    assert outcome(sample, "+14155550150", "sms", "spring_sale").startswith("deny opted_out")


def test_undo_what_should_not_have_been_recorded(one_sample: Sample) -> None:
    sample, page = one_sample, "lift-a-wrong-opt-out"
    sample.heedful("opt-out", "+14155550100")
    assert outcome(sample, "+14155550100", "sms", "weekly_deals").startswith("deny opted_out")
    typed(sample, page, "opt-in")
    assert outcome(sample, "+14155550100", "sms", "weekly_deals") == "allow"

    wrong = json.loads(sample.heedful("opt-out", "+14155550100", "--json"))["results"][0]["seq"]
    assert outcome(sample, "+14155550100", "sms", "weekly_deals").startswith("deny opted_out")
    key = sample.heedful("key", "create", "undo", "--permissions", "record,admin").strip()
    said = post(sample, block(page, "retract").replace("4711", str(wrong)), key)
    assert "error" not in said["results"][0]  # type: ignore[index]
    assert outcome(sample, "+14155550100", "sms", "weekly_deals") == "allow"
    assert "typed the wrong number" in sample.heedful("history", "+14155550100")

    wrong = json.loads(sample.heedful("opt-out", "+14155550100", "--json"))["results"][0]["seq"]
    assert outcome(sample, "+14155550100", "sms", "weekly_deals").startswith("deny opted_out")
    assert "counts no more" in typed(sample, page, "retract", **{"4711": str(wrong)})
    assert outcome(sample, "+14155550100", "sms", "weekly_deals") == "allow"

    sample.heedful("suppress", "ann@example.com", "--kind", "undeliverable")
    assert outcome(sample, "ann@example.com", "email", "order_updates") == "deny undeliverable"
    typed(sample, page, "release")
    assert outcome(sample, "ann@example.com", "email", "order_updates") == "allow"


def test_one_click_in_your_mails(one_sample: Sample) -> None:
    sample, page = one_sample, "one-click-in-your-mails"
    key = sample.heedful("key", "create", "mails", "--permissions", "check").strip()
    request = block(page, "POST /v1/stamp").replace("ann@", "dee@")
    said = post(sample, request, key)
    headers, link = said["headers"], str(said["link"])
    assert headers == {
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert "dee" not in link
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.status == 200
    assert outcome(sample, "dee@example.com", "email", "weekly_deals") == "allow"
    with urllib.request.urlopen(link, b"List-Unsubscribe=One-Click", timeout=10) as answer:
        assert answer.status == 200
    assert outcome(sample, "dee@example.com", "email", "weekly_deals") == "deny opted_out"
    assert outcome(sample, "dee@example.com", "email", "weekly_tips") == "allow"
    assert "List-Unsubscribe-Post" in typed(sample, page, "stamp", **{"--topic": "--topic"})


def test_erase_a_person(one_sample: Sample) -> None:
    sample = one_sample
    sample.heedful(
        "opt-in", "ann@example.com", "--scope", "email/marketing", "--evidence", "form 7"
    )
    assert "Erased" in typed(sample, "erase-a-person", "erase")
    assert outcome(sample, "ann@example.com", "email", "weekly_deals") == "deny opted_out"
    history = json.loads(sample.heedful("history", "ann@example.com", "--json"))
    assert [event["action"] for event in history][-2:] == ["opt_out", "erase"]


def test_connect_twilio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The brand of the page, then STOP and START as Twilio would post them."""
    from twilio.request_validator import RequestValidator

    from heedful.config import Keys, Settings
    from heedful.core import brand
    from heedful.gate import Question
    from heedful.wire import House

    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC0123")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "twelve")
    public = "https://prefs.northwind.example"
    text = BEFORE_CAPS.replace("http://127.0.0.1:8600", public) + block(
        "connect-twilio", "[vendors"
    )
    settings = Settings.of({}, database=f"sqlite:///{tmp_path}/heedful.db")
    Keys.make(0).save(settings.keys)
    with House.open(settings, create=True) as house:
        house.ledger.apply(brand.parse(text), "the page")
        url = f"{public}/hooks/texter"
        assert url in (HOW_TO / "connect-twilio.md").read_text("utf-8")

        def texts(said: str, message_id: str) -> str:
            form = {
                "AccountSid": "AC0123", "MessageSid": message_id, "From": "+14155550123",
                "To": "+18335550100", "Body": said, "SmsStatus": "received",
            }  # fmt: skip
            signed = RequestValidator("twelve").compute_signature(url, form)
            headers = {
                "x-twilio-signature": signed,
                "content-type": "application/x-www-form-urlencoded",
            }
            body = urllib.parse.urlencode(form).encode()
            return house.hooks.receive("texter", "", headers, body).body.decode()

        def reasons() -> list[str]:
            asked = Question("+14155550123", "sms", "cart_reminders")
            return [str(reason.code) for reason in house.gate.ask(asked).reasons]

        assert reasons() == ["no_consent"]
        assert "Reply START to come back." in texts("Stop!", "SM1")
        assert "opted_out" in reasons()
        texts("START", "SM2")
        assert reasons() == []


def test_send_with_heedful_explains(one_sample: Sample) -> None:
    assert "may" in typed(one_sample, "send-with-heedful", "check")


def test_back_up_and_try_the_backup(one_sample: Sample) -> None:
    """The drill of the production page, in a folder of its own."""
    sample = one_sample
    drill = sample.folder / "drill"
    drill.mkdir()
    file = str(drill / "heedful.backup")
    sample.heedful("backup", file)
    elsewhere = (
        "--db",
        f"sqlite:///{drill}/drill.db",
        "--keys",
        str(sample.folder / ".heedful/heedful.keys"),
    )
    sample.heedful("restore", file, *elsewhere)
    there = json.loads(sample.heedful("verify", "--json", *elsewhere))
    assert there["ok"]
    assert there["events"] == json.loads(sample.heedful("verify", "--json"))["events"] > 0
