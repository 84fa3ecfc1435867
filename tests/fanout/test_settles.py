"""Whatever is said, and whatever goes wrong on the way: in the end each vendor's last word is what
stands, by a fold of all events that knows nothing of how vendors are told."""

import asyncio
import tempfile
from pathlib import Path

from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heedful.core.address import parse_subject
from heedful.core.decision import Facts, opted_out, paused, suppressed
from heedful.core.event import Action, Statement, Suppression
from heedful.core.instant import DAY, SECOND
from heedful.core.state import State, fold
from heedful.fanout import retry
from heedful.ledger import Cursor
from tests.fanout.house import ANN, BEN, START, House, fact, link, opt_in, opt_out, pause

VENDORS = {
    "texter": ("sms/weekly_deals", "sms/order_updates"),
    "mailer": ("sms/weekly_deals", "sms/cart_reminders", "email/weekly_deals"),
}
WHO = st.sampled_from([ANN, ANN, BEN, "contact:one", "contact:two"])
ADDRESS = st.sampled_from([ANN, ANN, BEN])
AT = st.integers(1, 4).map(lambda n: START + n * SECOND)
SCOPE = st.sampled_from(
    [
        "sms/marketing",
        "*/marketing",
        "sms/everything",
        "sms/topic:weekly_deals",
        "*/topic:cart_reminders",
        "email/marketing",
        "sms/category:promotional",
    ]
)
SAID = st.one_of(
    st.builds(opt_out, WHO, SCOPE, AT),
    st.builds(opt_out, WHO, SCOPE, AT),
    st.builds(opt_in, WHO, SCOPE, AT, st.sampled_from([True, True, False])),
    st.builds(
        fact,
        ADDRESS,
        st.sampled_from([Suppression.COMPLAINT, Suppression.REASSIGNED, Suppression.LEGAL]),
        st.sampled_from([Action.SUPPRESS, Action.SUPPRESS, Action.RELEASE]),
        AT,
    ),
    st.builds(pause, WHO, SCOPE, st.sampled_from([START + DAY, START + 900 * DAY]), AT),
    st.builds(
        link,
        st.sampled_from(["one", "two"]),
        ADDRESS,
        st.sampled_from([Action.LINK, Action.LINK, Action.UNLINK]),
    ),
    st.builds(lambda who, keep: ("erase", who, keep), WHO, st.booleans()),
)
DOINGS = st.lists(
    st.one_of(
        SAID, SAID, st.sampled_from(["step", "step", "fail", "answer", "employ", "grow", "end"])
    ),
    min_size=3,
    max_size=16,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(DOINGS)
def test_in_the_end_the_last_word_is_what_stands(
    doings: list[Statement | tuple[str, str, bool] | str],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(doings, Path(folder)))


async def _play(doings: list[Statement | tuple[str, str, bool] | str], folder: Path) -> None:
    async with House(f"sqlite:///{folder}/h.db", folder, texter=VENDORS["texter"]) as house:
        house.now += DAY
        for doing in doings:
            await _do(doing, house)
        for receiver in house.receivers.values():
            receiver.answer = lambda n: web.Response()
        if "mailer" not in house.vendors:
            await house.employ(mailer=VENDORS["mailer"])
        await house.settle()
        await house.settle()
        for vendor in house.vendors:
            retry(house.ledger, vendor, house.now)
        house.now += 2 * SECOND
        await house.settle()
        house.now += 2 * SECOND
        await house.settle()
        _compare(house)


async def _do(doing: Statement | tuple[str, str, bool] | str, house: House) -> None:
    house.now += SECOND
    match doing:
        case Statement():
            house.say(doing)
        case ("erase", who, keep):
            house.ledger.erase(
                parse_subject(who), keep_opt_out=keep, by="test", purge_by=house.now + 900 * DAY
            )
        case "step":
            await house.settle()
        case "fail":
            for receiver in house.receivers.values():
                receiver.answer = lambda n: web.Response(status=500 if n % 3 else 200)
        case "answer":
            for receiver in house.receivers.values():
                receiver.answer = lambda n: web.Response()
        case "employ":
            await house.employ(mailer=VENDORS["mailer"])
        case "grow":
            await house.employ(texter=(*VENDORS["texter"], "sms/cart_reminders"))
        case "end" if house.dispatchers:
            await house.dispatchers.pop().close()


def _compare(house: House) -> None:
    events, _ = house.ledger.events(Cursor.START, 1000)
    states, catalogue = fold(events), house.ledger.catalogue()
    for vendor, receiver in house.receivers.items():
        believed = receiver.last_words()
        for address in (ANN, BEN):
            own = states.get(house.ledger.key_of(parse_subject(address)).hex(), State())
            facts = Facts(own, tuple(states[key] for key in own.linked()[1]))
            for channel, topic in catalogue.touches(vendor):
                if channel not in parse_subject(address).channels:
                    assert (address, channel, topic) not in believed
                    continue
                message = catalogue.message(channel, topic, vendor=vendor)
                word = believed.get((address, channel, topic), "in")
                if any(suppressed(message, facts)) or any(opted_out(message, facts)):
                    assert word == "out"
                elif any(paused(message, facts, house.now)):
                    assert word == "paused"
                else:
                    # A pause that is over was told with its end.
                    assert word in ("in", "paused")
                    assert word == "in" or any(e.action is Action.LIMIT for e in events)
