"""Callbacks out: signed, sealed, delivered, and repeated when the receiver does not answer (wecom-api §1.4)."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
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

VERIFY_EVERY = 1.0
"""Seconds between tries to verify a callback URL that did not answer yet."""

Delivery = dict[str, Any]
"""{status: HTTP status or 0, ms}: one try."""


OnReply = Callable[[bytes], None]
"""Takes the body of a 200 answer: the bot's passive reply."""

log = logging.getLogger(__name__)


def document(fields: Mapping[str, Any], *, vary: bool = False) -> str:
    """The inner XML of an event: numbers bare, text in CDATA, a mapping nested, a list repeated.

    `vary` shuffles the elements and changes CDATA use and white space: the platform promises none of them.
    """
    items = list(fields.items())
    if vary:
        secrets.SystemRandom().shuffle(items)
    space = "\n " if vary else ""
    return "<xml>" + "".join(space + element(name, value, vary) for name, value in items) + "</xml>"


def element(name: str, value: Any, vary: bool = False) -> str:
    """One element of `document`."""
    if isinstance(value, list):
        return "".join(element(name, one, vary) for one in value)
    if isinstance(value, Mapping):
        return f"<{name}>" + "".join(element(key, one, vary) for key, one in value.items()) + f"</{name}>"
    in_cdata = secrets.choice((True, False)) if vary else not isinstance(value, int)
    text = str(value)
    inner = f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>" if in_cdata else escape(text)
    return f"<{name}>{inner}</{name}>"


def warn_of_reply(body: bytes) -> None:
    """Say loudly that a reply was sent where the platform takes none."""
    if body:
        log.warning("The platform takes no reply to this event and ignores it: %r", body[:200])


@dataclass
class Courier:
    """Delivers callbacks to the one URL the app is configured with."""

    corp: Corp
    limits: Limits
    session: aiohttp.ClientSession
    repeat: int = 1
    shuffle: bool = False
    delay_ms: int = 0
    vary: bool = False
    """Element order and CDATA use differ from delivery to delivery."""
    verified: bool = False
    """The callback URL answered its echo."""
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

    async def keep_verifying(self) -> None:
        """Verify the callback URL as soon as somebody answers there."""
        while True:
            if self.corp.callback_url and not self.verified:
                self.verified = await self.verify()
            await asyncio.sleep(VERIFY_EVERY)

    async def deliver(self, fields: Mapping[str, Any], on_reply: OnReply = warn_of_reply) -> list[Delivery]:
        """Deliver an event; answers every try made within `ANSWER_WITHIN` seconds."""
        return await self.deliver_xml(document(fields, vary=self.vary), on_reply=on_reply)

    async def deliver_xml(
        self, xml: str, corrupt: str | None = None, *, repeat: int | None = None, on_reply: OnReply = warn_of_reply
    ) -> list[Delivery]:
        """Deliver an inner document, `repeat` times over or as often as `/sim/delivery` asks."""
        if not self.corp.callback_url:
            return []
        tries: list[Delivery] = []
        attempts = (self.attempt(xml, corrupt, tries, on_reply) for _ in range(repeat or self.repeat))
        keeper = asyncio.gather(*attempts)
        self.background.add(keeper)
        keeper.add_done_callback(self.background.discard)
        await asyncio.wait([keeper], timeout=ANSWER_WITHIN)
        return list(tries)

    async def attempt(self, xml: str, corrupt: str | None, tries: list[Delivery], on_reply: OnReply) -> None:
        """One delivery with its repeats; each try is noted in `tries`."""
        if self.delay_ms or self.shuffle:
            await asyncio.sleep((self.delay_ms + (secrets.randbelow(200) if self.shuffle else 0)) / 1000)
        for pause in (*self.limits.callback_retry_seconds, None):
            began = time.monotonic()
            status, body = await self.post(xml, corrupt)
            tries.append({"status": status, "ms": round((time.monotonic() - began) * 1000, 1)})
            if status == 200:
                on_reply(body)
            if status == 200 or pause is None:
                return
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    async def post(self, xml: str, corrupt: str | None) -> tuple[int, bytes]:
        """One POST: status and body; status 0 when there was no answer in time."""
        url, body = self.sealed(xml, corrupt)
        timeout = aiohttp.ClientTimeout(total=self.limits.callback_seconds)
        try:
            async with self.session.post(url, data=body, timeout=timeout) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return 0, b""

    async def start_over(self, corp: Corp) -> None:
        """Stop what is still being delivered and deliver plainly, for another company."""
        self.corp = corp
        self.repeat, self.shuffle, self.delay_ms, self.vary = 1, False, 0, False
        await self.stop()

    async def stop(self) -> None:
        """End every delivery under way."""
        running = list(self.background)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

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
