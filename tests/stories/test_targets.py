"""Leaders set targets and KPI sets in chat and from a file; others are told that they cannot."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.clock import Clock
from bot.commands.load import ImportFailed
from bot.commands.load_targets import import_targets
from bot.database import Database
from contacts.models import StaffDepartment, Store
from kpi.models import Target
from kpi.sets import SETS, set_of
from tests.bot.program import Program, program_beside
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


@pytest.fixture
async def program(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Program]:
    """A program beside a bot, on each database; the east store is where Lin works."""
    async with program_beside(wecom, database_url, tmp_path, clock) as running:

        def east(session: Session) -> None:
            work = select(StaffDepartment.department_id).where(StaffDepartment.userid == "lin")
            session.add(Store(code="east", name="城东", department_id=session.exec(work).one()))

        await running.bot.database.write(east)
        yield running


MONTHLY = {"metric": "amount", "month": "2026-11"}


async def test_targets_come_from_other_systems_and_again_change_nothing(program: Program, wecom: WeCom) -> None:
    records = (
        {"id": "1", "userid": "lin", "value": 8_000_000, **MONTHLY},
        {"id": "2", "store": "east", "value": 50_000_000, **MONTHLY},
        {"id": "3", "userid": "lin", "value": 20, "metric": "orders", "month": "2026-12"},
    )
    first, again = await program.sends("targets", *records), await program.sends("targets", *records)

    assert first == {"stored": 3, "unchanged": 0, "rejected": 0}
    assert again == {"stored": 0, "unchanged": 3, "rejected": 0}
    found = await targets(program.bot)
    assert found["staff:lin", "amount", NOVEMBER] == 8_000_000
    assert found["staff:lin", "orders", DECEMBER] == 20
    [mine] = await ask(program.bot, wecom, "lin", "我还差多少")
    [teams] = await ask(program.bot, wecom, "su", "团队还差多少")
    assert "¥80,000" in mine
    assert "¥500,000" in teams


async def test_the_latest_word_holds_whoever_said_it(program: Program, wecom: WeCom) -> None:
    said = {"id": "1", "userid": "lin", **MONTHLY}
    await program.sends("targets", {**said, "value": 100})
    await ask(program.bot, wecom, "su", "林晓本月9万")
    await program.sends("targets", {**said, "value": 100})
    assert (await targets(program.bot))["staff:lin", "amount", NOVEMBER] == 9_000_000

    counts = await program.sends("targets", {**said, "id": "2", "value": 300}, at="2026-11-16T10:04:00+08:00")
    assert counts["stored"] == 1
    assert (await targets(program.bot))["staff:lin", "amount", NOVEMBER] == 300


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"userid": "nobody"}, "userid"), ({"userid": None, "store": "moon"}, "store"), ({"store": "east"}, "record"),
        ({"userid": None}, "record"), ({"userid": None, "department": 99}, "department"),
        ({"metric": "luck"}, "metric"), ({"metric": "repeat_rate"}, "metric"), ({"month": "November"}, "month"),
        ({"month": "2026-13"}, "month"),
        ({"value": 0}, "value"), ({"value": "20"}, "value"), ({"colour": "red"}, "colour"),
        ({"at": "2026-11-17T09:00:00+08:00"}, "at"), ({"at": "2026-11-16"}, "at"),
    ],
)  # fmt: skip
async def test_a_wrong_target_is_named_with_its_field(program: Program, wrong: dict[str, Any], field: str) -> None:
    record = {"id": "1", "userid": "lin", "value": 20, **MONTHLY, **wrong}

    assert await program.refused("targets", {key: value for key, value in record.items() if value is not None}) == [
        (0, field)
    ]
    assert await targets(program.bot) == {}


async def test_a_file_of_targets(database: Database, tmp_path: Path) -> None:
    await database.write(company)
    file, at = tmp_path / "targets.csv", "2026-11-01T09:00:00+08:00"
    head, good = (
        "id,at,userid,store,metric,month,value",
        f"1,{at},lin,,orders,2026-11,20\n2,{at},,east,amount,2026-11,500",
    )
    file.write_text(f"{head}\n{good}\n", encoding="utf-8-sig")
    said = [await import_targets(database, file, now=MONDAY_TEN, only_good=False) for _ in range(2)]

    assert said == ["2 stored, 0 unchanged, 0 rejected", "0 stored, 2 unchanged, 0 rejected"]
    found = await database.read(lambda session: {one.whose: one.value for one in session.exec(select(Target))})
    assert found == {"staff:lin": 20, "department:2": 500}
    file.write_text(f"{head}\n{good}0\n3,{at},nobody,,orders,2026-11,-1\n")
    with pytest.raises(ImportFailed, match=r"1 rows of targets\.csv are wrong and nothing was stored"):
        await import_targets(database, file, now=MONDAY_TEN, only_good=False)
    [line] = (tmp_path / "targets.rejected.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
    assert line.startswith("4,value,'-1,")
    kept = await import_targets(database, file, now=MONDAY_TEN, only_good=True)
    assert kept.startswith("1 stored, 1 unchanged, 1 rejected; see")
    file.write_text("whose,value\nlin,3\n")
    with pytest.raises(ImportFailed, match="unknown column 'whose'"):
        await import_targets(database, file, now=MONDAY_TEN, only_good=False)
