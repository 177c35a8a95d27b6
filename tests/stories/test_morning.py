"""The morning: the plan at 8:30, the card at 9:03, presses on it and words about it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.jobs import NewJob, enqueue
from bot.worker import tick
from contacts.facts import Touch, Watermark
from sop import packs
from sop.digest import DIGEST
from sop.sops import Todo
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.sop.company import ZONE, at, booking, customer

DAY = MONDAY_TEN.astimezone(ZONE).date()


class MorningClock(HandClock):
    """Begins on a Wednesday at 8:20."""

    def __init__(self) -> None:
        super().__init__(at(DAY + timedelta(days=2), 8) + timedelta(minutes=20))


@pytest.fixture
def clock() -> MorningClock:
    """A clock that a test moves."""
    return MorningClock()


async def missed(bot: RunningBot, *names: str, main: str = "lin", friends: bool = True) -> list[int]:
    """Customers who did not come on Monday, and the dental pack."""

    def build(session: Session) -> list[int]:
        packs.install(session, "dental", bot.parts.clock.now())
        session.merge(Watermark(feed="visits", store="", complete_to=at(DAY + timedelta(days=2), 0)))
        made = [customer(session, name, main, friend=friends) for name in names]
        for number, one in enumerate(made):
            booking(session, one, at(DAY, 9 + number), store=None)
        return made

    return await bot.parts.database.write(build)


async def to_time(bot: RunningBot, clock: HandClock, hour: int, minute: int) -> None:
    """Go forward to a time of the day and let what is due happen."""
    now = clock.now().astimezone(ZONE)
    clock.forward((now.replace(hour=hour, minute=minute, second=0, microsecond=0) - now).total_seconds())
    await tick(bot.parts.database, clock, ZONE)
    await bot.settle()


async def card_of(wecom: WeCom, userid: str) -> dict[str, Any]:
    """The latest card in a member's chat as it looks now."""
    cards = [one for one in await wecom.chat(userid) if one["msgtype"] == "template_card"]
    updated = (cards[-1].get("updated") or {}).get("template_card")
    return {**(updated or cards[-1]["body"]), "task_id": cards[-1]["task_id"]}


async def press(bot: RunningBot, wecom: WeCom, userid: str, key: str, chosen: str | None = None) -> dict[str, Any]:
    """Press a button of the latest card, with something chosen where it asks; answers the card afterwards."""
    card = await card_of(wecom, userid)
    button = next(one["key"] for one in card["button_list"] if one["key"].startswith(f"todo:{key}"))
    body = {
        "userid": userid,
        "task_id": card["task_id"],
        "key": button,
        "selected": {"todo": [chosen]} if chosen else {},
    }
    await wecom.sim("POST", "card-clicks", body)
    await bot.settle()
    return await card_of(wecom, userid)


async def test_the_card_comes_at_three_past_nine_with_names_and_actions(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await missed(bot, "李女士", "王芳")
    await to_time(bot, clock, 8, 31)
    assert await wecom.chat("lin") == []
    await to_time(bot, clock, 9, 3)

    card = await card_of(wecom, "lin")
    assert card["main_title"] == {"title": "今日待办 2 件", "desc": "11月18日 周三"}
    assert card["horizontal_content_list"] == [
        {"keyname": "李女士", "value": "爽约第2天关心一下"},
        {"keyname": "王芳", "value": "爽约第2天关心一下"},
    ]
    assert [one["text"] for one in card["button_selection"]["option_list"]] == ["1 李女士", "2 王芳"]
    assert [one["text"] for one in card["button_list"]] == ["完成", "推迟", "不适用", "为什么"]
    assert await wecom.chat("wang") == []


async def test_every_member_has_one_card_however_many_are_asked_for_together_and_again_after_a_kill(
    bot: RunningBot, wecom: WeCom, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sop.digest.AT_ONCE", 1)
    await missed(bot, "李女士")
    await missed(bot, "王芳", main="wang")
    await missed(bot, "陈晨", main="su")
    await to_time(bot, clock, 8, 31)
    await to_time(bot, clock, 9, 3)
    again = NewJob("killed", DIGEST, clock.now())
    await bot.parts.database.write(lambda session: enqueue(session, again))
    await bot.settle()

    for userid, name in (("lin", "李女士"), ("wang", "王芳"), ("su", "陈晨")):
        [card] = [one for one in await wecom.chat(userid) if one["msgtype"] == "template_card"]
        assert [one["keyname"] for one in card["body"]["horizontal_content_list"]] == [name]


async def test_done_asks_for_the_result_and_the_card_shows_what_is_left(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, second = await missed(bot, "李女士", "王芳")
    await to_time(bot, clock, 9, 3)
    card = await card_of(wecom, "lin")
    chosen = card["button_selection"]["option_list"][0]["id"]

    asked = await press(bot, wecom, "lin", "done", chosen)
    assert asked["main_title"]["title"] == "已完成：李女士"
    assert [one["text"] for one in asked["button_selection"]["option_list"]] == [
        "有回复", "没回复", "已约", "成交", "拒绝", "打不通",
    ]  # fmt: skip
    left = await press(bot, wecom, "lin", "result", "booked")
    assert left["main_title"]["title"] == "今日待办 1 件"

    def record(session: Session) -> tuple[list[Any], list[Any]]:
        todos = session.exec(select(Todo).order_by(col(Todo.number))).all()
        touches = session.exec(select(Touch)).all()
        return (
            [(one.customer_id, one.state, one.result, one.closed_by) for one in todos],
            [(one.customer_id, one.userid, one.scene, one.confirmed) for one in touches],
        )

    todos, touches = await bot.parts.database.read(record)
    assert todos == [(first, "done", "booked", "lin"), (second, "open", "", "")]
    assert touches == [(first, "lin", "step", False)]


async def test_not_applicable_needs_a_reason_later_moves_it_and_why_tells_reason_and_words(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await missed(bot, "李女士", "王芳", "陈晨")
    await to_time(bot, clock, 9, 3)
    ids = [one["id"] for one in (await card_of(wecom, "lin"))["button_selection"]["option_list"]]

    await press(bot, wecom, "lin", "why", ids[0])
    [told] = await wecom.texts("lin")
    assert told.startswith("原因：11月16日约了没来，也没改期，今天第2天。\n规则：爽约挽回，第1版")
    assert "李女士您好，我是林晓。" in told

    await press(bot, wecom, "lin", "na", ids[0])
    await press(bot, wecom, "lin", "reason", "wrong_data")
    card = await press(bot, wecom, "lin", "later", ids[1])
    assert card["main_title"]["title"] == "今日待办 1 件"

    def record(session: Session) -> list[Any]:
        return [(one.state, one.result, one.day) for one in session.exec(select(Todo).order_by(col(Todo.id))).all()]

    today = DAY + timedelta(days=2)
    assert await bot.parts.database.read(record) == [
        ("not_applicable", "资料有误", today),
        ("open", "", today + timedelta(days=1)),
        ("open", "", today),
    ]


async def test_the_same_in_words(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await missed(bot, "李女士", "王芳", "陈晨")
    await to_time(bot, clock, 9, 3)
    for words in ("今天待办", "2", "完成 2 没回复", "推迟3到下周一", "为什么提醒我联系李女士", "my todos"):
        await wecom.types("lin", words)
        await bot.settle()

    listed, shown, done, later, why, english = await wecom.texts("lin")
    assert listed.splitlines()[:4] == [
        "今日待办 3 件", "1 李女士 · 爽约第2天关心一下", "2 王芳 · 爽约第2天关心一下", "3 陈晨 · 爽约第2天关心一下",
    ]  # fmt: skip
    assert "话术：\n王芳您好，我是林晓。" in shown
    assert done.startswith("已完成：王芳。今天还剩 2 件。")
    assert later.startswith("已推迟到 11月23日 周一：陈晨。")
    assert why.startswith("原因：11月16日约了没来")
    assert english.startswith("To do today: 1\n1 李女士")


async def test_other_members_lists_are_theirs(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await missed(bot, "李女士")
    await to_time(bot, clock, 9, 3)
    await wecom.types("wang", "完成 1")
    await wecom.types("wang", "为什么提醒我联系李女士")
    await bot.settle()

    assert [text.splitlines()[0] for text in await wecom.texts("wang")] == [
        "今天没有待办了，辛苦了！",
        "在您的客户里没找到“李女士”。",
    ]


async def test_why_nobody_is_reminded_names_the_condition_or_the_occasion(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await missed(bot, "李女士")
    await bot.parts.database.write(lambda session: customer(session, "王女士"))
    await to_time(bot, clock, 9, 3)
    await wecom.types("lin", "为什么没有提醒王女士")
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert text.startswith("今天没有规则轮到这位客户：\n· 爽约挽回: 时机没到（爽约）")


async def test_a_friend_added_in_the_afternoon_is_on_the_list_the_same_day(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await bot.parts.database.write(lambda session: packs.install(session, "retail", clock.now()))
    await to_time(bot, clock, 15, 0)
    await wecom.adds_friend("lin", name="赵敏")
    await bot.settle()
    clock.forward(5)
    bot.parts.loop.wake()
    await bot.settle()
    clock.forward(5)
    bot.parts.loop.wake()
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert text.splitlines()[0] == "今天新增待办："
    assert text.splitlines()[1].endswith("· 新客破冰，问需求")


async def test_who_is_added_before_the_cards_stands_on_the_card_and_is_not_told_twice(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await bot.parts.database.write(lambda session: packs.install(session, "retail", clock.now()))
    await wecom.adds_friend("lin", name="赵敏")
    await bot.settle()
    await to_time(bot, clock, 9, 3)
    clock.forward(5)
    bot.parts.loop.wake()
    await bot.settle()

    assert await wecom.texts("lin") == []
    assert "新客破冰" in str(await card_of(wecom, "lin"))
