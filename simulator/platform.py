"""The platform side's front door: every `/cgi-bin/` request passes here, in the order the platform checks things.

Path (404 with an empty body) → faults → limits → token → trusted address → permission → the API's own function.
An API is a plain function registered with `@api`: it takes a `Call` and returns the answer or raises `ApiError`.
"""

import asyncio
import json
import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from aiohttp import web

from simulator.corp import App, Corp
from simulator.delivery import Courier
from simulator.errors import ApiError
from simulator.faults import Fault, Faults
from simulator.limits import Limits
from simulator.tokens import Tokens

Fields = dict[str, Any]
Found = TypeVar("Found")
Needs = Literal["none", "any", "app", "contacts", "customers"]
"""Who may call: nobody's token, any token, the app's, any that may read contacts, one allowed to use 客户联系."""

MAX_CALLS = 500_000
SECRET_PARAMETERS = {"access_token", "corpsecret"}
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
    headers: Mapping[str, str] = field(default_factory=dict)
    in_flight: int = 1
    """Calls of this API under way when this one arrived, itself included."""

    arrived: float = 0.0
    """When the call came in, seconds since 1970 with their fraction."""

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
    empty: Fields = field(default_factory=dict)
    """Result fields that stay present, empty, when the API answers an errcode."""


APIS: dict[str, Api] = {}


def api(
    path: str, method: str = "POST", needs: Needs = "customers", empty: Fields | None = None
) -> Callable[[Handler], Handler]:
    """Register a function as `/cgi-bin/<path>`; `empty` are the result fields a failure still carries."""

    def register(handler: Handler) -> Handler:
        APIS[path] = Api(path, method, needs, handler, empty or {})
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
    background: set[asyncio.Task[None]] = field(default_factory=set)
    """Work that goes on after its call was answered."""

    async def notify(self) -> None:
        """Wake whoever waits for something new to show (`?wait=`)."""
        async with self.changed:
            self.changed.notify_all()

    async def wait(self, seconds: float, look: Callable[[], Found]) -> Found:
        """What `look` finds, at once or as soon as something changes; whatever is there after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.changed:
                while not (found := look()):
                    await self.changed.wait()
                return found
        return look()

    def restart(self, corp: Corp) -> None:
        """Begin again with another company; tokens stay valid, limits are the documented ones."""
        self.corp = self.tokens.corp = corp
        self.faults.active.clear()
        self.limits.restore()
        self.trusted = None
        self.calls.clear()
        self.extras.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one `/cgi-bin/` request and record it."""
        path = request.match_info["path"].strip("/")
        found = APIS.get(path)
        if found is None:
            return web.Response(status=404)
        self.in_flight[path] += 1
        in_flight = self.in_flight[path]
        try:
            content = await read(request)
            call = Call(self, self.corp.app, *content, request.remote or "", request.headers, in_flight)
            call.arrived = self.corp.clock.now().timestamp()
            fault = self.faults.take(path)
            await fault.delay()
            answer, errcode = await self.outcome(found, request, call, fault)
        finally:
            self.in_flight[path] -= 1
        self.record(found, request.method, call, errcode, fault)
        await self.notify()
        return cut(request) if fault.drop else answer

    async def outcome(
        self, found: Api, request: web.Request, call: Call, fault: Fault
    ) -> tuple[web.StreamResponse, int | None]:
        """Answer and errcode: the API's own, unless a check or an injected fault comes first."""
        if fault.status or fault.drop == "request":
            return web.Response(status=fault.status or 499), None
        try:
            fault.check()
            self.check(found, request, call)
            made = found.handler(call)
            answer = await made if isinstance(made, Awaitable) else made
        except ApiError as error:
            answer = {"errcode": error.errcode, "errmsg": self.errmsg(error, request), **found.empty, **error.defaults}
        if isinstance(answer, web.StreamResponse):
            return answer, 0
        body: Fields = {"errcode": 0, "errmsg": "ok"} | answer
        return web.json_response(body), body["errcode"]

    def check(self, found: Api, request: web.Request, call: Call) -> None:
        """What the platform checks before an API's own parameters. Sets `call.app`."""
        self.limits.count(found.path, call.in_flight)
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

    def record(self, found: Api, method: str, call: Call, errcode: int | None, fault: Fault) -> None:
        """Keep a call for `/sim/calls`; `errcode` None: it was not carried out."""
        query = {key: value for key, value in call.query.items() if key not in SECRET_PARAMETERS}
        record = {
            "n": self.corp.number(),
            "at": self.corp.now(),
            "arrived": call.arrived,
            "method": method,
            "path": found.path,
        }
        record |= {"query": query, "body": call.body, "errcode": errcode}
        if userid := call.body.get("userid") or call.body.get("touser") or query.get("userid"):
            record["userid"] = userid
        if fault.status:
            record["status"] = fault.status
        if fault.drop:
            record["dropped"] = fault.drop
        self.calls.append(record)


def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
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
