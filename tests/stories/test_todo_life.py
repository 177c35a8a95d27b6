"""What becomes of a to-do after the morning: overdue, passed on, undone, closed by itself, followed by an order."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.jobs import Priority
from bot.outbox import say
from bot.worker import tick
from contacts.channels import Campaign
from contacts.domain_events import raise_event
from contacts.facts import Note, Touch, Visit
from contacts.models import Customer
from kpi.credit import credit_orders
from sop.sops import Todo
from tests.conftest import RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.sop.company import ZONE, at, customer, order, visit
from tests.stories.test_morning import DAY, MorningClock, card_of, missed, press, to_time

WEDNESDAY = DAY + timedelta(days=2)


@pytest.fixture
def clock() -> MorningClock:
    """A clock that a test moves; Wednesday 8:20."""
    return MorningClock()


async def morning(bot: RunningBot, clock: HandClock, day: date) -> None:
    """The plan, the card and what follows it, on a later day."""
    for hour, minute in ((8, 31), (9, 6)):
        clock.forward((datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE) - clock.now()).total_seconds())
        await tick(bot.parts.database, clock, ZONE)
        await bot.settle()


async def moments(bot: RunningBot, clock: HandClock, seconds: float = 5) -> None:
    """Let what is due in a moment happen."""
    for _ in range(2):
        clock.forward(seconds)
        bot.parts.loop.wake()
        await bot.settle()


async def says(bot: RunningBot, wecom: WeCom, userid: str, text: str) -> str:
    """A member types; the bot's last answer without its stamp."""
    before = len(await wecom.texts(userid))
    await wecom.types(userid, text)
    await bot.settle()
    answers = (await wecom.texts(userid))[before:]
    assert answers, f"no answer to {text}"
    return answers[-1].rpartition("\n")[0]


async def told_of_team(wecom: WeCom) -> list[str]:
    """What the leader was told unasked of her team's to-dos."""
    return [one for one in await wecom.texts("su") if one.startswith(("团队逾期待办", "连着"))]


async def on_record(bot: RunningBot) -> list[Todo]:
    """Every to-do, in the order they were made."""
    return await bot.database.read(lambda session: list(session.exec(select(Todo).order_by(col(Todo.id))).all()))


async def test_overdue_goes_to_the_leader_once_who_passes_on_nudges_and_withdraws(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    def build(session: Session) -> None:
        for one in ("李女士", "王芳", "陈晨"):
            given: dict[str, Any] = {
                "userid": "lin",
                "title": "回访一下",
                "day": WEDNESDAY,
                "due_on": WEDNESDAY + timedelta(days=1),
            }
            session.add(Todo(customer_id=customer(session, one, friend=False), **given))

    await bot.database.write(build)
    await morning(bot, clock, WEDNESDAY)
    for days in (1, 2, 3):  # ends on Thursday; Friday is hers; on Saturday the leader is off
        await morning(bot, clock, WEDNESDAY + timedelta(days=days))
        assert await told_of_team(wecom) == []
    monday = WEDNESDAY + timedelta(days=5)
    await morning(bot, clock, monday)

    [told] = await told_of_team(wecom)
    assert told.splitlines()[:2] == ["团队逾期待办3件：", "· 林晓：李女士 · 回访一下（11-19到期）"]
    assert "把李女士的待办转给" in told
    assert {one.escalated_on for one in await on_record(bot)} == {monday}

    assert "只有" in await says(bot, wecom, "lin", "把李女士的待办转给小王")
    assert await says(bot, wecom, "he", "把李女士的待办转给小莫") == "在您的客户里没找到“李女士”。"
    assert await says(bot, wecom, "su", "把李女士的待办转给小王") == "已把1件转给王磊。"
    assert (await wecom.texts("wang"))[-1].splitlines()[:2] == ["今天新增待办：", "1 李女士 · 回访一下"]
    assert await says(bot, wecom, "su", "催一下小林") == "已提醒林晓，还有2件待办。"
    assert (await wecom.texts("lin"))[-1].startswith("苏敏提醒您：还有2件待办没做，其中2件逾期。")
    assert await says(bot, wecom, "su", "催一下林晓") == "今天已经催过林晓了，一天一次就好。"
    assert await says(bot, wecom, "su", "撤回王芳的待办") == "已撤回1件。"
    assert (await says(bot, wecom, "su", "overdue")).startswith("Overdue: 1\n· 林晓 陈晨")
    assert await says(bot, wecom, "su", "give Lin's overdue ones to Wang") == "1 passed on to 王磊."
    assert await says(bot, wecom, "su", "让小王明天联系王芳") == "已安排给王磊，11月24日 周二：联系王芳。"

    states = [(one.userid, one.state, one.due_on) for one in await on_record(bot)]
    tuesday = monday + timedelta(days=1)
    assert states == [
        ("wang", "open", monday), ("lin", "withdrawn", WEDNESDAY + timedelta(days=1)), ("wang", "open", monday),
        ("wang", "open", tuesday),
    ]  # fmt: skip
    await morning(bot, clock, tuesday)
    assert len(await told_of_team(wecom)) == 1
    assert "3 王芳 · 店长安排：联系一下" in await says(bot, wecom, "wang", "今天待办")


async def test_undo_takes_back_done_put_off_and_notes_the_latest_first(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, *_rest = await missed(bot, "李女士", "王芳", "陈晨", friends=False)
    await to_time(bot, clock, 9, 6)
    before = await on_record(bot)
    assert (await says(bot, wecom, "lin", "完成 1、3 已约")).startswith("已完成：李女士、陈晨。")
    clock.forward(1)
    await says(bot, wecom, "lin", "推迟2到下周一")
    clock.forward(1)
    await says(bot, wecom, "lin", "记一下 李女士 下周五再联系")

    assert await says(bot, wecom, "lin", "撤销") == "已撤销这条记录：“下周五再联系”。"
    assert await says(bot, wecom, "lin", "undo") == "Taken back: 2 王芳 · 爽约第2天关心一下"
    assert await says(bot, wecom, "lin", "撤销") == "已撤销：1 李女士 · 爽约第2天关心一下，3 陈晨 · 爽约第2天关心一下"
    assert (await says(bot, wecom, "lin", "撤销")).startswith("没有可撤销的")
    assert await on_record(bot) == before

    def left(session: Session) -> tuple[list[Any], Any]:
        kept = [*session.exec(select(Touch)).all(), *session.exec(select(Note)).all()]
        return kept, session.get_one(Customer, first).last_contact_at

    assert await bot.database.read(left) == ([], None)
    assert (await card_of(wecom, "lin"))["main_title"]["title"] == "今天的待办都完成了"
    card = await press(bot, wecom, "lin", "list")
    await press(bot, wecom, "lin", "na", card["button_selection"]["option_list"][0]["id"])
    await press(bot, wecom, "lin", "reason", "wrong_person")
    assert (await on_record(bot))[0].state == "not_applicable"
    clock.forward(601)
    assert (await says(bot, wecom, "lin", "撤销")).startswith("没有可撤销的"), "ten minutes are over"
    await press(bot, wecom, "lin", "na", card["button_selection"]["option_list"][1]["id"])
    await press(bot, wecom, "lin", "reason", "wrong_person")
    assert "王芳" in await says(bot, wecom, "lin", "撤销")
    assert [one.state for one in await on_record(bot)] == ["not_applicable", "open", "open"]


async def test_the_day_of_the_next_contact_becomes_a_to_do(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await bot.database.write(lambda session: [customer(session, one, friend=False) for one in ("李女士", "王芳")])
    await to_time(bot, clock, 9, 6)
    await says(bot, wecom, "lin", "李女士 周四联系")
    await says(bot, wecom, "lin", "李女士 周五联系")  # she changed her mind: the later word holds
    await says(bot, wecom, "lin", "王芳 今天联系")
    assert (await says(bot, wecom, "lin", "今天待办")).splitlines()[1].startswith("1 王芳 · 按您记下的日子联系")
    await says(bot, wecom, "lin", "完成 1 有回复")

    await morning(bot, clock, WEDNESDAY + timedelta(days=1))
    assert len(await on_record(bot)) == 1
    await morning(bot, clock, WEDNESDAY + timedelta(days=2))
    assert (await card_of(wecom, "lin"))["horizontal_content_list"] == [
        {"keyname": "李女士", "value": "电话：按您记下的日子联系"}
    ]
    assert "李女士 周五联系" in await says(bot, wecom, "lin", "1")
    await says(bot, wecom, "lin", "李女士说别再给她发了")
    await moments(bot, clock)
    assert [one.state for one in await on_record(bot)] == ["done", "withdrawn"]


async def test_a_visit_reported_late_takes_the_to_do_off_the_list_and_the_card(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, *_rest = await missed(bot, "李女士", "王芳", friends=False)
    await to_time(bot, clock, 9, 6)

    def came(session: Session) -> None:
        visit(session, first, at(DAY, 8))  # before the hour of her appointment
        raise_event(session, "visit_made", first, clock.now(), "v1")

    await bot.database.write(came)
    await moments(bot, clock)
    await moments(bot, clock, 61)

    assert [(one.state, one.result) for one in await on_record(bot)] == [
        ("withdrawn", "goal reached: visited"),
        ("open", ""),
    ]
    card = await card_of(wecom, "lin")
    assert [one["keyname"] for one in card["horizontal_content_list"]] == ["王芳"]
    await to_time(bot, clock, 20, 1)
    assert (await wecom.texts("lin"))[-1].startswith("另有1件客户自己已经办了")


async def test_what_followed_is_linked_told_in_the_evening_and_shown_in_why(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, second, third = await missed(bot, "李女士", "王芳", "陈晨", friends=False)
    await to_time(bot, clock, 9, 6)
    await says(bot, wecom, "lin", "完成 1、2")
    clock.forward(600)

    def bought(session: Session) -> None:
        campaign = Campaign(
            code="autumn", name="秋季", starts_on=DAY, ends_on=DAY + timedelta(days=20), created_at=at(DAY)
        )
        campaign.commission_percent = 5
        session.add(campaign)
        session.flush()
        order(session, first, clock.now(), 172_000, campaign_id=campaign.id)
        visit(session, first, clock.now())
        credit_orders(session, [1])
        for name in ("order_paid", "visit_made"):
            raise_event(session, name, first, clock.now(), "1")

    await bot.database.write(bought)
    await moments(bot, clock)
    assert [one.outcome for one in await on_record(bot)] == ["ordered", "", ""]
    await to_time(bot, clock, 20, 1)

    told = (await wecom.texts("lin"))[-1]
    assert told.splitlines()[0] == "今天跟进的2位里1位已下单，提成+¥86"
    assert await wecom.texts("wang") == []
    assert "之后：11-18已下单" in await says(bot, wecom, "lin", "为什么提醒我联系李女士")

    def refunded(session: Session) -> None:
        session.connection().exec_driver_sql("UPDATE orders SET refunded_fen = amount_fen")
        session.add(Visit(source_id="v2", digest="", at=clock.now(), customer_id=second))

    await bot.database.write(refunded)
    await morning(bot, clock, WEDNESDAY + timedelta(days=1))
    assert [one.outcome for one in await on_record(bot)] == ["visited", "visited", ""]
    assert third


async def test_cards_nobody_answers_shrink_and_the_leader_hears_of_it_once(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    def build(session: Session) -> None:
        for one in ("李女士", "王芳"):
            number = customer(session, one, friend=False)
            for offset in range(7):
                day = WEDNESDAY + timedelta(days=offset)
                session.add(
                    Todo(customer_id=number, userid="lin", title=f"{day:%d}日联系", day=day, due_on=day + timedelta(9))
                )

    await bot.database.write(build)
    titles = []
    for offset in (0, 1, 2, 5, 6):
        await morning(bot, clock, WEDNESDAY + timedelta(days=offset))
        titles.append((await card_of(wecom, "lin"))["main_title"]["title"])
    assert titles == ["今日待办 2 件"] * 2 + ["今天先做这一件"] * 3
    assert len((await card_of(wecom, "lin"))["horizontal_content_list"]) == 1
    [told] = await told_of_team(wecom)
    assert told.splitlines()[0] == "连着3天没理早上的待办卡片：林晓"

    await says(bot, wecom, "lin", "今天待办")
    await morning(bot, clock, WEDNESDAY + timedelta(days=7))
    assert (await card_of(wecom, "lin"))["main_title"]["title"] == "今日待办 2 件"


async def test_unasked_messages_keep_to_the_days_share_and_to_what_she_wishes(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await missed(bot, "李女士", main="wang", friends=False)

    def lose(session: Session, count: int, first: int) -> None:
        for number in range(first, first + count):
            for userid in ("wang", "lin"):
                given = {"priority": Priority.PUSH, "lane": f"push:{userid}"}
                say(session, userid, f"消息{number}", cause=f"{userid}{number}", now=clock.now(), **given)

    await to_time(bot, clock, 9, 6)
    assert await says(bot, wecom, "lin", "只发早上") == (
        "好的，只在早上发，其他消息攒到第二天早上一起发。您问的照样马上答。"
    )
    await to_time(bot, clock, 10, 0)
    await bot.database.write(lambda session: lose(session, 6, 1))
    await bot.settle()
    assert [one.splitlines()[0] for one in await wecom.texts("wang")] == ["消息1", "消息2", "消息3"], "and the card"
    assert len(await wecom.texts("lin")) == 1

    await morning(bot, clock, WEDNESDAY + timedelta(days=1))
    [waited] = (await wecom.texts("wang"))[3:]
    assert waited.startswith("昨天攒下、没打扰您的消息：\n\n消息4\n\n消息5\n\n消息6")
    assert (await wecom.texts("lin"))[-1].startswith("昨天攒下、没打扰您的消息：\n\n消息1\n\n消息2")

    assert await says(bot, wecom, "su", "林晓照常发") == "已给林晓设好：一天最多4条，包括早上的卡片。"
    assert await says(bot, wecom, "lin", "少发点") == "这个是店长定的，要改请找店长。"
    assert await says(bot, wecom, "wang", "fewer messages") == (
        "Noted: at most 2 messages a day, the morning card among them. Whatever you ask is answered as always."
    )
    count = len(await wecom.texts("wang"))
    await bot.database.write(lambda session: lose(session, 3, 10))
    await bot.settle()
    assert len(await wecom.texts("wang")) == count, "the morning's messages were her share"
    assert [one.splitlines()[0] for one in (await wecom.texts("lin"))[-3:]] == ["消息10", "消息11", "消息12"]
    assert (await says(bot, wecom, "wang", "ping")).startswith("I am here")
