"""Questions about tags: which tag a name means, who set one and why, and what to take back."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rapidfuzz import fuzz
from sqlmodel import Session, col, func, or_, select

from contacts.spelling import sound
from contacts.tag_push import Pair
from contacts.tagging import Changed, Why, change_tags
from contacts.tags import CHAT, PAGE, Tag, TagChange, TagGroup

UNDO_MINUTES = 10
UNDO_CAUSE = "undo:"
"""Begins the cause of a change that takes back another; the id of that other's first row follows."""
ALIKE = 55
GROUPED = re.compile(r"\s*[:：/]\s*")


@dataclass(frozen=True)
class NamedTag:
    """A tag by its names."""

    id: str
    name: str
    group: str

    @property
    def full(self) -> str:
        """意向:高."""
        return f"{self.group}:{self.name}"


def split_name(name: str) -> tuple[str, str]:
    """(group, tag) of 意向:高; without a group the first is empty."""
    group, *tag = GROUPED.split(name.strip(), maxsplit=1)
    return (group, tag[0]) if tag and group and tag[0] else ("", name.strip())


def living(session: Session) -> list[NamedTag]:
    """Every tag there is."""
    named = select(Tag.id, Tag.name, TagGroup.name).join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
    return [NamedTag(*row) for row in session.exec(named.where(~col(Tag.deleted)).order_by(col(Tag.id)))]


def tags_named(session: Session, names: Sequence[str]) -> dict[str, list[NamedTag]]:
    """The tags that each of these names means, `tag` or `group:tag`, without regard to case."""
    asked = {name: tuple(one.casefold() for one in split_name(name)) for name in names}
    wanted = {tag for _, tag in asked.values()} | {name.casefold() for name in names}
    named = select(Tag.id, Tag.name, TagGroup.name).join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
    like = or_(func.lower(col(Tag.name)).in_(wanted), col(Tag.name).in_(wanted))
    found = [NamedTag(*row) for row in session.exec(named.where(~col(Tag.deleted), like))]
    return {
        name: [
            one
            for one in found
            if one.name.casefold() == name.casefold() or (one.name.casefold() == tag and group == one.group.casefold())
        ]
        for name, (group, tag) in asked.items()
    }


def closest(session: Session, name: str, limit: int = 3) -> list[NamedTag]:
    """Tags that look or sound like a name nobody gave."""
    _, tag = split_name(name.casefold())
    spoken = sound(tag)

    def likeness(one: NamedTag) -> float:
        own = one.name.casefold()
        return max(fuzz.ratio(own, tag), fuzz.partial_ratio(own, tag) * 0.8, fuzz.ratio(sound(own), spoken) * 0.9)

    scored = sorted(((likeness(one), one) for one in living(session)), key=lambda pair: (-pair[0], pair[1].full))
    return [one for score, one in scored[:limit] if score >= ALIKE]


def changes_of(session: Session, pair: Pair, tag_ids: Iterable[str] = (), limit: int = 5) -> list[TagChange]:
    """The log of a pair, newest first: of these tags, or of all."""
    log = select(TagChange).where(TagChange.customer_id == pair.customer_id, TagChange.userid == pair.userid)
    if ids := list(tag_ids):
        log = log.where(col(TagChange.tag_id).in_(ids))
    return list(session.exec(log.order_by(col(TagChange.at).desc(), col(TagChange.id).desc()).limit(limit)).all())


def undo_last(session: Session, userid: str, now: datetime) -> tuple[Pair, list[Changed]] | None:
    """Take back what a member last changed in chat or on a page, within ten minutes; None when there is nothing."""
    changes = own_changes(session, userid, now)
    last = standing(changes)
    if last is None:
        return None
    batch = of_one_act(last, changes)
    pair, why = Pair(last.customer_id, last.userid), Why(CHAT, now, userid, f"{UNDO_CAUSE}{batch[-1].id}")
    remove = [one.tag_id for one in batch if one.added]
    return pair, change_tags(session, pair, why, add=[one.tag_id for one in batch if not one.added], remove=remove)


def last_change(session: Session, userid: str, now: datetime) -> TagChange | None:
    """What `undo_last` would take back."""
    return standing(own_changes(session, userid, now))


def own_changes(session: Session, userid: str, now: datetime) -> Sequence[TagChange]:
    """What a member changed in chat or on a page in the last ten minutes, the latest first."""
    recent = (
        select(TagChange)
        .where(TagChange.by == userid, col(TagChange.at) >= now - timedelta(minutes=UNDO_MINUTES))
        .where(col(TagChange.source).in_((CHAT, PAGE)))
        .order_by(col(TagChange.id).desc())
    )
    return session.exec(recent).all()


def standing(changes: Sequence[TagChange]) -> TagChange | None:
    """The latest that is neither an undoing nor undone."""
    undone = {one.cause.removeprefix(UNDO_CAUSE) for one in changes if one.cause.startswith(UNDO_CAUSE)}
    return next((one for one in changes if undoable(one, changes, undone)), None)


def undoable(change: TagChange, changes: Sequence[TagChange], undone: set[str]) -> bool:
    """Whether a change is neither an undoing nor undone."""
    return not change.cause.startswith(UNDO_CAUSE) and str(of_one_act(change, changes)[-1].id) not in undone


def of_one_act(change: TagChange, changes: Sequence[TagChange]) -> list[TagChange]:
    """What was changed together with it."""
    act = (change.at, change.customer_id, change.userid)
    return [one for one in changes if (one.at, one.customer_id, one.userid) == act]
