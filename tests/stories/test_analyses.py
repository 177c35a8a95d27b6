"""Why customers leave, what is bought together, who brings whom: asked in chat and by other systems, each within
her rights."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.clock import Clock
from tests.bot.program import TOKEN, Program, program_beside
from tests.conftest import RunningBot, WeCom
from tests.stories.test_losses import named
from tests.stories.test_questions import ask


@pytest.fixture
async def program(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Program]:
    """A program beside a bot, on each database."""
    async with program_beside(wecom, database_url, tmp_path, clock) as running:
        yield running


async def get(bot: RunningBot, path: str) -> Any:
    """A metric's answer; of a table its text."""
    url = f"{bot.url}/api/v1/metrics/{path}"
    async with bot.wecom.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 200, await answer.text()
        return await (answer.text() if "format=csv" in path else answer.json())


async def befriends(program: Program, wecom: WeCom, userid: str, external_userid: str, name: str) -> None:
    """A customer adds a member."""
    await wecom.adds_friend(userid, name=name, external_userid=external_userid)
    await program.bot.settle()
    await named(program.bot, external_userid, name)


async def loses(program: Program, wecom: WeCom, external_userid: str, name: str, *reasons: str) -> None:
    """A customer adds Lin and deletes her again; Lin says why, if she knows."""
    await befriends(program, wecom, "lin", external_userid, name)
    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": external_userid, "by": "customer"})
    await program.bot.settle()
    for why in reasons:
        await wecom.types("lin", f"{name} 流失原因 {why}")
        await program.bot.settle()


async def test_losses_by_reason_in_chat_and_for_other_systems(program: Program, wecom: WeCom) -> None:
    told = (("李女士", "价格"), ("王先生", "价格"), ("赵敏", "搬家"), ("周洋",))
    for number, (name, *reasons) in enumerate(told):
        await loses(program, wecom, f"wm{number}", name, *reasons)
    await wecom.adds_friend("lin", external_userid="wm0")
    await program.bot.settle()

    [own] = await ask(program.bot, wecom, "lin", "本月的流失原因")
    assert own.splitlines()[1:5] == [
        "流失客户数：4（1位没记原因）", "· 价格：2", "· 搬家：1", "· 没记原因：1",
    ]  # fmt: skip
    [english] = await ask(program.bot, wecom, "su", "loss reasons")
    assert english.splitlines()[1] == "Contacts lost: 4 (1 without a reason on record)"
    assert "· no reason on record: 1" in english
    [other] = await ask(program.bot, wecom, "mo", "流失原因")
    assert "价格" not in other
    found = await get(program.bot, "contacts_lost?group_by=reason")
    assert [(row["key"], row["value"]) for row in found["rows"]] == [("价格", 2), ("搬家", 1), ("", 1)]
    assert (await get(program.bot, "contacts_lost?reason=搬家"))["value"] == 1


def basket(number: int, userid: str, *skus: str) -> dict[str, Any]:
    """An order of these products."""
    items = [{"sku": sku, "name": sku, "qty": 1, "amount_fen": 100} for sku in skus]
    who = {"customer": {"phone": f"1380013800{number % 10}"}, "userid": userid}
    return {"id": f"o-{number}", "amount_fen": 100 * len(skus), "items": items, **who}


async def test_what_is_bought_together_in_chat_and_as_a_table(program: Program, wecom: WeCom) -> None:
    bought = [basket(number, "lin", "牙刷", "牙线") for number in range(6)]
    bought += [basket(number, "lin", "牙刷") for number in range(6, 8)]
    bought += [basket(number, "mo", "洁牙", "漱口水") for number in range(8, 13)]
    await program.sends("orders", *bought)
    await program.bot.settle()

    [own] = await ask(program.bot, wecom, "lin", "一起买的商品")
    assert own.splitlines()[1:3] == [
        "一起买：6单（共8单）",
        "· 牙刷 + 牙线：6单（买前者的75%也买后者，反过来100%，是碰巧的1.0倍）",
    ]  # fmt: skip
    [english] = await ask(program.bot, wecom, "mo", "which products are bought together")
    assert english.splitlines()[1:3] == [
        "Bought together: 5 of 5",
        "· 洁牙 + 漱口水: 5 (100% of the first's orders, 100% of the second's, 1.0× chance)",
    ]  # fmt: skip
    table = await get(program.bot, "bought_together?group_by=pair&format=csv")
    lines = table.splitlines()
    assert lines[0].startswith("key,name,bought_together,baskets,confidence,")
    assert lines[1].startswith("牙刷 + 牙线,牙刷 + 牙线,6,13,75.0,100.0,")
    assert [row["key"] for row in (await get(program.bot, "bought_together?group_by=pair&asker=mo"))["rows"]] == [
        ["洁牙", "漱口水"]
    ]
    assert (await get(program.bot, "amount?amount_band=0-100"))["value"] == 2_400


async def test_who_brought_the_most_in_chat_and_with_their_orders(program: Program, wecom: WeCom) -> None:
    for external_userid, name, userid in (("wm1", "李女士", "lin"), ("wm2", "王先生", "lin"), ("wm3", "赵敏", "mo")):
        await befriends(program, wecom, userid, external_userid, name)
    li, wang, zhao = ({"external_userid": f"wm{number}"} for number in (1, 2, 3))
    new = [{"phone": f"1390013900{number}"} for number in range(4)]
    claims = ((wang, li, "lin"), (new[0], li, "lin"), (new[1], wang, "lin"), (new[2], zhao, "mo"))
    await program.sends("referrals", *(
        {"id": f"f-{number}", "customer": customer, "referrer": referrer, "userid": userid}
        for number, (customer, referrer, userid) in enumerate(claims)
    ))  # fmt: skip
    order = {"id": "o-1", "amount_fen": 8_800, "customer": new[1], "userid": "lin"}
    await program.sends("orders", order, at="2026-11-16T09:45:00+08:00")
    await program.bot.settle()

    [own] = await ask(program.bot, wecom, "lin", "谁带来的人最多")
    assert own.splitlines()[1:4] == [
        "老带新客户数：3",
        "· 李女士：2位（这些人又带来1位；共下1单，¥88）",
        "· 王先生：1位（这些人又带来0位；共下1单，¥88）",
    ]  # fmt: skip
    assert "赵敏" not in own
    [english] = await ask(program.bot, wecom, "mo", "who brought the most customers")
    assert english.splitlines()[1:3] == ["Customers brought: 1", "· 赵敏: 1 (and 0 through them; 0 orders, ¥0)"]
    rows = (await get(program.bot, "customers_brought?group_by=referrer"))["rows"]
    assert next((row["name"], row["value"], row["parts"]["levels"]) for row in rows) == ("李女士", 2, 2)
    tree = await get(program.bot, f"customers_brought/customers?referrer={rows[0]['key']}")
    assert len(tree["rows"]) == 3
