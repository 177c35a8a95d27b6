"""What the bot says: parts that fit, bodies that are unlike any other, and one delivery however often it is tried."""

import re
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from bot.jobs import DEAD, DONE, Job
from bot.outbox import TEXT_BYTES, say, send_card, short, split, task_id, unique_body, update_card
from tests.conftest import RunningBot, WeCom
from tests.stories.waiting import all_done

SHANGHAI = ZoneInfo("Asia/Shanghai")
CARD = {
    "card_type": "button_interaction",
    "main_title": {"title": "新客户"},
    "button_list": [{"text": "已联系", "style": 1, "key": "called"}],
}
texts = st.text(st.characters(codec="utf-8"), max_size=400)
lines = st.lists(texts, max_size=30).map("\n".join)


def without_space(text: str) -> str:
    """What a reader reads: line ends and blanks may go where a text is cut."""
    return re.sub(r"\s", "", text)


@given(text=lines, limit=st.integers(4, 300))
def test_every_part_fits_and_nothing_is_lost_or_moved(text: str, limit: int) -> None:
    parts = split(text, limit)

    assert all(len(part.encode()) <= limit for part in parts)
    assert without_space("".join(parts)) == without_space(text)


@given(text=lines)
def test_no_part_is_blank_unless_there_is_nothing_to_say(text: str) -> None:
    parts = split(text)

    assert all(part.strip() for part in parts) or parts == [""]


@given(words=st.lists(st.text("话术客户价格abc", min_size=1, max_size=30), min_size=1, max_size=200))
def test_a_text_of_short_lines_is_cut_between_lines(words: list[str]) -> None:
    assert [line for part in split("\n".join(words), 100) for line in part.split("\n")] == words


@given(text=st.text("长", min_size=1, max_size=3000), number=st.integers(1, 2**62))
def test_the_stamp_still_fits_into_what_wecom_takes(text: str, number: int) -> None:
    for part in split(text):
        assert len(unique_body(job(number, part), SHANGHAI)["text"]["content"].encode()) <= 2048


@given(one=st.integers(1, 2**40), other=st.integers(1, 2**40))
def test_bodies_of_two_jobs_differ_exactly_if_the_jobs_do(one: int, other: int) -> None:
    assert (unique_body(job(one, "帮助"), SHANGHAI) == unique_body(job(other, "帮助"), SHANGHAI)) == (one == other)
    assert (short(one) == short(other)) == (one == other)


@given(number=st.integers(1, 2**62), at=st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001
def test_a_task_id_is_of_the_shape_wecom_takes(number: int, at: datetime) -> None:
    made = task_id(Job(id=number, key="k", kind="message", run_at=at, created_at=at.replace(tzinfo=UTC)))

    assert re.fullmatch(r"[0-9A-Za-z_\-@]{1,128}", made)


def job(number: int, content: str) -> Job:
    """A message's job."""
    at = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
    payload = {"touser": "lin", "msgtype": "text", "text": {"content": content}}
    return Job(id=number, key="k", kind="message", payload=payload, run_at=at, created_at=at)


async def test_a_long_answer_arrives_in_parts_in_order_each_within_the_limit(bot: RunningBot, wecom: WeCom) -> None:
    text = "\n".join(f"第{number}位客户：{'好' * 40}" for number in range(120))
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: say(session, "lin", text, cause="long", now=now))
    await bot.settle()

    arrived = await wecom.texts("lin")
    assert len(arrived) == len(split(text)) > 5
    assert all(len(one.encode()) <= TEXT_BYTES + 48 for one in arrived)
    read = "\n".join(one.rpartition("\n")[0] for one in arrived)
    assert re.findall(r"第\d+位", read) == [f"第{number}位" for number in range(120)]


async def test_the_same_cause_is_said_once(bot: RunningBot, wecom: WeCom) -> None:
    for _ in range(3):
        now = bot.parts.clock.now()
        await bot.database.write(partial(say, userid="lin", text="您好", cause="once", now=now))
    await bot.settle()

    assert len(await wecom.texts("lin")) == 1


@pytest.mark.parametrize("fault", [{"drop": "answer", "times": 3}, {"latency_ms": 900, "times": 1}], ids=str)
async def test_a_card_whose_answer_was_lost_is_not_shown_twice(
    bot: RunningBot, wecom: WeCom, fault: dict[str, object]
) -> None:
    bot.parts.gateway.seconds = 0.5
    await wecom.fault("message/send", **fault)
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: send_card(session, "lin", CARD, cause="card", now=now))
    await all_done(bot)

    assert [one["msgtype"] for one in await wecom.chat("lin")] == ["template_card"]
    assert await outcomes(bot, "message") == [(DONE, "sent")]


async def test_a_card_update_whose_answer_was_lost_is_done_unconfirmed(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault("message/update_template_card", drop="answer", times=1)
    await press(bot, wecom)
    await all_done(bot)

    assert (await wecom.chat("lin"))[0]["updated"] == {"button": {"replace_name": "已收到"}}
    assert await outcomes(bot, "card_update") == [(DONE, "updated, unconfirmed")]


async def test_a_card_update_with_a_code_somebody_used_is_dead_with_its_reason(bot: RunningBot, wecom: WeCom) -> None:
    now = bot.parts.clock.now()
    update = {"button": {"replace_name": "已领取"}}
    await bot.database.write(lambda session: update_card(session, "lin", "no-such-code", update, cause="x", now=now))
    await all_done(bot)

    assert await outcomes(bot, "card_update") == [(DEAD, "given up")]


async def press(bot: RunningBot, wecom: WeCom) -> None:
    """Send Lin a card and let her press it."""
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: send_card(session, "lin", CARD, cause="card", now=now))
    await bot.settle()
    [card] = await wecom.chat("lin")
    await wecom.sim("POST", "card-clicks", {"userid": "lin", "task_id": card["task_id"], "key": "called"})


async def outcomes(bot: RunningBot, kind: str) -> list[tuple[str, str | None]]:
    """State and outcome of every job of a kind."""
    jobs = await bot.database.read(lambda session: session.exec(select(Job).where(Job.kind == kind)).all())
    return [(one.state, one.outcome) for one in jobs]
