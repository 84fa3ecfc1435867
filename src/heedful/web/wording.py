"""Answers of the gate as the body of a check, each distinct verdict put into words once.

What differs between two addresses of one standing is the numbers of their events and, where other
channels are named, the address. So the row of a verdict is encoded once, with marks in the places
of these; making a thousand rows is then filling in a thousand forms. A test holds every form to the
row that `bodies.decision_row` makes.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from heedful import observe
from heedful.core.decision import Outcome
from heedful.core.errors import HeedfulError
from heedful.gate import Answer, Found, Verdict
from heedful.tokens import DecisionTokens
from heedful.web.bodies import AlternativeRow, DecisionRow, FailedItem, ReasonRow, decision_row
from heedful.web.problems import of_item

_MOST = 4096
"""Forms that are kept, of half a kB each: the verdicts of all messages asked about."""

_NUMBER, _TO, _TOKEN = b"\0", b"\1", b"\2"
"""Marks. JSON has no bare control characters, so they are nowhere else in an encoded row."""

_encode = msgspec.json.Encoder().encode

Form = tuple[bytes, int, tuple[int, ...] | None, int, Outcome]
"""The form; how many numbers it wants, and of which ranks (None: of the first); how often the
address; the outcome."""


def form_of(verdict: Verdict) -> Form:
    """The row of a verdict with `%` places: numbers, then addresses, then the token."""
    decision = verdict.decision
    number: Any = msgspec.Raw(_NUMBER)
    to: Any = msgspec.Raw(_TO)
    token: Any = msgspec.Raw(_TOKEN)
    row = DecisionRow(
        decision.outcome,
        [ReasonRow(r.code, r.text, [number] * len(r.because), r.scope) for r in decision.reasons],
        [AlternativeRow(channel, to, outcome) for channel, outcome in verdict.others],
        token,
    )
    ranks = tuple(rank for reason in decision.reasons for rank in reason.because)
    form = _encode(row).replace(b"%", b"%%").replace(_NUMBER, b"%d").replace(_TO, b"%b")
    return (
        form.replace(_TOKEN, b'"%b"'),
        len(ranks),
        None if ranks == tuple(range(len(ranks))) else ranks,
        len(verdict.others),
        decision.outcome,
    )


class Wording:
    """Writes the bodies of checks. Used on the event loop's thread."""

    def __init__(self, tokens: DecisionTokens) -> None:
        self._tokens = tokens
        self._forms: dict[Verdict, Form] = {}
        self._said: dict[tuple[int, int, Outcome], bytes] = {}

    def body(
        self, each: Sequence[Found | Answer | HeedfulError], catalogue: int, seq: int
    ) -> bytes:
        """The body of a CheckAnswer."""
        forms, counts = self._forms, observe.DECISIONS.counts
        tokens: dict[Outcome, bytes] = {}
        rows = []
        for one in each:
            if isinstance(one, tuple):
                verdict, seqs, text = one
                form = forms.get(verdict) or self._form(verdict)
                row, count, ranks, places, outcome = form
                token = tokens.get(outcome)
                if token is None:
                    token = tokens[outcome] = self._token(seq, catalogue, outcome)
                seqs = seqs[:count] if ranks is None else tuple([seqs[rank] for rank in ranks])
                if places:
                    rows.append(row % (*seqs, *(_encode(text),) * places, token))
                else:
                    rows.append(row % (*seqs, token))
                counts[outcome] += 1
            elif isinstance(one, Answer):
                token = self._token(one.seq, one.catalogue, one.outcome)
                rows.append(_encode(decision_row(one, token.decode())))
                counts[one.outcome] += 1
            else:
                rows.append(_encode(FailedItem(of_item(one))))
        return b'{"decisions":[%b],"seq":%d}' % (b",".join(rows), seq)

    def _form(self, verdict: Verdict) -> Form:
        if len(self._forms) >= _MOST:
            self._forms.clear()
        form = self._forms[verdict] = form_of(verdict)
        return form

    def _token(self, seq: int, catalogue: int, outcome: Outcome) -> bytes:
        """The decision's token; the same for all until the next event."""
        said = seq, catalogue, outcome
        token = self._said.get(said)
        if token is None:
            if len(self._said) >= 16:
                self._said.clear()
            token = self._said[said] = self._tokens.token(*said).encode()
        return token
