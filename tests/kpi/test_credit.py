"""Whose each order is: against the rules written out in plain Python, and the same in whatever grouping."""

from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, delete, select

from bot.database import Database
from contacts.channels import Campaign, Channel
from contacts.facts import Order, OrderItem, Participation, Refund, Touch
from contacts.models import ADDED, CONFIRMED, HALF_ADDED, Customer, MainStaffChange, TieChange
from kpi.credit import credit_orders, uncredited
from kpi.models import OrderCredit
from tests.conftest import MONDAY_TEN
from tests.kpi.company import ORDERS, company


def campaign_of(session: Session, order: Order) -> tuple[int | None, str]:
    """Which campaign an order counts for, and why."""
    if order.campaign_id:
        return order.campaign_id, "record"
    joined = session.exec(select(Participation).where(Participation.customer_id == order.customer_id))
    found = [(one.at, "joined", one.campaign_id) for one in joined]
    for tie in session.exec(select(TieChange).where(TieChange.customer_id == order.customer_id)):
        channel = session.get(Channel, tie.channel_id) if tie.channel_id else None
        if tie.kind in {ADDED, HALF_ADDED, CONFIRMED} and channel and channel.campaign_id:
            found.append((tie.at, "channel", channel.campaign_id))
    window = {one.id: timedelta(days=one.window_days) for one in session.exec(select(Campaign))}
    fits = [one for one in found if one[0] <= order.at < one[0] + window[one[2]]]
    return (max(fits)[2], max(fits)[1]) if fits else (None, "")


def member_of(session: Session, order: Order) -> tuple[str | None, str]:
    """Whose an order is, and why."""
    if order.userid:
        return order.userid, "order"
    touches = session.exec(select(Touch).where(Touch.customer_id == order.customer_id, col(Touch.doubtful).is_(False)))
    recent = [(one.at, one.id, one.userid) for one in touches if one.at <= order.at < one.at + timedelta(days=15)]
    if recent:
        return max(recent)[2], "touch"
    changes = session.exec(
        select(MainStaffChange)
        .where(MainStaffChange.customer_id == order.customer_id)
        .order_by(col(MainStaffChange.at))
    ).all()
    customer = session.get(Customer, order.customer_id)
    main = customer.main_userid if customer else None
    for change in reversed(changes):
        main = main if change.at <= order.at else change.before or main
    return main, "main" if main else "store"


def lines(session: Session) -> list[dict[str, Any]]:
    """Every line without its own number."""
    rows = session.exec(select(OrderCredit).order_by(col(OrderCredit.order_id), col(OrderCredit.refund_id))).all()
    return [row.model_dump(exclude={"id"}) for row in rows]


async def test_each_order_is_whose_the_rules_say(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        found = {line["order_id"]: line for line in lines(session) if not line["refund_id"]}
        assert len(found) == ORDERS
        for order in session.exec(select(Order)):
            line = found[order.id]
            assert (line["campaign_id"], line["campaign_basis"]) == campaign_of(session, order), order.id
            assert (line["userid"], line["basis"]) == member_of(session, order), order.id
            margins = [
                item.margin_fen for item in session.exec(select(OrderItem).where(OrderItem.order_id == order.id))
            ]
            known = sum(one for one in margins if one is not None)
            assert line["margin_fen"] == (None if None in margins else known)
            days = {2: 14}.get(line["campaign_id"], 7)
            assert abs(line["confirms_at"] - order.at - timedelta(days=days)) < timedelta(milliseconds=1)
        assert {line["basis"] for line in found.values()} == {"order", "touch", "main", "store"}
        assert {line["campaign_basis"] for line in found.values()} == {"record", "channel", "joined", ""}


async def test_refunds_are_negative_lines_of_their_own_day(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        paid = {line["order_id"]: line for line in lines(session) if not line["refund_id"]}
        back = {line["refund_id"]: line for line in lines(session) if line["refund_id"]}
        refunds = session.exec(select(Refund)).all()
        assert len(refunds) == len(back) > 30
        for refund in refunds:
            line, order = back[refund.id], paid[refund.order_id]
            assert (line["amount_fen"], line["at"]) == (-refund.amount_fen, refund.at)
            assert (line["customer_id"], line["userid"], line["basis"]) == (
                order["customer_id"],
                order["userid"],
                order["basis"],
            )


async def test_piece_by_piece_in_any_order_is_what_a_recompute_gives(database: Database) -> None:
    with Session(database.engine) as session:
        company(session, credited=False)
        for start in (5, 3, 1, 4, 2):
            credit_orders(session, [one for one in range(1, ORDERS + 1) if one % 5 == start % 5])
        piecemeal = lines(session)
        assert credit_orders(session, list(range(1, ORDERS + 1))) == 0
        session.exec(delete(OrderCredit))
        credit_orders(session, list(range(1, ORDERS + 1)))
        assert lines(session) == piecemeal


async def test_a_late_touch_moves_the_credit(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        order = session.exec(select(OrderCredit).where(OrderCredit.basis == "store")).first()
        assert order is not None
        session.add(Touch(at=order.at, customer_id=order.customer_id, userid="wang", scene="call", reference="late"))
        session.flush()
        assert credit_orders(session, [order.order_id]) >= 1
        session.refresh(order)
        assert (order.userid, order.basis) == ("wang", "touch")


async def test_only_what_is_new_is_looked_for(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        assert uncredited(session, 0) == []
        session.add(Order(source_id="new", digest="", at=MONDAY_TEN, customer_id=3, amount_fen=100))
        session.add(Refund(source_id="new", digest="", at=MONDAY_TEN, order_id=7, customer_id=1, amount_fen=1))
        session.flush()
        assert uncredited(session, 0) == [7, ORDERS + 1]
