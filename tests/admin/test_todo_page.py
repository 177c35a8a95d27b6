"""The page of to-dos as a member meets it: from the card's 全部 through the front door, back to card and record."""

import re
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from contacts.facts import Touch
from contacts.models import Staff
from sop.card_refresh import PAUSE
from sop.sops import Todo
from tests.admin.light import WEDNESDAY, card_of, list_of, page_of, read_text, record, to_nine, todo
from tests.conftest import RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.sop.company import customer


async def get(wecom: WeCom, address: str, status: int = 200) -> str:
    """A page as text."""
    async with wecom.http.get(address) as answer:
        assert answer.status == status
        return read_text(await answer.text())


async def press(wecom: WeCom, address: str, **form: object) -> str:
    """Press a button of the page; answers the page one is led to."""
    body = {name: str(value) for name, value in form.items()}
    async with wecom.http.post(address, data=body) as answer:
        assert answer.status == 200
        assert [one.status for one in answer.history] == [303]
        return read_text(await answer.text())


async def pause(bot: RunningBot, clock: HandClock) -> None:
    """Leave the page alone long enough for the card to follow."""
    clock.forward(PAUSE.total_seconds() + 1)
    bot.parts.loop.wake()
    await bot.settle()


async def test_the_page_shows_reason_and_words_of_every_to_do_in_its_part(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await list_of(bot, "李女士", "王芳")

    def more(session: Session) -> None:
        todo(session, customer(session, "陈晨"), 3, due_on=WEDNESDAY - timedelta(days=1), via="call")
        todo(session, customer(session, "赵敏"), None, carried="day off")
        todo(session, customer(session, "钱多", main="wang"), 1, userid="wang")

    await bot.database.write(more)
    await to_nine(bot, clock)

    text = await get(wecom, await page_of(wecom))
    assert text.startswith("今日待办 3 件 今日待办 3 件 11月18日 周三 · 林晓 已逾期 1 3 陈晨 打电话 应在 11-17 前")
    assert "今天 2 1 李女士 爽约第2天关心一下 原因：11月16日约了没来，也没改期。 李女士您好，我是林晓。" in text
    assert "排到改天 1 赵敏 爽约第2天关心一下 原因：11月16日约了没来，也没改期。 顺延：负责的同事今天休息" in text
    assert "钱多" not in text


async def test_done_asks_for_the_result_and_counts_once_however_often_it_is_pressed(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, _second = await list_of(bot, "李女士", "王芳")
    await to_nine(bot, clock)
    address = await page_of(wecom)

    asked = await press(wecom, address, act="done", todo=first)
    assert "已完成：李女士 结果怎么样？ 有回复 没回复 已约 成交 拒绝 打不通" in asked
    again = await press(wecom, address, act="done", todo=first)
    assert "李女士：这条已经处理过了，没有改动。" in again
    noted = await press(wecom, address, act="result", todo=first, chosen="booked")
    assert "已记录：李女士，已约。" in noted
    assert "今天已处理 1 李女士 爽约第2天关心一下 已约" in noted

    def touches(session: Session) -> list[tuple[str, str]]:
        return [(one.userid, one.scene) for one in session.exec(select(Touch))]

    assert await record(bot) == [("done", "booked"), ("open", "")]
    assert await bot.database.read(touches) == [("lin", "step")]


async def test_not_applicable_asks_why_first_and_later_moves_it_to_the_next_workday(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, second = await list_of(bot, "李女士", "王芳")
    await to_nine(bot, clock)
    address = await page_of(wecom)

    asked = await get(wecom, f"{address}?ask=reason&which={first}")
    assert "不适用，原因是： 已经做过了 不是这位客户 客户没兴趣 资料有误 其他原因 返回" in asked
    assert "已记为不适用：李女士。" in await press(wecom, address, act="na", todo=first, chosen="wrong_data")
    moved = await press(wecom, address, act="later", todo=second)
    assert "已推迟到 11月19日 周四：王芳。" in moved
    assert "今天的待办都完成了" in moved

    def days(session: Session) -> list[object]:
        return [(one.state, one.result, one.day) for one in session.exec(select(Todo).order_by(col(Todo.id)))]

    assert await bot.database.read(days) == [
        ("not_applicable", "资料有误", WEDNESDAY),
        ("open", "", WEDNESDAY + timedelta(days=1)),
    ]


async def test_the_card_follows_when_she_pauses_and_can_be_refreshed(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, second, _third = await list_of(bot, "李女士", "王芳", "陈晨")
    await to_nine(bot, clock)
    address = await page_of(wecom)
    await press(wecom, address, act="done", todo=first)
    clock.forward(40)
    await press(wecom, address, act="done", todo=second)
    clock.forward(40)
    await bot.settle()
    assert (await card_of(wecom))["main_title"]["title"] == "今日待办 3 件"

    await pause(bot, clock)
    card = await card_of(wecom)
    assert card["main_title"]["title"] == "今日待办 1 件"
    assert card["main_title"]["desc"].startswith("11月18日 周三 09:0")
    assert [one["text"] for one in card["button_list"]] == ["完成", "推迟", "不适用", "为什么", "全部", "刷新"]
    assert len(await wecom.calls("message/update_template_card")) == 1


async def test_the_card_says_at_once_that_all_is_done(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    [only] = await list_of(bot, "李女士")
    await to_nine(bot, clock)
    await press(wecom, await page_of(wecom), act="done", todo=only)
    await bot.settle()

    assert [one["key"].split(":")[1] for one in (await card_of(wecom))["button_list"]] == ["list"]
    await pause(bot, clock)
    assert len(await wecom.calls("message/update_template_card")) == 1


async def test_a_link_opens_nobody_elses_to_dos(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    [_own] = await list_of(bot, "李女士")

    def add(session: Session) -> int:
        return todo(session, customer(session, "钱多", main="wang"), 1, userid="wang")

    theirs = await bot.database.write(add)
    await to_nine(bot, clock)
    address = await page_of(wecom)

    assert "这条待办已不归您跟进。" in await press(wecom, address, act="done", todo=theirs)
    assert "这条待办已不归您跟进。" in await press(wecom, address, act="done", todo="9" * 40)
    assert "钱多" not in await get(wecom, f"{address}?said=done&which={theirs}")
    assert await record(bot) == [("open", ""), ("open", "")]


async def test_a_forged_or_expired_link_says_so_in_both_languages(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    [only] = await list_of(bot, "李女士")
    await to_nine(bot, clock)
    address = await page_of(wecom)
    middle = len(address) - 40
    other = "A" if address[middle] != "A" else "B"
    forged = address[:middle] + other + address[middle + 1 :]

    for wrong in (
        forged,
        address[:-9],
        f"{address.rpartition('/')[0]}/x",
        f"{address}{'A' * 3000}",
        f"{address}x",
        f"{address}=x",
    ):
        text = await get(wecom, wrong, 403)
        assert "链接无效" in text
        assert "This link does not work" in text
    clock.forward(24 * 3600 + 1)
    text = await get(wecom, address, 410)
    assert "链接已过期" in text
    assert "This link has expired" in text
    async with wecom.http.post(address, data={"act": "done", "todo": str(only)}) as answer:
        assert answer.status == 410
    assert await record(bot) == [("open", "")]


async def test_a_member_who_left_sees_nothing_any_more(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await list_of(bot, "李女士")
    await to_nine(bot, clock)
    address = await page_of(wecom)

    def leaves(session: Session) -> None:
        lin = session.get_one(Staff, "lin")
        lin.active = False
        session.add(lin)

    await bot.database.write(leaves)
    assert "李女士" not in await get(wecom, address, 403)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_of_a_page_is_kept_or_told_to_others(
    bot: RunningBot, wecom: WeCom, clock: HandClock, method: str
) -> None:
    await list_of(bot, '<img src=x onerror="alert(1)">')
    await to_nine(bot, clock)
    address = await page_of(wecom)
    assert "lin" not in address.rpartition("/")[2]

    async with wecom.http.request(method, address, data={}, allow_redirects=False) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "<img" not in await answer.text()


async def test_the_page_can_be_read_in_english(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    [only] = await list_of(bot, "李女士")
    await to_nine(bot, clock)
    address = await page_of(wecom) + "?lang=en"

    assert (await get(wecom, address)).startswith("To do today: 1 To do today: 1 Wed 18 Nov")
    assert "Done: 李女士 What came of it? She replied" in await press(wecom, address, act="done", todo=only)


async def test_words_in_the_chat_give_a_link_and_the_card_follows_them(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await list_of(bot, "李女士", "王芳")
    await to_nine(bot, clock)
    await wecom.types("lin", "今天待办")
    await bot.settle()
    listed = (await wecom.texts("lin"))[-1]
    [address] = re.findall(r'<a href="([^"]+)">查看全部</a>', listed)
    assert "2 王芳" in await get(wecom, address)

    await wecom.types("lin", "完成 2 已约")
    await bot.settle()
    await pause(bot, clock)
    assert (await card_of(wecom))["main_title"]["title"] == "今日待办 1 件"
