"""The words of a remembered verdict are those of a row made for the one address."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.config import Keys
from heedful.core.decision import Decision, Outcome, Reason, ReasonCode
from heedful.core.errors import UnknownTopic
from heedful.core.scope import Channel
from heedful.gate import Verdict
from heedful.gate.question import SERVES
from heedful.tokens import DecisionTokens
from heedful.web.bodies import CheckAnswer, FailedItem, decision_row
from heedful.web.problems import of_item
from heedful.web.wording import Wording
from tests.gate.test_signature import ADDRESSES, messages, plain, rows

TOKENS = DecisionTokens(Keys.make(0))
WORDING = Wording(TOKENS)
CATALOGUE, SEQ = 3, 9


def in_rows(*answers):
    """The same answers as a body made of rows, one by one."""
    made = [
        FailedItem(of_item(a))
        if isinstance(a, Exception)
        else decision_row(a, TOKENS.token(a.seq, a.catalogue, a.outcome))
        for a in answers
    ]
    return msgspec.json.encode(CheckAnswer(made, SEQ))


@settings(max_examples=500, deadline=None)
@given(messages(), st.lists(rows(plain), min_size=1, max_size=4))
def test_forms_say_what_rows_say(message, standings):
    book, words = message
    plan = book.plan(*words)
    to = ADDRESSES[SERVES[plan.message.channel]].text
    found = [(*ruling, to) for held in standings if (ruling := plan.ruling(held))]
    answers = [verdict.answer(seqs, text, CATALOGUE, SEQ) for verdict, seqs, text in found]
    assert WORDING.body(found, CATALOGUE, SEQ) == in_rows(*answers)


def test_nothing_that_is_said_can_be_taken_for_a_place_to_fill_in():
    reasons = (
        Reason(ReasonCode.OPTED_OUT, (1, 0), "sms/segment:50%d_\u0000\u0001\u0002{off}"),
        Reason(ReasonCode.NO_CONSENT),
    )
    verdict = Verdict(
        Decision(Outcome.DENY, reasons, (0, 1)), ((Channel.EMAIL, Outcome.ALLOW),) * 2
    )
    found = (verdict, (70, 80), "mailto:50%25d@example.com")
    answer = verdict.answer(*found[1:], CATALOGUE, SEQ)
    failed = UnknownTopic("No topic is called '%d'.")
    body = WORDING.body([found, failed, answer], CATALOGUE, SEQ)
    assert body == in_rows(answer, failed, answer)
    assert b'"because":[80,70]' in body


def test_forms_are_not_kept_without_end():
    wording = Wording(TOKENS)
    for number in range(5000):
        one = Verdict(Decision(Outcome.ALLOW))
        wording.body([(one, (), "tel:+14155550100")], CATALOGUE, number)
    assert len(wording._forms) <= 4096
    assert len(wording._said) <= 16
