"""decide() over the fold says what the slow model says over the plain list of events."""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from heedful.core.decision import Outcome, ReasonCode
from heedful.core.event import Action
from tests.core.worlds import (
    ANY_EVENT,
    ASKS,
    HISTORY,
    LINK,
    RULES,
    SHAPE,
    answer,
    history_with_retractions,
    numbered,
    verdict,
)

EXAMPLES = int(os.environ.get("HEEDFUL_EXAMPLES", "300"))
proof = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
OUT = {ReasonCode.OPTED_OUT, ReasonCode.SEGMENT_OPTED_OUT}


def opted_out(decision) -> bool:
    return any(reason.code in OUT for reason in decision.reasons)


@given(events=history_with_retractions(), ask=ASKS, rules=RULES, shape=SHAPE)
@proof
def test_the_decision_is_the_models(events, ask, rules, shape):
    decision = answer(events, ask, rules, shape)
    model = verdict(events, ask, rules, shape)
    event(f"{model.outcome} {len(model.codes)}")
    assert {str(reason.code) for reason in decision.reasons} == set(model.codes)
    assert str(decision.outcome) == model.outcome
    assert decision.not_before == model.not_before
    named = {seq for reason in decision.reasons if reason.code in OUT for seq in reason.because}
    assert named == set(model.standing)


@given(events=HISTORY, ask=ASKS, rules=RULES, shape=SHAPE)
@proof
def test_only_the_persons_own_act_lifts(events, ask, rules, shape):
    """Nothing but lifting opt-ins stands between an opt-out on record and the answer."""
    without = [e for e in events if not e.lifts]
    if opted_out(answer(events, ask, rules, shape)):
        assert opted_out(answer(without, ask, rules, shape))
    covering = [
        e for e in without
        if e.action is Action.OPT_OUT and opted_out(answer([e, *links(events)], ask, rules, shape))
    ]  # fmt: skip
    assert opted_out(answer(without, ask, rules, shape)) == bool(covering)


def links(events):
    return [e for e in events if e.action in (Action.LINK, Action.UNLINK)]


@given(events=HISTORY, more=ANY_EVENT, ask=ASKS, rules=RULES, shape=SHAPE)
@proof
def test_what_does_not_lift_never_ends_an_opt_out(events, more, ask, rules, shape):
    """Imports, vendors' lists, suppressions, releases, limits, erasures: none of them loosens."""
    assume(not more.lifts)
    # Naming one of two people who share a phone leaves the other aside: that is the rule of links.
    if more.action is Action.LINK:
        ask = replace(ask, contact=None)
    before = answer(events, ask, rules, shape)
    after = answer(numbered([*events, more]), ask, rules, shape)
    if opted_out(before):
        assert opted_out(after)
        assert after.outcome is Outcome.DENY


@given(events=HISTORY, more=ANY_EVENT, ask=ASKS, rules=RULES, shape=SHAPE)
@proof
def test_a_further_opt_out_never_loosens(events, more, ask, rules, shape):
    more = replace(more, action=Action.OPT_OUT, consent=None, lifts=False, suppression=None)
    assume(more.scope is not None)
    before = answer(events, ask, rules, shape)
    after = answer(numbered([*events, more]), ask, rules, shape)
    order = [Outcome.ALLOW, Outcome.DEFER, Outcome.DENY]
    assert order.index(after.outcome) >= order.index(before.outcome)


@given(events=HISTORY, more=LINK, ask=ASKS, rules=RULES, shape=SHAPE)
@proof
def test_unlinking_never_loosens(events, more, ask, rules, shape):
    more = replace(more, action=Action.UNLINK)
    before = answer(events, ask, rules, shape)
    after = answer(numbered([*events, more]), ask, rules, shape)
    if not before.allowed:
        assert not after.allowed
    assert {r.code for r in before.reasons} <= {r.code for r in after.reasons}


@given(events=HISTORY, ask=ASKS, rules=RULES, shape=SHAPE, named=st.sampled_from(["c", "d", "x"]))
@proof
def test_naming_a_contact_that_is_not_linked_now_changes_nothing(events, ask, rules, shape, named):
    linked = {e.subject_key for e in links(events) if e.action is Action.LINK}
    assume(named not in linked)
    assert answer(events, replace(ask, contact=named), rules, shape) == answer(
        events, replace(ask, contact=None), rules, shape
    )


@given(events=HISTORY, ask=ASKS, rules=RULES, shape=SHAPE)
@proof
def test_a_refusal_names_its_events_and_a_delay_its_end(events, ask, rules, shape):
    decision = answer(events, ask, rules, shape)
    held = {e.seq for e in events}
    assert set(decision.because) <= held
    for reason in decision.reasons:
        assert set(reason.because) <= held
        assert reason.text
    if decision.outcome is Outcome.DEFER:
        assert decision.not_before == max(r.until for r in decision.reasons)
        assert decision.not_before > ask.now
    elif decision.outcome is Outcome.ALLOW:
        assert decision.reasons == ()
    else:
        assert any(r.until is None for r in decision.reasons)
