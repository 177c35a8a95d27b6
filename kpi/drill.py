"""What is behind a number: its customers, each with the member, the time and the amount; the same rights as the number.

A rate shows what its numerator counts; money spent, traffic and the platform's own counts know no customers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, and_, func, literal, select
from sqlmodel import Session, col

from contacts.facts import Act, Complaint, Referral, Satisfaction, Touch
from contacts.models import CUSTOMER, LOST, Customer, FollowUser, Staff
from contacts.models import STAFF as BY_STAFF
from kpi.measures import BadQuestion, check, metric_named
from kpi.metrics_contacts import CAME, LEFT, TIE, TIES, lost_soon, paid_soon, standing, was_served
from kpi.metrics_effect import SHARED, had_been_contact
from kpi.metrics_growth import SHOWED, has_stayed, never_before, own_act_lately, was_interested
from kpi.metrics_money import LINE, LINES, PAID
from kpi.metrics_reach import ANSWER_DAYS, HEARD, REACHED, SCORES, SURE, came_after_touch, own_act_after
from kpi.metrics_referrals import brought
from kpi.metrics_work import TODOS, was_tagged
from kpi.periods import Period
from kpi.registry import STAFF, Ask, Source
from kpi.scope import Scope
from sop.sops import DONE, OPEN, Todo

NO_AMOUNT = literal(None, type_=BigInteger())
PAGE = 100


@dataclass(frozen=True)
class Behind:
    """One row behind a number."""

    customer_id: int
    customer: str
    userid: str | None
    staff: str
    at: datetime | None
    amount_fen: int | None
    """Where it is money."""


Rows = Callable[[Ask], Select[Any]]


def of(source: Source, customer: Any, *where: Any, amount: Any = None) -> Rows:
    """The rows of a source: customer, member, time and amount."""
    given = NO_AMOUNT if amount is None else amount

    def rows(ask: Ask) -> Select[Any]:
        columns = (
            customer.label("customer_id"),
            source.columns[STAFF].label("userid"),
            source.at.label("at"),
            given.label("amount"),
        )
        return ask.rows(source, *columns).where(*where)

    return rows


def line(*where: Any) -> Rows:
    """Lines of money."""
    return of(LINES, col(LINE.customer_id), *where, amount=col(LINE.amount_fen))


def tie(*where: Any) -> Rows:
    """Adds and losses."""
    return of(TIES, col(TIE.customer_id), *where)


def reachable(there: Callable[[Any], Any]) -> Rows:
    """Customers by whether they could be reached, with who answers for each."""

    def rows(ask: Ask) -> Select[Any]:
        people = standing(ask)
        main = select(col(Customer.main_userid)).where(col(Customer.id) == people.c.customer_id).scalar_subquery()
        never = literal(None, type_=LINES.at.type)
        columns: tuple[Any, ...] = (
            people.c.customer_id,
            main.label("userid"),
            never.label("at"),
            NO_AMOUNT.label("amount"),
        )
        return select(*columns).where(there(people))

    return rows


def touch(*where: Any) -> Rows:
    """Touches."""
    return of(REACHED, col(Touch.customer_id), SURE, *where)


def todo(*where: Any) -> Rows:
    """To-dos by their last day."""

    def rows(ask: Ask) -> Select[Any]:
        due = (col(Todo.due_on) >= ask.period.first, col(Todo.due_on) <= ask.last)
        columns: tuple[Any, ...] = (
            col(Todo.customer_id).label("customer_id"),
            col(Todo.userid).label("userid"),
            col(Todo.closed_at).label("at"),
            NO_AMOUNT.label("amount"),
        )
        return ask.rows(TODOS, *columns, when=False).where(*due, *where)

    return rows


def newcomers(ask: Ask) -> Select[Any]:
    """Customers that customers brought."""
    found = brought(ask)
    return select(found.c.customer_id, found.c.userid, found.c.at, NO_AMOUNT.label("amount"))


ACTS = Source(col(Act.at), {STAFF: col(Act.userid)})
COMPLAINTS = Source(col(Complaint.at), {STAFF: col(Complaint.userid)})
REFERRALS = Source(col(Referral.at), {STAFF: col(Referral.userid)})
ADDED = tie(CAME)
ROWS: dict[str, Rows] = {
    **dict.fromkeys(("amount", "amount_per_buyer", "amount_per_order", "amount_per_head", "return_on_spend"), line()),
    **dict.fromkeys(
        ("orders", "buyers", "orders_per_buyer", "items_per_order", "items_per_buyer", "product_sales"), line(PAID)
    ),
    "bought_together": line(PAID),
    "refunds": line(~PAID),
    "commission": line(col(LINE.campaign_id).is_not(None), col(LINE.userid).is_not(None)),
    "contribution_rate": line(had_been_contact()),
    "channel_roi": line(col(LINE.channel_id).is_not(None)),
    "campaign_roi": line(col(LINE.campaign_id).is_not(None)),
    **dict.fromkeys(("contacts_added", "cost_per_add", "speed_to_lead", "ltv_30", "ltv_90", "ltv_365"), ADDED),
    "cost_per_lead": tie(col(TIE.kind).in_(SHOWED), never_before(SHOWED)),
    "tagging_rate": tie(CAME, was_tagged()),
    "interest_rate": tie(CAME, was_interested()),
    "stay_rate": tie(CAME, has_stayed()),
    "service_success_rate": tie(CAME, was_served()),
    "cash_success_rate": lambda ask: tie(CAME, paid_soon(ask))(ask),
    "early_delete_rate": tie(CAME, lost_soon()),
    "contacts_lost": tie(col(TIE.kind) == LOST, col(TIE.by).in_((CUSTOMER, BY_STAFF))),
    "delete_rate": tie(LEFT),
    "reachable_contacts": reachable(lambda people: people.c.opening + people.c.entered > 0),
    "customer_assets": reachable(lambda people: people.c.closing > 0),
    "active_rate": lambda ask: reachable(
        lambda people: and_(people.c.closing > 0, own_act_lately(ask, people.c.customer_id))
    )(ask),
    "interaction_rate": of(ACTS, col(Act.customer_id)),
    "share_rate": of(ACTS, col(Act.customer_id), col(Act.name) == SHARED),
    "customers_brought": newcomers,
    "referral_rate": of(REFERRALS, col(Referral.referrer_id)),
    "response_rate": touch(own_act_after(col(Touch.customer_id), col(Touch.at), ANSWER_DAYS)),
    "visit_rate": touch(came_after_touch()),
    "pass_on_rate": touch(),
    "satisfaction": of(SCORES, col(Satisfaction.customer_id), HEARD),
    "complaints_per_1000": of(COMPLAINTS, col(Complaint.customer_id)),
    "todo_done_rate": todo(col(Todo.state) == DONE),
    "todo_on_time_rate": todo(col(Todo.state) == DONE),
    "todos_overdue": todo(col(Todo.state) == OPEN),
}
"""Of an average: what it is the average of. Numbers that are not here know no customers one by one."""


def behind(
    session: Session,
    name: str,
    scope: Scope,
    period: Period,
    now: datetime,
    *,
    filters: Mapping[str, Any] | None = None,
    offset: int = 0,
    limit: int = PAGE,
) -> list[Behind]:
    """The rows behind a number, the newest first. Raises `BadQuestion`, `NotYours`."""
    metric = metric_named(name)
    ask = Ask(scope, period, now, filters=filters or {})
    check(metric, ask)
    if name not in ROWS:
        raise BadQuestion(f"metric {name!r} cannot be opened; those that can are {', '.join(sorted(ROWS))}")
    rows = ROWS[name](ask).subquery()
    remark = select(func.max(col(FollowUser.remark))).where(
        col(FollowUser.customer_id) == rows.c.customer_id, col(FollowUser.userid) == rows.c.userid
    )
    called = func.coalesce(func.nullif(remark.scalar_subquery(), ""), col(Customer.name))
    page = (
        select(rows.c.customer_id, called, rows.c.userid, col(Staff.name), rows.c.at, rows.c.amount)
        .join(Customer, col(Customer.id) == rows.c.customer_id)
        .outerjoin(Staff, col(Staff.userid) == rows.c.userid)
        .order_by(rows.c.at.desc(), rows.c.customer_id, rows.c.amount)
    )
    found = session.execute(page.offset(offset).limit(limit)).all()
    return [Behind(row[0], row[1] or "", row[2], row[3] or "", row[4], row[5]) for row in found]
