"""Customers change hands: asked for in chat, carried through by the platform, seen in its events, or refused."""

from typing import Any

import pytest
from sqlmodel import col, select

from bot.jobs import Job
from contacts.facts import Transfer
from contacts.models import Customer, FollowUser, MainStaffChange, TieChange
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock

DAY = 24 * 3600


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip the platform's day."""
    return HandClock(MONDAY_TEN)


async def customer(wecom: WeCom, bot: RunningBot, name: str = "李女士", userid: str = "lin") -> str:
    """A customer of Lin's, her name on record."""
    added = await wecom.adds_friend(userid, name=name)
    await bot.settle()
    external_userid = str(added["external_userid"])
    await wecom.sim("GET", "calls?path=externalcontact/get&after=0&wait=5")
    await bot.settle()
    return external_userid


async def rows(bot: RunningBot, what: Any) -> list[Any]:
    """Every row of a table, oldest first."""
    return await bot.database.read(lambda session: list(session.exec(select(what).order_by(col(what.id))).all()))


async def later(bot: RunningBot, wecom: WeCom, clock: HandClock, path: str, seconds: float) -> None:
    """Let time go by until the platform is asked again."""
    calls = await wecom.calls(path)
    clock.forward(seconds)
    await wecom.sim("GET", f"calls?path={path}&after={calls[-1]['n'] if calls else 0}&wait=20")
    await bot.settle()


async def events(bot: RunningBot) -> list[dict[str, Any]]:
    """The news of customers who changed hands."""
    found = await rows(bot, Job)
    payloads = [one.payload for one in found if one.kind == "domain_event"]
    return [one for one in payloads if one["name"] == "customer_transferred"]


async def test_a_leader_hands_a_customer_over_and_everything_moves(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    external_userid = await customer(wecom, bot)
    await wecom.types("su", "把李女士转给王磊")
    await bot.settle()
    began = await rows(bot, Transfer)
    await later(bot, wecom, clock, "externalcontact/transfer_result", 3600)
    still = await rows(bot, Transfer)
    await later(bot, wecom, clock, "externalcontact/transfer_result", DAY)

    [call] = await wecom.calls("externalcontact/transfer_customer")
    assert call["body"] == {
        "handover_userid": "lin", "takeover_userid": "wang", "external_userid": [external_userid]
    }  # fmt: skip
    assert [one.status for one in (*began, *still)] == ["waiting", "waiting"]
    [transfer] = await rows(bot, Transfer)
    ties = {tie.userid: tie for tie in await rows(bot, FollowUser)}
    [main] = await rows(bot, MainStaffChange)
    [person] = await rows(bot, Customer)
    assert (transfer.status, transfer.by) == ("done", "su")
    assert (ties["lin"].lost_by, ties["wang"].lost_at, ties["wang"].add_way) == ("transfer", None, 202)
    assert (main.before, main.after, main.by, person.main_userid) == ("lin", "wang", "su", "wang")
    log = [(one.kind, one.userid) for one in await rows(bot, TieChange)]
    assert log == [("added", "lin"), ("transferred_in", "wang"), ("transferred_out", "lin")]
    [news] = await events(bot)
    assert (news["facts"]["from"], news["facts"]["to"]) == ("lin", "wang")
    texts = await wecom.texts("su")
    assert texts[0].startswith("好的，正在向企业微信提交")
    assert texts[1].startswith("林晓的1位客户开始转给王磊，24小时后生效，客户可以拒绝。")
    assert await wecom.texts("lin") == []


@pytest.mark.parametrize("by", ["lin", "he"])
async def test_only_a_leader_of_one_of_the_two_may(bot: RunningBot, wecom: WeCom, by: str) -> None:
    await customer(wecom, bot)
    await wecom.types(by, "把林晓的客户转给王磊")
    await bot.settle()

    assert (await wecom.texts(by))[-1].startswith("转交客户要由两位之一的上级来定。")
    assert await rows(bot, Transfer) == []


async def test_everything_of_a_member_goes_after_the_number_is_confirmed(bot: RunningBot, wecom: WeCom) -> None:
    for name in ("李女士", "王芳", "赵敏"):
        await customer(wecom, bot, name)
    await wecom.types("su", "把林晓的客户都转给小王")
    await bot.settle()
    before = await rows(bot, Transfer)
    await wecom.types("su", "确认把林晓的客户转给王磊")
    await bot.settle()

    texts = await wecom.texts("su")
    assert texts[0].startswith("林晓名下有3位客户。确定全部转给王磊，请回：确认把林晓的客户转给王磊")
    assert before == []
    assert [one.status for one in await rows(bot, Transfer)] == ["waiting"] * 3
    assert len(await wecom.calls("externalcontact/transfer_customer")) == 1
    assert any(text.startswith("林晓的3位客户开始转给王磊") for text in texts)


async def test_a_refusal_of_hers_closes_the_transfer_and_the_asker_hears(bot: RunningBot, wecom: WeCom) -> None:
    external_userid = await customer(wecom, bot)
    await wecom.types("su", "把李女士转给王磊")
    await bot.settle()
    fields = {"from": "lin", "to": "wang", "external_userid": external_userid, "fail": "customer_refused"}
    await wecom.sim("POST", "transfers", fields)
    await bot.settle()

    [transfer] = await rows(bot, Transfer)
    assert (transfer.status, transfer.reason) == ("refused", "customer_refused")
    assert (await wecom.texts("su"))[-1].startswith("没能转给王磊：李女士（客户拒绝了）。")
    [tie] = await rows(bot, FollowUser)
    assert (tie.userid, tie.lost_at) == ("lin", None)
    assert [one.kind for one in await rows(bot, TieChange)] == ["added", "transfer_failed"]


async def test_a_refusal_found_by_asking_is_told_too(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    external_userid = await customer(wecom, bot)
    await wecom.types("su", "把李女士转给王磊")
    await bot.settle()
    [asked] = wecom.corp.transfers
    asked.status = 4
    await later(bot, wecom, clock, "externalcontact/transfer_result", 3600)

    [transfer] = await rows(bot, Transfer)
    assert transfer.status == "full"
    assert external_userid == asked.external_userid
    assert (await wecom.texts("su"))[-1].startswith("没能转给王磊：李女士（接手的人客户数满了）。")


async def test_what_cannot_be_begun_is_said_with_its_reason(bot: RunningBot, wecom: WeCom) -> None:
    external_userid = await customer(wecom, bot)
    del wecom.corp.follows["lin", external_userid]
    await wecom.types("su", "把李女士转给王磊")
    await bot.settle()

    [transfer] = await rows(bot, Transfer)
    assert transfer.status == "failed"
    assert "· 李女士没转成：已经不是原跟进人的好友" in (await wecom.texts("su"))[-1]


async def test_a_transfer_made_in_the_console_moves_her_and_tells_nobody(bot: RunningBot, wecom: WeCom) -> None:
    external_userid = await customer(wecom, bot)
    await wecom.sim("POST", "transfers", {"from": "lin", "to": "wang", "external_userid": external_userid})
    await bot.settle()

    [person] = await rows(bot, Customer)
    [transfer] = await rows(bot, Transfer)
    assert (person.main_userid, transfer.status, transfer.by) == ("wang", "done", "")
    log = {(one.kind, one.userid, one.returned) for one in await rows(bot, TieChange)}
    assert log == {("added", "lin", False), ("transferred_in", "wang", False), ("transferred_out", "lin", False)}
    assert len(await events(bot)) == 1
    assert [await wecom.texts(userid) for userid in ("lin", "wang", "su")] == [[], [], []]
    assert len(await wecom.received(external_userid)) == 1


async def test_a_transfer_asked_for_and_seen_in_events_is_carried_through_once(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    external_userid = await customer(wecom, bot)
    await wecom.types("su", "把李女士转给王磊")
    await bot.settle()
    await wecom.sim("POST", "transfers", {"from": "lin", "to": "wang", "external_userid": external_userid})
    await bot.settle()
    clock.forward(2 * DAY)
    await bot.settle()

    assert [one.status for one in await rows(bot, Transfer)] == ["done"]
    assert len(await rows(bot, MainStaffChange)) == 1
    assert len(await events(bot)) == 1


async def test_who_leaves_leaves_customers_whom_her_leader_hands_over(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await customer(wecom, bot)
    await wecom.sim("POST", "members", {"userid": "lin", "left": True})
    await bot.settle()
    await later(bot, wecom, clock, "externalcontact/get_unassigned_list", 11)
    await wecom.types("su", "确认把林晓的客户转给王磊")
    await bot.settle()
    await later(bot, wecom, clock, "externalcontact/resigned/transfer_result", 3600)
    await later(bot, wecom, clock, "externalcontact/resigned/transfer_result", DAY)

    left = [text for text in await wecom.texts("su") if text.startswith("林晓已离职，还有1位客户没人接手。")]
    assert len(left) == 1
    [transfer] = await rows(bot, Transfer)
    [person] = await rows(bot, Customer)
    assert (transfer.status, person.main_userid) == ("done", "wang")
    assert len(await wecom.calls("externalcontact/resigned/transfer_customer")) == 1


async def test_a_lost_answer_does_not_lose_the_transfer(bot: RunningBot, wecom: WeCom) -> None:
    await customer(wecom, bot)
    await wecom.fault("externalcontact/transfer_customer", drop="answer", times=1)
    await wecom.types("su", "把李女士转给王磊")
    await bot.settle()
    first = await wecom.calls("externalcontact/transfer_customer")
    await wecom.sim("GET", f"calls?path=externalcontact/transfer_customer&after={first[-1]['n']}&wait=20")
    await bot.settle()

    assert [one.status for one in await rows(bot, Transfer)] == ["waiting"]


async def test_a_leader_changes_who_answers_for_a_customer(bot: RunningBot, wecom: WeCom) -> None:
    await customer(wecom, bot)
    await wecom.types("lin", "李女士的主跟进人改成王磊")
    await wecom.types("su", "李女士的主跟进人改成王磊")
    await bot.settle()

    assert (await wecom.texts("lin"))[-1].startswith("换主跟进人要由两位之一的上级来定。")
    assert (await wecom.texts("su"))[-1].startswith("李女士的主跟进人已改为王磊。")
    [change] = await rows(bot, MainStaffChange)
    assert (change.before, change.after, change.by) == ("lin", "wang", "su")
