"""What the model chose is answered like what was typed: cards, a page behind them, a card for a doubtful name."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.clock import Clock
from tests.admin.light import read_text
from tests.conftest import RunningBot, WeCom, bot_settings, running_bot
from tests.stories.test_choosing import press, says, two_lis
from tests.stories.test_model_questions import asked_of_model, with_model
from tests.stories.test_questions import company


@pytest.fixture
async def bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[RunningBot]:
    """A bot with a language model and PUBLIC_URL."""
    own = wecom.corp.callback_url.removesuffix("/wecom/callback")
    given = with_model(wecom, public_url=own)
    settings = bot_settings(wecom.corp, wecom.url, database_url, tmp_path, **given)
    async with running_bot(wecom, settings, clock) as running:
        yield running


async def test_a_number_the_model_chose_has_its_page(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(company)
    body = (await says(bot, wecom, "我这个月的收成到底怎么个样子嘛"))["body"]

    assert len(await asked_of_model(wecom)) == 1
    assert body["emphasis_content"] == {"title": "¥7,500.50", "desc": "业绩"}
    async with wecom.http.get(body["card_action"]["url"]) as answer:
        assert "业绩：¥7,500.50" in read_text(await answer.text())


async def test_a_name_the_model_passed_on_is_asked_about(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(two_lis)
    shown = await says(bot, wecom, "李女士到底什么来头啊")
    assert shown["body"]["main_title"]["title"] == "“李女士”是哪一位？"
    answer = await press(bot, wecom, shown, 2)

    assert answer.splitlines()[0] == "李春华"
    assert len(await asked_of_model(wecom)) == 1, "the choice needs no model"
