"""Customer groups: who is in them, from events where these tell it all, and from the platform where they do not."""

from typing import Any

import pytest
from sqlmodel import Session, select

from bot.jobs import Job
from contacts.facts import CustomerGroup, GroupMember
from contacts.group_sync import SYNC_GROUPS
from contacts.sync import ask_to_sync
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.stories.waiting import all_done

GET = "externalcontact/groupchat/get"


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip the two seconds by which the platform's answer may lag."""
    return HandClock(MONDAY_TEN)


@pytest.fixture
async def chen(bot: RunningBot, wecom: WeCom) -> str:
    """A customer of Lin's."""
    added = await wecom.adds_friend("lin", name="陈女士")
    await bot.settle()
    return str(added["external_userid"])


async def acts(wecom: WeCom, action: str, **given: Any) -> str:
    """Somebody does something to a group; answers its id."""
    return str((await wecom.sim("POST", "groups", {"action": action, **given}))["chat_id"])


async def quiet(bot: RunningBot, clock: HandClock) -> None:
    """Everything is handled, what had to wait for the platform too."""
    await bot.settle()
    clock.forward(2)
    bot.parts.loop.wake()
    await all_done(bot)


async def group(bot: RunningBot, chat_id: str) -> CustomerGroup:
    """The record of a group."""
    return await bot.database.read(lambda session: session.get_one(CustomerGroup, chat_id))


async def inside(bot: RunningBot, chat_id: str) -> dict[str, GroupMember]:
    """Who is in it."""
    rows = select(GroupMember).where(GroupMember.chat_id == chat_id)
    found = await bot.database.read(lambda session: session.exec(rows).all())
    return {one.member: one for one in found if one.left_at is None}


async def synced(bot: RunningBot, cause: str) -> str:
    """Pull the groups; what that found."""
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: ask_to_sync(session, cause, now, kinds=[SYNC_GROUPS]))
    await all_done(bot)

    def look(session: Session) -> str:
        job = session.exec(select(Job).where(Job.key == f"{SYNC_GROUPS}:{cause}")).one()
        return job.outcome or job.error or ""

    return await bot.database.read(look)


async def test_a_new_group_is_asked_for(bot: RunningBot, wecom: WeCom, clock: HandClock, chen: str) -> None:
    chat = await acts(wecom, "create", owner="lin", name="福利群", staff=["wang"], members=[chen], state="expo-2026")
    await quiet(bot, clock)
    record, people = await group(bot, chat), await inside(bot, chat)

    assert (record.name, record.owner, record.member_version) == ("福利群", "lin", wecom.corp.groups[chat].version)
    assert {one: (row.name, row.customer_id is None) for one, row in people.items()} == {
        "lin": ("林晓", True), "wang": ("王磊", True), chen: ("陈女士", False),
    }  # fmt: skip
    assert people[chen].state == "expo-2026"


async def test_who_comes_and_goes_is_known_from_the_events_alone(
    bot: RunningBot, wecom: WeCom, clock: HandClock, chen: str
) -> None:
    chat = await acts(wecom, "create", owner="lin", name="福利群")
    await quiet(bot, clock)
    asked = len(await wecom.calls(GET))
    await acts(wecom, "add_member", chat_id=chat, external_userid=chen, staff=["mo"], scene=3)
    await bot.settle()
    came = await inside(bot, chat)
    await acts(wecom, "remove_member", chat_id=chat, userid="mo")
    await bot.settle()
    left = await inside(bot, chat)
    record = await group(bot, chat)

    assert set(came) == {"lin", "mo", chen}
    assert (came[chen].scene, came[chen].customer_id is not None) == (3, True)
    assert set(left) == {"lin", chen}
    assert record.member_version == wecom.corp.groups[chat].version
    assert len(await wecom.calls(GET)) == asked


async def test_after_a_missed_event_the_group_is_asked_for_again(
    bot: RunningBot, wecom: WeCom, clock: HandClock, chen: str
) -> None:
    chat = await acts(wecom, "create", owner="lin", name="福利群")
    await quiet(bot, clock)
    callback, wecom.corp.callback_url = wecom.corp.callback_url, ""
    await acts(wecom, "add_member", chat_id=chat, userid="mo")
    wecom.corp.callback_url = callback
    await acts(wecom, "add_member", chat_id=chat, external_userid=chen)
    await quiet(bot, clock)

    assert set(await inside(bot, chat)) == {"lin", "mo", chen}


async def test_an_answer_older_than_the_event_is_asked_for_again(
    bot: RunningBot, wecom: WeCom, clock: HandClock, chen: str
) -> None:
    chat = await acts(wecom, "create", owner="lin", name="福利群", members=[chen])
    await wecom.fault(GET, errcode=40050, times=2)
    await bot.settle()
    for _ in range(3):
        clock.forward(2)
        bot.parts.loop.wake()
        await bot.settle()
    await all_done(bot)

    assert [one["errcode"] for one in await wecom.calls(GET)] == [40050, 40050, 0]
    assert set(await inside(bot, chat)) == {"lin", chen}


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"action": "rename", "name": "老客福利群"}, ("老客福利群", "lin", "")),
        ({"action": "change_owner", "owner": "su"}, ("福利群", "su", "")),
        ({"action": "notice", "notice": "周五直播"}, ("福利群", "lin", "周五直播")),
    ],
)
async def test_name_owner_and_notice_follow_the_platform(
    bot: RunningBot, wecom: WeCom, clock: HandClock, change: dict[str, str], shown: tuple[str, str, str]
) -> None:
    chat = await acts(wecom, "create", owner="lin", name="福利群")
    await quiet(bot, clock)
    await acts(wecom, chat_id=chat, **change)
    await quiet(bot, clock)
    record = await group(bot, chat)

    assert (record.name, record.owner, record.notice) == shown


async def test_a_dismissed_group_is_gone(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    chat = await acts(wecom, "create", owner="lin", name="福利群")
    await quiet(bot, clock)
    await acts(wecom, "dismiss", chat_id=chat)
    await quiet(bot, clock)

    assert (await group(bot, chat)).dismissed_at is not None


async def test_a_sync_finds_groups_whose_events_never_came(
    bot: RunningBot, wecom: WeCom, clock: HandClock, chen: str
) -> None:
    kept = await acts(wecom, "create", owner="lin", name="留下的群")
    gone = await acts(wecom, "create", owner="wang", name="解散的群")
    await quiet(bot, clock)
    wecom.corp.callback_url = ""
    await acts(wecom, "add_member", chat_id=kept, external_userid=chen)
    await acts(wecom, "dismiss", chat_id=gone)
    new = await acts(wecom, "create", owner="su", name="新群", members=[chen])
    found, again = await synced(bot, "first"), await synced(bot, "second")

    assert found == "2 groups: 1 groups changed, 1 groups dismissed, 1 groups new"
    assert again == "2 groups: no change"
    assert (set(await inside(bot, kept)), set(await inside(bot, new))) == ({"lin", chen}, {"su", chen})
    assert (await group(bot, gone)).dismissed_at is not None
