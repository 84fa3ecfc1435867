"""Vendors, brands and ledgers change; what a vendor does not know yet, it is told."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from heedful.core.address import parse_subject
from heedful.core.instant import DAY, SECOND
from heedful.fanout import retry, status
from heedful.ledger import Delivery, Ledger
from heedful.ledger.backup import backup
from heedful.ledger.restore import restore
from tests.fanout.house import ANN, BEN, CAT, TOPICS, House, Receiver, link

TEXTER = ("sms/weekly_deals",)
ALL = ("sms/weekly_deals", "email/weekly_deals")
TOKEN = "push:abcdefghijklmnop"


async def settled(house: House) -> None:
    """Whatever changed is noticed and done."""
    for _ in range(3):
        house.now += 2 * SECOND
        await house.settle()


# --- an address is told of the channels that it serves ---------------------------------------


def test_an_address_is_told_of_the_channels_that_it_serves(
    database_url: str, tmp_path: Path
) -> None:
    said = [f"opt_out {ANN} sms/weekly_deals out", f"opt_out {CAT} email/weekly_deals out"]

    async def go() -> None:
        async with House(database_url, tmp_path, first=TEXTER) as house:
            for subject in (ANN, CAT, TOKEN):
                house.out(subject, "*/marketing")
            await house.employ(both=ALL)
            await settled(house)
            assert sorted(w.partition(" ")[2] for w in house.receivers["both"].words) == sorted(
                said
            )
            assert house.receivers["first"].words == [f"1 {said[0]}"]
            # And the same from the feed.
            house.receivers["both"].got.clear()
            house.now += SECOND
            for subject in (ANN, CAT, TOKEN):
                house.back(subject, "*/marketing")
            await settled(house)
            assert {w.partition(" ")[2] for w in house.receivers["both"].words} == {
                w.replace("out", "in") for w in said
            }

    asyncio.run(go())


@pytest.mark.parametrize("first", [True, False])
def test_a_contacts_addresses_too(database_url: str, tmp_path: Path, first: bool) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, first=TEXTER) as house:
            if not first:
                await house.employ(both=ALL)
                await settled(house)
            for address in (ANN, CAT, TOKEN):
                house.say(link("crm-42", address))
            if not first:
                await settled(house)
            house.out("contact:crm-42", "*/marketing")
            if first:
                await house.employ(both=ALL)
            await settled(house)
            assert sorted(house.receivers["both"].words) == [
                f"4 opt_out {CAT} email/weekly_deals out",
                f"4 opt_out {ANN} sms/weekly_deals out",
            ]

    asyncio.run(go())


# --- vendors that change ---------------------------------------------------------------------


def test_one_that_was_removed_goes_on_where_it_was(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER, other=TEXTER) as house:
            house.out(ANN)
            await settled(house)
            del house.vendors["texter"]
            house.apply()
            await settled(house)
            house.out(BEN)
            await settled(house)
            assert len(house.receivers["texter"].got) == 1
            assert len(house.receivers["other"].got) == 2
            await house.employ(texter=TEXTER)
            await settled(house)
            assert [got.data["subject"] for got in house.receivers["texter"].got] == [ANN, BEN]

    asyncio.run(go())


def test_at_another_url_it_is_told_what_stands(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            house.out(ANN)
            await settled(house)
            old = house.receivers["texter"]
            house.receivers["texter"] = new = Receiver("texter", old.secret)
            await new.start()
            house.apply()
            await settled(house)
            assert new.words == [f"1 opt_out {ANN} sms/weekly_deals out"]
            assert len(old.got) == 1
            await old.stop()

    asyncio.run(go())


def test_what_came_while_a_touchpoint_was_away_is_told_when_it_is_back(
    database_url: str, tmp_path: Path
) -> None:
    both = ("sms/weekly_deals", "sms/cart_reminders")

    async def go() -> None:
        async with House(database_url, tmp_path, texter=both) as house:
            await settled(house)
            await house.employ(texter=both[:1])
            await settled(house)
            house.out(ANN, "sms/topic:cart_reminders")
            await settled(house)
            assert house.receivers["texter"].got == []
            await house.employ(texter=both)
            await settled(house)
            assert house.receivers["texter"].words == [f"1 opt_out {ANN} sms/cart_reminders out"]

    asyncio.run(go())


def test_a_topic_that_takes_the_place_of_another_brings_its_opt_outs(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            house.out(ANN, "sms/topic:cart_reminders")
            await settled(house)
            assert house.receivers["texter"].got == []
            replaced = TOPICS.replace(
                "[topics.weekly_deals]", '[topics.weekly_deals]\nreplaces = ["cart_reminders"]'
            )
            start = replaced.index("[topics.cart_reminders]")
            gone = replaced[:start] + replaced[replaced.index("[topics.weekly_tips]") :]
            monkeypatch.setattr("tests.fanout.house.TOPICS", gone)
            house.apply()
            await settled(house)
            assert house.receivers["texter"].words == [f"1 opt_out {ANN} sms/weekly_deals out"]

    asyncio.run(go())


# --- what waits ------------------------------------------------------------------------------


def test_what_waits_and_concerns_the_vendor_no_more_waits_no_more(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        sends = (*TEXTER, "sms/order_updates")
        async with House(database_url, tmp_path, texter=sends) as house:
            await settled(house)
            house.receivers["texter"].answer = lambda n: web.Response(status=500)
            slip = house.out(ANN)
            await house.settle()
            assert len(house.ledger.outbox.waiting("texter")) == 1
            await house.employ(texter=sends[1:])
            await settled(house)
            assert house.ledger.outbox.waiting("texter") == []
            (row,) = house.ledger.outbox.told(slip.seq)
            assert (row.state, row.answer) == ("overtaken", "it concerns the vendor no more")
            house.receivers["texter"].answer = lambda n: web.Response()
            await house.employ(texter=sends)
            await settled(house)
            assert house.receivers["texter"].last_words()[ANN, "sms", "weekly_deals"] == "out"

    asyncio.run(go())


def test_a_first_word_that_a_list_of_digests_caused_is_tried_again(
    database_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, first=TEXTER) as house:
            digest = next(d for d in parse_subject(ANN).digests)  # type: ignore[union-attr]
            house.out(ANN, "sms/topic:order_updates")
            house.now += SECOND
            house.out(digest, "*/marketing")
            await house.employ(texter=TEXTER)
            house.receivers["texter"].answer = lambda n: web.Response(status=500)
            await house.settle()
            await house.dispatchers.pop().close()
            house.receivers["texter"].answer = lambda n: web.Response()
            await house.settle(hours=1)
            assert house.receivers["texter"].last_words()[ANN, "sms", "weekly_deals"] == "out"
            assert house.ledger.outbox.waiting("texter") == []

    asyncio.run(go())


# --- another history -------------------------------------------------------------------------


def test_after_a_restore_the_vendor_hears_again_what_stands(
    sqlite_url: str, tmp_path: Path
) -> None:
    """It was told of a return that the backup does not know: its place is right, and what it
    believes is not."""

    async def go() -> None:
        async with House(sqlite_url, tmp_path, texter=TEXTER) as house:
            house.out(ANN)
            await settled(house)
            backup(house.ledger, tmp_path / "b.gz")
            house.back(ANN)
            await settled(house)
            texter = house.receivers["texter"]
            assert texter.last_words()[ANN, "sms", "weekly_deals"] == "in"
            await house.dispatchers.pop().close()
            house.ledger.close()
            url = f"sqlite:///{tmp_path}/restored.db"
            restore(tmp_path / "b.gz", url, house.keys, clock=house.clock)
            house.ledger = Ledger.open(url, house.keys, clock=house.clock)
            await settled(house)
            assert texter.last_words()[ANN, "sms", "weekly_deals"] == "out"
            assert len({got.id for got in texter.got}) == 3

    asyncio.run(go())


def test_what_waits_of_another_history_waits_no_more(database_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            house.out(ANN)
            await settled(house)
            await house.dispatchers.pop().close()
            outbox = house.ledger.outbox
            outbox.lease("texter", "me", house.now, house.now + SECOND)
            key = house.ledger.key_of(parse_subject(BEN))
            row = Delivery("texter", key, 77, "later", 1, house.now + DAY, house.now, "500")
            cursor = replace(outbox.cursors()["texter"], seq=77, hash="0" * 64)
            outbox.store("texter", "me", [row], cursor)
            outbox.release("texter", "me")
            await settled(house)
            assert outbox.waiting("texter") == []
            (now,) = status(house.ledger, house.clock)
            assert now.told

    asyncio.run(go())


# --- whatever goes wrong here ----------------------------------------------------------------


def test_an_answer_is_stored_in_spite_of_a_fault_while_storing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await settled(house)
            outbox, faults = house.ledger.outbox, [ValueError("a fault of ours")]
            real = outbox.store_all

            def store_all(*args: object) -> frozenset[str]:
                if faults and args[1][0][1]:  # type: ignore[index]
                    raise faults.pop()
                return real(*args)  # type: ignore[arg-type]

            monkeypatch.setattr(outbox, "store_all", store_all)
            house.receivers["texter"].answer = lambda n: web.Response(status=500)
            slip = house.out(ANN)
            await house.settle()
            await asyncio.sleep(0.05)
            await settled(house)
            assert faults == []
            assert [row.seq for row in outbox.waiting("texter")] == [slip.seq]

    asyncio.run(go())


def test_a_fault_while_an_answer_is_taken_ends_in_another_try(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        from heedful.fanout.answers import Answers

        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await settled(house)
            faults, real = [ValueError("a fault of ours")], Answers.note

            def note(*args: object) -> None:
                if faults:
                    raise faults.pop()
                real(*args)  # type: ignore[arg-type]

            monkeypatch.setattr(Answers, "note", note)
            house.out(ANN)
            await settled(house)
            assert faults == []
            assert len(house.receivers["texter"].got) == 2
            assert len({got.id for got in house.receivers["texter"].got}) == 1
            (now,) = status(house.ledger, house.clock)
            assert now.told

    asyncio.run(go())


def test_the_status_counts_and_reads_no_backlog(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        async with House(database_url, tmp_path, texter=TEXTER) as house:
            await settled(house)
            house.receivers["texter"].answer = lambda n: web.Response(status=503, text="busy")
            began = house.now
            for subject in (ANN, BEN):
                house.out(subject)
            await house.settle()
            for listing in ("waiting", "dead"):
                monkeypatch.delattr(type(house.ledger.outbox), listing)
            (now,) = status(house.ledger, house.clock)
            assert (now.waiting, now.dead, now.behind) == (2, 0, 0)
            assert (now.oldest, now.last_answer) == (began, "503 busy")
            monkeypatch.undo()
            await house.settle(hours=120)
            (now,) = status(house.ledger, house.clock)
            assert (now.waiting, now.dead, now.last_answer) == (0, 2, "503 busy")
            assert retry(house.ledger, "texter", house.now) == 2

    asyncio.run(go())


def test_a_dispatcher_says_whether_it_is_alive(sqlite_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with House(sqlite_url, tmp_path, texter=TEXTER) as house:
            dispatcher = house.dispatcher()
            assert not dispatcher.alive
            dispatcher.start()
            assert dispatcher.alive
            await asyncio.to_thread(dispatcher.stop)
            assert not dispatcher.alive
            house.dispatchers.clear()

    asyncio.run(go())
