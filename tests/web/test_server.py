"""A real server: the bytes as Gmail sends them, signals, streams, and a database that goes away."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.web.conftest import BRAND, ROOT, Running

QUIET = BRAND.replace("http://127.0.0.1:8601/", "http://127.0.0.1:9/").replace(
    "http://127.0.0.1:8602/", "http://127.0.0.1:9/"
)


def heedful(folder: Path, *words: str) -> Any:
    """Run a command in the folder; what it answered in JSON."""
    import os
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "heedful", *words, "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "brand.toml").write_text(QUIET, "utf-8")
    return tmp_path


def ask(
    running: Running, method: str, path: str, body: Any = None, key: str = ""
) -> tuple[int, Any]:
    parts = urlsplit(running.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text[:1] in b"{[" else text


def key_of(folder: Path, name: str = "test") -> str:
    made = heedful(folder, "key", "create", name, "--permissions", "check,record,read")
    return str(made["key"])


def test_one_click_byte_for_byte_as_gmail_sends_it(
    start: Callable[..., Running], folder: Path
) -> None:
    running = start("up", "--port", "0", folder=folder)
    link = heedful(folder, "stamp", "ann@example.com", "--topic", "weekly_deals")["link"]
    path, parts = urlsplit(link).path, urlsplit(running.url)
    request = (
        f"POST {path} HTTP/1.1\r\n"
        f"Host: {parts.netloc}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 26\r\n"
        "User-Agent: Google-Gmail-Unsubscribe\r\n"
        "Connection: close\r\n\r\n"
        "List-Unsubscribe=One-Click"
    ).encode()
    with socket.create_connection((parts.hostname, parts.port), 10) as sock:
        sock.sendall(request)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nlocation:" not in answer.lower()
    (event,) = heedful(folder, "history", "ann@example.com")
    assert (event["action"], event["scope"], event["source"]) == (
        "opt_out", "email/topic:weekly_deals", "one-click",
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_and_loses_nothing_acknowledged(
    start: Callable[..., Running], folder: Path, number: int
) -> None:
    running = start("up", "--port", "0", folder=folder)
    key = key_of(folder)
    acknowledged: list[int] = []
    refused = threading.Event()

    def record(client: int) -> None:
        for n in range(10_000):
            item = {"subject": f"+1415{client:03}{n:04}", "action": "opt_out"}
            try:
                status, said = ask(running, "POST", "/v1/events", {"events": [item]}, key)
            except (OSError, http.client.HTTPException):
                refused.set()
                return
            assert status == 200
            acknowledged.append(said["results"][0]["seq"])

    clients = [threading.Thread(target=record, args=(555 + n,)) for n in range(4)]
    for client in clients:
        client.start()
    time.sleep(0.7)
    begun = time.monotonic()
    assert running.stop(number) == 0
    assert time.monotonic() - begun < 10
    for client in clients:
        client.join(10)
    assert refused.is_set()
    assert acknowledged
    head = heedful(folder, "verify")
    assert head["ok"] is True
    assert head["events"] >= max(acknowledged)
    assert len(set(acknowledged)) == len(acknowledged)


def test_killed_it_still_has_what_it_acknowledged(
    start: Callable[..., Running], folder: Path
) -> None:
    running = start("up", "--port", "0", folder=folder)
    key = key_of(folder)
    item = {"subject": "+14155550123", "action": "opt_out"}
    _, said = ask(running, "POST", "/v1/events", {"events": [item]}, key)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    (event,) = heedful(folder, "history", "+14155550123")
    assert event["seq"] == said["results"][0]["seq"]
    again = start("up", "--port", "0", folder=folder)
    check = {"checks": [{"to": "+14155550123", "channel": "sms", "topic": "weekly_deals"}]}
    assert ask(again, "POST", "/v1/check", check, key)[1]["decisions"][0]["outcome"] == "deny"


def test_the_stream_tells_at_once_and_ends_with_the_server(
    start: Callable[..., Running], folder: Path
) -> None:
    running = start("up", "--port", "0", folder=folder)
    key = key_of(folder)
    parts = urlsplit(running.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
    assert answer.readline() == b"retry: 2000\n"
    answer.readline()
    item = {"subject": "+14155550123", "action": "opt_out"}
    ask(running, "POST", "/v1/events", {"events": [item]}, key)
    begun = time.monotonic()
    said = json.loads(answer.readline().removeprefix(b"data: "))
    assert time.monotonic() - begun < 0.5
    assert (said["seq"], said["subject"]) == (1, "tel:+14155550123")
    cursor = answer.readline().decode().removeprefix("id: ").strip()
    assert cursor.startswith("1.")
    answer.readline()
    # What another process writes is seen as well, if a little later.
    heedful(folder, "opt-out", "+14155550124")
    assert json.loads(answer.readline().removeprefix(b"data: "))["seq"] == 2
    begun = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - begun < 5
    assert b"data:" not in answer.read()
    connection.close()


def test_the_halves_listen_where_it_was_said_or_not_at_all(
    start: Callable[..., Running], folder: Path
) -> None:
    first = start("up", "--port", "0", folder=folder)
    taken = urlsplit(first.url).port
    with pytest.raises(AssertionError, match=f"port {taken} of 127.0.0.1 is taken"):
        start("serve", "--port", str(taken), folder=folder)
    second = start("serve", folder=folder)  # 8000 or, where that is taken, one after it
    port = urlsplit(second.url).port
    assert port is not None
    assert 8000 <= port <= 8020
    assert ask(second, "GET", "/healthz")[0] == 200
    assert ask(second, "GET", "/readyz")[1]["dispatcher"] == "elsewhere"


def test_the_access_log_has_templates_only(start: Callable[..., Running], folder: Path) -> None:
    running = start("up", "--port", "0", folder=folder)
    key = key_of(folder)
    ask(running, "GET", "/v1/subjects/ann@example.com?x=secret", key=key)
    ask(running, "GET", "/u/AQhhZTRkMjBjYR8LgX")
    assert running.stop() == 0
    time.sleep(0.2)
    lines = [json.loads(line) for line in running.said if line.startswith('{"event":"request"')]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/v1/subjects/{subject}", 200),
        ("GET", "/u/{token}", 404),
    ]
    assert "ann@" not in "".join(running.said)


def test_postgresql_may_go_away_and_come_back(
    start: Callable[..., Running], folder: Path, postgres_url: str
) -> None:
    running = start("up", "--port", "0", "--db", postgres_url, folder=folder)
    made = heedful(
        folder, "--db", postgres_url, "key", "create", "t", "--permissions", "check,record"
    )
    check = {"checks": [{"to": "ann@example.com", "channel": "email", "topic": "weekly_deals"}]}
    assert ask(running, "POST", "/v1/check", check, made["key"])[0] == 200
    name = urlsplit(postgres_url).path.lstrip("/").partition("?")[0]
    server = postgres_url.replace(f"/{name}", "/postgres", 1)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'alter database "{name}" with allow_connections false')
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )
        statuses = {ask(running, "POST", "/v1/check", check, made["key"])[0] for _ in range(5)}
        assert statuses == {503}
        status, ready = ask(running, "GET", "/readyz")
        assert (status, ready["ready"]) == (503, False)
        assert ask(running, "GET", "/healthz")[0] == 200
        event = {"events": [{"subject": "ann@example.com", "action": "opt_out"}]}
        status, said = ask(running, "POST", "/v1/events", event, made["key"])
        assert (status, said["code"]) == (503, "ledger_unavailable")
        admin.execute(f'alter database "{name}" with allow_connections true')
    until = time.monotonic() + 10
    while ask(running, "GET", "/readyz")[0] != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert ask(running, "POST", "/v1/check", check, made["key"])[0] == 200
    assert running.stop() == 0


def test_a_brand_that_loosens_keeps_it_from_starting(
    start: Callable[..., Running], folder: Path
) -> None:
    assert start("up", "--port", "0", folder=folder).stop() == 0
    looser = QUIET.replace('sms = "4 per 7 days"', 'sms = "9 per 7 days"')
    (folder / "brand.toml").write_text(looser, "utf-8")
    with pytest.raises(AssertionError, match="cap on sms"):
        start("up", "--port", "0", folder=folder)
    heedful(folder, "brand", "apply", "--yes", "--reason", "the board asked for it")
    assert start("up", "--port", "0", folder=folder).stop() == 0


def test_the_halves_in_processes_of_their_own(start: Callable[..., Running], folder: Path) -> None:
    import os
    import sys

    for vendor in ("mailer", "texter"):
        (folder / f"{vendor}.secret").write_text("whsec_" + "A" * 43 + "=")
    heedful(folder, "init")
    serving = start("serve", "--port", "0", folder=folder)
    working = subprocess.Popen(
        [sys.executable, "-m", "heedful", "work"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert working.stdout is not None
    try:
        with working.stdout as out:
            assert out.readline() == "telling the vendors\n"
            heedful(folder, "opt-out", "+14155550123")
            until = time.monotonic() + 15
            rows = heedful(folder, "vendors")
            while not any(row["waiting"] for row in rows):
                assert time.monotonic() < until, rows
                rows = heedful(folder, "vendors")
            working.terminate()
            assert working.wait(20) == 0
    finally:
        working.kill()
        working.wait(5)
    assert serving.stop() == 0
