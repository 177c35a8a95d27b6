"""Whatever is thrown at the callback: 4xx, one log line, nothing stored, and the next good callback is taken."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from zlib import compress

import pytest
from aiohttp import ClientSession
from sqlmodel import select

from bot.jobs import Job
from bot.observability import LINES
from bot.wecom.crypto import MAX_BODY, Crypto
from tests.conftest import RunningBot, WeCom

INNER = (
    "<xml><ToUserName><![CDATA[ww5de0f00d5de0f00d]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
    "<CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[del_follow_user]]></ChangeType>"
    "<UserID><![CDATA[lin]]></UserID><ExternalUserID><![CDATA[{}]]></ExternalUserID></xml>"
)
LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
BILLION = f'<!DOCTYPE xml [<!ENTITY l0 "lol">{LAUGHS}]>'


@dataclass
class Door:
    """The callback of a running bot, and its log from the story's beginning."""

    bot: RunningBot
    http: ClientSession
    crypto: Crypto
    log: Path
    read_from: int

    @property
    def url(self) -> str:
        """The callback's address."""
        return f"{self.bot.url}/wecom/callback"

    def query(self, encrypted: str, **other: str) -> str:
        """A good signature of a ciphertext; `other` parameters replace it, empty ones are left out."""
        given = {"timestamp": "1700000000", "nonce": "n-1"} | other
        signature = self.crypto.sign(given["timestamp"], given["nonce"], encrypted)
        return urlencode({name: value for name, value in ({"msg_signature": signature} | given).items() if value})

    def sealed(self, xml: str) -> tuple[str, bytes]:
        """Query and body of a well-signed inner document."""
        encrypted = self.crypto.encrypt(xml)
        return self.query(encrypted), body_with(encrypted)

    async def post(self, query: str, body: Any, **headers: str) -> int:
        """Post a body; the answer's status."""
        async with self.http.post(f"{self.url}?{query}", data=body, headers=headers) as answer:
            return answer.status

    async def raw(self, request: str, *, leave: bool = False) -> bytes:
        """Send a request as it is, and go away or read what comes back."""
        address = urlsplit(self.bot.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request.encode("latin-1"))
        if leave:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """The log lines written since the story began."""
        LINES.pour()
        written = self.log.read_text("utf-8")[self.read_from :]
        return [json.loads(line) for line in written.splitlines()]

    async def stored(self) -> int:
        """Callbacks in the database."""
        events = select(Job.id).where(Job.kind == "event")
        return len(await self.bot.database.read(lambda session: session.exec(events).all()))

    async def stands(self, reason: str) -> None:
        """One line says why something was refused, nothing is stored, and a good callback is still taken."""
        [line] = self.lines()
        assert (line["event"], line["level"], line["reason"]) == ("callback refused", "warning", reason)
        assert await self.stored() == 0
        assert await self.post(*self.sealed(INNER.format("wmGood"))) == 200
        assert await self.stored() == 1


def body_with(encrypted: str) -> bytes:
    """An outer document."""
    return (
        "<xml><ToUserName><![CDATA[ww5de0f00d5de0f00d]]></ToUserName><AgentID><![CDATA[1000002]]></AgentID>"
        f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    ).encode()


@pytest.fixture
def door(bot: RunningBot, wecom: WeCom, log_lines: Path) -> Door:
    """The callback, and a log that begins here."""
    crypto = Crypto(wecom.corp.callback_token, wecom.corp.callback_aes_key, wecom.corp.corp_id)
    LINES.pour()
    return Door(bot, wecom.http, crypto, log_lines, len(log_lines.read_text("utf-8")))


async def pieces(total: int) -> AsyncIterator[bytes]:
    """A body sent in chunks, its length not told."""
    for _ in range(total // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize(
    ("corrupt", "status", "reason"),
    [
        ("signature", 403, "signature"),
        ("ciphertext", 400, "ciphertext"),
        ("truncated", 400, "ciphertext"),
        ("receiveid", 403, "receiveid"),
    ],
)
async def test_a_damaged_delivery_is_refused(door: Door, wecom: WeCom, corrupt: str, status: int, reason: str) -> None:
    await wecom.sim("POST", "limits", {"callback_retry_seconds": []})
    answered = await wecom.sim("POST", "callbacks/raw", {"xml": INNER.format("wmBad"), "corrupt": corrupt})

    assert [one["status"] for one in answered["deliveries"]] == [status]
    await door.stands(reason)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (BILLION + INNER.format("&l9;"), "doctype"),
        ('<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + INNER.format("&e;"), "doctype"),
        ("no xml at all", "xml"),
        ("<xml>" + "<a>" * 5000 + "</a>" * 5000 + "</xml>", "xml"),
        (INNER.format("wmBad")[:-20], "xml"),
        (INNER.format("wmBad").replace("CreateTime", "Created"), "CreateTime"),
        (INNER.format("wmBad").replace("MsgType", "Type"), "MsgType"),
        (INNER.format("wmBad").replace("1700000000", "9" * 20), "CreateTime"),
        (INNER.format(""), "ExternalUserID"),
        (INNER.format("wmBad").replace("del_follow_user", "not a name " * 500), "ChangeType"),
    ],
)
async def test_a_well_sealed_document_that_is_no_event_is_refused(door: Door, xml: str, reason: str) -> None:
    assert await door.post(*door.sealed(xml)) == 400
    await door.stands(reason)


async def test_a_plaintext_that_is_not_utf8_is_refused(door: Door) -> None:
    text = "<xml><Content>价格</Content></xml>"
    plain = text.encode("gbk") + b" " * (len(text.encode()) - len(text.encode("gbk")))
    padded = door.crypto._cipher.cipher.decrypt(b64decode(door.crypto.encrypt(text))).replace(text.encode(), plain)
    encrypted = b64encode(door.crypto._cipher.cipher.encrypt(padded)).decode()

    assert await door.post(door.query(encrypted), body_with(encrypted)) == 400
    await door.stands("not UTF-8")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"   ", b"not xml", b'{"encrypt": "abc"}', b"\xff\xfe\x00garbage",
        "<xml><Encrypt>密</Encrypt></xml>".encode(),
        b"<xml><Encrypt></Encrypt></xml>", b"<xml><ToUserName>ww5de0f00d5de0f00d</ToUserName></xml>",
    ],
)  # fmt: skip
async def test_a_body_that_is_no_envelope_is_refused(door: Door, body: bytes) -> None:
    assert await door.post(door.query("abc"), body) == 400
    await door.stands("envelope")


async def test_a_doctype_around_a_good_envelope_is_refused(door: Door) -> None:
    query, body = door.sealed(INNER.format("wmBad"))

    assert await door.post(query, BILLION.encode() + body) == 400
    await door.stands("doctype")


@pytest.mark.parametrize("extra", [1, 2**20 - MAX_BODY])
async def test_a_large_body_is_refused_by_its_length(door: Door, extra: int) -> None:
    assert await door.post(door.query("abc"), b"x" * (MAX_BODY + extra)) == 413
    await door.stands("too large")


async def test_a_large_body_in_chunks_is_refused_without_reading_it_all(door: Door) -> None:
    assert await door.post(door.query("abc"), pieces(2**20)) == 413
    await door.stands("too large")


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(door: Door) -> None:
    bomb = compress(b"x" * 10_000_000)

    assert await door.post(door.query("abc"), bomb, **{"Content-Encoding": "deflate"}) == 413
    await door.stands("too large")


async def test_a_body_that_is_not_packed_as_it_says_is_refused(door: Door) -> None:
    assert await door.post(door.query("abc"), b"hello", **{"Content-Encoding": "gzip"}) == 400
    await door.stands("body")


async def test_a_connection_that_ends_within_the_body_is_one_line(door: Door) -> None:
    head = f"POST /wecom/callback?{door.query('abc')} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"

    assert await door.raw(head + "hello", leave=True) == b""

    await door.stands("body")


@pytest.mark.parametrize(
    "request_text",
    [
        "POST /wecom/callback HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nhello",
        "POST /wecom/callback HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST /wecom/callback?msg_signature=\xff HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
        f"POST /wecom/callback?{'a' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_in_one_line_without_its_content(door: Door, request_text: str) -> None:
    assert b" 400 " in await door.raw(request_text)

    [line] = door.lines()
    assert line["event"].startswith("unreadable request from 127.0.0.1")
    assert "exception" not in line
    assert await door.post(*door.sealed(INNER.format("wmGood"))) == 200


@pytest.mark.parametrize("missing", ["msg_signature", "timestamp", "nonce"])
async def test_a_missing_parameter_is_refused_by_name(door: Door, missing: str) -> None:
    encrypted = door.crypto.encrypt(INNER.format("wmBad"))

    assert await door.post(door.query(encrypted, **{missing: ""}), body_with(encrypted)) == 400
    await door.stands(f"no {missing}")


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"echostr": ""}, 400, "no echostr"),
        ({"msg_signature": ""}, 400, "no msg_signature"),
        ({"msg_signature": "0" * 40}, 403, "signature"),
        ({"msg_signature": "密"}, 403, "signature"),
        ({"echostr": "密"}, 403, "signature"),
        ({"echostr": "A A+A"}, 403, "signature"),
    ],
)
async def test_a_bad_verification_is_refused(door: Door, change: dict[str, str], status: int, reason: str) -> None:
    echo = door.crypto.encrypt("1616140317555161061")
    query = door.query(echo, **({"echostr": echo} | change))

    async with door.http.get(f"{door.url}?{query}") as answer:
        assert answer.status == status
    await door.stands(reason)


async def test_a_signed_echo_that_is_no_ciphertext_is_refused(door: Door) -> None:
    async with door.http.get(f"{door.url}?{door.query('no base64!', echostr='no base64!')}") as answer:
        assert answer.status == 400
    await door.stands("ciphertext")


async def test_a_good_verification_still_answers_the_bare_echo(door: Door) -> None:
    echo = door.crypto.encrypt("1616140317555161061")

    async with door.http.get(f"{door.url}?{door.query(echo, echostr=echo)}") as answer:
        assert (answer.status, await answer.read()) == (200, b"1616140317555161061")
    assert door.lines() == []
