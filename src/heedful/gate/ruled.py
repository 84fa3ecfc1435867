"""Answers as they came about: most of them by a verdict that was remembered."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from heedful.gate.question import Answer
from heedful.gate.signature import Verdict

Found = tuple[Verdict, tuple[int, ...], str]
"""A verdict, the event numbers that stand for its ranks, and the address's text form."""


class Ruled(Struct, frozen=True):
    """The catalogue and the head that all of them are true at, and each in its place."""

    catalogue: int
    seq: int
    each: Sequence[Found | Answer]

    def answers(self) -> Iterator[Answer]:
        """Each as an Answer."""
        for one in self.each:
            if isinstance(one, Answer):
                yield one
            else:
                verdict, seqs, text = one
                yield verdict.answer(seqs, text, self.catalogue, self.seq)
