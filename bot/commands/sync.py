"""`frontline sync`: pull staff and departments, beside a running server or alone."""

import asyncio
from datetime import datetime

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlmodel import select

from bot.app import AlreadyRunning, open_bot
from bot.clock import Clock
from bot.database import Database
from bot.jobs import DEAD, DONE, Job, NewJob, Priority, enqueue
from bot.settings import Settings
from contacts.staff import SYNC

LOOK_SECONDS = 0.2
WAIT_SECONDS = 600.0


class SyncFailed(Exception):
    """The pull did not succeed; the text says why."""


async def sync(settings: Settings, out: Console) -> str:
    """Pull staff and departments; answers what was found. Raises `SyncFailed`."""
    clock = Clock()
    key = f"{SYNC}:asked:{clock.now().isoformat()}"
    database = Database(settings.database)
    try:
        await database.write(lambda session: enqueue(session, asked(key, clock.now())))
        alone = asyncio.create_task(work_alone(settings, clock))
        try:
            return await followed(database, key, out)
        finally:
            alone.cancel()
            await asyncio.gather(alone, return_exceptions=True)
    finally:
        await database.close()


def asked(key: str, now: datetime) -> NewJob:
    """The job that pulls."""
    return NewJob(key=key, kind=SYNC, lane=SYNC, priority=Priority.SYNC, created_at=now)


async def work_alone(settings: Settings, clock: Clock) -> None:
    """Carry out the jobs ourselves, unless a server does."""
    try:
        async with open_bot(settings, clock) as bot:
            bot.start()
            try:
                await asyncio.Event().wait()
            finally:
                await bot.stop()
    except AlreadyRunning:
        return


async def followed(database: Database, key: str, out: Console) -> str:
    """Wait for the job's end, with a line that shows it is alive."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        progress.add_task("staff and departments", total=None)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await outcome_of(database, key)
        except TimeoutError as error:
            minutes = WAIT_SECONDS / 60
            raise SyncFailed(f"no end after {minutes:g} minutes; the job goes on, see frontline doctor") from error


async def outcome_of(database: Database, key: str) -> str:
    """What the job ended with. Raises `SyncFailed`."""
    while True:
        job = await database.read(lambda session: session.exec(select(Job).where(Job.key == key)).one())
        if job.state == DONE:
            return job.outcome or ""
        if job.state == DEAD:
            raise SyncFailed(f"the pull was given up: {job.error}; frontline doctor tells more")
        await asyncio.sleep(LOOK_SECONDS)
