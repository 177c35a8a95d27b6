"""The day plan (design §8): once each morning and on demand.

Enrol, exit, advance, choose, each for all rules together; `sop.fire` does the same for single customers. Planning
twice, or again after a kill, makes the same to-dos once: runs are unique per occurrence, to-dos per run and step.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import and_, exists, func, or_, select, update
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import Database, UtcTime
from bot.jobs import Done, Job
from bot.language import speaking
from bot.observability import log
from contacts.bulk import update_rows
from contacts.calendar import Rota, rota
from contacts.care import may_be_contacted
from contacts.models import Staff
from contacts.offers import take_acts
from contacts.tag_push import Pair
from contacts.tagging import Why
from contacts.tags import RULE
from sop import rules
from sop.acts import put_tags
from sop.advance import Advanced, advance
from sop.conditions import Day, day_of
from sop.enrol import charge_of, enrol
from sop.exits import WINDOW_OVER, exit_runs
from sop.offers import settle
from sop.overdue import LOOK_BACK
from sop.reminders import remind
from sop.sops import ACTIVE, FINISHED, IS_OPEN, RUNS, TODOS, WITHDRAWN, Run, Sop, SopVersion, Todo, sound
from sop.triggers import window_of

T = TypeVar("T")
PLAN = "plan"
"""The kind of job that makes the morning's plan."""
MOVED_AT_ONCE = 1000
"""Runs that one transaction of the plan moves."""
LOOK_BACK_DAYS = 3
"""A plan finds what happened since the last one; a first plan, and one after a long stop, looks back so far."""
AT_MOST = 15
"""To-dos a member is given on one day; the rest are carried over."""
STALE_DAYS = 3
"""So many days after her leader heard of it (`sop.overdue`) an overdue to-do is withdrawn."""
LOOK_AHEAD_DAYS = 3
"""Work that ends before she is back within so many days goes to the stand-in; the rest waits for her."""


class Planned(SQLModel, table=True):
    """A day that was planned."""

    day: date = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcTime)
    enrolled: int = 0
    ended: int = 0
    todos: int = 0


Versions = Sequence[tuple[Sop, SopVersion]]


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


def under_way(session: Session) -> list[tuple[Sop, SopVersion]]:
    """The versions of active SOPs that are in force or still have runs: a run goes on by the text it began with.

    The weightiest SOP's first, and of each the one in force.
    """
    runs = exists().where(col(Run.version_id) == col(SopVersion.id), col(Run.state) == ACTIVE)
    in_force = col(SopVersion.id) == col(Sop.version_id)
    query = select(Sop, SopVersion).join(SopVersion, col(SopVersion.sop_id) == col(Sop.id))
    order = (col(Sop.priority).desc(), col(Sop.id), ~in_force, col(SopVersion.id))
    rows = session.execute(query.where(col(Sop.active), or_(in_force, runs)).order_by(*order))
    return [(sop, version) for sop, version in rows]


def plan(session: Session, today: date, now: datetime, zone: ZoneInfo) -> Counts:
    """Make the plan of a day, all of it in the session's transaction."""
    counts = begin(session, today, now, zone)
    part = move(session, today, now, zone)
    while part.last:
        counts.todos += part.todos
        part = move(session, today, now, zone, part.last)
    finish(session, today, now, zone, counts)
    return counts


def begin(session: Session, today: date, now: datetime, zone: ZoneInfo) -> Counts:
    """Enrol whom the rules find, and end what is over."""
    day = day_of(session, today, zone)
    window = window_of(session, day, since_last(session, today))
    take_acts(session, day.start(window.first))
    versions = sound(session, under_way(session), words=True)
    enrolled = enrol(session, (version for sop, version in versions if version.id == sop.version_id), window)
    return Counts(enrolled, end(session, versions, day, now))


def move(session: Session, today: date, now: datetime, zone: ZoneInfo, after: int = 0) -> Advanced:
    """Carry out what is due of some runs, those behind the run `after`."""
    versions = sound(session, under_way(session))
    return advance(session, versions, day_of(session, today, zone), now, RUNS.c.id > after, at_most=MOVED_AT_ONCE)


def finish(session: Session, today: date, now: datetime, zone: ZoneInfo, counts: Counts) -> None:
    """Add the to-dos of notes, drop what nobody may do any more, and give each member her list."""
    day = day_of(session, today, zone)
    counts.todos += remind(session, today)
    tidy(session, day, now)
    settle(session, now)
    choose(session, day)
    done = session.get(Planned, today) or Planned(day=today, at=now)
    done.at, done.enrolled = now, done.enrolled + counts.enrolled
    done.ended, done.todos = done.ended + counts.ended, done.todos + counts.todos
    session.add(done)


def since_last(session: Session, today: date) -> date:
    """The first day whose happenings have not been looked at: the last planned day itself, as it was not over then."""
    planned = select(col(Planned.day)).where(col(Planned.day) < today).order_by(col(Planned.day).desc())
    last = session.scalars(planned).first()
    earliest = today - timedelta(days=LOOK_BACK_DAYS)
    return max(last, earliest) if last else earliest


def end(session: Session, versions: Versions, day: Day, now: datetime, only: list[int] | None = None) -> int:
    """End the versions' runs that are over; whose window ended without its goal gets the rule's mark."""
    ended = exit_runs(session, [version for _, version in versions], day.today, now, only)
    if ended:
        for sop, version in versions:
            if version.rule.until.mark:
                mark_windows(session, sop, version, day, now)
    return ended


def mark_windows(session: Session, sop: Sop, version: SopVersion, day: Day, now: datetime) -> None:
    """Put the rule's mark on customers whose window ended just now."""
    over = (col(Run.version_id) == version.id, col(Run.state) == FINISHED, col(Run.reason) == WINDOW_OVER)
    rows = session.execute(select(Run.customer_id, Run.userid).where(*over, col(Run.ended_at) == now)).all()  # type: ignore[call-overload]
    charge = charge_of(session, (row.customer_id for row in rows), day.today, (row.userid for row in rows))
    owners = [(row.customer_id, charge.now(row.userid, row.customer_id)) for row in rows]
    pairs = [Pair(customer_id, userid) for customer_id, userid in owners if userid]
    why = Why(RULE, now, cause=f"{sop.name} v{version.number}")
    put_tags(session, pairs, why, rules.TagAction(kind="tag", add=[version.rule.until.mark]))


def tidy(session: Session, day: Day, now: datetime) -> None:
    """Withdraw to-dos nobody may act on any more, and move those of members who left."""
    leave_alone(session, day, now)
    late = or_(
        col(Todo.escalated_on) < day.today - timedelta(days=STALE_DAYS), col(Todo.due_on) < day.today - LOOK_BACK
    )
    gone = {"state": WITHDRAWN, "closed_at": now}
    session.execute(update(Todo).where(IS_OPEN, late).values(**gone, result="overdue for too long"))
    away = select(col(Staff.userid)).where(~col(Staff.active))
    left = session.execute(select(Todo.id, Todo.customer_id).where(IS_OPEN, col(Todo.userid).in_(away))).all()  # type: ignore[call-overload]
    charge = charge_of(session, (row.customer_id for row in left), day.today)
    for row in left:
        heir = charge.now(None, row.customer_id)
        values = {"userid": heir} if heir else {**gone, "result": "nobody is in charge of her"}
        session.execute(update(Todo).where(col(Todo.id) == row.id).values(**values))


def leave_alone(session: Session, day: Day, now: datetime, only: list[int] | None = None) -> None:
    """Withdraw the to-dos of customers who want peace, or have an open complaint; of `only` these where given."""
    which = [IS_OPEN, ~may_be_contacted(TODOS.c.customer_id, day.today)]
    if only is not None:
        which.append(col(Todo.customer_id).in_(only))
    gone = {"state": WITHDRAWN, "closed_at": now, "result": "do not contact, or a complaint is open"}
    session.execute(update(Todo).where(*which).values(**gone))


def choose(session: Session, day: Day, *, late: bool = False) -> None:
    """Give each member her numbered list of the day: what ends first, then what is worth most; one per customer.

    `late`: keep the numbers given this morning and add behind them.
    """
    open_ = and_(IS_OPEN, TODOS.c.day <= day.today)
    best = func.row_number().over(
        partition_by=TODOS.c.customer_id, order_by=(TODOS.c.priority.desc(), TODOS.c.due_on, TODOS.c.id)
    )
    names = ("id", "userid", "due_on", "value_fen", "shown_on", "number", "carried")
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
    places = ((row, place(row, day, days, given)) for row in rows)
    update_rows(session, TODOS, [new for row, new in places if any(getattr(row, name) != new[name] for name in new)])


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
    here = {"id": row.id, "userid": userid, "carried": carried}
    if carried:
        return {**here, "shown_on": None, "number": None}
    given[userid] += 1
    return {**here, "shown_on": day.today, "number": given[userid]}


def planner(database: Database, zone: ZoneInfo, clock: Clock, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the morning's plan; to-dos of notes are worded in the company's language.

    It writes in several transactions, so that a welcome need not wait for all of it: killed between two, it begins
    again and finds what is left.
    """

    async def run(_: Job) -> Done:
        now = clock.now()
        today = now.astimezone(zone).date()

        def part(session: Session, work: Callable[..., T], **more: Any) -> T:
            with speaking(language):
                return work(session, today, now, zone, **more)

        counts = await database.write(lambda session: part(session, begin))
        moved = await database.write(lambda session: part(session, move))
        while moved.last:
            counts.todos += moved.todos
            moved = await database.write(partial(part, work=move, after=moved.last))

        def then(session: Session) -> None:
            part(session, finish, counts=counts)
            log.info("day planned", day=str(today), enrolled=counts.enrolled, ended=counts.ended, todos=counts.todos)

        return Done("planned", then=then)

    return run
