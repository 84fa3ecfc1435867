"""What happens under the writers' lock: numbers, times, the chain, repeats, and the fold.

One `Append` lives as long as one transaction. It looks up what it needs, keeps the rows that it
would write, and undoes a group that turns out to be at fault, so that the others are not harmed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from heedful.core.errors import RequestIdConflict
from heedful.core.instant import SECOND, Instant
from heedful.core.scope import Scope, TargetKind, within
from heedful.core.state import Cell, State
from heedful.ledger.database import Ask, Database, Write, Writer
from heedful.ledger.draft import Draft
from heedful.ledger.seal import Body, Seal, body_of, canonical, link, new_salt, salted
from heedful.ledger.values import Receipt, Row

Clock = Callable[[], Instant]

MOMENTS: Instant = 300 * SECOND
"""How long an opt-out without a request id counts as the one before, said again: a mailbox that got
no answer asks anew within minutes."""

CONFLICT = "request_id_conflict"
"""The flag of an opt-out whose request id was used before for something else."""

_Asked = tuple[int, bytes, bytes]
"""An event that came with a request: its number, its content, its body."""
_Cells = dict[tuple[str, str], tuple[Instant, int]]


def asks_of(database: Database, drafts: Iterable[Draft]) -> tuple[Ask, ...]:
    """The look-ups that these drafts need, to go out with the lock in one round trip."""
    requests: dict[bytes, None] = {}
    subjects: dict[bytes, None] = {}
    folded: dict[bytes, None] = {}
    for draft in drafts:
        subjects[draft.subject] = None
        if draft.other is not None:
            subjects[draft.other] = None
        if draft.request is not None:
            requests[draft.request] = None
        if draft.instead is not None:
            requests[draft.instead[0]] = None
        if draft.standing_scope is not None or draft.is_push_opt_out:
            folded[draft.subject] = None
    wanted = {"addresses": subjects, "events_asked": requests, "cells_of_many": folded}
    return tuple(database.ask_keys(name, list(keys)) for name, keys in wanted.items() if keys)


class Append:
    """The events of one transaction.

    Rows are kept until `flush`; what is looked up is kept until `forget`. `add` is all or nothing
    for its group as long as nothing of it was flushed.
    """

    def __init__(
        self, database: Database, writer: Writer, head: Row, clock: Clock, seal: Seal
    ) -> None:
        self.writer = writer
        self.database = database
        self.seal = seal
        self._clock = clock
        self.seq: int = head[0]
        self.hash: bytes = head[1]
        self.recorded_at: Instant = head[2]
        self.epoch: str = head[3]
        self.catalogue: int = head[4]
        self._digests: str | None = head[5]
        self._began_at = self.seq
        self._rows: tuple[list[Row], list[Row], list[Row], list[Row]] = ([], [], [], [])
        self._events, self._addresses, self._evidence, self._confirmations = self._rows
        self._cells: dict[tuple[bytes, str, str], tuple[Instant, int, str | None]] = {}
        self._asked: dict[bytes, _Asked | None] = {}
        self._salts: dict[bytes, bytes | None] = {}
        self._folded: dict[bytes, _Cells] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    # --- looking up

    def learn(
        self, drafts: Iterable[Draft], asks: Sequence[Ask], answers: Sequence[list[Row]]
    ) -> None:
        """Take in what `asks_of` asked."""
        rows = {name: found for (name, _), found in zip(asks, answers, strict=True)}
        for draft in drafts:
            self._salts[draft.subject] = None
            if draft.other is not None:
                self._salts[draft.other] = None
            if draft.request is not None:
                self._asked[draft.request] = None
            if draft.instead is not None:
                self._asked[draft.instead[0]] = None
            if draft.standing_scope is not None or draft.is_push_opt_out:
                self._folded[draft.subject] = {}
        for subject, text, salt in rows.get("addresses", ()):
            if text is not None:
                self._salts[subject] = salt
        for row in rows.get("events_asked", ()):
            self._asked[row[0]] = _asked(row)
        for subject, slot, scope, at, seq, _ in rows.get("cells_of_many", ()):
            if subject is not None:
                self._folded[subject][slot, scope] = at, seq

    def _found(self, request: bytes) -> _Asked | None:
        if request not in self._asked:
            (rows,) = self.writer.ask(self.database.ask_keys("events_asked", [request]))
            self._asked[request] = _asked(rows[0]) if rows else None
        return self._asked[request]

    def _salt(self, subject: bytes) -> bytes | None:
        """The salt that lies beside the subject's text; None where there is no text."""
        if subject not in self._salts:
            (rows,) = self.writer.ask(("address", {"subject": subject}))
            self._salts[subject] = rows[0][1] if rows and rows[0][0] is not None else None
        return self._salts[subject]

    def cells(self, subject: bytes) -> _Cells:
        """The subject's cells as they are now, the rows not yet written included."""
        held = self._folded.get(subject)
        if held is None:
            (rows,) = self.writer.ask(("cells_of_one", {"subject": subject}))
            held = {(slot, scope): (at, seq) for slot, scope, at, seq, _ in rows if slot}
            for (key, slot, scope), (at, seq, _) in self._cells.items():
                if key == subject and (at, seq) > held.get((slot, scope), (at, -1)):
                    held[slot, scope] = at, seq
            self._folded[subject] = held
        return held

    def state(self, subject: bytes) -> State:
        """The same as a state (its cells' values left out)."""
        return State(Cell(*name, at, seq) for name, (at, seq) in self.cells(subject).items())

    # --- adding

    def now(self) -> Instant:
        """The ledger's clock, which never goes back."""
        return max(self._clock(), self.recorded_at)

    def add(self, drafts: Sequence[Draft]) -> list[Receipt]:
        """Give the statements of one group their numbers. At a fault nothing of it remains."""
        marks = [len(rows) for rows in self._rows]
        before = self.seq, self.hash, self.recorded_at, self._digests
        self._undo.clear()
        now = self.now()
        try:
            return [self._one(draft, now) for draft in drafts]
        except RequestIdConflict:
            for rows, mark in zip(self._rows, marks, strict=True):
                del rows[mark:]
            self.seq, self.hash, self.recorded_at, self._digests = before
            for held, key, old in reversed(self._undo):
                if old is None:
                    del held[key]
                else:
                    held[key] = old
            raise

    def _one(self, draft: Draft, now: Instant) -> Receipt:
        draft.body.request_id, draft.body.flagged = draft.request_id, None
        if draft.request is not None:
            if first := self.repeated(draft):
                return first
            if self._found(draft.request) is not None and draft.instead is not None:
                # A hook's opt-out is never lost to a sender's clumsy ids.
                draft.body.request_id, draft.body.flagged = draft.instead[1], CONFLICT
                return self.record(draft, now, draft.instead[0])
        elif draft.standing_scope is not None and (standing := self._standing(draft)):
            return standing
        return self.record(draft, now, draft.request)

    def repeated(self, draft: Draft) -> Receipt | None:
        """The receipt of the event that this request id came with first, if there is one.

        RequestIdConflict, if that said something else, except for an opt-out from a hook.
        """
        first = self._found(draft.request) if draft.request is not None else None
        if first is None:
            return None
        if first[1] == draft.content:
            return _repeat(first)
        if draft.instead is None:
            raise RequestIdConflict(
                f"The request id was used by the same source before, in event {first[0]}, for "
                "something else. Nothing was recorded. Use another id for another statement; "
                "to repeat one, send exactly what was sent before."
            )
        again = self._found(draft.instead[0])
        return _repeat(again) if again else None

    def record(self, draft: Draft, now: Instant, request: bytes | None) -> Receipt:
        """Append the event, and on a push token's contact what was said on the token."""
        receipt = self._append(draft, now, request)
        if draft.is_push_opt_out:
            self._write_on_contact(draft, now)
        return receipt

    def _append(self, draft: Draft, now: Instant, request: bytes | None) -> Receipt:
        body = draft.body
        seq = self.seq = self.seq + 1
        occurred_at = now if draft.said_at is None else min(draft.said_at, now)
        body.seq, body.recorded_at, body.occurred_at = seq, now, occurred_at
        body.subject_digest = self._digest(draft.subject, draft.text)
        if draft.other is not None:
            body.address_digest = self._digest(draft.other, draft.other_text)
        encoded = canonical(body)
        self.hash = link(self.hash, encoded)
        self.recorded_at = now
        if draft.is_digest:
            self._digests = "held"
        self._events.append(
            (seq, draft.subject, draft.other, now, request, draft.content, body.retracts,
             self.hash, encoded)
        )  # fmt: skip
        if draft.evidence is not None:
            self._evidence.append((seq, *draft.evidence))
        if body.confirmation is not None:
            self._confirmations.append((seq, body.confirmation))
        if request is not None:
            self._put(self._asked, request, (seq, draft.content, encoded))
        for subject, slot, scope, value in draft.cells:
            self._fold(subject, slot, scope, occurred_at, seq, value)
        return Receipt(seq, now, occurred_at, False, body.lifts, body.flagged)

    def _put(self, held: dict[Any, Any], key: object, value: object) -> None:
        self._undo.append((held, key, held.get(key)))
        held[key] = value

    def _fold(
        self, subject: bytes, slot: str, scope: str, at: Instant, seq: int, value: str | None
    ) -> None:
        """core.state's maximum, over the rows of this transaction; the engine's upsert does the
        same against what is stored."""
        name = subject, slot, scope
        held = self._cells.get(name)
        if held is None or (at, seq) > held[:2]:
            self._put(self._cells, name, (at, seq, value))
        folded = self._folded.get(subject)
        if folded is not None and (at, seq) > folded.get((slot, scope), (at, -1)):
            self._put(folded, (slot, scope), (at, seq))

    def _digest(self, subject: bytes, text: str | None) -> str | None:
        salt = self._salt(subject)
        if text is None:
            return None
        if salt is None:
            salt = new_salt()
            self._put(self._salts, subject, salt)
            self._addresses.append((subject, text, salt, self.seq))
        return salted(salt, text)

    # --- the rules that look at the state

    def _standing(self, draft: Draft) -> Receipt | None:
        """The event that this opt-out repeats: the same source said the same of the same scope
        moments ago, and no opt-in came at or after it that may have lifted any of it.

        In doubt there is none: an event too many harms nobody, one too few may let messages
        through, should an opt-in said in between be reported late.
        """
        scope = draft.standing_scope
        assert scope is not None
        cells = self.cells(draft.subject)
        out = cells.get(("out", scope.text))
        if out is None or (draft.said_at is None and self.now() - out[0] > MOMENTS):
            return None
        held = [cells]
        if draft.is_contact:
            _, ever = self.state(draft.subject).linked()
            held += [self.cells(bytes.fromhex(address)) for address in ever]
        for some in held:
            for (slot, lifting), (at, _) in some.items():
                if slot == "lift" and at >= out[0] and _may_lift(Scope.parse(lifting), scope):
                    return None
        first = self.body(out[1])
        if first.source != draft.body.source or self._content(out[1]) != draft.content:
            return None
        return _receipt(out[1], first, repeat=True)

    def _content(self, seq: int) -> bytes:
        for row in reversed(self._events):
            if row[0] == seq:
                return bytes(row[5])
        (rows,) = self.writer.ask(("content", {"seq": seq}))
        return bytes(rows[0][0])

    def body(self, seq: int) -> Body:
        """The body of an event of this transaction or of an earlier one."""
        for row in reversed(self._events):
            if row[0] == seq:
                return body_of(row[8])
        (rows,) = self.writer.ask(("event", {"seq": seq}))
        return body_of(rows[0][4])

    def _write_on_contact(self, draft: Draft, now: Instant) -> None:
        """Who switches push off in the app speaks as the contact that is logged in there."""
        linked, _ = self.state(draft.subject).linked()
        if len(linked) != 1:
            return
        contact = bytes.fromhex(next(iter(linked)))
        text = self._text_kept(contact)
        if text is None and self._salt(contact) is not None:
            (rows,) = self.writer.ask(("address", {"subject": contact}))
            text = rows[0][0]
        body = body_of(canonical(draft.body))
        body.subject, body.request_id, body.flagged = contact.hex(), None, None
        body.evidence, body.confirmation, body.subject_digest = None, None, None
        theirs = replace(
            draft,
            subject=contact,
            text=text,
            content=self.seal.content_of(draft.content + contact),
            body=body,
            cells=tuple((contact, *cell[1:]) for cell in draft.cells),
            evidence=None,
        )
        self._append(theirs, now, None)

    def _text_kept(self, subject: bytes) -> str | None:
        return next((row[1] for row in self._addresses if row[0] == subject), None)

    # --- ending

    def flush(self) -> None:
        """Write what is kept. From here on only the transaction's rollback undoes it."""
        self.writer.write(*self._writes())
        self.drop()

    def drop(self) -> None:
        """Leave aside what is kept."""
        for rows in self._rows:
            rows.clear()
        self._cells.clear()
        self._undo.clear()

    def forget(self) -> None:
        """Look everything up anew: something else wrote, or a savepoint was gone back to."""
        self._asked.clear()
        self._salts.clear()
        self._folded.clear()

    @property
    def position(self) -> Row:
        return self.seq, self.hash, self.recorded_at, self._digests

    @position.setter
    def position(self, before: Row) -> None:
        self.seq, self.hash, self.recorded_at, self._digests = before

    @property
    def appended(self) -> bool:
        return bool(self.seq != self._began_at)

    def commit(self) -> None:
        """Write what is kept, move the head, and make it durable."""
        writes = self._writes()
        if self.appended:
            head = (self.seq, self.hash, self.recorded_at, self._digests)
            writes.append(("advance_head", [head]))
        self.writer.commit(*writes)

    def _writes(self) -> list[Write]:
        cells = [(*name, *cell) for name, cell in self._cells.items()]
        named: list[Write] = [
            ("append_events", self._events),
            ("write_cells", cells),
            ("write_addresses", self._addresses),
            ("write_evidence", self._evidence),
            ("write_confirmation", self._confirmations),
        ]
        return [(name, rows) for name, rows in named if rows]


def _may_lift(opt_in: Scope, out: Scope) -> bool:
    """Whether an opt-in may have lifted some of an opt-out. Any topic may be another's successor,
    which only the catalogue knows."""
    both_topics = opt_in.kind is out.kind is TargetKind.TOPIC
    return within(opt_in, out) or (both_topics and out.on(opt_in.channel))


def _asked(row: Row) -> _Asked:
    return row[1], row[2], row[3]


def _receipt(seq: int, body: Body, repeat: bool) -> Receipt:
    return Receipt(seq, body.recorded_at, body.occurred_at, repeat, body.lifts, body.flagged)


def _repeat(first: _Asked) -> Receipt:
    return _receipt(first[0], body_of(first[2]), repeat=True)
