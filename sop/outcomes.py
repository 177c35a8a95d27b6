"""What followed a finished to-do within its window is linked to it: ordered, visited, booked, replied, tagged.

The window is the one in which an order is credited to who touched the customer. Linked when the fact comes in, and once
more each night, whatever came in late or was refunded since; done twice it gives the same.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select, update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.database import Database
from bot.jobs import Done, Job
from bot.language import gettext as _
from contacts.facts import Act, Booking, Order, Visit
from contacts.rollups import REFUNDED_IN_FULL, REPLY_ACTS
from contacts.tags import CHAT, CLIENT, PAGE, TagChange
from contacts.touches import TOUCH_DAYS
from sop.conditions import CANCELLED, at
from sop.enrol import chunks
from sop.sops import DONE, TODOS
from sop.sqltime import WholeDays

OUTCOMES = "outcomes"
"""The kind of job that looks at everything once a night."""
ORDERED, VISITED, BOOKED, REPLIED, TAGGED = "ordered", "visited", "booked", "replied", "tagged"
"""The weightiest first: a to-do keeps the weightiest, with when it first happened."""
SPOKEN_WITH = frozenset({"replied", "booked", "deal", "refused"})
"""Results of which a member says that the customer answered."""
T = TODOS.c
SPAN = 20_000
"""To-dos looked at together at night."""
LINK = (
    update(TODOS)
    .where(T.id == bindparam("which"))
    .values(outcome=bindparam("new_outcome"), outcome_at=bindparam("new_at"))
)


def first(moment: Any, customer_id: Any, *conditions: ColumnElement[bool]) -> Any:
    """When something first happened after the to-do was closed and within its window."""
    within = (customer_id == T.customer_id, moment > T.closed_at, WholeDays(moment, T.closed_at) < TOUCH_DAYS)
    return select(func.min(moment)).where(*within, *conditions).correlate(TODOS).scalar_subquery()


FOLLOWED = {
    ORDERED: first(col(Order.at), col(Order.customer_id), ~REFUNDED_IN_FULL),
    VISITED: first(col(Visit.at), col(Visit.customer_id)),
    BOOKED: first(col(Booking.made_at), col(Booking.customer_id), col(Booking.status) != CANCELLED),
    REPLIED: first(col(Act.at), col(Act.customer_id), col(Act.name).in_(REPLY_ACTS)),
    TAGGED: first(
        col(TagChange.at),
        col(TagChange.customer_id),
        col(TagChange.added).is_(True),
        col(TagChange.source).in_((CHAT, CLIENT, PAGE)),
    ),
}


def finished(now: datetime) -> Select[Any]:
    """Finished to-dos whose window is open, or closed yesterday, with what followed each."""
    columns = (T.id, T.result, T.closed_at, T.outcome, T.outcome_at)
    recent = T.closed_at >= at(now - timedelta(days=TOUCH_DAYS + 1))
    return select(*columns, *(when.label(kind) for kind, when in FOLLOWED.items())).where(T.state == DONE, recent)


def changed(row: Any) -> dict[str, Any] | None:
    """What a row's outcome should be, if it is not that already."""
    found = {kind: getattr(row, kind) for kind in FOLLOWED}
    if row.result in SPOKEN_WITH and found[REPLIED] is None:
        found[REPLIED] = row.closed_at
    outcome, when = next(((kind, when) for kind, when in found.items() if when), ("", None))
    if (outcome, when) == (row.outcome, row.outcome_at):
        return None
    return {"which": row.id, "new_outcome": outcome, "new_at": when}


def link(session: Session, customer_ids: Sequence[int], now: datetime) -> int:
    """Link what followed the to-dos of these customers; answers how many changed."""
    rows: list[dict[str, Any]] = []
    for part in chunks(sorted(set(customer_ids))):
        rows += differing(session, finished(now).where(T.customer_id.in_(part)))
    write(session, rows)
    return len(rows)


def differing(session: Session, span: Select[Any]) -> list[dict[str, Any]]:
    """What has to be written for these to-dos."""
    return [one for row in session.connection().execute(span) if (one := changed(row))]


def write(session: Session, rows: list[dict[str, Any]]) -> None:
    """Write outcomes."""
    if rows:
        session.connection().execute(LINK, rows)


def link_all(database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the night: reads in spans, and writes only what changed."""

    async def run(_: Job) -> Done:
        now, last, linked = clock.now(), 0, 0
        while ids := await database.read(partial(following, now=now, last=last)):
            span = finished(now).where(T.id > last, T.id <= ids[-1])
            rows = await database.read(partial(differing, span=span))
            await database.write(partial(write, rows=rows))
            last, linked = ids[-1], linked + len(rows)
        return Done(f"{linked} linked")

    return run


def following(session: Session, now: datetime, last: int) -> list[int]:
    """The next ids to look at."""
    recent = T.closed_at >= at(now - timedelta(days=TOUCH_DAYS + 1))
    ids = select(T.id).where(T.state == DONE, recent, T.id > last).order_by(T.id).limit(SPAN)
    return list(session.connection().execute(ids).scalars())


def counted(session: Session, since: datetime, until: datetime, userids: Iterable[str] | None = None) -> Counter[str]:
    """How many finished to-dos were followed by what, by when it followed: of these members, or of all."""
    which = [T.outcome_at >= at(since), T.outcome_at < at(until), T.state == DONE]
    if userids is not None:
        which.append(T.closed_by.in_(list(userids)))
    rows = session.connection().execute(select(T.outcome, func.count()).where(*which).group_by(T.outcome))
    return Counter({outcome: number for outcome, number in rows if outcome})


def outcome_names() -> dict[str, str]:
    """Outcomes as staff read them."""
    return {
        ORDERED: _("ordered"),
        VISITED: _("visited"),
        BOOKED: _("booked"),
        REPLIED: _("replied"),
        TAGGED: _("tagged"),
    }
