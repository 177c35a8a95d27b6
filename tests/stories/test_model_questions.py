"""Questions the grammar does not understand go through a language model: it chooses, the record answers, once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from bot.clock import Clock
from contacts.models import ADDED, Customer, FollowUser, TieChange
from tests.conftest import MONDAY_TEN, RunningBot, WeCom, bot_settings, running_bot
from tests.stories.test_questions import company

HELP_LINE = "我的活动KPI"
"""In every plain answer that says what can be asked."""
Start = Callable[..., Awaitable[RunningBot]]


def with_model(wecom: WeCom, **given: Any) -> dict[str, Any]:
    """Settings that point at the simulator's model."""
    return {"openai_base_url": f"{wecom.url}/v1", "openai_api_key": "simulated", "openai_model": "scripted", **given}


def others_customer(session: Session) -> None:
    """王芳 is 莫然's customer: nobody in this store may see her."""
    session.add(Customer(id=90, name="王芳", main_userid="mo", orders=7, net_fen=7_777_700))
    session.flush()
    session.add(FollowUser(customer_id=90, userid="mo", added_at=MONDAY_TEN))
    session.add(TieChange(at=MONDAY_TEN, customer_id=90, userid="mo", kind=ADDED))
    if session.get_bind().dialect.name == "postgresql":
        # Rows with ids of our own do not move the sequence on.
        session.execute(text("SELECT setval('customer_id_seq', 100)"))


@pytest.fixture
async def modelled(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[RunningBot]:
    """A bot with a language model, and the campaign of the other questions in its record."""
    settings = bot_settings(wecom.corp, wecom.url, database_url, tmp_path, **with_model(wecom))
    async with running_bot(wecom, settings, clock) as bot:
        await bot.database.write(company)
        await bot.database.write(others_customer)
        yield bot


async def ask(bot: RunningBot, wecom: WeCom, text: str, userid: str = "lin") -> str:
    """The one answer to a message, without its stamp."""
    before = len(await wecom.texts(userid))
    await wecom.types(userid, text)
    await bot.settle()
    [*parts] = (await wecom.texts(userid))[before:]
    return "\n".join(part.rpartition("\n")[0] for part in parts)


async def asked_of_model(wecom: WeCom) -> list[dict[str, Any]]:
    """What the endpoint was asked."""
    return list((await wecom.sim("GET", "model"))["requests"])


async def behave(wecom: WeCom, **given: Any) -> None:
    """Let the model be otherwise."""
    await wecom.sim("POST", "model", given)


async def test_the_model_chooses_and_the_record_answers(modelled: RunningBot, wecom: WeCom) -> None:
    answer = await ask(modelled, wecom, "我这个月的辛苦费落到我口袋能有几个钱呀")

    assert answer.splitlines()[0] == "2026-11-01 – 11-30，我的"
    assert "提成：预计¥60.01，已确认¥90" in answer
    [request] = await asked_of_model(wecom)
    assert {one["function"]["name"] for one in request["body"]["tools"]} >= {"numbers", "commission", "customer"}
