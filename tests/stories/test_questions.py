"""Staff ask for their numbers in chat: figures, rank, gap and commission; and what they are not told."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from contacts.channels import Campaign, CampaignStaff, Channel
from contacts.facts import Order, Participation, Referral, Refund
from contacts.models import ADDED, CUSTOMER, LOST, Customer, FollowUser, TieChange
from kpi.credit import credit_orders
from kpi.models import Target
from tests.conftest import MONDAY_TEN, RunningBot, WeCom

OLD, NEW = timedelta(days=10), timedelta(days=2)


def money(session: Session, number: int, userid: str, fen: int, ago: timedelta, customer: int = 1) -> None:
    """A paid order of the campaign."""
    at = MONDAY_TEN - ago
    order: dict[str, Any] = {
        "source_id": f"o{number}",
        "digest": "",
        "at": at,
        "customer_id": customer,
        "userid": userid,
    }
    session.add(Order(id=number, amount_fen=fen, campaign_id=1, **order))


def company(session: Session) -> None:
    """A campaign of Lin, Wang and Mo: joined, brought, bought, given back."""
    session.add(
        Campaign(
            id=1, code="d11", name="双11返场", starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 20),
            tiers=[[0, 2.0], [1_000_000, 3.0]], created_at=MONDAY_TEN,
        )
    )  # fmt: skip
    session.add(Channel(id=1, name="地推展会", state="expo", created_at=MONDAY_TEN))
    session.flush()
    for userid, amount in (("lin", 2_000_000), ("wang", 1_000_000), ("mo", 1_000_000)):
        session.add(
            CampaignStaff(campaign_id=1, userid=userid, participants=10, referrals=2, conversions=4, amount_fen=amount)
        )
    for number in range(1, 5):
        session.add(Customer(id=number, name=f"客户{number}", main_userid="lin", net_fen=100, orders=1))
    session.flush()
    for number in range(1, 4):
        at = MONDAY_TEN - timedelta(days=number)
        own: dict[str, Any] = {"source_id": f"p{number}", "digest": "", "at": at, "customer_id": number}
        session.add(Participation(campaign_id=1, **own))
        session.add(TieChange(at=at, customer_id=number, userid="lin", kind=ADDED, channel_id=1))
        session.add(FollowUser(customer_id=number, userid="lin", added_at=at, channel_id=1))
    brought: dict[str, Any] = {
        "source_id": "r1",
        "digest": "",
        "at": MONDAY_TEN - NEW,
        "customer_id": 4,
        "referrer_id": 1,
    }
    session.add(Referral(campaign_id=None, **brought))
    money(session, 1, "lin", 500_000, OLD)
    money(session, 2, "lin", 300_050, NEW, customer=2)
    money(session, 3, "wang", 1_200_000, OLD, customer=3)
    money(session, 4, "mo", 900_000, NEW, customer=4)
    session.flush()
    back: dict[str, Any] = {"digest": "", "at": MONDAY_TEN - NEW, "order_id": 1, "customer_id": 1, "amount_fen": 50_000}
    session.add(Refund(source_id="b1", **back))
    session.add(TieChange(at=MONDAY_TEN - NEW, customer_id=3, userid="lin", kind=LOST, by=CUSTOMER))
    target: dict[str, Any] = {"metric": "amount", "month": date(2026, 11, 1), "value": 1_500_100, "at": MONDAY_TEN}
    session.add(Target(whose="staff:lin", **target))
    session.flush()
    credit_orders(session, [1, 2, 3, 4])


@pytest.fixture
async def staffed(bot: RunningBot) -> RunningBot:
    """The bot with the campaign in its record."""
    await bot.database.write(company)
    return bot


async def ask(bot: RunningBot, wecom: WeCom, userid: str, *questions: str) -> list[str]:
    """The last lines a member gets for each question, without the stamp."""
    for question in questions:
        await wecom.types(userid, question)
        await bot.settle()
    return [text.rpartition("\n")[0] for text in (await wecom.texts(userid))[-len(questions) :]]


async def test_my_campaign_kpis_in_chinese(staffed: RunningBot, wecom: WeCom) -> None:
    [text] = await ask(staffed, wecom, "lin", "我的活动KPI")

    assert text.splitlines() == [
        "【双11返场】2026-11-01 – 11-20，还剩5个工作日，我的",
        "参与：3，目标10（30%），还差7，每个工作日2",
        "转介绍：1，目标2（50%），还差1，每个工作日1",
        "成交：2，目标4（50%），还差2，每个工作日1",
        "业绩：¥7,500.50，目标¥20,000（37%），还差¥12,499.50，每个工作日¥2,499.90",
        "团队排名：2人里第2，离上一名差¥4,499.50",
        "提成：预计¥60.01，已确认¥90；再做¥2,499.50，比例从2%升到3%",
        "数据截至 11-16 10:00",
    ]


async def test_my_campaign_kpis_in_english(staffed: RunningBot, wecom: WeCom) -> None:
    [text] = await ask(staffed, wecom, "wang", "my campaign KPIs")

    lines = text.splitlines()
    assert lines[0] == "【双11返场】2026-11-01 – 11-20, 5 working days left, mine"
    assert lines[4] == "Sales: ¥12,000 of ¥10,000 (120%), reached"
    assert lines[5:7] == ["Rank: 1 of 2 in the team", "Commission: ¥0 expected, ¥360 confirmed"]


async def test_a_leader_goes_on_to_the_team(staffed: RunningBot, wecom: WeCom) -> None:
    _, team = await ask(staffed, wecom, "su", "我的活动KPI", "那团队呢")

    lines = team.splitlines()
    assert lines[0].endswith("我的团队")
    assert "业绩：¥19,500.50，目标¥30,000（65%）" in lines[4]
    assert lines[5] == "提成：预计¥60.01，已确认¥450"
    assert [line.split("：")[0].split(":")[0] for line in lines[6:8]] == ["· 王磊", "· 林晓"]
    assert "莫然" not in team


async def test_ordinary_staff_are_refused_the_team_and_colleagues(staffed: RunningBot, wecom: WeCom) -> None:
    answers = await ask(staffed, wecom, "lin", "我的活动KPI", "那团队呢", "王磊的活动KPI", "team sales", "渠道投产比")

    assert all("只有负责的店长能看" in one for one in answers[1:3])
    assert answers[3].startswith("Team and colleagues' numbers are for their leaders")
    assert "12,000" not in "".join(answers[1:])
    assert answers[4].startswith("这个数只有全公司的")


async def test_a_leader_sees_her_people_and_nobody_elses(staffed: RunningBot, wecom: WeCom) -> None:
    wang, mo = await ask(staffed, wecom, "su", "王磊本月业绩", "莫然本月业绩")

    assert "业绩：¥12,000" in wang
    assert "只有负责的店长能看" in mo


async def test_sales_go_on_to_another_period(staffed: RunningBot, wecom: WeCom) -> None:
    now, then, both = await ask(staffed, wecom, "lin", "我本月业绩", "那上个月呢", "订单数呢")

    assert now.splitlines()[:2] == ["2026-11-01 – 11-30，我的", "业绩：¥7,500.50"]
    assert then.splitlines()[:2] == ["2026-10-01 – 10-31，我的", "业绩：¥0"]
    assert both.splitlines()[:2] == ["2026-10-01 – 10-31，我的", "订单数：0"]


async def test_rank_commission_and_target(staffed: RunningBot, wecom: WeCom) -> None:
    rank, commission, target = await ask(staffed, wecom, "lin", "我排第几", "我的提成", "我还差多少")

    assert "业绩：¥7,500.50，3人里排第2" in rank
    assert "离上一名差¥4,499.50" in rank
    assert "王磊" not in rank
    assert "提成：预计¥60.01，已确认¥90" in commission
    assert "业绩：¥7,500.50，目标¥15,001（50%），还差¥7,500.50" in target
    assert "· 工作日过了10/21，按进度应到¥7,143.33，领先¥357.17" in target


async def test_a_week_has_the_share_of_its_working_days(staffed: RunningBot, wecom: WeCom) -> None:
    week, past, none = await ask(staffed, wecom, "lin", "这周目标还差多少", "上周目标还差多少", "上个月目标还差多少")

    assert week.splitlines()[0] == "2026-11-16 – 11-22，我的，还剩5个工作日"
    assert "目标¥3,571.67（" in week
    assert "按进度" not in week
    assert past.splitlines()[0] == "2026-11-09 – 11-15，我的，还剩0个工作日"
    assert past.splitlines()[1] == "业绩：¥2,500.50，目标¥3,571.67（70%），差¥1,071.17"
    assert none.startswith("2026-10还没有定目标")


async def test_who_came_and_who_left(staffed: RunningBot, wecom: WeCom) -> None:
    came, left, nobody = await ask(staffed, wecom, "lin", "这周谁加了我", "上周流失了谁", "who deleted me today")

    assert came.splitlines()[0] == "2026-11-16 – 11-22没有新加的客户（我的）。"
    assert "客户3: 把我们删了" in left
    assert nobody.startswith("Nobody was lost")


async def test_whose_an_order_is(staffed: RunningBot, wecom: WeCom) -> None:
    [text] = await ask(staffed, wecom, "lin", "客户3那单为什么不算我的")

    assert "王磊, 订单上写的导购" in text


async def test_definitions_and_the_future(staffed: RunningBot, wecom: WeCom) -> None:
    defined, english, future, unconnected = await ask(
        staffed, wecom, "lin", "什么是引流成功率", "what is the delete rate", "下个月业绩", "互动率"
    )

    assert defined.startswith("引流成功率：")
    assert english.startswith("Delete rate: Customers who deleted")
    assert future.startswith("这个时间还没到")
    assert "互动率：未接入" in unconnected


async def test_long_lists_go_on_with_more(staffed: RunningBot, wecom: WeCom) -> None:
    def many(session: Session) -> None:
        for number in range(10, 50):
            session.add(Customer(id=number, name=f"新客{number}", main_userid="lin"))
            session.flush()
            at = MONDAY_TEN - timedelta(minutes=number)
            session.add(TieChange(at=at, customer_id=number, userid="lin", kind=ADDED))

    await staffed.database.write(many)
    first, rest = await ask(staffed, wecom, "lin", "今天新客户名单", "更多")

    named = [line for line in (first + "\n" + rest).splitlines() if "新客" in line]
    assert len(named) == 40
    assert "还有16行，回“更多”接着看。" in first


async def test_what_is_no_question_is_said_to_be_none(staffed: RunningBot, wecom: WeCom) -> None:
    hello, more = await ask(staffed, wecom, "lin", "今天天气怎么样", "更多")

    assert hello.startswith("“今天天气怎么样”我还不会答。")
    assert more.startswith("“更多”我还不会答。")
