"""The company's list of tags and groups, as the platform has it: pulled whole, looked up by id, and added to."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Table, case, delete, insert, literal, or_, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_model

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Runner, enqueue
from bot.jobs import insert as insert_jobs
from bot.wecom.errors import WeComError
from bot.wecom.results import CorpTagGroup
from contacts.tag_push import (
    CHANGES,
    PAIR_TAGS,
    PUSHES,
    SYNC_TAGS,
    TAGS,
    UNKNOWN_TAG,
    Pair,
    ask_to_push,
    give_way,
    push_left_over,
    waiting,
)
from contacts.tag_twins import join_twins
from contacts.tagging import Why, change_tags
from contacts.tags import LOCAL, SYNCED, Tag, TagGroup

FETCH_TAGS, ADD_TAG = "fetch_tags", "add_corp_tag"
OWN_GROUP = "一线助手"
"""The group of tags that staff made in chat without naming a group."""
NAME_TAKEN, FULL = 40071, 40126
LONGEST_NAME = 30
Listed = TypeVar("Listed", Tag, TagGroup)
GROUPS: Table = TagGroup.__table__  # type: ignore[attr-defined]
AT_ONCE = 500


def store_list(session: Session, groups: Sequence[CorpTagGroup], now: datetime) -> None:
    """Put tags and groups on record as shown; those shown as deleted leave every pair that bore them."""
    old_groups = rows_of(session, TagGroup, [group.group_id for group in groups])
    old_tags = rows_of(session, Tag, [tag.id for group in groups for tag in group.tag])
    gone: list[str] = []
    for group in groups:
        kept = old_groups.get(group.group_id) or TagGroup(id=group.group_id, name=group.group_name)
        kept.name, kept.order, kept.deleted = group.group_name, group.order, group.deleted
        session.add(kept)
    session.flush()
    for parent, one in [(group, one) for group in groups for one in group.tag]:
        tag = old_tags.get(one.id) or Tag(id=one.id, group_id=parent.group_id, name=one.name)
        tag.group_id, tag.name, tag.order, tag.seen_at = parent.group_id, one.name, one.order, now
        tag.deleted = one.deleted or parent.deleted
        gone += [one.id] if tag.deleted else []
        session.add(tag)
    session.flush()
    take_from_pairs(session, gone, now)
    join_twins(session, now)


def rows_of(session: Session, model: type[Listed], ids: Sequence[str]) -> dict[str, Listed]:
    """The tags or groups on record among these ids."""
    return {
        one.id: one
        for at in range(0, len(ids), AT_ONCE)
        for one in session.exec(select_model(model).where(col(model.id).in_(ids[at : at + AT_ONCE])))
    }


def drop_missing(session: Session, listed: Iterable[CorpTagGroup], begun: datetime, now: datetime) -> int:
    """What a whole list asked for at `begun` does not show is deleted; answers how many tags that were."""
    shown = {tag.id for group in listed for tag in group.tag}
    older = or_(TAGS.c.seen_at.is_(None), TAGS.c.seen_at < begun)
    known = TAGS.c.id.not_like(f"{LOCAL}%")
    ours = session.execute(select(TAGS.c.id).where(TAGS.c.deleted.is_(False), older, known)).scalars().all()
    gone = [one for one in ours if one not in shown]
    delete_tags(session, gone, now)
    living = select(TAGS.c.group_id).where(TAGS.c.deleted.is_(False))
    session.execute(update(GROUPS).where(GROUPS.c.id.not_in(living)).values(deleted=True))
    return len(gone)


def delete_tags(session: Session, tag_ids: list[str], now: datetime) -> None:
    """These tags are gone from the platform."""
    for some in (tag_ids[at : at + AT_ONCE] for at in range(0, len(tag_ids), AT_ONCE)):
        session.execute(update(TAGS).where(TAGS.c.id.in_(some)).values(deleted=True))
    take_from_pairs(session, tag_ids, now)


def take_from_pairs(session: Session, tag_ids: list[str], now: datetime) -> None:
    """Take deleted tags off every pair, logged; where we had just put one on, the platform's word won over ours.

    No domain events: nobody did anything to these customers.
    """
    for some in (tag_ids[at : at + AT_ONCE] for at in range(0, len(tag_ids), AT_ONCE)):
        columns = {
            "at": literal(now, CHANGES.c.at.type),
            "customer_id": PAIR_TAGS.c.customer_id,
            "userid": PAIR_TAGS.c.userid,
            "tag_id": PAIR_TAGS.c.tag_id,
            "tag_name": TAGS.c.name,
            "group_name": GROUPS.c.name,
            "added": literal(False),
            "source": literal(SYNCED),
            "by": literal(""),
            "cause": literal("the tag was deleted"),
            "conflict": case_conflict(),
        }
        bearing = (
            select(*columns.values())
            .join_from(PAIR_TAGS, TAGS, TAGS.c.id == PAIR_TAGS.c.tag_id)
            .join(GROUPS, GROUPS.c.id == TAGS.c.group_id)
            .where(PAIR_TAGS.c.tag_id.in_(some))
        )
        session.execute(insert(CHANGES).from_select(list(columns), bearing))
        session.execute(delete(PAIR_TAGS).where(PAIR_TAGS.c.tag_id.in_(some)))
        session.execute(delete(PUSHES).where(PUSHES.c.tag_id.in_(some)))


def case_conflict() -> Any:
    """Why the platform won, where a change of ours to the same tag still waited."""
    waits = select(PUSHES.c.id).where(
        PUSHES.c.customer_id == PAIR_TAGS.c.customer_id,
        PUSHES.c.userid == PAIR_TAGS.c.userid,
        PUSHES.c.tag_id == PAIR_TAGS.c.tag_id,
    )
    return case((waits.exists(), f"{UNKNOWN_TAG}: the tag was deleted before ours arrived"), else_="")


def sync_tags(gateway: Gateway, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that pulls the whole list. After a push that named a deleted tag, the pair's other changes follow."""

    async def run(job: Job) -> Done:
        begun = clock.now()
        groups = await gateway.corp_tags()

        def then(session: Session) -> None:
            now = clock.now()
            store_list(session, groups, now)
            drop_missing(session, groups, begun, now)
            push_left_over(session, now)
            if "pushes" in job.payload:
                push_again(session, Pair(job.payload["customer_id"], job.payload["userid"]), job.payload["pushes"], now)

        return Done(f"{sum(len(group.tag) for group in groups)} tags in {len(groups)} groups", then=then)

    return run


def push_again(session: Session, pair: Pair, refused: list[int], now: datetime) -> None:
    """Send what is left of a refused push; if no tag of it is gone after all, there is no way to send it."""
    found = waiting(session, pair)
    if set(refused) <= {push.id for push in found.pushes}:
        give_way(pair, found, f"{UNKNOWN_TAG}: the platform does not know the tag", now)(session)
    else:
        ask_to_push(session, pair, now)


def fetch_tags(gateway: Gateway, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that looks up one tag or group after its event; payload {id, group: bool}."""

    async def run(job: Job) -> Done:
        known_as, is_group, begun = job.payload["id"], job.payload["group"], clock.now()
        try:
            groups = await (gateway.corp_tags(group_id=known_as) if is_group else gateway.corp_tags(tag_id=known_as))
        except WeComError as error:
            if error.errcode != UNKNOWN_TAG:
                raise
            groups = []

        def then(session: Session) -> None:
            now = clock.now()
            store_list(session, groups, now)
            unseen = TAGS.c.group_id == known_as if is_group else TAGS.c.id == known_as
            older = or_(TAGS.c.seen_at.is_(None), TAGS.c.seen_at < begun)
            living = select(TAGS.c.id).where(unseen, older, TAGS.c.deleted.is_(False))
            delete_tags(session, list(session.execute(living).scalars()), now)
            if is_group and not groups:
                session.execute(update(GROUPS).where(GROUPS.c.id == known_as).values(deleted=True))

        return Done("looked up" if groups else "gone", then=then)

    return run


def ask_for_list(session: Session, known_as: str, *, is_group: bool, cause: str, now: datetime) -> None:
    """Look up a tag or a group by its id; an empty id is the whole list."""
    if known_as:
        key, payload = f"{FETCH_TAGS}:{known_as}:{cause}", {"id": known_as, "group": is_group}
        enqueue(session, NewJob(key, FETCH_TAGS, now, SYNC_TAGS, payload))
    else:
        enqueue(session, NewJob(f"{SYNC_TAGS}:{cause}", SYNC_TAGS, now, SYNC_TAGS))


def ask_for_tag(session: Session, pairs: Iterable[Pair], why: Why, *, group: str, name: str, cause: str) -> None:
    """Make a corp tag, then put it on each pair; `group` empty: the app's own group. `cause` makes the jobs' keys."""
    payload = {
        "group": group or OWN_GROUP,
        "name": name,
        "source": why.source,
        "by": why.by,
        "cause": why.cause,
    }
    # A job for each pair: a customer's erasure finds what is hers. The first one makes the tag.
    jobs = [
        NewJob(
            f"{ADD_TAG}:{cause}:{pair.customer_id}:{pair.userid}:{name}",
            ADD_TAG,
            why.at,
            ADD_TAG,
            {**payload, **pair._asdict()},
        )
        for pair in pairs
    ]
    insert_jobs(session, jobs)


def platforms_tag(session: Session, group: str, name: str) -> str | None:
    """The id of the platform's living tag of this group and name."""
    living = (GROUPS.c.name == group, TAGS.c.name == name, TAGS.c.deleted.is_(False), TAGS.c.id.not_like(f"{LOCAL}%"))
    return session.scalar(select(TAGS.c.id).join(GROUPS, GROUPS.c.id == TAGS.c.group_id).where(*living))


def add_tag(gateway: Gateway, database: Database, clock: Clock) -> Runner:
    """Makes a corp tag, unless it was made meanwhile, and puts it on the pair that it was asked for."""

    def put(session: Session, job: Job, tag_id: str) -> None:
        payload = job.payload
        why = Why(payload["source"], clock.now(), payload["by"], payload["cause"])
        change_tags(session, Pair(payload["customer_id"], payload["userid"]), why, add=[tag_id])

    async def run(job: Job) -> Done:
        group, name = job.payload["group"], job.payload["name"]
        if known := await database.read(lambda session: platforms_tag(session, group, name)):
            return Done("there already", then=lambda session: put(session, job, known))
        try:
            made = [await gateway.add_corp_tag(group, name)]
        except WeComError as error:
            if error.errcode != NAME_TAKEN:
                raise
            # Somebody else made it, or an attempt of ours whose answer was lost.
            made = [one for one in await gateway.corp_tags() if one.group_name == group]
        tag_id = next((tag.id for one in made for tag in one.tag if tag.name == name), "")

        def then(session: Session) -> None:
            now = clock.now()
            store_list(session, made, now)
            session.execute(update(TAGS).where(TAGS.c.id == tag_id).values(ours=True))
            put(session, job, tag_id)

        return Done("made", then=then)

    return Runner(run)
