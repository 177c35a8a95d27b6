"""Leaders' reports, campaign reviews and briefs: in the morning, on demand, once, and only to whom they belong."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from bot.worker import tick
from contacts.calendar import set_days
from contacts.channels import Campaign, Channel
from contacts.facts import Spend, Traffic
from contacts.models import StaffDepartment
from sop.sops import DONE, OPEN, Todo
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.sop.company import ZONE
from tests.stories.test_questions import ask, company
from tests.stories.waiting import all_done


class EarlyClock(HandClock):
    """Begins on Monday at eight in the morning: nothing of the day is due."""

    def __init__(self) -> None:
        super().__init__(MONDAY_TEN - timedelta(hours=2))


@pytest.fixture
def clock() -> EarlyClock:
    """A clock that a test moves."""
    return EarlyClock()


def work(session: Session) -> None:
    """The campaign of test_questions, with to-dos: one done on Sunday, two overdue, one of another team."""
    company(session)
    campaign = session.get_one(Campaign, 1)
    campaign.brief = "满500减50。\n老客带新客各得一张券。" + "话术见素材库。" * 30
    session.add(campaign)
    channel = session.get_one(Channel, 1)
    channel.campaign_id = 1
    session.add(channel)
    day: dict[str, Any] = {"customer_id": 1, "title": "回访", "day": date(2026, 11, 10)}
    closed = MONDAY_TEN - timedelta(days=1)
    session.add(Todo(userid="lin", state=DONE, due_on=date(2026, 11, 16), closed_at=closed, **day))
    for userid in ("wang", "wang", "mo"):
        session.add(Todo(userid=userid, state=OPEN, due_on=date(2026, 11, 15), **day))


async def morning(bot: RunningBot, clock: HandClock, hours: float = 0.0) -> None:
    """Go to seven past nine of the same day, or so many hours later, and let what is due be done."""
    clock.jump(MONDAY_TEN - timedelta(minutes=53) + timedelta(hours=hours))
    await tick(bot.database, clock, ZONE)
    await bot.settle()


async def reports(wecom: WeCom, userid: str, mark: str) -> list[str]:
    """What a member was sent that begins so."""
    return [text for text in await wecom.texts(userid) if text.startswith(mark)]


async def test_a_leader_gets_her_teams_days_once(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await bot.database.write(work)
    await wecom.fault("message/send", drop="answer", times=1)
    await morning(bot, clock)
    await all_done(bot)
    await morning(bot, clock)

    [report] = await reports(wecom, "su", "【团队日报】")
    assert report.splitlines()[:-1] == [
        "【团队日报】2026-11-13 – 11-15，我的团队",
        "业绩：¥2,500.50（上期¥17,000，-85%）",
        "订单数：1（上期2，-50%）",
        "新增客户数：3（上期0）",
        "删粉率：33.3%（上期—）",
        "本月业绩：¥19,500.50，目标¥15,001（129%），已达标",
        "待办：完成1件，现在逾期2件",
        "要帮一把：",
        "· 王磊：逾期2件，没开单，上期¥12,000",
        "好消息：",
        "· 林晓：¥2,500.50，1单",
        "数据截至 11-16 09:07",
        "不想收日报，回“不要日报”。",
    ]
    assert [await reports(wecom, userid, "【团队日报】") for userid in ("lin", "wang", "mo")] == [[], [], []]


async def test_last_weeks_report_comes_on_the_first_working_day(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    def off_on_monday(session: Session) -> None:
        work(session)
        set_days(session, "su", date(2026, 11, 16), date(2026, 11, 16), works=False, by="su")

    await bot.database.write(off_on_monday)
    await morning(bot, clock)
    monday = await wecom.texts("su")
    for day in (1, 2):
        await morning(bot, clock, hours=24 * day)

    assert monday == []
    [week] = await reports(wecom, "su", "【团队周报】")
    assert week.splitlines()[:2] == ["【团队周报】2026-11-09 – 11-15，我的团队", "业绩：¥2,500.50（上期¥17,000，-85%）"]
    assert len(await reports(wecom, "su", "【团队日报】")) == 2


async def test_a_leader_turns_reports_off_and_asks_for_one(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await bot.database.write(work)
    off, refused = await ask(bot, wecom, "su", "不要日报", "no weekly reports")
    await morning(bot, clock)
    unasked = await reports(wecom, "su", "【团队")
    chinese, english, week = await ask(bot, wecom, "su", "晨会念一下昨天的", "daily report", "看一下上周的周报")
    [lin] = await ask(bot, wecom, "lin", "日报")

    assert off == "日报：不再发；周报：照常发。随时回“日报”都能看。"
    assert refused.startswith("Daily report: does not come; weekly report: does not come.")
    assert unasked == []
    assert chinese.startswith("【团队日报】2026-11-13 – 11-15，我的团队\n业绩：¥2,500.50")
    assert english.startswith("【Daily report】2026-11-13 – 11-15, my team\nSales: ¥2,500.50 (before ¥17,000, -85%)")
    assert week.startswith("【团队周报】2026-11-09 – 11-15")
    assert lin.startswith("团队和同事的数据只有负责的店长能看")


async def test_nothing_on_record_is_no_report(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await morning(bot, clock)
    [asked] = await ask(bot, wecom, "su", "日报")

    assert await reports(wecom, "su", "【团队") == []
    assert asked == "还没有可报的：订单、客户、待办都还没有记录。"


async def test_a_campaign_is_reviewed_once_after_its_end(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await bot.database.write(work)
    for day in (0, 5, 7, 8):
        await morning(bot, clock, hours=24 * day)

    [review] = await reports(wecom, "su", "【活动复盘】")
    assert review.splitlines()[:-1] == [
        "【活动复盘】双11返场，2026-11-01 – 11-20，我的团队",
        "参与：3，目标20（15%），差17",
        "转介绍：1，目标4（25%），差3",
        "成交：3，目标8（37%），差5",
        "业绩：¥19,500.50，目标¥30,000（65%），差¥10,499.50",
        "提成：预计¥0，已确认¥510.01",
        "渠道：",
        "· 地推展会：加微信3，¥3,000.50",
        "人员：",
        "· 王磊: 参与 0/10，转介绍 0/2，成交 1/4，业绩 ¥12,000/¥10,000",
        "· 林晓: 参与 3/10，转介绍 1/2，成交 2/4，业绩 ¥7,500.50/¥20,000",
        "漏斗：加微信 3 → 参与 3 → 成交 3",
        "数据截至 11-23 09:07",
    ]


async def test_a_review_on_demand_names_where_it_leaked(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    def costs(session: Session) -> None:
        work(session)
        spent: dict[str, Any] = {"digest": "", "day": date(2026, 11, 5)}
        session.add(Traffic(source_id="t", channel_id=1, visitors=60, clicks=9, **spent))
        session.add(Spend(source_id="s", channel_id=1, campaign_id=1, amount_fen=100_000, **spent))
        session.merge(StaffDepartment(userid="zhou", department_id=1, leads=True))

    await bot.database.write(costs)
    chinese, none_yet, unknown = await ask(bot, wecom, "zhou", "双11返场复盘", "campaign review", "春节复盘")

    assert chinese.startswith("【活动复盘】双11返场，2026-11-01 – 11-20，全公司")
    assert "活动投产比：2750.1%（花费¥1,000）" in chinese
    assert "漏斗：看到 60 → 加微信 3 → 参与 3 → 成交 4\n从“看到”到“加微信”漏得最多：只有5%走到下一步。" in chinese
    assert none_yet.startswith("No campaign has ended yet.")
    assert "我还不会答" in unknown


async def test_the_brief_comes_once_and_its_reading_is_known(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await bot.database.write(work)
    await morning(bot, clock)
    await morning(bot, clock, hours=24)

    [card] = [one for one in await wecom.chat("lin") if one["msgtype"] == "template_card"]
    assert card["body"]["main_title"] == {"title": "新活动：双11返场", "desc": "2026-11-01 – 11-20"}
    assert card["body"]["horizontal_content_list"][0] == {"keyname": "参与", "value": "目标10"}
    assert len(card["body"]["sub_title_text"]) == 160
    [button] = card["body"]["button_list"]
    before, *_ = await ask(bot, wecom, "su", "谁没看活动说明")
    press = {"userid": "lin", "task_id": card["task_id"], "key": button["key"]}
    await wecom.sim("POST", "card-clicks", press)
    await bot.settle()
    after, english = await ask(bot, wecom, "su", "双11返场的说明谁还没看", "who has not read the brief")
    [refused] = await ask(bot, wecom, "lin", "谁没看活动说明")

    assert button["text"] == "看全文"
    assert before.splitlines() == ["【双11返场】活动说明：2人里0人看过", "还没看：", "· 林晓", "· 王磊"]
    assert (await wecom.texts("lin"))[-2].startswith("【双11返场】2026-11-01 – 11-20\n满500减50。\n老客带新客")
    assert after.splitlines() == ["【双11返场】活动说明：2人里1人看过", "还没看：", "· 王磊", "· 林晓 11-17 09:07看过"]
    assert english.startswith("【双11返场】brief: 1 of 2 have read it\nNot yet:\n· 王磊")
    assert refused.startswith("团队和同事的数据只有负责的店长能看")


async def test_asking_for_the_brief_is_reading_it(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await bot.database.write(work)
    [brief] = await ask(bot, wecom, "wang", "活动说明")
    [readers] = await ask(bot, wecom, "su", "谁没看活动说明")

    assert brief.startswith("【双11返场】2026-11-01 – 11-20\n满500减50。\n老客带新客各得一张券。")
    assert "2人里1人看过\n还没看：\n· 林晓\n· 王磊 11-16 08:00看过" in readers
