"""A vendor as small as one can be: takes what Heedful tells it and prints it.

    python examples/northwind/receiver.py --name texter --secret-file texter.secret --port 0

Standard library only, so that it can be read, and copied, as an example of the other side. It
checks the signature of each message by Standard Webhooks, does nothing twice, keeps its own list
of who is out, and answers 204 only after that. A secret file that is not there is made.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

TOLERANCE = 5 * 60
LONGEST = 100_000
REMEMBERED = 10_000


class Vendor:
    """What this vendor knows: its secret, the messages it has had, who wants nothing of what."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.name, self.secret = name, secret
        self.had: OrderedDict[str, None] = OrderedDict()
        self.standing: dict[tuple[str, str, str], str] = {}
        self.lock = Lock()

    def believes(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the message is Heedful's, and of now: see standardwebhooks.com."""
        message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
            return False
        signed = f"{message_id}.{stamp}.".encode() + body
        right = base64.b64encode(hmac.digest(self.secret, signed, hashlib.sha256)).decode()
        return any(
            hmac.compare_digest(f"v1,{right}".encode(), one.encode())
            for one in headers.get("webhook-signature", "").split()
        )

    def hear(self, message_id: str, message: Mapping[str, object]) -> None:
        """Do as the message says, once, and say so."""
        data = message["data"]
        assert isinstance(data, dict)
        with self.lock:
            if message_id in self.had:
                self.say(f"again   {data['subject']} (had {message_id} already)")
                return
            for row in data["standing"]:
                self.standing[data["subject"], row["channel"], row["topic"]] = row["is"]
            self.had[message_id] = None
            if len(self.had) > REMEMBERED:
                self.had.popitem(last=False)
            words = ", ".join(
                f"{row['channel']} {row['topic']} {row['is']}"
                + (f" until {row['until']}" if "until" in row else "")
                for row in data["standing"]
            )
            self.say(f"{data['action']} {data['subject']} (event {data['seq']}): {words}")

    def say(self, line: str) -> None:
        print(f"{self.name}: {line}", flush=True)  # noqa: T201


class Door(BaseHTTPRequestHandler):
    """One request. 401: not believed; 400: not understood; 204: done."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    vendor: Vendor

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LONGEST:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not self.vendor.believes(headers, body):
            self.vendor.say("a message with a wrong signature was turned away")
            return self.answer(401)
        try:
            self.vendor.hear(headers["webhook-id"], json.loads(body))
        except (ValueError, KeyError, TypeError, AssertionError):
            return self.answer(400)
        return self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """What was heard is printed; that a request came in need not be."""


def secret_of(file: Path) -> bytes:
    """The secret in the file; a new one where there is no file yet, for our eyes only."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "w") as new:
            new.write("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    return base64.b64decode(file.read_text().strip().removeprefix("whsec_"))


def main() -> None:
    words = argparse.ArgumentParser(description="A vendor that prints what it is told.")
    words.add_argument("--name", required=True)
    words.add_argument("--secret-file", required=True, type=Path)
    words.add_argument("--host", default="127.0.0.1")
    words.add_argument("--port", default=0, type=int, help="any free one, if it is 0 or taken")
    given = words.parse_args()
    Door.vendor = Vendor(given.name, secret_of(given.secret_file))
    try:
        server = ThreadingHTTPServer((given.host, given.port), Door)
    except OSError:
        server = ThreadingHTTPServer((given.host, 0), Door)
    server.daemon_threads = True
    print(f"listening on http://{given.host}:{server.server_port}", flush=True)  # noqa: T201
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
