"""WeCom's limits, kept on our side: nobody is sent more than fits, and a restart does not forget what was sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Later
from bot.limits import MINUTE, Parallel, Window
from bot.wecom.errors import RateLimited, TooManyAtOnce
from tests.conftest import WeCom, bot_settings
from tests.hand_clock import HandClock

SEND = "message/send"
Opening = Callable[[], AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip windows with."""
    return HandClock()


@pytest.fixture
def opened(wecom: WeCom, database: Database, clock: HandClock, tmp_path: Path) -> Opening:
    """Opens a gateway as a freshly started process has it."""

    @asynccontextmanager
    async def open_gateway() -> AsyncIterator[Gateway]:
        settings = bot_settings(wecom.corp, wecom.url, "sqlite:///unused", tmp_path)
        async with aiohttp.ClientSession() as http:
            gateway = Gateway(settings, database, clock, http)
            await gateway.resume()
            yield gateway
            await gateway.flush()

    return open_gateway


@pytest.fixture
async def gateway(opened: Opening) -> AsyncIterator[Gateway]:
    """One gateway."""
    async with opened() as made:
        yield made


def hello(userid: str, number: int) -> dict[str, Any]:
    """A text unlike any other."""
    return {"touser": userid, "msgtype": "text", "text": {"content": f"你好 {number}"}}


async def sends(gateway: Gateway, userid: str, numbers: range) -> list[float]:
    """Send texts one after the other; the seconds each held-back one was told to wait."""
    waits = []
    for number in numbers:
        try:
            await gateway.send_message(hello(userid, number))
        except Later as later:
            waits.append(later.seconds)
    return waits


@given(
    rules=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 8)), min_size=1, max_size=3),
    steps=st.lists(st.integers(0, 20), max_size=60),
)
def test_no_window_of_any_rule_ever_holds_more_than_it_allows(rules: list[tuple[float, int]], steps: list[int]) -> None:
    window, now = Window(tuple(rules)), 0.0
    passed: list[float] = []
    for step in steps:
        now += step
        now += window.wait(now)  # whoever waits as long as told may go
        assert window.wait(now) == 0
        window.times.append(now)
        passed.append(now)

    for seconds, most in rules:
        assert all(sum(at <= one < at + seconds for one in passed) <= most for at in passed)


@given(sent=st.lists(st.integers(0, 100), min_size=1, max_size=40))
def test_nobody_waits_longer_than_the_rule_asks(sent: list[int]) -> None:
    window = Window(((60.0, 5),))
    now = 0.0
    for step in sent:
        now += step
        wait = window.wait(now)
        lately = [at for at in window.times if now - at < 60]
        assert (wait > 0) == (len(lately) >= 5)
        assert wait <= 60
        now += wait
        window.times.append(now)


async def test_the_thirtieth_message_of_a_minute_waits_for_the_next(
    gateway: Gateway, wecom: WeCom, clock: HandClock
) -> None:
    waits = await sends(gateway, "lin", range(40))
    others = await sends(gateway, "wang", range(5))
    clock.forward(MINUTE)
    later = await sends(gateway, "lin", range(29, 40))

    assert (len(waits), others, later) == (11, [], [])
    assert all(50 < seconds <= MINUTE for seconds in waits)
    assert len(await wecom.texts("lin")) == 40


async def test_a_restart_remembers_what_was_sent(opened: Opening, wecom: WeCom, clock: HandClock) -> None:
    async with opened() as first:
        await sends(first, "lin", range(20))
    async with opened() as second:
        waits = await sends(second, "lin", range(20, 40))
        clock.forward(MINUTE)
        later = await sends(second, "lin", range(29, 40))

    assert (len(waits), later) == (11, [])
    assert len(await wecom.texts("lin")) == 40


async def test_the_app_stops_at_its_daily_number(gateway: Gateway, clock: HandClock) -> None:
    gateway.limits.app = Window(((86_400.0, 3),))
    waits = [await sends(gateway, userid, range(1)) for userid in ("lin", "wang", "su", "mo")]
    clock.forward(86_400)

    assert waits[:3] == [[], [], []]
    assert 86_000 < waits[3][0] <= 86_400
    assert await sends(gateway, "mo", range(1)) == []


async def test_a_path_told_45009_rests_a_minute_and_others_go_on(
    gateway: Gateway, wecom: WeCom, clock: HandClock
) -> None:
    await wecom.fault(SEND, errcode=45009, times=1)
    with pytest.raises(RateLimited):
        await gateway.send_message(hello("lin", 1))
    waits = await sends(gateway, "lin", range(2, 4))
    app = await gateway.app()
    calls = len(await wecom.calls(SEND))
    clock.forward(MINUTE)

    assert all(55 < seconds <= MINUTE for seconds in waits)
    assert (len(waits), calls, app.agentid) == (2, 1, wecom.corp.app.agent_id)
    assert await sends(gateway, "lin", range(1, 4)) == []


async def test_calls_under_way_never_exceed_what_is_allowed() -> None:
    parallel = Parallel(allowed=5)
    most = 0

    async def call() -> None:
        nonlocal most
        await parallel.enter()
        most = max(most, parallel.in_flight)
        await asyncio.sleep(0)
        await parallel.leave()

    await asyncio.gather(*(call() for _ in range(200)))

    assert (most, parallel.in_flight) == (5, 0)


async def test_room_that_was_earned_is_used_by_those_who_wait() -> None:
    parallel = Parallel(allowed=4)
    most = 0

    async def call() -> None:
        nonlocal most
        await parallel.enter()
        most = max(most, parallel.in_flight)
        await asyncio.sleep(0)
        parallel.earn()
        await parallel.leave()

    await asyncio.gather(*(call() for _ in range(300)))

    assert most > 12


async def test_who_gives_up_waiting_leaves_the_place_to_another() -> None:
    parallel = Parallel(allowed=2)
    await parallel.enter()
    await parallel.enter()
    waiting = [asyncio.create_task(parallel.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await parallel.leave()
    waiting[1].cancel()
    await parallel.leave()
    async with asyncio.timeout(5):
        await waiting[2]

    assert parallel.in_flight == 1


def test_those_told_together_halve_once_and_never_below_two() -> None:
    parallel = Parallel(allowed=80)
    for _ in range(30):
        parallel.halve(began=1.0, now=2.0)
    assert parallel.allowed == 40
    parallel.halve(began=2.5, now=3.0)
    assert parallel.allowed == 20
    for second in range(4, 20):
        parallel.halve(began=second, now=second + 0.5)
    assert parallel.allowed == 2


async def test_fewer_calls_at_once_after_45033_and_all_get_through(gateway: Gateway, wecom: WeCom) -> None:
    await wecom.sim("POST", "limits", {"concurrent": 20, "per_member_minute": 1000})
    gateway.limits.members["lin"] = Window(((MINUTE, 1000),))
    await wecom.fault(SEND, latency_ms=20)
    refusals = 0

    async def delivered(number: int) -> None:
        nonlocal refusals
        while True:
            try:
                await gateway.send_message(hello("lin", number))
                return
            except TooManyAtOnce:
                refusals += 1

    await asyncio.gather(*(delivered(number) for number in range(200)))

    assert len(await wecom.texts("lin")) == 200
    assert 0 < refusals < 200
    assert gateway.limits.parallel[SEND].allowed < 40
