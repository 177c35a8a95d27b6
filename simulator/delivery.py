"""Callbacks out: signed, sealed, delivered, and repeated when the receiver does not answer (wecom-api §1.4)."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import aiohttp

from bot.wecom.crypto import Crypto
from simulator.corp import Corp
from simulator.limits import Limits

ANSWER_WITHIN = 19.0
"""Seconds after which a control call answers with the deliveries made so far; repeats go on behind it."""

Delivery = dict[str, Any]
"""{status: HTTP status or 0, ms}: one try."""


def document(fields: Mapping[str, Any]) -> str:
    """The inner XML of an event: numbers bare, text in CDATA, a mapping nested, a list repeated."""
    return "<xml>" + "".join(element(name, value) for name, value in fields.items()) + "</xml>"


def element(name: str, value: Any) -> str:
    """One element of `document`."""
    if isinstance(value, list):
        return "".join(element(name, one) for one in value)
    if isinstance(value, Mapping):
        return f"<{name}>" + "".join(element(key, one) for key, one in value.items()) + f"</{name}>"
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    text = str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{text}]]></{name}>"


@dataclass
class Courier:
    """Delivers callbacks to the one URL the app is configured with."""

    corp: Corp
    limits: Limits
    session: aiohttp.ClientSession
    repeat: int = 1
    shuffle: bool = False
    delay_ms: int = 0
    background: set[asyncio.Future[Any]] = field(default_factory=set)

    def crypto(self) -> Crypto:
        """The app's callback crypto."""
        return Crypto(self.corp.callback_token, self.corp.callback_aes_key, self.corp.corp_id)

    async def verify(self) -> bool:
        """The GET of §1.1: whether the URL answers the echo, unquoted, within a second."""
        crypto, echo = self.crypto(), secrets.token_hex(10)
        timestamp, nonce, encrypted = str(self.corp.now()), secrets.token_hex(5), crypto.encrypt(echo)
        query = {"msg_signature": crypto.sign(timestamp, nonce, encrypted), "timestamp": timestamp, "nonce": nonce}
        url = f"{self.corp.callback_url}?{urlencode({**query, 'echostr': encrypted})}"
        try:
            async with self.session.get(url, timeout=aiohttp.ClientTimeout(total=1)) as answer:
                return answer.status == 200 and await answer.text() == echo
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError):
            return False

    async def deliver(self, fields: Mapping[str, Any]) -> list[Delivery]:
        """Deliver an event; answers every try made within `ANSWER_WITHIN` seconds."""
        return await self.deliver_xml(document(fields))

    async def deliver_xml(self, xml: str, corrupt: str | None = None) -> list[Delivery]:
        """Deliver an inner document, `repeat` times over, as `/sim/delivery` asks."""
        tries: list[Delivery] = []
        keeper = asyncio.gather(*(self.attempt(xml, corrupt, tries) for _ in range(self.repeat)))
        self.background.add(keeper)
        keeper.add_done_callback(self.background.discard)
        await asyncio.wait([keeper], timeout=ANSWER_WITHIN)
        return list(tries)

    async def attempt(self, xml: str, corrupt: str | None, tries: list[Delivery]) -> None:
        """One delivery with its repeats; each try is noted in `tries`."""
        if self.delay_ms or self.shuffle:
            await asyncio.sleep((self.delay_ms + (secrets.randbelow(200) if self.shuffle else 0)) / 1000)
        for pause in (*self.limits.callback_retry_seconds, None):
            began = time.monotonic()
            status = await self.post(xml, corrupt)
            tries.append({"status": status, "ms": round((time.monotonic() - began) * 1000, 1)})
            if status == 200 or pause is None:
                return
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    async def post(self, xml: str, corrupt: str | None) -> int:
        """One POST; 0 when there was no answer in time."""
        url, body = self.sealed(xml, corrupt)
        timeout = aiohttp.ClientTimeout(total=self.limits.callback_seconds)
        try:
            async with self.session.post(url, data=body, timeout=timeout) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    def sealed(self, xml: str, corrupt: str | None = None) -> tuple[str, bytes]:
        """URL and body of a delivery; `corrupt` damages signature, ciphertext, receiveid or cuts it short."""
        crypto = self.crypto()
        if corrupt == "receiveid":
            crypto = Crypto(self.corp.callback_token, self.corp.callback_aes_key, "ww0000000000000000")
        encrypted = crypto.encrypt(xml)
        if corrupt == "ciphertext":
            encrypted = crypto.encrypt("x" * 64)[:-24] + encrypted[:24]
        if corrupt == "truncated":
            encrypted = encrypted[: len(encrypted) // 2]
        timestamp, nonce = str(self.corp.now()), secrets.token_hex(5)
        signature = crypto.sign(timestamp, nonce, encrypted)
        if corrupt == "signature":
            signature = signature[::-1]
        query = urlencode({"msg_signature": signature, "timestamp": timestamp, "nonce": nonce})
        body = (
            f"<xml><ToUserName><![CDATA[{escape(self.corp.corp_id)}]]></ToUserName>"
            f"<AgentID><![CDATA[{self.corp.app.agent_id}]]></AgentID>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        )
        return f"{self.corp.callback_url}?{query}", body.encode()
