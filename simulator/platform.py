"""The platform side's front door: every `/cgi-bin/` request passes here, in the order the platform checks things.

Path (404 with an empty body) → faults → limits → token → trusted address → permission → the API's own function.
An API is a plain function registered with `@api`: it takes a `Call` and returns the answer or raises `ApiError`.
"""

import asyncio
import json
import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from simulator.corp import App, Corp
from simulator.delivery import Courier
from simulator.errors import ApiError
from simulator.faults import Fault, Faults
from simulator.limits import Limits
from simulator.tokens import Tokens

Fields = dict[str, Any]
Needs = Literal["none", "any", "app", "contacts", "customers"]
"""Who may call: nobody's token, any token, the app's, any that may read contacts, one allowed to use 客户联系."""

MAX_CALLS = 500_000
ERROR_PAGE = "https://open.work.weixin.qq.com/devtool/query?e="


@dataclass
class Call:
    """One request to one API, after its token was accepted."""

    platform: "Platform"
    app: App
    query: dict[str, str]
    body: Fields
    files: dict[str, web.FileField] = field(default_factory=dict)
    address: str = ""
    """Who calls, as the platform sees it."""

    @property
    def corp(self) -> Corp:
        """The company the token belongs to."""
        return self.platform.corp

    def text(self, name: str, missing: int = 40058) -> str:
        """A required string of the body or the query; `missing` is the errcode without it."""
        value = self.body.get(name) or self.query.get(name)
        if not isinstance(value, str) or not value:
            raise ApiError(missing, f"missing {name}")
        return value

    def strings(self, name: str) -> list[str]:
        """A list of strings of the body; absent means empty."""
        value = self.body.get(name) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ApiError(40035, f"{name} invalid")
        return value


Handler = Callable[[Call], Fields | web.StreamResponse | Awaitable[Fields | web.StreamResponse]]


@dataclass(frozen=True)
class Api:
    """One registered API."""

    path: str
    method: str
    needs: Needs
    handler: Handler


APIS: dict[str, Api] = {}


def api(path: str, method: str = "POST", needs: Needs = "customers") -> Callable[[Handler], Handler]:
    """Register a function as `/cgi-bin/<path>`."""

    def register(handler: Handler) -> Handler:
        APIS[path] = Api(path, method, needs, handler)
        return handler

    return register


@dataclass
class Platform:
    """The running platform: a company, its tokens, limits and faults, and the record of every call."""

    corp: Corp
    tokens: Tokens
    faults: Faults
    limits: Limits
    trusted: set[str] | None = None
    """Addresses that may call; None trusts every one."""
    calls: deque[Fields] = field(default_factory=lambda: deque(maxlen=MAX_CALLS))
    in_flight: Counter[str] = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    extras: defaultdict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    """State that only one API module keeps, by that module's name."""

    async def notify(self) -> None:
        """Wake whoever waits for something new to show (`?wait=`)."""
        async with self.changed:
            self.changed.notify_all()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one `/cgi-bin/` request and record it."""
        path = request.match_info["path"].strip("/")
        found = APIS.get(path)
        if found is None:
            return web.Response(status=404)
        query, body, files = await read(request)
        record = {"n": self.corp.number(), "at": self.corp.now(), "method": request.method, "path": path, "body": body}
        record |= {"query": {key: value for key, value in query.items() if key not in {"access_token", "corpsecret"}}}
        if userid := body.get("userid") or body.get("touser") or query.get("userid"):
            record["userid"] = userid
        fault = self.faults.take(path)
        self.in_flight[path] += 1
        try:
            await fault.delay()
            if fault.drop == "request":
                return self.cut(request, record)
            call = Call(self, self.corp.app, query, body, files, request.remote or "")
            answer = await self.carry_out(found, request, call, fault, record)
        finally:
            self.in_flight[path] -= 1
        return self.cut(request, record) if fault.drop == "answer" else answer

    async def carry_out(
        self, found: Api, request: web.Request, call: Call, fault: Fault, record: Fields
    ) -> web.StreamResponse:
        """Run the API's function unless a check or an injected fault answers first."""
        if fault.status:
            self.record({**record, "status": fault.status, "errcode": None})
            return web.Response(status=fault.status)
        try:
            fault.check()
            self.check(found, request, call)
            outcome = found.handler(call)
            answer = await outcome if isinstance(outcome, Awaitable) else outcome
        except ApiError as error:
            answer = {"errcode": error.errcode, "errmsg": self.errmsg(error, request), **error.defaults}
        if isinstance(answer, web.StreamResponse):
            self.record({**record, "errcode": 0})
            return answer
        answer = {"errcode": 0, "errmsg": "ok"} | answer
        self.record({**record, "errcode": answer["errcode"]})
        await self.notify()
        return web.json_response(answer)

    def check(self, found: Api, request: web.Request, call: Call) -> None:
        """What the platform checks before an API's own parameters. Sets `call.app`."""
        self.limits.count(found.path, self.in_flight[found.path])
        if found.needs == "none":
            return
        call.app = self.tokens.owner(call.query.get("access_token"))
        if self.trusted is not None and (request.remote or "") not in self.trusted:
            raise ApiError(60020, "not allow to access from your ip")
        refused = {
            "app": call.app.agent_id is None,
            "customers": call.app.agent_id is None or not call.app.customers_allowed,
        }
        if refused.get(found.needs):
            raise ApiError(48002, "api forbidden")
        if request.method != found.method:
            raise ApiError(40058, "invalid request method")

    def errmsg(self, error: ApiError, request: web.Request) -> str:
        """The platform's long form of an error text."""
        hint = f"{self.corp.now()}_{secrets.randbelow(99)}_{secrets.token_hex(16)}"
        return f"{error.errmsg}, hint: [{hint}], from ip: {request.remote}, more info at {ERROR_PAGE}{error.errcode}"

    def record(self, call: Fields) -> None:
        """Keep a call for `/sim/calls`."""
        self.calls.append(call)

    def cut(self, request: web.Request, record: Fields) -> web.StreamResponse:
        """Close the connection instead of answering."""
        self.record({**record, "errcode": None, "dropped": True})
        if request.transport:
            request.transport.close()
        return web.Response(status=499)


PLATFORM = web.AppKey("platform", Platform)
COURIER = web.AppKey("courier", Courier)


async def read(request: web.Request) -> tuple[dict[str, str], Fields, dict[str, web.FileField]]:
    """Query, JSON body and uploaded parts. A body that is no JSON object counts as empty: the platform is lenient."""
    query = dict(request.query)
    if request.content_type.startswith("multipart/"):
        parts = await request.post()
        return query, {}, {key: part for key, part in parts.items() if isinstance(part, web.FileField)}
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError:
        body = {}
    return query, body if isinstance(body, dict) else {}, {}
