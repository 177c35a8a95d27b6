"""What staff type beside their numbers: rotas, disputes, losses, tiers, definitions, in both languages."""

from datetime import date

from sqlmodel import Session

from contacts.calendar import set_days
from tests.conftest import RunningBot, WeCom
from tests.stories.test_questions import ask, company


def on_leave(session: Session) -> None:
    """Wang is off on Tuesday, Lin stands in."""
    company(session)
    set_days(session, "wang", date(2026, 11, 17), date(2026, 11, 17), works=False, by="wang", stand_in="lin")


async def test_who_works_and_who_is_off(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(on_leave)
    tomorrow, today, own, week = await ask(
        bot, wecom, "lin", "明天谁休息", "who works today", "我明天上班吗", "下周我哪天休息"
    )
    [wang] = await ask(bot, wecom, "wang", "am I working tomorrow")

    assert tomorrow.splitlines() == ["11-17 周二", "上班（2人）：林晓，苏敏", "休息（1人）：王磊（林晓代）"]
    assert today.splitlines() == ["11-16 Mon", "Works (3): 林晓, 苏敏, 王磊", "Off (0): none"]
    assert own == "11-17 周二：您上班。"
    assert week == "您休息：11-28 周六，11-29 周日"
    assert wang == "11-17 Tue: you are off."


async def test_disputes_losses_and_tiers_in_staffs_words(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(company)
    dispute, lost, tier, tiers = await ask(
        bot, wecom, "lin", "客户3那单咋没算我头上", "上周谁把我删了", "还差多少升一档", "how far to the next tier"
    )

    assert "王磊, 订单上写的导购" in dispute
    assert "客户3: 把我们删了" in lost
    assert "再做¥2,499.50，比例从2%升到3%" in tier
    assert "双11返场分档：¥0起2%，¥10,000起3%" in tier
    assert "2,499.50 more and it is 3% instead of 2%" in tiers


async def test_how_commission_is_counted_and_what_a_day_must_bring(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(company)
    counted, english, daily, a_day = await ask(
        bot,
        wecom,
        "lin",
        "提成怎么算的",
        "how is my commission calculated",
        "我每天还要卖多少",
        "how much must I sell a day",
    )

    assert counted.startswith("提成：活动订单的净额")
    assert english.startswith("Commission: Net amount of campaign orders")
    assert "还差¥7,500.50，每个工作日" in daily
    assert "¥7,500.50 to go" in a_day


async def test_definitions_then_going_on(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(company)
    defined, english, mine, month, team = await ask(
        bot, wecom, "su",
        "引流成功率什么意思", "what is the lead success rate", "my sales this month", "and last month?",
        "and the team?",
    )  # fmt: skip

    assert defined.startswith("引流成功率：")
    assert english.startswith("Lead success rate: ")
    assert mine.splitlines()[1] == "Sales: ¥0"
    assert month.splitlines()[0] == "2026-10-01 – 10-31, mine"
    assert team.splitlines()[0] == "2026-10-01 – 10-31, my team"
