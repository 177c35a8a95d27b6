"""Series, the period before, why a number moved, and the rows behind it, on the company with half a year of history."""

import pytest
from sqlmodel import Session

from bot.database import Database
from kpi.change import before_of, change
from kpi.drill import ROWS, behind
from kpi.measures import METRICS, BadQuestion, measure
from kpi.periods import resolve
from kpi.scope import EVERYBODY, NotYours, own, team_of
from tests.conftest import MONDAY_TEN
from tests.kpi.company import ZONE, company

COUNTED = ("orders", "refunds", "contacts_added", "contacts_lost", "cost_per_lead", "tagging_rate", "cash_success_rate",
           "todo_done_rate", "todos_overdue", "reachable_contacts", "customer_assets", "response_rate")  # fmt: skip
PART = {"contacts_added": "added", "contacts_lost": "lost", "cost_per_lead": "leads", "tagging_rate": "tagged",
        "cash_success_rate": "paid", "todo_done_rate": "done", "todos_overdue": "overdue", "response_rate": "responded",
        "customer_assets": "closing", "orders": "orders"}  # fmt: skip
PEOPLE = {"contacts_added", "contacts_lost", "cost_per_lead", "tagging_rate", "cash_success_rate"}
"""Counted by customer: several rows of one customer are one."""


async def test_a_series_is_each_day_asked_for_alone(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        month = resolve(session, "2026-11", MONDAY_TEN, ZONE)
        for name in ("amount", "contacts_added", "customer_assets"):
            found = measure(session, name, EVERYBODY, month, MONDAY_TEN, group_by="day")
            assert [row.key for row in found.rows] == [f"2026-11-{day:02}" for day in range(1, 17)]
            third = measure(session, name, EVERYBODY, resolve(session, "2026-11-03", MONDAY_TEN, ZONE), MONDAY_TEN)
            assert found.rows[2].value == third.value
        days = measure(session, "amount", own("lin"), month, MONDAY_TEN, group_by="day")
        assert sum(row.value or 0 for row in days.rows) == days.value != 0
        weeks = measure(session, "amount", own("lin"), month, MONDAY_TEN, group_by="week")
        assert [row.key for row in weeks.rows] == ["2026-11-01", "2026-11-02", "2026-11-09", "2026-11-16"]
        assert sum(row.value or 0 for row in weeks.rows) == days.value
        year = resolve(session, "2026", MONDAY_TEN, ZONE)
        with pytest.raises(BadQuestion, match="at most 100"):
            measure(session, "amount", EVERYBODY, year, MONDAY_TEN, group_by="day")


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("last_week", "2026-11-02", "2026-11-08"),
        ("last_month", "2026-09-01", "2026-09-30"),
        ("2026-11-10..2026-11-12", "2026-11-07", "2026-11-09"),
        ("this_month", "2026-10-01", "2026-10-16"),
        ("this_week", "2026-11-09", "2026-11-09"),
    ],
)
async def test_the_period_before_goes_as_far_as_this_one_has_come(
    database: Database, period: str, first: str, last: str
) -> None:
    with Session(database.engine) as session:
        then, _ = before_of(resolve(session, period, MONDAY_TEN, ZONE), MONDAY_TEN)

    assert (then.first.isoformat(), then.last.isoformat()) == (first, last)


async def test_what_moved_adds_up_to_the_difference(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        for period in ("last_month", "this_month", "2026-09"):
            days = resolve(session, period, MONDAY_TEN, ZONE)
            for scope in (EVERYBODY, team_of(session, "su"), own("lin")):
                for name in ("amount", "private_performance", "repeat_rate", "orders", "delete_rate"):
                    found = change(session, name, scope, days, MONDAY_TEN)
                    near = {"abs": 1} if METRICS[name].unit == "fen" else {"abs": 1e-6}
                    if found.factors:
                        assert sum(one.effect for one in found.factors) == pytest.approx(found.difference, **near)
        amount = change(session, "amount", EVERYBODY, resolve(session, "last_month", MONDAY_TEN, ZONE), MONDAY_TEN)
        assert [one.name for one in amount.factors] == ["buyers", "orders_per_buyer", "amount_per_order"]
        for group in ("staff", "store", "channel"):
            moved = amount.groups[group]
            assert sum(one.effect for one in moved) == pytest.approx(amount.difference)
            assert moved[0].effect * amount.difference >= 0
        assert amount.most == max(amount.factors, key=lambda one: one.effect * (1 if amount.difference > 0 else -1))


async def test_of_a_rate_the_groups_add_up_too(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        found = change(
            session, "response_rate", EVERYBODY, resolve(session, "last_month", MONDAY_TEN, ZONE), MONDAY_TEN
        )
        assert sum(one.effect for one in found.groups["staff"]) == pytest.approx(found.difference)


@pytest.mark.parametrize("name", COUNTED)
async def test_the_rows_behind_a_number_are_those_it_counts(database: Database, name: str) -> None:
    with Session(database.engine) as session:
        company(session)
        period = resolve(session, "2026-08-01..2026-11-16", MONDAY_TEN, ZONE)
        for scope in (EVERYBODY, team_of(session, "su"), own("lin")):
            if METRICS[name].company_only and scope != EVERYBODY:
                with pytest.raises(NotYours):
                    behind(session, name, scope, period, MONDAY_TEN)
                continue
            found = measure(session, name, scope, period, MONDAY_TEN)
            counted = found.parts[PART[name]] if name in PART else found.value
            rows = behind(session, name, scope, period, MONDAY_TEN, limit=10_000)
            seen = {"refunds": -sum(row.amount_fen or 0 for row in rows)}
            assert seen.get(name, len({row.customer_id for row in rows} if name in PEOPLE else rows)) == counted


async def test_every_metric_with_customers_opens_and_the_others_say_so(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        period = resolve(session, "2026-08-01..2026-11-16", MONDAY_TEN, ZONE)
        assert set(ROWS) <= set(METRICS)
        for name in ROWS:
            rows = behind(session, name, EVERYBODY, period, MONDAY_TEN, limit=3)
            assert len(rows) == 3 or name == "share_rate", name
        whole = behind(session, "amount", EVERYBODY, period, MONDAY_TEN, limit=10_000)
        again = behind(session, "amount", EVERYBODY, period, MONDAY_TEN, offset=5, limit=3)
        assert again == whole[5:8]
        with pytest.raises(BadQuestion, match="cannot be opened"):
            behind(session, "add_rate", EVERYBODY, period, MONDAY_TEN)
