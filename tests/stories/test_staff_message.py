"""Staff write to the bot: what they get back."""

import pytest

from bot.outbox import send_card
from tests.conftest import RunningBot, WeCom

CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "今日待跟进"},
    "button_list": [{"text": "完成", "style": 1, "key": "done"}],
}


async def test_help_answers_in_the_language_of_the_question(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.types("lin", "help")
    await bot.settle()
    await wecom.types("lin", "帮助")
    await bot.settle()

    english, chinese = await wecom.texts("lin")
    assert english.startswith("I can answer these:")
    assert chinese.startswith("目前我能答这些：")


async def test_the_same_question_five_times_gets_five_answers(bot: RunningBot, wecom: WeCom) -> None:
    for _ in range(5):
        await wecom.types("lin", "help")
    await bot.settle()

    assert len(await wecom.texts("lin")) == 5
    assert len(await wecom.texts("wang")) == 0


@pytest.mark.parametrize("words", ["ping", "Ping!", "在吗", " 在吗。"])
async def test_ping_says_that_the_bot_is_there(bot: RunningBot, wecom: WeCom, words: str) -> None:
    await wecom.types("lin", words)
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert text.splitlines()[0] in {"I am here.", "在的，您说。"}


@pytest.mark.parametrize("words", ["晚上吃什么", "<b>&amp;]]>", "😀" * 40, "问" * 600])
async def test_what_is_not_understood_is_quoted_with_what_can_be_asked(
    bot: RunningBot, wecom: WeCom, words: str
) -> None:
    await wecom.types("lin", words)
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert words[:10] in text
    assert "ping" in text or "在吗" in text
    assert len(text.encode()) <= 2048


async def test_a_picture_is_told_that_only_text_is_read(bot: RunningBot, wecom: WeCom) -> None:
    media_id = await bot.parts.gateway.upload("image", "a.png", b"\x89PNG\r\n\x1a\n" + bytes(64))
    await wecom.sim("POST", "messages", {"userid": "lin", "msgtype": "image", "media_id": media_id})
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert text.startswith("我现在只看得懂文字。")


async def test_menu_clicks_reach_handlers(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "menu-clicks", {"userid": "lin", "key": "help"})
    await wecom.sim("POST", "menu-clicks", {"userid": "lin", "key": "elsewhere"})
    await bot.settle()

    helped, unknown = await wecom.texts("lin")
    assert helped.startswith("目前我能答这些：")
    assert unknown.startswith("这个按钮的功能还没上线。")


async def test_a_pressed_card_is_greyed_and_answered(bot: RunningBot, wecom: WeCom) -> None:
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: send_card(session, "lin", CARD, cause="test", now=now))
    await bot.settle()
    [card] = await wecom.chat("lin")
    await wecom.sim("POST", "card-clicks", {"userid": "lin", "task_id": card["task_id"], "key": "done"})
    await bot.settle()

    card, answer = await wecom.chat("lin")
    assert card["updated"]
    assert answer["body"]["content"].startswith("这张卡片已经过期了")
    [update] = await wecom.calls("message/update_template_card")
    assert update["errcode"] == 0


async def test_messages_of_one_member_are_answered_in_order(bot: RunningBot, wecom: WeCom) -> None:
    for number in range(8):
        await wecom.types("lin", f"第{number}个问题")
    await bot.settle()

    texts = await wecom.texts("lin")
    assert [text[:3] for text in texts] == [f"“第{number}" for number in range(8)]
