"""A channel is made on the platform, customers come through it, and it leaves its marks on them after the welcome."""

from typing import Any

import pytest
from sqlmodel import Session, col, select, update

from bot.jobs import Job
from contacts.channel_draft import ChannelDraft, ChannelRefused
from contacts.channel_setup import close_channel, save_channel
from contacts.channels import CONTACT_WAY, LINK, OTHER, Channel
from contacts.models import FollowUser, Staff, TieChange
from contacts.tags import PairTag, TagChange
from tests.conftest import RunningBot, WeCom

EXPO = ChannelDraft(name="地推展会", state="expo-2026", userids=["lin"])


async def saved(bot: RunningBot, draft: ChannelDraft, channel_id: int | None = None) -> Channel:
    """A channel saved and set up: the row as it is then."""
    now = bot.parts.clock.now()
    made = await bot.database.write(lambda session: save_channel(session, draft, now, channel_id).id)
    await bot.settle()
    return await row(bot, made)


async def row(bot: RunningBot, channel_id: int | None) -> Channel:
    """The channel as it is."""
    found = await bot.database.read(lambda session: session.get(Channel, channel_id))
    assert found is not None
    return found


async def tag(wecom: WeCom, bot: RunningBot) -> str:
    """A corp tag that the bot knows."""
    made = await wecom.sim("POST", "corp-tags", {"action": "create", "group": "来源", "tags": ["展会"]})
    await bot.settle()
    return str(made["tag_ids"]["展会"])


async def test_a_contact_way_is_made_with_its_code_and_image(bot: RunningBot, wecom: WeCom) -> None:
    channel = await saved(bot, EXPO)

    [call] = await wecom.calls("externalcontact/add_contact_way")
    asked = {name: call["body"][name] for name in ("type", "scene", "state", "remark", "user", "party", "skip_verify")}
    assert asked == {
        "type": 1, "scene": 2, "state": "expo-2026", "remark": "地推展会", "user": ["lin"], "party": [],
        "skip_verify": True,
    }  # fmt: skip
    assert channel.config_id
    assert channel.url.endswith(f"/wwpic/{channel.config_id}/0")
    assert channel.qr_image is not None
    assert channel.qr_image.startswith(b"\x89PNG")
    assert channel.problem == ""


async def test_a_change_is_carried_over_and_a_closed_channel_is_deleted(bot: RunningBot, wecom: WeCom) -> None:
    draft = EXPO.model_copy(update={"multi": True, "userids": [], "departments": [2]})
    channel = await saved(bot, draft)
    changed = await saved(bot, draft.model_copy(update={"userids": ["mo"], "skip_verify": False}), channel.id)
    way = await bot.parts.gateway.contact_way(channel.config_id or "")

    def close(session: Session) -> None:
        found = session.get(Channel, channel.id)
        assert found is not None
        close_channel(session, found, bot.parts.clock.now())

    await bot.database.write(close)
    await bot.settle()

    assert (changed.config_id, changed.qr_image) == (channel.config_id, channel.qr_image)
    assert (way.type, way.user, way.party, way.skip_verify) == (2, ["mo"], [2], False)
    assert (await row(bot, channel.id)).config_id is None
    [deleted] = await wecom.calls("externalcontact/del_contact_way")
    assert deleted["body"] == {"config_id": channel.config_id}


async def test_an_acquisition_link_carries_the_state(bot: RunningBot, wecom: WeCom) -> None:
    channel = await saved(bot, ChannelDraft(name="朋友圈广告", kind=LINK, state="朋友圈 11月", userids=["lin", "wang"]))

    assert channel.link_id
    assert channel.url == (
        f"https://work.weixin.qq.com/ca/{channel.link_id}?customer_channel=%E6%9C%8B%E5%8F%8B%E5%9C%88%2011%E6%9C%88"
    )
    [call] = await wecom.calls("externalcontact/customer_acquisition/create_link")
    assert call["body"]["range"] == {"user_list": ["lin", "wang"], "department_list": []}


@pytest.mark.parametrize("kind", [CONTACT_WAY, LINK])
async def test_a_lost_answer_does_not_make_a_second_one(bot: RunningBot, wecom: WeCom, kind: str) -> None:
    path = {
        CONTACT_WAY: "externalcontact/add_contact_way",
        LINK: "externalcontact/customer_acquisition/create_link",
    }[kind]
    await wecom.fault(path, drop="answer", times=1)
    await saved(bot, EXPO.model_copy(update={"kind": kind}))
    channel = await set_up(bot, wecom)

    assert channel.config_id or channel.link_id
    assert len(await wecom.calls(path)) == 1


async def set_up(bot: RunningBot, wecom: WeCom) -> Channel:
    """The channel once a repeated attempt was made: the platform is asked what there is."""
    for path in ("externalcontact/get_contact_way", "externalcontact/customer_acquisition/get"):
        await wecom.sim("GET", f"calls?path={path}&after=0&wait=3")
    await bot.settle()
    [channel] = await bot.database.read(lambda session: session.exec(select(Channel)).all())
    return channel


async def test_what_the_platform_refuses_is_told_in_words(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault("externalcontact/add_contact_way", errcode=41054, times=1)
    refused = await saved(bot, EXPO)
    mended = await saved(bot, EXPO, refused.id)

    assert refused.problem == "有成员没激活企业微信或没有客户联系权限。请让TA先登录，或换一位成员。"
    assert (mended.problem, bool(mended.config_id)) == ("", True)


async def test_an_add_is_traced_to_its_channel_and_marked_after_the_welcome(bot: RunningBot, wecom: WeCom) -> None:
    tag_id = await tag(wecom, bot)
    channel = await saved(bot, EXPO.model_copy(update={"tag_ids": [tag_id], "remark": "展会-"}))
    added = await wecom.adds_friend("lin", name="陈女士", state="expo-2026")
    await bot.settle()
    for path in ("externalcontact/remark", "externalcontact/mark_tag"):
        await marked(wecom, path)
    await bot.settle()

    ties = await bot.database.read(lambda session: session.exec(select(FollowUser)).all())
    log = await bot.database.read(lambda session: session.exec(select(TieChange)).all())
    change = await bot.database.read(lambda session: session.exec(select(TagChange)).one())
    assert [(tie.channel_id, tie.remark) for tie in ties] == [(channel.id, "展会-陈女士")]
    assert [(one.kind, one.channel_id, one.state) for one in log] == [("added", channel.id, "expo-2026")]
    assert (change.tag_id, change.source, change.cause) == (tag_id, "channel", "地推展会")
    shown = await wecom.sim("GET", f"customers/{added['external_userid']}")
    assert [(one["remark"], one["tag_ids"]) for one in shown["follow_users"]] == [("展会-陈女士", [tag_id])]
    first, *after = await order(wecom)
    assert (first, sorted(after)) == ("send_welcome_msg", ["mark_tag", "remark"])


async def test_the_marks_wait_for_a_welcome_that_has_to_be_repeated(bot: RunningBot, wecom: WeCom) -> None:
    await saved(bot, EXPO.model_copy(update={"remark": "展会-"}))
    await wecom.fault("externalcontact/send_welcome_msg", status=502, times=1)
    await wecom.adds_friend("lin", name="陈女士", state="expo-2026")
    await marked(wecom, "externalcontact/remark")
    await bot.settle()

    assert await order(wecom) == ["send_welcome_msg", "send_welcome_msg", "remark"]


async def test_a_half_add_is_marked_when_it_is_confirmed(bot: RunningBot, wecom: WeCom) -> None:
    tag_id = await tag(wecom, bot)
    channel = await saved(bot, EXPO.model_copy(update={"tag_ids": [tag_id], "remark": "展会-"}))
    added = await wecom.adds_friend("lin", name="陈女士", state="expo-2026", half=True)
    await bot.settle()
    before = await order(wecom)
    pair = {"userid": "lin", "external_userid": added["external_userid"]}
    await wecom.sim("POST", "half-confirmations", pair)
    await bot.settle()
    for path in ("externalcontact/remark", "externalcontact/mark_tag"):
        await marked(wecom, path)
    await bot.settle()

    assert before == ["send_welcome_msg"]
    first, *after = await order(wecom)
    assert (first, sorted(after)) == ("send_welcome_msg", ["mark_tag", "remark"])
    log = await bot.database.read(lambda session: session.exec(select(TieChange).order_by(col(TieChange.id))).all())
    assert [(one.kind, one.channel_id) for one in log] == [("half_added", channel.id), ("confirmed", channel.id)]
    tags = await bot.database.read(lambda session: session.exec(select(PairTag.tag_id)).all())
    assert list(tags) == [tag_id]


async def test_rules_hear_of_an_add_once_it_is_whole(bot: RunningBot, wecom: WeCom) -> None:
    channel = await saved(bot, EXPO)
    added = await wecom.adds_friend("lin", state="expo-2026", half=True)
    await bot.settle()
    early = await heard(bot)
    await wecom.sim("POST", "half-confirmations", {"userid": "lin", "external_userid": added["external_userid"]})
    await bot.settle()

    assert early == []
    [told] = await heard(bot)
    assert (told["name"], told["facts"]["channel_id"], told["facts"]["userid"]) == ("friend_added", channel.id, "lin")


async def heard(bot: RunningBot) -> list[dict[str, Any]]:
    """Every domain event about adds."""
    events = select(Job.payload).where(Job.kind == "domain_event").order_by(col(Job.id))
    found = await bot.database.read(lambda session: session.exec(events).all())
    return [dict(one) for one in found if one["name"] == "friend_added"]


async def marked(wecom: WeCom, path: str) -> None:
    """Wait for a call that is due only after a moment."""
    await wecom.sim("GET", f"calls?path={path}&after=0&wait=20")


async def order(wecom: WeCom) -> list[str]:
    """The calls about customers that change something, in order."""
    changing = ("send_welcome_msg", "remark", "mark_tag")
    calls = (await wecom.sim("GET", "calls"))["calls"]
    names = [str(one["path"]).rpartition("/")[2] for one in calls]
    return [name for name in names if name in changing]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": ""}, {"name"}),
        ({"name": "长" * 31}, {"name"}),
        ({"kind": "poster"}, {"kind"}),
        ({"state": ""}, {"state"}),
        ({"state": "s" * 31}, {"state"}),
        ({"state": " expo"}, {"state"}),
        ({"kind": LINK, "state": "展" * 22}, {"state"}),
        ({"remark": "展" * 11}, {"remark"}),
        ({"scene": "somewhere"}, {"scene"}),
        ({"cost_fen": -1}, {"cost_fen"}),
        ({"userids": ["nobody"]}, {"userids"}),
        ({"userids": ["lin", "wang"]}, {"userids"}),
        ({"userids": [], "multi": True}, {"userids"}),
        ({"departments": [99], "multi": True}, {"departments"}),
        ({"tag_ids": ["etNone"]}, {"tag_ids"}),
        ({"campaign_id": 7}, {"campaign_id"}),
        ({"store": "S9"}, {"store"}),
        ({"name": "", "state": "", "cost_fen": -1}, {"name", "state", "cost_fen"}),
    ],
)
async def test_every_mistake_is_named_with_its_field(bot: RunningBot, changes: dict[str, Any], wrong: set[str]) -> None:
    with pytest.raises(ChannelRefused) as refused:
        await saved(bot, EXPO.model_copy(update=changes))

    assert {one.field for one in refused.value.mistakes} == wrong
    assert all(one.remedy for one in refused.value.mistakes)
    assert await bot.database.read(lambda session: session.exec(select(Channel)).all()) == []


async def test_a_state_belongs_to_one_channel_and_stays_once_it_is_printed(bot: RunningBot) -> None:
    channel = await saved(bot, EXPO)
    with pytest.raises(ChannelRefused, match="地推展会"):
        await saved(bot, EXPO.model_copy(update={"name": "另一个"}))
    with pytest.raises(ChannelRefused) as refused:
        await saved(bot, EXPO.model_copy(update={"state": "expo-2027", "multi": True}), channel.id)

    assert [one.field for one in refused.value.mistakes] == ["state", "multi"]


async def test_a_code_for_more_than_a_hundred_members_is_refused(bot: RunningBot) -> None:
    def crowd(session: Session) -> None:
        session.add_all(
            Staff(userid=f"s{n}", name=f"S{n}", customer_contact=True, synced_at=bot.parts.clock.now())
            for n in range(101)
        )

    await bot.database.write(crowd)
    many = EXPO.model_copy(update={"multi": True, "userids": [f"s{n}" for n in range(101)]})
    with pytest.raises(ChannelRefused) as refused:
        await saved(bot, many)

    assert [(one.field, one.value) for one in refused.value.mistakes] == [("departments", 101)]


async def test_a_state_of_somebody_else_is_traced_without_asking_the_platform(bot: RunningBot, wecom: WeCom) -> None:
    channel = await saved(bot, ChannelDraft(name="门店易拉宝", kind=OTHER, state="stand"))
    await wecom.adds_friend("lin", state="stand")
    await bot.settle()

    [tie] = await bot.database.read(lambda session: session.exec(select(FollowUser)).all())
    assert tie.channel_id == channel.id
    assert await wecom.calls("externalcontact/add_contact_way") == []


async def test_an_image_that_cannot_be_fetched_is_told(bot: RunningBot, wecom: WeCom) -> None:
    channel = await saved(bot, EXPO)

    def again(session: Session) -> None:
        session.exec(update(Channel).values(qr_image=None))
        now = bot.parts.clock.now()
        session.add(
            Job(key="again", kind="fetch_qr", payload={"channel_id": channel.id, "url": f"{wecom.url}/nothing"},
                run_at=now, created_at=now, deadline=now)
        )  # fmt: skip

    await bot.database.write(again)
    bot.parts.loop.wake()
    await bot.settle()

    told = await row(bot, channel.id)
    assert (told.qr_image, told.problem) == (None, "二维码图片没取下来，但二维码地址可以正常使用。")


async def test_a_tag_that_cannot_be_put_on_holds_up_no_welcome(bot: RunningBot, wecom: WeCom) -> None:
    await saved(bot, EXPO.model_copy(update={"tag_ids": [await tag(wecom, bot)]}))
    await wecom.fault("externalcontact/mark_tag", errcode=-1)
    await wecom.fault("externalcontact/get", errcode=-1)
    chen = (await wecom.adds_friend("lin", state="expo-2026"))["external_userid"]
    await bot.settle()
    await wecom.adds_friend("mo", external_userid=chen)
    await bot.settle()

    assert len(await wecom.received(chen)) == 2
