"""The API: what it answers to whom, and that no input makes it fall over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from heedful.core import brand
from heedful.core.errors import LedgerFull, LedgerUnavailable
from heedful.ledger import Ledger
from heedful.web.routes import ROUTES, listed
from tests.web.conftest import BRAND, Asked, asking, made

OUT = {"subject": "+14155550123", "action": "opt_out"}
CONSENT = {
    "subject": "+14155550123",
    "action": "opt_in",
    "scope": "sms/marketing",
    "occurred_at": "2026-01-05T10:00:00Z",
    "request_id": "form-1",
    "evidence": "ticked the box",
}


def test_an_opt_out_is_in_force_at_once(asked_on_each: Asked) -> None:
    asked = asked_on_each
    (consented,) = asked.say(CONSENT)
    assert consented["lifts"] is True
    before = asked.check("+1 415 555 0123", "sms", "weekly_deals")
    assert before["outcome"] == "allow"
    assert before["reasons"] == []
    assert before["alternatives"] == []
    (receipt,) = asked.say(OUT)
    assert receipt == {"seq": 2, "recorded_at": receipt["recorded_at"], "repeat": False}
    after = asked.check("+14155550123", "sms", "weekly_deals")
    assert after["outcome"] == "deny"
    assert after["reasons"] == [
        {
            "code": "opted_out",
            "text": "The person opted out of sms/marketing and has not come back.",
            "because": [2],
            "scope": "sms/marketing",
        }
    ]
    assert asked.house.tokens.check(after["token"]) == (2, 1, "deny")


def test_one_bad_item_never_fails_the_others(asked_on_each: Asked) -> None:
    results = asked_on_each.say(
        OUT,
        {"subject": "nobody", "action": "opt_out"},
        {"subject": "ann@example.com", "action": "opt_in"},
        {"subject": "ann@example.com", "action": "shout"},
        {**OUT, "subject": "+14155550124", "shoe_size": 9},
        7,  # type: ignore[arg-type]
        {**OUT, "subject": "+14155550125"},
    )
    assert [r.get("seq") for r in results] == [1, None, None, None, None, None, 2]
    codes = [r["error"]["code"] for r in results if "error" in r]
    assert codes == [
        "invalid_address", "invalid_event", "invalid_body", "invalid_body", "invalid_body",
    ]  # fmt: skip
    assert all("Nothing was recorded." in r["error"]["detail"] or "not a phone number"
               in r["error"]["detail"] for r in results if "error" in r)  # fmt: skip


def test_an_item_without_an_answer_has_its_error_in_its_place(asked_on_each: Asked) -> None:
    checks = [
        {"to": "ann@example.com", "channel": "email", "topic": "weekly_deals"},
        {"to": "ann@example.com", "channel": "email", "topic": "weekly_deal"},
        {"to": "ann@example.com", "channel": "sms", "topic": "weekly_deals"},
        {"to": "ann@example.com", "channel": "telex", "topic": "weekly_deals"},
        {"to": "ann@example.com", "channel": "email", "topic": "weekly_deals", "segmnets": []},
        {"to": "ann@example.com", "channel": "email", "topic": "order_updates"},
    ]
    answer = asked_on_each.post("/v1/check", {"checks": checks})
    assert answer.status_code == 200
    decisions = answer.json()["decisions"]
    assert [d.get("outcome") or d["error"]["code"] for d in decisions] == [
        "allow", "unknown_topic", "invalid_question", "invalid_body", "invalid_body", "allow",
    ]  # fmt: skip
    assert "Did you mean 'weekly_deals'?" in decisions[1]["error"]["detail"]


def test_a_thousand_at_once_and_not_one_more(asked_on_each: Asked) -> None:
    item = {"to": "ann@example.com", "channel": "email", "topic": "weekly_deals"}
    answer = asked_on_each.post("/v1/check", {"checks": [item] * 1000})
    assert len(answer.json()["decisions"]) == 1000
    for path, name, one in (("/v1/check", "checks", item), ("/v1/events", "events", OUT)):
        refused = asked_on_each.post(path, {name: [one] * 1001})
        assert refused.status_code == 422
        assert refused.json()["code"] == "invalid_body"
        assert asked_on_each.post(path, {name: []}).status_code == 422
    assert asked_on_each.house.ledger.head().seq == 0


def test_idempotency_key_makes_a_retry_safe(asked: Asked) -> None:
    one = {"events": [OUT]}
    first = asked.post("/v1/events", one, idempotency_key="job-7").json()["results"][0]
    again = asked.post("/v1/events", one, idempotency_key="job-7").json()["results"][0]
    assert (first["repeat"], again["repeat"], again["seq"]) == (False, True, first["seq"])
    other = {"events": [{**OUT, "subject": "+14155550199"}]}
    conflict = asked.post("/v1/events", other, idempotency_key="job-7").json()["results"][0]
    assert conflict["error"]["code"] == "request_id_conflict"
    several = {"events": [{**OUT, "subject": "+14155550131"}, {**OUT, "subject": "+14155550132"}]}
    asked.post("/v1/events", several, idempotency_key="job-8")
    retried = asked.post("/v1/events", several, idempotency_key="job-8").json()["results"]
    assert [r["repeat"] for r in retried] == [True, True]
    ids = [e.request_id for e in asked.house.ledger.events(_start(), 10)[0]]
    assert ids == ["job-7", "job-8/0", "job-8/1"]
    refused = asked.post("/v1/events", one, idempotency_key="k" * 181)
    assert refused.status_code == 422


def _start() -> Any:
    from heedful.ledger import Cursor

    return Cursor.START


def test_a_subject_is_shown_by_get_and_by_post(asked_on_each: Asked) -> None:
    asked = asked_on_each
    asked.say(
        CONSENT, OUT, {"subject": "contact:crm-42", "action": "link", "address": "+14155550123"}
    )
    shown = asked.get("/v1/subjects/+14155550123").json()
    assert shown == asked.post("/v1/subjects/query", {"subject": "+1 415 555 0123"}).json()
    assert shown["subject"] == "tel:+14155550123"
    assert shown["scopes"][0]["out"]["seq"] == 2
    assert shown["links"][0]["subject"] == "contact:crm-42"
    assert {m["topic"]: m["outcome"] for m in shown["messages"]} == {
        "weekly_deals": "deny", "cart_reminders": "deny", "order_updates": "allow",
    }  # fmt: skip
    history = asked.get("/v1/subjects/tel%3A%2B14155550123/history").json()["events"]
    assert [e["action"] for e in history] == ["opt_in", "opt_out", "link"]
    assert history[0]["evidence"] == {"text": "ticked the box"}
    slash = {"subject": "contact:a/b", "action": "opt_out"}
    asked.say(slash)
    assert asked.get("/v1/subjects/contact%3Aa%2Fb").json()["subject"] == "contact:a/b"
    bad = asked.get("/v1/subjects/nobody")
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_address")
    assert asked.get("/v1/subjects/%FF").status_code in (404, 422)


def test_the_feed_has_no_gap_and_knows_another_history(asked_on_each: Asked) -> None:
    asked = asked_on_each
    asked.say(*({**OUT, "subject": f"+1415555{n:04}"} for n in range(100, 110)))
    seen, after = [], "0"
    while True:
        page = asked.get(f"/v1/events?after={after}&limit=3").json()
        if not page["events"]:
            break
        seen += [e["seq"] for e in page["events"]]
        after = page["next"]
    assert seen == list(range(1, 11))
    for cursor in ("7.0123456789abcdef", "nonsense"):
        gone = asked.get(f"/v1/events?after={cursor}")
        assert (gone.status_code, gone.json()["code"]) == (409, "history_changed")
    assert asked.get("/v1/events?limit=0").status_code == 422
    assert asked.get("/v1/events?afetr=0").status_code == 422


def test_sends_are_counted_against_caps(asked: Asked) -> None:
    asked.say({**CONSENT, "request_id": "c"})
    at = "2026-01-06T10:00:0{}Z"
    sends = [
        {"to": "+14155550123", "channel": "sms", "topic": "weekly_deals",
         "at": at.format(n), "request_id": f"s{n}"}
        for n in range(4)
    ]  # fmt: skip
    bad = {**sends[0], "channel": "email", "request_id": "x"}
    answer = asked.post("/v1/sends", {"sends": [*sends, bad]}).json()["results"]
    assert [r.get("noted") for r in answer] == [True] * 4 + [None]
    assert answer[4]["error"]["code"] == "invalid_question"
    capped = asked.check("+14155550123", "sms", "weekly_deals", at="2026-01-07T10:00:00Z")
    assert capped["outcome"] == "defer"
    assert capped["reasons"][0]["code"] == "frequency_cap"
    assert capped["not_before"].startswith("2026-01-13T10:00:00")
    nul = {**sends[0], "request_id": "n", "campaign": "a\0b"}
    unnamed = {name: value for name, value in sends[0].items() if name != "request_id"}
    for wrong in (nul, unnamed):
        answer = asked.post("/v1/sends", {"sends": [wrong, sends[1]]}).json()["results"]
        assert (answer[0]["error"]["code"], answer[1]["noted"]) == ("invalid_body", True)
    forged = {**sends[0], "request_id": "t", "token": "AAAA"}
    assert "error" in asked.post("/v1/sends", {"sends": [forged]}).json()["results"][0]


def test_a_stamp_is_what_rfc_8058_asks_for(asked: Asked) -> None:
    said = asked.post("/v1/stamp", {"to": "ann@example.com", "topic": "weekly_deals"}).json()
    assert said["headers"] == {
        "List-Unsubscribe": f"<{said['link']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert said["link"].startswith("http://127.0.0.1:8600/u/")
    path = said["link"].removeprefix("http://127.0.0.1:8600")
    assert asked.client.get(path).status_code == 200
    assert "ann" not in said["link"]
    wrong = asked.post("/v1/stamp", {"to": "+14155550123", "topic": "weekly_deals"})
    assert wrong.status_code == 422


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer hk_wrong", 401), ("Basic abc", 401), ("Bearer ", 401)],
)
def test_without_a_key_nothing_is_told(asked: Asked, header: str | None, status: int) -> None:
    headers = {} if header is None else {"Authorization": header}
    for route in ROUTES:
        if route.permission is not None:
            path = route.path.replace("{subject}", "+14155550123")
            answer = asked.client.request(route.method, path, headers=headers, content=b"{}")
            assert answer.status_code == status, route.path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["code"] == "unauthenticated"


def test_a_key_may_only_what_it_was_made_for(asked: Asked) -> None:
    for route in ROUTES:
        if route.permission is None:
            continue
        others = {"check", "record", "read", "admin"} - {str(route.permission)}
        asked.secret = asked.key(f"{route.method} {route.path}", *others)
        path = route.path.replace("{subject}", "+14155550123")
        answer = asked.client.request(route.method, path, headers=asked.headers(), content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), route.path


def test_a_revoked_key_ends(asked: Asked) -> None:
    from heedful.wire import now

    asked.check("ann@example.com", "email", "weekly_deals")
    assert asked.house.ledger.revoke_key("test", now())
    asked.app.callers.forget()
    answer = asked.post("/v1/check", {"checks": []})
    assert answer.status_code == 401


def test_a_key_of_a_vendor_sees_and_says_what_concerns_it(asked: Asked) -> None:
    asked.say(
        {"subject": "ann@example.com", "action": "opt_out", "scope": "*/marketing",
         "evidence": "a letter", "reason": "too_many"},
        {"subject": "ann@example.com", "action": "opt_out", "scope": "email/topic:weekly_tips"},
        OUT,
    )  # fmt: skip
    asked.secret = asked.key("texter", "check", "record", "read", vendor="texter")
    events = asked.get("/v1/events").json()["events"]
    assert [e["seq"] for e in events] == [1, 3]
    assert "evidence" not in events[0]
    assert "reason" not in events[0]
    shown = asked.get("/v1/subjects/ann@example.com").json()
    assert [s["scope"] for s in shown["scopes"]] == ["*/marketing"]
    assert shown["messages"] == []
    ours = asked.check("+14155550123", "sms", "weekly_deals")
    assert "vendor_not_allowed" not in {r["code"] for r in ours["reasons"]}
    theirs = asked.check("ann@example.com", "email", "weekly_tips")
    assert "vendor_not_allowed" in {r["code"] for r in theirs["reasons"]}
    other = asked.check("+14155550123", "sms", "weekly_deals", vendor="mailer")
    assert other["error"]["code"] == "forbidden"
    (said, not_ours) = asked.say(
        {"subject": "+14155550177", "action": "opt_out"},
        {"subject": "ben@example.com", "action": "opt_out"},
    )
    assert said["seq"] == 4
    assert not_ours["error"]["code"] == "forbidden"


# --- what may come in ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b'{"checks":"\xff\xfe"}', 400, "invalid_json"),
        (b"[" * 100_000, 422, "invalid_body"),
        (b'{"checks":[' + b"[" * 100_000, 400, "invalid_json"),
        (b"null", 422, "invalid_body"),
        (b'{"checks":{}}', 422, "invalid_body"),
        (b'{"checks":[{}],"more":1}', 422, "invalid_body"),
        (b"x" * (1 << 20) + b"x", 413, "too_large"),
    ],
)
def test_a_body_that_cannot_be_read(asked: Asked, body: bytes, status: int, code: str) -> None:
    answer = asked.client.post("/v1/check", content=body, headers=asked.headers())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "code", "detail"}


def test_a_body_in_chunks_is_bounded_too(asked: Asked) -> None:
    def chunks() -> Any:
        for _ in range(200):
            yield b"x" * 10_000

    answer = asked.client.post("/v1/events", content=chunks(), headers=asked.headers())
    assert answer.status_code == 413


def test_what_is_sent_is_not_repeated_in_an_error(asked: Asked) -> None:
    item = {"to": "ann@example.com", "channel": "ann@example.com", "topic": "weekly_deals"}
    answer = asked.post("/v1/check", {"checks": [item]})
    assert "ann@" not in answer.text


def test_nowhere_and_other_methods_are_problems(asked: Asked) -> None:
    lost = asked.client.get("/v1/nothing")
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
    for route in ROUTES:
        path = route.path.replace("{subject}", "a").replace("{vendor}", "a").replace("{token}", "a")
        answer = asked.client.request("PATCH", path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert route.method in answer.headers["allow"]
        if "GET" in answer.headers["allow"]:
            assert "HEAD" in answer.headers["allow"]
        assert answer.headers["content-type"] == "application/problem+json"


def test_head_is_get_without_a_body(asked: Asked) -> None:
    stream = asked.client.head("/v1/events/stream", headers=asked.headers())
    assert (stream.status_code, stream.content) == (200, b"")
    for path in ("/healthz", "/docs", "/openapi.json", f"/u/{asked.token('ann@example.com')}"):
        head, get = asked.client.head(path), asked.client.get(path)
        assert head.status_code == get.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == str(len(get.content))


def test_a_ledger_that_does_not_answer_is_503_and_nothing_was_recorded(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.check("ann@example.com", "email", "weekly_deals")  # the key is known by now

    def gone(*_: object, **__: object) -> Any:
        raise LedgerUnavailable("The database does not answer.")

    def full(*_: object, **__: object) -> Any:
        raise LedgerFull("The disk is full.")

    ledger = asked.house.ledger
    for name in ("read", "head", "catalogue", "read_one", "events"):
        monkeypatch.setattr(ledger, name, gone)
    monkeypatch.setattr(asked.house.gate, "rule", gone)
    for answer in (
        asked.post("/v1/check", {"checks": [{"to": "a@b.co", "channel": "email", "topic": "x"}]}),
        asked.get("/v1/events"),
        asked.get("/readyz"),
    ):
        assert answer.status_code == 503
    assert asked.get("/healthz").status_code == 200
    monkeypatch.setattr(ledger, "hand_in", full)
    refused = asked.post("/v1/events", {"events": [OUT]})
    assert refused.status_code == 503
    assert "othing was recorded" in refused.json()["detail"]
    assert refused.headers["retry-after"]


def test_what_nobody_foresaw_is_a_problem_without_insides(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("secret of ann@example.com")

    monkeypatch.setattr(asked.house.gate, "standing", broken)
    answer = asked.get("/v1/subjects/ann@example.com")
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "secret" not in answer.text
    assert "RuntimeError" in caplog.text
    assert not [r for r in caplog.records if r.name[:7] == "heedful" and "ann@" in r.message]
    assert 'heedful_unexpected_total{place="http"}' in asked.get("/metrics").text


# --- what operators ask ---------------------------------------------------------------------------


def test_readiness_tells_strangers_less(asked: Asked) -> None:
    ready = asked.client.get("/readyz", headers={"x-forwarded-for": "203.0.113.9"})
    assert ready.json() == {"ready": True, "ledger": "ok", "dispatcher": "elsewhere"}
    known = asked.get("/readyz").json()
    assert set(known["vendors"]) == {"mailer", "texter"}


def test_metrics_need_a_key_from_elsewhere(asked: Asked) -> None:
    asked.check("ann@example.com", "email", "weekly_deals")
    assert asked.client.get("/metrics", headers={"via": "1.1 proxy"}).status_code == 401
    text = asked.get("/metrics").text
    assert 'heedful_http_requests_total{method="POST",route="/v1/check",status="200"}' in text
    assert 'heedful_decisions_total{outcome="allow"}' in text
    assert "heedful_ledger_head 0" in text
    assert "ann@" not in text


def test_the_description_names_every_route_and_nothing_else(asked: Asked) -> None:
    said = asked.client.get("/openapi.json").json()
    assert said["openapi"] == "3.1.0"
    described = {(m.upper(), path) for path, ops in said["paths"].items() for m in ops}
    assert described == {(r.method, r.path) for r in ROUTES}
    assert len(listed()) == len(ROUTES)
    for ops in said["paths"].values():
        for operation in ops.values():
            assert operation["summary"]
    references = set(_references(said))
    assert references <= {f"#/components/schemas/{name}" for name in said["components"]["schemas"]}


def _references(said: Any) -> Any:
    if isinstance(said, dict):
        if "$ref" in said:
            yield said["$ref"]
        for value in said.values():
            yield from _references(value)
    elif isinstance(said, list):
        for value in said:
            yield from _references(value)


def test_every_problem_has_its_place_in_the_docs(asked: Asked) -> None:
    from heedful.core.decision import ReasonCode
    from heedful.web.problems import every_code

    page = asked.client.get("/docs")
    for code in [*every_code(), *ReasonCode]:
        assert f'id="{code}"' in page.text
    assert "http-equiv" not in page.text
    for route in ROUTES:
        assert route.path in page.text


def test_a_vendor_that_is_not_configured_is_told_to_try_again(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWHERE_SID", raising=False)
    brand = BRAND + (
        '\n[vendors.twilly]\nkind = "twilio"\nchannels = ["sms"]\n'
        'account_sid = "env:NOWHERE_SID"\nauth_token = "env:NOWHERE_TOKEN"\n'
    )
    with asking(made(sqlite_url, tmp_path / "home", brand)) as asked:
        answer = asked.client.post("/hooks/twilly", content=b"Body=STOP")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")
        assert asked.client.post("/hooks/nobody", content=b"x").status_code == 404
        large = asked.client.post("/hooks/twilly", content=b"x" * (256 * 1024 + 1))
        assert large.status_code == 413
        monkeypatch.setenv("NOWHERE_SID", "AC" + "0" * 32)
        monkeypatch.setenv("NOWHERE_TOKEN", "0" * 32)
        forged = asked.client.post(
            "/hooks/twilly",
            content=b"Body=STOP&From=%2B14155550123&To=%2B18335550100&MessageSid=SM1",
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "x-twilio-signature": "bm9ib2R5",
            },
        )
        assert (forged.status_code, forged.json()["code"]) == (401, "forged")
        assert asked.house.ledger.head().seq == 0


def test_a_signed_stop_is_heard_behind_a_proxy(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twilio.request_validator import RequestValidator

    monkeypatch.setenv("TW_SID", "AC" + "0" * 32)
    monkeypatch.setenv("TW_TOKEN", "0" * 32)
    brand = BRAND.replace("http://127.0.0.1:8600", "https://prefs.northwind.example") + (
        '\n[vendors.twilly]\nkind = "twilio"\nchannels = ["sms"]\n'
        'account_sid = "env:TW_SID"\nauth_token = "env:TW_TOKEN"\n'
    )
    said = {
        "AccountSid": "AC" + "0" * 32, "Body": "STOP", "From": "+14155550123",
        "To": "+18335550100", "MessageSid": "SM" + "1" * 32,
    }  # fmt: skip
    url = "https://prefs.northwind.example/hooks/twilly?via=eu"
    signature = RequestValidator("0" * 32).compute_signature(url, said)
    with asking(made(sqlite_url, tmp_path / "home", brand)) as asked:
        for _ in range(2):  # providers retry
            answer = asked.client.post(
                "/hooks/twilly?via=eu", data=said, headers={"x-twilio-signature": signature}
            )
            assert answer.status_code == 200, answer.text
            assert "Northwind Outfitters" in answer.text
        assert [e["scope"] for e in asked.get("/v1/events").json()["events"]] == ["sms/marketing"]
        denied = asked.check("+14155550123", "sms", "weekly_deals")
        assert denied["outcome"] == "deny"


def test_no_address_is_in_the_log(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    asked.say(OUT, {"subject": "nobody@", "action": "opt_out"})
    asked.get("/v1/subjects/ann@example.com")
    asked.get("/u/AQhhZTRkMjBjYR8LgX")
    ours = " ".join(r.getMessage() for r in caplog.records if r.name.startswith("heedful"))
    assert "4155550123" not in ours
    assert "ann@" not in ours


def test_as_of_this_second_is_now(asked: Asked) -> None:
    from datetime import UTC, datetime, timedelta

    asked.say(CONSENT, OUT)
    now = datetime.now(UTC)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"):
        answer = asked.check("+14155550123", "sms", "weekly_deals", as_of=now.strftime(form))
        assert "error" not in answer
    today = asked.check("+14155550123", "sms", "weekly_deals", as_of=now.strftime("%Y-%m-%d"))
    assert today["reasons"][0]["because"] == [2]
    tomorrow = (now + timedelta(days=1)).strftime("%Y-%m-%d")
    refused = asked.check("+14155550123", "sms", "weekly_deals", as_of=tomorrow)
    assert "lies in the future" in refused["error"]["detail"]


def test_limits_and_preferences_can_be_said(asked: Asked) -> None:
    said = asked.say(
        CONSENT,
        {"subject": "+14155550123", "action": "limit", "scope": "sms/marketing",
         "at_most": 1, "per": "7 days"},
        {"subject": "+14155550123", "action": "prefer", "prefer": {"time_zone": "Europe/Madrid"}},
        {"subject": "+14155550123", "action": "limit", "scope": "*/marketing",
         "until": "2099-01-01"},
    )  # fmt: skip
    assert [row["seq"] for row in said] == [1, 2, 3, 4]
    paused = asked.check("+14155550123", "sms", "weekly_deals")
    assert (paused["outcome"], paused["reasons"][0]["code"]) == ("defer", "paused")
    shown = asked.get("/v1/subjects/+14155550123").json()
    assert shown["limits"][0]["until"] == "2099-01-01T23:59:59.999999Z"
    assert shown["preferences"] == {"time_zone": "Europe/Madrid"}


def test_a_catalogue_applied_by_another_process_counts_at_once(asked: Asked) -> None:
    house = asked.house
    assert asked.post("/v1/events", {"events": [OUT]}).status_code == 200
    text = house.ledger.catalogue().text
    fresh = text + '\n[topics.brand_new]\ncategory = "promotional"\nchannels = ["sms"]\n'
    fresh += 'title = "Brand new"\n'
    with Ledger.open(house.settings.database, house.keys) as other:
        other.apply(brand.parse(fresh), "ann")
    said = OUT | {"scope": "sms/topic:brand_new"}
    assert asked.post("/v1/events", {"events": [said]}).json()["results"][0]["seq"]
    with Ledger.open(house.settings.database, house.keys) as other:
        other.apply(brand.parse(text), "ann")
    refused = asked.post("/v1/events", {"events": [said | {"request_id": "again"}]}).json()
    assert refused["results"][0]["error"]["code"] == "unknown_topic"
