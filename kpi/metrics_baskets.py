"""What is bought together: pairs of products, how often, and whether that is more than chance."""

from typing import Any, NamedTuple

from sqlalchemy import CTE, Select, and_, func, select
from sqlalchemy import distinct as unique
from sqlmodel import Session, col

from contacts.facts import OrderItem
from kpi.metrics_money import EVERY, LINE, LINES, PAID
from kpi.moments import later
from kpi.registry import COUNT, PAIR, Ask, Metric, Parts, parts, the

OFTEN = 5
"""Pairs bought together less often say nothing."""
MOST_PRODUCTS = 50
"""Different products beyond which a basket is a stock order, and is left out of the pairs."""
MOST_PAIRS = 100


class Pair(NamedTuple):
    """Two products, the first in the order of their codes first."""

    first: str
    second: str

    def __str__(self) -> str:
        """Both codes."""
        return f"{self.first} + {self.second}"


def bought(ask: Ask) -> CTE:
    """Each product of each basket once. A basket is an order; with `days`, all a customer bought in the period."""
    basket = col(LINE.customer_id) if "days" in ask.filters else col(LINE.order_id)
    lines = ask.rows(LINES, basket.label("basket"), col(OrderItem.sku).label("sku"), col(LINE.at).label("at"))
    return lines.where(PAID, col(OrderItem.order_id) == col(LINE.order_id)).distinct().cte("bought")


def baskets(session: Session, ask: Ask) -> Parts:
    """Pairs, or for any other group: baskets, and those of at least two products."""
    if ask.group_by == PAIR:
        return pairs(session, ask.ungrouped())
    lines = bought(ask)
    sizes = select(*ask.keys(lines), func.count(unique(lines.c.sku)).label("products"))
    sized = sizes.group_by(*ask.keys(lines), lines.c.basket).subquery()
    return parts(
        together=lambda session, ask: ask.over(session, sized, func.count(), sized.c.products > 1),
        baskets=lambda session, ask: ask.over(session, sized, func.count()),
    )(session, ask)


def pairs(session: Session, ask: Ask) -> Parts:
    """The pairs bought together most, with their products' own baskets."""
    lines = bought(ask)
    whole = session.execute(select(func.count(unique(lines.c.basket)))).scalar() or 0
    found = session.execute(counted(ask, lines)).all()
    return {Pair(row.first, row.second): strength(row.together, row.with_first, row.with_second, whole)
            for row in found}  # fmt: skip


def counted(ask: Ask, lines: CTE) -> Select[Any]:
    """(first, second, together, with_first, with_second), the most frequent first.

    Only products and baskets that can be in such a pair are set beside each other.
    """
    number = func.count(unique(lines.c.basket))
    often = select(lines.c.sku, number.label("baskets")).group_by(lines.c.sku).having(number >= OFTEN).cte("often")
    products = func.count(unique(lines.c.sku))
    fit = select(lines.c.basket).group_by(lines.c.basket).having(products.between(2, MOST_PRODUCTS))
    chosen = (
        select(lines.c.basket, lines.c.sku, lines.c.at, often.c.baskets)
        .join(often, often.c.sku == lines.c.sku)
        .where(lines.c.basket.in_(fit))
        .cte("chosen")
    )
    one, other = chosen.alias("one"), chosen.alias("other")
    same = and_(one.c.basket == other.c.basket, one.c.sku < other.c.sku)
    if days := ask.filters.get("days"):
        same = and_(same, other.c.at <= later(one.c.at, days), one.c.at <= later(other.c.at, days))
    together = func.count(unique(one.c.basket))
    columns = (one.c.sku.label("first"), other.c.sku.label("second"), together.label("together"))
    with_each = (one.c.baskets.label("with_first"), other.c.baskets.label("with_second"))
    return (
        select(*columns, *with_each)
        .join_from(one, other, same)
        .group_by(one.c.sku, other.c.sku, one.c.baskets, other.c.baskets)
        .having(together >= OFTEN)
        .order_by(together.desc(), one.c.sku, other.c.sku)
        .limit(MOST_PAIRS)
    )


def strength(together: int, with_first: int, with_second: int, whole: int) -> dict[str, int | float]:
    """Support and both confidences in percent; lift: how many times as often as by chance."""
    return {
        "together": together,
        "with_first": with_first,
        "with_second": with_second,
        "baskets": whole,
        "support": 100 * together / whole,
        "confidence": 100 * together / with_first,
        "confidence_back": 100 * together / with_second,
        "lift": together * whole / (with_first * with_second),
    }


METRICS = (
    Metric(
        "bought_together", "一起买", "Bought together", COUNT,
        f"买了至少两种商品的订单数；按组合看：两种商品一起买的订单数（至少{OFTEN}单），支持度（占全部订单）、置信度"
        "（买了前一种的订单里也买后一种的占比，反过来也列出）和提升度（是碰巧的多少倍）。给了天数就不看订单而看客户："
        "期间内相隔不超过这些天买的都算一起买。",
        f"Orders of at least two products; by pair: orders with both (at least {OFTEN}), support (of all orders), "
        "confidence (of the orders with the first, those with the second, and the other way round) and lift (how many "
        "times as often as by chance). With days given customers are counted instead of orders: what one bought in the "
        "period no more than so many days apart.",
        ("orders",), baskets, the("together"), (*EVERY, PAIR),
    ),
)  # fmt: skip
