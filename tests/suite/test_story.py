"""The whole story as one test, on both engines, against the program that people run.

A STOP by SMS and a one-click by e-mail arrive at the running server; every door denies what was
refused and lets through what was not; both vendors are told; START brings back SMS and nothing
else; the same inputs again change nothing; a SIGKILL in between loses nothing; and history, replay
and verify tell it all.
"""

import base64
import contextlib
import csv
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from twilio.request_validator import RequestValidator

import heedful

Json = Any
Found = TypeVar("Found")
ROOT = Path(__file__).parents[2]
NORTHWIND = ROOT / "examples" / "northwind"
ANN = "+14155550123"
BEN = "+14155550177"
MAIL = "ann@example.com"
DEALS, ORDERS = "+18335550100", "+18335550101"
ACCOUNT, TOKEN = "AC" + "0" * 32, secrets.token_hex(16)

CARRIER = """
[vendors.carrier]
kind = "twilio"
channels = ["sms"]
account_sid = "env:STORY_ACCOUNT_SID"
auth_token = "env:STORY_AUTH_TOKEN"
"""


class Process:
    """A program in the background, and the lines it has printed so far."""

    def __init__(self, *words: str, env: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.popen = subprocess.Popen(
            [sys.executable, *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line)

    def url(self) -> str:
        return within(
            20, lambda: next((m[0] for m in map(_LISTENING.search, list(self.lines)) if m), None)
        ).split()[-1]

    def end(self, number: signal.Signals) -> int:
        self.popen.send_signal(number)
        status = self.popen.wait(20)
        self._reader.join(5)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return status


_LISTENING = re.compile(r"listening on http://\S+")


def within(seconds: float, look: Callable[[], Found | None]) -> Found:
    """What `look` finds, as soon as it finds it."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < end, f"not seen within {seconds} s"
        time.sleep(0.01)
    return found


class House:
    """One brand on one ledger: its files, its two vendors, and the program started on it."""

    def __init__(self, home: Path, database: str) -> None:
        self.home, self.database = home, database
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONUNBUFFERED": "1",
            "STORY_ACCOUNT_SID": ACCOUNT,
            "STORY_AUTH_TOKEN": TOKEN,
            "HEEDFUL_DATABASE_URL": database,
            "HEEDFUL_BRAND": str(home / "brand.toml"),
            "HEEDFUL_KEYS": str(home / "heedful.keys"),
        }
        self.vendors = {
            name: Process(
                str(NORTHWIND / "receiver.py"), "--name", name,
                "--secret-file", str(home / f"{name}.secret"), "--port", "0",
                env=self.env,
            )
            for name in ("mailer", "texter")
        }  # fmt: skip
        text = (NORTHWIND / "brand.toml").read_text(encoding="utf-8") + CARRIER
        for name, port in (("mailer", 8601), ("texter", 8602)):
            text = text.replace(f"http://127.0.0.1:{port}", self.vendors[name].url())
            text = text.replace(f"file:{name}.secret", f"file:{home / name}.secret")
        (home / "brand.toml").write_text(text, encoding="utf-8")
        self.command("init")
        self.brand_url = "http://127.0.0.1:8600"
        self.start()
        permissions = "check,record,read"
        self.key = self.command("key", "create", "shop", "--permissions", permissions)["key"]

    def start(self) -> None:
        self.program = Process("-m", "heedful", "up", "--port", "0", env=self.env)
        self.url = self.program.url()

    def stop(self) -> None:
        for process in (self.program, *self.vendors.values()):
            if process.popen.poll() is None:
                process.end(signal.SIGTERM)

    def command(self, *words: str, status: int = 0) -> Json:
        done = subprocess.run(
            [sys.executable, "-m", "heedful", *words, "--json"],
            env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def text(self, words: str, sid: str, sender: str = ANN, to: str = DEALS) -> httpx2.Response:
        """An inbound text as Twilio documents and signs it."""
        return self.twilio({
            "ToCountry": "US", "SmsMessageSid": sid, "NumMedia": "0", "SmsSid": sid,
            "SmsStatus": "received", "Body": words, "To": to, "NumSegments": "1",
            "MessageSid": sid, "AccountSid": ACCOUNT, "From": sender, "ApiVersion": "2010-04-01",
        })  # fmt: skip

    def twilio(self, form: dict[str, str]) -> httpx2.Response:
        """A webhook with this form, signed by Twilio's own library."""
        signature = RequestValidator(TOKEN).compute_signature(
            f"{self.brand_url}/hooks/carrier", form
        )
        return httpx2.post(
            f"{self.url}/hooks/carrier",
            content=urlencode(form),
            headers={
                "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
                "X-Twilio-Signature": signature,
                "User-Agent": "TwilioProxy/1.1",
            },
        )

    def one_click(self, path: str) -> str:
        """The POST that Gmail sends for its Unsubscribe button, byte for byte; the status line."""
        host, port = urlsplit(self.url).hostname, urlsplit(self.url).port
        request = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n"
            "Connection: close\r\n\r\nList-Unsubscribe=One-Click"
        )
        with socket.create_connection((host, port), timeout=10) as sock:
            sock.sendall(request.encode())
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
        return answer.split(b"\r\n", 1)[0].decode()

    def doors(self, to: str, channel: str, topic: str) -> "tuple[str, list[str], list[int]]":
        """One question through the command, HTTP and Python; the three answers must agree."""
        status = {"allow": 0, "deny": 3, "defer": 4}
        body = {"checks": [{"to": to, "channel": channel, "topic": topic}]}
        answer = httpx2.post(
            f"{self.url}/v1/check", json=body, headers={"Authorization": f"Bearer {self.key}"}
        )
        assert answer.status_code == 200, answer.text
        by_http = answer.json()["decisions"][0]
        by_command = self.command(
            "check", to, "--channel", channel, "--topic", topic, status=status[by_http["outcome"]]
        )
        with heedful.open(
            self.database, brand=self.env["HEEDFUL_BRAND"], keys=self.env["HEEDFUL_KEYS"]
        ) as house:
            by_python = house.check(to, channel=channel, topic=topic)
        codes = [reason["code"] for reason in by_http["reasons"]]
        because = sorted(seq for reason in by_http["reasons"] for seq in reason["because"])
        assert by_command["outcome"] == by_http["outcome"] == by_python.outcome
        assert [reason["code"] for reason in by_command["reasons"]] == codes
        assert [reason.code for reason in by_python.reasons] == codes
        return by_http["outcome"], codes, because

    def said(self, subject: str) -> list[Json]:
        return self.command("history", subject)

    def head(self) -> int:
        return self.command("verify")["events"]

    def heard_by(self, vendor: str, words: str) -> Callable[[], "str | None"]:
        """The line in which a vendor printed what it was told."""
        return lambda: next((x for x in list(self.vendors[vendor].lines) if words in x), None)


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    house = House(tmp_path, database_url)
    with contextlib.ExitStack() as stack:
        stack.callback(house.stop)
        yield house


def sid() -> str:
    return "SM" + secrets.token_hex(16)


@pytest.mark.timeout(240)
def test_one_opt_out_heard_written_in_force_told(house: House) -> None:
    for subject, scope in ((ANN, "sms/marketing"), (MAIL, "email/marketing")):
        house.command("opt-in", subject, "--scope", scope, "--evidence", "ticked the box")
    assert house.doors(ANN, "sms", "weekly_deals")[0] == "allow"

    # A STOP by SMS: one confirmation comes back, inline.
    stop = sid()
    answer = house.text("Stop.", stop)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(("text/xml", "application/xml"))
    assert answer.text.count("<Message>") == 1
    assert "START" in answer.text
    opted_out = house.said(ANN)[-1]
    assert (opted_out["action"], opted_out["scope"]) == ("opt_out", "sms/marketing")
    assert opted_out["evidence"]["text"] == "Stop."

    # It is in force through every door, with the event's number; what is essential still flows.
    assert house.doors(ANN, "sms", "weekly_deals") == ("deny", ["opted_out"], [opted_out["seq"]])
    assert house.doors(ANN, "sms", "order_updates")[0] == "allow"

    # A one-click by e-mail.
    stamped = house.command("stamp", MAIL, "--topic", "weekly_deals")
    link = stamped["headers"]["List-Unsubscribe"].strip("<>")
    assert stamped["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    before = house.head()
    assert httpx2.get(house.url + urlsplit(link).path).status_code == 200
    assert house.head() == before, "a GET changed something"
    assert house.one_click(urlsplit(link).path) == "HTTP/1.1 200 OK"
    left = house.said(MAIL)[-1]
    assert (left["action"], left["scope"]) == ("opt_out", "email/topic:weekly_deals")
    assert house.doors(MAIL, "email", "weekly_deals") == ("deny", ["opted_out"], [left["seq"]])
    assert house.doors(MAIL, "email", "order_updates")[0] == "allow"

    # Both vendors have been told, signed (they turn away what is not), each only its own.
    within(5, house.heard_by("texter", f"opt_out tel:{ANN} (event {opted_out['seq']})"))
    within(5, house.heard_by("mailer", f"opt_out mailto:{MAIL} (event {left['seq']})"))
    assert not house.heard_by("mailer", ANN)()
    assert not house.heard_by("texter", MAIL)()
    for vendor, event in (("texter", opted_out), ("mailer", left)):
        assert within(5, lambda v=vendor, e=event: told_after(house, v, e["seq"])) < 1.0

    # The same inputs again change nothing, and are answered as before.
    before = house.head()
    assert house.text("Stop.", stop).text == answer.text
    assert house.one_click(urlsplit(link).path) == "HTTP/1.1 200 OK"
    assert house.head() == before

    # A SIGKILL after the acknowledgement, while the vendor has yet to answer, loses nothing: what
    # was not answered is told again.
    house.vendors["texter"].popen.send_signal(signal.SIGSTOP)
    assert house.text("STOP", sid(), sender=BEN).status_code == 200
    assert not house.heard_by("texter", BEN)()
    house.program.end(signal.SIGKILL)
    house.vendors["texter"].popen.send_signal(signal.SIGCONT)
    stopped = house.said(BEN)[-1]
    assert stopped["action"] == "opt_out"
    assert told_after(house, "texter", stopped["seq"]) is None
    house.start()
    within(10, house.heard_by("texter", f"opt_out tel:{BEN}"))
    within(10, lambda: told_after(house, "texter", stopped["seq"]))
    assert house.doors(BEN, "sms", "weekly_deals")[1][0] == "opted_out"

    # START brings back SMS, and nothing else.
    assert house.text("START", sid()).status_code == 200
    assert house.doors(ANN, "sms", "weekly_deals")[0] == "allow"
    assert house.doors(MAIL, "email", "weekly_deals")[0] == "deny"
    assert house.doors(BEN, "sms", "weekly_deals")[0] == "deny"
    within(5, house.heard_by("texter", f"opt_in tel:{ANN}"))

    # What was true then is still told: replay, history, verify.
    then = opted_out["recorded_at"]
    words = ("check", ANN, "--channel", "sms", "--topic", "weekly_deals", "--as-of", then)
    assert house.command(*words, status=3)["reasons"][0]["because"] == [opted_out["seq"]]
    assert [event["action"] for event in house.said(ANN)] == [
        "opt_in", "opt_out", "opt_in", "opt_in",
    ]  # fmt: skip
    report = house.command("verify")
    assert report["ok"]
    assert not report["differences"]

    # It stops cleanly, and leaves a signed statement of how far the history goes.
    assert house.program.end(signal.SIGTERM) == 0
    assert any('"checkpoint"' in line for line in house.program.lines)
    with heedful.open(house.database, keys=house.env["HEEDFUL_KEYS"]) as opened:
        ledger = opened.house.ledger
        assert ledger.checkpoints()[-1].hash == ledger.head().hash


def told_after(house: House, vendor: str, seq: int) -> float | None:
    """Seconds from the commit of an event to the vendor's answer, as the ledger has it."""
    with heedful.open(
        house.database, brand=house.env["HEEDFUL_BRAND"], keys=house.env["HEEDFUL_KEYS"]
    ) as opened:
        ledger = opened.house.ledger
        event = ledger.event(seq)
        for delivery in ledger.outbox.told(seq):
            if delivery.vendor == vendor:
                return (delivery.answered_at - event.recorded_at) / 1e6
    return None


def test_a_forged_text_is_turned_away(house: House) -> None:
    form = {"From": ANN, "To": DEALS, "Body": "START", "MessageSid": sid(), "AccountSid": ACCOUNT}
    forged = base64.b64encode(secrets.token_bytes(20)).decode()
    answer = httpx2.post(
        f"{house.url}/hooks/carrier", data=form, headers={"X-Twilio-Signature": forged}
    )
    assert answer.status_code == 401
    assert house.said(ANN) == []


def test_webhooks_that_others_recorded(house: House, corpora: Path) -> None:
    """Each arrives at the running server, signed; what it means is in force afterwards."""
    folder = corpora / "webhooks-sms-courier"
    blocked = []
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        case = json.loads((folder / row["file"]).read_text(encoding="utf-8"))
        if row["vendor"] != "twiml":
            # Other companies' bytes: not Twilio's, not believed, and no fault of the server's.
            answer = httpx2.post(f"{house.url}/hooks/carrier", content=case["body"].encode())
            assert answer.status_code == 401, row["file"]
            continue
        form = dict(parse_qsl(case["body"], keep_blank_values=True)) | {"AccountSid": ACCOUNT}
        answer = house.twilio(form)
        assert answer.status_code == 200, (row["file"], answer.text)
        if row["expected_action"] == "opt_out":
            blocked.append(row["sender"])
    assert blocked
    for sender in blocked:
        # These callbacks name no sender that could be blocked: the person has told the vendor.
        (event,) = house.said(sender)
        assert (event["action"], event["scope"]) == ("opt_out", "sms/marketing")
        outcome, codes, because = house.doors(sender, "sms", "weekly_deals")
        assert (outcome, codes[0]) == ("deny", "opted_out")
        assert event["seq"] in because
