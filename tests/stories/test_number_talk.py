"""Staff talk about numbers: why one moved, day by day, the customers behind it, a leader's team, and an appeal."""

import pytest
from sqlmodel import select

from kpi.credit import credit_orders
from kpi.models import CreditDecision, OrderCredit
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


async def credited(bot: RunningBot) -> dict[int, tuple[str | None, str]]:
    """Whose each payment is, and why."""
    rows = await bot.database.read(lambda session: list(session.exec(select(OrderCredit))))
    return {row.order_id: (row.userid, row.basis) for row in rows if not row.refund_id}


async def test_a_leader_decides_and_numbers_and_commission_follow(staffed: RunningBot, wecom: WeCom) -> None:
    before = await credited(staffed)
    _, _ = await ask(staffed, wecom, "lin", "客户3那单为什么不算我的", "申诉")
    [asked] = [one for one in await wecom.texts("su") if "请您看一下这些订单的归属" in one]
    number = int(asked.split("要改就回“#")[1].split("算林晓的”")[0])
    numbers = await ask(staffed, wecom, "lin", "本月业绩", "本月提成")
    told, why = await ask(staffed, wecom, "su", f"#{number}算林晓的，她跟了三周", "客户3那单为什么不算我的")

    assert before[number] == ("wang", "order")
    assert (await credited(staffed)) == before | {number: ("lin", "decided")}
    assert f"（#{number}，¥12,000）现在算林晓的，原来算王磊的，业绩和提成跟着走。" in told
    assert "林晓, 苏敏定的 (她跟了三周)" in why
    assert numbers[0].splitlines()[1] == "业绩：¥7,500.50"
    after = await ask(staffed, wecom, "lin", "本月业绩", "本月提成")
    assert after[0].splitlines()[1] == "业绩：¥19,500.50"
    assert after[1] != numbers[1]
    for userid in ("lin", "wang"):
        assert [one for one in await wecom.texts(userid) if one.startswith("苏敏定了：客户3")]

    again = await staffed.database.write(lambda session: credit_orders(session, list(before)))
    [back] = await ask(staffed, wecom, "su", "撤销")
    assert again == 0
    assert back == f"已撤回：#{number}这单归属恢复原样。"
    assert await credited(staffed) == before
    log = await staffed.database.read(lambda session: list(session.exec(select(CreditDecision))))
    assert [(one.by, one.userid, one.before, one.words) for one in log] == [("su", "lin", "wang", "她跟了三周")]
    assert log[0].undone_at is not None


@pytest.mark.parametrize(
    ("userid", "text", "answer"),
    [
        ("lin", "#3算王磊的", "订单归谁由店长来定"), ("su", "#3算苏敏的", "订单归谁由店长来定"),
        ("su", "#3算莫然的", "订单归谁由店长来定"), ("su", "#999算林晓的", "你的团队没有#999这一单"),
        ("su", "#3算赵钱孙的", "赵钱孙"), ("su", "没有这个人那单算林晓的", "没有这个人"),
    ],
)  # fmt: skip
async def test_nobody_decides_beyond_her_team(
    staffed: RunningBot, wecom: WeCom, userid: str, text: str, answer: str
) -> None:
    before = await credited(staffed)
    [said] = await ask(staffed, wecom, userid, text)

    assert answer in said
    assert await credited(staffed) == before


async def test_a_decision_by_the_customer_and_in_english(staffed: RunningBot, wecom: WeCom) -> None:
    given, back = await ask(staffed, wecom, "su", "客户3那单归林晓", "give #3 to wang, because he was in touch")

    assert "现在算林晓的" in given
    assert "is 王磊's now; it was 林晓's" in back
