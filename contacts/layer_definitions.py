"""What each layer means, as SQL over many customers at once; `docs/layers.md` says the same in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, Table, and_, case, func, not_, null, or_, select
from sqlmodel import SQLModel

from bot.database import UtcTime
from contacts.facts import Act, Booking, Order, OrderItem, Participation, Product, Referral, Visit
from contacts.models import Customer, FollowUser

LOST, SILENT, REPEAT, BUYER, ENGAGED, NEW = STAGES = ("lost", "silent", "repeat", "buyer", "engaged", "new")
"""Computed stages, the first that holds. A stage of any other name was set by a rule or a person and is left alone."""
AWARE, INTEREST, PURCHASE, LOYAL = "aware", "interest", "purchase", "loyal"
VALUE, DISCOUNT, EVENT, NOVELTY = "value", "discount", "event", "novelty"
COLUMNS = ("stage", "aipl", "quadrant", "rfm", "seeking", "koc")
YEAR = timedelta(days=365)
SILENT_DAYS = 90
DISCOUNTED = 0.9
"""Paid below this share of the list price counts as discounted."""
EVENT_CAMPAIGNS = 2
KOC_REFERRALS, KOC_SHARES = 2, 3
SHARED = "shared"
"""The name of the act of sharing."""

CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
Scope = Callable[[Any], ColumnElement[bool]]
"""The customers at hand, as a condition on a column of customer ids."""


@dataclass(frozen=True)
class Limits:
    """Where layers end: `recency` in days, `money` in fen; the first that is reached gives 5 points, and so on."""

    recency: Sequence[int] = (30, 90, 180, 365)
    frequency: Sequence[int] = (8, 5, 3, 2)
    money: Sequence[int] = (1_000_000, 500_000, 200_000, 50_000)
    quadrant: Sequence[int] = (1, 0)
    """The company's median number of orders, and its median order amount, over customers with orders."""


def latest_contact() -> ColumnElement[datetime]:
    """When the company last had contact with a customer, else when she was added: silence is counted from here."""
    return func.coalesce(CUSTOMERS.c.last_contact_at, CUSTOMERS.c.first_added_at, type_=UtcTime())


def differing(scope: Scope, limits: Limits, now: datetime) -> Select[Any]:
    """The customers in scope whose layers are not what they should be: what they should be, and what they are."""
    signs = signs_of(scope, now)
    should: dict[str, ColumnElement[Any]] = {
        "stage": stage(signs.c, now),
        "aipl": aipl(signs.c),
        "quadrant": quadrant(signs.c, limits),
        "rfm": rfm(signs.c, limits, now),
        "seeking": seeking(signs.c),
        "koc": signs.c.spreads,
    }
    wrong = or_(*(value != signs.c[name] for name, value in should.items()))
    return select(signs.c.id, *should.values(), *(signs.c[name] for name in should)).where(wrong)


def signs_of(scope: Scope, now: datetime) -> CTE:
    """What the layers are told by, a row for each customer in scope; worked out once, whatever uses it."""
    tie, act, visit, booking = of(FollowUser), of(Act), of(Visit), of(Booking)
    referral, participation = of(Referral), of(Participation)
    habits, buys, since, old = habits_of(scope, now), buys_of(scope, now), now - YEAR, CUSTOMERS.c
    acted = or_(
        among(scope, act.customer_id, act.at > since),
        among(scope, visit.customer_id, visit.at > since),
        among(scope, booking.customer_id, booking.made_at > since),
    )
    spreads = or_(
        among(scope, referral.referrer_id, referral.at > since, at_least=KOC_REFERRALS),
        among(scope, act.customer_id, act.name == SHARED, act.at > since, at_least=KOC_SHARES),
    )
    return (
        select(
            old.id,
            *(old[name] for name in COLUMNS),
            *(old.orders, old.net_fen, old.last_order_at),
            latest_contact().label("latest_contact"),
            among(scope, tie.customer_id).label("followed"),
            among(scope, tie.customer_id, tie.lost_at.is_(null())).label("reachable"),
            acted.label("acted"),
            among(scope, referral.referrer_id, referral.at > since).label("brought"),
            among(scope, participation.customer_id, at_least=EVENT_CAMPAIGNS).label("joins"),
            spreads.label("spreads"),
            *(buys.c.recent_orders, buys.c.campaign_orders),
            *(habits.c.bought_lines, habits.c.discounted_lines, habits.c.new_lines),
        )
        .select_from(
            CUSTOMERS.outerjoin(habits, habits.c.customer_id == old.id).outerjoin(buys, buys.c.customer_id == old.id)
        )
        .where(scope(old.id), old.merged_into.is_(null()), old.erased_at.is_(null()))
        .cte("signs")
        .prefix_with("MATERIALIZED")
    )


def among(scope: Scope, column: Any, *where: Any, at_least: int = 1) -> ColumnElement[bool]:
    """Whether the customer has so many of the rows whose `column` is a customer's id."""
    theirs = select(column).where(scope(column), *where)
    if at_least > 1:
        theirs = theirs.group_by(column).having(func.count() >= at_least)
    return CUSTOMERS.c.id.in_(theirs)


def of(model: type[SQLModel]) -> Any:
    """A table's columns."""
    return model.__table__.c  # type: ignore[attr-defined]


def stage(sign: Any, now: datetime) -> ColumnElement[str]:
    """The lifecycle stage."""
    return case(
        (sign.stage.not_in(["", *STAGES]), sign.stage),
        (and_(sign.followed, not_(sign.reachable)), LOST),
        (sign.latest_contact <= now - timedelta(days=SILENT_DAYS), SILENT),
        (sign.orders >= 2, REPEAT),
        (sign.orders == 1, BUYER),
        (sign.acted, ENGAGED),
        else_=NEW,
    )


def aipl(sign: Any) -> ColumnElement[str]:
    """Aware, interest, purchase, loyal."""
    return case(
        (or_(sign.recent_orders >= 2, sign.brought), LOYAL),
        (sign.orders > 0, PURCHASE),
        (sign.acted, INTEREST),
        (sign.reachable, AWARE),
        else_="",
    )


def quadrant(sign: Any, limits: Limits) -> ColumnElement[str]:
    """Frequency × ticket, each high above the company's median."""
    often, ticket = limits.quadrant
    high = case((sign.orders > often, "h"), else_="l") + case((sign.net_fen > sign.orders * ticket, "h"), else_="l")
    return case((sign.orders > 0, high), else_="")


def rfm(sign: Any, limits: Limits, now: datetime) -> ColumnElement[str]:
    """Recency, frequency and money in points."""
    digits = (
        points([sign.last_order_at > now - timedelta(days=days) for days in limits.recency])
        + points([sign.orders >= number for number in limits.frequency])
        + points([sign.net_fen >= fen for fen in limits.money])
    )
    return case((sign.orders > 0, digits), else_="")


def points(reached: Sequence[Any]) -> ColumnElement[str]:
    """5 for the first limit reached, down to 2 for the last; else 1."""
    return case(*((one, str(5 - place)) for place, one in enumerate(reached)), else_="1")


def seeking(sign: Any) -> ColumnElement[str]:
    """What at least half of her buying of the year says she comes for; value when it says nothing else."""
    return case(
        (or_(sign.joins, sign.campaign_orders * 2 >= sign.recent_orders), EVENT),
        (sign.discounted_lines * 2 >= sign.bought_lines, DISCOUNT),
        (sign.new_lines * 2 >= sign.bought_lines, NOVELTY),
        (sign.recent_orders > 0, VALUE),
        else_="",
    )


def buys_of(scope: Scope, now: datetime) -> Any:
    """Each customer's orders of the year that were not refunded in full, and how many of them came of a campaign."""
    order = of(Order)
    recent = func.count().label("recent_orders")
    return (
        select(order.customer_id, recent, func.count(order.campaign_id).label("campaign_orders"))
        .where(scope(order.customer_id), order.at > now - YEAR, order.refunded_fen < order.amount_fen)
        .group_by(order.customer_id)
        .subquery("buys")
    )


def habits_of(scope: Scope, now: datetime) -> Any:
    """Each customer's order lines of the year: how many, how many at a discount, how many of new products."""
    order, item, product = of(Order), of(OrderItem), of(Product)
    discounted = item.amount_fen < DISCOUNTED * product.price_fen * item.qty
    return (
        select(
            order.customer_id,
            func.count().label("bought_lines"),
            func.sum(case((discounted, 1), else_=0)).label("discounted_lines"),
            func.sum(case((order.at < product.new_until, 1), else_=0)).label("new_lines"),
        )
        .join_from(Order, OrderItem, item.order_id == order.id)
        .outerjoin(Product, product.sku == item.sku)
        .where(scope(order.customer_id), order.at > now - YEAR, order.refunded_fen < order.amount_fen)
        .group_by(order.customer_id)
        .subquery("habits")
    )
