"""Statements that contradict themselves are refused before anything is recorded."""

from __future__ import annotations

import pytest

from heedful.core.address import Address, Contact, Digest
from heedful.core.errors import InvalidEvent
from heedful.core.event import Action, Basis, Consent, Limit, Statement, Suppression
from heedful.core.scope import Scope

ANN = Address.parse("+14155550100")
PERSON = Contact("crm-42")
LISTED = Digest("md5", "257c57037d384ae37ea27a07e8a01665")
MARKETING, ALL, USE = (
    Scope.parse(s) for s in ("sms/marketing", "sms/everything", "*/use:profiling")
)
IN, OUT = Action.OPT_IN, Action.OPT_OUT
BLOCK = Suppression.CARRIER_BLOCK


def said(action=OUT, subject=ANN, source="test", scope=MARKETING, **more):
    return Statement(subject, action, source, scope, **more)


@pytest.mark.parametrize("fine", [
    {},
    {"subject": PERSON},
    {"subject": LISTED},
    {"action": IN, "consent": Consent.EXPRESS, "lifts": True},
    {"action": IN, "consent": Consent.IMPLIED, "basis": Basis.PURCHASE},
    {"action": IN, "consent": Consent.RESTORED, "lifts": True},
    {"action": Action.SUPPRESS, "scope": ALL, "suppression": BLOCK, "sender": "+1"},
    {"action": Action.RELEASE, "scope": ALL, "suppression": BLOCK},
    {"action": Action.SUPPRESS, "scope": ALL, "suppression": Suppression.LEGAL, "subject": PERSON},
    {"action": Action.LIMIT, "limit": Limit(until=5)},
    {"action": Action.LIMIT, "limit": Limit(at_most=1, per=5)},
    {"action": Action.LINK, "subject": PERSON, "scope": None, "address": ANN},
    {"action": Action.PREFER, "scope": None, "prefer": ("language", "es")},
    {"action": Action.RETRACT, "scope": None, "retracts": 7, "reason": "typing error"},
    {"action": Action.ERASE, "scope": None},
])  # fmt: skip
def test_what_can_be_said(fine):
    assert said(**fine)


@pytest.mark.parametrize(("wrong", "says"), [
    ({"scope": None}, "needs a scope"),
    ({"action": IN}, "how consent was given"),
    ({"consent": Consent.EXPRESS}, "how consent was given"),
    ({"action": IN, "consent": Consent.IMPLIED, "lifts": True}, "express act"),
    ({"action": IN, "consent": Consent.SOFT, "lifts": True}, "express act"),
    ({"lifts": True}, "express act"),
    ({"action": IN, "consent": Consent.RESTORED}, "only come from the person"),
    ({"action": IN, "consent": Consent.RESTORED, "lifts": True, "basis": Basis.PURCHASE}, "basis"),
    ({"basis": Basis.PURCHASE}, "basis"),
    ({"action": IN, "consent": Consent.EXPRESS, "subject": LISTED}, "nobody can prove"),
    ({"action": Action.SUPPRESS, "scope": ALL}, "kind of suppression"),
    ({"suppression": Suppression.LEGAL}, "kind of suppression"),
    ({"action": Action.SUPPRESS, "suppression": Suppression.LEGAL}, "no target"),
    ({"action": Action.SUPPRESS, "scope": ALL, "suppression": Suppression.COMPLAINT, "subject": PERSON}, "about an address"),
    ({"action": Action.SUPPRESS, "scope": ALL, "suppression": BLOCK}, "names the sender"),
    ({"sender": "+1"}, "Only a `carrier_block`"),
    ({"action": Action.LIMIT}, "`limit` says"),
    ({"limit": Limit(until=5)}, "`limit` says"),
    ({"action": Action.LIMIT, "scope": USE, "limit": Limit(until=5)}, "about messages"),
    ({"action": Action.PREFER, "scope": None}, "what is preferred"),
    ({"action": Action.PREFER, "scope": None, "prefer": ("colour", "red")}, "colour"),
    ({"action": Action.LINK, "scope": None, "subject": PERSON}, "name an address"),
    ({"action": Action.LINK, "scope": None, "address": ANN}, "about a contact"),
    ({"action": Action.RETRACT, "scope": None, "reason": "oops"}, "number of an event"),
    ({"action": Action.RETRACT, "scope": None, "retracts": 7}, "says why"),
    ({"source": ""}, "source"),
    ({"source": "x" * 201}, "source"),
    ({"reason": "a\0b"}, "reason"),
    ({"request_id": " "}, "request id"),
    ({"evidence": {"text": "x" * 8001}}, "evidence"),
    ({"evidence": {str(n): "" for n in range(21)}}, "evidence"),
    ({"evidence": {"text": "\0"}}, "evidence"),
])  # fmt: skip
def test_what_contradicts_itself(wrong, says):
    with pytest.raises(InvalidEvent) as refused:
        said(**wrong)
    assert says in str(refused.value)
    assert str(refused.value).endswith("Nothing was recorded.")


@pytest.mark.parametrize("wrong", [
    {}, {"until": 1, "at_most": 1, "per": 1}, {"at_most": 1}, {"per": 1}, {"until": 1, "per": 1},
    {"at_most": 0, "per": 1}, {"at_most": 1, "per": 0}, {"at_most": 1, "per": -1},
])  # fmt: skip
def test_what_is_no_limit(wrong):
    with pytest.raises(InvalidEvent):
        Limit(**wrong)


def test_no_repr_of_a_statement_shows_the_address():
    assert "4155550100" not in repr(said())
