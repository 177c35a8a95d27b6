"""Numbers of staff's own work: to-dos, tags, how soon a new contact hears from somebody, and what a head brings."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Select, and_, func, literal, select, union
from sqlmodel import Session, col

from contacts.calendar import Rota, is_workday, rota
from contacts.facts import WELCOME, StaffStatistic, Touch
from contacts.models import Staff
from contacts.tags import CHAT, CLIENT, PAGE, TagChange
from kpi.metrics_contacts import BY_CHANNEL, CAME, TIE, TIES, added, of_added
from kpi.metrics_money import LINE, LINES
from kpi.moments import days_between, later, local_day
from kpi.registry import (
    CAMPAIGN,
    COUNT,
    DEPARTMENT,
    FEN,
    MINUTES,
    PERCENT,
    STAFF,
    Ask,
    Key,
    Metric,
    Number,
    Part,
    Parts,
    Source,
    parts,
    per,
    percent,
    the,
)
from sop.sops import DONE, OPEN, Todo

SOON_DAYS = 7
BY_HAND = (CLIENT, CHAT, PAGE)
"""Sources of tags that a person put."""
TODOS = Source(literal(0), {STAFF: col(Todo.userid), CAMPAIGN: col(Todo.campaign_id)})
MEMBERS = Source(literal(0), {STAFF: col(Staff.userid)})
SERVING = and_(col(Staff.active), col(Staff.customer_contact))
BY_CAMPAIGN = (STAFF, DEPARTMENT, CAMPAIGN)


def due(*, done: bool = False, on_time: bool = False, overdue: bool = False) -> Part:
    """To-dos whose last day was in the period, and has come; withdrawn ones and those that did not apply are none."""

    def part(session: Session, ask: Ask) -> dict[Key, Number]:
        last, closed = col(Todo.due_on), local_day(col(Todo.closed_at), ask.minutes_ahead)
        where = [last >= ask.period.first, last <= ask.last, col(Todo.state).in_((OPEN, DONE))]
        if done or on_time:
            where.append(col(Todo.state) == DONE)
        if on_time:
            where.append(closed <= last)
        if overdue:
            where += [col(Todo.state) == OPEN, last < ask.now.astimezone(ask.period.zone).date()]
        key = ask.key(TODOS)
        chosen = ask.rows(TODOS, func.count(col(Todo.id)), when=False).where(*where)
        return ask.numbers(session, chosen if key is None else chosen.group_by(key))

    return part


def was_tagged() -> Any:
    """That the member has tagged the customer since the add."""
    change = TagChange
    hers = and_(col(change.customer_id) == col(TIE.customer_id), col(change.userid) == col(TIE.userid))
    put = select(col(change.id)).where(
        hers, col(change.added), col(change.source).in_(BY_HAND), col(change.at) >= col(TIE.at)
    )
    return put.exists()


def first_contacts(session: Session, ask: Ask) -> Parts:
    """Minutes from each add of the period to the member's first touch within a week, welcomes left out."""
    first = (
        select(func.min(col(Touch.at)))
        .where(
            col(Touch.customer_id) == col(TIE.customer_id),
            col(Touch.userid) == col(TIE.userid),
            col(Touch.scene) != WELCOME,
            ~col(Touch.doubtful),
            col(Touch.at) >= col(TIE.at),
            col(Touch.at) < later(col(TIE.at), SOON_DAYS),
        )
        .correlate(TIE)
        .scalar_subquery()
    )
    rows = ask.rows(TIES, col(TIE.at).label("added"), first.label("first")).where(CAME).subquery()
    minutes = func.sum(days_between(rows.c.added, rows.c.first)) * 1440
    return parts(
        minutes=lambda session, ask: ask.over(session, rows, minutes, rows.c.first.is_not(None)),
        contacted=lambda session, ask: ask.over(session, rows, func.count(), rows.c.first.is_not(None)),
        added=lambda session, ask: ask.over(session, rows, func.count()),
    )(session, ask)


def on_duty(session: Session, ask: Ask) -> tuple[dict[Key, list[str]], Rota]:
    """Who serves customers, by group, and their rota up to the end of the period or today."""
    found = session.execute(ask.rows(MEMBERS, col(Staff.userid).label("userid"), when=False).where(SERVING)).all()
    members: dict[Key, list[str]] = {}
    for row in found:
        members.setdefault(row[0] if ask.group_by else None, []).append(row.userid)
    everybody = {userid for userids in members.values() for userid in userids}
    return members, rota(session, everybody, ask.period.first, ask.last)


def days_of(ask: Ask) -> list[date]:
    """The period's days that have come."""
    number = (ask.last - ask.period.first).days + 1
    return [ask.period.first + timedelta(days=one) for one in range(number)]


def per_head(session: Session, ask: Ask) -> Parts:
    """Net amount of those who serve customers, their days on duty, and the period's working days."""
    members, calendar = on_duty(session, ask)
    days = days_of(ask)
    serving = select(col(Staff.userid)).where(SERVING)
    amounts = ask.tally(session, LINES, func.sum(col(LINE.amount_fen)), col(LINE.userid).in_(serving))
    workdays = sum(1 for day in days if is_workday(day))
    return {
        key: {
            "amount": amounts.get(key, 0),
            "person_days": sum(calendar.works(userid, day) for userid in set(userids) for day in days),
            "workdays": workdays,
        }
        for key, userids in members.items()
    }


def amount_per_head(found: Mapping[str, Number]) -> Number | None:
    """Amount ÷ days on duty × working days, in whole fen."""
    return round(found["amount"] / found["person_days"] * found["workdays"]) if found["person_days"] else None


def acts_by_day(ask: Ask) -> Select[Any]:
    """(member, day) of everything members did that leaves a trace."""
    ahead, ends = ask.minutes_ahead, (ask.period.start, ask.end)
    did = (
        (col(Touch.userid), col(Touch.at), col(Touch.scene) != WELCOME),
        (col(TagChange.by), col(TagChange.at), col(TagChange.source).in_(BY_HAND)),
    )
    each: list[Any] = [
        select(who.label("userid"), local_day(at, ahead).label("day")).where(at >= ends[0], at < ends[1], where)
        for who, at, where in did
    ]
    statistic = StaffStatistic
    wrote = select(col(statistic.userid), col(statistic.day)).where(
        col(statistic.day) >= ask.period.first, col(statistic.day) <= ask.last, col(statistic.messages) > 0
    )
    every = union(*each, wrote).subquery()
    return select(every.c.userid, every.c.day)


def active_days(session: Session, ask: Ask) -> Parts:
    """Days on duty, and those of them on which the member did something."""
    members, calendar = on_duty(session, ask)
    days = days_of(ask)
    did = {(row.userid, row.day) for row in session.execute(acts_by_day(ask))}
    found: Parts = {}
    for key, userids in members.items():
        worked = [(one, day) for one in set(userids) for day in days if calendar.works(one, day)]
        found[key] = {"active": sum(one in did for one in worked), "person_days": len(worked)}
    return found


METRICS = (
    Metric(
        "todo_done_rate", "待办完成率", "To-dos done", PERCENT,
        "期间内到期的待办里做完的占比；不适用和撤回的不算。",
        "Of the to-dos whose last day was in the period, those that were done; withdrawn ones and those that did not "
        "apply are left out.",
        ("todos",), parts(done=due(done=True), due=due()), percent("done", "due"), BY_CAMPAIGN,
    ),
    Metric(
        "todo_on_time_rate", "待办按时率", "To-dos done in time", PERCENT,
        "期间内到期的待办里，到期当天或之前做完的占比；不适用和撤回的不算。",
        "Of the to-dos whose last day was in the period, those done on that day or before; withdrawn ones and those "
        "that did not apply are left out.",
        ("todos",), parts(on_time=due(on_time=True), due=due()), percent("on_time", "due"), BY_CAMPAIGN,
    ),
    Metric(
        "todos_overdue", "逾期待办", "Overdue to-dos", COUNT,
        "期间内到期、到现在还没做的待办数。",
        "To-dos whose last day was in the period and is past, and which are still open.",
        ("todos",), parts(overdue=due(overdue=True), due=due()), the("overdue"), BY_CAMPAIGN, lower_is_better=True,
    ),
    Metric(
        "tagging_rate", "打标率", "Tagging rate", PERCENT,
        "期间内新加的客户里，导购打过标签的占比；渠道和规则自动打的不算。",
        "Of the customers added in the period, whom the member has tagged since; tags put by channels and rules do "
        "not count.",
        ("contacts",), parts(tagged=of_added(was_tagged()), added=added), percent("tagged", "added"), BY_CHANNEL,
    ),
    Metric(
        "speed_to_lead", "首次联系时长", "Speed to lead", MINUTES,
        "期间内新加的客户，从加上到导购第一次主动联系的平均分钟数；欢迎语不算，7天内没联系的不算。",
        "Average minutes from adding to the member's first touch, of customers added in the period; welcomes do not "
        "count, and who was not contacted within 7 days is left out.",
        ("contacts", "touches"), first_contacts, per("minutes", "contacted"), BY_CHANNEL, matures_days=SOON_DAYS,
        lower_is_better=True,
    ),
    Metric(
        "amount_per_head", "人效", "Amount per head", FEN,
        "有客户联系权限的在职员工的业绩 ÷ 他们的在岗人天 × 期间的工作日数。",
        "Sales of active members with customer contact ÷ their days on duty × the period's working days.",
        ("orders",), per_head, amount_per_head,
    ),
    Metric(
        "active_staff_rate", "导购活跃率", "Active staff rate", PERCENT,
        "在岗人天里，当天联系过客户、打过标签或发过消息的占比。",
        "Of the days on duty, those on which the member touched or tagged a customer or wrote a message.",
        ("contacts",), active_days, percent("active", "person_days"),
    ),
)  # fmt: skip
