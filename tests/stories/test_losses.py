"""A customer leaves: who is told with which history, and what is written down as the reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select, update

from bot.jobs import Job
from contacts.channels import Channel
from contacts.models import Customer, FollowUser, TieChange
from contacts.tags import PairTag, Tag, TagGroup
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip a night."""
    return HandClock(MONDAY_TEN)


async def lost(
    wecom: WeCom, bot: RunningBot, by: str = "customer", name: str = "李女士", **given: Any
) -> dict[str, Any]:
    """A customer of Lin's who is deleted, or deletes her."""
    added = await wecom.adds_friend("lin", name=name, **given)
    await bot.settle()
    await named(bot, added["external_userid"], name)
    pair = {"userid": "lin", "external_userid": added["external_userid"]}
    await wecom.sim("POST", "deletions", {**pair, "by": by})
    await bot.settle()
    return pair


async def named(bot: RunningBot, _: str, name: str) -> None:
    """Her name is on record, as a fetch of her profile leaves it."""
    newest = select(Customer.id).order_by(col(Customer.id).desc()).limit(1)
    await bot.database.write(
        lambda session: session.exec(
            update(Customer).where(col(Customer.id) == session.exec(newest).one()).values(name=name)
        )
    )


async def shop(bot: RunningBot) -> None:
    """A channel the customers come through."""
    channel = Channel(name="地推展会", state="expo-2026", created_at=MONDAY_TEN)

    def work(session: Session) -> None:
        session.merge(channel)

    await bot.database.write(work)


async def test_member_and_leader_hear_once_of_a_loss_with_her_history(bot: RunningBot, wecom: WeCom) -> None:
    await shop(bot)
    added = await wecom.adds_friend("lin", name="李女士", state="expo-2026")
    await bot.settle()

    def history(session: Session) -> None:
        customer = session.exec(select(Customer)).one()
        customer.name, customer.orders, customer.net_fen = "李女士", 3, 128_050
        customer.last_contact_at = datetime(2026, 11, 3, 4, tzinfo=UTC)
        session.add(TagGroup(id="g", name="意向"))
        session.flush()
        session.add(Tag(id="t", group_id="g", name="高意向"))
        session.add(PairTag(customer_id=customer.id or 0, userid="lin", tag_id="t", since=MONDAY_TEN))

    await bot.database.write(history)
    pair = {"userid": "lin", "external_userid": added["external_userid"]}
    for by in ("customer", "staff"):
        await wecom.sim("POST", "deletions", {**pair, "by": by})
        await bot.settle()

    [mine], [leaders] = await wecom.texts("lin"), await wecom.texts("su")
    assert mine.startswith(
        "客户李女士把您删了。\n11月16日从「地推展会」加的\n最近一次联系：11月3日\n下过3单，一共¥1,280.50\n标签：高意向\n知道原因"
    )
    assert leaders.startswith("客户李女士把林晓删了。\n11月16日从「地推展会」加的")
    assert await wecom.texts("mo") == []


async def test_a_deletion_by_staff_is_told_to_the_leader_only(bot: RunningBot, wecom: WeCom) -> None:
    await lost(wecom, bot, by="staff")

    [told] = await wecom.texts("su")
    assert told.startswith("林晓把客户李女士删了。\n11月16日加的\n没有联系记录\n没下过单\n知道原因")
    assert await wecom.texts("lin") == []


async def test_a_loss_at_night_is_told_in_the_morning_and_not_if_she_is_back(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    clock.forward(13 * 3600)
    await lost(wecom, bot, name="王芳")
    back = await lost(wecom, bot)
    assert await wecom.texts("lin") == []
    clock.forward(60)
    await wecom.adds_friend(**back)
    await bot.settle()
    clock.forward(10 * 3600)
    await wecom.sim("GET", "chats/lin?after=0&wait=20")
    await bot.settle()

    [told] = await wecom.texts("lin")
    assert told.startswith("客户王芳把您删了。")


async def test_a_loss_is_told_to_the_rules_and_a_returned_customer_is_known(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    back = await lost(wecom, bot)
    clock.forward(60)
    await wecom.adds_friend(**back)
    await bot.settle()

    events = await bot.database.read(
        lambda session: session.exec(select(Job.payload).where(Job.kind == "domain_event").order_by(col(Job.id))).all()
    )
    log = await bot.database.read(
        lambda session: session.exec(select(TieChange).order_by(col(TieChange.at), col(TieChange.id))).all()
    )
    assert [one["name"] for one in events] == ["friend_added", "customer_lost", "friend_added"]
    assert [one["facts"].get("by") for one in events] == [None, "customer", None]
    assert [one["facts"].get("kind") for one in events] == ["new", None, "returned"]
    assert [(row.kind, row.returned) for row in log] == [("added", False), ("lost", False), ("added", True)]
    assert {row.event_id is None for row in log} == {False}


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("李女士 流失原因 价格太贵", "记下了：李女士，流失原因是价格太贵。"),
        ("李女士流失原因：价格太贵", "记下了：李女士，流失原因是价格太贵。"),
        ("李女士 left because of 价格太贵", "记下了：李女士，流失原因是价格太贵。"),
    ],
)
async def test_the_reason_of_a_loss_is_written_down_in_chat(
    bot: RunningBot, wecom: WeCom, typed: str, answer: str
) -> None:
    await lost(wecom, bot)
    await wecom.types("lin", typed)
    await bot.settle()

    assert (await wecom.texts("lin"))[-1].startswith(answer)
    reasons = await bot.database.read(lambda session: session.exec(select(FollowUser.loss_reason)).all())
    assert list(reasons) == ["价格太贵"]


async def test_her_leader_may_give_the_reason_and_another_store_may_not(bot: RunningBot, wecom: WeCom) -> None:
    await lost(wecom, bot)
    await wecom.types("mo", "李女士 流失原因 服务")
    await wecom.types("su", "李女士 流失原因 搬家了")
    await bot.settle()
    await wecom.types("lin", "李女士的流失原因")
    await bot.settle()

    assert (await wecom.texts("mo"))[-1].startswith("您流失的客户里没找到“李女士”。")
    assert (await wecom.texts("lin"))[-1].startswith("李女士：搬家了")


async def test_two_of_one_name_are_told_apart_before_anything_is_written(bot: RunningBot, wecom: WeCom) -> None:
    await lost(wecom, bot, name="李芳")
    await lost(wecom, bot, name="李娜")
    await wecom.types("lin", "李女士 流失原因 价格")
    await bot.settle()

    asked = (await wecom.chat("lin"))[-1]["body"]
    assert asked["main_title"]["title"] == "“李女士”是哪一位？"
    assert [one["text"][:4] for one in asked["button_selection"]["option_list"]] == ["1 李娜", "2 李芳"]
    reasons = await bot.database.read(lambda session: session.exec(select(FollowUser.loss_reason)).all())
    assert set(reasons) == {""}


async def test_a_reason_that_is_too_long_is_refused_with_the_remedy(bot: RunningBot, wecom: WeCom) -> None:
    await lost(wecom, bot)
    await wecom.types("lin", f"李女士 流失原因 {'贵' * 61}")
    await bot.settle()

    assert (await wecom.texts("lin"))[-1].startswith("原因写了61个字，请写1到60个字。")


async def test_the_lost_customers_of_thirty_days_are_listed(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    await lost(wecom, bot, name="赵敏")
    clock.forward(timedelta(days=31).total_seconds())
    await bot.settle()
    await shop(bot)
    await lost(wecom, bot, name="李女士", state="expo-2026")
    await wecom.types("lin", "李女士 流失原因 价格")
    await bot.settle()
    await wecom.types("lin", "流失的客户")
    await wecom.types("mo", "lost customers")
    await bot.settle()

    listed = (await wecom.texts("lin"))[-1].splitlines()
    assert listed[:-1] == [
        "最近30天流失了1位客户：",
        "· 李女士，12月17日流失，客户删了您，来自「地推展会」，原因：价格",
    ]
    assert (await wecom.texts("mo"))[-1].startswith("You lost no customer in the last 30 days.")
