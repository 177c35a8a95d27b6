"""Who brought whom: customers brought, the trees that grew from each, and what they bought."""

from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, case, func, literal_column, or_, select
from sqlalchemy import distinct as unique
from sqlmodel import Session, col

from contacts.channels import Campaign
from contacts.facts import Participation, Referral
from contacts.models import Customer, FollowUser
from kpi.metrics_money import LINE, LINES, PAID
from kpi.moments import local_day
from kpi.registry import CAMPAIGN, COUNT, DEPARTMENT, REFERRER, STAFF, Ask, Metric, Part, Parts, Source, parts, the

LEVELS = 6
"""How far up a tree is followed."""
MOST_REFERRERS = 100
MAIN = select(col(Customer.main_userid)).where(col(Customer.id) == col(Referral.referrer_id)).scalar_subquery()
WHOSE = func.coalesce(col(Referral.userid), MAIN)
"""The member on the record, else who answers for the referrer."""


def source_of(ask: Ask) -> Source:
    """Referrals; of the campaign on the record, else of one whose days it was and that one of the two has joined."""
    day = local_day(col(Referral.at), literal_column(str(ask.minutes_ahead)))
    joined = (
        select(func.min(col(Campaign.id)))
        .join(Participation, col(Participation.campaign_id) == col(Campaign.id))
        .where(
            col(Participation.customer_id).in_((col(Referral.customer_id), col(Referral.referrer_id))),
            col(Campaign.starts_on) <= day,
            col(Campaign.ends_on) >= day,
        )
        .correlate(Referral)
    )
    campaign = func.coalesce(col(Referral.campaign_id), joined.scalar_subquery())
    return Source(col(Referral.at), {STAFF: WHOSE, CAMPAIGN: campaign})


def brought(ask: Ask) -> CTE:
    """The customers brought in the period: referrer, member and time; by group; of one referrer's tree if asked."""
    by = ask.ungrouped() if ask.group_by == REFERRER else ask
    columns = (col(Referral.customer_id), col(Referral.referrer_id), WHOSE.label("userid"), col(Referral.at))
    found = by.rows(source_of(ask), *columns).cte("found")
    if REFERRER not in ask.filters:
        return found
    tree = above(ask, found)
    hers = select(tree.c.customer_id).where(tree.c.referrer_id == ask.filters[REFERRER])
    return select(found).where(found.c.customer_id.in_(hers)).cte("found_in_tree")


def above(ask: Ask, found: CTE) -> Any:
    """(customer_id, referrer_id, level): everybody above each customer whom the asker may see, once, however her
    records run in circles."""
    first = select(found.c.customer_id, found.c.referrer_id, literal_column("1").label("level")).distinct()
    up = first.cte(f"up_{found.name}", recursive=True)
    record = Referral.__table__.alias("above")  # type: ignore[attr-defined]
    up = up.union_all(
        select(up.c.customer_id, record.c.referrer_id, up.c.level + literal_column("1"))
        .join(record, record.c.customer_id == up.c.referrer_id)
        .where(record.c.referrer_id != up.c.customer_id, up.c.level < LEVELS)
    )
    nearest = select(up.c.customer_id, up.c.referrer_id, func.min(up.c.level).label("level"))
    seen = nearest.group_by(up.c.customer_id, up.c.referrer_id)
    return seen.where(*may_see(ask, up.c.referrer_id)).cte(f"above_{found.name}")


def may_see(ask: Ask, customer: Any) -> list[ColumnElement[bool]]:
    """That a customer is one of the asker's: nobody learns the names of others' customers from a tree."""
    if ask.scope.everybody:
        return []
    main = select(col(Customer.id)).where(col(Customer.id) == customer, ask.scope.covers(col(Customer.main_userid)))
    tie = select(col(FollowUser.id)).where(
        col(FollowUser.customer_id) == customer, ask.scope.covers(col(FollowUser.userid))
    )
    return [or_(main.correlate_except(Customer).exists(), tie.correlate_except(FollowUser).exists())]


def bought(ask: Ask, found: CTE) -> Any:
    """Lines of money of customers brought, since they were, as far as the asker may see them."""
    since = and_(col(LINE.customer_id) == found.c.customer_id, col(LINE.at) >= found.c.at, col(LINE.at) < ask.end)
    paid = case((PAID, 1), else_=0).label("paid")
    return select(*found.c, paid, col(LINE.amount_fen).label("fen")).join(LINE, since).where(*ask.conditions(LINES))


def customers_brought(session: Session, ask: Ask) -> Parts:
    """By referrer: whom she brought herself, who else is in her tree, how deep it is, and what they all bought.

    By any other group: everybody once, and of them those whose referrer had herself been brought.
    """
    found = brought(ask)
    if ask.group_by == REFERRER:
        return referrers(session, ask, found)
    tree = above(ask, found)
    depth = select(tree.c.customer_id, func.max(tree.c.level).label("level")).group_by(tree.c.customer_id).subquery()
    rows = select(found, depth.c.level).outerjoin(depth, depth.c.customer_id == found.c.customer_id).subquery()
    money = bought(ask, found).subquery()
    people = func.count(unique(rows.c.customer_id))

    def part(table: Any, value: Any, *where: Any) -> Part:
        return lambda session, ask: ask.over(session, table, value, *where)

    return parts(
        brought=part(rows, people),
        further=part(rows, people, rows.c.level > 1),
        levels=part(rows, func.max(rows.c.level)),
        orders=part(money, func.sum(money.c.paid)),
        amount=part(money, func.sum(money.c.fen)),
    )(session, ask)


def referrers(session: Session, ask: Ask, found: CTE) -> Parts:
    """Who brought most, with their trees."""
    tree = above(ask, found)
    own = func.sum(case((tree.c.level == 1, 1), else_=0))
    further = func.sum(case((tree.c.level > 1, 1), else_=0))
    sums = select(tree.c.referrer_id, own.label("brought"), further.label("further"), func.max(tree.c.level))
    if REFERRER in ask.filters:
        sums = sums.where(tree.c.referrer_id == ask.filters[REFERRER])
    most = sums.group_by(tree.c.referrer_id).order_by(own.desc(), further.desc(), tree.c.referrer_id)
    numbers: Parts = {
        row[0]: {"brought": int(row[1]), "further": int(row[2]), "levels": int(row[3]), "orders": 0, "amount": 0}
        for row in session.execute(most.limit(MOST_REFERRERS))
    }
    money = bought(ask, found).subquery()
    paid = (
        select(tree.c.referrer_id, func.sum(money.c.paid), func.sum(money.c.fen))
        .join(money, money.c.customer_id == tree.c.customer_id)
        .where(tree.c.referrer_id.in_(list(numbers)))
        .group_by(tree.c.referrer_id)
    )
    for referrer, orders, fen in session.execute(paid):
        numbers[referrer] |= {"orders": int(orders), "amount": int(fen)}
    return numbers


METRICS = (
    Metric(
        "customers_brought", "老带新客户数", "Customers brought", COUNT,
        "期间内由老客户带来的客户数；按介绍人看：她自己带来的，她带来的人又带来的（往下共6层），"
        "以及这些人来了以后的订单和业绩。",
        f"Customers brought by customers in the period; by referrer: whom she brought herself, whom those brought in "
        f"turn ({LEVELS} levels in all), and what all of them have ordered since they came.",
        ("referrals",), customers_brought, the("brought"), (STAFF, DEPARTMENT, CAMPAIGN, REFERRER),
    ),
)  # fmt: skip
