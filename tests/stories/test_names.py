"""Wherever a name comes from, she is found by it; and who was erased is found by nothing, and does not come back."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from contacts.changes import customer_of
from contacts.facts import GroupMember
from contacts.group_sync import SYNC_GROUPS
from contacts.models import CalledName, Customer, FollowUser
from contacts.names import names_in
from contacts.privacy import erase
from contacts.sounding import SOUNDS, Sought, sounding
from contacts.sync import KINDS, ask_to_sync
from simulator.delivery import document
from tests.bot.program import program_beside
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.stories.waiting import all_done

HOUR = timedelta(hours=1).total_seconds()


@pytest.fixture
def clock() -> HandClock:
    """A clock to wait for what the platform lists late."""
    return HandClock(MONDAY_TEN)


async def synced(bot: RunningBot, cause: str, *kinds: str) -> None:
    """Pull everything, or what is asked for."""
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: ask_to_sync(session, cause, now, kinds=kinds or KINDS))
    await all_done(bot)


async def called(bot: RunningBot, external_userid: str) -> set[str]:
    """What a customer is kept under."""

    def look(session: Session) -> set[str]:
        customer = customer_of(session, external_userid)
        assert customer is not None
        return set(session.exec(select(CalledName.text).where(CalledName.customer_id == customer.id)))

    return await bot.database.read(look)


async def erased(bot: RunningBot, external_userid: str) -> None:
    """She asked to be forgotten."""

    def forget(session: Session) -> None:
        customer = customer_of(session, external_userid)
        assert customer is not None
        erase(session, customer.id or 0, by="su", reason="she asked", now=bot.parts.clock.now())

    await bot.database.write(forget)


async def test_names_of_events_and_of_syncs_are_kept_to_be_found_by(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    chen = str((await wecom.adds_friend("lin", name="陈静怡"))["external_userid"])
    await all_done(bot)
    await wecom.sim("POST", "remarks", {"userid": "lin", "external_userid": chen, "remark": "展会陈姐"})
    await all_done(bot)
    by_event = await called(bot, chen)
    wecom.corp.callback_url = ""
    zhao = str((await wecom.adds_friend("wang", name="Amy赵"))["external_userid"])
    await wecom.sim("POST", "remarks", {"userid": "lin", "external_userid": chen, "remark": "大户陈姐"})
    clock.forward(HOUR)
    await synced(bot, "names")
    found = await bot.database.read(lambda session: sounding(session, Sought("dahuchenjie", "dahuchenjie", "da")))
    said = await bot.database.read(lambda session: names_in(session, "大户陈姐和AMY赵都来了，陈静没来"))

    assert by_event == {"陈静怡", "展会陈姐"}
    assert await called(bot, chen) == {"陈静怡", "展会陈姐", "大户陈姐"}
    assert await called(bot, zhao) == {"amy赵"}
    assert [score for _, score in found] == [SOUNDS]
    assert said == {"大户陈姐", "amy赵"}


async def test_a_group_does_not_bring_an_erased_customer_back(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    chen, zhao = [str((await wecom.adds_friend("lin", name=one))["external_userid"]) for one in ("陈静怡", "赵敏")]
    group = {"action": "create", "owner": "lin", "name": "福利群", "members": [chen, zhao]}
    chat = str((await wecom.sim("POST", "groups", group))["chat_id"])
    clock.forward(2)
    await all_done(bot)
    await synced(bot, "before", SYNC_GROUPS)
    clock.forward(HOUR)
    await erased(bot, chen)
    names = await bot.database.read(lambda session: session.exec(select(CalledName.text)).all())
    await synced(bot, "after", SYNC_GROUPS)
    listed = await inside(bot)
    await wecom.sim("POST", "groups", {"action": "remove_member", "chat_id": chat, "external_userid": chen})
    await synced(bot, "gone", SYNC_GROUPS)
    left = await inside(bot)
    clock.forward(HOUR)
    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": chen, "by": "customer"})
    await wecom.adds_friend("lin", external_userid=chen)
    await wecom.sim("POST", "groups", {"action": "add_member", "chat_id": chat, "external_userid": chen})
    clock.forward(2)
    await all_done(bot)
    await synced(bot, "again", SYNC_GROUPS)

    assert names == ["赵敏"]
    assert (len(listed), chen in listed, zhao in listed) == (3, False, True)
    assert {one for one in listed.values() if one} == {"林晓", "赵敏"}, "she stays counted, without a name"
    assert set(left) == {"lin", zhao}
    assert (await inside(bot))[chen] == "陈静怡", "she added a member of staff again: she is new"


async def test_an_add_from_before_she_was_erased_leaves_nothing(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    chen = str((await wecom.adds_friend("lin", name="陈静怡"))["external_userid"])
    clock.forward(HOUR)
    await all_done(bot)
    began = clock.now() - timedelta(minutes=30)
    await erased(bot, chen)
    clock.forward(HOUR)
    late = {
        "ToUserName": wecom.corp.corp_id, "FromUserName": "sys", "CreateTime": int(began.timestamp()),
        "MsgType": "event", "Event": "change_external_contact", "ChangeType": "add_external_contact",
        "UserID": "wang", "ExternalUserID": chen, "WelcomeCode": "long-gone",
    }  # fmt: skip
    [delivered] = (await wecom.sim("POST", "callbacks/raw", {"xml": document(late)}))["deliveries"]
    await all_done(bot)

    assert delivered["status"] == 200
    assert await bot.database.read(lambda session: customer_of(session, chen)) is None
    assert await bot.database.read(lambda session: session.exec(select(FollowUser.userid)).all()) == ["lin"], (
        "the tie of the nameless row she has become"
    )


async def inside(bot: RunningBot) -> dict[str, str]:
    """Who is in a group, and by what name."""
    rows = select(GroupMember.member, GroupMember.name).where(col(GroupMember.left_at).is_(None))
    return dict(await bot.database.read(lambda session: session.exec(rows).all()))


async def test_records_do_not_bring_an_erased_customer_back(
    wecom: WeCom, database_url: str, tmp_path: Path, clock: HandClock
) -> None:
    async with program_beside(wecom, database_url, tmp_path, clock) as program:
        bot = program.bot
        chen = str((await wecom.adds_friend("lin", name="陈静怡"))["external_userid"])
        await all_done(bot)
        hers = {"external_userid": chen}
        order = {"id": "o-1", "customer": hers, "amount_fen": 100, "items": []}
        await program.sends("orders", order)
        await erased(bot, chen)
        known = await program.sends("orders", order)
        referral = {"id": "f-1", "customer": {"phone": "13800138000"}, "referrer": hers}
        identity = {"id": "i-1", "customer": {"member_id": "M1"}, "kind": "external_userid", "value": chen}
        _, answer = await program.post("orders", [{"at": "2026-11-16T09:30:00+08:00", **order, "id": "o-2"}])
        referred, named = await program.refused("referrals", referral), await program.refused("identities", identity)
        customers = await program.rows(Customer)
        clock.forward(HOUR)
        await wecom.adds_friend("wang", external_userid=chen)
        await all_done(bot)
        back = await program.sends("orders", {**order, "id": "o-3"})
        ties = await program.rows(FollowUser)

    assert known == {"stored": 0, "unchanged": 1, "rejected": 0}
    [problem] = answer["errors"]
    assert (problem["field"], problem["value"]) == ("customer.external_userid", chen)
    assert "erased" in problem["remedy"]
    assert (referred, named) == ([(0, "referrer.external_userid")], [(0, "value")])
    assert [one.name for one in customers] == [""]
    assert back == {"stored": 1, "unchanged": 0, "rejected": 0}
    assert len({one.customer_id for one in ties}) == 2
