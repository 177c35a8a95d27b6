"""Numbers of orders: amounts, buyers, baskets, coming back, commission."""

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy import distinct as unique
from sqlmodel import Session, col
from sqlmodel import select as rows_of

from contacts.channels import Campaign
from contacts.facts import OrderItem
from contacts.models import ADDED, CONFIRMED, TieChange
from kpi.commission import commission, percent_at, share
from kpi.models import OrderCredit
from kpi.moments import days_between
from kpi.places import PAID_FEN, band_of, first_or_later, region_of
from kpi.registry import (
    AMOUNT_BAND,
    BUYER,
    CAMPAIGN,
    CHANNEL,
    COUNT,
    DAYS,
    DEPARTMENT,
    FEN,
    PERCENT,
    PRODUCT,
    RATIO,
    REGION,
    STAFF,
    STORE,
    Ask,
    Factor,
    Key,
    Metric,
    Number,
    Part,
    Parts,
    Source,
    fen_per,
    parts,
    per,
    percent,
    tally,
    the,
)

LINE = OrderCredit
LINES = Source(
    col(LINE.at),
    {
        STAFF: col(LINE.userid),
        STORE: col(LINE.store),
        CHANNEL: col(LINE.channel_id),
        CAMPAIGN: col(LINE.campaign_id),
        REGION: region_of(col(LINE.customer_id)),
        AMOUNT_BAND: band_of(PAID_FEN.scalar_subquery()),
        BUYER: first_or_later(),
    },
)
EVERY = (STAFF, DEPARTMENT, STORE, CHANNEL, CAMPAIGN, REGION, AMOUNT_BAND, BUYER)
PAID = col(LINE.refund_id) == 0
BUYERS = func.count(unique(col(LINE.customer_id)))

amount = tally(LINES, func.sum(col(LINE.amount_fen)))
orders = tally(LINES, func.count(), PAID)
buyers = tally(LINES, BUYERS, PAID)
refunded = tally(LINES, -func.sum(col(LINE.amount_fen)), ~PAID)


def pieces(session: Session, ask: Ask) -> dict[Key, Number]:
    """How many pieces the period's orders had."""
    paid = ask.rows(LINES, col(LINE.order_id)).where(PAID).subquery()
    bought = (
        select(*ask.keys(paid), col(OrderItem.qty)).join(paid, paid.c.order_id == col(OrderItem.order_id)).subquery()
    )
    return ask.over(session, bought, func.sum(bought.c.qty))


def sold(value: Any) -> Part:
    """A part: an aggregate over the lines of the period's orders."""
    lines = Source(LINES.at, {**LINES.columns, PRODUCT: col(OrderItem.sku)})
    return tally(lines, value, PAID, col(OrderItem.order_id) == col(LINE.order_id))


def repeaters(session: Session, ask: Ask) -> dict[Key, Number]:
    """Buyers with at least two orders in the period."""
    paid = ask.rows(LINES, col(LINE.customer_id)).where(PAID).subquery()
    counted = select(*ask.keys(paid), paid.c.customer_id).group_by(*ask.keys(paid), paid.c.customer_id)
    twice = counted.having(func.count() >= 2).subquery()
    return ask.over(session, twice, func.count())


def came_back(session: Session, ask: Ask) -> dict[Key, Number]:
    """Buyers of the period before who bought again in this one."""
    now = ask.rows(LINES, col(LINE.customer_id)).where(PAID).distinct().subquery()
    earlier = before(ask).subquery()
    same = [now.c.customer_id == earlier.c.customer_id]
    if ask.group_by:
        same.append(now.c.key == earlier.c.key)
    again = select(*ask.keys(earlier), earlier.c.customer_id).join(
        now, same[0] if len(same) == 1 else same[0] & same[1]
    )
    return ask.over(session, again.subquery(), func.count())


def before(ask: Ask) -> Any:
    """Who bought in the period of the same length before, by group."""
    earlier, at = ask.period.before(), col(LINE.at)
    then = ask.rows(LINES, col(LINE.customer_id), when=False)
    return then.where(PAID, at >= earlier.start, at < earlier.end).distinct()


def bought_before(session: Session, ask: Ask) -> dict[Key, Number]:
    """How many bought in the period before."""
    return ask.over(session, before(ask).subquery(), func.count())


def previous_orders() -> Any:
    """Each payment's id with the time of the customer's payment before it."""
    earlier = func.lag(col(LINE.at)).over(partition_by=col(LINE.customer_id), order_by=(col(LINE.at), col(LINE.id)))
    return select(col(LINE.id).label("line"), earlier.label("previous")).where(PAID).subquery()


def cycles(session: Session, ask: Ask) -> Parts:
    """Days between an order of the period and the same customer's one before: their sum and number."""
    known = previous_orders()
    gaps = ask.rows(LINES, days_between(known.c.previous, col(LINE.at)).label("days")).where(PAID)
    gaps = gaps.join(known, known.c.line == col(LINE.id)).where(known.c.previous.is_not(None))
    return averaged(session, ask, gaps.subquery())


def averaged(session: Session, ask: Ask, rows: Any) -> Parts:
    """Sum and number of a subquery's `days`."""
    return parts(
        days=lambda session, ask: ask.over(session, rows, func.sum(rows.c.days)),
        times=lambda session, ask: ask.over(session, rows, func.count()),
    )(session, ask)


def first_orders(session: Session, ask: Ask) -> Parts:
    """Days from a customer's first add to her first order, of first orders in the period: their sum and number."""
    known = previous_orders()
    added = (
        select(col(TieChange.customer_id).label("customer_id"), func.min(col(TieChange.at)).label("at"))
        .where(col(TieChange.kind).in_((ADDED, CONFIRMED)))
        .group_by(col(TieChange.customer_id))
        .subquery()
    )
    waits = (
        ask.rows(LINES, days_between(added.c.at, col(LINE.at)).label("days"))
        .join(known, known.c.line == col(LINE.id))
        .join(added, added.c.customer_id == col(LINE.customer_id))
        .where(PAID, known.c.previous.is_(None), added.c.at <= col(LINE.at))
    )
    return averaged(session, ask, waits.subquery())


def commissions(session: Session, ask: Ask) -> Parts:
    """What the period's lines earn, at the percent each member has reached in the whole campaign by now."""
    line, named = OrderCredit, {one.id: one for one in session.exec(rows_of(Campaign))}
    member = (col(line.campaign_id), col(line.userid))
    theirs = (col(line.campaign_id).is_not(None), col(line.userid).is_not(None), col(line.at) < ask.now)
    inside = (col(line.at) >= ask.period.start) & (col(line.at) < ask.end)
    sure = col(line.confirms_at) <= ask.now
    sums = [case((which, col(line.amount_fen)), else_=0) for which in (sure, ~sure, inside & sure, inside & ~sure)]
    key = ask.key(LINES)
    by = member if key is None or ask.group_by in {STAFF, CAMPAIGN} else (*member, key)
    chosen = ask.rows(LINES, *member, *(func.sum(one) for one in sums), when=False).where(*theirs)
    found: Parts = {}
    for row in session.execute(chosen.group_by(*by)):
        group = row[0] if ask.group_by else None
        campaign_id, _, all_sure, all_open, done, rest = row[-6:]
        now = commission(named[campaign_id], int(all_sure), int(all_open)).percent
        sure_percent = percent_at(named[campaign_id], int(all_sure))
        sums_of = found.setdefault(group, {"confirmed": 0, "expected": 0})
        confirmed = share(int(done), sure_percent)
        sums_of["confirmed"] += confirmed
        sums_of["expected"] += share(int(done) + int(rest), now) - confirmed
    return found if ask.group_by or found else {None: {"confirmed": 0, "expected": 0}}


METRICS = (
    Metric(
        "amount", "业绩", "Sales", FEN,
        "实付减退款，付款和退款各算在发生的那天。",
        "Paid less refunds, each on its own day.",
        ("orders",), parts(amount=amount, orders=orders, buyers=buyers), the("amount"), EVERY,
        factors=(
            Factor("buyers", "buyers"), Factor("orders_per_buyer", "orders", "buyers"),
            Factor("amount_per_order", "amount", "orders"),
        ),
    ),
    Metric(
        "orders", "订单数", "Orders", COUNT,
        "付款的订单数，后来退款的也算。",
        "Paid orders, those refunded later included.",
        ("orders",), parts(orders=orders, buyers=buyers), the("orders"), EVERY,
        factors=(Factor("buyers", "buyers"), Factor("orders_per_buyer", "orders", "buyers")),
    ),
    Metric(
        "buyers", "成交客户数", "Buyers", COUNT,
        "有付款订单的客户数，一位客户只算一次。",
        "Distinct customers with a paid order.",
        ("orders",), parts(buyers=buyers), the("buyers"), EVERY,
    ),
    Metric(
        "refunds", "退款", "Refunds", FEN,
        "退给客户的钱，算在退款那天。",
        "Money given back, on the day it was.",
        ("refunds",), parts(refunds=refunded), the("refunds"), EVERY, lower_is_better=True,
    ),
    Metric(
        "amount_per_buyer", "客单价", "Amount per buyer", FEN,
        "业绩 ÷ 成交客户数。",
        "Sales ÷ buyers.",
        ("orders",), parts(amount=amount, orders=orders, buyers=buyers), fen_per("amount", "buyers"), EVERY,
        factors=(
            Factor("orders_per_buyer", "orders", "buyers"), Factor("amount_per_order", "amount", "orders"),
        ),
    ),
    Metric(
        "orders_per_buyer", "人均单数", "Orders per buyer", RATIO,
        "订单数 ÷ 成交客户数。",
        "Orders ÷ buyers.",
        ("orders",), parts(orders=orders, buyers=buyers), per("orders", "buyers"), EVERY,
    ),
    Metric(
        "amount_per_order", "笔单价", "Amount per order", FEN,
        "业绩 ÷ 订单数。",
        "Sales ÷ orders.",
        ("orders",), parts(amount=amount, orders=orders), fen_per("amount", "orders"), EVERY,
    ),
    Metric(
        "items_per_order", "连带率", "Items per order", RATIO,
        "订单里的件数 ÷ 订单数。",
        "Pieces in the orders ÷ orders.",
        ("orders",), parts(items=pieces, orders=orders), per("items", "orders"), EVERY,
    ),
    Metric(
        "items_per_buyer", "客件数", "Items per buyer", RATIO,
        "订单里的件数 ÷ 成交客户数。",
        "Pieces in the orders ÷ buyers.",
        ("orders",), parts(items=pieces, buyers=buyers), per("items", "buyers"), EVERY,
    ),
    Metric(
        "product_sales", "商品销售额", "Product sales", FEN,
        "订单里商品的实付金额，退款不减；另列件数和买过的客户数。",
        "Paid for products in the period's orders, refunds not taken off; with pieces and buyers beside it.",
        ("orders",),
        parts(
            amount=sold(func.sum(col(OrderItem.amount_fen))), pieces=sold(func.sum(col(OrderItem.qty))),
            buyers=sold(BUYERS),
        ),
        the("amount"), (*EVERY, PRODUCT),
    ),
    Metric(
        "repeat_rate", "复购率", "Repeat rate", PERCENT,
        "期间内下过两单及以上的客户 ÷ 成交客户数。",
        "Buyers with at least two orders in the period ÷ buyers.",
        ("orders",), parts(repeaters=repeaters, buyers=buyers), percent("repeaters", "buyers"), EVERY,
    ),
    Metric(
        "buy_back_rate", "回购率", "Buy-back rate", PERCENT,
        "上一个同样长的期间买过、这个期间又买的客户 ÷ 上一个期间的成交客户数。",
        "Buyers of the period of the same length before who bought again in this one ÷ buyers of that period.",
        ("orders",), parts(came_back=came_back, before=bought_before), percent("came_back", "before"), EVERY,
    ),
    Metric(
        "repurchase_cycle_days", "复购周期", "Repurchase cycle", DAYS,
        "期间内的订单距同一客户上一单的平均天数。",
        "Average days between an order of the period and the same customer's order before it.",
        ("orders",), cycles, per("days", "times"), EVERY,
    ),
    Metric(
        "first_order_days", "首单天数", "Days to first order", DAYS,
        "期间内下首单的客户，从第一次加微信到首单的平均天数；先买后加的不算。",
        "Average days from a customer's first add to her first order, of first orders in the period; who bought before "
        "adding is left out.",
        ("orders", "contacts"), first_orders, per("days", "times"), EVERY,
    ),
    Metric(
        "commission", "提成", "Commission", FEN,
        "活动订单的净额 × 活动提成比例（分档的按已达到的最高档算全部）；退款期内为预计，过了退款期为确认；"
        "退款记在退款那天，为负。",
        "Net amount of campaign orders × the campaign's percent (with tiers, the highest reached holds for the whole); "
        "expected within the refund period, confirmed after it; a refund is negative, on its own day.",
        ("orders", "campaigns"), commissions, lambda found: found["confirmed"] + found["expected"],
        (STAFF, DEPARTMENT, CAMPAIGN),
    ),
)  # fmt: skip
