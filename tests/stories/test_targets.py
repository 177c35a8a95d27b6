"""Leaders set targets and KPI sets in chat and from a file; others are told that they cannot."""

from datetime import date
from pathlib import Path

import pytest
from sqlmodel import Session, select

from bot.database import Database
from kpi.models import Target
from kpi.sets import SETS, set_of
from kpi.targets import BadTarget, put, read_targets
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.kpi.company import company
from tests.stories.test_questions import ask

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


async def targets(bot: RunningBot) -> dict[tuple[str, str, date], int]:
    """Everything that is aimed at."""
    rows = await bot.database.read(lambda session: list(session.exec(select(Target)).all()))
    return {(row.whose, row.metric, row.month): row.value for row in rows}


async def test_a_leader_sets_targets_and_staff_see_what_is_missing(bot: RunningBot, wecom: WeCom) -> None:
    set_, short, team, english = await ask(
        bot, wecom, "su", "给小王定本月目标 20 单 / 5万", "林晓本月8万", "团队下个月目标50万",
        "set wang's target for next month to 30 orders",
    )  # fmt: skip

    assert set_.startswith("王磊2026-11的目标：订单数 20")
    assert "业绩 ¥50,000" in set_
    assert "林晓2026-11的目标：业绩 ¥80,000" in short
    assert "¥500,000" in team
    assert english.startswith("Target of 王磊 for 2026-12: Orders 30")
    found = await targets(bot)
    assert found["staff:wang", "orders", NOVEMBER] == 20
    assert found["staff:wang", "amount", NOVEMBER] == 5_000_000
    assert found["staff:lin", "amount", NOVEMBER] == 8_000_000
    assert found["staff:wang", "orders", DECEMBER] == 30
    assert [value for (whose, _, _), value in found.items() if whose.startswith("department:")] == [50_000_000]

    await ask(bot, wecom, "su", "林晓本月9万")
    assert (await targets(bot))["staff:lin", "amount", NOVEMBER] == 9_000_000


@pytest.mark.parametrize("text", ["给王磊定本月目标20单", "团队目标50万", "我本月目标5万", "我们店KPI用起步期"])
async def test_others_set_nothing(bot: RunningBot, wecom: WeCom, text: str) -> None:
    [answer] = await ask(bot, wecom, "lin", text)

    assert "由负责这个团队的店长来定" in answer
    assert await targets(bot) == {}


async def test_a_leader_does_not_reach_into_another_team(bot: RunningBot, wecom: WeCom) -> None:
    [answer] = await ask(bot, wecom, "su", "给莫然定本月目标20单")

    assert "由负责这个团队的店长来定" in answer
    assert await targets(bot) == {}


async def test_a_team_looks_at_the_kpis_its_leader_chose(bot: RunningBot, wecom: WeCom) -> None:
    before, chosen = await ask(bot, wecom, "su", "我的数据", "我们店KPI用起步期")
    [lin] = await ask(bot, wecom, "lin", "我的数据")

    assert "业绩" in before
    assert "主指标：新增客户数" in chosen
    assert lin.splitlines()[1].startswith("新增客户数")


async def test_every_set_has_one_main_kpi_and_at_most_five_beside_it(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        assert (set_of(session, "lin").main, set_of(session, "su").auxiliary[-1]) == ("amount", "todo_done_rate")
    assert all(1 <= len(names) <= 6 and len(set(names)) == len(names) for names in SETS.values())


async def test_a_file_of_targets(database: Database, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("whose,metric,month,value\nstaff:lin,orders,2026-11,20\ndepartment:2,amount,2026-11,5000000\n")
    with Session(database.engine) as session:
        company(session)
        for _ in range(2):
            put(session, read_targets(session, good), "import", MONDAY_TEN)
        rows = {(one.whose, one.metric): one.value for one in session.exec(select(Target)).all()}
        assert rows == {("staff:lin", "orders"): 20, ("department:2", "amount"): 5_000_000}
        for line, field in (
            ("staff:nobody,orders,2026-11,20", "whose"), ("staff:lin,repeat_rate,2026-11,20", "metric"),
            ("staff:lin,orders,November,20", "month"), ("staff:lin,orders,2026-11,-1", "value"),
        ):  # fmt: skip
            bad.write_text(f"whose,metric,month,value\n{line}\n")
            with pytest.raises(BadTarget, match=f"line 2: {field}="):
                read_targets(session, bad)
