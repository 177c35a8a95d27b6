"""WeCom misbehaves: everything owed is delivered once, or its reason is on record."""

import asyncio
from typing import Any

import pytest
from sqlmodel import select

from bot.jobs import DEAD, DONE, Job, retry_dead
from bot.limits import Window
from bot.outbox import say
from sop.models import NOT_SENT, SENT, UNCONFIRMED, Welcome
from tests.conftest import RunningBot, WeCom

WELCOME = "externalcontact/send_welcome_msg"
SEND = "message/send"


async def ledger(bot: RunningBot) -> list[Welcome]:
    """Every row of the ledger."""
    return await bot.database.read(lambda session: list(session.exec(select(Welcome)).all()))


async def jobs(bot: RunningBot, kind: str) -> list[Job]:
    """Every job of a kind."""
    return await bot.database.read(lambda session: list(session.exec(select(Job).where(Job.kind == kind)).all()))


async def all_ended(bot: RunningBot, kind: str) -> None:
    """Wait until no event and no job of a kind is left to do: repeats wait a second or two in their rows."""
    async with asyncio.timeout(45):
        while await left(bot, "event") or await left(bot, kind):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def left(bot: RunningBot, kind: str) -> int:
    """How many jobs of a kind wait or run."""
    return sum(job.state not in {DONE, DEAD} for job in await jobs(bot, kind))


@pytest.mark.parametrize("expire", [False, True])
async def test_a_token_revoked_in_mid_flight_is_fetched_once_for_all(
    bot: RunningBot, wecom: WeCom, expire: bool
) -> None:
    before = len(await wecom.calls("gettoken"))
    await wecom.sim("POST", "tokens/revoke", {"expire": expire})
    await asyncio.gather(*(wecom.types(userid, "ping") for userid in ("lin", "wang", "su", "mo", "he", "zhou")))
    await all_ended(bot, "message")

    assert [len(await wecom.texts(userid)) for userid in ("lin", "wang", "su", "mo", "he", "zhou")] == [1] * 6
    assert len(await wecom.calls("gettoken")) == before + 1


@pytest.mark.parametrize(
    "fault",
    [
        {"errcode": -1}, {"errcode": 45033}, {"errcode": 45035}, {"status": 500}, {"status": 502}, {"drop": "request"},
        {"drop": "answer"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_message_is_delivered_once_whatever_happens_to_its_first_call(
    bot: RunningBot, wecom: WeCom, fault: dict[str, Any]
) -> None:
    await wecom.fault(SEND, times=1, **fault)
    await wecom.types("lin", "ping")
    await all_ended(bot, "message")

    assert len(await wecom.texts("lin")) == 1
    [job] = await jobs(bot, "message")
    assert (job.state, job.outcome) == (DONE, "sent")


async def test_a_message_whose_call_timed_out_is_delivered_once(bot: RunningBot, wecom: WeCom) -> None:
    bot.parts.gateway.seconds = 0.3
    await wecom.fault(SEND, latency_ms=1000, times=1)
    await wecom.types("lin", "ping")
    await all_ended(bot, "message")

    assert len(await wecom.texts("lin")) == 1
    assert await wecom.calls(SEND)


async def test_45009_rests_the_path_and_is_caught_up(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault(SEND, errcode=45009, times=1)
    await wecom.types("lin", "ping")
    async with asyncio.timeout(20):
        while not any(job.error for job in await jobs(bot, "message")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await wecom.texts("lin") == []

    bot.parts.gateway.limits.blocked.clear()
    wecom.corp.clock.jump(wecom.corp.clock.now().replace(minute=30))
    bot.parts.loop.wake()
    await all_ended(bot, "message")
    assert len(await wecom.texts("lin")) == 1


@pytest.mark.parametrize("fault", [{"errcode": -1}, {"status": 503}, {"drop": "request"}, {"errcode": 41096}], ids=str)
async def test_a_welcome_gets_through_at_the_next_try(bot: RunningBot, wecom: WeCom, fault: dict[str, Any]) -> None:
    await wecom.fault(WELCOME, times=1, **fault)
    added = await wecom.adds_friend("lin")
    await all_ended(bot, "welcome")

    assert len(await wecom.received(added["external_userid"])) == 1
    assert [row.outcome for row in await ledger(bot)] == [SENT]


async def test_a_welcome_whose_answer_was_lost_is_unconfirmed_and_not_doubled(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault(WELCOME, drop="answer", times=1)
    added = await wecom.adds_friend("lin")
    await all_ended(bot, "welcome")

    assert len(await wecom.received(added["external_userid"])) == 1
    assert [row.outcome for row in await ledger(bot)] == [UNCONFIRMED]


@pytest.mark.parametrize(("errcode", "word"), [(41050, "late or wrong"), (41051, "chat has begun"), (41053, "archive")])
async def test_a_refused_welcome_says_why(bot: RunningBot, wecom: WeCom, errcode: int, word: str) -> None:
    await wecom.fault(WELCOME, errcode=errcode, times=1)
    added = await wecom.adds_friend("lin")
    await all_ended(bot, "welcome")

    assert await wecom.received(added["external_userid"]) == []
    [row] = await ledger(bot)
    assert row.outcome == NOT_SENT
    assert row.reason is not None
    assert word in row.reason


async def test_after_an_outage_everything_is_caught_up_with_reasons_for_late_welcomes(
    bot: RunningBot, wecom: WeCom
) -> None:
    await wecom.fault("*", status=503)
    added = await wecom.adds_friend("lin")
    await wecom.types("wang", "ping")
    # The window of twenty seconds goes by while nothing answers.
    wecom.corp.clock.jump(wecom.corp.clock.now().replace(minute=30))
    bot.parts.loop.wake()
    await all_ended(bot, "welcome")
    await wecom.sim("DELETE", "faults")
    await all_ended(bot, "message")

    assert len(await wecom.texts("wang")) == 1
    assert await wecom.received(added["external_userid"]) == []
    [row] = await ledger(bot)
    assert row.outcome == NOT_SENT
    assert row.reason is not None
    assert row.reason.startswith("late")


async def test_what_cannot_be_delivered_is_visible_and_can_be_tried_again(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "members", {"userid": "lin", "in_scope": False})
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: say(session, "lin", "你好", cause="test", now=now))
    await all_ended(bot, "message")
    [job] = await jobs(bot, "message")
    assert job.state == DEAD
    assert job.error

    await wecom.sim("POST", "members", {"userid": "lin", "in_scope": True})
    await bot.database.write(lambda session: retry_dead(session, [job.id or 0], now))
    await all_ended(bot, "message")
    assert len(await wecom.texts("lin")) == 1


async def test_a_welcome_overtakes_three_hundred_pushes(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault(SEND, latency_ms=100)
    now = bot.parts.clock.now()

    def push(session: Any) -> None:
        for number in range(300):
            say(session, f"nobody{number}", "早上好", cause=f"push:{number}", now=now, priority=3)

    await bot.database.write(push)
    added = await wecom.adds_friend("lin")
    await all_ended(bot, "welcome")

    assert len(await wecom.received(added["external_userid"])) == 1
    assert await left(bot, "message")


async def test_more_answers_than_a_minute_allows_wait_instead_of_being_dropped(bot: RunningBot, wecom: WeCom) -> None:
    bot.parts.gateway.limits.members["lin"] = Window(((2.0, 5),))
    for _ in range(12):
        await wecom.types("lin", "ping")
    await all_ended(bot, "message")

    assert len(await wecom.texts("lin")) == 12
    assert len(await wecom.calls(SEND)) == 12
