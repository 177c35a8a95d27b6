"""Staff talk about numbers: why one moved, day by day, the customers behind it, a leader's team, and an appeal."""

import pytest

from tests.conftest import RunningBot, WeCom
from tests.stories.test_questions import ask, company


@pytest.fixture
async def staffed(bot: RunningBot) -> RunningBot:
    """The bot with a campaign and its orders in its record."""
    await bot.database.write(company)
    return bot


async def test_why_a_number_moved(staffed: RunningBot, wecom: WeCom) -> None:
    zh, en = await ask(staffed, wecom, "lin", "我的业绩为什么比上个月好", "why are my sales up this month")

    lines = zh.splitlines()
    assert lines[0] == "2026-11-01 – 11-30 对比 2026-10-01 – 10-16，我的"
    assert lines[1] == "业绩：¥7,500.50，上期¥0"
    assert lines[2].startswith("主要是：")
    assert [line.partition("：")[0] for line in lines[3:6]] == ["· 成交客户数", "· 人均单数", "· 笔单价"]
    assert en.splitlines()[1] == "Sales: ¥7,500.50, before ¥0"


async def test_day_by_day_then_the_customers(staffed: RunningBot, wecom: WeCom) -> None:
    days, behind = await ask(staffed, wecom, "lin", "我最近7天的业绩按天看", "明细")

    assert "· 2026-11-14：¥2,500.50" in days or "· 2026-11-14: ¥2,500.50" in days
    assert "客户2 ¥3,000.50" in behind
    assert "客户3" not in behind


async def test_unnamed_a_leader_hears_of_her_team_and_staff_of_themselves(staffed: RunningBot, wecom: WeCom) -> None:
    [team] = await ask(staffed, wecom, "su", "本月业绩")
    [own] = await ask(staffed, wecom, "su", "我的本月业绩")
    [lin] = await ask(staffed, wecom, "lin", "本月业绩")
    [details] = await ask(staffed, wecom, "su", "本月业绩明细")

    assert team.splitlines()[:2] == ["2026-11-01 – 11-30，我的团队", "业绩：¥19,500.50"]
    assert own.splitlines()[:2] == ["2026-11-01 – 11-30，我的", "业绩：¥0"]
    assert lin.splitlines()[:2] == ["2026-11-01 – 11-30，我的", "业绩：¥7,500.50"]
    assert "客户3 (王磊) ¥12,000" in details
    assert "莫然" not in details


async def test_staff_see_no_others_behind_a_number(staffed: RunningBot, wecom: WeCom) -> None:
    team, other = await ask(staffed, wecom, "lin", "团队本月业绩明细", "王磊业绩为什么比上个月低")

    assert "只有负责的店长能看" in team
    assert "只有负责的店长能看" in other


async def test_an_appeal_reaches_the_leader_once_with_the_reason(staffed: RunningBot, wecom: WeCom) -> None:
    why, told, again = await ask(staffed, wecom, "lin", "客户3那单为什么不算我的", "申诉", "申诉 客户3那单")

    assert why.splitlines()[-1].startswith("不对的话回“申诉”")
    assert told.startswith("已连同归属依据告诉苏敏")
    assert again.startswith("今天已经告诉过苏敏了")
    [text] = [one for one in await wecom.texts("su") if "请您看一下这些订单的归属" in one]
    assert "林晓" in text
    assert "王磊, 订单上写的导购" in text


async def test_an_appeal_out_of_nothing_asks_which_order(staffed: RunningBot, wecom: WeCom) -> None:
    [text] = await ask(staffed, wecom, "lin", "申诉")

    assert text.startswith("哪一单？")
    assert not await wecom.texts("su")
