"""Asking the platform for customer groups: one after an event, all of them each night."""

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import or_
from sqlmodel import Session, col, delete, select

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, Later
from bot.observability import log
from bot.wecom import results
from bot.wecom.errors import WeComError
from contacts.cursors import AT_ONCE, advance, summary, together
from contacts.facts import CustomerGroup, SyncCursor
from contacts.groups import SETTLES, dismiss, store_group
from contacts.models import Staff

SYNC_GROUPS = "sync_groups"
PATIENCE = timedelta(seconds=30)
"""After which the platform's answer holds, whatever the event promised."""
UNKNOWN = 40050
MOST_VISIBLE = 1000
"""Members in scope with whom groups may be listed without naming their owners."""
MOST_OWNERS = 100
IDS_AT_ONCE = 500


def fetch_group(gateway: Gateway, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that asks for one group; it asks again while the answer is older than the event."""

    async def run(job: Job) -> Done:
        chat_id, version, now = job.payload["chat_id"], job.payload["version"], clock.now()
        late = now - job.created_at > PATIENCE
        try:
            pulled = await gateway.group(chat_id)
        except WeComError as error:
            if error.errcode != UNKNOWN:
                raise
            if not late:
                raise Later(SETTLES.total_seconds(), "the group is not there yet") from error
            return Done("not visible")
        if version and pulled.member_version != version and not late:
            raise Later(SETTLES.total_seconds(), "the list of members is older than the event")

        def then(session: Session) -> None:
            store_group(session, pulled, now)

        return Done("stored", then=then)

    return run


def begin(session: Session, name: str, now: datetime) -> tuple[SyncCursor, list[list[str]]]:
    """Where a job's pull stands, begun now unless it was before; and whose groups to ask for, [] for everybody's."""
    row = session.get(SyncCursor, name)
    if row is None:
        session.exec(delete(SyncCursor).where(col(SyncCursor.name).startswith(f"{SYNC_GROUPS}:", autoescape=True)))
        row = SyncCursor(name=name, began_at=now)
        session.add(row)
    staff = select(Staff.userid, Staff.customer_contact).where(col(Staff.active)).order_by(Staff.userid)
    visible = session.exec(staff).all()
    owners = [userid for userid, serves in visible if serves]
    if len(visible) <= MOST_VISIBLE:
        return row, [[]] if owners else []
    return row, [owners[start : start + MOST_OWNERS] for start in range(0, len(owners), MOST_OWNERS)]


def fetched_since(session: Session, ids: list[str], began_at: datetime) -> set[str]:
    """Which of some groups were stored since."""
    found: set[str] = set()
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = col(CustomerGroup.chat_id).in_(ids[start : start + IDS_AT_ONCE])
        fresh = col(CustomerGroup.fetched_at) >= began_at
        found |= set(session.exec(select(CustomerGroup.chat_id).where(some, fresh)).all())
    return found


def not_come_upon(session: Session, began_at: datetime) -> list[str]:
    """Groups that stand as far as we know, and were not on the platform's list."""
    old = or_(col(CustomerGroup.fetched_at).is_(None), col(CustomerGroup.fetched_at) < began_at)
    return list(session.exec(select(CustomerGroup.chat_id).where(col(CustomerGroup.dismissed_at).is_(None), old)).all())


class GroupPull:
    """One job's way through all groups; what it has stored is not asked for again after a kill."""

    def __init__(self, gateway: Gateway, database: Database, clock: Clock, job_id: int) -> None:
        self.gateway = gateway
        self.database = database
        self.clock = clock
        self.name = f"{SYNC_GROUPS}:{job_id}"
        self.waiting: deque[str] = deque()

    async def run(self) -> SyncCursor:
        """Ask for each group on the platform's list, then for those of ours that are not on it; answers what came."""
        begun, owners = await self.database.write(lambda session: begin(session, self.name, self.clock.now()))
        for some in owners:
            await self.listed(some, begun.began_at)
        if owners:
            self.waiting.extend(await self.database.read(lambda session: not_come_upon(session, begun.began_at)))
            await together(AT_ONCE, self.stream)
        return await self.database.read(lambda session: session.get_one(SyncCursor, self.name))

    async def listed(self, owners: list[str], began_at: datetime) -> None:
        """Ask for every group on the list, a page of it at a time."""
        cursor = ""
        while True:
            page = await self.gateway.groups(owners, cursor)
            ids = [one.chat_id for one in page.chats]
            fresh = await self.database.read(partial(fetched_since, ids=ids, began_at=began_at))
            self.waiting.extend(one for one in ids if one not in fresh)
            await together(AT_ONCE, self.stream)
            cursor = page.next_cursor
            if not cursor:
                return

    async def stream(self) -> None:
        """Ask for group after group until none is waiting."""
        while self.waiting:
            chat_id = self.waiting.popleft()
            try:
                pulled = await self.gateway.group(chat_id)
            except WeComError as error:
                if error.errcode != UNKNOWN:
                    raise
                await self.database.write(partial(self.gone, chat_id=chat_id))
            else:
                await self.database.write(partial(self.store, pulled=pulled))

    def store(self, session: Session, pulled: results.Group) -> None:
        """Store a group and count it."""
        new = session.get(CustomerGroup, pulled.chat_id) is None
        changed = store_group(session, pulled, self.clock.now())
        found = Counter(groups_new=int(new), groups_changed=int(changed and not new))
        advance(session, self.name, found, more=1)

    def gone(self, session: Session, chat_id: str) -> None:
        """The platform does not know a group any more."""
        dismiss(session, chat_id, self.clock.now())
        advance(session, self.name, Counter(groups_dismissed=1))


def sync_groups(gateway: Gateway, database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that pulls all groups."""

    async def run(job: Job) -> Done:
        pull = GroupPull(gateway, database, clock, job.id or 0)
        ended = await pull.run()
        log.info("groups synced", groups=ended.done, **ended.found)

        def then(session: Session) -> None:
            session.exec(delete(SyncCursor).where(col(SyncCursor.name) == pull.name))

        return Done(f"{ended.done} groups: {summary(ended.found)}", then=then)

    return run
