"""Tags of a (staff, customer) pair: put on and taken off here first, logged, and then pushed to the platform.

Whatever changes a tag goes through `change_tags`: chat, rules, channels and pages with their own source and cause. The
platform gets what it lacks through `contacts.tag_push`; what it says differently is taken over by `follow_platform`.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType

from sqlalchemy import Table, and_, delete, false, or_, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_model

from bot.database import defaults
from contacts.bulk import among, insert_rows
from contacts.domain_events import DomainEvent, raise_events
from contacts.tag_push import CHANGES, PAIR_TAGS, PUSHES, TAGS, Pair, push_words
from contacts.tags import PairTag, Tag, TagChange, TagGroup

ADDED, REMOVED = "tag_added", "tag_removed"
"""Domain events."""
LOGGED = ("id", "customer_id", "userid", "tag_id", "added")
GROUPS: Table = TagGroup.__table__  # type: ignore[attr-defined]
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
    return change_tags_of(session, [pair], why, add=add, remove=remove)[pair]


def change_tags_of(
    session: Session, pairs: Iterable[Pair], why: Why, *, add: Iterable[str] = (), remove: Iterable[str] = ()
) -> dict[Pair, list[Changed]]:
    """`change_tags` for many pairs, in a handful of statements however many they are."""
    borne, off = borne_by(session, pairs), set(remove)
    add = list(dict.fromkeys(add))
    known = known_tags(session, {*add, *off, *chain.from_iterable(borne.values())})
    there = [one for one in add if one in known and not known[one].deleted]
    singles = {known[one].group_id: one for one in there if known[one].single_choice}
    wanted = [one for one in there if singles.get(known[one].group_id, one) == one]

    def goes(one: str) -> bool:
        replaced = one in known and singles.get(known[one].group_id, one) != one
        return one not in wanted and (one in off or replaced)

    changed: dict[Pair, list[Changed]] = {}
    for pair, its in borne.items():
        gone = [one for one in its if goes(one)]
        changed[pair] = [Changed(one, known[one].name, True) for one in wanted if one not in its]
        changed[pair] += [Changed(one, known[one].name if one in known else "", False) for one in gone]
    refresh(session, [its[one] for its in borne.values() for one in wanted if one in its], why.at)
    take_off(session, [borne[pair][one.tag_id] for pair, some in changed.items() for one in some if not one.added])
    write(session, changed, known, why)
    words = {pair: {one.tag_id: one.added for one in some} for pair, some in changed.items() if some}
    push_words(session, words, why.at)
    return changed


def follow_platform(
    session: Session,
    told: Mapping[Pair, Iterable[str]],
    why: Why,
    *,
    names: Mapping[str, str] = MappingProxyType({}),
    history: Container[Pair] = (),
) -> dict[Pair, list[Changed]]:
    """Make the tags of pairs what the platform shows; ours that it lacks still are kept. Answers what changed.

    `names`: by id, of tags that may not be on record. `history`: pairs whose tags are
    older than our knowledge of them: logged, and no news for rules.
    """
    borne, waiting = borne_by(session, told), waiting_for(session, told)
    added, removed = {}, {}
    for pair, tag_ids in told.items():
        shown, ours = dict.fromkeys(tag_ids), waiting.get(pair, set())
        added[pair] = [one for one in shown if one not in borne[pair] and one not in ours]
        removed[pair] = [one for one in borne[pair] if one not in shown and one not in ours]
    known = known_tags(session, {one for some in (*added.values(), *removed.values()) for one in some})
    called = {**names, **{one: tag.name for one, tag in known.items()}}
    changed = {
        pair: [Changed(one, called.get(one, one), True) for one in added[pair]]
        + [Changed(one, called.get(one, one), False) for one in removed[pair]]
        for pair in told
    }
    take_off(session, [borne[pair][one] for pair, some in removed.items() for one in some])
    write(session, changed, known, why, history=history)
    return {pair: some for pair, some in changed.items() if some}


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
    found = select(TAGS.c.id, TAGS.c.name, TAGS.c.group_id, GROUPS.c.name, GROUPS.c.single_choice, TAGS.c.deleted).join(
        GROUPS, GROUPS.c.id == TAGS.c.group_id
    )
    rows = session.execute(found.where(among(session, TAGS.c.id, tag_ids))) if tag_ids else ()
    return {row[0]: KnownTag(*row[1:]) for row in rows}


def borne_by(session: Session, pairs: Iterable[Pair]) -> dict[Pair, dict[str, int]]:
    """The tags each pair bears, the oldest first: the row's id by the tag's."""
    borne: dict[Pair, dict[str, int]] = {pair: {} for pair in pairs}
    columns = (PAIR_TAGS.c.customer_id, PAIR_TAGS.c.userid, PAIR_TAGS.c.tag_id, PAIR_TAGS.c.id)
    theirs = among(session, PAIR_TAGS.c.customer_id, {pair.customer_id for pair in borne})
    for customer_id, userid, tag_id, number in session.execute(select(*columns).where(theirs).order_by(PAIR_TAGS.c.id)):
        if (pair := Pair(customer_id, userid)) in borne:
            borne[pair][tag_id] = number
    return borne


def waiting_for(session: Session, pairs: Iterable[Pair]) -> dict[Pair, set[str]]:
    """The tags of each pair of which the platform does not know our latest word."""
    found: dict[Pair, set[str]] = {}
    columns = (PUSHES.c.customer_id, PUSHES.c.userid, PUSHES.c.tag_id)
    theirs = among(session, PUSHES.c.customer_id, {pair.customer_id for pair in pairs})
    for customer_id, userid, tag_id in session.execute(select(*columns).where(theirs)):
        found.setdefault(Pair(customer_id, userid), set()).add(tag_id)
    return found


def refresh(session: Session, rows: Sequence[int], now: datetime) -> None:
    """Tags set again hold from now: they expire later."""
    if rows:
        session.execute(update(PAIR_TAGS).where(among(session, PAIR_TAGS.c.id, rows)).values(since=now))


def take_off(session: Session, rows: Sequence[int]) -> None:
    """Delete these rows of pairs' tags."""
    if rows:
        session.execute(delete(PAIR_TAGS).where(among(session, PAIR_TAGS.c.id, rows)))


def write(
    session: Session,
    changed: Mapping[Pair, Sequence[Changed]],
    known: Mapping[str, KnownTag],
    why: Why,
    *,
    history: Container[Pair] = (),
) -> None:
    """Store what pairs got, log all that changed, and tell of it unless it is history."""
    each = [(pair, one) for pair, some in changed.items() for one in some]
    insert_rows(
        session,
        PAIR_TAGS,
        [{**pair._asdict(), "tag_id": one.tag_id, "since": why.at} for pair, one in each if one.added],
    )
    rows = [
        {**BLANK_CHANGE, **pair._asdict(), "at": why.at, "tag_id": one.tag_id, "tag_name": one.name, "added": one.added,
         "group_name": known[one.tag_id].group_name if one.tag_id in known else "",
         "source": why.source, "by": why.by, "cause": why.cause}
        for pair, one in each
    ]  # fmt: skip
    names = {one.tag_id: one.name for _, one in each}
    raise_events(
        session,
        [
            DomainEvent(
                ADDED if added else REMOVED,
                customer_id,
                why.at,
                f"tag-change:{number}",
                {"userid": userid, "tag_id": tag_id, "tag": names[tag_id], "source": why.source},
            )
            for number, customer_id, userid, tag_id, added in sorted(insert_rows(session, CHANGES, rows, LOGGED))
            if (customer_id, userid) not in history
        ],
    )


def expired(session: Session, customer_ids: list[int], now: datetime) -> list[PairTag]:
    """Tags of these customers that are older than their group lets them be: ask whether they still hold."""
    groups = session.execute(
        select(TagGroup.id, TagGroup.expires_days).where(col(TagGroup.expires_days).is_not(None))  # type: ignore[call-overload]
    ).all()
    over = [and_(col(Tag.group_id) == group, col(PairTag.since) < now - timedelta(days=days)) for group, days in groups]
    found = select_model(PairTag).join(Tag, col(Tag.id) == col(PairTag.tag_id)).where(or_(false(), *over))
    return list(session.exec(found.where(col(PairTag.customer_id).in_(customer_ids))).all())
