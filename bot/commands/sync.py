"""`frontline sync`: pull staff, tags, customers and groups, beside a running server or alone."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from sqlmodel import Session, col, select

from bot.app import AlreadyRunning, open_bot
from bot.clock import Clock
from bot.database import Database
from bot.jobs import DEAD, DONE, READY, RUNNING, Job
from bot.settings import Settings
from contacts.sync import LANE, SYNC_CUSTOMERS, ask_to_sync, progress_of

LOOK_SECONDS = 0.2
UNTAKEN_SECONDS = 10.0
"""How long a job may lie there before somebody takes it up."""
STUCK_SECONDS = 90.0
"""How long a pull may fail without getting anywhere."""
AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
"""Due whatever the server's clock says: a demo's may be days behind ours."""
TITLES = {
    "sync_staff": "staff and departments",
    "sync_tags": "tags",
    "sync_customers": "customers",
    "sync_groups": "customer groups",
}


class SyncFailed(Exception):
    """The pull did not succeed; the text says why."""


@dataclass(frozen=True)
class Progressed:
    """How far a job is."""

    kind: str
    state: str
    outcome: str
    attempts: int
    waits: bool
    """An earlier pull is still going on."""
    members: int = 0
    of_members: int = 0
    customers: int = 0


async def sync(settings: Settings, out: Console, *, accept_losses: bool = False) -> str:
    """Pull everything; answers what was found, a line for each kind. Raises `SyncFailed`.

    `accept_losses`: customers no longer listed are gone, however many they are.
    """
    clock = Clock()
    now = clock.now()
    database = Database(settings.database)
    try:
        cause = f"asked:{now.isoformat()}"
        keys = await database.write(
            lambda session: ask_to_sync(session, cause, now, due=AT_ONCE, accept_losses=accept_losses)
        )
        alone = asyncio.create_task(work_alone(settings, clock))
        try:
            return await followed(database, keys, out)
        finally:
            alone.cancel()
            await asyncio.gather(alone, return_exceptions=True)
    finally:
        await database.close()


async def work_alone(settings: Settings, clock: Clock) -> None:
    """Carry out the jobs ourselves, unless a server does; what is due by the clock is left to the server."""
    with suppress(AlreadyRunning):
        async with open_bot(settings, clock) as bot:
            bot.start(ticking=False)
            try:
                await asyncio.Event().wait()
            finally:
                await bot.stop()


async def followed(database: Database, keys: list[str], out: Console) -> str:
    """Wait for the jobs' end, with a bar of members whose customers are pulled."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("staff and departments", total=None)
        patience = Patience()
        while True:
            jobs = await database.read(lambda session: look(session, keys))
            if all(job.state in {DONE, DEAD} for job in jobs):
                return ended(jobs)
            current = next(job for job in jobs if job.state not in {DONE, DEAD})
            show(progress, bar, current)
            patience.look(jobs, current)
            await asyncio.sleep(LOOK_SECONDS)


def look(session: Session, keys: list[str]) -> list[Progressed]:
    """How far each job is, in their order."""
    found = []
    before = select(Job.id).where(Job.lane == LANE, Job.state == RUNNING, col(Job.key).not_in(keys))
    busy = session.exec(before).first() is not None
    for job in session.exec(select(Job).where(col(Job.key).in_(keys)).order_by(col(Job.id))).all():
        far = progress_of(session, job.id or 0) if job.kind == SYNC_CUSTOMERS and job.state != DONE else (0, 0, 0)
        found.append(Progressed(job.kind, job.state, job.error or job.outcome or "", job.attempts, busy, *far))
    return found


def show(progress: Progress, bar: TaskID, job: Progressed) -> None:
    """Move the bar: members done of all; without end where nobody knows it."""
    text = TITLES[job.kind]
    if job.of_members:
        text += f": {job.customers:,} of {job.members} of {job.of_members} staff"
    if job.outcome:
        text += f" (again soon: {job.outcome})"
    progress.update(bar, description=text, completed=job.members, total=job.of_members or None)


def ended(jobs: list[Progressed]) -> str:
    """What was found. Raises `SyncFailed` when a part was given up."""
    dead = [f"{TITLES[job.kind]}: {job.outcome}" for job in jobs if job.state == DEAD]
    if dead:
        raise SyncFailed(f"the pull was given up: {'; '.join(dead)}; frontline doctor tells more")
    return "\n".join(job.outcome for job in jobs)


class Patience:
    """Notices that nothing goes on any more."""

    def __init__(self) -> None:
        self.far: tuple[int, int] = (-1, -1)
        self.since = time.monotonic()

    def look(self, jobs: list[Progressed], current: Progressed) -> None:
        """Raises `SyncFailed` when nobody works on the current job, or it fails again and again."""
        far = (sum(job.state in {DONE, DEAD} for job in jobs), current.customers)
        if far != self.far or current.waits:
            self.far, self.since = far, time.monotonic()
        waited = time.monotonic() - self.since
        if current.state == READY and not current.attempts and waited > UNTAKEN_SECONDS:
            raise SyncFailed(
                f"another process works on this database, but has not taken up the pull for {UNTAKEN_SECONDS:g} s: "
                "it is busy or hangs; look at its log"
            )
        if current.outcome and waited > STUCK_SECONDS:
            raise SyncFailed(
                f"{TITLES[current.kind]}: tried for {STUCK_SECONDS:g} s: {current.outcome}; "
                "the job stays, and a server goes on with it; frontline doctor tells more"
            )
