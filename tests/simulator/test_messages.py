"""message/send, recall and appchat: who gets what, and what the platform refuses (wecom-api §7)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.conftest import Simulator

AGENT = 1000002
HELLO = {"touser": "lin", "msgtype": "text", "agentid": AGENT, "text": {"content": "你好"}}
ARTICLE = {
    "title": "新品",
    "description": "本周",
    "url": "https://example.com/a",
    "picurl": "https://example.com/p.png",
}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


async def window(simulator: Simulator, userid: str) -> list[Any]:
    """Bodies of what the app sent a member."""
    return [one["body"] for one in (await simulator.sim("GET", f"chats/{userid}"))["messages"]]


async def test_a_text_appears_in_the_members_window(simulator: Simulator) -> None:
    answer = await simulator.api("message/send", HELLO)

    assert (answer["errcode"], answer["invaliduser"]) == (0, "")
    assert answer["msgid"]
    [message] = (await simulator.sim("GET", "chats/lin"))["messages"]
    assert (message["msgtype"], message["body"]) == ("text", {"content": "你好"})
    assert message["at"] == pytest.approx(simulator.corp.now(), abs=2)
    assert await window(simulator, "wang") == []


async def test_newer_messages_can_be_asked_for(simulator: Simulator) -> None:
    for number in range(3):
        await simulator.api("message/send", HELLO | {"text": {"content": str(number)}})
    messages = (await simulator.sim("GET", "chats/lin"))["messages"]

    later = (await simulator.sim("GET", f"chats/lin?after={messages[0]['n']}"))["messages"]

    assert [one["body"]["content"] for one in later] == ["1", "2"]


async def test_members_who_cannot_be_reached_are_named(simulator: Simulator) -> None:
    simulator.corp.members["mo"].in_scope = False

    answer = await simulator.api("message/send", HELLO | {"touser": "LIN|Nobody|mo"})

    assert (answer["errcode"], answer["invaliduser"]) == (0, "nobody|mo")
    assert await window(simulator, "lin") == [{"content": "你好"}]
    assert await window(simulator, "mo") == []


async def test_a_department_brings_the_members_below_it(simulator: Simulator) -> None:
    answer = await simulator.api("message/send", HELLO | {"touser": "he", "toparty": "2|99"})

    assert answer["invalidparty"] == "99"
    assert {userid for userid, messages in simulator.corp.chats.items() if messages} == {"lin", "wang", "su", "he"}
    await simulator.api("message/send", HELLO | {"touser": "", "toparty": "1"})
    assert len(simulator.corp.chats["zhou"]) == 1


async def test_a_contacts_tag_brings_its_members_and_departments(simulator: Simulator) -> None:
    await simulator.api("tag/create", {"tagname": "店员", "tagid": 7})
    await simulator.api("tag/addtagusers", {"tagid": 7, "userlist": ["lin"], "partylist": [3]})

    answer = await simulator.api("message/send", HELLO | {"touser": "", "totag": "7|8"})

    assert answer["invalidtag"] == "8"
    assert {userid for userid, messages in simulator.corp.chats.items() if messages} == {"lin", "mo", "he"}


async def test_everyone_in_scope_is_reached_at_once(simulator: Simulator) -> None:
    simulator.corp.members["mo"].in_scope = False

    await simulator.api("message/send", HELLO | {"touser": "@all"})

    assert {userid for userid, messages in simulator.corp.chats.items() if messages} == {
        "lin", "wang", "su", "he", "zhou",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"touser": "nobody"}, 81013),
        ({"touser": ""}, 82001),
        ({"touser": "", "totag": "7"}, 81013),
        ({"touser": "|".join(f"u{number}" for number in range(1001))}, 40032),
        ({"toparty": "|".join(str(number) for number in range(101))}, 82002),
        ({"totag": "|".join(str(number) for number in range(101))}, 82003),
        ({"agentid": None}, 41011),
        ({"agentid": "mine"}, 40056),
        ({"agentid": 1000003}, 301002),
        ({"msgtype": "shout"}, 40008),
        ({"msgtype": ["text"]}, 40008),
        ({"msgtype": "news", "news": {"articles": [1]}}, 40058),
        ({"msgtype": "news", "news": {"articles": "x"}}, 40058),
        (
            {"msgtype": "miniprogram_notice", "miniprogram_notice": {"appid": "wx1", "title": "x", "content_item": 5}},
            40058,
        ),
        ({"text": {"content": ""}}, 44004),
        ({"text": None}, 44004),
        ({"msgtype": "markdown", "markdown": {"content": " "}}, 44004),
        ({"msgtype": "image", "image": {"media_id": "unknown"}}, 40007),
        ({"msgtype": "textcard", "textcard": {"description": "x", "url": "https://example.com"}}, 41016),
        ({"msgtype": "textcard", "textcard": {"title": "x", "url": "https://example.com"}}, 41033),
        ({"msgtype": "textcard", "textcard": {"title": "x", "description": "x"}}, 41010),
        ({"msgtype": "textcard", "textcard": {"title": "x", "description": "x", "url": "example.com"}}, 45034),
        ({"msgtype": "textcard", "textcard": {**ARTICLE, "title": "字" * 129}}, 40058),
        ({"msgtype": "textcard", "textcard": {**ARTICLE, "btntxt": "五个字太长"}}, 40058),
        ({"msgtype": "news", "news": {"articles": [ARTICLE] * 9}}, 45008),
        ({"msgtype": "news", "news": {"articles": []}}, 40063),
        ({"msgtype": "news", "news": {"articles": [{**ARTICLE, "title": "字" * 43}]}}, 40058),
        ({"msgtype": "news", "news": {"articles": [ARTICLE]}, "safe": 1}, 40074),
        ({"msgtype": "miniprogram_notice", "miniprogram_notice": {"appid": "wx1", "title": "短"}}, 40058),
    ],
)
async def test_a_wrong_message_gets_its_errcode(simulator: Simulator, change: dict[str, Any], errcode: int) -> None:
    answer = await simulator.api("message/send", HELLO | change)

    assert answer["errcode"] == errcode
    assert not any(simulator.corp.chats.values())


async def test_nobody_valid_still_names_them(simulator: Simulator) -> None:
    answer = await simulator.api("message/send", HELLO | {"touser": "Nobody"})

    assert answer["invaliduser"] == "nobody"


@pytest.mark.parametrize("msgtype", ["text", "markdown"])
async def test_a_long_text_is_cut_between_characters(simulator: Simulator, msgtype: str) -> None:
    message = {"touser": "lin", "msgtype": msgtype, "agentid": AGENT, msgtype: {"content": "字" * 1000}}

    assert (await simulator.api("message/send", message))["errcode"] == 0

    [body] = await window(simulator, "lin")
    assert body["content"] == "字" * 682


@pytest.mark.parametrize(
    ("msgtype", "content"),
    [
        (
            "textcard",
            {"title": "字" * 128, "description": "字" * 512, "url": "https://example.com", "btntxt": "看一看吧"},
        ),
        ("news", {"articles": [ARTICLE] * 8}),
        ("news", {"articles": [{"title": "小程序", "appid": "wx1", "pagepath": "/a"}]}),
        (
            "miniprogram_notice",
            {"appid": "wx1", "title": "预约提醒", "content_item": [{"key": "时间", "value": "9:00"}]},
        ),
    ],
)
async def test_every_kind_of_message_arrives_as_it_was_sent(
    simulator: Simulator, msgtype: str, content: dict[str, Any]
) -> None:
    answer = await simulator.api("message/send", HELLO | {"msgtype": msgtype, msgtype: content})

    assert answer["errcode"] == 0
    assert await window(simulator, "lin") == [content]


async def test_media_must_be_of_the_messages_own_kind(simulator: Simulator) -> None:
    media_id = (await simulator.upload(PNG, "a.png", type="image"))["media_id"]

    wrong = await simulator.api("message/send", HELLO | {"msgtype": "video", "video": {"media_id": media_id}})
    right = await simulator.api("message/send", HELLO | {"msgtype": "image", "image": {"media_id": media_id}})

    assert (wrong["errcode"], right["errcode"]) == (40007, 0)


async def test_the_duplicate_check_swallows_the_same_content(simulator: Simulator) -> None:
    message = HELLO | {"enable_duplicate_check": 1, "duplicate_check_interval": 600}
    reordered = dict(reversed(list(message.items())))

    first, second = await simulator.api("message/send", message), await simulator.api("message/send", reordered)
    await simulator.api("message/send", message | {"text": {"content": "另一句"}})

    assert (first["errcode"], second["errcode"]) == (0, 0)
    assert await window(simulator, "lin") == [{"content": "你好"}, {"content": "另一句"}]
    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(seconds=601))
    await simulator.api("message/send", message)
    assert len(await window(simulator, "lin")) == 3


async def test_without_the_check_the_same_content_arrives_twice(simulator: Simulator) -> None:
    await simulator.api("message/send", HELLO)
    await simulator.api("message/send", HELLO)

    assert len(await window(simulator, "lin")) == 2


async def test_beyond_thirty_a_minute_messages_vanish_silently(simulator: Simulator) -> None:
    token = await simulator.token()

    answers = [await simulator.api("message/send", HELLO | {"touser": "lin|wang"}, token=token) for _ in range(30)]
    dropped = await simulator.api("message/send", HELLO | {"touser": "lin|he"}, token=token)

    assert {one["errcode"] for one in answers} == {0}
    assert (dropped["errcode"], dropped["invaliduser"]) == (0, "")
    assert {userid: len(messages) for userid, messages in simulator.corp.chats.items()} == {
        "lin": 30,
        "wang": 30,
        "he": 1,
    }


async def test_the_hour_has_a_limit_too(simulator: Simulator) -> None:
    await simulator.sim("POST", "limits", {"per_member_hour": 2})

    for _ in range(3):
        await simulator.api("message/send", HELLO)

    assert len(await window(simulator, "lin")) == 2


async def test_the_apps_day_ends_at_midnight(simulator: Simulator) -> None:
    await simulator.sim("POST", "limits", {"app_day": 3})
    to_two = HELLO | {"touser": "lin|wang"}

    found = [(await simulator.api("message/send", to_two))["errcode"] for _ in range(2)]

    assert found == [0, 45009]
    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(days=1))
    assert (await simulator.api("message/send", to_two))["errcode"] == 0


async def test_a_message_can_be_recalled_for_a_day(simulator: Simulator) -> None:
    first, second = [(await simulator.api("message/send", HELLO))["msgid"] for _ in range(2)]

    assert (await simulator.api("message/recall", {"msgid": first}))["errcode"] == 0
    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(hours=24, seconds=2))

    assert (await simulator.api("message/recall", {"msgid": second}))["errcode"] == 42052
    assert (await simulator.api("message/recall", {"msgid": "unknown"}))["errcode"] == 40058
    assert [one.get("recalled") for one in simulator.corp.chats["lin"]] == [True, None]


async def test_app_groups_need_the_root_department(simulator: Simulator) -> None:
    group = {"name": "项目群", "owner": "lin", "userlist": ["lin", "wang"], "chatid": "project1"}
    assert (await simulator.api("appchat/create", group))["errcode"] == 48002

    await simulator.sim("POST", "corp", {"root_scope": True})

    assert (await simulator.api("appchat/create", group))["chatid"] == "project1"
    assert (await simulator.api("appchat/create", group))["errcode"] == 86215


async def test_an_app_group_is_changed_and_written_to(simulator: Simulator) -> None:
    await simulator.sim("POST", "corp", {"root_scope": True})
    created = await simulator.api("appchat/create", {"name": "项目群", "userlist": ["lin", "wang"]})
    chat_id = created["chatid"]

    change = {"chatid": chat_id, "name": "新名", "add_user_list": ["he"], "del_user_list": ["wang"]}
    assert (await simulator.api("appchat/update", change))["errcode"] == 0
    answer = await simulator.api("appchat/send", {"chatid": chat_id, "msgtype": "text", "text": {"content": "开会"}})

    info = (await simulator.api("appchat/get", chatid=chat_id))["chat_info"]
    assert (info["name"], info["owner"], info["userlist"]) == ("新名", "lin", ["lin", "he"])
    assert "msgid" not in answer
    [entry] = (await simulator.sim("GET", "chats/he"))["messages"]
    assert (entry["chatid"], entry["body"]) == (chat_id, {"content": "开会"})
    assert await window(simulator, "wang") == []


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"userlist": ["lin"]}, 86006),
        ({"userlist": ["lin", "nobody"]}, 86007),
        ({"owner": "he"}, 86005),
        ({"name": "字" * 51}, 86004),
        ({"chatid": "with space"}, 86001),
    ],
)
async def test_a_wrong_app_group_gets_its_errcode(simulator: Simulator, change: dict[str, Any], errcode: int) -> None:
    await simulator.sim("POST", "corp", {"root_scope": True})

    answer = await simulator.api("appchat/create", {"name": "群", "userlist": ["lin", "wang"]} | change)

    assert answer["errcode"] == errcode


async def test_a_menu_is_kept_as_it_was_created(simulator: Simulator) -> None:
    assert (await simulator.api("menu/get", agentid=AGENT))["errcode"] == 46003
    menu = [
        {"type": "click", "name": "今日待办", "key": "todo"},
        {"name": "工具", "sub_button": [{"type": "view", "name": "CRM", "url": "https://example.com/crm"}]},
    ]

    assert (await simulator.api("menu/create", {"button": menu}, agentid=AGENT))["errcode"] == 0

    assert (await simulator.api("menu/get", agentid=AGENT))["button"] == menu
    assert (await simulator.api("menu/delete", agentid=AGENT))["errcode"] == 0
    assert (await simulator.api("menu/get", agentid=AGENT))["errcode"] == 46003


CLICK = {"type": "click", "name": "待办", "key": "todo"}


@pytest.mark.parametrize(
    ("buttons", "errcode"),
    [
        ([], 40016),
        ([CLICK] * 4, 40016),
        ([CLICK | {"name": "六个字的名称"}], 40018),
        ([CLICK | {"type": "shout"}], 40017),
        ([CLICK | {"key": "k" * 129}], 40019),
        ([{"type": "view", "name": "CRM"}], 40020),
        ([{"type": "view", "name": "CRM", "url": "example.com"}], 40054),
        ([{"name": "工具", "sub_button": [CLICK] * 6}], 40023),
        ([{"name": "工具", "sub_button": [{"name": "再下", "sub_button": [CLICK]}]}], 40022),
        ([{"name": "工具", "sub_button": [CLICK | {"name": "字" * 14}]}], 40025),
        ([{"name": "工具", "sub_button": [CLICK | {"type": "shout"}]}], 40024),
        ([{"name": "工具", "sub_button": [CLICK | {"key": ""}]}], 40026),
    ],
)
async def test_a_wrong_menu_gets_its_errcode(simulator: Simulator, buttons: list[Any], errcode: int) -> None:
    assert (await simulator.api("menu/create", {"button": buttons}, agentid=AGENT))["errcode"] == errcode


async def test_the_menu_of_another_app_is_out_of_reach(simulator: Simulator) -> None:
    assert (await simulator.api("menu/create", {"button": [CLICK]}, agentid=7))["errcode"] == 301002


async def test_the_app_knows_who_is_in_its_scope(simulator: Simulator) -> None:
    simulator.corp.members["mo"].in_scope = False

    await simulator.api("agent/set", {"agentid": AGENT, "description": "销售助手"})
    found = await simulator.api("agent/get", agentid=AGENT)

    assert {one["userid"] for one in found["allow_userinfos"]["user"]} == {"lin", "wang", "su", "he", "zhou"}
    assert found["description"] == "销售助手"
    assert [one["agentid"] for one in (await simulator.api("agent/list"))["agentlist"]] == [AGENT]
