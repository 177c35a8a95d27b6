"""Jobs: one table is inbox, outbox and schedule; a row is written in the same transaction as its reason.

The row is the truth; `bot.loop` is only who carries it out. A job of kind K is carried out by the runner of K. It
returns `Done`, whose `then` writes the effects in the transaction that marks the job done: so an effect in our database
happens exactly once. For a call to the outside the intent is on the row before it (state running, attempts counted) and
the answer after it; a row found running at start is a call whose answer never came (`unanswered`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import JSON, Column, Index, String, and_, cast, exists, func, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import aliased
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.database import WAKE, BigId, UtcTime

READY, RUNNING, DONE, DEAD = "ready", "running", "done", "dead"


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
        Index("ix_job_finished", "finished_at"),
    )  # fmt: skip


class Later(Exception):
    """A runner cannot go on now, through no fault of the job: try again after `seconds`. Not counted as an attempt."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Refused(Exception):
    """A runner says that this job can never succeed."""


class Taken(Exception):
    """Someone else finished or took the job meanwhile; what we did for it is undone."""


Then = Callable[[AsyncSession], Awaitable[None]]


async def nothing(_: AsyncSession) -> None:
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
    given_up: Callable[[AsyncSession, Job, str], Awaitable[None]] | None = None
    """Called with the dead job and the reason, in the transaction that buries it."""


def row(job: Job) -> dict[str, Any]:
    """A job as the values of its row."""
    return job.model_dump(exclude={"id"})


async def insert(session: AsyncSession, jobs: list[Job]) -> int:
    """Write jobs whose keys are new, in one statement; answers how many were."""
    if not jobs:
        return 0
    connection = await session.connection()
    make = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = make(Job).on_conflict_do_nothing(index_elements=["key"])
    inserted = await connection.execute(statement, [row(job) for job in jobs])
    session.info[WAKE] = True
    return inserted.rowcount


async def enqueue(session: AsyncSession, job: Job) -> bool:
    """Write one job together with its reason; False when its key is already known."""
    return await insert(session, [job]) == 1


async def claim(session: AsyncSession, now: datetime, priority: Priority, limit: int) -> list[Job]:
    """Take up to `limit` due jobs of one priority: first in time, and none whose lane has an older one unfinished."""
    older = aliased(Job)
    blocked = exists().where(
        col(older.lane) == col(Job.lane), col(older.id) < col(Job.id), col(older.state).in_((READY, RUNNING))
    )
    due = (
        select(Job.id)
        .where(Job.state == READY, Job.priority == priority, Job.run_at <= now, ~blocked)
        .order_by(col(Job.run_at), col(Job.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = (
        update(Job)
        .where(col(Job.id).in_(due), col(Job.state) == READY)
        .values(state=RUNNING, attempts=Job.attempts + 1)
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    jobs = (await session.execute(taken)).scalars().all()
    return sorted(jobs, key=lambda job: (job.run_at, job.id))


async def mark(session: AsyncSession, job: Job, **values: Any) -> None:
    """Move a job we hold to its next state. Raises `Taken` if we no longer hold it."""
    held = and_(col(Job.id) == job.id, col(Job.state) == RUNNING, col(Job.attempts) == job.attempts)
    changed = await session.execute(
        update(Job).where(held).values(**values).execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Taken


async def recover(session: AsyncSession) -> int:
    """After a restart: whatever was under way is ready again, its answer unknown. Only for a single loop."""
    recovered = await session.execute(
        update(Job).where(col(Job.state) == RUNNING).values(state=READY, unanswered=True, error="interrupted")
    )
    return int(recovered.rowcount)  # type: ignore[attr-defined]


async def retry_dead(session: AsyncSession, ids: list[int], now: datetime) -> int:
    """Give dead jobs another life, by hand."""
    revived = await session.execute(
        update(Job)
        .where(col(Job.id).in_(ids), col(Job.state) == DEAD)
        .values(state=READY, run_at=now, deadline=None, attempts=0, finished_at=None, outcome=None)
    )
    session.info[WAKE] = True
    return int(revived.rowcount)  # type: ignore[attr-defined]


async def forget_payloads(session: AsyncSession, now: datetime) -> int:
    """Empty what jobs carried a week after they were done; key and outcome stay."""
    old = and_(col(Job.state) == DONE, col(Job.finished_at) < now - timedelta(days=PAYLOAD_DAYS))
    emptied = await session.execute(update(Job).where(old, cast(Job.payload, String) != "{}").values(payload={}))
    return int(emptied.rowcount)  # type: ignore[attr-defined]


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many jobs wait, run and are dead."""
    found = {}
    for state in (READY, RUNNING, DEAD):
        found[state] = (await session.exec(select(func.count()).select_from(Job).where(Job.state == state))).one()
    return found


async def next_due(session: AsyncSession) -> datetime | None:
    """When the earliest ready job is due; None when there is none."""
    earliest = [
        (await session.exec(select(func.min(Job.run_at)).where(Job.state == READY, Job.priority == priority))).one()
        for priority in Priority
    ]
    return min((at for at in earliest if at), default=None)
