"""Access tokens: fetched by one for all, renewed when revoked, left alone while the secret is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Later
from bot.wecom.errors import SecretRefused, WeComUnreachable
from tests.conftest import WeCom, bot_settings
from tests.hand_clock import HandClock

ASK = "agent/get"
Opening = Callable[[], AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip minutes with."""
    return HandClock()


@pytest.fixture
def opened(wecom: WeCom, database: Database, clock: HandClock, tmp_path: Path) -> Opening:
    """Opens a gateway with a token store of its own, as a freshly started process has."""

    @asynccontextmanager
    async def open_gateway() -> AsyncIterator[Gateway]:
        settings = bot_settings(wecom.corp, wecom.url, "sqlite:///unused", tmp_path)
        async with aiohttp.ClientSession() as http:
            yield Gateway(settings, database, clock, http)

    return open_gateway


@pytest.fixture
async def gateway(opened: Opening) -> AsyncIterator[Gateway]:
    """One gateway."""
    async with opened() as made:
        yield made


async def fetched(wecom: WeCom) -> int:
    """How often gettoken was called."""
    return len(await wecom.calls("gettoken"))


async def test_a_hundred_calls_at_once_fetch_one_token(gateway: Gateway, wecom: WeCom) -> None:
    await asyncio.gather(*(gateway.app() for _ in range(100)))

    assert await fetched(wecom) == 1
    assert len(await wecom.calls(ASK)) == 100


@pytest.mark.parametrize("how", [{}, {"expire": True}])
async def test_a_token_lost_under_many_calls_is_fetched_once_more(
    gateway: Gateway, wecom: WeCom, how: dict[str, bool]
) -> None:
    await gateway.app()
    await wecom.sim("POST", "tokens/revoke", how)
    apps = await asyncio.gather(*(gateway.app() for _ in range(60)))

    assert await fetched(wecom) == 2
    assert {app.agentid for app in apps} == {wecom.corp.app.agent_id}


async def test_calls_under_way_when_the_token_goes_are_repeated(gateway: Gateway, wecom: WeCom) -> None:
    await gateway.app()
    await wecom.fault(ASK, latency_ms=300, times=30)
    calls = [asyncio.create_task(gateway.app()) for _ in range(30)]
    await wecom.sim("POST", "tokens/revoke", {})
    await asyncio.gather(*calls)

    assert await fetched(wecom) == 2


async def test_a_new_process_goes_on_with_the_stored_token(opened: Opening, wecom: WeCom) -> None:
    async with opened() as first:
        await first.app()
    async with opened() as second:
        await second.app()

    assert await fetched(wecom) == 1


async def test_a_stored_token_that_was_revoked_meanwhile_is_replaced(opened: Opening, wecom: WeCom) -> None:
    async with opened() as first:
        await first.app()
    await wecom.sim("POST", "tokens/revoke", {})
    async with opened() as second:
        await asyncio.gather(*(second.app() for _ in range(10)))

    assert await fetched(wecom) == 2


async def test_a_token_is_renewed_before_it_ends(gateway: Gateway, wecom: WeCom, clock: HandClock) -> None:
    await gateway.app()
    clock.forward(7200 - 400)
    await gateway.app()
    assert await fetched(wecom) == 1
    clock.forward(200)
    await gateway.app()

    assert await fetched(wecom) == 2


async def test_a_token_that_lives_ten_seconds_is_still_used(gateway: Gateway, wecom: WeCom) -> None:
    await wecom.sim("POST", "limits", {"token_seconds": 10})
    for _ in range(5):
        await gateway.app()

    assert await fetched(wecom) == 1


async def test_a_wrong_secret_is_tried_after_one_five_and_fifteen_minutes(
    gateway: Gateway, wecom: WeCom, clock: HandClock
) -> None:
    wecom.corp.app.secret = "another-secret"
    for number, minutes in enumerate((1, 5, 15, 15), start=1):
        held_back = await asyncio.gather(*(gateway.app() for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in held_back} == {Later}
        assert await fetched(wecom) == number
        clock.forward(minutes * 60 - 5)
        with pytest.raises(Later) as early:
            await gateway.app()
        assert 0 < early.value.seconds <= 5
        with pytest.raises(SecretRefused):
            await gateway.store.current()
        assert await fetched(wecom) == number
        clock.forward(5)

    wecom.corp.app.secret = gateway.settings.agent_secret.get_secret_value()
    await gateway.app()
    assert gateway.store.refusals == 0


async def test_a_secret_refused_under_way_stops_its_calls_at_once(
    gateway: Gateway, wecom: WeCom, clock: HandClock
) -> None:
    await gateway.app()
    await wecom.fault(ASK, errcode=40001, times=1)
    with pytest.raises(Later):
        await gateway.app()
    with pytest.raises(Later):
        await gateway.follow_users()
    assert await wecom.calls("externalcontact/get_follow_user_list") == []
    clock.forward(60)
    await gateway.app()

    assert await fetched(wecom) == 2


async def test_the_block_for_wrong_secrets_is_waited_out(gateway: Gateway, wecom: WeCom) -> None:
    await wecom.fault("gettoken", errcode=45009)
    for _ in range(5):
        with pytest.raises(Later):
            await gateway.app()

    assert await fetched(wecom) == 1


async def test_who_waits_while_gettoken_fails_hears_of_it_without_asking(gateway: Gateway, wecom: WeCom) -> None:
    await wecom.fault("gettoken", status=503, latency_ms=300, times=1)
    outcomes = await asyncio.gather(*(gateway.app() for _ in range(50)), return_exceptions=True)

    assert {type(one) for one in outcomes} == {WeComUnreachable}
    assert await fetched(wecom) == 1
    assert (await gateway.app()).agentid == wecom.corp.app.agent_id


async def test_the_database_keeps_the_token_and_never_the_secret(
    gateway: Gateway, database: Database, wecom: WeCom
) -> None:
    await gateway.app()
    secret = SecretStr(wecom.corp.app.secret).get_secret_value()
    stored = await database.read(lambda session: session.connection().exec_driver_sql("SELECT * FROM token").all())

    assert len(stored) == 1
    assert secret not in str(stored)
