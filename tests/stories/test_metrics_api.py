"""Other systems read the numbers: the same as in chat, with definition and time, behind the same token."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.clock import Clock
from tests.bot.program import TODAY, TOKEN, Program, program_beside
from tests.conftest import RunningBot, WeCom


@pytest.fixture
async def program(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Program]:
    """A program beside a bot, on each database."""
    async with program_beside(wecom, database_url, tmp_path, clock) as running:
        yield running


async def get(bot: RunningBot, path: str, token: str | None = TOKEN) -> tuple[int, dict[str, Any]]:
    """(status, answer) of a metric."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with bot.wecom.http.get(f"{bot.url}/api/v1/metrics/{path}", headers=headers) as answer:
        return answer.status, await answer.json()


async def test_orders_sent_in_are_numbers_at_once(program: Program) -> None:
    order = {"customer": {"phone": "13800138000"}, "userid": "lin"}
    await program.sends(
        "orders", {"id": "o-1", "amount_fen": 12_000, **order}, {"id": "o-2", "amount_fen": 300, **order}
    )
    await program.sends("refunds", {"id": "r-1", "order_id": "o-1", "amount_fen": 2_000})
    await program.bot.settle()

    status, found = await get(program.bot, "amount?period=today&group_by=staff")
    assert status == 200
    assert (found["name"], found["unit"], found["value"]) == ("amount", "fen", 10_300)
    assert found["period"] == {"from": "2026-11-16", "to": "2026-11-16"}
    assert [(row["key"], row["name"], row["value"]) for row in found["rows"]] == [("lin", "林晓", 10_300)]
    assert "实付减退款" in found["definition"]
    assert found["data_at"].startswith(TODAY[:4])
    assert (await get(program.bot, "buyers?period=this_week&staff=lin"))[1]["value"] == 1
    assert (await get(program.bot, "orders?period=this_week&staff=wang"))[1]["value"] == 0


async def test_a_number_without_its_feed_is_null_and_says_so(program: Program) -> None:
    _, found = await get(program.bot, "contribution_rate")

    assert (found["value"], found["connected"]) == (None, False)
    assert found["missing_feeds"] == ["orders", "totals"]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("happiness", 404, "there are"),
        ("amount?period=next_week", 422, "has not begun"),
        ("amount?period=neulich", 422, "2026-08"),
        ("delete_rate?group_by=store", 422, "it can be seen by"),
        ("amount?channel=nowhere", 422, "channel=nowhere"),
        ("amount?department=x", 422, "whole number"),
        ("amount?colour=red", 422, "colour: not known"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_a_remedy(
    program: Program, path: str, status: int, reason: str
) -> None:
    answer = await get(program.bot, path)

    assert answer[0] == status
    assert reason in answer[1]["error"]


async def test_only_with_the_token(program: Program) -> None:
    assert [(await get(program.bot, "amount", token))[0] for token in (None, "another")] == [401, 401]
