"""Crypto that others published opens ours, and ours theirs: PyPI wx-crypt live, npm @wecom/crypto as data."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import fromstring

import pytest
from aiohttp import web
from sqlmodel import select
from wx_crypt import WXBizMsgCrypt

from bot.jobs import Job
from bot.wecom.crypto import Crypto
from tests.conftest import RunningBot, WeCom, served

SEALED: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "wecom_crypto.json").read_text("utf-8"))
NODE = Crypto(SEALED["token"], SEALED["key"], SEALED["receiveid"])
TEXTS = [*("x" * length for length in range(33)), "李女士 🙂", "]]>", "长" * 5000]
"""Every padding length, and what is awkward."""
EVENT = (
    "<xml><ToUserName><![CDATA[ww5de0f00d5de0f00d]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
    "<CreateTime>1700000001</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[edit_external_contact]]></ChangeType>"
    "<UserID><![CDATA[lin]]></UserID><ExternalUserID><![CDATA[{}]]></ExternalUserID></xml>"
)


@pytest.fixture
def wx(wecom: WeCom) -> WXBizMsgCrypt:
    """wx-crypt with the simulated company's keys."""
    return wx_crypt(wecom.corp.callback_token, wecom.corp.callback_aes_key, wecom.corp.corp_id)


def wx_crypt(token: str, aes_key: str, receive_id: str) -> WXBizMsgCrypt:
    """wx-crypt's object for one app."""
    return WXBizMsgCrypt(token, aes_key, receive_id)


def query_of(envelope: str) -> str:
    """The URL parameters that belong to an envelope wx-crypt sealed."""
    fields = {child.tag: child.text or "" for child in fromstring(envelope)}
    return f"msg_signature={fields['MsgSignature']}&timestamp={fields['TimeStamp']}&nonce={fields['Nonce']}"


def signed_query(wx: WXBizMsgCrypt, plain: str) -> str:
    """The URL parameters of a verification whose echo wx-crypt sealed."""
    code, envelope = wx.EncryptMsg(plain.encode(), "nonce-1", "1700000000")
    assert code == 0
    [encrypted] = re.findall(r"<Encrypt><!\[CDATA\[(.*)]]></Encrypt>", envelope)
    return f"{query_of(envelope)}&echostr={quote(encrypted, safe='')}"


@pytest.mark.parametrize("number", range(len(SEALED["messages"])))
def test_a_message_sealed_by_the_npm_package_opens(number: int) -> None:
    one = SEALED["messages"][number]

    assert NODE.sign(one["timestamp"], one["nonce"], one["encrypted"]) == one["signature"]
    assert NODE.decrypt(one["encrypted"], one["signature"], one["timestamp"], one["nonce"]) == one["plaintext"]


def test_the_npm_messages_have_every_padding_length_and_the_awkward_texts() -> None:
    texts = [one["plaintext"] for one in SEALED["messages"]]
    overhead = 20 + len(SEALED["receiveid"])

    assert {32 - (overhead + len(text.encode())) % 32 for text in texts} == set(range(1, 33))
    assert {"", "]]>"} <= set(texts)
    assert max(len(text.encode()) for text in texts) == 15360
    assert any("🙂" in text for text in texts)


@pytest.mark.parametrize("text", TEXTS)
def test_wx_crypt_opens_what_we_seal(text: str) -> None:
    wx = wx_crypt(SEALED["token"], SEALED["key"], SEALED["receiveid"])
    envelope = NODE.seal(text, nonce="n-1", timestamp="1700000000")
    [signature] = re.findall(r"<MsgSignature><!\[CDATA\[(.*)]]></MsgSignature>", envelope)

    assert wx.DecryptMsg(envelope, signature, "1700000000", "n-1") == (0, text.encode())


@pytest.mark.parametrize("text", TEXTS)
def test_we_open_what_wx_crypt_seals(text: str) -> None:
    wx = wx_crypt(SEALED["token"], SEALED["key"], SEALED["receiveid"])
    code, envelope = wx.EncryptMsg(text.encode(), "n-1", "1700000000")
    fields = {child.tag: child.text or "" for child in fromstring(envelope)}

    assert code == 0
    assert NODE.decrypt(fields["Encrypt"], fields["MsgSignature"], "1700000000", "n-1") == text


async def test_the_running_bot_takes_what_wx_crypt_seals(bot: RunningBot, wecom: WeCom, wx: WXBizMsgCrypt) -> None:
    for number in range(33):
        _, envelope = wx.EncryptMsg(EVENT.format("w" * (number + 1)).encode(), f"n{number}", "1700000001")
        url = f"{bot.url}/wecom/callback?{query_of(envelope)}"
        async with wecom.http.post(url, data=envelope.encode()) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
    await bot.settle()

    events = select(Job).where(Job.kind == "event")
    stored = await bot.database.read(lambda session: list(session.exec(events).all()))
    assert sorted(len(job.payload["ExternalUserID"]) for job in stored) == list(range(1, 34))
    assert {job.state for job in stored} == {"done"}


async def test_the_running_bot_verifies_its_url_for_wx_crypt(bot: RunningBot, wecom: WeCom, wx: WXBizMsgCrypt) -> None:
    query = signed_query(wx, "1616140317555161061")

    async with wecom.http.get(f"{bot.url}/wecom/callback?{query}") as answer:
        assert (answer.status, await answer.text()) == (200, "1616140317555161061")


async def test_wx_crypt_verifies_and_opens_what_the_simulator_delivers(wecom: WeCom, wx: WXBizMsgCrypt) -> None:
    opened: list[tuple[int, bytes]] = []

    async def verify(request: web.Request) -> web.Response:
        """Answer the simulator's echo."""
        query = request.query
        _, echo = wx.VerifyURL(query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"])
        return web.Response(body=echo)

    async def take(request: web.Request) -> web.Response:
        """Open a delivery."""
        query, body = request.query, await request.text()
        opened.append(wx.DecryptMsg(body, query["msg_signature"], query["timestamp"], query["nonce"]))
        return web.Response()

    other = web.Application()
    other.add_routes([web.get("/callback", verify), web.post("/callback", take)])
    async with served(other) as url:
        assert await wecom.sim("POST", "callback", {"url": f"{url}/callback"}) == {"verified": True}
        for text in TEXTS[1:]:
            await wecom.sim("POST", "callbacks/raw", {"xml": text})

    assert opened == [(0, text.encode()) for text in TEXTS[1:]]
