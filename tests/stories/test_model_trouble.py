"""The language model's service in trouble, played by `llmock`, a stranger's endpoint; and its verdict on our client."""

from pathlib import Path
from typing import Any

import pytest
from llmock.pytest_plugin import LLMock

from bot.clock import Clock
from tests.conftest import RunningBot, WeCom, bot_settings, running_bot
from tests.stories.test_model_questions import HELP_LINE, ask

QUESTION = "我这个月的辛苦费落到我口袋能有几个钱呀"


@pytest.fixture
def model_settings(llmock: LLMock) -> dict[str, Any]:
    """Settings that point at it."""
    return {"openai_base_url": llmock.base_url(), "openai_api_key": "k", "openai_model": "gpt-5"}


async def answer(wecom: WeCom, clock: Clock, database_url: str, home: Path, model_settings: dict[str, Any]) -> str:
    """What a member gets for her question."""
    settings = bot_settings(wecom.corp, wecom.url, database_url, home, **model_settings)
    async with running_bot(wecom, settings, clock) as bot:
        assert isinstance(bot, RunningBot)
        return await ask(bot, wecom, QUESTION)


@pytest.mark.parametrize("trouble", ["rate limit", "server error", "slow"])
async def test_a_passing_trouble_is_got_over(
    wecom: WeCom, clock: Clock, database_url: str, tmp_path: Path, llmock: LLMock, model_settings: dict[str, Any],
    trouble: str,
) -> None:  # fmt: skip
    if trouble == "rate limit":
        llmock.rate_limit(times=1, retry_after=0.6)
    elif trouble == "server error":
        llmock.fail(503, times=2)
    else:
        llmock.delay(0.5)
    llmock.call_tool("commission", {"period": "this_month"})
    text = await answer(wecom, clock, database_url, tmp_path, model_settings)

    assert text == "提成：未接入"
    llmock.assert_resilient(strict=True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_wrong_key_or_model_is_not_asked_twice(
    wecom: WeCom, clock: Clock, database_url: str, tmp_path: Path, llmock: LLMock, model_settings: dict[str, Any],
    status: int,
) -> None:  # fmt: skip
    llmock.fail(status, times=None)
    text = await answer(wecom, clock, database_url, tmp_path, model_settings)

    assert HELP_LINE in text
    assert len(llmock.requests) == 1
    llmock.assert_resilient()


@pytest.mark.parametrize("kind", ["malformed_arguments", "unknown_tool"])
async def test_a_broken_tool_call_is_done_better_the_second_time(
    wecom: WeCom, clock: Clock, database_url: str, tmp_path: Path, llmock: LLMock, model_settings: dict[str, Any],
    kind: str,
) -> None:  # fmt: skip
    llmock.call_tool("commission", {"period": "this_month"}).break_tool_call(kind)
    llmock.call_tool("commission", {"period": "this_month"})
    text = await answer(wecom, clock, database_url, tmp_path, model_settings)

    assert text == "提成：未接入"
    assert len(llmock.requests) == 2


async def test_an_outage_ends_in_the_plain_answer(
    wecom: WeCom, clock: Clock, database_url: str, tmp_path: Path, llmock: LLMock, model_settings: dict[str, Any]
) -> None:
    llmock.outage()
    text = await answer(wecom, clock, database_url, tmp_path, model_settings)

    assert HELP_LINE in text
    assert len(llmock.requests) == 3
    llmock.assert_resilient(strict=True)
