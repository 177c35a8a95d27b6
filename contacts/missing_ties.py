"""Ties that the platform no longer lists: they ended without a word to us.

A list may be wrong: empty or far too short, without any error. Where many of a member's ties are missing at once, they
are held back until another pull misses them too, or somebody says that they are gone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, insert, or_, select, update
from sqlmodel import Session

from contacts.bulk import among
from contacts.changes import CUSTOMERS, TIES
from contacts.domain_events import DomainEvent, raise_events
from contacts.models import LOST, STAFF, TRANSFER, TRANSFERRED_OUT
from contacts.pages import ASSIGNED, LAG, SYNC
from contacts.tie_log import TIE_CHANGES

FEW, SHARE = 10, 0.5
"""More ties than these missing at once, and more than this share of all, are not believed at first."""
MEMBERS_SHOWN = 5

OTHER = TIES.alias("other")
TAKEN_OVER = exists().where(
    OTHER.c.customer_id == TIES.c.customer_id,
    OTHER.c.userid != TIES.c.userid,
    OTHER.c.add_way == ASSIGNED,
    OTHER.c.lost_at.is_(None),
    OTHER.c.added_at >= TIES.c.added_at,
)
LISTABLE = and_(
    TIES.c.userid.in_(bindparam("whose", expanding=True)),
    TIES.c.lost_at.is_(None),
    ~TIES.c.half,  # the platform lists half ties nowhere
    CUSTOMERS.c.erased_at.is_(None),
)
LIVING = select(TIES.c.userid, func.count()).join(CUSTOMERS, CUSTOMERS.c.id == TIES.c.customer_id)
LIVING = LIVING.where(LISTABLE).group_by(TIES.c.userid)
MISSING = (
    select(TIES.c.id, TIES.c.customer_id, TIES.c.userid, TIES.c.missing_at, TAKEN_OVER.label("taken_over"))
    .join(CUSTOMERS, CUSTOMERS.c.id == TIES.c.customer_id)
    .where(
        LISTABLE,
        or_(TIES.c.fetched_at.is_(None), TIES.c.fetched_at < bindparam("began_at", type_=TIES.c.fetched_at.type)),
        TIES.c.added_at < bindparam("before", type_=TIES.c.added_at.type),
    )
)


@dataclass(frozen=True)
class Finish:
    """The end of a pull's part."""

    userids: Sequence[str]
    began_at: datetime
    now: datetime
    cause: str
    accept_losses: bool = False
    """Somebody says that whoever is missing is gone."""


def end_missing(session: Session, part: Finish) -> Counter[str]:
    """End the members' ties that the pull did not come upon, or hold them back; answers how many of each.

    A tie that has ended already stays as it is: who ended it is known from its event only.
    """
    which = {"whose": list(part.userids), "began_at": part.began_at, "before": part.began_at - LAG}
    rows = session.connection().execute(MISSING, which).all()
    if not rows:
        return Counter()
    handed = [row for row in rows if row.taken_over]
    gone = [row for row in rows if not row.taken_over]
    living = {row[0]: row[1] for row in session.connection().execute(LIVING, {"whose": list(part.userids)})}
    held = [] if part.accept_losses else doubtful(gone, living)
    mark(session, held, part.now)
    waiting = {row.id for row in held}
    lost = [row for row in gone if row.id not in waiting]
    end(session, handed, TRANSFER, TRANSFERRED_OUT, part.now)
    end(session, lost, STAFF, LOST, part.now)
    raise_events(
        session,
        [
            DomainEvent(
                "customer_lost",
                row.customer_id,
                part.now,
                f"{part.cause}:{row.userid}",
                {"userid": row.userid, "by": STAFF},
            )
            for row in lost
        ],
    )
    return Counter(ties_ended=len(handed) + len(lost), ties_held_back=len(held))


def doubtful(gone: Sequence[Any], living: dict[str, int]) -> list[Any]:
    """Of the missing ties, those of members who lost too many at once, unless an earlier pull missed them too."""
    missing = Counter(row.userid for row in gone)
    everybody = implausible(len(gone), sum(living.values()))
    doubted = {userid for userid, many in missing.items() if everybody or implausible(many, living[userid])}
    return [row for row in gone if row.userid in doubted and row.missing_at is None]


def implausible(missing: int, living: int) -> bool:
    """Whether so many missing of so many are more likely a mistake of the platform's than losses."""
    return missing > FEW and missing > living * SHARE


def mark(session: Session, rows: Iterable[Any], now: datetime) -> None:
    """Note that these ties were missing."""
    if ids := [row.id for row in rows]:
        session.execute(update(TIES).where(among(session, TIES.c.id, ids)).values(missing_at=now))


def end(session: Session, rows: Sequence[Any], by: str, kind: str, now: datetime) -> None:
    """End these ties, and log it."""
    if rows:
        these = among(session, TIES.c.id, [row.id for row in rows])
        session.execute(update(TIES).where(these).values(lost_at=now, lost_by=by, missing_at=None))
        log = {"at": now, "kind": kind, "by": by, "source": SYNC, "returned": False, "state": ""}
        changes = [{**log, "customer_id": row.customer_id, "userid": row.userid} for row in rows]
        session.connection().execute(insert(TIE_CHANGES), changes)


def held_back(session: Session, since: datetime) -> str:
    """Whose missing ties wait for another pull, as one sentence for the report; empty when nobody's do."""
    waiting = select(TIES.c.userid, func.count()).where(TIES.c.missing_at >= since, TIES.c.lost_at.is_(None))
    rows = session.execute(waiting.group_by(TIES.c.userid).order_by(func.count().desc(), TIES.c.userid)).all()
    if not rows:
        return ""
    shown = ", ".join(f"{userid} {many}" for userid, many in rows[:MEMBERS_SHOWN])
    more = f" and {len(rows) - MEMBERS_SHOWN} more members" if len(rows) > MEMBERS_SHOWN else ""
    return (
        f"too many customers are missing from the platform's lists to believe it ({shown}{more}): their ties stand "
        "until the next sync misses them too; frontline sync --accept-losses ends them now"
    )
