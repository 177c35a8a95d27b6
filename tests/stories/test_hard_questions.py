"""Questions that cannot be answered as asked: each gets one plain, true answer."""

from datetime import date
from typing import Any

import pytest
from sqlmodel import Session

from contacts.channels import Campaign, CampaignStaff
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.stories.test_questions import ask, company


def two_campaigns(session: Session) -> None:
    """Beside 双11返场 another one of the same days."""
    company(session)
    days: dict[str, Any] = {"starts_on": date(2026, 11, 5), "ends_on": date(2026, 11, 25)}
    session.add(Campaign(id=2, code="d11b", name="双11预售", created_at=MONDAY_TEN, **days))
    session.flush()
    session.add(CampaignStaff(campaign_id=2, userid="lin", participants=5, referrals=0, conversions=0, amount_fen=0))


@pytest.fixture
async def staffed(bot: RunningBot) -> RunningBot:
    """The bot with two campaigns in its record."""
    await bot.database.write(two_campaigns)
    return bot


@pytest.mark.parametrize(
    "question",
    [
        "下个月的业绩", "明天的活动KPI", "下周我的提成", "明年退款扣我多少", "下个月我排第几", "下周谁加了我",
        "下个月谁删了我", "下周业绩明细", "为什么下个月业绩跌了",
    ],
)  # fmt: skip
async def test_the_future_is_not_told(staffed: RunningBot, wecom: WeCom, question: str) -> None:
    [text] = await ask(staffed, wecom, "lin", question)

    assert text == "这个时间还没到，我只能说已经发生的。"


async def test_a_campaign_nobody_knows_is_not_answered_with_another(staffed: RunningBot, wecom: WeCom) -> None:
    zh, en = await ask(staffed, wecom, "lin", "圣诞活动KPI", "christmas campaign kpis")

    assert zh == "没有叫“圣诞”的活动。正在进行的：双11返场，双11预售。"
    assert en == "I know no campaign called “christmas”. Running: 双11返场, 双11预售."


async def test_a_part_of_two_campaigns_names_is_asked_about(staffed: RunningBot, wecom: WeCom) -> None:
    await wecom.types("lin", "双11活动KPI")
    await staffed.settle()
    card = (await wecom.chat("lin"))[-1]["body"]
    [answer] = await ask(staffed, wecom, "lin", "预售")

    assert "“双11”" in card["main_title"]["title"]
    assert [one["text"] for one in card["button_selection"]["option_list"]] == ["1 双11预售 11-05", "2 双11返场 11-01"]
    assert answer.startswith("【双11预售】")


async def test_a_rant_is_answered_once_and_not_repeated(staffed: RunningBot, wecom: WeCom) -> None:
    rant = "天天催单工资又不涨客户一个比一个难伺候" * 110
    await wecom.types("lin", rant[:2000])
    await staffed.settle()
    texts = await wecom.texts("lin")

    assert texts[0].startswith(f"“{rant[:60]}”我还不会答。")
    assert sum("我还不会答" in one for one in texts) == 1
    assert all(len(one.encode()) <= 2048 for one in texts)


async def test_a_member_without_data_is_told_so(staffed: RunningBot, wecom: WeCom) -> None:
    campaign, sales, refunds = await ask(staffed, wecom, "su", "我的活动KPI", "我的业绩", "我的退款扣了多少提成")

    assert campaign.startswith("您现在没有参加进行中的活动")
    assert sales.splitlines()[1] == "业绩：¥0"
    assert refunds.startswith("没有退款：")
