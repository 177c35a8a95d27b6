"""Overdue to-dos go to the leader, once; so does a member who answers no morning card.

A member has one working day of her own after the last day of a to-do; days off do not count. What her leader then does
not pass on, withdraw or nudge about is withdrawn by the day plan (`sop.plan.tidy`).
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.jobs import Done, Job, Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from contacts.calendar import Rota, rota
from contacts.leaders import leaders_by_member
from contacts.models import Customer, Staff
from contacts.unasked import lane_of
from sop.enrol import chunks
from sop.silence import TELL_AFTER, told, untold
from sop.sops import OPEN, Todo

ESCALATE = "escalate"
"""The kind of job that tells leaders each morning."""
TOLD_FROM = time(9, 3)
GRACE_WORKDAYS = 1
"""Working days of hers after the last one, before the leader hears of it."""
LOOK_BACK = timedelta(days=60)
LINES = 12


@dataclass
class News:
    """What one leader hears on one morning."""

    late: list[tuple[Todo, str]] = field(default_factory=list)
    """To-dos with their customers' names."""
    silent: list[str] = field(default_factory=list)


def escalate(clock: Clock, zone: ZoneInfo, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner that tells leaders what is overdue with their members."""

    async def run(_job: Job) -> Done:
        local = clock.now().astimezone(zone)
        if local.time() < TOLD_FROM:
            return Done("yesterday's, made up for too late")

        def then(session: Session) -> None:
            with speaking(language):
                tell_leaders(session, local.date(), local)

        return Done("told", then=then)

    return run


def tell_leaders(session: Session, today: date, now: datetime) -> int:
    """One text to each leader with something new to decide; answers how many got one."""
    late, quiet = past_grace(session, today), untold(session, today)
    members = {todo.userid for todo, _name in late} | set(quiet)
    leaders = leaders_by_member(session, members)
    days = rota(session, {one for several in leaders.values() for one in several}, today, today)
    here = {member: [one for one in several if days.works(one, today)] for member, several in leaders.items()}
    # Whose leaders are all off today waits for their return; whom nobody leads has nobody to wait for.
    late = [(todo, name) for todo, name in late if here.get(todo.userid, True)]
    quiet = [userid for userid in quiet if here.get(userid, True)]
    news: dict[str, News] = defaultdict(News)
    for todo, name in late:
        for leader in here.get(todo.userid, ()):
            news[leader].late.append((todo, name))
    for userid in quiet:
        for leader in here.get(userid, ()):
            news[leader].silent.append(userid)
    for part in chunks([todo.id for todo, _name in late]):
        session.execute(update(Todo).where(col(Todo.id).in_(part)).values(escalated_on=today))
    told(session, quiet)
    names = names_of(session, members)
    for leader, one in news.items():
        text = "\n".join([*late_lines(one, names), *silent_lines(one, names)])
        cause = f"{ESCALATE}:{today}:{leader}"
        say(session, leader, text, cause=cause, now=now, priority=Priority.PUSH, lane=lane_of(leader))
    return len(news)


def past_grace(session: Session, today: date) -> list[tuple[Todo, str]]:
    """Open to-dos whose grace is over and whose leader does not know, with the customers' names."""
    query = (
        select(Todo, col(Customer.name))
        .join(Customer, col(Customer.id) == col(Todo.customer_id))
        .where(col(Todo.state) == OPEN, col(Todo.due_on) < today, col(Todo.due_on) >= today - LOOK_BACK)
        .where(col(Todo.escalated_on).is_(None))
        .order_by(col(Todo.userid), col(Todo.due_on), col(Todo.id))
    )
    rows = session.execute(query).all()
    if not rows:
        return []
    days = rota(session, {todo.userid for todo, _name in rows}, min(todo.due_on for todo, _name in rows), today)
    return [(todo, name) for todo, name in rows if workdays_late(days, todo, today) >= GRACE_WORKDAYS]


def workdays_late(days: Rota, todo: Todo, today: date) -> int:
    """Whole working days its member had after the last day of a to-do."""
    between = range(1, (today - todo.due_on).days)
    return sum(days.works(todo.userid, todo.due_on + timedelta(days=number)) for number in between)


def names_of(session: Session, userids: Iterable[str]) -> dict[str, str]:
    """Names of members."""
    names: dict[str, str] = {}
    for part in chunks(sorted(set(userids))):
        rows = session.execute(select(col(Staff.userid), col(Staff.name)).where(col(Staff.userid).in_(part)))
        names |= {row.userid: row.name for row in rows}
    return names


def late_lines(news: News, names: dict[str, str]) -> list[str]:
    """What is overdue, and what the leader can do."""
    if not news.late:
        return []
    lines = [
        _("· {staff}: {customer} · {title} (due {day})").format(
            staff=names.get(todo.userid, todo.userid), customer=name, title=todo.title, day=f"{todo.due_on:%m-%d}"
        )
        for todo, name in news.late[:LINES]
    ]
    more = len(news.late) - len(lines)
    tail = [_("… and {number} more.").format(number=more)] if more else []
    todo, customer = news.late[0]
    tip = _("You can say: give {customer}'s to-do to …, withdraw {customer}'s to-do, nudge {staff}")
    tail.append(tip.format(customer=customer, staff=names.get(todo.userid, todo.userid)))
    return [_("Overdue in your team: {count}").format(count=len(news.late)), *lines, *tail]


def silent_lines(news: News, names: dict[str, str]) -> list[str]:
    """Who answered no card lately."""
    if not news.silent:
        return []
    people = "、".join(names.get(userid, userid) for userid in news.silent)
    return [_("No answer to {count} morning cards in a row: {names}").format(count=TELL_AFTER, names=people)]


def nudge(session: Session, by: str, userid: str, today: date, now: datetime) -> int | None:
    """Remind a member of her list in her leader's name; answers how much is open, None if she was reminded today."""
    hers = (col(Todo.userid) == userid, col(Todo.state) == OPEN, col(Todo.day) <= today)
    open_ = list(session.scalars(select(Todo).where(*hers).order_by(col(Todo.due_on), col(Todo.id))))
    if not open_:
        return 0
    late = sum(todo.due_on < today for todo in open_)
    leader = names_of(session, [by]).get(by, by)
    text = _("{leader} reminds you: {count} to-dos are open, {late} of them overdue. Say “my todos” for the list.")
    told = text.format(leader=leader, count=len(open_), late=late)
    cause = f"nudge:{today}:{userid}"
    new = say(session, userid, told, cause=cause, now=now, priority=Priority.PUSH, lane=lane_of(userid))
    return len(open_) if new else None
