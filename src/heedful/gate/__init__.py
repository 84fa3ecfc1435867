"""The gate: may I send this? Everything that a door may use is named here."""

from heedful.gate.explain import Consulted, Explanation, How, Rule, event_sentence
from heedful.gate.gate import Gate
from heedful.gate.question import Alternative, Answer, Question
from heedful.gate.standing import (
    LimitStanding,
    Link,
    MessageStanding,
    Said,
    ScopeStanding,
    Standing,
    Suppressed,
)

__all__ = [
    "Alternative",
    "Answer",
    "Consulted",
    "Explanation",
    "Gate",
    "How",
    "LimitStanding",
    "Link",
    "MessageStanding",
    "Question",
    "Rule",
    "Said",
    "ScopeStanding",
    "Standing",
    "Suppressed",
    "event_sentence",
]
