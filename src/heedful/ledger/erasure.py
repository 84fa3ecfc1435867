"""Forgetting a person without forgetting the wish: texts and evidence go, keys and events stay."""

from collections.abc import Collection
from dataclasses import replace

from heedful.core.address import Address, Contact, Digest, Subject, parse_subject
from heedful.core.errors import Forbidden
from heedful.core.event import Action, Statement
from heedful.core.instant import Instant
from heedful.core.scope import Channel, Scope, TargetKind
from heedful.ledger.append import Append
from heedful.ledger.draft import Draft, draft_of
from heedful.ledger.seal import Seal, new_salt
from heedful.ledger.values import Receipt, Row

_ALL_MARKETING = Scope(Channel.ANY, TargetKind.MARKETING)


def erase(
    append: Append,
    seal: Seal,
    subject: Subject,
    *,
    keep_opt_out: bool,
    by: str,
    purge_by: Instant,
) -> Receipt:
    """Record an erasure, and before it the opt-out that survives it.

    With a contact go the addresses linked now to no other contact, each with an event of its own.
    The receipt is the erasure's of the subject itself. `purge` deletes the texts.
    """
    if isinstance(subject, Digest):
        raise Forbidden(
            "A digest cannot be erased: the list that it came from names nobody, and without it "
            "the person would get messages again. Nothing was recorded."
        )
    key = seal.key_of(subject)
    drafts: list[Draft] = []
    for one in (subject, *_linked_only(append, key, subject)):
        if keep_opt_out:
            out = Statement(one, Action.OPT_OUT, by, _ALL_MARKETING, reason="erasure")
            # Not copied from a push token to its contact: nobody switched anything off there.
            drafts.append(replace(draft_of(out, seal), is_push_opt_out=False))
        drafts.append(draft_of(Statement(one, Action.ERASE, by), seal, purge_by))
    receipts = append.add(drafts)
    append.flush()
    erased = [
        (receipt, draft)
        for receipt, draft in zip(receipts, drafts, strict=True)
        if draft.body.purge_by is not None
    ]
    append.writer.write(("add_erasure", [(r.seq, d.subject, purge_by) for r, d in erased]))
    return erased[0][0]


def _linked_only(append: Append, key: bytes, subject: Subject) -> list[Address]:
    """The addresses that are linked now to this contact and to no other."""
    if not isinstance(subject, Contact):
        return []
    found = []
    for other in sorted(append.state(key).linked()[0]):
        address = bytes.fromhex(other)
        if append.state(address).linked()[0] == {key.hex()}:
            (rows,) = append.writer.ask(("address", {"subject": address}))
            if rows and rows[0][0] is not None:
                parsed = parse_subject(rows[0][0])
                assert isinstance(parsed, Address)
                found.append(parsed)
    return found


def purge(append: Append, now: Instant, vendors: Collection[str]) -> int:
    """Delete the texts, salts and evidence of the erased, where every one of `vendors` has
    answered, or the time is up. How many erasures were completed."""
    (cursors,) = append.writer.ask(("vendor_cursors", {}))
    told_to = {row[0]: row[5] for row in cursors if row[2] == "feed"}
    (waiting,) = append.writer.ask(("erasures_waiting", {}))
    done = 0
    for seq, subject, purge_by in waiting:
        if purge_by <= now or _all_told(append, seq, subject, vendors, told_to):
            _purge(append, seq, subject, now)
            done += 1
    return done


def _all_told(
    append: Append, seq: int, subject: bytes, vendors: Collection[str], told_to: dict[str, int]
) -> bool:
    if any(told_to.get(vendor, 0) < seq for vendor in vendors):
        return False
    (waiting,) = append.writer.ask(("deliveries_open", {"subject": subject}))
    return not waiting


def _purge(append: Append, seq: int, subject: bytes, now: Instant) -> None:
    about = {"subject": subject, "seq": seq}
    (again,) = append.writer.ask(("said_since", about))
    append.writer.ask(("purge_evidence", about))
    if again:
        row: Row = (new_salt(), append.seq + 1, subject)
        append.writer.write(("salt_address", [row]))
    else:
        append.writer.ask(("purge_address", {"subject": subject}))
    append.writer.write(("purged", [(now, seq)]))
