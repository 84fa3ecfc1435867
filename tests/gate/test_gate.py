"""What the gate answers over a real ledger, at every one of its doors."""

import threading

import pytest

from heedful.core import brand
from heedful.core.address import Address, Contact
from heedful.core.decision import Facts, decide
from heedful.core.errors import (
    InvalidAddress,
    InvalidQuestion,
    LedgerUnavailable,
    UnknownTopic,
    UnknownVendor,
)
from heedful.core.instant import DAY
from heedful.core.scope import Category, Channel
from heedful.core.state import fold
from heedful.gate import Gate, Question
from heedful.ledger import SendReport
from tests.gate.brands import BRAND, CAPPED
from tests.gate.conftest import START

PHONE, MAIL, MAIL2 = "tel:+14155550100", "mailto:ann@example.com", "mailto:ann@work.example"
C, D = "contact:crm-1", "contact:crm-2"


def codes(answer):
    return [str(reason.code) for reason in answer.reasons]


@pytest.mark.parametrize(
    ("said", "message", "outcome"),
    [
        ([], "sms weekly_deals", "deny no_consent"),
        ([], "email weekly_deals", "allow"),
        ([(PHONE, "in sms/marketing")], "sms weekly_deals", "allow"),
        ([(PHONE, "in sms/marketing", "out sms/marketing")], "sms weekly_deals", "deny opted_out"),
        ([(PHONE, "out sms/marketing")], "sms order_updates", "allow"),
        ([(PHONE, "out */everything")], "sms order_updates", "deny opted_out"),
        ([(MAIL, "out email/topic:weekly_tips")], "email tips_deals", "deny opted_out"),
        ([(MAIL, "suppress undeliverable email/everything")], "email order_updates",
         "deny undeliverable"),
        ([(MAIL, f"pause */marketing {START + DAY}")], "email weekly_deals", "defer paused"),
        ([(C, f"link {MAIL}", "out */marketing")], "email weekly_deals", "deny opted_out"),
        ([(C, f"link {MAIL}", "out */marketing", f"unlink {MAIL}")], "email weekly_deals",
         "deny opted_out"),
        ([(C, f"link {MAIL}", "out */marketing"), (MAIL, "in email/marketing")],
         "email weekly_deals", "allow"),
        ([(C, "out */marketing"), (D, f"link {MAIL}")], "email weekly_deals", "allow"),
    ],
)  # fmt: skip
def test_every_door_gives_the_same_answer(ledger, gate, say, said, message, outcome):
    for who, *words in said:
        say(who, *words)
    channel, topic = message.split(" ")
    to = MAIL if channel == "email" else PHONE
    answer = gate.check(to, channel, topic)
    assert " ".join([answer.outcome, *codes(answer)]) == outcome
    question = Question(Address.parse(to), channel, topic)
    assert gate.ask(question) == answer
    assert gate.ask_many([question]) == [answer]
    explanation = gate.explain(question)
    assert explanation.answer == answer
    head = ledger.head()
    replayed = gate.check(to, channel, topic, as_of=head.recorded_at)
    assert replayed.decision == answer.decision
    assert replayed.alternatives == answer.alternatives
    shown = gate.standing(Address.parse(to))
    assert [m.decision for m in shown.messages if (m.channel, m.topic) == (channel, topic)] == [
        answer.decision
    ]


def test_naming_a_contact_leaves_aside_only_the_others_linked_now(gate, say):
    say(C, f"link {MAIL}", "out */marketing")
    say(D, f"link {MAIL}")
    ask = lambda name: gate.check(MAIL, "email", "weekly_deals", contact=name).outcome  # noqa: E731
    assert ask(None) == "deny"
    assert ask(Contact("crm-1")) == "deny"
    assert ask(Contact("crm-2")) == "allow"
    assert ask(Contact("crm-unknown")) == "deny"
    say(C, f"unlink {MAIL}")
    assert ask(Contact("crm-2")) == "deny", "a contact that was linked once is not left aside"
    assert ask(Contact("crm-1")) == "deny", "who is not linked now changes nothing"


def test_alternatives_are_the_contacts_other_channels_in_the_catalogues_order(gate, say):
    say(C, f"link {PHONE}", f"link {MAIL2}", f"link {MAIL}")
    say(PHONE, "in voice/marketing")
    say(MAIL2, "out email/marketing")
    answer = gate.check(PHONE, "sms", "weekly_deals")
    found = [(a.channel, a.to.text, a.outcome) for a in answer.alternatives]
    assert found == [("email", MAIL, "allow"), ("email", MAIL2, "deny"), ("voice", PHONE, "allow")]
    for other in answer.alternatives:
        assert gate.check(other.to, other.channel, "weekly_deals").outcome == other.outcome
    say(D, f"link {PHONE}")
    both = gate.check(PHONE, "sms", "weekly_deals")
    assert [a.channel for a in both.alternatives] == ["voice"], "two people: whose mail is it?"
    named = gate.check(PHONE, "sms", "weekly_deals", contact=Contact("crm-1"))
    assert len(named.alternatives) == 3
    assert gate.check(PHONE, "voice", "weekly_deals").alternatives == ()


def test_batch_of_many_standings_is_the_same_as_one_by_one(gate, say):
    phones = [f"tel:+1415555{n:04}" for n in range(100, 130)]
    for n, phone in enumerate(phones):
        say(phone, *(["in sms/marketing"] if n % 2 else []), *(["out */marketing"] * (n % 3 == 0)))
        if n % 5 == 0:
            say(f"contact:p{n // 10}", f"link {phone}", *(["out */everything"] * (n % 10 == 0)))
        if n % 7 == 0:
            say(phone, f"pause sms/marketing {START + DAY}")
    questions = [
        Question(Address.parse(phone), channel, topic)
        for phone in phones
        for channel, topic in (("sms", "weekly_deals"), ("sms", "order_updates"))
    ]
    assert gate.ask_many(questions) == [gate.ask(question) for question in questions]
    assert gate.ask_many([]) == []


def test_as_of_answers_with_what_was_recorded_by_then(ledger, gate, say, clock):
    say(PHONE, "in sms/marketing")
    before = ledger.head().recorded_at
    say(PHONE, "out sms/marketing")
    between = ledger.head().recorded_at
    say(PHONE, "in sms/marketing")
    assert gate.check(PHONE, "sms", "weekly_deals", as_of=before).outcome == "allow"
    assert gate.check(PHONE, "sms", "weekly_deals", as_of=between).outcome == "deny"
    assert gate.check(PHONE, "sms", "weekly_deals").outcome == "allow"
    with pytest.raises(InvalidQuestion, match="future"):
        gate.check(PHONE, "sms", "weekly_deals", as_of=clock.now + DAY)


def test_as_of_uses_the_catalogue_of_that_time(ledger, gate, say):
    say(MAIL, "in email/marketing")
    before = ledger.head().recorded_at
    say(MAIL, "prefer language es")
    stricter = BRAND + '\n[consent.promotional]\nemail = "express_written"\n'
    number = ledger.apply(brand.parse(stricter), by="test", reason="stricter").number
    now = gate.check(MAIL, "email", "weekly_deals")
    assert (now.outcome, now.catalogue) == ("deny", number)
    then = gate.check(MAIL, "email", "weekly_deals", as_of=before)
    assert (then.outcome, then.catalogue) == ("allow", number - 1)


def test_a_new_catalogue_is_in_force_at_once(ledger, gate):
    assert gate.check(MAIL, "email", "weekly_deals").allowed
    ledger.apply(brand.parse(CAPPED.replace("weekly_deals", "other_deals")), by="t", reason="r")
    with pytest.raises(UnknownTopic, match="No topic is called 'weekly_deals'"):
        gate.check(MAIL, "email", "weekly_deals")
    assert gate.check(MAIL, "email", "other_deals").allowed


def test_numbers_are_read_in_the_region_of_the_catalogue_in_force(ledger, gate, say):
    gate.check("(415) 555-0100", "sms", "order_updates")
    ledger.apply(brand.parse(BRAND.replace('"US"', '"GB"')), by="t", reason="r")
    say("tel:+442079460123", "out */everything")
    assert gate.check("020 7946 0123", "sms", "order_updates").outcome == "deny"


def test_caps_and_limits_count_sends(new_ledger, clock):
    ledger = new_ledger(CAPPED)
    gate, key = Gate(ledger, clock), ledger.key_of(Address.parse(PHONE))
    from tests.gate.conftest import Voice

    Voice(ledger)(PHONE, "in sms/marketing")
    for n in range(2):
        assert gate.check(PHONE, "sms", "weekly_deals").allowed
        ledger.report_sends(
            [
                SendReport(
                    key, Channel.SMS, "weekly_deals", Category.PROMOTIONAL, clock(),
                    request_id=f"m{n}",
                )
            ]
        )  # fmt: skip
    capped = gate.check(PHONE, "sms", "weekly_deals")
    assert (capped.outcome, codes(capped)) == ("defer", ["frequency_cap"])
    assert gate.check(PHONE, "sms", "weekly_deals", at=capped.not_before).allowed
    assert gate.check(PHONE, "sms", "order_updates").allowed
    Voice(ledger)(PHONE, f"at_most sms/topic:order_updates 1 {DAY}")
    assert gate.check(PHONE, "sms", "order_updates").allowed, "these were other messages"


def test_digests_count_while_a_list_of_them_is_held(gate, say):
    assert gate.check(MAIL, "email", "weekly_deals").allowed
    digest = Address.parse(MAIL).digests[0]
    say(digest, "out email/marketing")
    answer = gate.check(MAIL, "email", "weekly_deals")
    assert codes(answer) == ["opted_out"]
    why = gate.explain(Question(Address.parse(MAIL), "email", "weekly_deals"))
    assert [(c.how, c.subject.text) for c in why.consulted if c.how == "digest"] == [
        ("digest", digest)
    ]
    assert gate.check(MAIL2, "email", "weekly_deals").allowed


@pytest.mark.parametrize(
    ("to", "channel", "topic", "more", "error", "says"),
    [
        (MAIL, "sms", "weekly_deals", {}, InvalidQuestion, "phone number"),
        (PHONE, "email", "weekly_deals", {}, InvalidQuestion, "mailbox"),
        (PHONE, "smoke", "weekly_deals", {}, InvalidQuestion, "No channel"),
        (PHONE, "*", "weekly_deals", {}, InvalidQuestion, "No channel"),
        (PHONE, "voice", "weekly_tips", {}, InvalidQuestion, "not sent by voice"),
        (PHONE, "sms", "weekly_deal", {}, UnknownTopic, "Did you mean 'weekly_deals'"),
        (PHONE, "sms", "weekly_deals", {"vendor": "textr"}, UnknownVendor, "texter"),
        (PHONE, "sms", "weekly_deals", {"campaign": "spring"}, InvalidQuestion, "campaign"),
        ("hello", "sms", "weekly_deals", {}, InvalidAddress, "not a phone number"),
    ],
)
def test_a_question_without_an_answer_is_an_error(gate, to, channel, topic, more, error, says):
    with pytest.raises(error, match=says):
        gate.check(to, channel, topic, **more)
    good = Question(PHONE, "sms", "order_updates")
    with pytest.raises(error, match="Question 2: "):
        gate.ask_many([good, Question(to, channel, topic, **more)])


def test_a_vendor_does_not_learn_the_contacts_other_addresses(gate, say):
    say(C, f"link {PHONE}", f"link {MAIL}")
    say(PHONE, "out sms/marketing")
    everybody = gate.check(PHONE, "sms", "weekly_deals")
    assert MAIL in {a.to.text for a in everybody.alternatives}
    texters = gate.check(PHONE, "sms", "weekly_deals", vendor="texter")
    assert {a.to.text for a in texters.alternatives} == {PHONE}


def test_vendor_and_sender(gate, say):
    say(PHONE, "in sms/marketing", "suppress carrier_block sms/everything +18335550100")
    blocked = gate.check(PHONE, "sms", "weekly_deals", vendor="texter")
    assert codes(blocked) == ["carrier_block"]
    assert gate.check(PHONE, "sms", "weekly_deals", sender="+15005550006").allowed
    other = gate.check(PHONE, "sms", "weekly_tips", vendor="texter")
    assert codes(other) == ["vendor_not_allowed", "carrier_block"]


class Interrupted:
    """A ledger into which somebody writes between the gate's two reads."""

    def __init__(self, ledger, meanwhile):
        self._ledger, self._meanwhile, self.reads = ledger, meanwhile, 0

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def read(self, keys):
        reading = self._ledger.read(keys)
        self.reads += 1
        if self._meanwhile:
            self._meanwhile.pop()()
        return reading

    def read_one(self, key):
        rows = self._ledger.read_one(key)
        self.reads += 1
        if self._meanwhile:
            self._meanwhile.pop()()
        return rows


def test_what_is_read_in_two_steps_is_of_one_moment(ledger, say, clock):
    """The address comes back just before the contact leaves: both, or neither, must be seen."""
    say(C, f"link {MAIL}")
    say(MAIL, "out email/marketing")

    def both():
        say(MAIL, "in email/marketing")
        say(C, "out email/marketing")

    gate = Gate(Interrupted(ledger, [both]), clock)
    answer = gate.check(MAIL, "email", "weekly_deals")
    head = ledger.head()
    assert answer.seq == head.seq
    states = fold(ledger.history(ledger.key_of(Address.parse(MAIL))))
    own = states[ledger.key_of(Address.parse(MAIL)).hex()]
    contact = ledger.state(ledger.key_of(Contact("crm-1")))
    plan = gate._latest.plan("email", "weekly_deals")
    whole = decide(plan.message, Facts(own, (contact,)), plan.rules, clock())
    assert answer.decision == whole


def test_a_link_made_meanwhile_is_followed(ledger, say, clock):
    say(C, f"link {MAIL}")
    say(D, "out */marketing")
    gate = Gate(Interrupted(ledger, [lambda: say(D, f"link {MAIL}")]), clock)
    assert codes(gate.check(MAIL, "email", "weekly_deals")) == ["opted_out"]


def test_a_catalogue_applied_meanwhile_is_followed(ledger, say, clock):
    say(C, f"link {MAIL}")
    stricter = BRAND + '\n[consent.promotional]\nemail = "express_written"\n'
    apply = lambda: ledger.apply(brand.parse(stricter), by="t", reason="r")  # noqa: E731
    gate = Gate(Interrupted(ledger, [apply]), clock)
    assert codes(gate.check(MAIL, "email", "weekly_deals")) == ["no_consent"]


def test_an_unlinked_address_costs_one_read(ledger, say, clock):
    say(PHONE, "in sms/marketing")
    counted = Interrupted(ledger, [])
    gate = Gate(counted, clock)
    gate.check(PHONE, "sms", "weekly_deals")
    assert counted.reads == 1
    say(C, f"link {PHONE}")
    counted.reads = 0
    questions = [Question(PHONE, "sms", "weekly_deals"), Question(MAIL, "email", "weekly_deals")]
    gate.ask_many(questions)
    assert counted.reads == 2


def test_a_check_that_starts_after_the_commit_sees_it_on_every_thread(ledger, say, clock):
    say(PHONE, "in sms/marketing")
    gate = Gate(ledger, clock)
    started, committed = threading.Barrier(5), threading.Event()
    wrong = []

    def ask():
        started.wait()
        while True:
            after = committed.is_set()
            answer = gate.check(PHONE, "sms", "weekly_deals")
            if after:
                wrong.extend([answer] if answer.allowed else [])
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    say(PHONE, "out sms/marketing")
    committed.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_ledger_that_cannot_be_read_is_an_error_never_an_allow(ledger, gate):
    gate.check(MAIL, "email", "weekly_deals")
    ledger.close()
    for ask in (
        lambda: gate.check(MAIL, "email", "weekly_deals"),
        lambda: gate.ask_many([Question(MAIL, "email", "weekly_deals")]),
        lambda: gate.standing(Address.parse(MAIL)),
    ):
        with pytest.raises(LedgerUnavailable):
            ask()


def test_a_batch_is_of_one_moment_even_if_something_is_said_meanwhile(
    ledger, gate, say, monkeypatch
):
    """One address needs a second read; what is said before that one counts for all of them."""
    say(C, f"link {PHONE}")
    others = [f"tel:+1415555{n:04}" for n in range(200, 210)]
    say(others[0], "in sms/marketing")
    questions = [Question(to, "sms", "weekly_deals") for to in (others[0], PHONE, *others[1:])]
    gate.ask_many(questions)
    read, reads = ledger.read, []

    def reading(keys):
        reads.append(len(keys))
        if len(reads) == 2:
            say(others[0], "out sms/marketing")
        return read(keys)

    monkeypatch.setattr(ledger, "read", reading)
    answers = gate.ask_many(questions)
    assert len(reads) > 2
    assert {answer.seq for answer in answers} == {ledger.head().seq}
    assert answers[0].outcome == "deny"
    assert answers == gate.ask_many(questions) == [gate.ask(question) for question in questions]
