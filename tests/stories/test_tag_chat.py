"""Staff put tags on by chat, ask who did, and take it back."""

import pytest
from sqlmodel import col, update

from contacts.models import StaffDepartment
from contacts.tags import CHAT, TagChange, TagGroup
from tests.conftest import RunningBot, WeCom
from tests.stories.test_tags import corp_tags, friend, on_platform, on_record, rows
from tests.stories.waiting import all_done


async def says(bot: RunningBot, wecom: WeCom, text: str, userid: str = "lin") -> str:
    """The bot's answer to a message; the last card's title where it answers with a card."""
    await wecom.types(userid, text)
    await all_done(bot)
    last = (await wecom.chat(userid))[-1]["body"]
    return str(last.get("content") or last["main_title"]["title"])


async def card(wecom: WeCom, userid: str = "lin") -> dict:  # type: ignore[type-arg]
    """The last card a member got."""
    return [one for one in await wecom.chat(userid) if one["msgtype"] == "template_card"][-1]


async def press(bot: RunningBot, wecom: WeCom, label: str, selected: str = "", userid: str = "lin") -> None:
    """Press a button of the last card, having chosen the option with this text."""
    shown = await card(wecom, userid)
    body = shown["body"]
    [key] = [one["key"] for one in body["button_list"] if one["text"] == label]
    options = body.get("button_selection", {}).get("option_list", [])
    chosen = [one["id"] for one in options if selected and selected in one["text"]]
    given = {"selected": {"which": chosen}} if chosen else {}
    await wecom.sim("POST", "card-clicks", {"userid": userid, "task_id": shown["task_id"], "key": key, **given})
    await all_done(bot)


async def test_tags_are_put_on_and_taken_off_by_chat(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向", "怕疼")
    pair = await friend(bot, wecom, name="李春华")

    assert (await says(bot, wecom, "给 李女士 打标签 高意向、怕疼")).startswith("李春华：打上了“高意向”，“怕疼”")
    assert set(await on_platform(wecom, pair)) == set(tags.values())
    assert (await says(bot, wecom, "取消李女士的怕疼标签")).startswith("李春华：去掉了“怕疼”")
    assert await on_platform(wecom, pair) == [tags["高意向"]]
    assert (await says(bot, wecom, "给李女士打上高意向")).startswith("李春华已经有这个标签了")
    log = [(one.tag_name, one.added, one.source, one.by, one.cause) for one in await rows(bot, TagChange)]
    assert log[0] == ("高意向", True, CHAT, "lin", "给 李女士 打标签 高意向、怕疼")
    assert len(log) == 3


async def test_english_works_too(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "intent", "high intent")
    pair = await friend(bot, wecom, name="李春华")

    assert (await says(bot, wecom, "tag Ms Li high intent")).startswith("李春华: put on “high intent”")
    assert "“tag Ms Li high intent”" in await says(bot, wecom, "who tagged Li and why")
    assert await on_platform(wecom, pair) == list(tags.values())
    assert (await says(bot, wecom, "untag Ms Li high intent")).startswith("李春华: took off “high intent”")
    assert await on_platform(wecom, pair) == []
    assert (await says(bot, wecom, "tag Zhang as vip")).startswith("I find no customer called “Zhang”")


async def test_who_tagged_her_is_answered_from_the_log(bot: RunningBot, wecom: WeCom) -> None:
    await corp_tags(bot, wecom, "意向", "高意向", "怕疼")
    pair = await friend(bot, wecom, name="李春华")
    await says(bot, wecom, "给李女士打标签 高意向")
    await wecom.sim("POST", "tag-edits", {**pair, "add": ["怕疼"]})
    await all_done(bot)

    answer = await says(bot, wecom, "谁给李女士打的高意向？")
    assert "林晓" in answer
    assert "“给李女士打标签 高意向”" in answer
    assert "怕疼" not in answer
    assert "在企业微信里改的" in await says(bot, wecom, "李春华的怕疼是谁打的")


async def test_undo_takes_back_the_last_change_on_the_platform_too(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向", "低意向")
    pair = await friend(bot, wecom, name="李春华")
    await single_choice(bot)
    await says(bot, wecom, "给李女士打标签 低意向")
    assert "去掉了“低意向”" in await says(bot, wecom, "给李女士打标签 高意向"), "a new one takes the old one's place"
    assert await on_platform(wecom, pair) == [tags["高意向"]]

    assert (await says(bot, wecom, "撤销")).startswith("已撤销。李春华：")
    assert await on_platform(wecom, pair) == await on_record(bot) == [tags["低意向"]]
    await says(bot, wecom, "undo")
    assert await on_platform(wecom, pair) == await on_record(bot) == []
    assert (await says(bot, wecom, "撤销")).startswith("没有可撤销的")


async def single_choice(bot: RunningBot) -> None:
    """Make the only group a single-choice one."""
    [group] = await rows(bot, TagGroup)
    group.single_choice = True
    await bot.database.write(lambda session: session.merge(group) and None)


async def test_when_two_fit_a_card_asks_which(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向")
    first, second = await friend(bot, wecom, name="李春华"), await friend(bot, wecom, name="李梅")

    assert await says(bot, wecom, "给李女士打标签 高意向") == "“李女士”是哪一位？"
    assert await on_record(bot) == []
    await press(bot, wecom, "确定", "李梅")

    assert await on_platform(wecom, second) == [tags["高意向"]]
    assert await on_platform(wecom, first) == []
    assert (await card(wecom))["updated"] == {"button": {"replace_name": "已处理"}}


async def test_an_unknown_tag_is_answered_with_the_closest_and_can_be_made(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向")
    pair = await friend(bot, wecom, name="李春华")

    assert await says(bot, wecom, "给李女士打标签 高意象") == "没有“高意象”这个标签。"
    assert [one["text"] for one in (await card(wecom))["body"]["button_list"]] == ["高意向", "新建标签"]
    await press(bot, wecom, "高意向")
    assert await on_platform(wecom, pair) == [tags["高意向"]]

    await says(bot, wecom, "给李女士打标签 怕冷")
    await press(bot, wecom, "新建标签")
    made = {tag.name: (tag.id, wecom.corp.tag_groups[tag.group_id].name) for tag in wecom.corp.tags.values()}
    assert made["怕冷"][1] == "一线助手"
    assert made["怕冷"][0] in await on_platform(wecom, pair)

    await says(bot, wecom, "给李女士新建标签 季节:怕热")
    made = {tag.name: (tag.id, wecom.corp.tag_groups[tag.group_id].name) for tag in wecom.corp.tags.values()}
    assert made["怕热"][1] == "季节"
    assert made["怕热"][0] in await on_platform(wecom, pair)


async def test_a_colleagues_customer_is_refused_and_a_leader_may(bot: RunningBot, wecom: WeCom) -> None:
    tags = await corp_tags(bot, wecom, "意向", "高意向")
    pair = await friend(bot, wecom, "wang", name="李春华")

    assert "名下的客户，标签我就不动了" in await says(bot, wecom, "给李春华打标签 高意向")
    assert await on_record(bot) == []
    assert (await says(bot, wecom, "给李春华打标签 高意向", "su")).startswith("李春华：打上了")
    assert await on_platform(wecom, pair) == [tags["高意向"]]


async def test_a_card_does_not_lend_rights(bot: RunningBot, wecom: WeCom) -> None:
    await corp_tags(bot, wecom, "意向", "高意向")
    await friend(bot, wecom, "wang", name="李春华")
    await friend(bot, wecom, "wang", name="李梅")
    await says(bot, wecom, "给李女士打标签 高意向", "su")
    no_leader = update(StaffDepartment).where(col(StaffDepartment.userid) == "su").values(leads=False)
    await bot.database.write(lambda session: session.exec(no_leader) and None)
    await press(bot, wecom, "确定", "李梅", "su")

    assert await on_record(bot) == []


@pytest.mark.parametrize("text", ["给李女士打电话", "李女士 取消预约", "给李女士加备注 怕疼"])
async def test_other_sentences_are_left_to_others(bot: RunningBot, wecom: WeCom, text: str) -> None:
    await friend(bot, wecom, name="李春华")
    await says(bot, wecom, text)

    assert await rows(bot, TagChange) == []
