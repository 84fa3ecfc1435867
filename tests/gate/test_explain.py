"""What an explanation names, and what a subject's standing shows."""

from heedful.core.address import Address, Contact
from heedful.core.instant import DAY
from heedful.gate import Question, Said
from tests.gate.conftest import START

PHONE, MAIL = "tel:+14155550100", "mailto:ann@example.com"
C, D = "contact:crm-one-of-them", "contact:crm-the-other"


def test_explanation_names_events_subjects_and_rule(gate, say):
    (out,) = say(PHONE, "out sms/marketing")
    say(C, f"link {PHONE}", f"unlink {PHONE}")
    say(D, f"link {PHONE}")
    why = gate.explain(Question(Address.parse(PHONE), "sms", "weekly_deals"))
    assert set(why.events) == {out}
    assert why.events[out].scope.text == "sms/marketing"
    assert {(c.subject.text, str(c.how)) for c in why.consulted} == {
        (PHONE, "asked about"),
        (C, "formerly linked"),
        (D, "linked now"),
    }
    assert why.rule.said_by == "base"
    assert set(why.rule.accepts) == {"express", "express_written", "confirmed"}
    text = "\n".join(why.sentences())
    assert f"Event {out}: opt_out sms/marketing by test" in text
    assert "It may not be sent." in text
    assert "555" not in text
    assert "crm-one" not in text


def test_explanation_of_an_allow_names_the_consent(gate, say):
    (given,) = say(PHONE, "in sms/marketing")
    why = gate.explain(Question(PHONE, "sms", "weekly_deals"))
    assert set(why.events) == {given}
    assert f"Event {given}: opt_in sms/marketing (express) by test" in "\n".join(why.sentences())


def test_explanation_says_who_was_left_aside(gate, say):
    say(C, f"link {PHONE}", "out */marketing")
    say(D, f"link {PHONE}")
    named = Question(PHONE, "sms", "order_updates", contact=Contact("crm-the-other"))
    hows = {c.subject.text: str(c.how) for c in gate.explain(named).consulted}
    assert hows == {PHONE: "asked about", C: "left aside", D: "linked now"}


def test_standing_shows_all_that_was_said(ledger, gate, say, clock):
    out, given = say(MAIL, "out email/marketing", "in email/marketing")
    at = {seq: Said(ledger.event(seq).occurred_at, seq) for seq in (out, given)}
    (complaint, _, _) = say(
        MAIL,
        "suppress complaint email/everything",
        "suppress undeliverable email/everything",
        "release undeliverable email/everything",
    )
    say(MAIL, f"pause */marketing {START + DAY}", "prefer language es")
    say(C, f"link {MAIL}", f"unlink {MAIL}")
    say(D, f"link {MAIL}")
    shown = gate.standing(Address.parse(MAIL))
    (scope,) = shown.scopes
    assert (scope.scope, scope.out, scope.lift) == ("email/marketing", at[out], at[given])
    assert scope.consents == (("express:none", at[given]),)
    (held,) = shown.suppressions
    assert (held.kind, held.channels, held.said.seq) == ("complaint", ("email",), complaint)
    assert [(one.scope, one.until) for one in shown.limits] == [("*/marketing", START + DAY)]
    assert {(link.subject.text, link.now) for link in shown.links} == {(C, False), (D, True)}
    assert shown.preferences == (("language", "es"),)
    assert {m.topic for m in shown.messages} == {
        "weekly_deals",
        "cart_reminders",
        "weekly_tips",
        "tips_deals",
        "order_updates",
    }
    assert {m.channel for m in shown.messages} == {"email"}
    assert shown.seq == ledger.head().seq


def test_standing_of_a_contact_has_links_and_no_messages(gate, say):
    say(C, f"link {MAIL}", "out */marketing", "suppress legal */everything")
    shown = gate.standing(Contact("crm-one-of-them"))
    assert [scope.scope for scope in shown.scopes] == ["*/marketing"]
    assert [link.subject.text for link in shown.links] == [MAIL]
    assert shown.messages == ()
    assert shown.suppressions[0].kind == "legal"
    assert len(shown.suppressions[0].channels) == 7
