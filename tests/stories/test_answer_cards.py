"""Figures on a card where pages can be reached: what fits stands on it, the rest behind its link and 更多."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from bot.clock import Clock
from contacts.channels import Campaign
from contacts.models import Staff
from tests.admin.light import public_settings, read_text
from tests.conftest import RunningBot, WeCom, running_bot
from tests.stories.test_questions import company

LONG = "双十一返场暨会员感恩回馈与老带新转介绍联合大促活动第二阶段（含周末专场与直播间）"
ROOM = {"keyname": 5, "value": 30}


@pytest.fixture
async def bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[RunningBot]:
    """A bot with PUBLIC_URL and a campaign."""
    async with running_bot(wecom, public_settings(wecom, database_url, tmp_path), clock) as running:
        await running.database.write(company)
        yield running


def long_names(session: Session) -> None:
    """A campaign's and a colleague's name beyond what a card has room for, and amounts beyond most."""
    session.get_one(Campaign, 1).name = LONG
    session.get_one(Staff, "wang").name = "欧阳王磊" * 8


async def says(bot: RunningBot, wecom: WeCom, userid: str, text: str) -> dict[str, Any]:
    """What a member gets last after typing something."""
    await wecom.types(userid, text)
    await bot.settle()
    return (await wecom.chat(userid))[-1]


def lines(body: dict[str, Any]) -> dict[str, str]:
    """A card's lines."""
    return {one["keyname"]: one["value"] for one in body.get("horizontal_content_list", [])}


def check_room(body: dict[str, Any]) -> None:
    """Everything keeps to the platform's lengths."""
    assert len(body["source"]["desc"]) <= 20
    assert len(body["main_title"]["title"]) <= 36
    assert len(body["main_title"]["desc"]) <= 44
    assert len(body["emphasis_content"]["title"]) <= 14
    assert len(body["emphasis_content"]["desc"]) <= 22
    assert len(body["sub_title_text"]) <= 160
    shown = body.get("horizontal_content_list", [])
    assert len(shown) <= 6
    assert all(len(one[name]) <= most for one in shown for name, most in ROOM.items())
    assert all(len(one["title"]) <= 18 for one in body["jump_list"])
    assert len(body["card_action"]["url"].encode()) <= 2048


async def test_my_campaign_kpis_on_a_card(bot: RunningBot, wecom: WeCom) -> None:
    body = (await says(bot, wecom, "lin", "我的活动KPI"))["body"]

    check_room(body)
    assert body["main_title"] == {"title": "双11返场", "desc": "2026-11-01 – 11-20，还剩5个工作日"}
    assert body["emphasis_content"] == {"title": "¥7,500.50", "desc": "业绩，¥20,000的37%"}
    assert lines(body) == {
        "参与": "3 / 10 (30%)",
        "转介绍": "1 / 2 (50%)",
        "成交": "2 / 4 (50%)",
        "还差": "¥12,499.50，每个工作日¥2,499.90",
        "排名": "2 / 2，离上一名差¥4,499.50",
        "提成": "预计¥60.01，已确认¥90",
    }
    assert body["sub_title_text"].splitlines() == ["再做¥2,499.50，比例从2%升到3%", "数据截至 11-16 10:00"]
    async with wecom.http.get(body["card_action"]["url"]) as answer:
        page = read_text(await answer.text())
    assert "转介绍：1，目标2（50%），还差1，每个工作日1" in page


async def test_english_keeps_within_its_room(bot: RunningBot, wecom: WeCom) -> None:
    body = (await says(bot, wecom, "lin", "my campaign KPIs"))["body"]

    check_room(body)
    assert body["emphasis_content"]["desc"] == "Sales, 37% of ¥20,000"
    assert list(lines(body)) == ["Joins", "Refs", "Deals", "Gap", "Rank", "Pay"]


async def test_more_behind_a_card_is_the_whole_answer_in_lines(bot: RunningBot, wecom: WeCom) -> None:
    card = await says(bot, wecom, "su", "团队活动KPI")
    more = await says(bot, wecom, "su", "更多")

    assert "共2人，回“更多”看每个人。" in card["body"]["sub_title_text"]
    assert "· 王磊: " in more["body"]["content"]
    assert "莫然" not in more["body"]["content"]


async def test_long_names_are_cut_with_a_sign_and_whole_behind_the_card(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(long_names)
    body = (await says(bot, wecom, "su", f"{'欧阳王磊' * 8}的活动KPI"))["body"]
    more = await says(bot, wecom, "su", "more")

    check_room(body)
    assert body["main_title"]["title"] == LONG[:35] + "…"
    assert body["source"]["desc"].endswith("…")
    assert f"【{LONG}】" in more["body"]["content"]
    assert "欧阳王磊" * 8 in more["body"]["content"]


async def test_my_numbers_and_the_teams(bot: RunningBot, wecom: WeCom) -> None:
    mine = (await says(bot, wecom, "lin", "我的数据"))["body"]
    team = (await says(bot, wecom, "su", "team sales this month"))["body"]
    english = (await says(bot, wecom, "lin", "my numbers"))["body"]

    for body in (mine, team, english):
        check_room(body)
    assert mine["emphasis_content"] == {"title": "¥7,500.50", "desc": "业绩"}
    assert lines(mine)["客单价"] == "¥3,750.25"
    assert team["main_title"] == {"title": "Numbers, my team", "desc": "2026-11-01 – 11-30"}
    assert team["emphasis_content"] == {"title": "¥19,500.50", "desc": "Sales"}
    assert "Amount per buyer: ¥3,750.25" in english["sub_title_text"].splitlines()


async def test_groups_and_what_is_refused_stay_text(bot: RunningBot, wecom: WeCom) -> None:
    split = await says(bot, wecom, "su", "每个人的业绩")
    refused = await says(bot, wecom, "lin", "团队的活动KPI")

    assert split["msgtype"] == refused["msgtype"] == "text"
    assert "只有负责的店长能看" in refused["body"]["content"]
