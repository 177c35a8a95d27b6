"""A job loop under test: what it is given to do, and waiting until it is done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from bot.database import Database
from bot.jobs import (
    Done,
    Job,
    NewJob,
    Runner,
    enqueue,
    insert,
)
from bot.loop import JobLoop
from bot.worker import supervised
from tests.hand_clock import HandClock

Run = Callable[[Job], Awaitable[Done]]
GivenUp = Callable[[Session, Job, str], None]


def new(key: str, clock: HandClock, **given: Any) -> NewJob:
    """A job of kind `test`."""
    return NewJob(**{"key": key, "kind": "test", "created_at": clock.now(), **given})


async def add(database: Database, *jobs: NewJob) -> None:
    """Write jobs in one transaction."""
    await database.write(lambda session: insert(session, jobs))


async def all_jobs(database: Database) -> list[Job]:
    """Every row, in the order they were written."""
    return await database.read(lambda session: list(session.exec(select(Job).order_by(col(Job.id))).all()))


@asynccontextmanager
async def working(
    database: Database, clock: HandClock, run: Run, given_up: GivenUp | None = None, **kinds: Run
) -> AsyncIterator[JobLoop]:
    """A loop that carries out jobs of kind `test`, and of more kinds, as the bot keeps it."""
    runners = {"test": Runner(run, given_up), **{kind: Runner(other) for kind, other in kinds.items()}}
    loop = JobLoop(database, clock, runners)
    task = asyncio.create_task(supervised("jobs", loop.run))
    yield loop
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settled(loop: JobLoop) -> None:
    """Wait until nothing is due or under way."""
    async with asyncio.timeout(30):
        await loop.idle.wait()


async def worked_off(database: Database, clock: HandClock, run: Run, given_up: GivenUp | None = None) -> None:
    """Carry out what is due."""
    async with working(database, clock, run, given_up) as loop:
        await settled(loop)


class Script:
    """A runner that does one thing after the other: raises an error it is given, or ends as told."""

    def __init__(self, *steps: Exception | Done) -> None:
        self.steps = list(steps)
        self.seen: list[Job] = []
        self.runs: asyncio.Queue[Job] = asyncio.Queue()

    async def ran(self, number: int) -> None:
        """Wait for so many more runs."""
        async with asyncio.timeout(30):
            for _ in range(number):
                await self.runs.get()

    async def __call__(self, job: Job) -> Done:
        """The next step."""
        self.seen.append(job)
        self.runs.put_nowait(job)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


async def through(database: Database, clock: HandClock, script: Script) -> Job:
    """Run one job again and again, skipping every pause, until the script is at its end."""
    async with working(database, clock, script) as loop:
        while script.steps:
            await settled(loop)
            clock.forward(60)
            loop.wake()
        await settled(loop)
    [job] = await all_jobs(database)
    return job


def add_now(session: Session, job: NewJob) -> None:
    """Write a job in the transaction at hand."""
    enqueue(session, job)


def run_sql(session: Session, statement: str) -> None:
    """Run a statement in the transaction at hand."""
    session.execute(text(statement))
