"""Layers: each definition, what is written, what is logged, and what rules are told."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, SQLModel, col, select

from bot.clock import Clock
from bot.database import Database
from bot.jobs import Job
from contacts.channels import Campaign
from contacts.facts import Act, Booking, LayerMove, Order, OrderItem, Participation, Product, Referral, Visit
from contacts.layers import LAYERS, limits_of, recompute, recompute_all, set_limits
from contacts.models import Customer, FollowUser
from tests.conftest import MONDAY_TEN

NOW = MONDAY_TEN
ONE = 1


def ago(days: float) -> datetime:
    """So many days before now."""
    return NOW - timedelta(days=days)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """One customer, added by Lin ten days ago."""
    with Session(database.engine) as session:
        session.add(Customer(id=ONE, name="Chen", first_added_at=ago(10)))
        session.add(Campaign(id=1, code="c", name="c", starts_on=ago(9).date(), ends_on=NOW.date(), created_at=NOW))
        session.add(Campaign(id=2, code="d", name="d", starts_on=ago(9).date(), ends_on=NOW.date(), created_at=NOW))
        session.flush()
        session.add(FollowUser(customer_id=ONE, userid="lin", added_at=ago(10)))
        session.flush()
        yield session


def fact(model: type[SQLModel], number: int = 0, **given: Any) -> SQLModel:
    """A fact about the customer."""
    base = {"source_id": f"{model.__name__}{number}", "digest": "", "at": ago(1)}
    return model(**({"customer_id": ONE} | base | given))


def bought(session: Session, *orders: Order) -> None:
    """Put orders on record, with the customer's sums."""
    session.add_all(orders)
    customer = session.get_one(Customer, ONE)
    customer.orders = len(orders)
    customer.net_fen = sum(one.amount_fen for one in orders)
    customer.last_order_at = customer.last_contact_at = max(one.at for one in orders)
    session.add(customer)
    session.flush()


def order(number: int = 0, days: float = 1, fen: int = 10_000, **given: Any) -> Order:
    """An order."""
    return Order(
        id=number + 1, source_id=f"o{number}", digest="", at=ago(days), customer_id=ONE, amount_fen=fen, **given
    )


def layered(session: Session, now: datetime = NOW, cause: str = "test") -> Customer:
    """The customer after working out her layers."""
    session.flush()
    recompute(session, [ONE], now, cause)
    session.expire_all()
    return session.get_one(Customer, ONE)


def test_somebody_just_added_is_new_and_aware(session: Session) -> None:
    chen = layered(session)

    assert (chen.stage, chen.aipl, chen.quadrant, chen.rfm, chen.seeking, chen.koc) == (
        "new",
        "aware",
        "",
        "",
        "",
        False,
    )


@pytest.mark.parametrize(
    "own",
    [
        fact(Act, name="product_viewed"),
        fact(Visit),
        fact(Booking, starts_at=ago(-3), first_starts_at=ago(-3), made_at=ago(1)),
    ],
)
def test_an_own_act_a_visit_or_a_booking_is_interest(session: Session, own: SQLModel) -> None:
    session.add(type(own)(**own.model_dump(exclude={"id"})))
    chen = layered(session)

    assert (chen.stage, chen.aipl) == ("engaged", "interest")


def test_an_act_of_more_than_a_year_ago_is_forgotten(session: Session) -> None:
    session.add(fact(Act, name="product_viewed", at=ago(366)))

    assert layered(session).aipl == "aware"


def test_one_order_is_a_purchase_and_two_within_a_year_are_loyalty(session: Session) -> None:
    bought(session, order())
    assert (layered(session).stage, layered(session).aipl) == ("buyer", "purchase")

    bought(session, order(1, days=300))
    chen = session.get_one(Customer, ONE)
    chen.orders, chen.last_contact_at = 2, ago(1)
    assert (layered(session).stage, layered(session).aipl) == ("repeat", "loyal")


def test_two_orders_long_ago_are_a_repeat_buyer_but_no_loyalty(session: Session) -> None:
    bought(session, order(days=400), order(1, days=500))

    assert (layered(session).stage, layered(session).aipl) == ("silent", "purchase")


def test_bringing_a_friend_is_loyalty_and_two_make_a_koc(session: Session) -> None:
    session.add_all([Customer(id=2), Customer(id=3)])
    session.add(fact(Referral, customer_id=2, referrer_id=ONE))
    assert (layered(session).aipl, layered(session).koc) == ("loyal", False)

    session.add(fact(Referral, 1, customer_id=3, referrer_id=ONE))
    assert layered(session).koc


def test_three_shares_make_a_koc(session: Session) -> None:
    session.add_all([fact(Act, number, name="shared") for number in range(3)])

    assert layered(session).koc


@pytest.mark.parametrize(("days", "stage"), [(89, "new"), (90, "silent"), (200, "silent")])
def test_silence_counts_from_the_latest_contact_else_from_the_add(session: Session, days: int, stage: str) -> None:
    chen = session.get_one(Customer, ONE)
    chen.first_added_at = ago(days)
    assert layered(session).stage == stage

    chen.last_contact_at = ago(1)
    assert layered(session).stage == "new"


def test_lost_to_everybody_is_lost(session: Session) -> None:
    session.exec(select(FollowUser)).one().lost_at = ago(1)
    assert (layered(session).stage, layered(session).aipl) == ("lost", "")

    session.add(FollowUser(customer_id=ONE, userid="wang", added_at=ago(0)))
    assert (layered(session).stage, layered(session).aipl) == ("new", "aware")


def test_a_stage_somebody_set_is_left_alone(session: Session) -> None:
    session.get_one(Customer, ONE).stage = "到店"
    bought(session, order())

    assert (layered(session).stage, layered(session).aipl) == ("到店", "purchase")


@pytest.mark.parametrize(
    ("days", "orders", "fen", "rfm"),
    [(0, 1, 10_000, "511"), (30.5, 2, 50_000, "422"), (364, 3, 200_000, "233"), (366, 9, 1_000_000, "155")],
)
def test_rfm_points_go_by_fixed_limits(session: Session, days: float, orders: int, fen: int, rfm: str) -> None:
    chen = session.get_one(Customer, ONE)
    chen.last_order_at, chen.orders, chen.net_fen = ago(days), orders, fen

    assert layered(session).rfm == rfm


def test_limits_of_rfm_can_be_changed(session: Session) -> None:
    set_limits(session, "money", [400, 300, 200, 100], NOW)
    bought(session, order(fen=350))

    assert layered(session).rfm == "514"
    with pytest.raises(ValueError, match="expected four rising numbers"):
        set_limits(session, "recency", [90, 30, 180, 365], NOW)
    with pytest.raises(ValueError, match="expected recency, frequency or money"):
        set_limits(session, "quadrant", [1, 2, 3, 4], NOW)


def items(session: Session, sku: str, paid: int) -> None:
    """One order with one line."""
    bought(session, order(fen=paid))
    session.add(OrderItem(order_id=1, sku=sku, name=sku, qty=2, amount_fen=paid))


@pytest.mark.parametrize(
    ("sku", "paid", "seeking"), [("old", 2000, "value"), ("old", 1799, "discount"), ("new", 2000, "novelty")]
)
def test_what_she_seeks_is_told_by_her_order_lines(session: Session, sku: str, paid: int, seeking: str) -> None:
    session.add(Product(sku="old", name="old", price_fen=1000, new_until=ago(300)))
    session.add(Product(sku="new", name="new", price_fen=1000, new_until=ago(-30)))
    items(session, sku, paid)

    assert layered(session).seeking == seeking


def test_who_buys_in_campaigns_or_joins_two_comes_for_the_event(session: Session) -> None:
    session.add_all([fact(Participation, number, campaign_id=number) for number in (1, 2)])
    assert layered(session).seeking == "event"

    for one in session.exec(select(Participation)).all():
        session.delete(one)
    bought(session, order(campaign_id=1), order(1))
    assert layered(session).seeking == "event"


def test_moves_are_logged_and_told_once_the_first_classification_is_neither(session: Session) -> None:
    layered(session)
    layered(session)
    assert session.exec(select(LayerMove)).all() == []

    bought(session, order())
    layered(session, cause="order:1")
    layered(session, cause="again")

    moves = session.exec(select(LayerMove).order_by(col(LayerMove.layer))).all()
    assert [(one.layer, one.before, one.after) for one in moves] == [
        ("aipl", "aware", "purchase"),
        ("quadrant", "", "lh"),
        ("rfm", "", "511"),
        ("seeking", "", "value"),
        ("stage", "new", "buyer"),
    ]
    assert {(one.at, one.cause) for one in moves} == {(NOW, "order:1")}
    [job] = session.exec(select(Job)).all()
    assert job.key == "domain:stage_moved:order:1:1"
    assert job.payload["facts"] == {"before": "new", "after": "buyer"}


def test_merged_and_erased_customers_are_left_out(session: Session) -> None:
    session.get_one(Customer, ONE).erased_at = NOW

    assert layered(session).stage == ""


async def test_the_night_measures_medians_and_moves_everybody(database: Database, session: Session) -> None:
    # Orders 1, 1, 2, 4 and tickets 100, 300, 200, 400: half of the customers lie above each median or not.
    for number, (orders, ticket) in enumerate([(1, 100), (1, 300), (2, 200), (4, 400)], 10):
        session.add(
            Customer(id=number, orders=orders, net_fen=orders * ticket, last_order_at=ago(5), first_added_at=ago(50))
        )
    session.add_all([Product(sku=sku, name=sku, price_fen=1) for sku in ("first", "later", "never")])
    for number, (sku, days) in enumerate([("first", 200), ("later", 20), ("later", 10)]):
        session.add(order(number, days))
        session.flush()
        session.add(OrderItem(order_id=number + 1, sku=sku, name=sku, qty=1, amount_fen=5))
    session.commit()

    run = recompute_all(database, Clock(NOW), ZoneInfo("Asia/Shanghai"))
    job = Job(key="night", kind=LAYERS, run_at=NOW, created_at=NOW)
    assert (await run(job)).outcome == "5 customers changed"
    assert (await run(job)).outcome == "0 customers changed"

    session.expire_all()
    quadrants = session.exec(select(Customer.quadrant).where(col(Customer.id) >= 10).order_by(col(Customer.id))).all()
    assert list(quadrants) == ["ll", "lh", "hl", "hh"]
    assert limits_of(session).quadrant == (1, 200)
    products = {one.sku: one.new_until for one in session.exec(select(Product))}
    assert products == {"first": ago(200), "later": ago(-40), "never": None}
