"""A morning with a page: a bot that knows its own address, members with to-dos, and their cards' links."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from bot.worker import tick
from sop.sops import Todo
from tests.conftest import MONDAY_TEN, RunningBot, WeCom, bot_settings
from tests.hand_clock import HandClock
from tests.sop.company import ZONE, at, customer

WEDNESDAY = MONDAY_TEN.astimezone(ZONE).date() + timedelta(days=2)
WORDS = "{}您好，我是林晓。\n昨天没等到您，改到周末好吗？"


class MorningClock(HandClock):
    """Begins on a Wednesday at 8:50, after the plan."""

    def __init__(self) -> None:
        super().__init__(at(WEDNESDAY, 8) + timedelta(minutes=50))


def public_settings(wecom: WeCom, database_url: str, home: Path) -> Any:
    """The settings of a bot that can be reached from outside."""
    own = wecom.corp.callback_url.removesuffix("/wecom/callback")
    return bot_settings(wecom.corp, wecom.url, database_url, home, public_url=own)


def todo(session: Session, customer_id: int, number: int | None, **given: Any) -> int:
    """A to-do of Lin's; without a number one that is carried over."""
    shown = WEDNESDAY if number else None
    fields: dict[str, Any] = {
        "userid": "lin", "title": "爽约第2天关心一下", "reason": "11月16日约了没来，也没改期。",
        "day": WEDNESDAY, "due_on": WEDNESDAY + timedelta(days=2), "shown_on": shown, "number": number,
    }  # fmt: skip
    row = Todo(customer_id=customer_id, **(fields | given))
    session.add(row)
    session.flush()
    return row.id or 0


async def list_of(bot: RunningBot, *names: str, **given: Any) -> list[int]:
    """One to-do of today for each name; answers their ids."""

    def build(session: Session) -> list[int]:
        return [
            todo(session, customer(session, name), number, words=WORDS.format(name), **given)
            for number, name in enumerate(names, 1)
        ]

    return await bot.database.write(build)


async def to_nine(bot: RunningBot, clock: HandClock) -> None:
    """Go to 9:03, when the cards are sent."""
    clock.forward(13 * 60)
    await tick(bot.database, clock, ZONE)
    await bot.settle()


async def card_of(wecom: WeCom, userid: str = "lin") -> dict[str, Any]:
    """The latest card in a member's chat as it looks now."""
    cards = [one for one in await wecom.chat(userid) if one["msgtype"] == "template_card"]
    updated = (cards[-1].get("updated") or {}).get("template_card")
    return {**(updated or cards[-1]["body"]), "task_id": cards[-1]["task_id"]}


async def page_of(wecom: WeCom, userid: str = "lin") -> str:
    """The address behind a card's 全部."""
    card = await card_of(wecom, userid)
    [address] = [one["url"] for one in card["button_list"] if one.get("type") == 1]
    return str(address)


async def record(bot: RunningBot) -> list[tuple[str, str]]:
    """State and result of every to-do, in the order they were made."""

    def read(session: Session) -> list[tuple[str, str]]:
        return [(one.state, one.result) for one in session.exec(select(Todo).order_by(col(Todo.id)))]

    return await bot.database.read(read)


def read_text(html: str) -> str:
    """What a page says, without its marks and with single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()
