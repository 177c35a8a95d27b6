"""A running simulator, a client for both its sides, and a stand-in for a bot's callback."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession, FormData, web
from aiohttp.test_utils import TestServer

from bot.clock import Clock
from bot.wecom.crypto import Crypto
from simulator.app import create_simulator
from simulator.corp import Corp, demo_corp
from simulator.platform import PLATFORM, Platform

Json = dict[str, Any]


@dataclass
class Simulator:
    """A simulator on a free port, and a caller of both its sides."""

    url: str
    platform: Platform
    session: ClientSession

    @property
    def corp(self) -> Corp:
        """The simulated company, to look into."""
        return self.platform.corp

    async def sim(self, method: str, path: str, json: Any = None, *, status: int = 200) -> Json:
        """A control call; `path` is what follows `/sim/`, `status` the expected one."""
        async with self.session.request(method, f"{self.url}/sim/{path}", json=json) as answer:
            assert answer.status == status, await answer.text()
            found: Json = await answer.json()
            return found

    async def token(self, secret: str | None = None) -> str:
        """An access token of the app's secret, or another one's."""
        params = {"corpid": self.corp.corp_id, "corpsecret": secret or self.corp.app.secret}
        async with self.session.get(f"{self.url}/cgi-bin/gettoken", params=params) as answer:
            return str((await answer.json())["access_token"])

    async def api(
        self, path: str, body: Any = None, *, token: str | None = None, secret: str | None = None, **params: Any
    ) -> Json:
        """Call an API: POST with a body, GET without; the token is fetched with the app's secret unless given."""
        query = {"access_token": token or await self.token(secret)} | {key: str(value) for key, value in params.items()}
        method = "GET" if body is None else "POST"
        async with self.session.request(method, f"{self.url}/cgi-bin/{path}", json=body, params=query) as answer:
            assert answer.status == 200, answer.status
            found: Json = await answer.json()
            return found

    async def upload(
        self,
        data: bytes,
        filename: str = "a.png",
        path: str = "media/upload",
        part: str = "media",
        **params: Any,
    ) -> Json:
        """Upload one file as multipart, its name in raw UTF-8."""
        form = FormData(quote_fields=False)
        form.add_field(part, BytesIO(data), filename=filename, content_type="application/octet-stream")
        query = {"access_token": await self.token()} | {key: str(value) for key, value in params.items()}
        async with self.session.post(f"{self.url}/cgi-bin/{path}", data=form, params=query) as answer:
            found: Json = await answer.json()
            return found


@dataclass
class Receiver:
    """What a bot's callback got; how it answers can be set."""

    url: str
    crypto: Crypto
    events: list[dict[str, Any]] = field(default_factory=list)
    """Inner fields of each delivery, oldest first."""
    bodies: list[bytes] = field(default_factory=list)
    echoes: list[str] = field(default_factory=list)
    """Plaintexts of the URL verifications."""
    status: int = 200
    delay: float = 0.0
    reply: bytes = b""
    echo_suffix: str = ""

    async def verify(self, request: web.Request) -> web.Response:
        """Answer the echo of a URL verification."""
        query = request.query
        echo = self.crypto.decrypt(query["echostr"], query["msg_signature"], query["timestamp"], query["nonce"])
        self.echoes.append(echo)
        return web.Response(text=echo + self.echo_suffix)

    async def take(self, request: web.Request) -> web.Response:
        """Open a delivery and answer as set."""
        query, body = request.query, await request.read()
        self.bodies.append(body)
        self.events.append(self.crypto.open(body, query["msg_signature"], query["timestamp"], query["nonce"]))
        await asyncio.sleep(self.delay)
        return web.Response(status=self.status, body=self.reply)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A simulator of the demo company; callbacks are repeated without long pauses."""
    corp = demo_corp(Clock())
    corp.callback_url = ""
    app = create_simulator(corp)
    app[PLATFORM].limits.callback_retry_seconds = (0.01, 0.01, 0.01)
    async with TestServer(app) as server, ClientSession() as session:
        yield Simulator(f"http://127.0.0.1:{server.port}", app[PLATFORM], session)


@pytest.fixture
async def receiver(simulator: Simulator) -> AsyncIterator[Receiver]:
    """A bot's callback; the simulated app points at it."""
    corp = simulator.corp
    found = Receiver("", Crypto(corp.callback_token, corp.callback_aes_key, corp.corp_id))
    app = web.Application()
    app.add_routes([web.get("/callback", found.verify), web.post("/callback", found.take)])
    async with TestServer(app) as server:
        corp.callback_url = found.url = f"http://127.0.0.1:{server.port}/callback"
        yield found
