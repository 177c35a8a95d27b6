"""Tags a pack brought before the platform had them, joined with the platform's own of the same group and name.

Pairs that bore the local tag bear the platform's, and the platform is told; the log and channels follow.
"""

from datetime import datetime

from sqlalchemy import Table, and_, delete, exists, select, update
from sqlmodel import Session

from contacts.bulk import among
from contacts.channels import Channel
from contacts.tag_push import CHANGES, PAIR_TAGS, PUSHES, TAGS, Pair, push_words
from contacts.tags import LOCAL, TagGroup

GROUPS: Table = TagGroup.__table__  # type: ignore[attr-defined]
CHANNELS: Table = Channel.__table__  # type: ignore[attr-defined]
SETTINGS = ("single_choice", "expires_days")
TWIN, HOME, TWINS_HOME = TAGS.alias("twin"), GROUPS.alias("home"), GROUPS.alias("twins_home")
TWINS = (
    select(TAGS.c.id, TWIN.c.id, HOME.c.id, TWINS_HOME.c.id)
    .join_from(TAGS, HOME, HOME.c.id == TAGS.c.group_id)
    .join(TWINS_HOME, TWINS_HOME.c.name == HOME.c.name)
    .join(TWIN, and_(TWIN.c.group_id == TWINS_HOME.c.id, TWIN.c.name == TAGS.c.name))
    .where(TAGS.c.id.startswith(LOCAL), ~TWIN.c.id.startswith(LOCAL), TWIN.c.deleted.is_(False))
)


def join_twins(session: Session, now: datetime) -> None:
    """Let the platform's tags take the place of local ones of the same group and name."""
    twins = session.execute(TWINS).all()
    for local, twin, home, twins_home in twins:
        move_pairs(session, local, twin, now)
        session.execute(update(CHANGES).where(CHANGES.c.tag_id == local).values(tag_id=twin))
        keep_settings(session, home, twins_home)
        session.execute(delete(TAGS).where(TAGS.c.id == local))
    if twins:
        move_channels(session, {row[0]: row[1] for row in twins})
        empty = ~exists().where(TAGS.c.group_id == GROUPS.c.id)
        homes = GROUPS.c.id.in_({row[2] for row in twins})
        session.execute(delete(GROUPS).where(homes, GROUPS.c.id.startswith(LOCAL), empty))
        session.expire_all()


def move_pairs(session: Session, local: str, twin: str, now: datetime) -> None:
    """Whoever bears the local tag bears the platform's, and the platform is told where it did not know."""
    session.execute(delete(PUSHES).where(PUSHES.c.tag_id == local))
    other = PAIR_TAGS.alias("other")
    both = exists().where(
        other.c.customer_id == PAIR_TAGS.c.customer_id, other.c.userid == PAIR_TAGS.c.userid, other.c.tag_id == twin
    )
    bearing = (PAIR_TAGS.c.id, PAIR_TAGS.c.customer_id, PAIR_TAGS.c.userid)
    moved = session.execute(select(*bearing).where(PAIR_TAGS.c.tag_id == local, ~both)).all()
    if moved:
        these = among(session, PAIR_TAGS.c.id, [row.id for row in moved])
        session.execute(update(PAIR_TAGS).where(these).values(tag_id=twin))
        push_words(session, {Pair(row.customer_id, row.userid): {twin: True} for row in moved}, now)
    session.execute(delete(PAIR_TAGS).where(PAIR_TAGS.c.tag_id == local))


def keep_settings(session: Session, home: str, twins_home: str) -> None:
    """What was set for the local group holds for the platform's, unless that has settings of its own."""
    if home != twins_home:
        settings = {name: select(GROUPS.c[name]).where(GROUPS.c.id == home).scalar_subquery() for name in SETTINGS}
        plain = (GROUPS.c.single_choice.is_(False), GROUPS.c.expires_days.is_(None))
        session.execute(update(GROUPS).where(GROUPS.c.id == twins_home, *plain).values(settings))


def move_channels(session: Session, twins: dict[str, str]) -> None:
    """Channels put on the platform's tags."""
    for row in session.execute(select(CHANNELS.c.id, CHANNELS.c.tag_ids)).all():
        tag_ids = list(dict.fromkeys(twins.get(one, one) for one in row.tag_ids))
        if tag_ids != row.tag_ids:
            session.execute(update(CHANNELS).where(CHANNELS.c.id == row.id).values(tag_ids=tag_ids))
