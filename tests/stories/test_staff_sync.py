"""Departments and staff: what a pull leaves in the record, and what happens when somebody comes or goes."""

import asyncio

import pytest
from sqlmodel import col, select

from bot.jobs import NewJob, Priority, enqueue
from contacts.models import Department, Staff, StaffDepartment
from contacts.staff import SYNC, place_of, subtree
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock

LOOKS = 100
"""How often a record is looked at, a tenth of a second apart, until it is as expected."""


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip the ten seconds in which new members are gathered."""
    return HandClock(MONDAY_TEN)


async def staff(bot: RunningBot, userid: str) -> Staff | None:
    """The record of a member."""
    return await bot.database.read(lambda session: session.get(Staff, userid))


async def pulled(bot: RunningBot, cause: str) -> None:
    """Pull the staff as it is now."""
    now = bot.parts.clock.now()
    job = NewJob(key=f"{SYNC}:{cause}", kind=SYNC, lane=SYNC, priority=Priority.SYNC, created_at=now)
    await bot.database.write(lambda session: enqueue(session, job))
    await bot.settle()


async def test_departments_staff_and_leaders_are_known_after_the_start(bot: RunningBot) -> None:
    departments = await bot.database.read(
        lambda session: session.exec(select(Department).order_by(col(Department.id))).all()
    )
    leads = select(StaffDepartment.userid, StaffDepartment.department_id).where(StaffDepartment.leads)
    leaders = await bot.database.read(lambda session: session.exec(leads).all())
    lin = await staff(bot, "lin")

    assert [(one.name, one.path) for one in departments] == [
        ("示例公司", "/1/"),
        ("城东店", "/1/2/"),
        ("城西店", "/1/3/"),
        ("线上客服", "/1/4/"),
    ]
    assert set(leaders) == {("su", 2), ("he", 3)}
    assert lin is not None
    assert (lin.name, lin.active, lin.customer_contact) == ("林晓", True, True)


async def test_a_subtree_holds_everything_below_and_nothing_beside(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "departments", {"id": 20, "name": "美容组", "parent": 2})
    await wecom.sim("POST", "departments", {"id": 21, "name": "学徒", "parent": 20})
    await wecom.sim("POST", "members", {"userid": "xu", "name": "徐徒", "departments": [21]})
    await pulled(bot, "tree")

    below = await bot.database.read(lambda session: [subtree(session, ids) for ids in ([2], [1], [20, 3], [99], [])])
    place = await bot.database.read(lambda session: place_of(session, "xu"))

    assert below == [{2, 20, 21}, {1, 2, 3, 4, 20, 21}, {20, 21, 3}, set(), set()]
    assert (place.name, place.departments, place.company) == ("徐徒", frozenset({1, 2, 20, 21}), "示例公司")


async def test_a_member_who_leaves_the_scope_stays_on_record_inactive(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "members", {"userid": "wang", "in_scope": False})
    await bot.settle()
    left = await staff(bot, "wang")
    await pulled(bot, "again")
    still = await staff(bot, "wang")

    assert left is not None
    assert still is not None
    assert (left.active, still.active, still.name) == (False, False, left.name)


async def test_everybody_who_comes_is_pulled_also_just_after_another(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await wecom.sim("POST", "members", {"userid": "xia", "name": "夏天", "departments": [2]})
    await bot.settle()
    clock.forward(10)
    assert await known(bot, "xia") == "夏天"
    await wecom.sim("POST", "members", {"userid": "dong", "name": "冬雪", "departments": [3]})
    await bot.settle()
    clock.forward(10)

    assert await known(bot, "dong") == "冬雪"


async def test_a_department_that_comes_together_is_pulled_once(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    before = len(await wecom.calls("department/list"))
    clock.forward(10 - clock.now().second % 10)
    come = [
        wecom.sim("POST", "members", {"userid": f"new{n}", "name": f"新人{n}", "departments": [4]}) for n in range(20)
    ]
    await asyncio.gather(*come)
    await bot.settle()
    clock.forward(20)

    assert await known(bot, "new19") == "新人19"
    assert await known(bot, "new0") == "新人0"
    assert len(await wecom.calls("department/list")) == before + 1


async def test_a_pull_that_fails_half_way_changes_nothing_until_it_succeeds(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "members", {"userid": "wang", "name": "王新名"})
    await wecom.fault("externalcontact/get_follow_user_list", status=502, times=1)
    await pulled(bot, "broken")
    before = await staff(bot, "wang")
    calls = await wecom.calls("externalcontact/get_follow_user_list")
    await wecom.sim("GET", f"calls?path=externalcontact/get_follow_user_list&after={calls[-1]['n']}&wait=20")
    await bot.settle()
    after = await staff(bot, "wang")

    assert before is not None
    assert after is not None
    assert (before.name, after.name) == ("王磊", "王新名")


async def known(bot: RunningBot, userid: str) -> str:
    """The name of a member who is on record by now, or will be in a moment."""
    for _ in range(LOOKS):
        found = await staff(bot, userid)
        if found:
            return found.name
        await asyncio.sleep(0.1)
    raise AssertionError(f"{userid} is not on record")
