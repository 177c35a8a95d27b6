"""A leader decides whose an order is, over every other reason: numbers and commission follow, also when taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from contacts.leaders import leads
from contacts.models import Staff
from kpi.credit import PIECE, credit_orders
from kpi.models import CreditDecision, OrderCredit
from kpi.scope import NotYours, team_of

WORDS = 200
UNDO_MINUTES = 10


@dataclass(frozen=True)
class Decided:
    """Who decided, and why."""

    by: str
    """Her userid; her name where it is for people."""
    words: str


def payments_led(session: Session, leader: str, *where: object) -> list[OrderCredit]:
    """The payments of those a leader leads, and of nobody in her stores, the newest first. Raises `NotYours`."""
    line = OrderCredit
    theirs = team_of(session, leader).covers(col(line.userid), col(line.store))
    paid = select(line).where(theirs, line.refund_id == 0, *where)  # type: ignore[arg-type]
    return list(session.exec(paid.order_by(col(line.at).desc(), col(line.id).desc())).all())


def decide(session: Session, line: OrderCredit, userid: str, decided: Decided, now: datetime) -> None:
    """Let an order of a leader's team be a member's whom she leads. Raises `NotYours`: also for herself."""
    leader = decided.by
    if userid == leader or not leads(session, leader, userid):
        raise NotYours("whose an order is, is decided by whoever leads them")
    decision = CreditDecision(order_id=line.order_id, userid=userid, before=line.userid, by=leader, at=now)
    decision.words = decided.words[:WORDS]
    session.add(decision)
    recredit(session, line.order_id)


def last_decision(session: Session, leader: str, now: datetime) -> CreditDecision | None:
    """What a leader decided last, while it can be taken back."""
    one = CreditDecision
    recent = (one.by == leader, col(one.undone_at).is_(None), col(one.at) >= now - timedelta(minutes=UNDO_MINUTES))
    return session.exec(select(one).where(*recent).order_by(col(one.id).desc())).first()


def take_back(session: Session, decision: CreditDecision, now: datetime) -> None:
    """As if it had not been decided; that it was stays on record."""
    decision.undone_at = now
    recredit(session, decision.order_id)


def recredit(session: Session, order_id: int) -> None:
    """Work out anew whose an order is."""
    session.flush()
    credit_orders(session, [order_id])
    session.expire_all()


def deciders(session: Session, order_ids: Sequence[int]) -> dict[int, Decided]:
    """Who decided whose these orders are, where somebody did."""
    found: dict[int, Decided] = {}
    for start in range(0, len(order_ids), PIECE):
        one = CreditDecision
        those = (col(one.order_id).in_(order_ids[start : start + PIECE]), col(one.undone_at).is_(None))
        rows = select(one.order_id, Staff.name, one.by, one.words).outerjoin(Staff, col(Staff.userid) == col(one.by))
        for order_id, name, by, words in session.exec(rows.where(*those).order_by(col(one.id))):
            found[order_id] = Decided(name or by, words)
    return found
