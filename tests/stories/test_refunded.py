"""昨天退的那单扣我多少: what refunds take back of commission, and of whom."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from contacts.facts import Refund
from contacts.models import Customer
from kpi.credit import credit_orders
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.stories.test_questions import ask, company


def given_back(session: Session) -> None:
    """Beside Lin's ¥500 of Saturday: yesterday Wang's whole step, ¥2,500 of ¥12,000."""
    company(session)
    own: dict[str, Any] = {"digest": "", "at": MONDAY_TEN - timedelta(days=1), "order_id": 3, "customer_id": 3}
    session.add(Refund(source_id="b2", amount_fen=250_000, **own))
    lost = session.get_one(Customer, 1)
    lost.name = "李春华"
    session.flush()
    credit_orders(session, [3])


@pytest.fixture
async def staffed(bot: RunningBot) -> RunningBot:
    """The bot with refunds in its record."""
    await bot.database.write(given_back)
    return bot


async def test_a_refund_costs_its_percent(staffed: RunningBot, wecom: WeCom) -> None:
    yesterday, month, named, english = await ask(
        staffed, wecom, "lin", "昨天退的那单扣我多少", "这个月退款扣了我多少提成", "李女士退的那单扣我多少",
        "what did refunds cost me this month",
    )  # fmt: skip

    assert yesterday == "没有退款：2026-11-15，我的。"
    assert month.splitlines() == [
        "2026-11-01 – 11-30，我的：退款一共扣提成¥10",
        "双11返场：退了¥500，提成少¥10（2%）",
        "· 11-14 10:00 李春华 ¥500，双11返场",
        "数据截至 11-16 10:00",
    ]
    assert named.splitlines()[0].endswith("李春华：退款一共扣提成¥10")
    assert "双11返场: ¥500 given back, ¥10 less commission (2%)" in english


async def test_a_refund_may_cost_a_step_too(staffed: RunningBot, wecom: WeCom) -> None:
    [own] = await ask(staffed, wecom, "wang", "昨天退的那单扣我多少")
    [team] = await ask(staffed, wecom, "su", "团队这个月退款扣了多少提成")
    [refused] = await ask(staffed, wecom, "lin", "王磊退单扣了多少")

    assert own.splitlines()[1] == "双11返场：退了¥2,500，提成少¥170（从3%降到2%）", "360 before, 190 now"
    assert team.splitlines()[:2] == [
        "2026-11-01 – 11-30，我的团队：退款一共扣提成¥180",
        "双11返场：退了¥3,000，提成少¥180（从3%降到2%）",
    ]
    assert "· 11-15 10:00 客户3（王磊） ¥2,500，双11返场" in team.splitlines()
    assert "只有负责的店长能看" in refused
