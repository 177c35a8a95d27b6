"""Callbacks out: what staff do in the app's chat, retries, passive replies, the callback URL (wecom-api §1, §2)."""

import logging
from asyncio import gather
from typing import Any

import pytest

from bot.wecom.crypto import Crypto
from simulator.delivery import document
from tests.simulator.conftest import Receiver, Simulator

AGENT = 1000002
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def reply(simulator: Simulator, receiver: Receiver, **fields: Any) -> bytes:
    """An envelope around a reply to Lin."""
    head = {"ToUserName": "lin", "FromUserName": simulator.corp.corp_id, "CreateTime": simulator.corp.now()}
    return receiver.crypto.seal(document(head | fields)).encode()


async def say(simulator: Simulator, **fields: Any) -> list[Any]:
    """Deliveries of something Lin writes."""
    found = await simulator.sim("POST", "messages", {"userid": "lin"} | fields)
    return list(found["deliveries"])


async def test_a_members_words_reach_the_bot(simulator: Simulator, receiver: Receiver) -> None:
    [delivery] = await say(simulator, text="客户 王五 ]]> 的记录")

    assert delivery["status"] == 200
    assert 0 <= delivery["ms"] < 5000
    [event] = receiver.events
    assert event["MsgId"].isdigit()
    assert {name: event[name] for name in ("ToUserName", "FromUserName", "MsgType", "Content", "AgentID")} == {
        "ToUserName": simulator.corp.corp_id,
        "FromUserName": "lin",
        "MsgType": "text",
        "Content": "客户 王五 ]]> 的记录",
        "AgentID": str(AGENT),
    }
    assert (await simulator.sim("GET", "chats/lin"))["messages"] == []


async def test_two_messages_differ_in_their_id(simulator: Simulator, receiver: Receiver) -> None:
    await say(simulator, text="帮助")
    await say(simulator, text="帮助")

    first, second = receiver.events
    assert first["MsgId"] != second["MsgId"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"msgtype": "location", "x": 22.54, "y": 113.934, "label": "南山区"},
            {"Location_X": "22.540000", "Label": "南山区"},
        ),
        ({"msgtype": "link", "title": "标题", "url": "https://example.com/a"}, {"Url": "https://example.com/a"}),
    ],
)
async def test_other_messages_carry_their_own_fields(
    simulator: Simulator, receiver: Receiver, fields: dict[str, Any], expected: dict[str, str]
) -> None:
    await say(simulator, **fields)

    [event] = receiver.events
    assert event["MsgType"] == fields["msgtype"]
    assert expected.items() <= event.items()


async def test_a_picture_is_one_that_was_uploaded(simulator: Simulator, receiver: Receiver) -> None:
    media_id = (await simulator.upload(PNG, type="image"))["media_id"]

    await say(simulator, msgtype="image", media_id=media_id)

    assert receiver.events[0]["MediaId"] == media_id
    refused = {"userid": "lin", "msgtype": "voice", "media_id": media_id}
    assert "is no voice" in (await simulator.sim("POST", "messages", refused, status=400))["error"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"userid": "nobody", "text": "在吗"}, 404, "nobody"),
        ({"userid": "mo", "text": "在吗"}, 400, "scope"),
        ({"userid": "lin"}, 400, "text"),
        ({"userid": "lin", "msgtype": "file", "text": "x"}, 400, "msgtype"),
        ({"userid": "lin", "words": "在吗"}, 400, "words"),
        ({"userid": "lin", "msgtype": "location", "x": "north", "y": 1}, 400, "x"),
    ],
)
async def test_a_message_that_makes_no_sense_is_refused(
    simulator: Simulator, receiver: Receiver, body: dict[str, Any], status: int, named: str
) -> None:
    simulator.corp.members["mo"].in_scope = False

    assert named in (await simulator.sim("POST", "messages", body, status=status))["error"]
    assert receiver.events == []


async def test_a_menu_button_reaches_the_bot(simulator: Simulator, receiver: Receiver) -> None:
    menu = [
        {"type": "click", "name": "待办", "key": "todo"},
        {"name": "工具", "sub_button": [{"type": "view", "name": "CRM", "url": "https://example.com/crm"}]},
    ]
    await simulator.api("menu/create", {"button": menu}, agentid=AGENT)

    await simulator.sim("POST", "menu-clicks", {"userid": "lin", "key": "todo"})
    await simulator.sim("POST", "menu-clicks", {"userid": "lin", "key": "https://example.com/crm"})

    assert [(one["Event"], one["EventKey"]) for one in receiver.events] == [
        ("click", "todo"),
        ("view", "https://example.com/crm"),
    ]
    refused = await simulator.sim("POST", "menu-clicks", {"userid": "lin", "key": "other"}, status=400)
    assert "it has todo, https://example.com/crm" in refused["error"]


async def test_the_consoles_menu_may_have_any_key(simulator: Simulator, receiver: Receiver) -> None:
    await simulator.sim("POST", "menu-clicks", {"userid": "lin", "key": "stats"})

    assert (receiver.events[0]["Event"], receiver.events[0]["EventKey"]) == ("click", "stats")


async def test_a_delivery_that_fails_is_tried_four_times(simulator: Simulator, receiver: Receiver) -> None:
    receiver.status = 500

    deliveries = await say(simulator, text="在吗")

    assert [one["status"] for one in deliveries] == [500] * 4
    assert len({one["MsgId"] for one in receiver.events}) == 1


async def test_an_answer_that_takes_too_long_is_cut(simulator: Simulator, receiver: Receiver) -> None:
    await simulator.sim("POST", "limits", {"callback_seconds": 0.05, "callback_retry_seconds": [0]})
    receiver.delay = 0.5

    assert [one["status"] for one in await say(simulator, text="在吗")] == [0, 0]


async def test_a_bot_that_is_down_gets_nothing(simulator: Simulator, receiver: Receiver) -> None:
    simulator.corp.callback_url = "http://127.0.0.1:9/callback"

    assert [one["status"] for one in await say(simulator, text="在吗")] == [0] * 4


async def test_an_app_without_a_callback_is_not_called(simulator: Simulator) -> None:
    assert await say(simulator, text="在吗") == []


async def test_a_reply_appears_in_the_members_window(simulator: Simulator, receiver: Receiver) -> None:
    receiver.reply = reply(simulator, receiver, MsgType="text", Content="字" * 1000)

    waiting = simulator.sim("GET", "chats/lin?wait=10")
    chat, _ = await gather(waiting, say(simulator, text="在吗"))

    [message] = chat["messages"]
    assert (message["msgtype"], message["body"]) == ("text", {"content": "字" * 682})


async def test_a_reply_may_be_news_or_a_picture(simulator: Simulator, receiver: Receiver) -> None:
    media_id = (await simulator.upload(PNG, type="image"))["media_id"]
    receiver.reply = reply(simulator, receiver, MsgType="image", Image={"MediaId": media_id})
    await say(simulator, text="图")
    articles = {"item": [{"Title": "新品", "Description": "", "PicUrl": "", "Url": "https://example.com/a"}]}
    receiver.reply = reply(simulator, receiver, MsgType="news", ArticleCount=1, Articles=articles)
    await say(simulator, text="新闻")

    picture, news = [one["body"] for one in simulator.corp.chats["lin"]]
    assert picture == {"media_id": media_id}
    assert news["articles"][0] == {"title": "新品", "description": "", "picurl": "", "url": "https://example.com/a"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ToUserName": "wang", "MsgType": "text", "Content": "好"}, "ToUserName"),
        ({"FromUserName": "lin", "MsgType": "text", "Content": "好"}, "FromUserName"),
        ({"MsgType": "markdown", "Content": "好"}, "markdown"),
        ({"MsgType": "image", "Image": {"MediaId": "unknown"}}, "unknown"),
    ],
)
async def test_a_wrong_reply_is_ignored_loudly(
    simulator: Simulator,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
    named: str,
) -> None:
    receiver.reply = reply(simulator, receiver, **fields)

    await say(simulator, text="在吗")

    assert simulator.corp.chats["lin"] == []
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert named in record.getMessage()


@pytest.mark.parametrize("body", [b"ok", b"<xml><Content>hi</Content></xml>", b"<xml/>", b"\xff\xfe"])
async def test_a_body_that_is_no_envelope_is_ignored_loudly(
    simulator: Simulator, receiver: Receiver, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    receiver.reply = body

    [delivery] = await say(simulator, text="在吗")

    assert delivery["status"] == 200
    assert simulator.corp.chats["lin"] == []
    assert "is ignored" in caplog.text


async def test_a_reply_with_a_wrong_signature_is_ignored(
    simulator: Simulator, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Crypto("another", simulator.corp.callback_aes_key, simulator.corp.corp_id)
    head = {"ToUserName": "lin", "FromUserName": simulator.corp.corp_id, "CreateTime": 1, "MsgType": "text"}
    receiver.reply = stranger.seal(document(head | {"Content": "好"})).encode()

    await say(simulator, text="在吗")

    assert simulator.corp.chats["lin"] == []
    assert "signature is wrong" in caplog.text


async def test_deliveries_can_be_repeated_and_delayed(simulator: Simulator, receiver: Receiver) -> None:
    await simulator.sim("POST", "delivery", {"repeat": 3, "shuffle": True, "delay_ms": 10})

    deliveries = await say(simulator, text="在吗")

    assert [one["status"] for one in deliveries] == [200] * 3
    assert len({one["MsgId"] for one in receiver.events}) == 1
    assert (await simulator.sim("POST", "delivery", {}))["repeat"] == 1
    assert len(await say(simulator, text="在吗")) == 1


async def test_the_documents_form_can_vary(simulator: Simulator, receiver: Receiver) -> None:
    await simulator.sim("POST", "delivery", {"vary": True, "repeat": 1})

    for _ in range(5):
        await say(simulator, text="1 < 2 & ]]>")

    assert {one["Content"] for one in receiver.events} == {"1 < 2 & ]]>"}
    assert len({tuple(one) for one in receiver.events}) > 1


async def test_any_document_can_be_delivered(simulator: Simulator, receiver: Receiver) -> None:
    xml = "<xml><MsgType>event</MsgType><Event>brand_new</Event><ToUserName>x</ToUserName></xml>"

    found = await simulator.sim("POST", "callbacks/raw", {"xml": xml, "repeat": 2})

    assert [one["status"] for one in found["deliveries"]] == [200, 200]
    assert [one["Event"] for one in receiver.events] == ["brand_new", "brand_new"]


@pytest.mark.parametrize("corrupt", ["signature", "ciphertext", "receiveid", "truncated"])
async def test_a_damaged_delivery_does_not_open(simulator: Simulator, receiver: Receiver, corrupt: str) -> None:
    xml = "<xml><MsgType>event</MsgType><Event>brand_new</Event></xml>"

    found = await simulator.sim("POST", "callbacks/raw", {"xml": xml, "corrupt": corrupt})

    assert {one["status"] for one in found["deliveries"]} == {500}
    assert (len(receiver.bodies), receiver.events) == (4, [])


@pytest.mark.parametrize("body", [{}, {"xml": "<xml/>", "corrupt": "all"}, {"xml": "<xml/>", "repeat": 0}])
async def test_a_raw_delivery_that_makes_no_sense_is_refused(simulator: Simulator, body: dict[str, Any]) -> None:
    assert (await simulator.sim("POST", "callbacks/raw", body, status=400))["error"]


async def test_the_callback_url_is_verified(simulator: Simulator, receiver: Receiver) -> None:
    assert await simulator.sim("POST", "callback", {"url": receiver.url}) == {"verified": True}
    assert len(receiver.echoes) >= 1
    assert (await simulator.sim("GET", "corp"))["callback_verified"] is True

    receiver.echo_suffix = "\n"
    assert await simulator.sim("POST", "callback", {"url": receiver.url}) == {"verified": False}


@pytest.mark.parametrize("url", [None, "ftp://127.0.0.1/", "callback"])
async def test_a_callback_url_that_is_none_is_refused(simulator: Simulator, url: Any) -> None:
    assert "url is" in (await simulator.sim("POST", "callback", {"url": url}, status=400))["error"]
