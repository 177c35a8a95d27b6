"""The tags of many pairs made what the platform says, in sets; our changes that it does not know yet stay."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Table, bindparam, delete, insert, select

from contacts.tags import SYNCED, PairTag, Tag, TagChange, TagGroup, TagPush

PAIR_TAGS: Table = PairTag.__table__  # type: ignore[attr-defined]
TAG_CHANGES: Table = TagChange.__table__  # type: ignore[attr-defined]
PUSHES: Table = TagPush.__table__  # type: ignore[attr-defined]
TAGS: Table = Tag.__table__  # type: ignore[attr-defined]
GROUPS: Table = TagGroup.__table__  # type: ignore[attr-defined]
ROWS_AT_ONCE = 500

WHOSE: BindParameter[Any] = bindparam("whose", expanding=True)
BORNE = select(PAIR_TAGS.c.id, PAIR_TAGS.c.customer_id, PAIR_TAGS.c.userid, PAIR_TAGS.c.tag_id)
BORNE = BORNE.where(PAIR_TAGS.c.customer_id.in_(WHOSE))
WAITING = select(PUSHES.c.customer_id, PUSHES.c.userid, PUSHES.c.tag_id).where(PUSHES.c.customer_id.in_(WHOSE))
NAMES = (
    select(TAGS.c.id, TAGS.c.name, GROUPS.c.name)
    .join(GROUPS, GROUPS.c.id == TAGS.c.group_id)
    .where(TAGS.c.id.in_(bindparam("which", expanding=True)))
)
TAKE_OFF = delete(PAIR_TAGS).where(PAIR_TAGS.c.id.in_(bindparam("which", expanding=True)))

Pair = tuple[int, str]
"""(customer id, userid)."""


def store_tags(connection: Connection, told: Mapping[Pair, Iterable[str]], now: datetime) -> int:
    """Give each pair the tags the platform shows, and log what that changed; answers how many changes."""
    whose = {"whose": sorted({customer_id for customer_id, _ in told})}
    borne = {
        (row.customer_id, row.userid, row.tag_id): row.id
        for row in connection.execute(BORNE, whose)
        if (row.customer_id, row.userid) in told
    }
    waiting = {tuple(row) for row in connection.execute(WAITING, whose)}
    shown = {(*pair, tag_id): None for pair, tag_ids in told.items() for tag_id in tag_ids}
    added = [one for one in shown if one not in borne and one not in waiting]
    removed = [one for one in borne if one not in shown and one not in waiting]
    if not added and not removed:
        return 0
    if added:
        rows = [{"customer_id": whom, "userid": userid, "tag_id": tag, "since": now} for whom, userid, tag in added]
        connection.execute(insert(PAIR_TAGS), rows)
    for some in parts([borne[one] for one in removed]):
        connection.execute(TAKE_OFF, {"which": some})
    log(connection, added, removed, now)
    return len(added) + len(removed)


def log(connection: Connection, added: list[Any], removed: list[Any], now: datetime) -> None:
    """Append the changes to the tag log, with the names of now; a tag we have no name for is named by its id."""
    names: dict[str, tuple[str, str]] = {}
    for some in parts(sorted({tag for _, _, tag in (*added, *removed)})):
        names |= {row[0]: (row[1], row[2]) for row in connection.execute(NAMES, {"which": some})}
    rows = [
        {
            "at": now,
            "customer_id": whom,
            "userid": userid,
            "tag_id": tag,
            "tag_name": names.get(tag, (tag, ""))[0],
            "group_name": names.get(tag, (tag, ""))[1],
            "added": is_added,
            "source": SYNCED,
            "by": "",
            "cause": "",
            "conflict": "",
        }
        for is_added, changes in ((True, added), (False, removed))
        for whom, userid, tag in changes
    ]
    connection.execute(insert(TAG_CHANGES), rows)


def parts(values: list[Any]) -> Iterator[list[Any]]:
    """The values, so many at a time as a statement takes."""
    return (values[start : start + ROWS_AT_ONCE] for start in range(0, len(values), ROWS_AT_ONCE))
