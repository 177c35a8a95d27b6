"""Tags, remarks and corp tags: changed in the client and the console, by chat, and told to the platform."""

from typing import Any

from sqlmodel import Session, col, select

from contacts.corp_tags import ask_for_tag
from contacts.models import Customer, FollowUser, Identity
from contacts.tag_push import Pair
from contacts.tagging import Why, change_tags
from contacts.tags import CHAT, CLIENT, RULE, PairTag, Tag, TagChange, TagGroup, TagPush
from tests.conftest import RunningBot, WeCom
from tests.stories.waiting import all_done

MARK, GET = "externalcontact/mark_tag", "externalcontact/get"


async def rows(bot: RunningBot, model: Any) -> list[Any]:
    """Every row of a table, oldest first."""
    query = select(model).order_by(col(model.id))
    return await bot.database.read(lambda session: list(session.exec(query).all()))


async def corp_tags(bot: RunningBot, wecom: WeCom, group: str = "意向", *names: str) -> dict[str, str]:
    """Corp tags made in the console and known to the bot: ids by name."""
    made = await wecom.sim("POST", "corp-tags", {"action": "create", "group": group, "tags": list(names)})
    await all_done(bot)
    return dict(made["tag_ids"])


async def friend(bot: RunningBot, wecom: WeCom, userid: str = "lin", **given: Any) -> dict[str, str]:
    """A customer of a member."""
    added = await wecom.adds_friend(userid, **given)
    await all_done(bot)
    return {"userid": userid, "external_userid": added["external_userid"]}


async def on_platform(wecom: WeCom, pair: dict[str, str]) -> list[str]:
    """The ids of the corp tags the platform shows on a pair."""
    found = await wecom.sim("GET", f"customers/{pair['external_userid']}")
    return [tag for one in found["follow_users"] if one["userid"] == pair["userid"] for tag in one["tag_ids"]]


async def on_record(bot: RunningBot) -> list[str]:
    """The ids of the tags on our record."""
    return [one.tag_id for one in await rows(bot, PairTag)]


async def changed(bot: RunningBot, **given: Any) -> None:
    """A change of tags of the only customer, as a rule would make it."""
    [customer] = await rows(bot, Customer)
    why = Why(CHAT, bot.parts.clock.now(), "lin", "test")
    pair = Pair(customer.id, "lin")
    await bot.database.write(lambda session: change_tags(session, pair, why, **given))


async def test_after_an_add_the_customer_is_known_by_name(bot: RunningBot, wecom: WeCom) -> None:
    await friend(bot, wecom, name="陈女士", unionid="oChen")

    [customer] = await rows(bot, Customer)
    assert customer.name == "陈女士"
    assert {(one.kind, one.value) for one in await rows(bot, Identity)} >= {("unionid", "oChen")}
    [welcome] = await wecom.calls("externalcontact/send_welcome_msg")
    assert welcome["errcode"] == 0


async def test_tags_set_in_the_client_are_on_record_once(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向", "低意向")
    pair = await friend(bot, wecom)
    await wecom.sim("POST", "delivery", {"repeat": 3, "shuffle": True})
    await wecom.sim("POST", "tag-edits", {**pair, "add": ["高意向", "钓友"]})
    await all_done(bot)
    await wecom.sim("POST", "tag-edits", {**pair, "remove": ["高意向"], "add": ["低意向"]})
    await all_done(bot)

    assert await on_record(bot) == [tags["低意向"]]
    log = [(one.tag_name, one.group_name, one.added, one.source, one.by) for one in await rows(bot, TagChange)]
    assert log == [
        ("高意向", "意向", True, CLIENT, "lin"),
        ("低意向", "意向", True, CLIENT, "lin"),
        ("高意向", "意向", False, CLIENT, "lin"),
    ]
    assert await wecom.calls(MARK) == [], "what the platform told us is not told back"


async def test_remark_description_and_phones_are_taken_over(bot: RunningBot, wecom: WeCom) -> None:
    pair = await friend(bot, wecom)
    edit = {"remark": "李姐-城东", "description": "怕疼", "phones": ["138 0000 1234"]}
    await wecom.sim("POST", "remarks", {**pair, **edit})
    await all_done(bot)

    [tie] = await rows(bot, FollowUser)
    assert (tie.remark, tie.description, tie.phones) == ("李姐-城东", "怕疼", ["138 0000 1234"])
    assert ("phone", "13800001234") in {(one.kind, one.value) for one in await rows(bot, Identity)}


async def test_a_phone_somebody_else_has_is_not_claimed(bot: RunningBot, wecom: WeCom) -> None:
    first, second = await friend(bot, wecom), await friend(bot, wecom)
    await wecom.sim("POST", "remarks", {**first, "phones": ["13800001234"]})
    await all_done(bot)
    await wecom.sim("POST", "remarks", {**second, "phones": ["13800001234"]})
    await all_done(bot)

    [phone] = [one for one in await rows(bot, Identity) if one.kind == "phone"]
    [one, other] = await rows(bot, FollowUser)
    assert (phone.customer_id, other.phones) == (one.customer_id, ["13800001234"])


async def test_forty_changes_become_few_calls(bot: RunningBot, wecom: WeCom) -> None:
    names = [f"标签{number}" for number in range(40)]
    tags = await corp_tags(bot, wecom, "意向", *names)
    pair = await friend(bot, wecom)
    for name in names:
        await changed(bot, add=[tags[name]])
    await changed(bot, remove=[tags["标签0"]])
    await all_done(bot)

    assert len(await wecom.calls(MARK)) <= 5
    assert set(await on_platform(wecom, pair)) == {tags[name] for name in names[1:]}
    assert set(await on_record(bot)) == {tags[name] for name in names[1:]}
    assert await rows(bot, TagPush) == []


async def test_a_tag_many_customers_wait_for_is_made_once(bot: RunningBot, wecom: WeCom) -> None:
    pairs = [await friend(bot, wecom) for _ in range(3)]
    why = Why(RULE, bot.parts.clock.now(), cause="rule 7 v2")

    def ask(session: Session) -> None:
        known = [Pair(one.id or 0, "lin") for one in session.exec(select(Customer)).all()]
        ask_for_tag(session, known, why, group="意向", name="高意向", cause="rule 7 v2")

    await bot.database.write(ask)
    await all_done(bot)

    assert len(await wecom.calls("externalcontact/add_corp_tag")) == 1
    [tag] = await rows(bot, Tag)
    assert [await on_platform(wecom, pair) for pair in pairs] == [[tag.id]] * 3


async def test_a_half_added_customer_gets_her_tags_with_the_full_add(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向")
    pair = await friend(bot, wecom, half=True)
    await changed(bot, add=[tags["高意向"]])
    await all_done(bot)
    assert await wecom.calls(MARK) == []

    await wecom.sim("POST", "half-confirmations", pair)
    await all_done(bot)

    assert await on_platform(wecom, pair) == [tags["高意向"]]
    assert await on_record(bot) == [tags["高意向"]]


async def test_a_push_goes_out_again_after_trouble(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向")
    pair = await friend(bot, wecom)
    await wecom.fault(MARK, errcode=45035, times=1)
    await wecom.fault(MARK, drop="answer", times=1)
    await changed(bot, add=[tags["高意向"]])
    await all_done(bot)

    assert await on_platform(wecom, pair) == [tags["高意向"]]
    assert await rows(bot, TagPush) == []


async def test_a_tag_deleted_before_ours_arrived_gives_way(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向", "低意向")
    pair = await friend(bot, wecom)
    url, wecom.corp.callback_url = wecom.corp.callback_url, ""
    await wecom.sim("POST", "corp-tags", {"action": "delete", "id": tags["高意向"]})
    wecom.corp.callback_url = url
    await changed(bot, add=[tags["高意向"], tags["低意向"]])
    await all_done(bot)

    assert await on_record(bot) == [tags["低意向"]]
    assert await on_platform(wecom, pair) == [tags["低意向"]]
    last = (await rows(bot, TagChange))[-1]
    assert (last.tag_name, last.added) == ("高意向", False)
    assert last.conflict.startswith("40068")


async def test_too_many_tags_are_taken_back(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向")
    await friend(bot, wecom)
    await wecom.fault(MARK, errcode=40144, times=1)
    await changed(bot, add=[tags["高意向"]])
    await all_done(bot)

    assert await on_record(bot) == []
    assert (await rows(bot, TagChange))[-1].conflict.startswith("40144")
    assert await rows(bot, TagPush) == []


async def test_what_we_have_not_told_yet_survives_a_look_at_the_platform(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向", "怕疼")
    pair = await friend(bot, wecom)
    await wecom.fault(MARK, errcode=-1, times=2)
    await changed(bot, add=[tags["高意向"]])
    await wecom.sim("POST", "tag-edits", {**pair, "add": ["怕疼"]})
    await all_done(bot)

    assert set(await on_record(bot)) == set(await on_platform(wecom, pair)) == {tags["高意向"], tags["怕疼"]}


async def test_corp_tags_follow_the_console(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向", "低意向")
    pair = await friend(bot, wecom)
    await wecom.sim("POST", "tag-edits", {**pair, "add": ["高意向", "低意向"]})
    await all_done(bot)
    await wecom.sim("POST", "corp-tags", {"action": "rename", "id": tags["低意向"], "name": "观望"})
    await wecom.sim("POST", "corp-tags", {"action": "delete", "id": tags["高意向"]})
    await all_done(bot)

    known = {one.name: one.deleted for one in await rows(bot, Tag)}
    assert known == {"高意向": True, "观望": False}
    assert await on_record(bot) == [tags["低意向"]]
    last = (await rows(bot, TagChange))[-1]
    assert (last.tag_name, last.added, last.cause) == ("高意向", False, "the tag was deleted")


async def test_a_deleted_group_takes_its_tags(bot: RunningBot, wecom: WeCom) -> None:
    made = await wecom.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高意向", "低意向"]})
    await all_done(bot)
    pair = await friend(bot, wecom)
    await wecom.sim("POST", "tag-edits", {**pair, "add": ["高意向"]})
    await all_done(bot)
    await wecom.sim("POST", "corp-tags", {"action": "delete", "id": made["group_id"]})
    await all_done(bot)

    [group] = await rows(bot, TagGroup)
    assert group.deleted
    assert all(one.deleted for one in await rows(bot, Tag))
    assert await on_record(bot) == []


async def test_a_shuffle_changes_the_order(bot: RunningBot, wecom: WeCom) -> None:
    made = await wecom.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高", "中", "低"]})
    await all_done(bot)
    await wecom.sim("POST", "corp-tags", {"action": "shuffle", "id": made["group_id"]})
    await wecom.sim("POST", "corp-tags", {"action": "shuffle"})
    await all_done(bot)

    assert {one.id: one.order for one in await rows(bot, Tag)} == {
        one.id: one.order for one in wecom.corp.tags.values()
    }
