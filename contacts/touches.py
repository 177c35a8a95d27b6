"""Touches: staff reached a customer, as the platform confirms or as staff report."""

from datetime import datetime, timedelta

from sqlalchemy import Boolean, ColumnElement, String, Table, bindparam, func, insert, literal, select
from sqlmodel import Session

from bot.statements import Statement
from contacts.changes import EXTERNAL, IDENTITIES
from contacts.facts import WELCOME, Touch

TOUCHES: Table = Touch.__table__  # type: ignore[attr-defined]
BURST, BURST_SECONDS = 5, 60
"""More reports of one member than this within so many seconds are marked doubtful for the leader."""
WEEK = timedelta(days=7)
TOUCH_DAYS = 15
"""What a customer does so many days after a touch followed from it: outcomes and credit of orders go by this."""
GREETED = Statement(
    insert(TOUCHES).from_select(
        ["at", "customer_id", "userid", "scene", "reference", "confirmed", "doubtful"],
        select(
            bindparam("sent", type_=TOUCHES.c.at.type),
            IDENTITIES.c.customer_id,
            bindparam("who", type_=String()),
            literal(WELCOME),
            bindparam("reference", type_=String()),
            bindparam("confirmed", type_=Boolean()),
            literal(False),
        ).where(IDENTITIES.c.kind == EXTERNAL, IDENTITIES.c.value == bindparam("known_as")),
    )
)


def welcomed(
    session: Session, userid: str, external_userid: str, *, reference: str, at: datetime, confirmed: bool
) -> None:
    """A welcome went out; not confirmed when the platform's answer was lost. One statement: welcomes come in floods."""
    row = {"sent": at, "who": userid, "reference": reference, "confirmed": confirmed, "known_as": external_userid}
    GREETED.run(session.connection(), row)


def report(
    session: Session,
    customer_id: int,
    userid: str,
    scene: str,
    *,
    reference: str,
    at: datetime,
    sop_id: int | None = None,
    campaign_id: int | None = None,
) -> Touch:
    """A member says that she reached a customer; one of too many at once is kept, and marked doubtful."""
    touch = Touch(
        at=at,
        customer_id=customer_id,
        userid=userid,
        scene=scene,
        reference=reference,
        doubtful=reports_lately(session, userid, at) >= BURST,
        sop_id=sop_id,
        campaign_id=campaign_id,
    )  # fmt: skip
    session.add(touch)
    session.flush()
    return touch


def reports_lately(session: Session, userid: str, at: datetime) -> int:
    """How many touches the member reported in the minute before."""
    mine = (TOUCHES.c.userid == userid, TOUCHES.c.at > at - timedelta(seconds=BURST_SECONDS), TOUCHES.c.at <= at)
    counted = select(func.count()).select_from(TOUCHES).where(*mine, TOUCHES.c.confirmed.is_(False))
    return session.connection().execute(counted).scalar_one()


def touches_of_week(customer_id: ColumnElement[int], now: datetime) -> ColumnElement[int]:
    """How often a customer was reached in the last seven days by anybody here: for the weekly cap.

    A welcome answers the customer's own step, so it is left out.
    """
    recent = (TOUCHES.c.customer_id == customer_id, TOUCHES.c.at > now - WEEK, TOUCHES.c.scene != WELCOME)
    return select(func.count()).select_from(TOUCHES).where(*recent).correlate_except(TOUCHES).scalar_subquery()
