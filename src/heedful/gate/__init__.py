"""The gate: may I send this? Everything that a door may use is named here."""

from heedful.gate.explain import Consulted, Explanation, How, Rule, event_sentence
from heedful.gate.gate import Gate
from heedful.gate.question import Alternative, Answer, Question
from heedful.gate.ruled import Found, Ruled
from heedful.gate.signature import Verdict
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
    "Found",
    "Gate",
    "How",
    "LimitStanding",
    "Link",
    "MessageStanding",
    "Question",
    "Rule",
    "Ruled",
    "Said",
    "ScopeStanding",
    "Standing",
    "Suppressed",
    "Verdict",
    "event_sentence",
]
