"""Answers about targets: what is missing, how much that is a working day, and whether the days gone by sufficed.

A month's target is spread evenly over the working days: of a member her own, of a team its leader's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import floor

from sqlmodel import Session, col, select

from assistant.people import Asker, Unanswerable, Whose, whose_numbers
from assistant.questions import Targets
from assistant.wording import days, moment, shown, title
from bot.language import gettext as _
from kpi.campaigns import Progress, workdays_left
from kpi.measures import METRICS, data_at, measure
from kpi.models import Target
from kpi.periods import DEFAULT, Period, month_of, resolve


@dataclass(frozen=True)
class Pace:
    """How many of a running period's working days are over; today is not."""

    over: int
    left: int

    def by_now(self, target: int) -> int:
        """What a target asks for by now."""
        return half_up(Fraction(target * self.over, self.over + self.left))


def half_up(number: Fraction) -> int:
    """The nearest whole number."""
    return floor(number + Fraction(1, 2))


def targets_answer(session: Session, asker: Asker, question: Targets) -> list[str]:
    """What is missing to a period's targets, per working day left, and beside the pace of its working days."""
    whose = whose_numbers(session, asker, question.whose)
    period = resolve(session, question.period or DEFAULT, asker.now, asker.zone)
    wanted = targets_in(session, asker, whose, period)
    whole = month_of(period.first) == (period.first, period.last)
    called = f"{period.first:%Y-%m}" if whole else days(period)
    if not wanted:
        text = _("No target is set for {month} ({whose}). For a campaign's, ask “my campaign KPIs”.")
        raise Unanswerable(text.format(month=called, whose=whose.label))
    pace = pace_of(session, asker, whose, period)
    lines = [_("{month}, {whose}, {left} working days left").format(month=called, whose=whose.label, left=pace.left)]
    for metric, value in wanted.items():
        actual = int(measure(session, metric, whose.scope, period, asker.now).value or 0)
        lines.append(target_line(metric, Progress(metric, actual, value, pace.left)))
        if pace.over and pace.left:
            lines.append(pace_line(metric, actual, value, pace))
    at = data_at(session, METRICS[next(iter(wanted))].needs, asker.now)
    return [*lines, _("Data up to {time}").format(time=moment(at, asker.zone))]


def pace_of(session: Session, asker: Asker, whose: Whose, period: Period) -> Pace:
    """The working days of a period before today, and from today on."""
    today, userid = asker.now.astimezone(asker.zone).date(), whose.userid or asker.userid
    over = workdays_left(session, userid, period.first, min(period.last, today - timedelta(days=1)))
    return Pace(over, workdays_left(session, userid, max(period.first, today), period.last))


def targets_in(session: Session, asker: Asker, whose: Whose, period: Period) -> dict[str, int]:
    """A period's targets by metric: its months', and of a month it only touches the share of its working days."""
    found: dict[str, Fraction] = {}
    for piece in period.split("month", period.last):
        share = share_of_month(session, whose.userid or asker.userid, piece)
        for metric, value in targets_of(session, whose, month_of(piece.first)[0]).items():
            found[metric] = found.get(metric, Fraction(0)) + value * share
    return {metric: half_up(value) for metric, value in found.items()}


def share_of_month(session: Session, userid: str, piece: Period) -> Fraction:
    """The part of its month's working days that some days of it have."""
    first, last = month_of(piece.first)
    if (first, last) == (piece.first, piece.last):
        return Fraction(1)
    every = workdays_left(session, userid, first, last)
    return Fraction(workdays_left(session, userid, piece.first, piece.last), every) if every else Fraction(0)


def targets_of(session: Session, whose: Whose, month: date) -> dict[str, int]:
    """The month's targets by metric; a team's are its departments', else its members' together."""
    rows = session.exec(select(Target).where(Target.month == month).order_by(col(Target.metric))).all()
    if whose.userid:
        return {row.metric: row.value for row in rows if row.whose == f"staff:{whose.userid}"}
    departments = {f"department:{one}" for one in session.execute(whose.scope.departments()).scalars()}
    members = {f"staff:{one}" for one in session.execute(whose.scope.members()).scalars()}
    return summed(row for row in rows if row.whose in departments) or summed(
        row for row in rows if row.whose in members
    )


def summed(rows: Iterable[Target]) -> dict[str, int]:
    """Targets of several added up by metric."""
    found: dict[str, int] = {}
    for row in rows:
        found[row.metric] = found.get(row.metric, 0) + row.value
    return found


def target_line(metric: str, one: Progress) -> str:
    """A target in a line."""
    unit = METRICS[metric].unit
    line = _("{name}: {actual} of {target} ({percent}%)").format(
        name=title(METRICS[metric]), actual=shown(one.actual, unit), target=shown(one.target, unit), percent=one.percent
    )
    if not one.gap:
        return line + _(", reached")
    if not one.workdays:
        return line + _(", {gap} missing").format(gap=shown(one.gap, unit))
    return line + _(", {gap} to go, {each} a working day").format(
        gap=shown(one.gap, unit), each=shown(one.per_workday, unit)
    )


def pace_line(metric: str, actual: int, target: int, pace: Pace) -> str:
    """What the target asks for by now, and how far ahead of that or behind it the number is."""
    expected, unit = pace.by_now(target), METRICS[metric].unit
    line = _("· after {over} of {every} working days it should be {expected}: ").format(
        over=pace.over, every=pace.over + pace.left, expected=shown(expected, unit)
    )
    gap = shown(abs(actual - expected), unit)
    return line + (_("{gap} ahead") if actual >= expected else _("{gap} behind")).format(gap=gap)
