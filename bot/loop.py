"""The job loop, embedded form: one loop in one process carries out what is due, woken at once by whoever commits work.

`carry_out(job)` is the seam for the scaled form: whoever claimed a row, however it was woken, goes on from there.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from bot.clock import Clock
from bot.database import Database
from bot.jobs import (
    DEAD,
    DONE,
    MAYBE,
    READY,
    Done,
    Job,
    Later,
    Priority,
    Refused,
    Runner,
    Taken,
    claim,
    mark,
    next_due,
    recover,
)
from bot.observability import JOBS, log
from bot.wecom.errors import (
    Busy,
    IpNotTrusted,
    RateLimited,
    TokenExpired,
    TooManyAtOnce,
    WeComError,
    WeComUnreachable,
)

SLOTS = 400
"""Jobs under way at once: most of them wait for WeCom, whose own limits are kept in the gateway."""
RESERVED = {Priority.WELCOME: 0, Priority.QUESTION: 100, Priority.UPDATE: 200, Priority.PUSH: 250, Priority.SYNC: 300}
"""Slots a priority leaves free for those before it, so that a slow API cannot hold up a welcome."""
FLOCK = 10
"""Welcomes under way from which on everything after questions holds back: a campaign brings 200 adds a second, and
each leaves more to do than its welcome …"""
BESIDE, BESIDE_SECONDS = 20, 1.0
"""… but for so many jobs every so many seconds, so that it never stands still."""
LOOK_EVERY = 1.0
"""Seconds between looks for rows that another process wrote."""
SHORTEST = 0.5
"""Seconds before a deadline in which another attempt is not worth making."""
AMBIGUOUS = -1
MAX_BUGS = 5
"""Attempts of a job that fails for a reason we do not understand."""
MAX_ATTEMPTS = 1500
"""Attempts of a job the platform keeps putting off, a minute apart: about a day."""


def pause(error: Exception, attempts: int) -> float | None:
    """Seconds before the next attempt, by kind of error; None: there will be none."""
    if attempts >= MAX_ATTEMPTS:
        return None
    if isinstance(error, RateLimited | IpNotTrusted):
        return 60.0  # the shortest window of the platform; a changed address list takes a minute too
    growing = min(60.0, 2.0 ** min(attempts - 1, 6)) * random.uniform(0.7, 1.0)  # noqa: S311 - spreads repeats
    if isinstance(error, TooManyAtOnce):
        return min(growing, 2.0)
    if isinstance(error, WeComUnreachable | Busy | TokenExpired | DBAPIError):
        return growing
    if isinstance(error, WeComError | Refused):
        return None
    return growing if attempts < MAX_BUGS else None


def may_have_worked(error: Exception) -> bool:
    """Whether the call may have been carried out all the same: no answer, or -1 (wecom-api §4.1)."""
    if isinstance(error, Busy):
        return error.errcode == AMBIGUOUS
    return isinstance(error, WeComUnreachable) and error.sent


class JobLoop:
    """Claims due jobs and carries them out, `SLOTS` at a time, until cancelled."""

    def __init__(self, database: Database, clock: Clock, runners: Mapping[str, Runner]) -> None:
        self.database = database
        self.clock = clock
        self.runners = runners
        self.running: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        """Set while nothing is due or under way."""
        self.next_due: datetime | None = None
        self.welcomes = 0
        """Jobs of the welcome's priority under way."""
        self.beside_at = -BESIDE_SECONDS
        """When jobs after the questions were last taken up."""
        self._wake = asyncio.Event()
        database.on_work = self.wake

    def wake(self) -> None:
        """Look for due jobs now."""
        self.idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Take up what an earlier process left, then work until cancelled; running jobs end with us."""
        recovered = await self.database.write(recover)
        if recovered:
            log.info("jobs recovered", jobs=recovered)
        try:
            while True:
                # A job's end and what it left to do wake us within the same turn of the event loop: look once for both.
                await asyncio.sleep(0)
                self._wake.clear()
                if not await self.fill():
                    await self.wait()
        finally:
            for task in self.running:
                task.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)

    async def fill(self) -> bool:
        """Claim what is due into the free slots and start it; False when there was nothing to start."""
        free = SLOTS - len(self.running)
        jobs, self.next_due = await self.database.write(lambda session: self.take(session, free))
        if jobs:
            self.idle.clear()
        for job in jobs:
            task = asyncio.create_task(self.carry_out(job), name=f"job {job.id}")
            self.running.add(task)
            self.welcomes += job.priority == Priority.WELCOME
            task.add_done_callback(partial(self.ended, job))
        return bool(jobs)

    def ended(self, job: Job, task: asyncio.Task[None]) -> None:
        """A slot is free, and the lane of its job too."""
        self.running.discard(task)
        self.welcomes -= job.priority == Priority.WELCOME
        self.wake()

    def take(self, session: Session, free: int) -> tuple[list[Job], datetime | None]:
        """Claim up to `free` due jobs, the first priorities first; and when the earliest of all is due."""
        jobs: list[Job] = []
        now, due = self.clock.now(), next_due(session)
        beside = self.room_beside()
        for priority in sorted(due):
            later = priority > Priority.QUESTION
            room = free - len(jobs) - RESERVED[priority]
            if later:
                room = min(room, beside)
            if room > 0 and due[priority] <= now:
                taken = claim(session, now, priority, room)
                jobs += taken
                if later and taken:
                    beside -= len(taken)
                    self.beside_at = time.monotonic()
        return jobs, min(due.values(), default=None)

    def room_beside(self) -> int:
        """How many jobs after the questions may be taken up now."""
        if self.welcomes < FLOCK:
            return SLOTS
        return BESIDE if time.monotonic() - self.beside_at >= BESIDE_SECONDS else 0

    async def wait(self) -> None:
        """Sleep until woken, until the next job is due, or for a second."""
        seconds = LOOK_EVERY
        if self.next_due:
            # A due row we could not take waits for its lane or for a slot; both wake us.
            left = (self.next_due - self.clock.now()).total_seconds()
            seconds = min(left, LOOK_EVERY) if left > 0 else LOOK_EVERY
        # With nothing under way, a due row that was not taken waits in its lane behind one that is due later.
        if not self._wake.is_set() and not self.running:
            self.idle.set()
        # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the wake.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def carry_out(self, job: Job) -> None:
        """Carry out one claimed job and write down what became of it."""
        structlog.contextvars.bind_contextvars(job=job.id, kind=job.kind)
        ran = False
        try:
            if job.deadline and self.clock.now() >= job.deadline:
                raise Refused(f"late: {job.error}" if job.error else "late")
            runner = self.runners.get(job.kind)
            if runner is None:
                raise Refused(f"no runner for {job.kind}")
            done = await runner.run(job)
            ran = True
            await self.database.write(lambda session: finish(session, job, done, self.clock.now()))
            JOBS.labels(job.kind, "done").inc()
        except Taken:
            log.warning("job taken by another loop")
        except Later as later:
            await self.again(job, later.seconds, str(later), attempts=job.attempts - 1)
        except Exception as error:  # noqa: BLE001 - the one place where whatever a job raises becomes its outcome
            await self.failed(job, error, ran=ran)

    async def failed(self, job: Job, error: Exception, *, ran: bool) -> None:
        """Try again after a pause, or bury the job with its reason. `ran`: only its end could not be written."""
        known = isinstance(error, WeComError | WeComUnreachable | Refused | DBAPIError)
        reason = str(error) if known and not isinstance(error, DBAPIError) else type(error).__name__
        if not known:
            log.error("job failed", error=reason, exc_info=error)
        unanswered = job.unanswered or ran or may_have_worked(error)
        seconds = pause(error, job.attempts)
        left = (job.deadline - self.clock.now()).total_seconds() if job.deadline else None
        if seconds is not None and left is not None and left <= seconds:
            if left <= SHORTEST:
                seconds, reason = None, f"late: {reason}"
            else:
                seconds = left / 2  # one more try rather than given up with time left
        if seconds is None:
            await self.bury(job, reason + MAYBE if unanswered else reason)
        else:
            await self.again(job, seconds, reason, unanswered=unanswered)

    async def again(self, job: Job, seconds: float, reason: str, **values: Any) -> None:
        """Put a job back, due in `seconds`; at its deadline at the latest, to be buried without delay."""
        JOBS.labels(job.kind, "retry").inc()
        at = self.clock.now() + timedelta(seconds=seconds)
        at = min(at, job.deadline) if job.deadline else at
        await self.write(lambda session: mark(session, job, state=READY, run_at=at, error=reason[:500], **values))

    async def bury(self, job: Job, reason: str) -> None:
        """Give a job up: it stays visible as dead, and its kind may write down what that means."""

        def work(session: Session) -> None:
            mark(session, job, state=DEAD, error=reason[:500], finished_at=self.clock.now(), outcome="given up")
            runner = self.runners.get(job.kind)
            if runner and runner.given_up:
                runner.given_up(session, job, reason)

        JOBS.labels(job.kind, "dead").inc()
        log.warning("job dead", reason=reason[:200])
        await self.write(work)

    async def write(self, work: Callable[[Session], None]) -> None:
        """Write a job's fate; while the database refuses, keep trying: the row says running until then."""
        while True:
            try:
                await self.database.write(work)
                return
            except Taken:
                return
            except DBAPIError:
                await asyncio.sleep(LOOK_EVERY)


def finish(session: Session, job: Job, done: Done, now: datetime) -> None:
    """Write one job's effects and its end. Raises `Taken` if we no longer hold it."""
    done.then(session)
    mark(session, job, state=DONE, outcome=done.outcome, error=None, finished_at=now)
