"""What a to-do is worth to its member: the line beside its reason, and who does not read it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.database import Database
from contacts.channels import Campaign, Channel
from contacts.facts import Participation
from contacts.models import ADDED, FollowUser, TieChange
from kpi.credit import credit_orders
from kpi.worth import Worth, conversions, worth_of
from sop.outcomes import ORDERED, VISITED
from sop.sops import DONE, WITHDRAWN, Todo
from tests.admin.light import MorningClock, page_of, public_settings, read_text, to_nine
from tests.conftest import RunningBot, WeCom, running_bot
from tests.hand_clock import HandClock
from tests.sop.company import NOW, TODAY, at, customer, found_company, order
from tests.stories.test_morning import press
from tests.stories.test_todo_life import says

SOP = 7


@pytest.fixture
def clock() -> MorningClock:
    """A clock that a test moves; Wednesday 8:50."""
    return MorningClock()


def autumn(session: Session, **given: Any) -> int:
    """A campaign of 5 %; answers its id."""
    fields: dict[str, Any] = {"code": "autumn", "name": "秋季", "commission_percent": 5.0, "window_days": 10, **given}
    campaign = Campaign(starts_on=TODAY - timedelta(20), ends_on=TODAY + timedelta(20), created_at=NOW, **fields)
    session.add(campaign)
    session.flush()
    return campaign.id or 0


def joined(session: Session, customer_id: int, campaign_id: int, days_ago: int) -> None:
    """She takes part in a campaign."""
    day = TODAY - timedelta(days=days_ago)
    given: dict[str, Any] = {"source_id": f"j{customer_id}-{campaign_id}", "digest": "", "at": at(day)}
    session.add(Participation(customer_id=customer_id, campaign_id=campaign_id, **given))
    session.flush()


def todo(session: Session, customer_id: int, number: int | None = None, **given: Any) -> Todo:
    """A to-do of Lin's, by a rule, worth an order of ¥600."""
    fields: dict[str, Any] = {
        "userid": "lin", "title": "回访", "reason": "该回访了", "sop_id": SOP, "value_fen": 60_000, "day": TODAY,
        "due_on": TODAY + timedelta(2), "shown_on": TODAY if number else None, "number": number, **given,
    }  # fmt: skip
    row = Todo(customer_id=customer_id, **fields)
    session.add(row)
    session.flush()
    return row


def followed_up(session: Session, customer_id: int, runs: int, orders: int, days_ago: int = 20) -> None:
    """Finished runs of the same rule, two to-dos each, and what came of the first ones."""
    for run in range(1, runs + 1):
        outcome = ORDERED if run <= orders else VISITED
        for step in ("0", "1"):
            given: dict[str, Any] = {
                "run_id": days_ago * 1000 + run,
                "position": step,
                "state": DONE,
                "outcome": outcome,
            }
            todo(session, customer_id, closed_at=NOW - timedelta(days=days_ago), **given)


async def test_number_why_press_and_page_tell_her_what_it_is_worth_and_nobody_else(
    wecom: WeCom, database_url: str, tmp_path: Path, clock: HandClock
) -> None:
    def build(session: Session) -> None:
        li, wang = customer(session, "李女士"), customer(session, "王芳")
        campaign = autumn(session)
        for one in (li, wang):
            joined(session, one, campaign, 3)
        session.add(FollowUser(customer_id=li, userid="wang", added_at=NOW))
        followed_up(session, li, runs=40, orders=5)
        todo(session, li, 1)
        todo(session, wang, 2, sop_id=8)
        todo(session, customer(session, "陈晨"), 3)

    async with running_bot(wecom, public_settings(wecom, database_url, tmp_path), clock) as bot:
        await bot.database.write(build)
        await to_nine(bot, clock)

        worth = "预计提成：¥3.75（跟进过的40位里12%下了单，成交可得¥30）"
        assert await says(bot, wecom, "lin", "1") == f"1 李女士 · 回访\n原因：该回访了\n{worth}"
        assert (await says(bot, wecom, "lin", "为什么 1")).splitlines()[-1] == worth
        assert (await says(bot, wecom, "lin", "why 1")).splitlines()[-1].startswith("Expected commission: ¥3.75 (12%")
        assert (await says(bot, wecom, "lin", "为什么提醒我联系李女士")).splitlines()[-1] == worth
        few = "预计提成：样本不足（跟进满30位再算，现在0位），成交可得¥30"
        assert (await says(bot, wecom, "lin", "2")).splitlines()[-1] == few
        assert "提成" not in await says(bot, wecom, "lin", "3")
        colleague = await says(bot, wecom, "wang", "为什么提醒我联系李女士")
        assert colleague.startswith("原因：该回访了")
        assert "提成" not in colleague

        async with wecom.http.get(await page_of(wecom)) as answer:
            text = read_text(await answer.text())
        assert f"原因：该回访了 {worth}" in text
        assert text.count("提成") == 2

        await press(bot, wecom, "lin", "why", str(await first_open(bot)))
        assert worth in (await wecom.texts("lin"))[-1]


async def first_open(bot: RunningBot) -> int:
    """The id of number 1 on the list."""
    return await bot.database.read(lambda session: session.exec(select(Todo.id).where(Todo.number == 1)).one() or 0)


async def test_conversion_counts_runs_whose_window_is_over_and_no_older_than_ninety_days(database: Database) -> None:
    def work(session: Session) -> dict[int | None, tuple[int, int]]:
        found_company(session)
        li = customer(session, "李女士")
        for days, runs, orders in ((14, 3, 3), (15, 2, 1), (105, 4, 4), (106, 8, 8)):
            followed_up(session, li, runs, orders, days)
        todo(session, li, run_id=1, state=WITHDRAWN, outcome=ORDERED, closed_at=NOW - timedelta(days=20))
        return conversions(session, [SOP], NOW + timedelta(seconds=1))

    assert await database.write(work) == {SOP: (2, 1)}


async def test_the_deal_is_what_her_commission_grows_by_a_step_up_included(database: Database) -> None:
    def work(session: Session) -> dict[str, int]:
        found_company(session)
        tiers = autumn(session, commission_percent=0.0, tiers=[[0, 2.0], [100_000, 5.0]])
        session.add(Channel(id=1, name="展会", state="expo", campaign_id=tiers, created_at=NOW))
        free = autumn(session, code="free", commission_percent=0.0)
        near, gone, old = (customer(session, name) for name in ("近", "白", "旧"))
        came = TieChange(at=at(TODAY - timedelta(5)), kind=ADDED, customer_id=near, userid="lin", channel_id=1)
        session.add(came)
        joined(session, gone, free, 1)
        joined(session, old, tiers, 11)
        buyer = customer(session, "买")
        order(session, buyer, at(TODAY - timedelta(2)), 70_000, userid="lin", campaign_id=tiers)
        credit_orders(session, [1])
        made = {
            "lin": todo(session, near),
            "wang": todo(session, near, userid="wang"),
            "named": todo(session, old, campaign_id=tiers),
            "no commission": todo(session, gone),
            "window over": todo(session, old),
            "no value": todo(session, near, value_fen=0),
            "no rule": todo(session, near, sop_id=None),
        }
        found = worth_of(session, list(made.values()), NOW)
        return {name: found[one.id or 0].deal_fen for name, one in made.items() if one.id in found}

    # Lin has ¥700 and 2 % of it; with ¥600 more 5 % of all hold. Wang begins with nothing.
    assert await database.write(work) == {"lin": 6500 - 1400, "wang": 1200, "named": 6500 - 1400}


def test_below_thirty_runs_a_conversion_is_not_spoken_of() -> None:
    assert not Worth(3000, 29, 29).known
    assert Worth(3000, 30, 4).known
    assert Worth(3000, 30, 4).expected_fen == 400
    assert Worth(3000, 0, 0).expected_fen == 0
