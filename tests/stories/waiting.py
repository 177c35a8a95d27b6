"""Waiting until the bot has nothing left to do, repeats that are due later included."""

import asyncio

from bot.jobs import DEAD, counts
from tests.conftest import RunningBot

LOOK_SECONDS = 0.05


async def all_done(bot: RunningBot, seconds: float = 60.0) -> None:
    """Wait until every job is done or dead."""
    async with asyncio.timeout(seconds):
        while await unfinished(bot):  # noqa: ASYNC110 - it works by itself and tells nobody
            await asyncio.sleep(LOOK_SECONDS)


async def unfinished(bot: RunningBot) -> int:
    """How many jobs are ready or running."""
    found = await bot.database.read(counts)
    return sum(number for state, number in found.items() if state != DEAD)
