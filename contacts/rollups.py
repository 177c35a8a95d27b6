"""Orders, sums and last times on the customer's row: kept right from the facts, for whoever was touched or for all.

Recomputed, not counted on: doing it twice gives the same. Only new orders are added on, in the transaction that writes
them: a large import would else read each customer's orders again with every one. One statement per group of columns.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, Table, case, func, select, union_all, update
from sqlmodel import Session

from contacts.bulk import among
from contacts.facts import Act, Booking, Order, Touch, Visit
from contacts.models import Customer

REPLY_ACTS = ("replied", "link_chat")
"""Acts that are a contact: a reply staff report, a chat begun through an acquisition link."""
CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
ORDERS: Table = Order.__table__  # type: ignore[attr-defined]
REFUNDED_IN_FULL = (ORDERS.c.refunded_fen >= ORDERS.c.amount_fen) & (ORDERS.c.amount_fen > 0)


def contact_tables() -> list[tuple[Any, Any, Any]]:
    """Customer, time and condition of every fact that is a contact; a confirmed touch is only our own sending."""
    order, booking, visit = ORDERS.c, Booking.__table__.c, Visit.__table__.c  # type: ignore[attr-defined]
    act, touch = Act.__table__.c, Touch.__table__.c  # type: ignore[attr-defined]
    return [
        (order.customer_id, order.at, None),
        (booking.customer_id, booking.made_at, None),
        (visit.customer_id, visit.at, None),
        (act.customer_id, act.at, act.name.in_(REPLY_ACTS)),
        (touch.customer_id, touch.at, touch.confirmed.is_(False)),
    ]


def roll_up(session: Session, customer_ids: Iterable[int], *, orders: bool = True, contacts: bool = True) -> None:
    """Set the roll-ups of these customers. A last contact is never taken back here: `recompute` does that."""
    ids = sorted(set(customer_ids))
    if ids and orders:
        set_orders(session, among(session, CUSTOMERS.c.id, ids))
    if ids and contacts:
        set_contacts(session, ids)


def add_orders(session: Session, order_ids: Iterable[int]) -> None:
    """Add orders that this transaction wrote, and of which nothing was refunded yet, to their customers' roll-ups."""
    new = (
        select(
            ORDERS.c.customer_id,
            func.count().label("number"),
            func.sum(ORDERS.c.amount_fen).label("net"),
            func.min(ORDERS.c.at).label("first"),
            func.max(ORDERS.c.at).label("last"),
        )
        .where(among(session, ORDERS.c.id, order_ids))
        .group_by(ORDERS.c.customer_id)
        .subquery()
    )
    session.connection().execute(
        update(CUSTOMERS)
        .where(CUSTOMERS.c.id == new.c.customer_id)
        .values(
            orders=CUSTOMERS.c.orders + new.c.number,
            net_fen=CUSTOMERS.c.net_fen + new.c.net,
            first_order_at=earlier(CUSTOMERS.c.first_order_at, new.c.first),
            last_order_at=later(CUSTOMERS.c.last_order_at, new.c.last),
            last_contact_at=later(CUSTOMERS.c.last_contact_at, new.c.last),
        )
    )


def earlier(known: Any, other: Any) -> Any:
    """The earlier of two times, the first of which may not be known."""
    return case((known.is_(None) | (known > other), other), else_=known)


def later(known: Any, other: Any) -> Any:
    """The later of two times, the first of which may not be known."""
    return case((known.is_(None) | (known < other), other), else_=known)


def set_orders(session: Session, which: Any) -> None:
    """Number, sum, first and last of the orders that were not refunded in full; the last is a contact too."""
    sums = (
        select(
            CUSTOMERS.c.id.label("customer_id"),
            func.count(ORDERS.c.id).label("number"),
            func.coalesce(func.sum(ORDERS.c.amount_fen - ORDERS.c.refunded_fen), 0).label("net"),
            func.min(ORDERS.c.at).label("first"),
            func.max(ORDERS.c.at).label("last"),
        )
        .select_from(CUSTOMERS.outerjoin(ORDERS, (ORDERS.c.customer_id == CUSTOMERS.c.id) & ~REFUNDED_IN_FULL))
        .where(which)
        .group_by(CUSTOMERS.c.id)
        .subquery()
    )
    session.connection().execute(
        update(CUSTOMERS)
        .where(CUSTOMERS.c.id == sums.c.customer_id)
        .values(
            orders=sums.c.number,
            net_fen=sums.c.net,
            first_order_at=sums.c.first,
            last_order_at=sums.c.last,
            last_contact_at=later(CUSTOMERS.c.last_contact_at, sums.c.last),
        )
    )


def latest_contacts(session: Session, customer_ids: list[int] | None) -> Any:
    """The latest contact of each customer, of these or of all."""
    each: list[Select[Any]] = []
    for customer_id, at, condition in contact_tables():
        rows = select(customer_id.label("customer_id"), func.max(at).label("at")).group_by(customer_id)
        if customer_ids is not None:
            rows = rows.where(among(session, customer_id, customer_ids))
        each.append(rows if condition is None else rows.where(condition))
    every = union_all(*each).subquery()
    return select(every.c.customer_id, func.max(every.c.at).label("at")).group_by(every.c.customer_id).subquery()


def set_contacts(session: Session, customer_ids: list[int]) -> None:
    """Move the last contact of these customers on."""
    latest = latest_contacts(session, customer_ids)
    further = CUSTOMERS.c.last_contact_at.is_(None) | (CUSTOMERS.c.last_contact_at < latest.c.at)
    moved = update(CUSTOMERS).where(CUSTOMERS.c.id == latest.c.customer_id, further)
    session.connection().execute(moved.values(last_contact_at=latest.c.at))


def recompute(session: Session) -> None:
    """Set every customer's roll-ups anew from the facts, also those that nothing is known of any more."""
    session.connection().execute(update(CUSTOMERS).values(last_contact_at=None))
    set_orders(session, CUSTOMERS.c.id.is_not(None))
    latest = latest_contacts(session, None)
    same = CUSTOMERS.c.id == latest.c.customer_id
    session.connection().execute(update(CUSTOMERS).where(same).values(last_contact_at=latest.c.at))
