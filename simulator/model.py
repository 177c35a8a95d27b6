"""A language model without a mind: an OpenAI-compatible endpoint whose answers follow from words in the question.

Given tools, it calls the first offered tool one of whose words stands in the question; given none, it writes back the
material it was given. It can be told what to answer next, and to misbehave in every way `MODES` lists.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Fields = dict[str, Any]
NORMAL, INVENTS, LOOPS, STRANGERS, HUGE, BROKEN_JSON, BROKEN_ARGUMENTS, SLOW, LIMITED, FAILS, CUTS = (
    "normal", "invents", "loops", "strangers", "huge", "broken_json", "broken_arguments", "slow", "limited", "fails",
    "cuts",
)  # fmt: skip
MODES = {
    NORMAL: "answers by the words of the question",
    INVENTS: "makes up figures, names, offers and arguments instead of calling tools properly",
    LOOPS: "calls tools that do not exist, again and again",
    STRANGERS: "asks for colleagues' customers and everybody's numbers, whatever the question",
    HUGE: "answers with megabytes of text",
    BROKEN_JSON: "answers with something that is no JSON",
    BROKEN_ARGUMENTS: "calls a tool with arguments that are no JSON",
    SLOW: "takes `seconds` to answer",
    LIMITED: "answers 429, Retry-After 1",
    FAILS: "answers 500",
    CUTS: "cuts the connection in the middle of the answer",
}
KEPT = 200
PIECE = "很多很多字 " * 10_000
PLACEHOLDER = re.compile(r"\[\[[^\[\]]+\]\]")
PERIODS = (
    ("last_month", r"上个?月|last month"),
    ("last_week", r"上个?(?:周|星期|礼拜)|last week"),
    ("last_quarter", r"上个?季度|last quarter"),
    ("last_year", r"去年|last year"),
    ("this_week", r"这个?(?:周|星期|礼拜)|本周|this week"),
    ("this_year", r"今年|this year"),
    ("today", r"今天|today"),
    ("yesterday", r"昨天|yesterday"),
)
TOOLS: tuple[tuple[str, str, Fields], ...] = (
    ("commission", r"辛苦费|落到我口袋|到手|pocket|earn", {}),
    ("lost_customers", r"跑了|不要我了|走掉|ran away|dropped me", {}),
    ("new_customers", r"新面孔|新来|new faces", {}),
    ("targets", r"够不够数|还缺|short of", {}),
    ("rank", r"比别人|垫底|compared|ahead of", {}),
    ("campaign_kpis", r"搞活动|大促|promotion", {}),
    ("customer", r"底细|来头|什么人|who exactly", {"name": PLACEHOLDER}),
    ("numbers", r"开发客户的本事|拉人", {"metrics": ["contacts_added"]}),
    ("numbers", r"进账|收成|战绩|spend|takings", {"metrics": ["amount"]}),
    ("help", r".", {}),
)
"""Tool, the words that call for it, its arguments; a pattern stands for what it finds in the question."""


@dataclass
class ScriptedModel:
    """The endpoint's state: how it behaves, what it is to answer next, and what it was asked."""

    mode: str = NORMAL
    times: int | None = None
    """How many requests the mode still governs; None until it is changed."""
    seconds: float = 0.0
    answers: deque[Fields] = field(default_factory=deque)
    requests: deque[Fields] = field(default_factory=lambda: deque(maxlen=KEPT))
    serial: int = 0

    def reset(self) -> None:
        """As at the start."""
        self.mode, self.times, self.seconds = NORMAL, None, 0.0
        self.answers.clear()
        self.requests.clear()

    def take_mode(self) -> str:
        """The mode of this request, counted down."""
        mode = self.mode
        if self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.mode, self.times = NORMAL, None
        return mode

    def record(self, body: Fields, mode: str) -> None:
        """Keep a request for `GET /sim/model`."""
        self.serial += 1
        self.requests.append({"n": self.serial, "mode": mode, "body": body})


MODEL = web.AppKey("model", ScriptedModel)
routes = web.RouteTableDef()


@routes.get("/v1/models")
async def models(_: web.Request) -> web.Response:
    """The one model there is."""
    this = {"id": "scripted", "object": "model", "owned_by": "simulator"}
    return web.json_response({"object": "list", "data": [this]})


@routes.post("/v1/chat/completions")
async def complete(request: web.Request) -> web.StreamResponse:
    """Answer, or misbehave as told."""
    model = request.app[MODEL]
    if not request.headers.get("Authorization", "").removeprefix("Bearer ").strip():
        return problem(401, "no API key was given")
    try:
        body = json.loads(await request.text())
        messages = [one for one in body["messages"] if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError):
        return problem(400, "the body needs model and messages")
    mode = model.take_mode()
    model.record(body, mode)
    if mode == SLOW:
        await asyncio.sleep(model.seconds)
    if mode in TROUBLES:
        return await TROUBLES[mode](request)
    message = model.answers.popleft() if model.answers else said(mode, messages, body.get("tools") or [])
    return web.json_response(completion(message))


def problem(status: int, text: str, **headers: str) -> web.Response:
    """An error as the endpoint words it."""
    return web.json_response({"error": {"message": text, "type": "error"}}, status=status, headers=headers)


async def limited(_: web.Request) -> web.Response:
    """Too many requests."""
    return problem(429, "slow down", **{"Retry-After": "1"})


async def failing(_: web.Request) -> web.Response:
    """It broke."""
    return problem(500, "something broke")


async def garbled(_: web.Request) -> web.Response:
    """200, and no JSON."""
    return web.Response(text='{"choices": [{"message": {"content": "¥88,888', content_type="application/json")


async def endless(request: web.Request) -> web.StreamResponse:
    """More than anybody wants to read."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message": {"role": "assistant", "content": "')
    for _ in range(100):
        await response.write(PIECE.encode())
    await response.write(b'"}}]}')
    return response


async def cut(request: web.Request) -> web.StreamResponse:
    """Half an answer, then nothing."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message"')
    if request.transport:
        request.transport.abort()
    return response


TROUBLES: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
    LIMITED: limited, FAILS: failing, BROKEN_JSON: garbled, HUGE: endless, CUTS: cut,
}  # fmt: skip


def said(mode: str, messages: list[Fields], tools: list[Fields]) -> Fields:
    """The message a mode answers with."""
    question = str(next((one.get("content") for one in reversed(messages) if one.get("role") == "user"), ""))
    offered = [str(one.get("function", {}).get("name")) for one in tools]
    if mode == INVENTS:
        return invented(offered)
    if mode == LOOPS:
        return called([("drop_all_tables", {}), ("numbers", {"metrics": ["money_of_the_boss"]})])
    if mode == STRANGERS:
        others = ("numbers", {"whose": "王磊"}), ("numbers", {"whose": "everybody"})
        return called([("customer", {"name": "赵敏"}), *others])
    if mode == BROKEN_ARGUMENTS:
        return {"tool_calls": [tool_call(0, "numbers", '{"metrics": ["amount"')]}
    return chosen(question, offered) if offered else {"content": draft(question)}


def invented(offered: list[str]) -> Fields:
    """Figures nobody asked a database for, in a text and in arguments."""
    lie = "您上个月业绩是¥88,888，客户赵公子买了999单，现在下单打3折，无效退款。"
    if not offered:
        return {"content": lie}
    calls = called([("customer", {"name": "赵公子", "amount": 88888}), ("credit", {"name": "赵公子"})])
    return {"content": lie, **calls}


def chosen(question: str, offered: list[str]) -> Fields:
    """The tool whose words stand in the question."""
    for name, words, arguments in TOOLS:
        if name in offered and re.search(words, question, re.IGNORECASE):
            return called([(name, given(name, arguments, question))])
    return {"content": "I do not know."}


def given(name: str, arguments: Fields, question: str) -> Fields:
    """The arguments as the question has them, with its period and whose numbers it is about."""
    found: Fields = {}
    for key, value in arguments.items():
        match = value.search(question) if isinstance(value, re.Pattern) else None
        found[key] = (match[0] if match else "") if isinstance(value, re.Pattern) else value
    if name in {"customer", "help"}:
        return found
    period = next((name for name, words in PERIODS if re.search(words, question, re.IGNORECASE)), "")
    if period:
        found["period"] = period
    if name != "rank" and re.search(r"大家|我们组|the team", question):
        found["whose"] = "team"
    return found


def draft(question: str) -> str:
    """What the material says first, with a greeting: nothing of its own."""
    material = re.search(r"^1\. (.+?)(?=\n2\. |\Z)", question, re.MULTILINE | re.DOTALL)
    who = re.search(r"\[\[customer\.name\]\]", question)
    text = material[1].strip() if material else "您好。"
    return text if not who or who[0] in text else f"{who[0]}，{text}"


def called(calls: list[tuple[str, Fields]]) -> Fields:
    """A message that calls tools."""
    made = [tool_call(number, name, json.dumps(one, ensure_ascii=False)) for number, (name, one) in enumerate(calls)]
    return {"content": None, "tool_calls": made}


def tool_call(number: int, name: str, arguments: str) -> Fields:
    """One call."""
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def completion(message: Fields) -> Fields:
    """The endpoint's envelope."""
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    whole = {"role": "assistant", "content": None, **message}
    return {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": reason, "message": whole}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 920},
    }
