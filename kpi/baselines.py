"""Baselines: each KPI of a department against its own last eight weeks; outside the band it is marked.

The band is the mean of those weeks and twice their spread to either side, at least a tenth of the mean. A week is
checked once; a departure is news in its first week only.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from contacts.models import Department, Staff, StaffDepartment
from kpi.measures import METRICS, measure
from kpi.models import Baseline
from kpi.periods import Period
from kpi.scope import EVERYBODY, Scope
from kpi.sets import chosen

WEEKS, LEAST = 8, 5
"""How many weeks are looked back on, and how many of them must have a number."""
SPREADS, SHARE = 2.0, 0.1


@dataclass(frozen=True)
class Team:
    """A department with who leads it."""

    id: int
    name: str
    path: str
    leaders: tuple[str, ...]

    @property
    def scope(self) -> Scope:
        """Its numbers, with everything below it; those of the whole company at the top."""
        return EVERYBODY if self.path.strip("/").count("/") == 0 else Scope(paths=(self.path,))


def teams(session: Session) -> list[Team]:
    """Every department that somebody leads."""
    led = (
        select(col(Department.id), col(Department.name), col(Department.path), col(Staff.userid))
        .join(StaffDepartment, col(StaffDepartment.department_id) == col(Department.id))
        .join(Staff, col(Staff.userid) == col(StaffDepartment.userid))
        .where(col(StaffDepartment.leads), col(Staff.active))
        .order_by(col(Department.id), col(Staff.userid))
    )
    leaders: dict[tuple[int, str, str], list[str]] = {}
    for department, name, path, userid in session.execute(led):
        leaders.setdefault((department, name, path), []).append(userid)
    return [Team(*place, tuple(userids)) for place, userids in leaders.items()]


def last_week(now: datetime, period: Period) -> Period:
    """The last whole week before a moment, in the zone of a period."""
    today = now.astimezone(period.zone).date()
    monday = today - timedelta(days=today.weekday() + 7)
    return Period(monday, monday + timedelta(days=6), period.zone)


def band(values: Sequence[float]) -> tuple[float, float] | None:
    """The usual range of a number; None while too few weeks are known."""
    if len(values) < LEAST:
        return None
    mean = statistics.fmean(values)
    wide = max(SPREADS * statistics.pstdev(values), SHARE * abs(mean))
    return mean - wide, mean + wide


def check_week(session: Session, team: Team, week: Period, now: datetime) -> list[Baseline]:
    """Check a team's KPIs of a week that are not checked yet; answers those that have just left their band."""
    known = select(Baseline).where(col(Baseline.department_id) == team.id)
    done = {one.metric for one in session.scalars(known.where(col(Baseline.week) == week.first))}
    before = {
        one.metric: one.outside
        for one in session.scalars(known.where(col(Baseline.week) == week.first - timedelta(days=7)))
    }
    places = [int(one) for one in reversed(team.path.strip("/").split("/"))]
    news = []
    for name in chosen(session, places, leads=True).metrics:
        checked = None if name in done else checked_week(session, team, name, week, now)
        if checked is None:
            continue
        session.add(checked)
        if checked.outside and before.get(name) != checked.outside:
            news.append(checked)
    return news


def checked_week(session: Session, team: Team, name: str, week: Period, now: datetime) -> Baseline | None:
    """A number of a week beside its band; None where it has no number or no band."""
    if METRICS[name].company_only and not team.scope.everybody:
        return None
    earlier = Period(week.first - timedelta(weeks=WEEKS), week.first - timedelta(days=1), week.zone)
    weeks = measure(session, name, team.scope, earlier, now, group_by="week")
    usual = band([float(row.value) for row in weeks.rows if row.value is not None])
    value = measure(session, name, team.scope, week, now).value if usual else None
    if usual is None or value is None:
        return None
    low, high = usual
    outside = -1 if value < low else 1 if value > high else 0
    return Baseline(
        department_id=team.id, metric=name, week=week.first, value=float(value), low=low, high=high, outside=outside
    )
