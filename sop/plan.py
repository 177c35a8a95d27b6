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

from sqlalchemy import Column, and_, delete, exists, func, or_, select, update
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import BigId, UtcTime
from bot.jobs import Done, Job, NewJob, Priority, enqueue
from bot.language import speaking
from bot.observability import log
from contacts.bulk import among, update_rows
from contacts.calendar import Rota, rota
from contacts.care import may_be_contacted
from contacts.layers import recompute
from contacts.models import Staff
from contacts.offers import take_acts
from contacts.tag_push import Pair
from contacts.tagging import Why
from contacts.tags import RULE
from sop import rules
from sop.acts import put_tags
from sop.advance import advance
from sop.card_refresh import list_changed
from sop.conditions import Day, day_of
from sop.enrol import charge_of, chunks, enrol
from sop.exits import WINDOW_OVER, exit_runs
from sop.offers import settle
from sop.outcomes import link
from sop.overdue import LOOK_BACK
from sop.reminders import remind
from sop.sops import ACTIVE, FINISHED, OPEN, TODOS, WITHDRAWN, Run, Sop, SopVersion, Todo, sound
from sop.triggers import Window, window_of

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


def running(session: Session, customer_ids: list[int]) -> set[int]:
    """The versions these customers have runs of under way."""
    theirs = (col(Run.customer_id).in_(customer_ids), col(Run.state) == ACTIVE)
    return set(session.scalars(select(col(Run.version_id)).where(*theirs).distinct()))


def plan(session: Session, today: date, now: datetime, zone: ZoneInfo) -> Counts:
    """Make the plan of a day."""
    day = day_of(session, today, zone)
    window = window_of(session, day, since_last(session, today))
    take_acts(session, day.start(window.first))
    counts = Counts()
    for sop, version in sound(session, under_way(session), words=True):
        if version.id == sop.version_id:
            counts.enrolled += enrol(session, version, window)
        counts.ended += end(session, sop, version, day, now=now)
        counts.todos += advance(session, sop, version, day=day, now=now)
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
    versions = sound(session, under_way(session))
    counts = Counts()
    for part in chunks(customer_ids):
        made = fire_part(session, versions, part, day, now)
        counts.enrolled, counts.ended = counts.enrolled + made.enrolled, counts.ended + made.ended
        counts.todos += made.todos
    settle(session, now)
    if counts.todos:
        choose(session, day, late=True)
    return counts


def fire_part(
    session: Session, versions: list[tuple[Sop, SopVersion]], ids: list[int], day: Day, now: datetime
) -> Counts:
    """As many customers as one statement takes."""
    counts = Counts()
    take_acts(session, day.ago(LOOK_BACK_DAYS), ids)
    window = Window(day, day.today, {})
    for sop, version in versions:
        if version.id == sop.version_id and version.rule.when.kind not in BY_THE_CLOCK:
            counts.enrolled += enrol(session, version, window, ids)
    theirs = running(session, ids)
    for sop, version in versions:
        if version.id in theirs:
            counts.ended += end(session, sop, version, day, now=now, only=ids)
            counts.todos += advance(session, sop, version, day=day, now=now, only=ids)
    leave_alone(session, day, now, ids)
    link(session, ids, now)
    return counts


def end(
    session: Session, sop: Sop, version: SopVersion, day: Day, *, now: datetime, only: list[int] | None = None
) -> int:
    """End the version's runs that are over; whose window ended without its goal gets the rule's mark."""
    ended = exit_runs(session, version, day.today, now, only)
    if ended and version.rule.until.mark:
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
    whose = select(col(Todo.userid)).where(*closed, among(session, col(Todo.customer_id), customer_ids))
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
            if fire(session, ids, now, zone).todos:
                after(session, today, now)
            for userid in relieved(session, ids, today, now):
                list_changed(session, userid, today, now)
            session.execute(delete(Stirred).where(among(session, col(Stirred.customer_id), ids)))

        return Done("looked at", then=then)

    return run
