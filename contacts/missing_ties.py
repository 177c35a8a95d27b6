"""Ties that the platform no longer lists: they ended without a word to us."""

from datetime import datetime

from sqlalchemy import and_, bindparam, exists, insert, or_, select, update
from sqlmodel import Session

from contacts.changes import TIES
from contacts.domain_events import DomainEvent, raise_events
from contacts.models import LOST, STAFF, TRANSFER, TRANSFERRED_OUT
from contacts.pages import ASSIGNED, LAG, SYNC
from contacts.tie_log import TIE_CHANGES

ROWS_AT_ONCE = 500

OTHER = TIES.alias("other")
TAKEN_OVER = exists().where(
    OTHER.c.customer_id == TIES.c.customer_id,
    OTHER.c.userid != TIES.c.userid,
    OTHER.c.add_way == ASSIGNED,
    OTHER.c.lost_at.is_(None),
    OTHER.c.added_at >= TIES.c.added_at,
)
MISSING = select(TIES.c.id, TIES.c.customer_id, TIES.c.userid, TAKEN_OVER.label("taken_over")).where(
    and_(
        TIES.c.userid.in_(bindparam("whose", expanding=True)),
        TIES.c.lost_at.is_(None),
        ~TIES.c.half,  # the platform lists half ties nowhere
        or_(TIES.c.fetched_at.is_(None), TIES.c.fetched_at < bindparam("began_at", type_=TIES.c.fetched_at.type)),
        TIES.c.added_at < bindparam("before", type_=TIES.c.added_at.type),
    )
)
END = (
    update(TIES)
    .where(TIES.c.id.in_(bindparam("which", expanding=True)))
    .values(lost_at=bindparam("at", type_=TIES.c.lost_at.type), lost_by=bindparam("by"))
)


def end_missing(session: Session, userids: list[str], began_at: datetime, now: datetime, *, cause: str) -> int:
    """End the members' ties that a pull begun at `began_at` did not come upon; answers how many.

    A tie that has ended already stays as it is: who ended it is known from its event only.
    """
    connection = session.connection()
    which = {"whose": userids, "began_at": began_at, "before": began_at - LAG}
    rows = connection.execute(MISSING, which).all()
    for by, kind in ((STAFF, LOST), (TRANSFER, TRANSFERRED_OUT)):
        gone = [row for row in rows if row.taken_over == (by == TRANSFER)]
        for start in range(0, len(gone), ROWS_AT_ONCE):
            some = gone[start : start + ROWS_AT_ONCE]
            connection.execute(END, {"which": [row.id for row in some], "at": now, "by": by})
            log = {"at": now, "kind": kind, "by": by, "source": SYNC, "returned": False, "state": ""}
            changes = [{**log, "customer_id": row.customer_id, "userid": row.userid} for row in some]
            connection.execute(insert(TIE_CHANGES), changes)
    lost = [row for row in rows if not row.taken_over]
    raise_events(
        session,
        [
            DomainEvent(
                "customer_lost", row.customer_id, now, f"{cause}:{row.userid}", {"userid": row.userid, "by": STAFF}
            )
            for row in lost
        ],
    )
    return len(rows)
