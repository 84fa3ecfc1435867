"""Named queries to PostgreSQL in one round trip, on libpq itself.

psycopg's pipeline waits on the socket at every statement, and lets go of the interpreter each time;
of a transaction of eight opt-outs that was half of the client's time. Here all is sent, one wait
follows, and the answers are read.
"""

import select
from collections.abc import Callable, Iterable, Sequence
from struct import pack
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from heedful.ledger.arrays import Column, packed
from heedful.ledger.database import Query
from heedful.ledger.values import Row

_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY)
_Command = tuple[str, Sequence[Any]]
"""A query's name and its parameters in the order of their first appearance in its text."""


def _wire(value: Any) -> bytes | None:
    """A parameter in its binary form. All our integers are bigint."""
    if value is None or type(value) is bytes:
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return pack("!q", value)
    if isinstance(value, Column):
        return packed(value)
    return bytes(value)


class Pipeline:
    """Sends queries on one connection, in a thread of its own, and prepares each when first sent.

    Raises psycopg's errors: the first command at fault; those after it were not run.
    """

    def __init__(self, raw: "psycopg.Connection[Any]", queries: dict[str, Query]) -> None:
        self._raw, self._conn, self._queries = raw, raw.pgconn, queries
        self._prepared: set[str] = set()
        self._known: set[str] = set()
        "those prepared, and those about to be"
        self._answer, self._room = select.poll(), select.poll()
        self._answer.register(self._conn.socket, select.POLLIN)
        self._room.register(self._conn.socket, select.POLLIN | select.POLLOUT)

    def run(self, commands: Iterable[_Command]) -> list[list[Row]]:
        """The rows of each command, none for one that gives none."""
        conn = self._conn
        sent: list[str | None] = []
        self._known = set(self._prepared)
        conn.enter_pipeline_mode()
        try:
            for name, given in commands:
                self._send(name, given, sent.append)
            conn.pipeline_sync()
            while conn.flush():  # more than the socket holds; the server may want to be read too
                self._room.poll()
                conn.consume_input()
            results = self._results(sent)
        finally:
            if conn.status == psycopg.pq.ConnStatus.OK:
                conn.exit_pipeline_mode()
        return [self._rows(result) for result in results]

    def _send(self, name: str, given: Sequence[Any], sent: Callable[[str | None], None]) -> None:
        label = name.encode()
        if name not in self._known:
            self._known.add(name)
            self._conn.send_prepare(label, self._queries[name].numbered.encode())
            sent(name)
        values = [_wire(value) for value in given]
        formats = [Format.BINARY] * len(values)
        self._conn.send_query_prepared(label, values, formats, Format.BINARY)
        sent(None)

    def _results(self, sent: Sequence[str | None]) -> list[PGresult]:
        """One for each query; the server's answer to a preparation is only noted."""
        found: list[PGresult] = []
        fault: psycopg.Error | None = None
        for preparation in sent:
            result = self._next()
            assert result is not None
            if result.status not in _GOOD:
                if fault is None:
                    fault = errors.error_from_result(result, "utf-8")
            elif preparation is not None:
                self._prepared.add(preparation)
            else:
                found.append(result)
            while self._next() is not None:  # a command's answers end with None
                pass
        self._next()  # the sync
        if fault is not None:
            raise fault
        return found

    def _next(self) -> PGresult | None:
        conn = self._conn
        while conn.is_busy():
            self._answer.poll()
            conn.consume_input()
        return conn.get_result()

    def _rows(self, result: PGresult) -> list[Row]:
        if result.status != ExecStatus.TUPLES_OK or not result.ntuples:
            return []
        reader = Transformer(self._raw)
        reader.set_pgresult(result)
        rows: list[Row] = reader.load_rows(0, result.ntuples, tuple)
        return rows
