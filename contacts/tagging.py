"""Tags of a (staff, customer) pair: put on and taken off here first, logged, and then pushed to the platform.

Whatever changes a tag goes through `change_tags`: chat, rules, channels and pages with their own source and cause. The
platform gets what it lacks through `contacts.tag_push`; what it says differently is taken over by `follow_platform`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, false, insert, or_, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_model

from bot.database import defaults
from contacts.domain_events import DomainEvent, raise_events
from contacts.tag_push import CHANGES, PAIR_TAGS, PUSHES, Pair, ask_to_push, external_userids, of_pair
from contacts.tags import PairTag, Tag, TagChange, TagGroup

ADDED, REMOVED = "tag_added", "tag_removed"
"""Domain events."""
BLANK_CHANGE = {name: value for name, value in defaults(TagChange).items() if name != "id"}


@dataclass(frozen=True)
class Why:
    """What led to a change: how (chat, rule, channel, page, client, sync), who, and the words, rule or event."""

    source: str
    at: datetime
    by: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Changed:
    """One tag put on or taken off."""

    tag_id: str
    name: str
    added: bool


def change_tags(
    session: Session, pair: Pair, why: Why, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> list[Changed]:
    """Put tags on a pair and take tags off, by id; answers what changed. Tags that are gone are left alone.

    A tag of a single-choice group takes the place of the group's others. The platform is told within two seconds.
    """
    borne = borne_by(session, pair)
    known = known_tags(session, {*add, *borne, *remove})
    wanted = [one for one in dict.fromkeys(add) if one in known and not known[one].deleted]
    singles = {known[one].group_id: one for one in wanted if known[one].single_choice}
    wanted = [one for one in wanted if singles.get(known[one].group_id, one) == one]
    replaced = {one for one in borne if one in known and singles.get(known[one].group_id, one) != one}
    refresh(session, pair, [one for one in wanted if one in borne], why.at)
    changed = [Changed(one, known[one].name, True) for one in wanted if one not in borne]
    gone = [one for one in borne if (one in set(remove) or one in replaced) and one not in wanted]
    changed += [Changed(one, known[one].name if one in known else "", False) for one in gone]
    write(session, pair, changed, known, why)
    push(session, pair, changed, why.at)
    return changed


def follow_platform(
    session: Session, pair: Pair, shown: Mapping[str, tuple[str, str]], why: Why, *, conflict: str = ""
) -> list[Changed]:
    """Make a pair's tags what the platform shows ({id: (tag, group) names}); ours that it lacks still are kept."""
    borne = borne_by(session, pair)
    pending = set(session.execute(select(PUSHES.c.tag_id).where(of_pair(PUSHES.c, pair))).scalars())
    known = known_tags(session, {*shown, *borne})
    changed = [
        Changed(one, known[one].name if one in known else shown[one][0], True)
        for one in shown
        if one not in borne and one not in pending
    ]
    changed += [
        Changed(one, known[one].name if one in known else "", False)
        for one in borne
        if one not in shown and one not in pending
    ]
    write(session, pair, changed, known, why, conflict=conflict)
    return changed


@dataclass(frozen=True)
class KnownTag:
    """What a change needs to know of a tag."""

    name: str
    group_id: str
    group_name: str
    single_choice: bool
    deleted: bool


def known_tags(session: Session, tag_ids: set[str]) -> dict[str, KnownTag]:
    """The tags on record among these ids."""
    found = (
        select(Tag.id, Tag.name, Tag.group_id, TagGroup.name, TagGroup.single_choice, Tag.deleted)  # type: ignore[call-overload]
        .join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
        .where(col(Tag.id).in_(tag_ids))
    )
    return {row[0]: KnownTag(*row[1:]) for row in session.execute(found)}


def borne_by(session: Session, pair: Pair) -> list[str]:
    """The ids of the tags a pair bears, the oldest first."""
    return list(
        session.execute(select(PAIR_TAGS.c.tag_id).where(of_pair(PAIR_TAGS.c, pair)).order_by(PAIR_TAGS.c.id)).scalars()
    )


def refresh(session: Session, pair: Pair, tag_ids: list[str], now: datetime) -> None:
    """A tag set again holds from now: it expires later."""
    if tag_ids:
        again = update(PAIR_TAGS).where(of_pair(PAIR_TAGS.c, pair), PAIR_TAGS.c.tag_id.in_(tag_ids))
        session.execute(again.values(since=now))


def write(
    session: Session, pair: Pair, changed: list[Changed], known: Mapping[str, KnownTag], why: Why, *, conflict: str = ""
) -> None:
    """Store changes of one pair with their log, and tell of them."""
    if not changed:
        return
    whose = {"customer_id": pair.customer_id, "userid": pair.userid}
    added = [{**whose, "tag_id": one.tag_id, "since": why.at} for one in changed if one.added]
    removed = [one.tag_id for one in changed if not one.added]
    if added:
        session.execute(insert(PAIR_TAGS), added)
    if removed:
        session.execute(delete(PAIR_TAGS).where(of_pair(PAIR_TAGS.c, pair), PAIR_TAGS.c.tag_id.in_(removed)))
    rows = [
        {**BLANK_CHANGE, **whose, "at": why.at, "tag_id": one.tag_id, "tag_name": one.name, "added": one.added,
         "group_name": known[one.tag_id].group_name if one.tag_id in known else "",
         "source": why.source, "by": why.by, "cause": why.cause, "conflict": conflict}
        for one in changed
    ]  # fmt: skip
    logged = session.execute(insert(CHANGES).returning(CHANGES.c.id, sort_by_parameter_order=True), rows).scalars()
    raise_events(
        session,
        [
            DomainEvent(
                ADDED if one.added else REMOVED,
                pair.customer_id,
                why.at,
                f"tag-change:{number}",
                {"userid": pair.userid, "tag_id": one.tag_id, "tag": one.name, "source": why.source},
            )
            for one, number in zip(changed, logged, strict=True)
        ],
    )


def push(session: Session, pair: Pair, changed: list[Changed], now: datetime) -> None:
    """Note what the platform lacks now, the latest word on each tag, and let it be told."""
    if not changed or not external_userids(session, pair.customer_id):
        return
    ids = [one.tag_id for one in changed]
    session.execute(delete(PUSHES).where(of_pair(PUSHES.c, pair), PUSHES.c.tag_id.in_(ids)))
    whose = {"customer_id": pair.customer_id, "userid": pair.userid, "at": now}
    session.execute(insert(PUSHES), [{**whose, "tag_id": one.tag_id, "added": one.added} for one in changed])
    ask_to_push(session, pair, now)


def expired(session: Session, customer_ids: list[int], now: datetime) -> list[PairTag]:
    """Tags of these customers that are older than their group lets them be: ask whether they still hold."""
    groups = session.execute(
        select(TagGroup.id, TagGroup.expires_days).where(col(TagGroup.expires_days).is_not(None))  # type: ignore[call-overload]
    ).all()
    over = [and_(col(Tag.group_id) == group, col(PairTag.since) < now - timedelta(days=days)) for group, days in groups]
    found = select_model(PairTag).join(Tag, col(Tag.id) == col(PairTag.tag_id)).where(or_(false(), *over))
    return list(session.exec(found.where(col(PairTag.customer_id).in_(customer_ids))).all())
