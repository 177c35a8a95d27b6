"""Leaders hear once when a KPI of their team leaves its usual range."""

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, select

from assistant.baseline_alerts import tell
from bot.database import Database
from bot.jobs import Job
from contacts.facts import Order
from contacts.models import Customer, Department, Staff, StaffDepartment
from kpi.baselines import band, last_week, teams
from kpi.credit import credit_orders
from kpi.models import Baseline
from kpi.periods import Period
from tests.conftest import MONDAY_TEN
from tests.kpi.company import BEGIN, ZONE

WEEK = timedelta(weeks=1)


def company(session: Session) -> None:
    """Lin sells 1,000 a week in the team of Su; 100 last week and the week after."""
    session.add(Department(id=1, name="示例公司", parent_id=0, path="/1/"))
    session.add(Department(id=2, name="城东店", parent_id=1, path="/1/2/"))
    session.add(Customer(id=1, name="客户"))
    for userid, leads in (("lin", False), ("su", True)):
        session.add(Staff(userid=userid, name=userid, synced_at=BEGIN))
        session.add(StaffDepartment(userid=userid, department_id=2, leads=leads))
    session.flush()
    for number in range(1, 12):
        at = MONDAY_TEN - number * WEEK
        session.add(sale(number, at, 10_000 if number == 1 else 100_000 + 1_000 * (number % 3)))
    session.flush()
    credit_orders(session, list(range(1, 12)))


def sale(number: int, at: datetime, fen: int) -> Order:
    """A paid order of Lin's."""
    own: dict[str, Any] = {"source_id": f"o{number}", "digest": "", "customer_id": 1, "userid": "lin"}
    return Order(id=number, at=at, amount_fen=fen, **own)


def said(session: Session) -> list[str]:
    """What Su is told."""
    jobs = session.exec(select(Job).where(Job.kind == "message")).all()
    return [str(job.payload["text"]["content"]) for job in jobs if job.payload["touser"] == "su"]


def check(session: Session, now: datetime) -> None:
    """One morning's check."""
    today = now.astimezone(ZONE).date()
    for team in teams(session):
        tell(session, team, last_week(now, Period(today, today, ZONE)), now, "en")
    session.flush()


def test_a_band_needs_weeks_and_is_never_narrower_than_a_tenth() -> None:
    assert band([1.0] * 4) is None
    assert band([100.0] * 8) == (90.0, 110.0)


async def test_a_departure_is_told_once_and_again_after_it_was_over(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        for hours in (0, 24, 48):
            check(session, MONDAY_TEN + timedelta(hours=hours))
        [text] = said(session)
        assert text.startswith("城东店, 2026-11-09 – 11-15: not as usual")
        assert "· Sales: ¥100, usually ¥909 to ¥1,111 – worse" in text.replace(".60", "").replace(".10", "")
        row = session.exec(select(Baseline).where(Baseline.metric == "amount")).one()
        assert (row.value, row.outside, row.week.isoformat()) == (10_000.0, -1, "2026-11-09")

        session.add(sale(12, MONDAY_TEN, 8_000))
        session.flush()
        credit_orders(session, [12])
        check(session, MONDAY_TEN + WEEK)
        assert not [one for one in said(session)[1:] if "Sales:" in one]
