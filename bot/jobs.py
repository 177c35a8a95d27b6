"""Jobs: one table is inbox, outbox and schedule; a row is written in the same transaction as its reason.

The row is the truth; `bot.loop` is only who carries it out. A job of kind K is carried out by the runner of K. It
returns `Done`, whose `then` writes the effects in the transaction that marks the job done: so an effect in our database
happens exactly once. For a call to the outside the intent is on the row before it (state running, attempts counted) and
the answer after it; a row found running at start is a call whose answer never came (`unanswered`).
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, cast

from sqlalchemy import (
    JSON,
    Column,
    Index,
    String,
    Table,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    text,
    union_all,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy import select as select_rows
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.selectable import CompoundSelect
from sqlmodel import Field, Session, SQLModel, col

from bot.database import BigId, UtcTime
from bot.statements import Statement, driven
from bot.writer import WAKE

READY, RUNNING, DONE, DEAD = "ready", "running", "done", "dead"
MAYBE = "; an attempt without an answer may have been carried out"


class Priority(IntEnum):
    """What goes first."""

    WELCOME = 0
    QUESTION = 1
    UPDATE = 2
    PUSH = 3
    SYNC = 4


PAYLOAD_DAYS = 7


class Job(SQLModel, table=True):
    """One piece of work. `key` is unique for ever; `lane` orders: one at a time, oldest first."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    key: str = Field(unique=True)
    kind: str
    lane: str | None = None
    payload: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON().with_variant(JSONB(), "postgresql"), nullable=False)
    )
    priority: int = Priority.UPDATE
    run_at: datetime = Field(sa_type=UtcTime)
    deadline: datetime | None = Field(default=None, sa_type=UtcTime)
    attempts: int = 0
    unanswered: bool = False
    """An attempt's answer never came, so its effect may exist."""
    state: str = READY
    outcome: str | None = None
    error: str | None = None
    created_at: datetime = Field(sa_type=UtcTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcTime)

    __table_args__ = (
        Index("ix_job_due", "priority", "run_at", sqlite_where=text("state = 'ready'"),
              postgresql_where=text("state = 'ready'")),
        Index("ix_job_lane", "lane", "id", sqlite_where=text("state IN ('ready', 'running')"),
              postgresql_where=text("state IN ('ready', 'running')")),
        Index("ix_job_running", "id", sqlite_where=text("state = 'running'"),
              postgresql_where=text("state = 'running'")),
        Index("ix_job_dead", "id", sqlite_where=text("state = 'dead'"), postgresql_where=text("state = 'dead'")),
        Index("ix_job_finished", "finished_at", sqlite_where=text("finished_at IS NOT NULL"),
              postgresql_where=text("finished_at IS NOT NULL")),
    )  # fmt: skip


JOBS: Table = Job.__table__  # type: ignore[attr-defined]


class Later(Exception):
    """A runner cannot go on now, through no fault of the job: try again after `seconds`. Not counted as an attempt."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(Exception):
    """A runner says that this job can never succeed."""


class Taken(Exception):
    """Someone else finished or took the job meanwhile; what we did for it is undone."""


Then = Callable[[Session], None]


def nothing(_: Session) -> None:
    """No effects."""


@dataclass(frozen=True)
class Done:
    """A runner's success: one word for the row, and the effects to write together with it."""

    outcome: str = "done"
    then: Then = nothing


@dataclass(frozen=True)
class Runner:
    """How jobs of one kind are carried out, and what is written when one is given up."""

    run: Callable[[Job], Awaitable[Done]]
    given_up: Callable[[Session, Job, str], None] | None = None
    """Called with the dead job and the reason, in the transaction that buries it."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be written. `created_at` is when its reason arose; `run_at` is then too unless it has to wait."""

    key: str
    kind: str
    created_at: datetime
    lane: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.UPDATE
    run_at: datetime | None = None
    deadline: datetime | None = None


INSERT = (
    "INSERT INTO job (key, kind, lane, payload, priority, run_at, deadline, created_at, attempts, unanswered, state) "
    "VALUES {} ON CONFLICT (key) DO NOTHING"
)
SQLITE_ROW = "(?,?,?,?,?,?,?,?,0,0,'ready')"
POSTGRESQL_ROW = "(%s,%s,%s,%s::jsonb,%s,%s,%s,%s,0,false,'ready')"
ROWS_AT_ONCE = 200
to_json = json.JSONEncoder(ensure_ascii=False).encode


def insert(session: Session, jobs: Sequence[NewJob]) -> int:
    """Write jobs whose keys are new, in the session's transaction; answers how many were."""
    connection = session.connection()
    session.info[WAKE] = True
    parts = (jobs[start : start + ROWS_AT_ONCE] for start in range(0, len(jobs), ROWS_AT_ONCE))
    return sum(
        driven(connection, *insertion(part, sqlite=connection.dialect.name == "sqlite")).rowcount for part in parts
    )


def insertion(jobs: Sequence[NewJob], *, sqlite: bool) -> tuple[str, tuple[Any, ...]]:
    """The statement that writes up to `ROWS_AT_ONCE` jobs, and its values, as the driver takes them.

    One statement for many rows: through the ORM a row costs eight times as much, and row by row each would wait for the
    interpreter's lock; every callback is a row.
    """
    statement = INSERT.format(",".join([SQLITE_ROW if sqlite else POSTGRESQL_ROW] * len(jobs)))
    time = stored_time if sqlite else datetime.isoformat
    return statement, tuple(value for job in jobs for value in values_of(job, time))


def values_of(job: NewJob, time: Callable[[datetime], str]) -> tuple[Any, ...]:
    """A job as the values of its row."""
    created_at = time(job.created_at)
    return (
        job.key,
        job.kind,
        job.lane,
        to_json(job.payload),
        int(job.priority),
        time(job.run_at) if job.run_at else created_at,
        time(job.deadline) if job.deadline else None,
        created_at,
    )


def stored_time(at: datetime) -> str:
    """A time as `UtcTime` keeps it on SQLite."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def enqueue(session: Session, job: NewJob) -> bool:
    """Write one job together with its reason; False when its key is already known."""
    return insert(session, [job]) == 1


def in_state(table: Any, *states: str) -> Any:
    """A condition on the state with the states written out: SQLite uses a partial index for a literal only."""
    listed = ", ".join(f"'{state}'" for state in states)
    return (
        table.state.op("IN")(literal_column(f"({listed})"))
        if len(states) > 1
        else table.state == literal_column(listed)
    )


def claim_statement() -> ReturningUpdate[Any]:
    """Take up to :most due jobs of one priority: first in time, and none whose lane has an older one unfinished."""
    older, job = JOBS.alias("older").c, JOBS.c
    blocked = exists().where(older.lane == job.lane, older.id < job.id, in_state(older, READY, RUNNING))
    due = (
        select_rows(job.id)
        .where(in_state(job, READY), job.priority == bindparam("level"), job.run_at <= bindparam("now"), ~blocked)
        .order_by(job.run_at, job.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        # A plain subquery PostgreSQL may run once per row: that would take more than :most, slowly.
        .cte("due")
    )
    taken = update(JOBS).where(job.id.in_(select_rows(due.c.id)), in_state(job, READY))
    return taken.values(state=RUNNING, attempts=job.attempts + 1).returning(JOBS)


# Statements of the hot path are made once: building one costs several times what SQLite needs to run it.
CLAIM = claim_statement()
MARK = Statement(
    update(JOBS)
    .where(JOBS.c.id == bindparam("held"), JOBS.c.state == RUNNING, JOBS.c.attempts == bindparam("taken"))
    .values({name: bindparam(name) for name in ("state", "outcome", "error", "run_at", "finished_at", "attempts")})
    .values(unanswered=bindparam("unanswered"))
)


def claim(session: Session, now: datetime, priority: Priority, limit: int) -> list[Job]:
    """Take up to `limit` due jobs of one priority, oldest first."""
    taken = session.connection().execute(CLAIM, {"now": now, "level": int(priority), "most": limit})
    # Rows have a job's attributes and cost a fifth of an object to make.
    return sorted(cast("list[Job]", taken.all()), key=lambda job: (job.run_at, job.id))


def mark(session: Session, job: Job, **values: Any) -> None:
    """Move a job we hold to its next state. Raises `Taken` if we no longer hold it."""
    row = {
        "held": job.id,
        "taken": job.attempts,
        "outcome": job.outcome,
        "run_at": job.run_at,
        "finished_at": job.finished_at,
        "attempts": job.attempts,
        "unanswered": job.unanswered,
    }
    if MARK.run(session.connection(), row | values).rowcount != 1:
        raise Taken


def recover(session: Session) -> int:
    """After a restart: whatever was under way is ready again, its answer unknown. Only for a single loop."""
    running = update(JOBS).where(in_state(JOBS.c, RUNNING))
    return session.connection().execute(running.values(state=READY, unanswered=True, error="interrupted")).rowcount


def retry_dead(session: Session, ids: list[int], now: datetime) -> int:
    """Give dead jobs another life, by hand."""
    dead = update(JOBS).where(JOBS.c.id.in_(ids), in_state(JOBS.c, DEAD))
    fresh = {"state": READY, "run_at": now, "deadline": None, "attempts": 0, "finished_at": None, "outcome": None}
    session.info[WAKE] = True
    return session.connection().execute(dead.values(fresh)).rowcount


def forget_payloads(session: Session, now: datetime) -> int:
    """Empty what jobs carried a week after they were done; key and outcome stay."""
    old = and_(col(Job.state) == DONE, col(Job.finished_at) < now - timedelta(days=PAYLOAD_DAYS))
    emptied = session.execute(update(Job).where(old, sql_cast(Job.payload, String) != "{}").values(payload={}))
    return int(emptied.rowcount)  # type: ignore[attr-defined]


COUNTS: CompoundSelect[Any] = union_all(
    *(
        select_rows(literal_column(f"'{state}'"), func.count()).select_from(JOBS).where(in_state(JOBS.c, state))
        for state in (READY, RUNNING, DEAD)
    )
)
NEXT_DUE: CompoundSelect[Any] = union_all(
    *(
        select_rows(literal_column(str(int(priority))), func.min(JOBS.c.run_at, type_=UtcTime())).where(
            in_state(JOBS.c, READY), JOBS.c.priority == literal_column(str(int(priority)))
        )
        for priority in Priority
    )
)


def counts(session: Session) -> dict[str, int]:
    """How many jobs wait, run and are dead."""
    return {str(state): int(number) for state, number in session.connection().execute(COUNTS)}


def next_due(session: Session) -> dict[Priority, datetime]:
    """When the earliest ready job of each priority is due; priorities without one are left out."""
    return {Priority(priority): at for priority, at in session.connection().execute(NEXT_DUE) if at}
