"""Vendors are told, in order, only what concerns them, until they answer."""

import asyncio
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from heedful.core.event import Action, Suppression
from tests.fanout.house import (
    ANN,
    BEN,
    CAT,
    DAY,
    SECOND,
    START,
    House,
    fact,
    link,
    pause,
)  # fmt: skip

TEXTER, MAILER = ("sms/weekly_deals", "sms/cart_reminders"), ("email/weekly_deals",)


def test_an_opt_out_reaches_whom_it_concerns_and_nobody_else(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER, mailer=MAILER) as house:
            await house.settle()
            receipt = house.out(ANN)
            await house.settle()
            (got,) = house.receivers["texter"].got
            assert got.type == "consent.opt_out"
            assert got.data == {
                "seq": receipt.seq,
                "subject": ANN,
                "scope": "sms/marketing",
                "action": "opt_out",
                "occurred_at": "2027-01-15T08:00:00Z",
                "standing": [
                    {"channel": "sms", "topic": "weekly_deals", "is": "out"},
                    {"channel": "sms", "topic": "cart_reminders", "is": "out"},
                ],
                "honour_by": "2027-01-16T08:00:00Z",
            }
            assert house.receivers["mailer"].got == []
            (told,) = house.ledger.outbox.told(receipt.seq)
            assert (told.vendor, told.state, told.attempts) == ("texter", "told", 1)
            await house.settle()
            assert len(house.receivers["texter"].got) == 1

    asyncio.run(go())


def test_a_reported_opt_in_is_never_told_and_the_persons_own_is(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            house.out(ANN)
            await house.settle()
            house.now += SECOND
            house.back(ANN, lifts=False)
            await house.settle()
            house.now += SECOND
            house.back(ANN)
            await house.settle()
            assert house.receivers["texter"].words == [
                f"1 opt_out {ANN} sms/weekly_deals out sms/cart_reminders out",
                f"3 opt_in {ANN} sms/weekly_deals in sms/cart_reminders in",
            ]

    asyncio.run(go())


def test_a_late_report_of_an_earlier_stop_is_overtaken(database_url: str, tmp_path: Path) -> None:
    """Scenario 46."""

    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            await house.settle()
            house.now += DAY
            house.back(ANN, at=START + 1005 * SECOND)
            late = house.out(ANN, at=START + 1000 * SECOND)
            await house.settle()
            assert house.receivers["texter"].words == [f"1 opt_in {ANN} sms/weekly_deals in"]
            (told,) = house.ledger.outbox.told(late.seq)
            assert told.state == "overtaken"

    asyncio.run(go())


def test_a_late_report_of_an_earlier_start_is_overtaken(database_url: str, tmp_path: Path) -> None:
    """Scenario 47."""

    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            await house.settle()
            house.now += DAY
            house.out(ANN, at=START + 1005 * SECOND)
            late = house.back(ANN, at=START + 1000 * SECOND)
            await house.settle()
            assert house.receivers["texter"].words == [f"1 opt_out {ANN} sms/weekly_deals out"]
            (told,) = house.ledger.outbox.told(late.seq)
            assert told.state == "overtaken"

    asyncio.run(go())


def test_a_stop_whose_start_came_before_it_was_told_is_overtaken(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            await house.settle()
            house.out(ANN)
            house.now += SECOND
            house.back(ANN)
            await house.settle()
            assert house.receivers["texter"].words == [f"2 opt_in {ANN} sms/weekly_deals in"]

    asyncio.run(go())


def test_what_is_said_of_one_subject_arrives_in_order(database_url: str, tmp_path: Path) -> None:
    async def slow(n: int) -> web.Response:
        await asyncio.sleep(0.002 if n % 3 else 0.01)
        return web.Response()

    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await house.settle()
            house.receivers["texter"].answer = slow
            topics = ("weekly_deals", "cart_reminders")
            for turn in range(10):
                for person in range(4):
                    house.out(f"tel:+1415555010{person}", f"sms/topic:{topics[turn % 2]}")
            await house.settle()
            for person in range(4):
                seqs = [
                    got.data["seq"]
                    for got in house.receivers["texter"].got
                    if got.data["subject"] == f"tel:+1415555010{person}"
                ]
                assert seqs == sorted(seqs)
                assert len(seqs) >= 2
            assert house.receivers["texter"].most_at_once > 1

    asyncio.run(go())


# --- attempts ------------------------------------------------------------------------------


def test_a_vendor_that_fails_is_tried_again_with_the_same_id(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: web.Response(status=500 if n < 3 else 200)
            receipt = house.out(ANN)
            await house.settle()
            (row,) = house.ledger.outbox.waiting("texter")
            assert (row.seq, row.attempts, row.answer) == (receipt.seq, 1, "500")
            assert 2.5 * SECOND <= row.next_at - house.now <= 7.5 * SECOND
            house.now = row.next_at - 1
            await house.settle()
            assert len(texter.got) == 1
            house.now += 1
            await house.settle()
            assert len(texter.got) == 2
            await house.settle(hours=2)
            assert len(texter.got) == 4
            assert len({got.id for got in texter.got}) == 1
            (row,) = house.ledger.outbox.told(receipt.seq)
            assert (row.state, row.attempts) == ("told", 4)

    asyncio.run(go())


def test_retry_after_is_obeyed_for_the_whole_vendor(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: (
                web.Response() if n else web.Response(status=429, headers={"Retry-After": "1800"})
            )
            house.out(ANN)
            await house.settle()
            house.out(BEN)
            house.now += 1799 * SECOND
            await house.settle()
            assert len(texter.got) == 1
            house.now += SECOND
            await house.settle()
            assert [got.data["subject"] for got in texter.got] == [ANN, BEN, ANN] or [
                got.data["subject"] for got in texter.got
            ] == [ANN, ANN, BEN]

    asyncio.run(go())


def test_a_vendor_that_never_answers_ends_in_dead_letters_that_can_be_tried_again(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        from heedful.fanout import retry, status

        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: web.Response(status=500)
            for person in range(3):
                house.out(f"tel:+1415555010{person}")
            await house.settle(hours=24)
            assert len(house.ledger.outbox.waiting("texter")) == 3
            await house.settle(hours=120)
            assert len(texter.got) == 30
            assert len(house.ledger.outbox.dead("texter")) == 3
            (now,) = status(house.ledger, house.clock)
            assert (now.dead, now.waiting, now.behind, now.told) == (3, 0, 0, False)
            assert now.oldest == START

            texter.answer = lambda n: web.Response()
            assert retry(house.ledger, "texter", house.now) == 3
            await house.settle()
            assert len(texter.got) == 33
            (now,) = status(house.ledger, house.clock)
            assert now.told
            assert len({got.id for got in texter.got}) == 3

    asyncio.run(go())


def test_gone_disables_the_vendor_and_its_instructions_wait(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        from heedful.fanout import retry, status

        both = ("sms/weekly_deals", "email/weekly_deals")
        async with House(database_url, tmp_path, texter=TEXTER, mailer=both) as house:
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: web.Response(status=410)
            house.out(ANN)
            await house.settle()
            house.out(BEN, "*/marketing")
            await house.settle(hours=48)
            assert len(texter.got) == 1
            assert len(house.receivers["mailer"].got) == 2
            found = {s.vendor: s for s in status(house.ledger, house.clock)}
            assert (found["texter"].telling, found["texter"].why) == ("disabled", "410")
            assert found["texter"].behind == 1
            assert found["mailer"].told

            texter.answer = lambda n: web.Response()
            retry(house.ledger, "texter", house.now)
            await house.settle()
            assert [got.data["subject"] for got in texter.got] == [ANN, ANN, BEN]

    asyncio.run(go())


def test_a_newer_wish_takes_the_place_of_the_one_that_waits(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: web.Response(status=500)
            first = house.out(ANN, "sms/topic:weekly_deals")
            await house.settle()
            texter.answer = lambda n: web.Response()
            second = house.out(ANN)
            await house.settle()
            assert [got.data["seq"] for got in texter.got] == [first.seq, second.seq]
            assert house.ledger.outbox.waiting("texter") == []
            (row,) = house.ledger.outbox.told(first.seq)
            assert (row.state, row.answer) == ("overtaken", f"by {second.seq}")

    asyncio.run(go())


def test_a_narrower_wish_waits_behind_a_wider_one(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: web.Response(status=500 if n == 0 else 200)
            house.out(ANN)
            await house.settle()
            house.now += SECOND
            house.back(ANN, "sms/topic:weekly_deals")
            await house.settle()
            assert texter.words[1:] == [
                f"1 opt_out {ANN} sms/weekly_deals in sms/cart_reminders out",
                f"2 opt_in {ANN} sms/weekly_deals in",
            ]

    asyncio.run(go())


# --- one vendor is not another -------------------------------------------------------------


def test_a_slow_vendor_delays_no_other(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(
            database_url, tmp_path, texter=TEXTER, mailer=("sms/weekly_deals",)
        ) as house:
            await house.settle()
            release = asyncio.Event()

            async def hang(n: int) -> web.Response:
                await release.wait()
                return web.Response()

            house.receivers["texter"].answer = hang
            for person in range(100):
                house.out(f"tel:+141555501{person:02}")
            step = asyncio.create_task(house.settle())
            async with asyncio.timeout(5):
                while len(house.receivers["mailer"].got) < 100:
                    await asyncio.sleep(0.01)
            assert len(house.receivers["texter"].got) <= 32
            release.set()
            await step
            assert len(house.receivers["texter"].got) == 100

    asyncio.run(go())


def test_a_dead_vendor_is_probed_by_one_at_a_time_and_comes_back_at_once(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(
            database_url, tmp_path, texter=TEXTER, mailer=("sms/weekly_deals",)
        ) as house:
            await house.settle()
            texter = house.receivers["texter"]
            port = texter.port
            await texter.stop()
            for person in range(50):
                house.out(f"tel:+141555501{person:02}")
            await house.settle()
            assert len(house.receivers["mailer"].got) == 50
            assert len(house.ledger.outbox.waiting("texter")) == 50
            texter.port, texter.most_at_once = port, 0
            await texter.start()
            await house.settle(hours=0.5)
            assert len({got.data["subject"] for got in texter.got}) == 50
            assert house.ledger.outbox.waiting("texter") == []

    asyncio.run(go())


def test_a_vendor_without_its_secret_waits_and_no_other(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        from heedful.fanout import status

        house = House(database_url, tmp_path, texter=TEXTER, mailer=("sms/weekly_deals",))
        house.extra["texter"] = f"file:{tmp_path}/not-there"
        async with house:
            await house.settle()
            house.out(ANN)
            await house.settle()
            assert len(house.receivers["mailer"].got) == 1
            found = {s.vendor: s for s in status(house.ledger, house.clock)}
            assert found["texter"].telling == "not_configured"
            assert "not-there" in (found["texter"].why or "")
            assert not found["texter"].told
            (tmp_path / "not-there").write_text(house.receivers["texter"].secret)
            house.now += 2 * SECOND
            await house.settle()
            assert house.receivers["texter"].words == [
                f"1 opt_out {ANN} sms/weekly_deals out sms/cart_reminders out"
            ]

    asyncio.run(go())


# --- first, all that stands ----------------------------------------------------------------


def test_a_new_vendor_is_told_what_stands_and_then_what_comes(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        from heedful.fanout import status

        async with House(database_url, tmp_path, mailer=MAILER) as house:
            for person in range(300):
                house.out(f"tel:+14155550{person:03}")
            house.now += SECOND
            for person in range(100):
                house.back(f"tel:+14155550{person:03}")
            house.out(CAT, "email/marketing")
            await house.settle()
            await house.employ(texter=TEXTER)
            texter = house.receivers["texter"]
            (_, before) = status(house.ledger, house.clock)
            assert (before.telling, before.told) == ("first", False)

            # Writes go on meanwhile: one comes back, one leaves.
            def meanwhile(n: int) -> web.Response:
                if n == 50:
                    house.now += SECOND
                    house.back("tel:+14155550299")
                    house.out("tel:+14155550000")
                return web.Response()

            texter.answer = meanwhile
            await house.settle()
            believed = texter.last_words()
            out = {
                s for (s, _, t), word in believed.items() if word == "out" and t == "weekly_deals"
            }
            assert out == {f"tel:+14155550{p:03}" for p in [0, *range(100, 299)]}
            assert len(texter.got) <= 203
            first = [got for got in texter.got if got.data["seq"] <= 401]
            assert {got.type for got in first} == {"consent.opt_out"}
            (_, after) = status(house.ledger, house.clock)
            assert (after.telling, after.told, after.behind) == ("told", True, 0)

    asyncio.run(go())


def test_a_vendor_whose_touchpoints_grew_is_told_what_stands_for_the_new_ones(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            house.out(ANN, "sms/topic:cart_reminders")
            house.out(BEN, "sms/topic:weekly_deals")
            await house.settle()
            texter = house.receivers["texter"]
            assert texter.words == [f"2 opt_out {BEN} sms/weekly_deals out"]
            await house.employ(texter=TEXTER)
            house.now += 2 * SECOND
            await house.settle()
            await house.settle()
            assert sorted(texter.words[1:]) == [
                f"1 opt_out {ANN} sms/cart_reminders out",
                f"2 opt_out {BEN} sms/weekly_deals out",
            ]
            await house.employ(texter=TEXTER[:1])
            house.now += 2 * SECOND
            await house.settle()
            await house.settle()
            assert len(texter.got) == 3

    asyncio.run(go())


def test_growing_loses_nothing_that_was_not_told_yet(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            house.out(ANN)
            house.out(BEN)
            await house.settle()
            texter = house.receivers["texter"]
            texter.answer = lambda n: web.Response(status=500)
            house.now += SECOND
            house.back(ANN)
            await house.settle()  # ANN's return waits to be tried again
            await house.dispatchers.pop().close()
            house.now += SECOND
            house.back(BEN)  # and BEN's has not been read yet
            texter.answer = lambda n: web.Response()
            await house.employ(texter=TEXTER)
            await house.settle(hours=1)
            assert set(texter.last_words().values()) == {"in"}
            assert house.ledger.outbox.waiting("texter") == []

    asyncio.run(go())


def test_a_place_in_another_history_means_to_be_told_anew(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            house.out(ANN)
            await house.settle()
            await house.dispatchers.pop().close()
            cursor = house.ledger.outbox.cursors()["texter"]
            house.ledger.outbox.lease("texter", "me", house.now, house.now + SECOND)
            for seq, digest in ((1, "0" * 64), (77, cursor.hash)):
                house.ledger.outbox.lease("texter", "me", house.now, house.now + SECOND)
                moved = replace(cursor, seq=seq, hash=digest)
                house.ledger.outbox.store("texter", "me", [], moved)
                house.ledger.outbox.release("texter", "me")
                await house.settle()
                await house.dispatchers.pop().close()
            assert house.receivers["texter"].words == [f"1 opt_out {ANN} sms/weekly_deals out"] * 3

    asyncio.run(go())


# --- who it is about -----------------------------------------------------------------------


def test_a_contacts_opt_out_is_told_for_each_address_it_was_ever_linked_to(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1], mailer=MAILER) as house:
            await house.settle()
            house.say(link("crm-42", ANN), link("crm-42", BEN), link("crm-42", CAT))
            house.say(link("crm-42", BEN, Action.UNLINK))
            await house.settle()
            assert house.receivers["texter"].got == []
            receipt = house.out("contact:crm-42", "*/marketing")
            await house.settle()
            assert (
                sorted(house.receivers["texter"].words)
                == [
                    f"{receipt.seq} opt_out {BEN} sms/weekly_deals out",
                    f"{receipt.seq} opt_out {ANN} sms/weekly_deals out",
                ][::-1]
            )
            assert len({got.id for got in house.receivers["texter"].got}) == 2
            assert house.receivers["mailer"].words == [
                f"{receipt.seq} opt_out {CAT} email/weekly_deals out",
            ]

    asyncio.run(go())


def test_an_address_linked_to_who_has_opted_out_is_told_then(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            house.out("contact:crm-42", "*/marketing")
            await house.settle()
            assert house.receivers["texter"].got == []
            house.say(link("crm-42", ANN))
            await house.settle()
            assert house.receivers["texter"].words == [f"2 opt_out {ANN} sms/weekly_deals out"]
            await house.employ(mailer=("sms/order_updates", "sms/cart_reminders"))
            await house.settle()
            await house.settle()
            assert house.receivers["mailer"].words == [f"1 opt_out {ANN} sms/cart_reminders out"]

    asyncio.run(go())


def test_facts_and_pauses_are_told_as_what_they_mean(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(
            database_url, tmp_path, texter=("sms/weekly_deals", "sms/order_updates")
        ) as house:
            await house.settle()
            house.say(fact(ANN, Suppression.UNDELIVERABLE))
            house.say(fact(BEN, Suppression.COMPLAINT))
            house.say(pause("tel:+14155550102", "*/marketing", START + DAY))
            await house.settle()
            texter = house.receivers["texter"]
            assert texter.words == [
                f"1 suppress {ANN} sms/weekly_deals out sms/order_updates out",
                f"2 suppress {BEN} sms/weekly_deals out",
                "3 limit tel:+14155550102 sms/weekly_deals paused",
            ]
            assert texter.got[2].data["standing"][0]["until"] == "2027-01-16T08:00:00Z"
            house.now += SECOND
            house.say(fact(BEN, Suppression.COMPLAINT, Action.RELEASE))
            await house.settle()
            assert texter.words[3:] == [f"4 release {BEN} sms/weekly_deals in"]

    asyncio.run(go())


def test_a_retraction_and_an_erasure_are_told(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        from heedful.core.address import parse_subject
        from heedful.core.event import Statement

        async with House(database_url, tmp_path, texter=TEXTER[:1]) as house:
            await house.settle()
            slip = house.out(ANN)
            await house.settle()
            house.say(
                Statement(
                    parse_subject(ANN), Action.RETRACT, "test", retracts=slip.seq, reason="slip"
                )
            )
            await house.settle()
            texter = house.receivers["texter"]
            assert texter.words[1:] == [f"2 retract {ANN} sms/weekly_deals in"]
            house.ledger.erase(parse_subject(ANN), by="test", purge_by=house.now + 30 * DAY)
            await house.settle()
            assert texter.last_words() == {(ANN, "sms", "weekly_deals"): "out"}
            house.now += 120 * SECOND
            await house.settle()
            assert house.ledger.subject_of(house.ledger.key_of(parse_subject(ANN))) is None

    asyncio.run(go())


# --- more than one dispatcher, and ends ------------------------------------------------------


def test_two_dispatchers_share_the_vendors_and_tell_nobody_twice(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        vendors = {f"v{n}": ("sms/weekly_deals",) for n in range(6)}
        async with House(database_url, tmp_path, **vendors) as house:
            one, two = house.dispatcher(), house.dispatcher()
            await asyncio.gather(one.step(), two.step())
            for person in range(40):
                house.out(f"tel:+141555501{person:02}")
                if person % 10 == 0:
                    await asyncio.gather(one.step(), two.step())
            await asyncio.gather(one.step(), two.step())
            for receiver in house.receivers.values():
                assert len(receiver.got) == 40
            # One ends: the other takes over what it had.
            await one.close()
            house.out(CAT, "sms/marketing") if False else house.out("tel:+14155550199")
            await two.step()
            for receiver in house.receivers.values():
                assert len(receiver.got) == 41

    asyncio.run(go())


def test_a_lost_lease_ends_at_once_and_another_takes_over_when_it_runs_out(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            one, two = house.dispatcher(), house.dispatcher()
            await one.step()
            house.out(ANN)
            await two.step()
            assert house.receivers["texter"].got == []
            house.now += 31 * SECOND  # one hangs meanwhile, and then wakes up too late
            await two.step()
            assert len(house.receivers["texter"].got) == 1
            await one.step()
            house.out(BEN)
            await one.step()
            assert len(house.receivers["texter"].got) == 1
            await two.step()
            assert len(house.receivers["texter"].got) == 2

    asyncio.run(go())


def test_an_answer_that_was_not_stored_is_asked_for_again_with_the_same_id(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            one = house.dispatcher()
            await one.step()
            told = asyncio.Event()

            def answer(n: int) -> web.Response:
                told.set()
                return web.Response()

            house.receivers["texter"].answer = answer
            house.out(ANN)
            step = asyncio.create_task(one.step())
            await told.wait()
            step.cancel()  # as if the process ended between the answer and its storing
            for telling in one._roster.tellings.values():
                telling.close()
            one._roster.tellings.clear()
            house.now += 31 * SECOND
            two = house.dispatcher()
            await two.step()
            first, second = house.receivers["texter"].got
            assert first == second

    asyncio.run(go())


def test_what_is_under_way_at_the_end_is_finished_and_stored(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            one = house.dispatcher()
            await one.step()

            async def slow(n: int) -> web.Response:
                await asyncio.sleep(0.2)
                return web.Response()

            texter = house.receivers["texter"]
            texter.answer = slow
            for person in range(100):
                house.out(f"tel:+141555501{person:02}")
            step = asyncio.create_task(one.step())
            while not texter.got:
                await asyncio.sleep(0.01)
            await one.close()
            step.cancel()
            texter.answer = lambda n: web.Response()
            two = house.dispatcher()
            await two.step()
            assert len(texter.got) == 100

    asyncio.run(go())
