"""The memory: the whole interface of the ledger, over either engine.

    ledger = Ledger.open("sqlite:///heedful.db", Keys.load("heedful.keys"))
    receipt, = ledger.record([statement])        # returns after the commit, with the number
    state = ledger.state(ledger.key_of(subject))

Threads may share a ledger; reading never waits for writing. Whatever it raises is a HeedfulError.
"""

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from heedful.config import Keys
from heedful.core import brand
from heedful.core.address import Subject
from heedful.core.catalogue import Catalogue
from heedful.core.decision import Send
from heedful.core.errors import (
    BrandRefused,
    HeedfulError,
    HistoryChanged,
    InvalidBrand,
    InvalidInput,
    LedgerBroken,
    LedgerError,
    LedgerUnavailable,
    UnknownEvent,
    WrongKeys,
)
from heedful.core.event import Action, Event
from heedful.core.instant import DAY, Instant
from heedful.core.scope import Category, Channel
from heedful.core.state import Cell, State, fold
from heedful.core.succession import Held
from heedful.ledger import access, erasure
from heedful.ledger.access import ApiKey
from heedful.ledger.append import Append, Clock
from heedful.ledger.database import Database, Write
from heedful.ledger.draft import Draft, drafts_of
from heedful.ledger.history import event_of, subject_of
from heedful.ledger.outbox import Outbox
from heedful.ledger.seal import START, Seal, body_of, request_key, signed
from heedful.ledger.values import (
    Checkpoint,
    Cursor,
    Group,
    Head,
    Kept,
    Reading,
    Receipt,
    Row,
    SendReport,
)
from heedful.ledger.writer import MOST, GroupCommit, Outcome

READ_AT_ONCE = 2_000
"""Keys in one statement of `read`."""

KEPT_FOR = 30 * DAY
"""How long bytes that nobody understood are kept: they may hold anything, addresses too."""

LARGEST_KEPT = 65_536
"""Bytes of a webhook of unknown shape that are kept."""


def now() -> Instant:
    """The machine's clock."""
    return time.time_ns() // 1_000


class Ledger:
    """One brand's memory. See each method for what may be relied on."""

    outbox: Outbox

    def __init__(self, database: Database, keys: Keys, clock: Clock) -> None:
        self.database = database
        self.keys = keys
        self.seal = Seal(keys.newest("address_hash"))
        self.key_of: Callable[[Subject], bytes] = self.seal.key_of
        self.key_of_text: Callable[[str], bytes] = self.seal.key_of_text
        self._clock = clock
        self._commits = GroupCommit(database, self.seal, clock, self._committed)
        self._catalogues: dict[int, Catalogue] = {}
        self._seen = 0
        self._callbacks: dict[object, Callable[[int], None]] = {}
        self._lock = threading.Lock()
        self.outbox = Outbox(database, self._commits.perform)
        self.read_one: Callable[[bytes], list[Row]] = database.cells_of_one
        """The hot path: raw tuples (slot, scope, at, seq, value) of one subject, after the head's
        (None, None, catalogue, seq, digests or None). One statement, one snapshot."""

    @classmethod
    def open(cls, url: str, keys: Keys, *, clock: Clock = now, create: bool = False) -> "Ledger":
        """Open the ledger at `sqlite:///FILE` or `postgresql://…`, and bring its schema up to date.

        LedgerUnavailable where there is none (unless `create`), where it was written by a newer
        version, or where the database does not answer or would not be durable. WrongKeys where
        it was made with another address-hash key.
        """
        database = _database(url)
        try:
            database.prepare(clock(), create, _first_rows(keys))
            _check_keys(database, keys)
        except BaseException:
            database.close()
            raise
        return cls(database, keys, clock)

    def close(self) -> None:
        """Finish what was submitted, then close every connection. Not while threads still read."""
        self._commits.close()
        self.database.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing: every answer comes after the commit

    def submit(self, group: Group) -> "Future[list[Receipt]]":
        """Record a group, all or nothing; the future has one receipt a statement, in order.

        What is wrong with the statements themselves is raised here. The future raises
        RequestIdConflict, UnknownEvent or InvalidEvent for this group alone; LedgerFull or
        LedgerUnavailable with a sentence that says whether it may have been recorded.
        """
        answer: Future[list[Receipt]] = Future()
        answer.set_running_or_notify_cancel()

        def pass_on(outcome: Outcome) -> None:
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        self.hand_in(group, pass_on)
        return answer

    def hand_in(
        self, group: Group, answered: Callable[[Outcome], None], catalogue: int | None = None
    ) -> None:
        """`submit`, for who waits in no thread: `answered` is called on the writing thread, after
        the commit, with the receipts or the error. It must be quick and write nothing.

        With `catalogue`, the number that the statements were checked against, nothing is recorded
        if another is in force by then, and there are no receipts: check them anew.
        """

        def pass_on(outcomes: "list[Outcome] | HeedfulError") -> None:
            answered(outcomes if isinstance(outcomes, Exception) else outcomes[0])

        self._commits.hand_in([drafts_of(group, self.seal)], pass_on, catalogue)

    def record(self, group: Group) -> list[Receipt]:
        """`submit`, and wait. Not from a subscriber's call."""
        (outcome,) = self._commits.submit([drafts_of(group, self.seal)]).result()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def record_many(self, groups: Iterable[Group]) -> list[Outcome]:
        """Record many groups, each all or nothing by itself, many in a transaction.

        One answer a group, in order: its receipts, or the error that it alone met. The engine's
        own errors are among them: what stands before them was recorded.
        """
        waiting: list[tuple[int, Future[list[Outcome]]]] = []
        faults: list[Outcome | None] = []
        bundle: list[list[Draft]] = []
        size = 0
        for group in groups:
            try:
                drafts = drafts_of(group, self.seal)
            except InvalidInput as fault:
                faults.append(fault)
                continue
            faults.append(None)
            bundle.append(drafts)
            size += len(drafts)
            if size >= MOST:
                waiting.append((len(bundle), self._commits.submit(bundle)))
                bundle, size = [], 0
        if bundle:
            waiting.append((len(bundle), self._commits.submit(bundle)))
        outcomes = iter([one for count, future in waiting for one in _outcomes(count, future)])
        return [fault if fault is not None else next(outcomes) for fault in faults]

    def report_sends(self, sends: Sequence[SendReport]) -> int:
        """Count messages that went out. Those reported before are left aside."""
        rows = {
            (key := (s.subject_key, s.at, _send_key(s))): (
                *key, s.channel.value, s.topic, s.category.value, s.sender, s.vendor, s.campaign,
            )
            for s in sends
        }  # fmt: skip
        if rows:
            self._perform(lambda a: a.writer.write(("write_sends", list(rows.values()))))
        return len(rows)

    def apply(
        self,
        catalogue: Catalogue,
        by: str,
        reason: str | None = None,
        *,
        after: Head | None = None,
        judge: Callable[[frozenset[str]], object] | None = None,
    ) -> Catalogue:
        """Make this the catalogue in force: numbered, dated, kept for good. Applied again
        unchanged, it keeps its number. Whether it may follow the last is core's to judge.

        `after` is the head as of which that was judged. Under the lock, `judge` is given the scopes
        that people opted out of or limited since then, and may raise; another catalogue in between
        raises BrandRefused.
        """

        def work(append: Append) -> int:
            if after is not None:
                _unchanged(append, after, judge)
            number = append.catalogue + 1
            if append.catalogue:
                (rows,) = append.writer.ask(("catalogue", {"number": append.catalogue}))
                if rows[0][1] == catalogue.text:
                    return append.catalogue
            at = append.now()
            row = (number, at, by, reason, catalogue.digest, catalogue.text)
            append.writer.write(("add_catalogue", [row]))
            topics = [(t.name, t.category.value, number, at) for t in catalogue.topics.values()]
            append.writer.write(("add_topic", topics), ("advance_catalogue", [(number,)]))
            append.catalogue = number
            return number

        return self.catalogue(self._perform(work))

    def erase(
        self, subject: Subject, *, keep_opt_out: bool = True, by: str, purge_by: Instant
    ) -> Receipt:
        """Record an erasure and, unless told otherwise, an opt-out of all marketing before it.

        The texts go at `purge_by`, or at the first `purge` after the vendors have answered.
        A contact takes along the addresses that are linked now to it alone.
        """
        receipt: Receipt = self._perform(
            lambda append: erasure.erase(
                append, self.seal, subject, keep_opt_out=keep_opt_out, by=by, purge_by=purge_by
            )
        )
        return receipt

    def purge(self, now: Instant, vendors: Collection[str] | None = None) -> int:
        """Delete texts, salts and evidence of the erased, where every vendor of `vendors` (left
        out: all of the catalogue in force) has answered, or the time is up. How many. What was
        kept for somebody to look at goes after 30 days."""

        def work(append: Append) -> int:
            wanted = vendors
            if wanted is None:
                wanted = tuple(self.catalogue(append.catalogue).vendors) if append.catalogue else ()
            append.writer.write(("forget_kept", [(now - KEPT_FOR,)]))
            return erasure.purge(append, now, wanted)

        count: int = self._perform(work)
        if count:
            self.database.sweep()
        return count

    def keep(self, source: str, why: str, body: bytes) -> int:
        """Keep bytes that could not be understood, for somebody to look at. Their number."""
        given = {"source": source, "why": why, "at": self._clock(), "body": body[:LARGEST_KEPT]}
        return int(self._perform(lambda append: append.writer.ask(("keep", given)))[0][0][0])

    def kept(self, limit: int = 100) -> list[Kept]:
        """The latest first."""
        return [Kept(*row) for row in self.database.ask("kept", most=limit)]

    def checkpoint(self) -> Checkpoint:
        """Sign the head as it is now, and store that."""

        def work(append: Append) -> Checkpoint:
            seq, digest, recorded_at, _ = append.position
            made = append.now()
            plain = Checkpoint(seq, digest.hex(), recorded_at, append.epoch, made, "", b"")
            c = signed(plain, self.keys.newest("receipts"))
            row = (c.epoch, c.seq, digest, c.recorded_at, c.made_at, c.key, c.signature)
            append.writer.write(("add_checkpoint", [row]))
            return c

        made: Checkpoint = self._perform(work)
        return made

    def checkpoints(self) -> list[Checkpoint]:
        """All that were stored, oldest first."""
        return [
            Checkpoint(row[0], row[1].hex(), *row[2:]) for row in self.database.ask("checkpoints")
        ]

    def _perform(self, work: Callable[[Append], Any]) -> Any:
        return self._commits.perform(work)

    # --- reading: always one snapshot

    def head(self) -> Head:
        """The end of the history as of now."""
        ((seq, digest, recorded_at, epoch, catalogue, digests),) = self.database.ask("head")
        return Head(seq, digest.hex(), recorded_at, epoch, catalogue, digests is not None)

    def read(self, keys: Sequence[bytes]) -> Reading:
        """The cells of these subjects and the head, all of one moment.

        One statement, up to 2,000 keys. With more, the parts are read anew until no commit came
        between them.
        """
        wanted = list(dict.fromkeys(keys))
        parts = [wanted[at : at + READ_AT_ONCE] for at in range(0, len(wanted), READ_AT_ONCE)]
        while True:
            heads: set[Row] = set()
            rows: dict[bytes, list[Row]] = {}
            for part in parts or [[]]:
                name, given = self.database.ask_keys("cells_of_many", part)
                found = self.database.ask(name, **given)
                heads.add(found[0])
                for row in found[1:]:
                    held = rows.get(row[0])
                    if held is None:
                        rows[row[0]] = [row[1:]]
                    else:
                        held.append(row[1:])
            if len(heads) == 1:
                _, _, _, catalogue, seq, digests = heads.pop()
                return Reading(seq, catalogue, digests is not None, rows)

    def state(self, subject_key: bytes) -> State:
        """What is in force now for one subject."""
        return State(Cell(*row) for row in self.read_one(subject_key)[1:])

    def states(self, keys: Sequence[bytes], as_of: Instant | None = None) -> dict[bytes, State]:
        """The states of all these subjects, now or as they were known at an instant: then the
        events recorded up to it are folded, and a retraction that came later does not count."""
        if as_of is None:
            rows = self.read(keys).rows
            return {key: State(Cell(*row) for row in rows.get(key, ())) for key in keys}
        name, given = self.database.ask_keys("events_until", list(dict.fromkeys(keys)), until=as_of)
        states = fold(event_of(row) for row in self.database.ask(name, **given))
        return {key: states.get(key.hex(), State()) for key in keys}

    def subject_of(self, key: bytes) -> Subject | None:
        """Whom a key stands for. None, if that was erased or never written."""
        rows = self.database.ask("address", subject=key)
        return subject_of(rows[0][0]) if rows else None

    def history(self, key: bytes) -> list[Event]:
        """Every event about a subject, oldest first: links from either side, and retractions,
        which name what they retract."""
        return [event_of(row) for row in self.database.ask("history", subject=key)]

    def event(self, seq: int) -> Event:
        """One event by its number, or UnknownEvent."""
        rows = self.database.ask("event", seq=seq) if 0 < seq < 2**62 else []
        if not rows:
            raise UnknownEvent(f"No event has the number {seq}.")
        return event_of(rows[0])

    def confirmation(self, seq: int) -> str | None:
        """How the person was told that this event was heard: `inline`, `vendor`, or not at all."""
        rows = self.database.ask("confirmation", seq=seq)
        return rows[0][0] if rows else None

    def events(self, after: Cursor, limit: int) -> tuple[list[Event], Cursor]:
        """The change feed: the events after a place, without gaps, and the place after them.

        HistoryChanged, if the place is not one of this history (it was restored, or another
        server took over): start again from Cursor.START.
        """
        rows = self.database.ask("feed", seq=after.seq, most=limit + (after.seq > 0))
        if after.seq > 0:
            if not rows or rows[0][0] != after.seq or not rows[0][3].hex().startswith(after.hash):
                raise HistoryChanged(
                    f"Event {after.seq} of this ledger is not the one that the cursor names: it "
                    "is another history, say of a restored backup. Start again from the beginning."
                )
            del rows[0]
        for expected, row in enumerate(rows, after.seq + 1):
            if row[0] != expected:
                raise LedgerBroken(f"Event {expected} is missing. `heedful verify` says more.")
        events = [event_of(row) for row in rows]
        return events, Cursor(events[-1].seq, events[-1].hash) if events else after

    def catalogue(self, number: int | None = None, as_of: Instant | None = None) -> Catalogue:
        """The catalogue with this number, the one in force at an instant, or the last applied.

        A number's catalogue is read once. InvalidBrand, if none was ever applied.
        """
        if as_of is not None:
            number = int(self.database.ask("catalogue_at", at=as_of)[0][0])
        elif number is None:
            number = self._seen = self.head().catalogue
        held = self._catalogues.get(number)
        if held is None:
            rows = self.database.ask("catalogue", number=number)
            if not rows:
                raise InvalidBrand(
                    [f"The ledger has no catalogue {number}: apply one with `heedful brand apply`."]
                )
            topics = self.database.ask("topics", number=number)
            since = {name: at for name, _, at in topics}
            said = brand.applied(rows[0][1])
            retired = {name: Category(w) for name, w, _ in topics if name not in said.topics}
            held = said.numbered(number, since, retired)
            self._catalogues[number] = held
        return held

    def catalogue_seen(self) -> Catalogue | None:
        """The catalogue that was in force when somebody here last asked; reads nothing. What is
        checked against it is handed in with its number."""
        return self._catalogues.get(self._seen)

    def standing_keys(self, after: bytes | None, limit: int) -> list[bytes]:
        """Subjects that anything stops or limits, in the order of their keys."""
        rows = self.database.ask("standing_keys", after=after or b"", most=limit)
        return [key for (key,) in rows]

    def held(self) -> Held:
        """What the ledger holds of a catalogue's names. Reads all cells: some seconds for ten
        million."""
        number = self.head().catalogue
        scopes = self.database.ask("held_scopes")
        return Held(
            {name: Category(word) for name, word, _ in self.database.ask("topics", number=number)},
            frozenset(scope for (scope,) in scopes),
        )

    def sends(self, key: bytes, since: Instant) -> tuple[Send, ...]:
        """The messages that went to a subject since an instant, oldest first."""
        rows = self.database.ask("sends", subject=key, since=since)
        return tuple(Send(Channel(c), topic, Category(k), at) for c, topic, k, at in rows)

    def last_send(self, key: bytes, sender: str) -> SendReport | None:
        """The latest message that went from this sender to a subject: what a reply answers."""
        rows = self.database.ask("last_send", subject=key, sender=sender)
        if not rows:
            return None
        subject, channel, topic, category, *rest = rows[0]
        return SendReport(subject, Channel(channel), topic, Category(category), *rest)

    # --- noticing

    def subscribe(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Be called after each commit of this process with the new head's number; call what is
        returned to end that. The call comes on the writing thread: be quick and write nothing.
        Other processes' commits are noticed by reading `head`."""
        token = object()
        with self._lock:
            self._callbacks[token] = callback

        def end() -> None:
            with self._lock:
                self._callbacks.pop(token, None)

        return end

    def _committed(self, seq: int) -> None:
        with self._lock:
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback(seq)

    # --- API keys

    def create_key(
        self, name: str, permissions: Iterable[str], vendor: str | None, now: Instant
    ) -> tuple[ApiKey, str]:
        """A new key and its secret, which is shown once and kept as a hash only."""
        key = ApiKey(name, access.permissions_of(permissions), vendor, now)
        secret = access.new_secret()
        self._perform(lambda append: access.create(append, key, secret))
        return key, secret

    def find_key(self, secret: str) -> ApiKey | None:
        """The key with this secret, unless revoked."""
        rows = self.database.ask("api_key_of", secret=access.hashed(secret))
        return access.found(rows, secret)

    def keys_list(self) -> list[ApiKey]:
        """All keys, those revoked included, oldest first."""
        return [access.key_of(row) for row in self.database.ask("api_keys")]

    def revoke_key(self, name: str, now: Instant) -> bool:
        """End a key at once. False, if there is none of that name, or it had ended before."""
        given = {"name": name, "now": now}
        (rows,) = self._perform(lambda append: append.writer.ask(("revoke_api_key", given)))
        return bool(rows)


def _database(url: str) -> Database:
    if url.startswith("sqlite:"):
        from heedful.ledger.sqlite import Sqlite

        return Sqlite(url)
    if url.startswith(("postgresql://", "postgres://")):
        from heedful.ledger.postgres import Postgres

        return Postgres(url)
    raise LedgerUnavailable(
        f"'{url.partition(':')[0][:20]}' is no database that a ledger can live in. Write "
        "sqlite:///heedful.db or postgresql://HOST/NAME."
    )


def _first_rows(keys: Keys) -> tuple[Write, ...]:
    """An empty history, bound to the keys."""
    key = keys.newest("address_hash")
    return (
        ("begin_head", [(START, str(uuid.uuid4()))]),
        ("add_key_check", [(key.id, Seal(key).check)]),
    )


def _check_keys(database: Database, keys: Keys) -> None:
    at_hand = {key.id: key for key in keys.all("address_hash")}
    for name, check in database.ask("key_checks"):
        if name not in at_hand or not Seal(at_hand[name]).matches(check):
            raise WrongKeys(
                f"This ledger was made with the address-hash key '{name}', and the keys file has "
                "another or none. With a wrong key it would find nobody, and opt-outs would be "
                "missed. Put the ledger's own keys file in its place."
            )


def _send_key(send: SendReport) -> bytes:
    if send.request_id is not None:
        return request_key(send.source, send.request_id)
    return uuid.uuid4().bytes


def _outcomes(count: int, future: "Future[list[Outcome]]") -> list[Outcome]:
    try:
        return future.result()
    except LedgerError as error:
        return [error] * count


def _unchanged(
    append: Append, after: Head, judge: Callable[[frozenset[str]], object] | None
) -> None:
    """What was judged as of a head still holds, or is judged again by what came since."""
    if append.catalogue != after.catalogue:
        raise BrandRefused(
            ["Another brand.toml was applied in the meantime. Nothing was changed. Apply again."],
            (),
        )
    (rows,) = append.writer.ask(("bodies_after", {"seq": after.seq}))
    bodies = [body_of(body) for (body,) in rows]
    since = {b.scope for b in bodies if b.scope and b.action in (Action.OPT_OUT, Action.LIMIT)}
    if since and judge is not None:
        judge(frozenset(since))
