"""Another system that sends records to the bot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select
from sqlmodel import SQLModel

from bot.clock import Clock
from tests.conftest import RunningBot, WeCom, bot_settings, running_bot

TOKEN = "token-of-the-shop-system"
TODAY = "2026-11-16T09:30:00+08:00"


@dataclass
class Program:
    """What it can do, and what the bot's tables then hold."""

    bot: RunningBot

    async def post(self, path: str, body: Any = None, token: str | None = TOKEN, data: Any = None) -> tuple[int, Any]:
        """Send to `/api/v1/…`: (status, answer)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.bot.url}/api/v1/{path}"
        given = {"data": data} if data is not None else {"json": body}
        async with self.bot.wecom.http.post(url, headers=headers, **given) as answer:
            return answer.status, await answer.json()

    async def sends(self, kind: str, *records: dict[str, Any], at: str = TODAY) -> dict[str, int]:
        """Send records that must all be good; `at` unless they say otherwise. Answers the counts."""
        status, counts = await self.post(kind, [{"at": at, **one} for one in records])
        assert status == 200, counts
        return dict(counts)

    async def refused(self, kind: str, *records: dict[str, Any], at: str = TODAY) -> list[tuple[int, str]]:
        """Send records that must be refused: (index, field) of each problem."""
        status, counts = await self.post(kind, [{"at": at, **one} for one in records])
        assert (status, counts["stored"]) == (422, 0), counts
        return [(one["index"], one["field"]) for one in counts["errors"]]

    async def rows(self, model: type[SQLModel]) -> list[Any]:
        """A table, oldest first."""
        table = model.__table__  # type: ignore[attr-defined]
        query = select(table).order_by(*table.primary_key.columns)
        return await self.bot.database.read(lambda session: list(session.connection().execute(query).all()))


@asynccontextmanager
async def program_beside(wecom: WeCom, database_url: str, home: Path, clock: Clock) -> AsyncIterator[Program]:
    """A bot that lets the program in."""
    settings = bot_settings(wecom.corp, wecom.url, database_url, home, api_token=TOKEN)
    async with running_bot(wecom, settings, clock) as bot:
        yield Program(bot)


async def body_over(size: int, http: aiohttp.ClientSession, url: str) -> int:
    """Send a body of so many bytes: the status."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with http.post(url, data=BytesIO(b" " * size), headers=headers) as answer:
        return answer.status
