"""A name that fits several: a card asks which one, and a press, a number or a fuller name answers what was asked."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from contacts.facts import Note
from contacts.models import Customer, FollowUser, Staff, StaffDepartment
from tests.conftest import MONDAY_TEN, RunningBot, WeCom


def two_lis(session: Session) -> None:
    """Two Ms Li and a long name of Lin's; a second Wang in her store."""
    names = ("李梅", "李春华", "展会来的李女士（带两个孩子、做牙齿矫正、预算五万）")
    for number, name in enumerate(names, 1):
        session.add(Customer(id=number, name=name, gender=2, main_userid="lin", net_fen=100 * number, orders=1))
        session.flush()
        session.add(FollowUser(customer_id=number, userid="lin", added_at=MONDAY_TEN - timedelta(days=number)))
    [place] = session.exec(select(StaffDepartment).where(StaffDepartment.userid == "wang")).all()
    session.add(Staff(userid="wang2", name="王蕾", synced_at=MONDAY_TEN))
    session.flush()
    session.add(StaffDepartment(userid="wang2", department_id=place.department_id))


@pytest.fixture
async def staffed(bot: RunningBot) -> RunningBot:
    """The bot with people who are called alike."""
    await bot.database.write(two_lis)
    return bot


async def says(bot: RunningBot, wecom: WeCom, text: str, userid: str = "lin") -> dict[str, Any]:
    """What a member gets last after typing something."""
    await wecom.types(userid, text)
    await bot.settle()
    return (await wecom.chat(userid))[-1]


async def press(bot: RunningBot, wecom: WeCom, shown: dict[str, Any], number: int, userid: str = "lin") -> str:
    """The text that comes of choosing the option with this number."""
    body = shown["body"]
    [button] = body["button_list"]
    selected = {body["button_selection"]["question_key"]: [body["button_selection"]["option_list"][number - 1]["id"]]}
    click = {"userid": userid, "task_id": shown["task_id"], "key": button["key"], "selected": selected}
    await wecom.sim("POST", "card-clicks", click)
    await bot.settle()
    return (await wecom.texts(userid))[-1]


def options(shown: dict[str, Any]) -> list[str]:
    """What a card offers."""
    return [one["text"] for one in shown["body"]["button_selection"]["option_list"]]


async def test_a_press_answers_the_question(staffed: RunningBot, wecom: WeCom) -> None:
    shown = await says(staffed, wecom, "李女士买过什么")
    assert shown["body"]["main_title"]["title"] == "“李女士”是哪一位？"
    assert options(shown)[:2] == ["1 展会来的李女士（带两个孩子、", "2 李春华 11-14"]
    answer = await press(staffed, wecom, shown, 2)

    assert answer.splitlines()[0] == "李春华"
    assert (await wecom.chat("lin"))[-2]["updated"] == {"button": {"replace_name": "已处理"}}


async def test_a_long_name_is_told_in_full_beside_the_card(staffed: RunningBot, wecom: WeCom) -> None:
    await says(staffed, wecom, "李女士买过什么")
    listed = (await wecom.texts("lin"))[-1]

    assert listed.splitlines()[0] == "“李女士”是哪一位？"
    assert "1 展会来的李女士（带两个孩子、做牙齿矫正、预算五万） 11-13" in listed


@pytest.mark.parametrize(("typed", "name"), [("2", "李春华"), ("第3个", "李梅"), ("李梅", "李梅"), ("春华", "李春华")])
async def test_a_number_or_a_fuller_name_answers_too(staffed: RunningBot, wecom: WeCom, typed: str, name: str) -> None:
    await says(staffed, wecom, "李女士买过什么")
    answer = await says(staffed, wecom, typed)

    assert answer["body"]["content"].splitlines()[0] == name


async def test_what_is_done_is_done_once(staffed: RunningBot, wecom: WeCom) -> None:
    shown = await says(staffed, wecom, "记一下 李女士 周末想带孩子来看牙")
    assert await staffed.database.read(lambda session: session.exec(select(Note)).all()) == []
    await says(staffed, wecom, "3")
    [closed] = [one for one in await wecom.chat("lin") if one["msgtype"] == "template_card"]
    again = {"key": shown["body"]["button_list"][0]["key"], "selected": {"which": ["2:lin"]}}
    await wecom.sim("POST", "card-clicks", {"userid": "lin", "task_id": shown["task_id"], **again}, status=400)

    assert closed["updated"] == {"button": {"replace_name": "已处理"}}
    [note] = await staffed.database.read(lambda session: session.exec(select(Note)).all())
    assert (note.customer_id, note.text) == (1, "周末想带孩子来看牙")


async def test_only_the_next_message_is_an_answer(staffed: RunningBot, wecom: WeCom) -> None:
    await says(staffed, wecom, "李女士买过什么")
    await says(staffed, wecom, "在吗")
    answer = await says(staffed, wecom, "李春华")

    assert answer["body"]["content"].startswith("“李春华”我还不会答")


@pytest.mark.parametrize(
    "text",
    [
        "李女士那单为什么不算我的", "申诉 李女士那单", "李女士说别再给她发了", "王芳投诉", "李女士下周三联系",
        "write a message to Ms Li about her birthday", "李女士推迟到周五", "谁给李女士打的高意向",
    ],
)  # fmt: skip
async def test_everything_said_about_a_name_asks_which_one(staffed: RunningBot, wecom: WeCom, text: str) -> None:
    shown = await says(staffed, wecom, text.replace("王芳", "李女士"))

    assert shown["msgtype"] == "template_card", shown
    assert "李春华" in " ".join(options(shown))


async def test_members_of_one_surname_are_chosen_too(staffed: RunningBot, wecom: WeCom) -> None:
    shown = await says(staffed, wecom, "小王的业绩", "su")
    assert options(shown) == ["1 王磊 wang", "2 王蕾 wang2"]
    answer = await press(staffed, wecom, shown, 2, "su")

    assert answer.splitlines()[0].endswith("王蕾")


async def test_two_names_in_one_sentence_are_asked_one_after_the_other(staffed: RunningBot, wecom: WeCom) -> None:
    first = await says(staffed, wecom, "把李女士转给小王", "su")
    await press(staffed, wecom, first, 1, "su")
    second = (await wecom.chat("su"))[-1]
    assert second["body"]["main_title"]["title"] == "“李女士”是哪一位？"
    answer = await press(staffed, wecom, second, 2, "su")

    assert answer.startswith("好的，正在向企业微信提交")
