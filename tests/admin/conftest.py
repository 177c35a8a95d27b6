"""The bot of these tests knows its own address."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.light import MorningClock, public_settings
from tests.conftest import RunningBot, WeCom, running_bot


@pytest.fixture
def clock() -> MorningClock:
    """A clock that a test moves."""
    return MorningClock()


@pytest.fixture
async def bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: MorningClock) -> AsyncIterator[RunningBot]:
    """A bot with PUBLIC_URL, on each database."""
    async with running_bot(wecom, public_settings(wecom, database_url, tmp_path), clock) as running:
        yield running
