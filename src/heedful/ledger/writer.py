"""Group commit: one thread writes, and takes all that waits into one transaction.

A durable commit costs the same for one event as for a hundred. Each caller waits for the commit
that carries its event; a group at fault fails alone.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from heedful.core.errors import (
    HeedfulError,
    LedgerError,
    LedgerFull,
    LedgerUnavailable,
    RequestIdConflict,
)
from heedful.ledger.append import Append, Clock, asks_of
from heedful.ledger.database import Ask, Database, Writer
from heedful.ledger.draft import Draft
from heedful.ledger.retraction import retract
from heedful.ledger.seal import Seal
from heedful.ledger.values import Receipt

MOST = 2_000
"""Statements in one transaction: more would make others wait, fewer would not be slower by much."""

IDLE = 0.5
"""Seconds after which an idle writer looks whether the program has ended meanwhile."""

GATHER = 0.001
"""Seconds that a transaction waits for as many callers as the last one had: those that were just
answered are often about to write again. A lone writer never waits."""

Outcome = list[Receipt] | HeedfulError
Job = Callable[[Append], Any]
"""Other work under the writers' lock; what it appends or writes is committed with the rest."""


Answered = Callable[[list[Outcome] | HeedfulError], None]
"""Called on the writing thread once the commit is over: be quick, write nothing, raise nothing."""


@dataclass(slots=True)
class _Groups:
    """Groups of statements, each all or nothing. Who waits in no thread is `answered` instead.

    `catalogue`: the one they were checked against. Where another is in force by then, nothing is
    recorded and each has no receipts.
    """

    groups: Sequence[list[Draft]]
    size: int
    future: "Future[list[Outcome]] | None" = None
    answered: Answered | None = None
    catalogue: int | None = None


@dataclass(slots=True)
class _Job:
    work: Job
    future: "Future[Any]" = field(default_factory=Future)
    size: int = 100


_Item = _Groups | _Job


class GroupCommit:
    """The one writing thread of a ledger. It starts with the first write and ends with `close`,
    or soon after the program's main thread has ended and nothing waits."""

    def __init__(
        self, database: Database, seal: Seal, clock: Clock, committed: Callable[[int], None]
    ) -> None:
        self._database, self._seal, self._clock = database, seal, clock
        self._committed = committed
        self._waiting: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._size = 0
        self._wanted = 1
        self._lock = threading.Lock()
        self._bell = threading.Condition(self._lock)
        "rung when as many wait as are `_wanted`: a wake-up for each would cost as much as its work"
        self._thread: threading.Thread | None = None
        self._writer: Writer | None = None
        self._closed = False
        self._head = 0
        self._company = 1
        self.transactions = 0
        self.failures = 0
        "errors that nobody foresaw; each was given to its caller"

    def submit(self, groups: Sequence[list[Draft]]) -> "Future[list[Outcome]]":
        future: Future[list[Outcome]] = Future()
        self._put(_Groups(groups, sum(map(len, groups)), future))
        return future

    def hand_in(
        self, groups: Sequence[list[Draft]], answered: Answered, catalogue: int | None = None
    ) -> None:
        """`submit` for many callers in one thread: futures cost as much as half a commit."""
        self._put(_Groups(groups, sum(map(len, groups)), None, answered, catalogue))

    def perform(self, work: Job) -> Any:
        """Do some other work under the lock, and wait for its commit."""
        item = _Job(work)
        self._put(item)
        return item.future.result()

    def _put(self, item: _Item) -> None:
        if threading.current_thread() is self._thread:
            raise LedgerUnavailable("A subscriber may not write in its call. Nothing was recorded.")
        with self._lock:
            if self._closed:
                raise LedgerUnavailable(
                    "This ledger was closed. Nothing was recorded. Open it again."
                )
            self._waiting.put(item)
            self._size += item.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heedful-ledger")
                self._thread.start()
            elif self._enough():
                self._bell.notify()

    def _enough(self) -> bool:
        return self._waiting.qsize() >= self._wanted or self._size >= MOST

    def close(self) -> None:
        """Finish what was submitted, and end the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._bell.notify()
        if thread is not None:
            thread.join()

    # --- the thread

    def _run(self) -> None:
        while True:
            items, last = self._take()
            if items:
                self._transact(items)
            if last:
                break
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _take(self) -> tuple[list[_Item], bool]:
        """Wait for work, then take all that waits, up to a limit."""
        items: list[_Item] = []
        size = 0
        with self._lock:
            self._wait(1, IDLE)
            if not self._waiting.empty():
                self._wait(self._company, GATHER)
            while size < MOST and not self._waiting.empty():
                item = self._waiting.get()
                self._size -= item.size
                if item.future is None or item.future.set_running_or_notify_cancel():
                    items.append(item)
                    size += item.size
            ended = not items and not threading.main_thread().is_alive()
            last = self._waiting.empty() and (self._closed or ended)
            if ended and last:
                self._thread = None  # the next write, if one comes yet, starts another
        self._company = len(items)
        return items, last

    def _wait(self, wanted: int, patience: float) -> None:
        """Until so many wait, or enough for a whole transaction, or it has taken too long."""
        self._wanted = wanted
        if not self._closed:
            self._bell.wait_for(lambda: self._enough() or self._closed, patience)

    def _transact(self, items: list[_Item]) -> None:
        self._head = 0
        for item, outcome in zip(items, self._outcomes(items), strict=True):
            if item.future is None:
                self._answer(item, outcome)
            elif isinstance(outcome, Exception):
                item.future.set_exception(outcome)
            else:
                item.future.set_result(outcome)
        if self._head:
            try:
                self._committed(self._head)
            except Exception:
                # A subscriber's fault: it was told of this commit and will be of the next.
                self.failures += 1

    def _answer(self, item: _Item, outcome: Any) -> None:
        if isinstance(item, _Groups) and item.answered is not None:
            try:
                item.answered(outcome)
            except Exception:
                # Whoever asked is gone, say with its event loop. What was recorded stays.
                self.failures += 1

    def _outcomes(self, items: list[_Item]) -> list[Any]:
        try:
            return self._attempt(items)
        except (LedgerFull, LedgerUnavailable) as error:
            return [error] * len(items)
        except Exception as error:
            # The engine refused a row, or a fault of ours. Nobody else shall suffer for it.
            parts = [part for item in items for part in _parts(item)]
            if len(parts) > 1:
                return self._one_by_one(items)
            self.failures += 1
            return [error]

    def _one_by_one(self, items: list[_Item]) -> list[Any]:
        found: list[Any] = []
        for item in items:
            outcomes = [self._outcomes([part])[0] for part in _parts(item)]
            if isinstance(item, _Groups):
                found.append([o if isinstance(o, Exception) else o[0] for o in outcomes])
            else:
                found.append(outcomes[0])
        return found

    def _attempt(self, items: list[_Item]) -> list[Any]:
        """One transaction. Its outcomes are given out only if it was committed."""
        drafts = [d for i in items if isinstance(i, _Groups) for group in i.groups for d in group]
        asks = asks_of(self._database, drafts)
        writer, answers = self._begin(asks)
        try:
            (head,), *found = answers
            append = Append(self._database, writer, head, self._clock, self._seal)
            append.learn(drafts, asks, found)
            outcomes = [self._outcome(append, item) for item in items]
            append.commit()
        except BaseException:
            self._back_out(writer)
            raise
        self.transactions += 1
        if append.appended:
            self._head = append.seq
        return outcomes

    def _begin(self, asks: Sequence[Ask]) -> tuple[Writer, list[Any]]:
        """Take the lock, on a new connection if the old one was lost meanwhile."""
        if self._writer is not None:
            try:
                return self._writer, self._writer.begin(*asks)
            except LedgerUnavailable:
                if self._back_out(self._writer):
                    raise
            except BaseException:
                self._back_out(self._writer)
                raise
        self._writer = self._database.writer()
        try:
            return self._writer, self._writer.begin(*asks)
        except BaseException:
            self._back_out(self._writer)
            raise

    def _back_out(self, writer: Writer) -> bool:
        """Roll back. False, if the connection is lost: the next one gets another."""
        if writer.rollback():
            return True
        writer.close()
        self._writer = None
        return False

    def _outcome(self, append: Append, item: _Item) -> Any:
        if isinstance(item, _Job):
            return _guarded(append, item.work)
        if item.catalogue is not None and item.catalogue != append.catalogue:
            return [[] for _ in item.groups]
        return [
            _guarded(append, _retracting(group))
            if any(draft.body.retracts is not None for draft in group)
            else _added(append, group)
            for group in item.groups
        ]


def _added(append: Append, group: list[Draft]) -> Outcome:
    try:
        return append.add(group)
    except RequestIdConflict as fault:
        return fault


def _guarded(append: Append, work: Job) -> Any:
    """Work that writes on its way: go back to before it, should it be at fault."""
    append.flush()
    before = append.position
    append.writer.savepoint()
    try:
        done = work(append)
        append.flush()
    except LedgerError:
        raise
    except HeedfulError as fault:
        append.writer.rollback_to_savepoint()
        append.drop()
        append.position = before
        done = fault
    append.forget()
    return done


def _retracting(group: list[Draft]) -> Job:
    def work(append: Append) -> list[Receipt]:
        return [
            retract(append, draft) if draft.body.retracts is not None else append.add([draft])[0]
            for draft in group
        ]

    return work


def _parts(item: _Item) -> list[_Item]:
    if isinstance(item, _Job) or len(item.groups) == 1:
        return [item]
    return [_Groups([group], len(group), catalogue=item.catalogue) for group in item.groups]
