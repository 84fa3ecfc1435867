"""A vendor on the loopback: takes every POST, answers 200, and notes when each came.

`python -m benchmarks.baselines.sink PORT`. `GET /` gives the notes (path, seq, time) and forgets
them. Written on the bare event loop, so that it is never what is measured.
"""

import asyncio
import json
import re
import sys
import time

import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok"
_SEQ = re.compile(rb'"seq":\s*(\d+)')
_notes: list[tuple[str, int, float]] = []


class Sink(asyncio.Protocol):
    def __init__(self) -> None:
        self.held = b""

    def connection_made(self, transport):  # type: ignore[no-untyped-def]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self.held) < end + 4 + length:
                return
            body = self.held[end + 4 : end + 4 + length]
            self.held = self.held[end + 4 + length :]
            if head.startswith(b"get"):
                said = json.dumps(_notes).encode()
                _notes.clear()
                self.transport.write(
                    b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said)
                )
                continue
            now = time.time()
            self.transport.write(_ANSWER)
            found = _SEQ.search(body)
            path = head.split(b" ", 2)[1].decode()
            _notes.append((path, int(found[1]) if found else 0, now))


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
