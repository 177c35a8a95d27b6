"""Rules looking at customers something just happened to: a same-day step is made the same day.

What happens to a customer only notes her; a moment later all who were noted are looked at together, as each morning's
plan looks at everybody.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Column, delete, select
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import BigId
from bot.jobs import Done, Job, NewJob, Priority, enqueue
from contacts.bulk import among
from contacts.layers import recompute
from contacts.offers import take_acts
from sop.advance import advance
from sop.card_refresh import list_changed
from sop.conditions import Day, day_of
from sop.enrol import chunks, enrol
from sop.offers import settle
from sop.outcomes import link
from sop.plan import LOOK_BACK_DAYS, Counts, Versions, choose, end, leave_alone, under_way
from sop.sops import ACTIVE, RUNS, WITHDRAWN, Run, Todo, sound
from sop.triggers import Window

FIRE = "fire"
"""The kind of job that looks at the customers noted."""
FIRE_SECONDS, FIRE_AT_ONCE = 2, 4000
BY_THE_CLOCK = ("date", "silent", "booking_missed")
"""Triggers that fall due by the date alone: nothing that happens to a customer makes them fire."""


class Stirred(SQLModel, table=True):
    """A customer something happened to; the rules look at her next."""

    customer_id: int = Field(sa_column=Column(BigId, primary_key=True, autoincrement=False))


After = Callable[[Session, date, datetime], None]


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


def fire_part(session: Session, versions: Versions, ids: list[int], day: Day, now: datetime) -> Counts:
    """As many customers as one statement takes."""
    take_acts(session, day.ago(LOOK_BACK_DAYS), ids)
    current = (version for sop, version in versions if version.id == sop.version_id)
    stirring = (version for version in current if version.rule.when.kind not in BY_THE_CLOCK)
    counts = Counts(enrol(session, stirring, Window(day, day.today, {}), ids))
    runs = running(session, ids)
    theirs = [(sop, version) for sop, version in versions if version.id in runs]
    if theirs:
        counts.ended = end(session, theirs, day, now, ids)
        counts.todos = advance(session, theirs, day, now, RUNS.c.customer_id.in_(ids)).todos
    leave_alone(session, day, now, ids)
    link(session, ids, now)
    return counts


def running(session: Session, customer_ids: list[int]) -> set[int]:
    """The versions these customers have runs of under way."""
    theirs = (col(Run.customer_id).in_(customer_ids), col(Run.state) == ACTIVE)
    return set(session.scalars(select(col(Run.version_id)).where(*theirs).distinct()))


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
