"""WeCom is away for a while, or does not know us any more: afterwards everything is caught up, or its reason kept."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlmodel import Session

from bot.jobs import Priority
from bot.outbox import say
from simulator.app import create_simulator
from sop.models import NOT_SENT, SENT, UNCONFIRMED
from tests.conftest import MONDAY_TEN, RunningBot, WeCom, bot_settings, free_port, running_bot, served
from tests.hand_clock import HandClock
from tests.stories.ledger import ledger
from tests.stories.waiting import all_done, unfinished

WINDOW = 5.0
"""Seconds a welcome code lives here."""
MEMBERS = ("lin", "wang", "su", "mo", "he", "zhou")
SEND, WELCOME = "message/send", "externalcontact/send_welcome_msg"


@pytest.fixture
def clock() -> HandClock:
    """A clock that a test lets run as fast as it likes, for bot and simulator alike."""
    return HandClock(MONDAY_TEN)


@pytest.fixture
async def bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: HandClock) -> AsyncIterator[RunningBot]:
    """A bot beside the simulator, with a short window for welcomes on both sides."""
    await wecom.sim("POST", "limits", {"welcome_seconds": WINDOW, "callback_retry_seconds": []})
    settings = bot_settings(wecom.corp, wecom.url, database_url, tmp_path, welcome_seconds=WINDOW)
    async with running_bot(wecom, settings, clock) as running:
        yield running


async def second_passes(bot: RunningBot, clock: HandClock) -> None:
    """A second goes by in a twentieth of one."""
    clock.forward(1)
    bot.parts.loop.wake()
    await asyncio.sleep(0.05)


async def caught_up(bot: RunningBot, clock: HandClock) -> None:
    """Let time go by until nothing is left to do."""
    async with asyncio.timeout(30):
        while await unfinished(bot):
            await second_passes(bot, clock)


async def check(
    bot: RunningBot, wecom: WeCom, adds: list[str], questions: int, members: Sequence[str] = MEMBERS
) -> set[str]:
    """Each question answered once, each add greeted once or late with its reason; the outcomes there were."""
    answers = [text for userid in members for text in await wecom.texts(userid)]
    assert [sum(f"“第{n}问”" in text for text in answers) for n in range(questions)] == [1] * questions
    rows = {row.external_userid: row for row in await ledger(bot)}
    assert rows.keys() == set(adds)
    for external_userid, row in rows.items():
        greetings = len(await wecom.received(external_userid))
        late = str(row.reason).startswith("late")
        assert (row.outcome, greetings, late) in {
            (SENT, 1, False),
            (UNCONFIRMED, 1, False),
            (NOT_SENT, 0, True),
        }, row
    return {row.outcome for row in rows.values()}


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": "request"}, {"errcode": -1}], ids=str)
async def test_an_outage_of_twenty_seconds_costs_late_welcomes_only(
    bot: RunningBot, wecom: WeCom, clock: HandClock, fault: dict[str, Any]
) -> None:
    adds = []
    await wecom.fault("*", **fault)
    for second in range(20):
        adds.append((await wecom.adds_friend(MEMBERS[second % 6]))["external_userid"])
        await wecom.types(MEMBERS[second % 6], f"第{second}问")
        await second_passes(bot, clock)
    await wecom.sim("DELETE", "faults")
    await caught_up(bot, clock)
    adds.append((await wecom.adds_friend("lin"))["external_userid"])
    await caught_up(bot, clock)

    outcomes = await check(bot, wecom, adds, 20)
    assert SENT in outcomes


async def test_where_every_answer_is_lost_nothing_is_done_twice_and_the_doubt_is_kept(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    for path in (SEND, WELCOME):
        await wecom.fault(path, drop="answer")
    added = await wecom.adds_friend("lin")
    await wecom.types("wang", "第0问")
    for _ in range(20):
        await second_passes(bot, clock)
    await wecom.sim("DELETE", "faults")
    await caught_up(bot, clock)

    assert len(await wecom.received(added["external_userid"])) == 1
    assert len(await wecom.texts("wang")) == 1
    [row] = await ledger(bot)
    assert str(row.reason).startswith("late")
    assert "an attempt without an answer may have been carried out" in str(row.reason)


async def test_a_platform_that_is_gone_and_comes_back_finds_everything_waiting(
    database_url: str, tmp_path: Path, clock: HandClock, wecom: WeCom
) -> None:
    port, corp = free_port(), wecom.corp
    address = f"http://127.0.0.1:{port}"
    settings = bot_settings(corp, address, database_url, tmp_path, welcome_seconds=WINDOW)
    async with aiohttp.ClientSession() as http:
        there = WeCom(corp, address, http)
        async with served(create_simulator(corp), port):
            running = running_bot(there, settings, clock)
            bot = await running.__aenter__()
            await there.fault("*", status=503)
            adds = [(await there.adds_friend(userid))["external_userid"] for userid in MEMBERS]
            await asyncio.gather(*(there.types(MEMBERS[n % 6], f"第{n}问") for n in range(30)))
        for _ in range(20):
            await second_passes(bot, clock)
        assert await unfinished(bot) >= 30
        async with served(create_simulator(corp), port):
            await caught_up(bot, clock)
            adds.append((await there.adds_friend("wang"))["external_userid"])
            await caught_up(bot, clock)
            outcomes = await check(bot, there, adds, 30)
            await running.__aexit__(None, None, None)

    assert outcomes == {SENT, NOT_SENT}


async def test_a_wrong_secret_stops_everything_until_it_is_put_right(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    wecom.corp.app.secret = "changed-in-the-console"
    await wecom.sim("POST", "tokens/revoke", {})
    before = await wecom.calls("gettoken")
    await asyncio.gather(*(wecom.types(MEMBERS[n % 6], f"第{n}问") for n in range(18)))
    tries: list[dict[str, Any]] = []
    for seconds in (0, 60, 300):
        clock.forward(seconds)
        bot.parts.loop.wake()
        after = (before + tries)[-1]["n"]
        tries += (await wecom.sim("GET", f"calls?path=gettoken&after={after}&wait=10"))["calls"]
        for _ in range(20):
            await second_passes(bot, clock)
        async with wecom.http.get(f"{bot.url}/readyz") as answer:
            assert (answer.status, (await answer.json())["token"]) == (503, False)
    assert [call["errcode"] for call in tries] == [40001] * 3
    assert len(await wecom.calls("gettoken")) == len(before) + 3

    wecom.corp.app.secret = bot.parts.settings.agent_secret.get_secret_value()
    clock.forward(900)
    await caught_up(bot, clock)
    await check(bot, wecom, [], 18)
    async with wecom.http.get(f"{bot.url}/readyz") as answer:
        assert answer.status == 200


async def test_fewer_calls_at_once_after_45033_and_all_arrive(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await wecom.sim("POST", "limits", {"concurrent": 10})
    await wecom.fault(SEND, latency_ms=50)

    def push(session: Session) -> None:
        for number in range(120):
            given: dict[str, Any] = {"priority": Priority.PUSH, "lane": None}
            say(session, MEMBERS[number % 6], f"早报{number}号", cause=f"{number}", now=clock.now(), **given)

    await bot.database.write(push)
    await caught_up(bot, clock)

    texts = [text for userid in MEMBERS for text in await wecom.texts(userid)]
    assert sorted(int(text.partition("报")[2].partition("号")[0]) for text in texts) == list(range(120))
    assert 45033 in {call["errcode"] for call in await wecom.calls(SEND)}
    assert bot.parts.gateway.limits.parallel[SEND].allowed < 40


async def test_forty_answers_to_one_member_are_all_delivered_and_none_vanishes(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    for number in range(40):
        await wecom.types("lin", f"第{number}问")
    await bot.parts.database.write(lambda session: say(session, "wang", "早", cause="push", now=clock.now()))
    await wecom.sim("GET", "chats/wang?wait=20")
    first = len(await wecom.texts("lin"))
    await caught_up(bot, clock)

    assert first <= 29
    assert len(await wecom.texts("wang")) == 1
    texts = await wecom.texts("lin")
    assert [text.partition("问")[0] for text in texts] == [f"“第{number}" for number in range(40)]


async def test_an_answer_that_takes_too_long_is_not_given_twice(bot: RunningBot, wecom: WeCom) -> None:
    bot.parts.gateway.seconds = 0.5
    await wecom.fault(SEND, latency_ms=1500, times=2)
    await wecom.types("lin", "第0问")
    await all_done(bot)
    await wecom.sim("GET", "chats/lin?wait=5")

    assert len(await wecom.texts("lin")) == 1


async def test_a_welcome_that_takes_too_long_is_not_sent_twice(
    wecom: WeCom, database_url: str, tmp_path: Path, clock: HandClock
) -> None:
    await wecom.fault(WELCOME, latency_ms=5400, times=1)
    settings = bot_settings(wecom.corp, wecom.url, database_url, tmp_path)
    async with running_bot(wecom, settings, clock) as patient:
        added = await wecom.adds_friend("lin")
        await all_done(patient)
        [row] = await ledger(patient)

    assert len(await wecom.received(added["external_userid"])) == 1
    assert row.outcome in {SENT, UNCONFIRMED}
