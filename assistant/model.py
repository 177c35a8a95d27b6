"""The language model: one call of an OpenAI-compatible endpoint, bounded in time, size and repeats, every one recorded.

`openai` is imported here, on the first call: the import takes a second that a bot without a model never pays.
"""

import asyncio
import json
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from bot.jobs import Later
from bot.observability import MODEL_CALLS, MODEL_SECONDS, MODEL_TOKENS, log
from bot.settings import Settings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ATTEMPTS = 3
FIRST_PAUSE = 0.4
PATIENCE = 5.0
"""A service that wants us to wait longer than so many seconds is not asked again."""
MOST_BYTES = 256 * 1024
"""Of one answer; what is longer was not written for us."""
MOST_TOKENS = 600
"""Tokens one answer may have."""
PASSING = frozenset({408, 409, 429})
"""Statuses below 500 after which it is worth asking again."""
AT_ONCE = 20
"""Questions and drafts under way: more would take the slots of what needs no model."""
NO_KEY = "none"
Message = dict[str, Any]


class ModelFailed(Exception):
    """The model gave no answer that can be used; `outcome` says in a word why."""

    def __init__(self, outcome: str, *, again: bool = False, wait: float = 0.0) -> None:
        super().__init__(outcome)
        self.outcome, self.again, self.wait = outcome, again, wait


class Function(BaseModel):
    """The tool it wants and the arguments, as text that may be no JSON at all."""

    name: Annotated[str, Field(max_length=100)]
    arguments: Annotated[str, Field(max_length=10_000)] = "{}"


class ToolCall(BaseModel):
    """One use of a tool."""

    id: Annotated[str, Field(max_length=200)] = ""
    function: Function


class Said(BaseModel):
    """What the model said."""

    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    """One answer of several; we ask for one."""

    message: Said


class Usage(BaseModel):
    """What it cost."""

    total_tokens: Annotated[int, Field(ge=0)] = 0


class Completion(BaseModel):
    """An answer of the endpoint, as far as we read it."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Usage | None = None


@dataclass(frozen=True)
class Answer:
    """What the model said, and the tokens it took."""

    said: Said
    tokens: int


class LanguageModel:
    """The configured model. Its calls raise `ModelFailed`; the caller sets the time for all of them together."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.openai_model or ""
        self.base_url = settings.openai_base_url
        self.key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else NO_KEY
        self.seconds = settings.openai_seconds
        self.under_way = 0
        # Compatible services know the old name of the limit, OpenAI's newest models only the new one.
        self.limit = "max_tokens" if self.base_url else "max_completion_tokens"

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One question's or draft's time, all its calls together. Raises `Later` when too many are under way."""
        if self.under_way >= AT_ONCE:
            raise Later(1.0, "the model is busy")
        self.under_way += 1
        try:
            await asyncio.to_thread(certificates)
            async with asyncio.timeout(self.seconds):
                yield
        except TimeoutError as error:
            raise ModelFailed("timeout") from error
        finally:
            self.under_way -= 1

    async def answer(self, messages: Sequence[Message], tools: Sequence[Message] = ()) -> Answer:
        """The model's answer; a passing trouble is tried again. Raises `ModelFailed`."""
        for attempt in range(ATTEMPTS):
            try:
                return await self.recorded(messages, tools)
            except ModelFailed as failed:
                if not failed.again or failed.wait > PATIENCE or attempt == ATTEMPTS - 1:
                    raise
                growing = FIRST_PAUSE * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311 - spreads repeats
                await asyncio.sleep(max(failed.wait, growing))
        raise ModelFailed("failed")

    async def recorded(self, messages: Sequence[Message], tools: Sequence[Message]) -> Answer:
        """One call, counted and logged, its content never."""
        began, outcome, tokens = time.monotonic(), "timeout", 0
        try:
            found = await self.called(messages, tools)
            outcome, tokens = "ok", found.tokens
            return found
        except ModelFailed as failed:
            outcome = failed.outcome
            raise
        finally:
            seconds = time.monotonic() - began
            MODEL_CALLS.labels(outcome).inc()
            MODEL_SECONDS.observe(seconds)
            MODEL_TOKENS.inc(tokens)
            log.info("model call", outcome=outcome, ms=round(seconds * 1000), tokens=tokens)

    async def called(self, messages: Sequence[Message], tools: Sequence[Message]) -> Answer:
        """One call over the network. Raises `ModelFailed`."""
        # Making a client would hold up the event loop for a tenth of a second.
        client = await asyncio.to_thread(new_client, self.key, self.base_url, self.seconds)
        async with client:
            return read(await exchange(client, {"model": self.name, "messages": list(messages), self.limit: MOST_TOKENS,
                                                **({"tools": list(tools)} if tools else {})}))  # fmt: skip


@cache
def certificates() -> ssl.SSLContext:
    """The machine's, read once; and what is imported once, before anybody's time runs."""
    import_module("openai")
    return ssl.create_default_context()


def new_client(key: str, base_url: str | None, seconds: float) -> "AsyncOpenAI":
    """A client for one call: questions to the model are too rare to keep connections for."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415 - see above

    http = DefaultAsyncHttpxClient(verify=certificates(), timeout=seconds)
    return AsyncOpenAI(api_key=key, base_url=base_url, timeout=seconds, max_retries=0, http_client=http)


async def exchange(client: "AsyncOpenAI", request: dict[str, Any]) -> bytes:
    """The body of the answer, cut off where it gets too long. Raises `ModelFailed`."""
    from httpx2 import HTTPError  # noqa: PLC0415
    from openai import APIConnectionError, APIStatusError, OpenAIError  # noqa: PLC0415

    try:
        async with client.chat.completions.with_streaming_response.create(**request) as response:
            body = b""
            async for part in response.iter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise ModelFailed("too_long")
            return body
    except APIStatusError as error:
        status = error.status_code
        if status in PASSING or status >= 500:
            raise ModelFailed("overloaded", again=True, wait=wait_of(error.response.headers)) from error
        raise ModelFailed("refused") from error
    except (APIConnectionError, HTTPError) as error:
        raise ModelFailed("unreachable", again=True) from error
    except OpenAIError as error:
        raise ModelFailed("failed") from error


def wait_of(headers: Any) -> float:
    """The seconds of Retry-After; 0 without, or when it is a date."""
    try:
        return max(0.0, float(headers.get("retry-after") or 0))
    except ValueError:
        return 0.0


def read(body: bytes) -> Answer:
    """An answer, checked. Raises `ModelFailed`."""
    try:
        found = Completion.model_validate(json.loads(body))
    except (ValueError, ValidationError, RecursionError) as error:
        raise ModelFailed("unreadable") from error
    return Answer(found.choices[0].message, found.usage.total_tokens if found.usage else 0)
