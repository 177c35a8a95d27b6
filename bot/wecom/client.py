"""wechatpy's API classes over aiohttp: their methods become awaitable, their errors ours.

Not taken from wechatpy: its `requests` session, its retry (it calls itself without end against a server that keeps
saying 42001) and its token storage (one expiry key for two secrets). See wecom-api §13.4, §13.5.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from wechatpy.work.client import WeChatClient

from bot.wecom.errors import TokenExpired, WeComUnreachable, error_for

Answer = dict[str, Any]


class Tokens(Protocol):
    """Where a client gets its access token."""

    async def current(self) -> str:
        """A token that should be good."""

    async def renewed(self, stale: str) -> str:
        """A token other than `stale`, which the platform refused."""


class Client(WeChatClient):  # type: ignore[misc]
    """A client of one secret. `client.message.send(…)`, `client.get(…)` and `client.post(…)` are coroutines here."""

    def __init__(self, http: aiohttp.ClientSession, api_base: str, tokens: Tokens, seconds: float = 10.0) -> None:
        """`api_base` ends in `/cgi-bin/`; `seconds` bounds one exchange unless a call says otherwise."""
        # wechatpy's own __init__ would open a requests session.
        self.http = http
        self.api_base = api_base
        self.tokens = tokens
        self.seconds = seconds

    async def _request(self, method: str, url_or_endpoint: str, **given: Any) -> Answer:
        """One call with a token; refused tokens are renewed once and the call repeated once."""
        token = await self.tokens.current()
        try:
            return await self.exchange(method, url_or_endpoint, token, **given)
        except TokenExpired:
            token = await self.tokens.renewed(token)
            return await self.exchange(method, url_or_endpoint, token, **given)

    async def exchange(self, method: str, path: str, token: str, **given: Any) -> Answer:
        """One HTTP exchange. `given`: params, data (JSON body), files {field: (filename, bytes)}, timeout."""
        params = {key: value for key, value in (given.get("params") or {}).items() if value is not None}
        body = upload(given["files"]) if given.get("files") else as_json(given.get("data"))
        return await exchange(
            self.http,
            method,
            self.api_base,
            path,
            params={**params, "access_token": token},
            data=body,
            seconds=given.get("timeout") or self.seconds,
        )


async def exchange(
    http: aiohttp.ClientSession,
    method: str,
    api_base: str,
    path: str,
    *,
    params: Mapping[str, Any],
    data: Any = None,
    seconds: float,
) -> Answer:
    """Ask the platform; its errcodes and every way of not answering become our errors."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with http.request(method, api_base + path, params=params, data=data, timeout=timeout) as response:
            text = await response.text(errors="replace")
            status = response.status
    except aiohttp.ClientConnectorError as error:
        raise WeComUnreachable(path, "no connection", sent=False) from error
    except TimeoutError as error:
        raise WeComUnreachable(path, f"no answer within {seconds:g} s", sent=True) from error
    except aiohttp.ClientError as error:
        raise WeComUnreachable(path, f"connection lost ({type(error).__name__})", sent=True) from error
    if status >= 300:
        raise WeComUnreachable(path, f"HTTP {status}", sent=status >= 500)
    return checked(path, text)


def checked(path: str, text: str) -> Answer:
    """The answer's fields; absent errcode means success (wecom-api §0)."""
    try:
        answer = json.loads(text, strict=False)
    except ValueError as error:
        raise WeComUnreachable(path, "the answer is no JSON", sent=True) from error
    if not isinstance(answer, dict):
        raise WeComUnreachable(path, "the answer is no JSON object", sent=True)
    if errcode := int(answer.get("errcode") or 0):
        raise error_for(path, errcode, str(answer.get("errmsg") or ""))
    return answer


def as_json(data: Any) -> bytes | None:
    """A body as wechatpy hands it over: a dict, to be sent as UTF-8 and unescaped (40033 refuses escapes)."""
    return None if data is None else json.dumps(dict(data), ensure_ascii=False).encode()


def upload(files: Mapping[str, tuple[str, bytes]]) -> aiohttp.FormData:
    """A multipart body whose file name goes out as raw UTF-8: the platform does not read RFC 2231 (wecom-api §10)."""
    form = aiohttp.FormData(quote_fields=False)
    for name, (filename, content) in files.items():
        form.add_field(name, content, filename=filename)
    return form
