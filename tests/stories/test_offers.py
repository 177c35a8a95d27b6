"""Offers in chat: given, listed, used and taken back, each to whom it may go, in either language."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from contacts.offers import Offer, OfferGrant
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.stories.waiting import all_done

Say = Callable[..., Awaitable[str]]


@pytest.fixture
async def say(bot: RunningBot, wecom: WeCom) -> Say:
    """Lin's customers Li and Wang, two offers, and what the bot answers to a line."""
    for userid, name in (("lin", "李女士"), ("lin", "王芳"), ("lin", "Ms Li"), ("wang", "赵敏")):
        await wecom.adds_friend(userid, name=name)
    await all_done(bot)

    def build(session: Session) -> None:
        today = MONDAY_TEN.date()
        session.add(
            Offer(code="visit", name="到店礼", stock=1, days=7, terms="凭手机号到店领取", updated_at=MONDAY_TEN)
        )
        session.add(Offer(code="old", name="国庆礼", ends_on=today - timedelta(days=1), updated_at=MONDAY_TEN))

    await bot.database.write(build)

    async def said(line: str, userid: str = "lin") -> str:
        await wecom.types(userid, line)
        await bot.settle()
        return (await wecom.texts(userid))[-1].rpartition("\n")[0]  # the last line tells two messages apart

    return said


async def states(bot: RunningBot) -> list[tuple[str, str, str]]:
    """Offer, giver and state of every grant."""

    def read(session: Session) -> list[Any]:
        return list(session.exec(select(OfferGrant.offer_code, OfferGrant.userid, OfferGrant.state)).all())

    return [tuple(row) for row in await bot.database.read(read)]


async def test_an_offer_is_given_listed_and_used(bot: RunningBot, say: Say) -> None:
    assert await say("送李女士到店礼") == "已记下：送李女士到店礼。有效期到2026-11-23。\n凭手机号到店领取"
    assert await say("李女士有什么礼") == ("李女士已有：\n· 到店礼：林晓 2026-11-16（送李女士到店礼），还没用")
    assert await say("李女士用了到店礼") == "已核销：李女士用了到店礼。"
    assert await say("李女士用了到店礼") == "李女士的到店礼已经用过了。"
    assert await states(bot) == [("visit", "lin", "redeemed")]


async def test_what_may_not_be_given_is_refused_with_the_reason(bot: RunningBot, say: Say) -> None:
    await say("给李女士送到店礼")
    assert await say("送王芳到店礼") == "没送成：到店礼已经发完了（共1份）。"
    assert await say("送王芳国庆礼") == "没送成：国庆礼已于2026-11-15结束。"
    assert await say("送王芳生日礼") == "没听懂“王芳生日礼”里是哪项礼品，现有：到店礼、国庆礼。"
    assert "赵敏" in await say("送赵敏到店礼")
    assert len(await states(bot)) == 1


async def test_what_is_taken_back_can_be_given_again(bot: RunningBot, say: Say) -> None:
    await say("送李女士到店礼")
    assert await say("收回李女士的到店礼") == "已收回李女士的到店礼，库存加回一份。"
    assert await say("有哪些礼品") == "今天可以送的：\n· 到店礼，剩1份"
    assert (await say("送王芳到店礼")).startswith("已记下：送王芳到店礼")
    assert await states(bot) == [("visit", "lin", "revoked"), ("visit", "lin", "given")]


async def test_the_same_in_english(bot: RunningBot, say: Say) -> None:
    assert await say("offers") == "Offers today:\n· 到店礼, 1 left"
    assert (await say("give Ms Li the offer visit")).startswith("On record: 到店礼 for Ms Li.")
    assert await say("take back Ms Li's offer visit") == "Taken back: 到店礼 of Ms Li. It is in stock again."
    assert (await states(bot)) == [("visit", "lin", "revoked")]
