"""The truth from the platform: every customer of every member, so that what callbacks missed is found and put right.

One job pulls. Each page is stored in a short transaction of its own together with where to go on (`SyncCursor`), so
that a job taken up again after a kill goes on there, and that welcomes overtake it. Memory holds a few pages.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlmodel import Session, col, delete, select

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, insert
from bot.observability import log
from bot.wecom.errors import WeComError
from bot.wecom.results import CustomerPage
from contacts.cursors import AT_ONCE, advance, summary, together
from contacts.facts import SyncCursor
from contacts.group_sync import SYNC_GROUPS
from contacts.missing_ties import Finish, end_missing, held_back
from contacts.models import Staff
from contacts.pages import store_page
from contacts.staff import SYNC as SYNC_STAFF
from contacts.tag_push import SYNC_TAGS

T = TypeVar("T")
SYNC_CUSTOMERS = "sync_customers"
KINDS = (SYNC_STAFF, SYNC_TAGS, SYNC_CUSTOMERS, SYNC_GROUPS)
"""What a whole sync consists of, in this order: each needs what those before it brought."""
LANE = "sync"
MOST_MEMBERS = 100
"""Of one call."""
PARTS = 4 * AT_ONCE
"""At least so many where there are as many members, so that all places are busy to the end."""
NOT_SERVED = {40003, 60011, 60111, 84061, 84074, 701008}
"""A member left, is out of scope, has no 客户联系, no customers or no licence."""
BAD_CURSOR = 50100
LISTED, FINISHED = "listed", "done"
"""States of a part: all its pages are stored; and the ties that were on none of them are ended."""


def ask_to_sync(
    session: Session,
    cause: str,
    now: datetime,
    *,
    due: datetime | None = None,
    kinds: Sequence[str] = KINDS,
    accept_losses: bool = False,
) -> list[str]:
    """Write the jobs of a whole sync, or of some of its kinds; answers their keys.

    `accept_losses`: whoever the platform does not list is gone, however many they are.
    """
    payload = {"accept_losses": accept_losses}
    keys = [f"{kind}:{cause}" for kind in kinds]
    insert(
        session,
        [
            NewJob(key, kind, now, LANE, payload, Priority.SYNC, run_at=due)
            for key, kind in zip(keys, kinds, strict=True)
        ],
    )
    return keys


def parts_of(session: Session, job_id: int) -> list[SyncCursor]:
    """How far each part of a job's pull is."""
    prefix = f"{SYNC_CUSTOMERS}:{job_id}:"
    mine = select(SyncCursor).where(col(SyncCursor.name).startswith(prefix, autoescape=True))
    return list(session.exec(mine.order_by(col(SyncCursor.name))).all())


def progress_of(session: Session, job_id: int) -> tuple[int, int, int]:
    """How far a job's pull is: members whose customers are stored, of how many, and how many ties so far."""
    parts = parts_of(session, job_id)
    stored = sum(len(part.userids) for part in parts if part.state)
    return stored, sum(len(part.userids) for part in parts), sum(part.done for part in parts)


def plan(session: Session, job_id: int, now: datetime) -> list[SyncCursor]:
    """The parts of a job's pull: those it began with, where it was begun, else all members in batches."""
    if parts := parts_of(session, job_id):
        return parts
    session.exec(delete(SyncCursor).where(col(SyncCursor.name).startswith(f"{SYNC_CUSTOMERS}:", autoescape=True)))
    serving = select(Staff.userid).where(col(Staff.active), col(Staff.customer_contact)).order_by(Staff.userid)
    userids = list(session.exec(serving).all())
    size = min(MOST_MEMBERS, -(-len(userids) // PARTS)) or 1
    batches = [userids[start : start + size] for start in range(0, len(userids), size)]
    parts = [
        SyncCursor(name=f"{SYNC_CUSTOMERS}:{job_id}:{number:04d}", userids=batch, began_at=now)
        for number, batch in enumerate(batches)
    ]
    session.add_all(parts)
    return parts


def halves(session: Session, part: SyncCursor) -> list[SyncCursor]:
    """A part in two, each from its beginning: one of its members is not served, and this finds out who."""
    middle = len(part.userids) // 2
    found = [
        SyncCursor(name=f"{part.name}{half}", userids=userids, began_at=part.began_at, found=counts)
        for half, userids, counts in (("a", part.userids[:middle], part.found), ("b", part.userids[middle:], {}))
    ]
    session.exec(delete(SyncCursor).where(col(SyncCursor.name) == part.name))
    session.add_all(found)
    return found


def store(session: Session, part: SyncCursor, page: CustomerPage, asked_at: datetime, now: datetime) -> SyncCursor:
    """Store a page and where its part goes on."""
    found = store_page(session, page.listed, asked_at, now)
    state = "" if page.next_cursor else LISTED
    return advance(session, part.name, found, len(page.listed), cursor=page.next_cursor, state=state)


def finish(session: Session, part: SyncCursor, now: datetime, *, accept_losses: bool) -> None:
    """End the ties of a part's members that the platform no longer lists, or hold them back."""
    missing = Finish(part.userids, part.began_at, now, part.name, accept_losses)
    advance(session, part.name, end_missing(session, missing), state=FINISHED)


class Pull:
    """One job's way through all customers."""

    def __init__(self, gateway: Gateway, database: Database, clock: Clock, job: Job) -> None:
        self.gateway = gateway
        self.database = database
        self.clock = clock
        self.job_id = job.id or 0
        self.accept_losses = bool(job.payload.get("accept_losses"))
        self.waiting: deque[SyncCursor] = deque()
        self.writing = asyncio.Lock()
        """Two pages may name the same customer: on PostgreSQL they would get into each other's way."""

    async def run(self) -> list[SyncCursor]:
        """Pull what is not pulled yet; answers the parts as they ended. Raises `WeComError` and others: run again."""
        parts = await self.database.write(lambda session: plan(session, self.job_id, self.clock.now()))
        self.waiting.extend(part for part in parts if not part.state)
        await together(AT_ONCE, self.stream)
        for part in await self.parts():
            if part.state == LISTED:
                now = self.clock.now()
                await self.write(partial(finish, part=part, now=now, accept_losses=self.accept_losses))
        return await self.parts()

    async def parts(self) -> list[SyncCursor]:
        """The parts as they stand."""
        return await self.database.read(lambda session: parts_of(session, self.job_id))

    async def stream(self) -> None:
        """Pull part after part until none is waiting."""
        while self.waiting:
            await self.pull(self.waiting.popleft())

    async def pull(self, part: SyncCursor) -> None:
        """Pull one part to its end, or take it apart."""
        while not part.state:
            asked_at = self.clock.now()
            try:
                page = await self.gateway.customers_of(part.userids, part.cursor)
            except WeComError as error:
                part = await self.refused(part, error)
                continue
            if page.failed.unlicensed:
                part = await self.take_apart(part)
            else:
                part = await self.write(partial(store, part=part, page=page, asked_at=asked_at, now=self.clock.now()))

    async def refused(self, part: SyncCursor, error: WeComError) -> SyncCursor:
        """What becomes of a part whose page was refused. Raises the error if it says nothing about the part."""
        if error.errcode == BAD_CURSOR and part.cursor:
            # A cursor does not live for ever. What is stored already is found unchanged.
            return await self.write(partial(advance, name=part.name, found=Counter(), cursor="", done=0))
        if error.errcode not in NOT_SERVED:
            raise error
        return await self.take_apart(part)

    async def take_apart(self, part: SyncCursor) -> SyncCursor:
        """Somebody of a part is not served: its halves wait instead of it, or the one it is is left out."""
        if len(part.userids) == 1:
            skipped = Counter(members_skipped=1)
            return await self.write(partial(advance, name=part.name, found=skipped, state=FINISHED))
        self.waiting.extend(await self.write(partial(halves, part=part)))
        part.state = FINISHED
        return part

    async def write(self, work: Callable[[Session], T]) -> T:
        """One write after another."""
        async with self.writing:
            return await self.database.write(work)


def sync_customers(gateway: Gateway, database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that pulls all customers."""

    async def run(job: Job) -> Done:
        parts = await Pull(gateway, database, clock, job).run()
        found = sum((Counter(part.found) for part in parts), Counter())
        members, ties = sum(len(part.userids) for part in parts), sum(part.done for part in parts)
        log.info("synced", ties=ties, members=members, **found)
        names = [part.name for part in parts]
        began = min((part.began_at for part in parts), default=clock.now())
        warning = await database.read(lambda session: held_back(session, began)) if found["ties_held_back"] else ""

        def then(session: Session) -> None:
            for start in range(0, len(names), 500):
                session.exec(delete(SyncCursor).where(col(SyncCursor.name).in_(names[start : start + 500])))

        said = f"{ties} ties of {members} staff: {summary(found)}"
        return Done(f"{said}; {warning}" if warning else said, then=then)

    return run
