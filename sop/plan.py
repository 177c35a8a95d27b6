"""The day plan (design §8): once each morning, on demand, and for single customers when something happens to them.

Enrol, exit, advance, choose: each of a handful of statements per rule. Planning twice, or again after a kill, makes the
same to-dos once: runs are unique per occurrence, to-dos per run and step.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Table, and_, bindparam, delete, func, or_, select, update
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import BigId, UtcTime
from bot.jobs import Done, Job, NewJob, Priority, enqueue
from bot.language import speaking
from bot.observability import log
from contacts.calendar import Rota, rota
from contacts.care import may_be_contacted
from contacts.layers import recompute
from contacts.models import Staff
from contacts.offers import take_acts
from contacts.tag_push import Pair
from contacts.tagging import Why
from contacts.tags import RULE
from sop import rules
from sop.acts import put_tags, tag_ids
from sop.advance import advance
from sop.card_refresh import list_changed
from sop.conditions import Day, day_of
from sop.enrol import charge_of, chunks, enrol
from sop.exits import WINDOW_OVER, exit_runs
from sop.offers import settle
from sop.outcomes import link
from sop.overdue import LOOK_BACK
from sop.reminders import remind
from sop.sops import FINISHED, OPEN, WITHDRAWN, Run, Sop, SopVersion, Todo, sound
from sop.triggers import Window, window_of

TODOS: Table = Todo.__table__  # type: ignore[attr-defined]
PLACE = (
    update(TODOS)
    .where(TODOS.c.id == bindparam("which"))
    .values(
        userid=bindparam("new_userid"),
        shown_on=bindparam("new_shown"),
        number=bindparam("new_number"),
        carried=bindparam("new_carried"),
    )
)
PLAN, FIRE = "plan", "fire"
"""Kinds of jobs: the morning's plan; rules looking at customers something just happened to."""
FIRE_SECONDS, FIRE_AT_ONCE = 2, 4000
LOOK_BACK_DAYS = 3
"""A plan finds what happened since the last one; a first plan, and one after a long stop, looks back so far."""
AT_MOST = 15
"""To-dos a member is given on one day; the rest are carried over."""
STALE_DAYS = 3
"""So many days after her leader heard of it (`sop.overdue`) an overdue to-do is withdrawn."""
LOOK_AHEAD_DAYS = 3
"""Work that ends before she is back within so many days goes to the stand-in; the rest waits for her."""
BY_THE_CLOCK = ("date", "silent", "booking_missed")
"""Triggers that fall due by the date alone: nothing that happens to a customer makes them fire."""


class Planned(SQLModel, table=True):
    """A day that was planned."""

    day: date = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcTime)
    enrolled: int = 0
    ended: int = 0
    todos: int = 0


class Stirred(SQLModel, table=True):
    """A customer something happened to; the rules look at her next."""

    customer_id: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))


After = Callable[[Session, date, datetime], None]


@dataclass
class Counts:
    """What a planning did."""

    enrolled: int = 0
    ended: int = 0
    todos: int = 0


def in_force(session: Session) -> list[tuple[Sop, SopVersion]]:
    """Active SOPs with the version in force, the weightiest first."""
    query = select(Sop, SopVersion).join(SopVersion, col(SopVersion.id) == col(Sop.version_id)).where(col(Sop.active))
    rows = session.execute(query.order_by(col(Sop.priority).desc(), col(Sop.id)))
    return [(sop, version) for sop, version in rows]


def running(session: Session, sop: Sop, only: list[int] | None = None) -> list[SopVersion]:
    """The versions of a SOP that still have runs under way (of `only` these customers): each by its own text."""
    waiting = select(col(Run.version_id)).where(col(Run.sop_id) == sop.id, col(Run.state) == "active").distinct()
    if only is not None:
        waiting = waiting.where(col(Run.customer_id).in_(only))
    return list(session.scalars(select(SopVersion).where(col(SopVersion.id).in_(waiting))))


def plan(session: Session, today: date, now: datetime, zone: ZoneInfo) -> Counts:
    """Make the plan of a day."""
    day = day_of(session, today, zone)
    window = window_of(session, day, since_last(session, today))
    take_acts(session, day.start(window.first))
    counts = Counts()
    for sop, version in in_force(session):
        if not sound(session, sop, version):
            continue
        counts.enrolled += enrol(session, version, window)
        for one in running(session, sop):
            if one.id != version.id and not sound(session, sop, one):
                continue
            counts.ended += exit_runs(session, one, today, now)
            mark_windows(session, sop, one, day, now)
            counts.todos += advance(session, sop, one, day=day, now=now)
    counts.todos += remind(session, today)
    tidy(session, day, now)
    settle(session, now)
    choose(session, day)
    done = session.get(Planned, today) or Planned(day=today, at=now)
    done.at, done.enrolled = now, done.enrolled + counts.enrolled
    done.ended, done.todos = done.ended + counts.ended, done.todos + counts.todos
    session.add(done)
    return counts


def since_last(session: Session, today: date) -> date:
    """The first day whose happenings have not been looked at: the last planned day itself, as it was not over then."""
    planned = select(col(Planned.day)).where(col(Planned.day) < today).order_by(col(Planned.day).desc())
    last = session.scalars(planned).first()
    earliest = today - timedelta(days=LOOK_BACK_DAYS)
    return max(last, earliest) if last else earliest


def fire(session: Session, customer_ids: list[int], now: datetime, zone: ZoneInfo) -> Counts:
    """Something happened to these customers: enrol, end and advance them at once; a same-day step is made today."""
    today = now.astimezone(zone).date()
    day = day_of(session, today, zone)
    window = Window(day, today, {})
    take_acts(session, day.ago(LOOK_BACK_DAYS), customer_ids)
    counts = Counts()
    for sop, version in in_force(session):
        if version.rule.when.kind not in BY_THE_CLOCK:
            counts.enrolled += enrol(session, version, window, customer_ids)
        for one in running(session, sop, customer_ids):
            if not sound(session, sop, one):
                continue
            counts.ended += exit_runs(session, one, today, now, customer_ids)
            counts.todos += advance(session, sop, one, day=day, now=now, only=customer_ids)
    leave_alone(session, day, now, customer_ids)
    link(session, customer_ids, now)
    settle(session, now)
    if counts.todos:
        choose(session, day, late=True)
    return counts


def mark_windows(session: Session, sop: Sop, version: SopVersion, day: Day, now: datetime) -> None:
    """Put the rule's mark on customers whose window ended just now without its goal."""
    rule: rules.Rule = version.rule
    if not rule.until.mark:
        return
    over = (col(Run.version_id) == version.id, col(Run.state) == FINISHED, col(Run.reason) == WINDOW_OVER)
    rows = session.execute(select(Run.customer_id, Run.userid).where(*over, col(Run.ended_at) == now)).all()  # type: ignore[call-overload]
    known = tag_ids(session, [rule.until.mark])
    mark = rules.TagAction(kind="tag", add=[rule.until.mark])
    charge = charge_of(session, (row.customer_id for row in rows), day.today)
    for row in rows:
        userid = charge.now(row.userid, row.customer_id)
        if userid:
            why = Why(RULE, now, cause=f"{sop.name} v{version.number}")
            put_tags(session, Pair(row.customer_id, userid), why, known, mark)


def tidy(session: Session, day: Day, now: datetime) -> None:
    """Withdraw to-dos nobody may act on any more, and move those of members who left."""
    leave_alone(session, day, now)
    late = or_(
        col(Todo.escalated_on) < day.today - timedelta(days=STALE_DAYS), col(Todo.due_on) < day.today - LOOK_BACK
    )
    gone = {"state": WITHDRAWN, "closed_at": now}
    open_ = col(Todo.state) == OPEN
    session.execute(update(Todo).where(open_, late).values(**gone, result="overdue for too long"))
    away = select(col(Staff.userid)).where(~col(Staff.active))
    left = session.execute(select(Todo.id, Todo.customer_id).where(open_, col(Todo.userid).in_(away))).all()  # type: ignore[call-overload]
    charge = charge_of(session, (row.customer_id for row in left), day.today)
    for row in left:
        heir = charge.now(None, row.customer_id)
        values = {"userid": heir} if heir else {**gone, "result": "nobody is in charge of her"}
        session.execute(update(Todo).where(col(Todo.id) == row.id).values(**values))


def leave_alone(session: Session, day: Day, now: datetime, only: list[int] | None = None) -> None:
    """Withdraw the to-dos of customers who want peace, or have an open complaint; of `only` these where given."""
    which = [col(Todo.state) == OPEN, ~may_be_contacted(TODOS.c.customer_id, day.today)]
    if only is not None:
        which.append(col(Todo.customer_id).in_(only))
    gone = {"state": WITHDRAWN, "closed_at": now, "result": "do not contact, or a complaint is open"}
    session.execute(update(Todo).where(*which).values(**gone))


def choose(session: Session, day: Day, *, late: bool = False) -> None:
    """Give each member her numbered list of the day: what ends first, then what is worth most; one per customer.

    `late`: keep the numbers given this morning and add behind them.
    """
    open_ = and_(TODOS.c.state == OPEN, TODOS.c.day <= day.today)
    best = func.row_number().over(
        partition_by=TODOS.c.customer_id, order_by=(TODOS.c.priority.desc(), TODOS.c.due_on, TODOS.c.id)
    )
    names = ("id", "userid", "due_on", "value_fen", "shown_on", "number")
    query = select(*(TODOS.c[name] for name in names), best.label("nth")).where(open_)
    order = (TODOS.c.due_on, TODOS.c.value_fen.desc(), TODOS.c.priority.desc(), TODOS.c.id)
    rows = session.execute(query.order_by(*order)).all()
    given: Counter[str] = Counter()
    if late:
        for row in rows:
            if row.shown_on == day.today:
                given[row.userid] = max(given[row.userid], row.number or 0)
        rows = [row for row in rows if row.shown_on != day.today]
    days = rota(session, {row.userid for row in rows}, day.today, day.today + timedelta(days=LOOK_AHEAD_DAYS))
    places = [place(row, day, days, given) for row in rows]
    if places:
        session.connection().execute(PLACE, places)


def place(row: Any, day: Day, days: Rota, given: Counter[str]) -> dict[str, Any]:
    """Where a to-do stands today: its member, its number, or why it is carried over."""
    userid, carried = row.userid, ""
    if not days.works(userid, day.today):
        ahead = (day.today + timedelta(days=one) for one in range(1, LOOK_AHEAD_DAYS + 1))
        back = next((one for one in ahead if days.works(userid, one)), date.max)
        stand_in = days.stand_in(userid, day.today)
        if stand_in and row.due_on < back:
            userid = stand_in
        else:
            carried = "day off"
    if row.nth > 1:
        carried = "another to-do for this customer goes first"
    elif not carried and given[userid] >= AT_MOST:
        carried = f"{AT_MOST} a day; what ends first and is worth most goes first"
    here = {"which": row.id, "new_userid": userid, "new_carried": carried}
    if carried:
        return {**here, "new_shown": None, "new_number": None}
    given[userid] += 1
    return {**here, "new_shown": day.today, "new_number": given[userid]}


def planner(zone: ZoneInfo, clock: Clock, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the morning's plan; to-dos of notes are worded in the company's language."""

    async def run(_: Job) -> Done:
        def then(session: Session) -> None:
            now = clock.now()
            today = now.astimezone(zone).date()
            with speaking(language):
                counts = plan(session, today, now, zone)
            log.info("day planned", day=str(today), enrolled=counts.enrolled, ended=counts.ended, todos=counts.todos)

        return Done("planned", then=then)

    return run


def listener(clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner of domain events: the customer is noted, and looked at together with others a moment later.

    One by one, every rule's statements would run for each of two hundred adds a second.
    """

    async def run(job: Job) -> Done:
        def then(session: Session) -> None:
            session.merge(Stirred(customer_id=int(job.payload["customer_id"])))
            due = datetime.fromtimestamp(int(clock.now().timestamp()) + FIRE_SECONDS, UTC)
            key = f"{FIRE}:{due:%Y%m%dT%H%M%S}"
            enqueue(session, NewJob(key, FIRE, clock.now(), lane=FIRE, priority=Priority.UPDATE, run_at=due))

        return Done("noted", then=then)

    return run


def relieved(session: Session, customer_ids: list[int], today: date, now: datetime) -> list[str]:
    """Members whose list of today just lost a to-do by itself: she came, ordered, wants to be left in peace."""
    closed = (col(Todo.state) == WITHDRAWN, col(Todo.closed_at) == now, col(Todo.shown_on) == today)
    whose = select(col(Todo.userid)).where(*closed, col(Todo.customer_id).in_(customer_ids))
    return sorted(set(session.scalars(whose)))


def firer(zone: ZoneInfo, clock: Clock, after: After) -> Callable[[Job], Awaitable[Done]]:
    """The runner that looks at every customer something happened to; `after` tells members what is new."""

    async def run(job: Job) -> Done:
        def then(session: Session) -> None:
            ids = list(session.scalars(select(col(Stirred.customer_id)).limit(FIRE_AT_ONCE)))
            if not ids:
                return
            now = clock.now()
            today = now.astimezone(zone).date()
            recompute(session, ids, now, job.key)
            for part in chunks(ids):
                if fire(session, part, now, zone).todos:
                    after(session, today, now)
                for userid in relieved(session, part, today, now):
                    list_changed(session, userid, today, now)
                session.execute(delete(Stirred).where(col(Stirred.customer_id).in_(part)))

        return Done("looked at", then=then)

    return run
