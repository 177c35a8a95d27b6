"""Other systems read the numbers: the same as in chat, with definition and time, behind the same token."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from bot.clock import Clock
from contacts.models import Store
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


async def test_a_series_its_csv_and_the_customers_behind(program: Program) -> None:
    def name(session: Session) -> None:
        session.add(Store(code="=1+1", name="=HYPERLINK(1)"))

    await program.bot.database.write(name)
    order = {"customer": {"phone": "13800138000"}, "userid": "lin", "store": "=1+1"}
    await program.sends("orders", {"id": "o-1", "amount_fen": 12_000, **order}, at="2026-11-14T09:30:00+08:00")
    await program.sends("orders", {"id": "o-2", "amount_fen": 300, **order | {"userid": "mo"}})
    await program.bot.settle()

    _, found = await get(program.bot, "amount?period=2026-11-13..2026-11-16&group_by=day")
    assert [(row["key"], row["value"]) for row in found["rows"]] == [
        ("2026-11-13", 0), ("2026-11-14", 12_000), ("2026-11-15", 0), ("2026-11-16", 300),
    ]  # fmt: skip
    assert found["value"] == 12_300
    text = await csv_of(program.bot, "amount?period=this_month&group_by=store&format=csv")
    assert text.splitlines() == [
        "key,name,amount,amount,buyers,orders", "'=1+1,'=HYPERLINK(1),12300,12300,1,2", ",total,12300,12300,1,2",
    ]  # fmt: skip
    _, opened = await get(program.bot, "amount/customers?period=this_month&limit=1")
    [row] = opened["rows"]
    assert (row["userid"], row["amount_fen"], row["at"]) == ("mo", 300, "2026-11-16T01:30:00+00:00")


async def test_with_an_asker_only_what_she_may_see(program: Program) -> None:
    order = {"customer": {"phone": "13800138000"}, "amount_fen": 500}
    for number, userid in enumerate(("lin", "wang", "mo")):
        await program.sends("orders", {"id": f"o-{number}", "userid": userid, **order})
    await program.bot.settle()

    values = {asker: await get(program.bot, f"amount?period=today&asker={asker}") for asker in ("lin", "su", "mo")}
    assert [values[one][1]["value"] for one in ("lin", "su", "mo")] == [500, 1_000, 500]
    rows = (await get(program.bot, "amount/customers?period=today&asker=su"))[1]["rows"]
    assert sorted(row["userid"] for row in rows) == ["lin", "wang"]
    assert (await get(program.bot, "cac?asker=lin"))[0] == 403
    assert (await get(program.bot, "amount?asker=nobody"))[0] == 422


async def csv_of(bot: RunningBot, path: str) -> str:
    """The text of a table."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with bot.wecom.http.get(f"{bot.url}/api/v1/metrics/{path}", headers=headers) as answer:
        assert answer.content_type == "text/csv"
        return await answer.text()


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
        ("amount?format=pdf", 422, "json or csv"),
        ("amount?period=2026&group_by=day", 422, "at most 100"),
        ("add_rate/customers", 422, "cannot be opened"),
        ("amount/customers?limit=x", 422, "whole number"),
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
