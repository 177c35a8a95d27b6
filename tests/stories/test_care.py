"""Staff say what customers wish, and what they themselves want to remember: what is kept, and who hears of it."""

from datetime import date
from typing import TypeVar

import pytest
from sqlmodel import Session, SQLModel, select

from bot.database import Database
from bot.jobs import Priority
from bot.outbox import say
from contacts.calendar import rota
from contacts.care import may_be_contacted
from contacts.facts import Complaint, DoNotContact, LayerMove, Note, StaffDay, Touch
from contacts.models import Customer
from contacts.unasked import lane_of
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.stories.waiting import all_done

T = TypeVar("T", bound=SQLModel)
MONDAY = date(2026, 11, 16)


@pytest.fixture
async def li(bot: RunningBot, wecom: WeCom) -> str:
    """Lin's customer 李女士: her external_userid."""
    added = await wecom.adds_friend("lin", name="李女士")
    await bot.settle()
    return str(added["external_userid"])


async def says(bot: RunningBot, wecom: WeCom, userid: str, text: str) -> str:
    """What the bot answers a member, without the last line."""
    before = len(await wecom.texts(userid))
    await wecom.types(userid, text)
    await bot.settle()
    answers = (await wecom.texts(userid))[before:]
    return answers[0].rpartition("\n")[0]


async def rows(database: Database, model: type[T]) -> list[T]:
    """Every row of a table."""
    return await database.read(lambda session: list(session.exec(select(model)).all()))


async def reachable(database: Database, day: date = MONDAY, topic: str = "") -> int:
    """How many customers may be contacted."""

    def count(session: Session) -> int:
        ids = select(Customer.id).where(may_be_contacted(Customer.__table__.c.id, day, topic))  # type: ignore[attr-defined]
        return len(session.exec(ids).all())

    return await database.read(count)


async def test_a_customers_wish_holds_for_everybody_until_a_leader_lifts_it(
    bot: RunningBot, wecom: WeCom, li: str
) -> None:
    answer = await says(bot, wecom, "lin", "李女士说别再给她发了")
    assert answer == "记下了：大家都不再给李女士发任何消息，长期有效。只有店长能恢复。"
    assert await reachable(bot.database) == 0

    assert await says(bot, wecom, "lin", "恢复李女士 联系") == "只有店长能恢复，请找您的店长。"
    assert await reachable(bot.database) == 0
    assert await says(bot, wecom, "su", "恢复李女士 联系") == "李女士可以恢复联系了。"
    assert await reachable(bot.database) == 1
    [wish] = await rows(bot.database, DoNotContact)
    assert (wish.by, wish.lifted_by, wish.words) == ("lin", "su", "李女士说别再给她发了")


async def test_a_wish_may_end_by_itself_and_be_about_one_topic(bot: RunningBot, wecom: WeCom, li: str) -> None:
    assert "到2026-12-01为止" in await says(bot, wecom, "lin", "李女士别再发了 到下个月")
    assert [await reachable(bot.database, date(2026, 12, day)) for day in (1, 2)] == [0, 1]

    assert "关于促销的消息" in await says(bot, wecom, "lin", "李女士别再发促销了")
    assert [await reachable(bot.database, date(2026, 12, 2), topic) for topic in ("促销", "生日", "")] == [0, 1, 1]


async def test_a_wish_is_taken_in_english_too_and_a_day_nobody_understands_is_asked_for(
    bot: RunningBot, wecom: WeCom, li: str
) -> None:
    await wecom.adds_friend("lin", name="Mary Chen")
    await bot.settle()

    answer = await says(bot, wecom, "lin", "don't contact Mary Chen until next month")
    assert answer.startswith("Noted: Mary Chen gets nothing any more, up to and including 2026-12-01")
    assert (await says(bot, wecom, "lin", "李女士别再发了 等她消气")).startswith("到什么时候？没看懂“等她消气”")
    assert len(await rows(bot.database, DoNotContact)) == 1


async def test_a_complaint_rests_offers_and_opens_a_case_with_the_leader(
    bot: RunningBot, wecom: WeCom, li: str
) -> None:
    answer = await says(bot, wecom, "lin", "李女士投诉 等太久")
    assert answer == "记下了：李女士的投诉。处理好之前，大家都不给客户发营销内容。已经告诉您的店长。"
    assert await reachable(bot.database) == 0
    [told] = await wecom.texts("su")
    assert told.startswith("林晓报来李女士的投诉：等太久\n营销已暂停。")

    assert await says(bot, wecom, "lin", "李女士的投诉处理好了") == "只有店长能结束投诉，请找您的店长。"
    assert await says(bot, wecom, "su", "李女士的投诉处理好了") == "李女士的投诉已结束，可以恢复联系了。"
    assert await reachable(bot.database) == 1
    [complaint] = await rows(bot.database, Complaint)
    assert (complaint.text, complaint.userid, complaint.closed_by) == ("等太久", "lin", "su")


async def test_a_complaint_reaches_the_leader_whose_share_of_messages_is_used_up(
    bot: RunningBot, wecom: WeCom, li: str
) -> None:
    await says(bot, wecom, "su", "只发早上")

    def told(session: Session) -> None:
        for number in range(5):
            given = {"priority": Priority.PUSH, "lane": lane_of("su")}
            say(session, "su", f"消息{number}", cause=f"told{number}", now=MONDAY_TEN, **given)

    await bot.database.write(told)
    await bot.settle()
    before = len(await wecom.texts("su"))
    await says(bot, wecom, "lin", "李女士投诉 等太久")
    await says(bot, wecom, "lin", "李女士投诉 态度不好")
    assert [one.splitlines()[0] for one in (await wecom.texts("su"))[before:]] == [
        "林晓报来李女士的投诉：等太久",
        "林晓报来李女士的投诉：态度不好",
    ]
    assert before == 1, "the answer to her wish; what is told unasked waits for the morning"


async def test_an_unknown_customer_and_a_complaint_about_nothing_are_asked_for(
    bot: RunningBot, wecom: WeCom, li: str
) -> None:
    assert await says(bot, wecom, "lin", "赵四投诉 等太久") == "在您的客户里没找到“赵四”。"
    assert (await says(bot, wecom, "lin", "李女士投诉")).startswith("投诉什么事？")
    assert await says(bot, wecom, "mo", "李女士别再发了") == "在您的客户里没找到“李女士”。"
    assert await rows(bot.database, Complaint) == []


async def test_notes_and_the_next_contact_are_kept(bot: RunningBot, wecom: WeCom, li: str) -> None:
    assert await says(bot, wecom, "lin", "记一下 李女士 想周末来试戴") == "已给李女士记下：想周末来试戴"
    assert await says(bot, wecom, "lin", "记一下李女士怕疼") == "已给李女士记下：怕疼"
    assert await says(bot, wecom, "lin", "李女士 下周三联系") == "记下了：2026-11-25联系李女士。"
    assert (await says(bot, wecom, "lin", "李女士昨天联系")).startswith("“昨天”已经过了")

    notes = await rows(bot.database, Note)
    assert [(one.text, one.next_contact_on) for one in notes] == [
        ("想周末来试戴", None),
        ("怕疼", None),
        ("李女士 下周三联系", date(2026, 11, 25)),
    ]
    assert {one.userid for one in notes} == {"lin"}


async def test_a_day_off_goes_into_the_rota_and_leader_and_stand_in_hear_of_it(bot: RunningBot, wecom: WeCom) -> None:
    answer = await says(bot, wecom, "lin", "我明天调休，活儿先给王磊")
    assert answer == "记下了：您11-17休息。工作由王磊代，已经告诉王磊了。已经告诉您的店长。"

    [leader] = await wecom.texts("su")
    [colleague] = await wecom.texts("wang")
    assert leader.startswith("林晓11-17休息。工作由王磊代。")
    assert colleague.startswith("林晓11-17休息，请您代班：")
    known = await bot.database.read(lambda session: rota(session, ["lin", "wang"], MONDAY, date(2026, 11, 18)))
    assert [known.works("lin", date(2026, 11, day)) for day in (16, 17, 18)] == [True, False, True]
    assert known.stand_in("lin", date(2026, 11, 17)) == "wang"


async def test_leave_until_a_day_and_work_again(bot: RunningBot, wecom: WeCom) -> None:
    assert "11-16至11-20" in await says(bot, wecom, "lin", "请假到周五，小王代")
    assert await says(bot, wecom, "lin", "我周四上班") == "记下了：您11-19上班。"

    days = await rows(bot.database, StaffDay)
    assert {(one.day.day, one.works, one.stand_in) for one in days} == {
        (16, False, "wang"), (17, False, "wang"), (18, False, "wang"), (19, True, None), (20, False, "wang"),
    }  # fmt: skip


async def test_a_stand_in_nobody_knows_is_asked_for_and_nothing_kept(bot: RunningBot, wecom: WeCom) -> None:
    assert await says(bot, wecom, "lin", "我明天休息，小钱代") == "没找到叫“小钱”的同事。"
    assert await rows(bot.database, StaffDay) == []


async def test_a_welcome_that_went_out_is_a_confirmed_touch(bot: RunningBot, wecom: WeCom, li: str) -> None:
    [touch] = await rows(bot.database, Touch)

    assert (touch.userid, touch.scene, touch.confirmed, touch.doubtful) == ("lin", "welcome", True, False)


async def test_no_welcome_no_touch(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.adds_friend("lin", console_welcome=True)
    await bot.settle()

    assert await rows(bot.database, Touch) == []


async def test_layers_follow_what_happens_within_moments(bot: RunningBot, wecom: WeCom, li: str) -> None:
    await all_done(bot)
    [before] = await rows(bot.database, Customer)
    assert (before.stage, before.aipl) == ("new", "aware")

    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": li, "by": "customer"})
    await bot.settle()
    await all_done(bot)
    [after] = await rows(bot.database, Customer)
    assert (after.stage, after.aipl) == ("lost", "")
    assert [one.after for one in await rows(bot.database, LayerMove) if one.layer == "stage"] == ["lost"]
