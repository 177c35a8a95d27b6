"""A team's report for its leader: results against the period before and the target, work, who needs help, wins."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlmodel import Session, col, select

from assistant.models import ReportWish
from assistant.people import Asker, Whose, whose_numbers
from assistant.questions import TEAM, ReportsWanted, TeamReport
from assistant.target_answers import target_line, targets_of
from assistant.wording import days, moment, shown, title
from bot.language import gettext as _
from contacts.calendar import previous_workday
from contacts.models import Staff
from kpi.campaigns import Progress, workdays_left
from kpi.measures import Measured, measure
from kpi.periods import Period, month_of, week_of
from kpi.registry import COUNT, FEN, STAFF, Number
from kpi.scope import EVERYBODY
from sop.sops import DONE, OPEN, Todo

DAILY, WEEKLY = "daily", "weekly"
RESULTS = ("amount", "orders", "contacts_added", "delete_rate")
NAMED = 5
"""So many members are named under one heading; how many more there are is said."""
IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Results:
    """A metric of the team now and before, and of each member by userid."""

    now: Measured
    before: Measured
    of: dict[str, Number]
    earlier: dict[str, Number]


@dataclass(frozen=True)
class Work:
    """To-dos by member: closed as done in the period, and overdue now."""

    done: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)


def report_answer(session: Session, asker: Asker, question: TeamReport) -> list[str]:
    """The report on demand. Raises `Unanswerable` for who leads nobody."""
    whose = whose_numbers(session, asker, TEAM)
    lines = report(session, asker, whose, question.kind)
    return lines or [_("There is nothing to report yet: no orders, contacts or to-dos are on record.")]


def wishes_answer(session: Session, asker: Asker, question: ReportsWanted) -> list[str]:
    """A leader turns her reports off or on again. Raises `Unanswerable` for who leads nobody."""
    whose_numbers(session, asker, TEAM)
    kept = session.get(ReportWish, asker.userid) or ReportWish(userid=asker.userid)
    for kind in question.kinds:
        setattr(kept, kind, question.wanted)
    session.add(kept)
    state = {True: _("comes"), False: _("does not come")}
    return [
        _("Daily report: {daily}; weekly report: {weekly}. Ask “daily report” at any time.").format(
            daily=state[kept.daily], weekly=state[kept.weekly]
        )
    ]


def report(session: Session, asker: Asker, whose: Whose, kind: str) -> list[str]:
    """The lines of a team's report; none when nothing at all is on record."""
    today = asker.now.astimezone(asker.zone).date()
    now, before = spans(session, asker.userid, kind, today, asker.zone)
    found = {name: results(session, asker, whose, name, (now, before)) for name in RESULTS}
    known = {name: one for name, one in found.items() if one.now.connected}
    members = members_of(session, whose)
    work = work_of(session, members, now, today)
    if not known and not work.done and not work.late:
        return []
    heading = _("【Weekly report】{days}, {whose}") if kind == WEEKLY else _("【Daily report】{days}, {whose}")
    label = _("whole company") if whose.scope == EVERYBODY else whose.label
    lines = [heading.format(days=days(now), whose=label)]
    lines += [result_line(one) for one in known.values()]
    lines += target_lines(session, asker, whose, today)
    lines.append(_("To-dos: {done} done, {late} overdue").format(done=work.done.total(), late=work.late.total()))
    lines += listed(_("Needs help:"), help_lines_of(members, known, work))
    lines += listed(_("Wins:"), wins(members, known))
    times = [one.now.data_at for one in known.values() if one.now.data_at]
    return [*lines, _("Data up to {time}").format(time=moment(min(times, default=asker.now), asker.zone))]


def spans(session: Session, leader: str, kind: str, today: date, zone: ZoneInfo) -> tuple[Period, Period]:
    """The days reported and those they are compared with.

    Daily: since the leader's last working day, so that no day is left out, against the same days of a week earlier.
    """
    if kind == WEEKLY:
        first, last = week_of(today - timedelta(days=7))
    else:
        last = today - timedelta(days=1)
        first = previous_workday(session, leader, last) or last
    earlier = timedelta(days=7 * ceil(((last - first).days + 1) / 7))
    return Period(first, last, zone), Period(first - earlier, last - earlier, zone)


def results(session: Session, asker: Asker, whose: Whose, name: str, spans: tuple[Period, Period]) -> Results:
    """A metric in both periods, by member."""
    now, before = (measure(session, name, whose.scope, span, asker.now, group_by=STAFF) for span in spans)
    of, earlier = ({row.key: row.value or 0 for row in one.rows} for one in (now, before))
    return Results(now, before, of, earlier)


def members_of(session: Session, whose: Whose) -> dict[str, str]:
    """Names of the team's active members by userid."""
    team = select(Staff.userid, Staff.name).where(col(Staff.active), col(Staff.userid).in_(whose.scope.members()))
    return dict(session.exec(team.order_by(col(Staff.userid))).all())


def work_of(session: Session, members: dict[str, str], period: Period, today: date) -> Work:
    """What was done in the period and what is overdue, counted by member."""
    closed = (col(Todo.state) == DONE, col(Todo.closed_at) >= period.start, col(Todo.closed_at) < period.end)
    late = (col(Todo.state) == OPEN, col(Todo.due_on) < today)
    counted = Work()
    userids = list(members)
    for start in range(0, len(userids), IDS_AT_ONCE):
        theirs = col(Todo.userid).in_(userids[start : start + IDS_AT_ONCE])
        for tally, where in ((counted.done, closed), (counted.late, late)):
            rows = select(Todo.userid, func.count()).where(theirs, *where).group_by(col(Todo.userid))
            tally.update(dict(session.exec(rows).all()))
    return counted


def result_line(one: Results) -> str:
    """A number now, before, and the change where both can be compared."""
    metric, now, before = one.now.metric, one.now.value, one.before.value
    line = _("{title}: {value} (before {before}").format(
        title=title(metric), value=shown(now, metric.unit), before=shown(before, metric.unit)
    )
    if metric.unit in {FEN, COUNT} and now is not None and before and before > 0:
        line += f"{_(', ')}{100 * (now - before) / before:+.0f}%"
    return line + _(")")


def target_lines(session: Session, asker: Asker, whose: Whose, today: date) -> list[str]:
    """The team's targets of this month, what is missing, and how much that is a working day."""
    first, last = month_of(today)
    left = workdays_left(session, asker.userid, today, last)
    month = Period(first, last, asker.zone)
    lines = []
    for metric, value in targets_of(session, whose, first).items():
        actual = int(measure(session, metric, whose.scope, month, asker.now).value or 0)
        line = target_line(metric, Progress(metric, actual, value, left))
        lines.append(_("This month – {line}").format(line=line))
    return lines


def help_lines_of(members: dict[str, str], known: dict[str, Results], work: Work) -> list[str]:
    """Members with overdue to-dos, or who sold nothing where they did before; the most overdue first."""
    sales = known.get("amount")
    found = []
    for userid, name in members.items():
        reasons = []
        if late := work.late[userid]:
            reasons.append(_("{count} overdue").format(count=late))
        before = sales.earlier.get(userid, 0) if sales else 0
        if sales and sales.of.get(userid, 0) <= 0 < before:
            reasons.append(_("no sales, {before} before").format(before=shown(before, FEN)))
        if reasons:
            text = _("{name}: {reasons}").format(name=name, reasons=_(", ").join(reasons))
            found.append((-late, name, text))
    return [line for _late, _name, line in sorted(found)]


def wins(members: dict[str, str], known: dict[str, Results]) -> list[str]:
    """Who sold, the most first, with the number of orders."""
    sales, orders = known.get("amount"), known.get("orders")
    if not sales or not orders:
        return []
    sold = [(userid, amount) for userid, amount in sales.of.items() if userid in members and amount > 0]
    return [
        _("{name}: {amount}, {count} orders").format(
            name=members[userid], amount=shown(amount, FEN), count=int(orders.of.get(userid, 0))
        )
        for userid, amount in sold
    ]


def listed(heading: str, entries: list[str]) -> list[str]:
    """A heading with its first entries and how many more there are; nothing when there are none."""
    if not entries:
        return []
    lines = [heading, *(f"· {one}" for one in entries[:NAMED])]
    more = len(entries) - NAMED
    return [*lines, _("… and {number} more.").format(number=more)] if more > 0 else lines
