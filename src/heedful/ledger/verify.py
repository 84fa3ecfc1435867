"""Whether the ledger is what its history says: everything that can be derived is derived again.

With code of its own (rederive.py), so that a fault in the code that writes is found as well as a
change made behind its back. What no event says (sends reported, API keys, bytes kept) has nothing
to be compared with; of that only the form is looked at.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from heedful.config import Keys
from heedful.ledger.aside import asides
from heedful.ledger.ledger import Ledger
from heedful.ledger.rederive import (
    BEFORE_ALL,
    Said,
    chained,
    content_digest,
    request_digest,
    said_in,
    text_digest,
)
from heedful.ledger.refold import Refold, parts_of
from heedful.ledger.values import Row

Progress = Callable[[int, int], None]
"""Told now and then how many events were read, of how many (those of every pass)."""

MOST_TOLD = 1_000
"""Differences written out; what goes on after that is counted only."""

OFTEN = 10_000
"""Events between two words of progress."""


class Source(Protocol):
    """Rows of named queries, all of one snapshot, read as they are asked for."""

    def stream(self, name: str) -> Iterator[Row]: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found. Each difference is one sentence, with numbers and keys and no
    personal data."""

    ok: bool
    events: int
    differences: tuple[str, ...]


class Findings:
    """The differences found so far."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.count = 0

    def add(self, sentence: str) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self.told.append(sentence)

    def report(self, events: int) -> Report:
        told = list(self.told)
        if more := self.count - len(told):
            told.append(f"And {more} more.")
        return Report(not told, events, tuple(told))


def verify(ledger: Ledger, progress: Progress | None = None) -> Report:
    """Derive the chain, the digests and the cells again from the events, and compare.

    Reads every table once, in one snapshot, while writers go on; where there are more than four
    million cells, the bodies of the events once more for every further four million.
    """
    with closing(ledger.database.snapshot()) as source:
        return verified(source, ledger.keys, progress)


def verified(source: Source, keys: Keys, progress: Progress | None = None) -> Report:
    """The same of any snapshot, or of a transaction that is not committed yet."""
    findings = Findings()
    ((cells, events),) = source.stream("verify_counts")
    parts = parts_of(cells)
    steps = _Steps(progress, events * parts)
    history = _History(source, keys, findings)
    refold = Refold(history.retracted, 0, parts)
    for row in source.stream("verify_events"):
        said = history.check(row)
        if said is not None:
            refold.take(said)
        steps.one()
    refold.compare(source.stream("verify_cells"), findings.add)
    for part in range(1, parts):
        refold = Refold(history.retracted, part, parts)
        for _, body in source.stream("verify_bodies"):
            if isinstance(values := said_in(body), dict):
                refold.take(values)
            steps.one()
        refold.compare(source.stream("verify_cells"), findings.add)
    history.check_end()
    asides(source, keys, history.seq, history.hashes, findings.add)
    steps.end()
    return findings.report(history.read)


class _Steps:
    """Tells the progress, not too often."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def one(self) -> None:
        self._done += 1
        if self._done % OFTEN == 0:
            self.end()

    def end(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)


class _History:
    """The events in their order: numbers, times, chain, and the texts beside them."""

    def __init__(self, source: Source, keys: Keys, findings: Findings) -> None:
        self._key = keys.newest("address_hash")
        self._say = findings.add
        self.seq, self.read, self._recorded_at = 0, 0, -(2**63)
        self._hash = BEFORE_ALL
        self._digest_named = False
        (self._head,) = source.stream("head")
        self.retracted = {named for _, named in source.stream("verify_retractions")}
        self._erasures: dict[int, Row] = {}
        self._purged: dict[bytes, int] = {}
        for seq, subject, purge_by, purged_at in source.stream("verify_erasures"):
            self._erasures[seq] = (subject, purge_by)
            if purged_at is not None:
                self._purged[subject] = max(seq, self._purged.get(subject, 0))
        wanted = {row[0]: None for row in source.stream("checkpoints")}
        wanted |= {row[3]: None for row in source.stream("verify_vendor_cursors")}
        self._wanted = wanted
        self.hashes: dict[int, tuple[bytes, int]] = {0: (BEFORE_ALL, 0)}
        "hash and time of the events that checkpoints and cursors name"

    def check(self, row: Row) -> Said | None:
        """One event; what it says, if that can be read."""
        seq, subject, other, recorded_at, request, content, retracts, digest, body, *beside = row
        self.read += 1
        if seq != self.seq + 1:
            gap = f"{self.seq + 1} to {seq - 1}" if seq - self.seq > 2 else str(self.seq + 1)
            self._say(f"The history lacks event {gap}.")
        if recorded_at < self._recorded_at:
            self._say(f"Event {seq} is recorded earlier than the event before it.")
        if chained(self._hash, body) != digest:
            self._say(
                f"Event {seq}: its hash is not that of the event before and its body, "
                "so one of the three was changed."
            )
        self.seq, self._recorded_at, self._hash = seq, recorded_at, digest
        if seq in self._wanted:
            self.hashes[seq] = (digest, recorded_at)
        said = said_in(body)
        if isinstance(said, str):
            self._say(f"Event {seq}: {said}.")
            return None
        stored = {
            "seq": seq, "subject": subject.hex(), "address": other.hex() if other else None,
            "recorded_at": recorded_at, "retracts": retracts,
        }  # fmt: skip
        for name, value in stored.items():
            if said.get(name) != value:
                self._say(f"Event {seq}: its column for {name} is not what its body says.")
        if said["occurred_at"] > recorded_at:
            self._say(f"Event {seq} happened after it was recorded.")
        if retracts is not None and not 0 < retracts < seq:
            self._say(f"Event {seq} retracts event {retracts}, which is not before it.")
        self._check_request(seq, said, request)
        self._check_beside(seq, said, (subject, other, request, content), beside)
        return said

    def _check_request(self, seq: int, said: Said, request: bytes | None) -> None:
        said_id = said.get("request_id")
        due = request_digest(said["source"], said_id) if said_id is not None else None
        if due != request:
            self._say(f"Event {seq}: its request is not that of its source and request id.")

    def _check_beside(self, seq: int, said: Said, stored: Row, beside: list[Any]) -> None:
        """The texts that can be erased, as far as they are still there."""
        subject, other, request, content = stored
        text = self._text(seq, said.get("subject_digest"), subject, beside[0:4])
        other_text = None
        if other is not None:
            other_text = self._text(seq, said.get("address_digest"), other, beside[4:8])
        salt, evidence, how = beside[8:11]
        if how != said.get("confirmation"):
            self._say(f"Event {seq}: the confirmation stored beside it is not the one it says.")
        self._check_evidence(seq, said, (subject, other), salt, evidence)
        if said["action"] == "erase":
            listed = self._erasures.pop(seq, None)
            if listed != (subject, said.get("purge_by")):
                self._say(f"Event {seq} is an erasure, and the list of erasures says otherwise.")
        # A time that was not given, or was clamped, is not in the body as it was said.
        whole = text is not None and (other is None or other_text is not None)
        whole = whole and (said.get("evidence") is None) == (evidence is None)
        if request is not None and whole and said["occurred_at"] < said["recorded_at"]:
            assert text is not None
            at = said["occurred_at"]
            if content_digest(self._key, said, text, other_text, evidence, at) != content:
                self._say(f"Event {seq}: its column for content is not that of what was said.")

    def _text(self, seq: int, due: str | None, key: bytes, row: list[Any]) -> str | None:
        """The subject's text, if it is still there and is what the event's digest is of."""
        there, text, salt, since = row
        if there is None:
            self._say(f"Event {seq}: there is no row of addresses for {key.hex()}.")
            return None
        if text is None:
            if self._purged.get(key, 0) < seq:
                self._say(f"Event {seq}: the text of {key.hex()} is gone without an erasure.")
            return None
        if text.startswith(("md5:", "sha256:")):
            self._digest_named = True
        if seq >= since and due is not None and (salt is None or text_digest(salt, text) != due):
            self._say(f"Event {seq}: the text of {key.hex()} is not the one it was recorded with.")
        return str(text)

    def _check_evidence(
        self, seq: int, said: Said, about: Row, salt: bytes | None, text: str | None
    ) -> None:
        due = said.get("evidence")
        if text is None or salt is None:
            purged = max(self._purged.get(key, 0) for key in about if key is not None)
            if due is not None and purged < seq:
                self._say(f"Event {seq}: its evidence is gone without an erasure.")
        elif due is None:
            self._say(f"Event {seq} came without evidence, and some is stored beside it.")
        elif text_digest(salt, text) != due:
            self._say(f"Event {seq}: its evidence is not what it was recorded with.")

    def check_end(self) -> None:
        """The head, and what is left over."""
        seq, digest, recorded_at, epoch, _, digests = self._head
        if seq != self.seq:
            self._say(f"The head says event {seq}, and the last event is {self.seq}.")
        if digest != self._hash:
            self._say("The head's hash is not that of the last event.")
        if recorded_at != max(self._recorded_at, 0):
            self._say("The head's time is not that of the last event.")
        if not epoch:
            self._say("The head names no epoch.")
        if self._digest_named and not digests:
            self._say("Digests are held, and the head says that there are none.")
        for seq in self._erasures:
            self._say(f"The list of erasures has event {seq}, which is none.")
