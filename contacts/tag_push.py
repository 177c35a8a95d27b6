"""Telling the platform which tags we put on and took off: one call per pair for everything that waits.

A change waits a second or two for others of its pair; then one job sends them all. What cannot be sent yet — the
customer has only half added the member — stays in `TagPush` and goes out with the full add.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Table, and_, delete, func, insert, select, update
from sqlmodel import Session

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Then, enqueue
from bot.jobs import insert as insert_jobs
from bot.wecom.errors import NoRelation, WeComError
from contacts.bulk import among, insert_rows
from contacts.changes import EXTERNAL, IDENTITIES, TIES
from contacts.tags import PairTag, Tag, TagChange, TagPush

MARK_TAG = "mark_tag"
SYNC_TAGS = "sync_tags"
UNKNOWN_TAG, TOO_MANY = 40068, 40144
PUSHES: Table = TagPush.__table__  # type: ignore[attr-defined]
TAGS: Table = Tag.__table__  # type: ignore[attr-defined]
PAIR_TAGS: Table = PairTag.__table__  # type: ignore[attr-defined]
CHANGES: Table = TagChange.__table__  # type: ignore[attr-defined]
LEFT_OVER = timedelta(minutes=10)
"""A change that waits longer than this has lost its job, or its job is dead: the nightly sync asks again."""


class Pair(NamedTuple):
    """One member's tie to one customer."""

    customer_id: int
    userid: str


@dataclass(frozen=True)
class Waiting:
    """What the platform lacks of a pair, and by which id it knows the customer."""

    external_userids: list[str]
    """Usually one; a customer with two accounts of WeChat has two."""
    half: bool
    pushes: list[Any]

    def tags(self, *, added: bool) -> list[str]:
        """The ids to put on, or to take off."""
        return [push.tag_id for push in self.pushes if push.added == added]


def lane_of(external_userid: str) -> str:
    """Calls that read or write a customer on the platform, one at a time: what is read is never older than a write.

    Not the lane of her events: a call that has to be tried again later must not hold up her next welcome.
    """
    return f"profile:{external_userid}"


def external_userids(session: Session, customer_id: int) -> list[str]:
    """By which ids the platform knows a customer, the oldest first; none if she is nobody's WeCom contact."""
    known = select(IDENTITIES.c.value).where(
        IDENTITIES.c.customer_id == customer_id, IDENTITIES.c.kind == EXTERNAL
    )  # fmt: skip
    return list(session.execute(known.order_by(IDENTITIES.c.id)).scalars())


def push_job(pair: Pair, external_userid: str, now: datetime) -> NewJob:
    """The job that sends what waits for a pair at the end of the next second: one for all changes of one second."""
    due = datetime.fromtimestamp(int(now.timestamp()) + 2, UTC)
    return NewJob(
        key=f"{MARK_TAG}:{pair.customer_id}:{pair.userid}:{due:%Y%m%dT%H%M%S}",
        kind=MARK_TAG,
        created_at=now,
        lane=lane_of(external_userid),
        payload={"customer_id": pair.customer_id, "userid": pair.userid},
        run_at=due,
    )


def push_words(session: Session, words: Mapping[Pair, Mapping[str, bool]], now: datetime) -> None:
    """Note what the platform lacks of these pairs (a tag on: True, off: False) and let it be told, in sets.

    The latest word on a tag holds. Customers the platform does not know are left out.
    """
    ids = {pair.customer_id for pair, tags in words.items() if tags}
    known = select(IDENTITIES.c.customer_id, IDENTITIES.c.value).where(
        IDENTITIES.c.kind == EXTERNAL, among(session, IDENTITIES.c.customer_id, ids)
    )
    oldest = {row.customer_id: row.value for row in session.execute(known.order_by(IDENTITIES.c.id.desc()))}
    new = {(*pair, one): on for pair, tags in words.items() if pair.customer_id in oldest for one, on in tags.items()}
    if not new:
        return
    columns = (PUSHES.c.id, PUSHES.c.customer_id, PUSHES.c.userid, PUSHES.c.tag_id)
    waiting = session.execute(select(*columns).where(among(session, PUSHES.c.customer_id, oldest)))
    overtaken = [row.id for row in waiting if tuple(row[1:]) in new]
    session.execute(delete(PUSHES).where(among(session, PUSHES.c.id, overtaken)))
    rows = [
        {"customer_id": customer_id, "userid": userid, "tag_id": tag_id, "added": on, "at": now}
        for (customer_id, userid, tag_id), on in new.items()
    ]
    insert_rows(session, PUSHES, rows, all_new=True)
    pairs = dict.fromkeys(Pair(customer_id, userid) for customer_id, userid, _ in new)
    insert_jobs(session, [push_job(pair, oldest[pair.customer_id], now) for pair in pairs])


def ask_to_push(session: Session, pair: Pair, now: datetime) -> None:
    """Let what waits for a pair be sent, if anything does."""
    if session.execute(select(PUSHES.c.id).where(of_pair(PUSHES.c, pair)).limit(1)).first():
        [external_userid, *_] = external_userids(session, pair.customer_id)
        enqueue(session, push_job(pair, external_userid, now))


def of_pair(table: Any, pair: Pair) -> Any:
    """The rows of one pair."""
    return and_(table.customer_id == pair.customer_id, table.userid == pair.userid)


def waiting(session: Session, pair: Pair) -> Waiting:
    """What the platform lacks of a pair."""
    half = session.execute(select(TIES.c.half).where(of_pair(TIES.c, pair))).scalar()
    pushes = session.execute(select(PUSHES).where(of_pair(PUSHES.c, pair)).order_by(PUSHES.c.id)).all()
    return Waiting(external_userids(session, pair.customer_id), bool(half), list(pushes))


def mark_tag(gateway: Gateway, database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that tells the platform a pair's waiting changes."""

    async def run(job: Job) -> Done:
        pair = Pair(job.payload["customer_id"], job.payload["userid"])
        found = await database.read(lambda session: waiting(session, pair))
        if not found.pushes:
            return Done("nothing to tell")
        if found.half:
            return Done("waits for the full add")
        add, remove = found.tags(added=True), found.tags(added=False)
        for external_userid in found.external_userids:
            try:
                await gateway.mark_tag(pair.userid, external_userid, add, remove)
            except NoRelation:
                continue
            except WeComError as error:
                return refused(error, pair, found, clock.now())
            return Done(f"{len(add)} on, {len(remove)} off", then=told(pair, found, clock.now()))
        return Done("no contacts yet, or no more")

    return run


def told(pair: Pair, found: Waiting, now: datetime) -> Then:
    """The platform knows these changes; what was read from it earlier is older than this."""

    def then(session: Session) -> None:
        # A change made again meanwhile has another row, and stays.
        session.execute(delete(PUSHES).where(PUSHES.c.id.in_([push.id for push in found.pushes])))
        session.execute(update(TIES).where(of_pair(TIES.c, pair)).values(fetched_at=now))

    return then


def refused(error: WeComError, pair: Pair, found: Waiting, now: datetime) -> Done:
    """The platform will not have it: its state wins. Raises whatever is worth another try."""
    if error.errcode == TOO_MANY:
        return Done("too many tags", then=give_way(pair, found, f"{error.errcode}: too many tags on the customer", now))
    if error.errcode != UNKNOWN_TAG:
        raise error

    def look_again(session: Session) -> None:
        payload = {"customer_id": pair.customer_id, "userid": pair.userid, "pushes": [one.id for one in found.pushes]}
        key = f"{SYNC_TAGS}:{MARK_TAG}:{found.pushes[-1].id}:{now:%Y%m%dT%H%M%S%f}"
        enqueue(session, NewJob(key, SYNC_TAGS, now, SYNC_TAGS, payload))

    return Done("a tag is gone", then=look_again)


def give_way(pair: Pair, found: Waiting, conflict: str, now: datetime) -> Then:
    """Take back the tags the platform refused, with the reason in the log; what was to be taken off is tried alone."""
    added = [push for push in found.pushes if push.added]

    def then(session: Session) -> None:
        ids = [push.tag_id for push in added]
        names = {row.id: row.name for row in session.execute(select(TAGS.c.id, TAGS.c.name).where(TAGS.c.id.in_(ids)))}
        session.execute(delete(PUSHES).where(PUSHES.c.id.in_([push.id for push in added])))
        session.execute(delete(PAIR_TAGS).where(of_pair(PAIR_TAGS.c, pair), PAIR_TAGS.c.tag_id.in_(ids)))
        rows = [
            {"at": now, "customer_id": pair.customer_id, "userid": pair.userid, "tag_id": one,
             "tag_name": names.get(one, ""), "group_name": "", "added": False, "source": "sync", "by": "",
             "cause": "", "conflict": conflict}
            for one in ids
        ]  # fmt: skip
        if rows:
            session.execute(insert(CHANGES), rows)
        ask_to_push(session, pair, now)

    return then


def push_left_over(session: Session, now: datetime) -> None:
    """Ask again for changes whose job is long gone."""
    late = (
        select(PUSHES.c.customer_id, PUSHES.c.userid, func.min(IDENTITIES.c.value))
        .join(IDENTITIES, and_(IDENTITIES.c.customer_id == PUSHES.c.customer_id, IDENTITIES.c.kind == EXTERNAL))
        .where(PUSHES.c.at < now - LEFT_OVER)
        .group_by(PUSHES.c.customer_id, PUSHES.c.userid)
    )
    jobs = [push_job(Pair(customer_id, userid), known, now) for customer_id, userid, known in session.execute(late)]
    insert_jobs(session, jobs)
