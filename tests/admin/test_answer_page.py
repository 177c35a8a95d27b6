"""A long answer: the chat shows its beginning, the link beside 更多 all of it, to the same member only."""

import re
from datetime import timedelta

from sqlmodel import Session

from contacts.models import ADDED, Customer, FollowUser, TieChange
from tests.admin.light import read_text
from tests.conftest import RunningBot, WeCom
from tests.hand_clock import HandClock

HOSTILE = "<b>名</b>"


async def added_today(bot: RunningBot, userid: str, names: list[str]) -> None:
    """Customers who added a member this morning."""

    def build(session: Session) -> None:
        at = bot.parts.clock.now() - timedelta(hours=1)
        for name in names:
            made = Customer(name=name, main_userid=userid)
            session.add(made)
            session.flush()
            number = made.id or 0
            session.add(FollowUser(customer_id=number, userid=userid, added_at=at))
            session.add(TieChange(at=at, customer_id=number, userid=userid, kind=ADDED))

    await bot.database.write(build)


async def asked(bot: RunningBot, wecom: WeCom, userid: str, text: str) -> str:
    """The answer in the chat."""
    await wecom.types(userid, text)
    await bot.settle()
    return (await wecom.texts(userid))[-1]


async def test_a_long_answer_has_a_page_with_all_of_it(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await added_today(bot, "lin", [f"客户{number}" for number in range(250)] + [HOSTILE])
    await added_today(bot, "wang", ["别人的客户"])
    text = await asked(bot, wecom, "lin", "今天谁加了我")
    found = re.search(r'<a href="([^"]+)">查看全部</a>', text)
    assert found, text
    assert "更多" in text

    async with wecom.http.get(found[1]) as answer:
        html = await answer.text()
    first = read_text(html)
    assert "第 1–200 行，共 251 行" in first
    assert "&lt;b&gt;名&lt;/b&gt;" in html
    assert HOSTILE not in html
    async with wecom.http.get(f"{found[1]}?from=200") as answer:
        second = read_text(await answer.text())
    shown = set(re.findall(r"客户\d+", first + second))
    assert len(shown) == 250
    assert "别人的客户" not in first + second
    async with wecom.http.post(found[1], data={"act": "done"}) as answer:
        assert answer.status == 405


async def test_a_short_answer_has_no_link(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await added_today(bot, "lin", ["李女士"])

    assert "href" not in await asked(bot, wecom, "lin", "今天谁加了我")
