"""Conditions as SQL (design §8), the same on SQLite and PostgreSQL.

Every condition is an expression over the table `customer` that is true or false, never unknown: what is missing does
not hold, so that a condition can only make a rule hit fewer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import singledispatch
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Float,
    Table,
    and_,
    case,
    exists,
    extract,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy import cast as sql_cast
from sqlmodel import Session, col

from bot.database import UtcTime
from contacts.channels import Campaign
from contacts.facts import Booking, CustomerGroup, GroupMember, Order, OrderItem, Participation, Policy, Visit
from contacts.models import AttributeValue, Customer, Department, FollowUser, StaffDepartment
from contacts.tags import PairTag, Tag, TagGroup
from sop import rules
from sop.lookup import LookupTable
from sop.sqltime import WholeDays

CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
C = CUSTOMERS.c
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}
CANCELLED = "cancelled"
ONE = literal(1)
UNKNOWN: ColumnElement[Any] = sql_cast(null(), Float)


@dataclass(frozen=True)
class Day:
    """The day a rule is judged on, and what the judging needs besides the customers."""

    today: date
    zone: ZoneInfo
    tables: dict[str, LookupTable] = field(default_factory=dict)

    def start(self, day: date | None = None) -> datetime:
        """The moment a day of the company begins."""
        return datetime.combine(day or self.today, time(), self.zone).astimezone(UTC)

    def ago(self, days: int) -> datetime:
        """The beginning of the day so many days before today."""
        return self.start(self.today - timedelta(days=days))


def day_of(session: Session, today: date, zone: ZoneInfo) -> Day:
    """The day with the lookup tables as they stand."""
    return Day(today, zone, {one.name: one for one in session.scalars(select(LookupTable))})


def at(moment: datetime) -> Any:
    """A moment as a value of a time column."""
    return literal(moment, UtcTime())


# --- numbers --------------------------------------------------------------------------------------------------------


@singledispatch
def number(one: Any, day: Day) -> ColumnElement[Any]:
    """A number as SQL; NULL where it is not known."""
    raise NotImplementedError(type(one).__name__)


@number.register
def _(one: rules.Constant, _: Day) -> ColumnElement[Any]:
    return literal(one.value)


@number.register
def _(one: rules.AttributeNumber, _: Day) -> ColumnElement[Any]:
    return attribute(one.key, AttributeValue.number)


@number.register
def _(one: rules.Arithmetic, day: Day) -> ColumnElement[Any]:
    left, right = number(one.left, day), number(one.right, day)
    if one.kind == "least":
        return case((left.is_(None) | right.is_(None), null()), (left < right, left), else_=right)
    if one.kind == "most":
        return case((left.is_(None) | right.is_(None), null()), (left > right, left), else_=right)
    if one.kind == "over":
        return sql_cast(left, Float) / func.nullif(right, 0)
    return {"plus": left + right, "minus": left - right, "times": left * right}[one.kind]


@number.register
def _(one: rules.Looked, day: Day) -> ColumnElement[Any]:
    table = day.tables.get(one.table)
    if table is None:
        return UNKNOWN
    rows = [row for row in table.rows if one.column in row.then]
    fitting = [and_(*(fits(name, wanted, day) for name, wanted in row.when.items())) for row in rows]
    values = [(fit, literal(float(row.then[one.column]))) for fit, row in zip(fitting, rows, strict=True)]
    return case(*values, else_=UNKNOWN) if values else UNKNOWN


def fits(name: str, wanted: list[float] | str, day: Day) -> ColumnElement[bool]:
    """Whether a customer's value lies in a row of a lookup table: `[from, below)` of a number, or a word."""
    if isinstance(wanted, str):
        return func.coalesce(attribute(name, AttributeValue.text) == wanted, false())
    value = number(rules.Fact(name=name), day) if name in FACTS else attribute(name, AttributeValue.number)
    return func.coalesce(and_(value >= wanted[0], value < wanted[1]), false())


@number.register
def _(one: rules.Fact, day: Day) -> ColumnElement[Any]:
    return FACTS[one.name](one, day)


def days_since(column: Any, day: Day) -> ColumnElement[Any]:
    """Company days between a time and today: 0 for today, NULL for never."""
    return -WholeDays(column, at(day.start()))


def age(day: Day) -> ColumnElement[Any]:
    """Whole years since the birthday's date."""
    born, today = C.birthday, day.today
    years = literal(today.year) - extract("year", born)
    yet_to_come = extract("month", born) * 100 + extract("day", born) > today.month * 100 + today.day
    return case((born.is_(None), null()), (yet_to_come, years - 1), else_=years)


def policies(column: Any, one: rules.Fact, day: Day) -> ColumnElement[Any]:
    """The sum of a column over her policies in force, of one kind where given."""
    held = [col(Policy.customer_id) == C.id, col(Policy.starts_on) <= day.today, col(Policy.ends_on) >= day.today]
    if one.policy:
        held.append(col(Policy.kind) == one.policy)
    return select(func.coalesce(func.sum(column), 0)).where(*held).correlate(CUSTOMERS).scalar_subquery()


FACTS: dict[str, Callable[[rules.Fact, Day], ColumnElement[Any]]] = {
    "orders": lambda _, __: C.orders,
    "net_fen": lambda _, __: C.net_fen,
    "age": lambda _, day: age(day),
    "days_since_contact": lambda _, day: days_since(func.coalesce(C.last_contact_at, C.first_added_at), day),
    "days_since_order": lambda _, day: days_since(C.last_order_at, day),
    "days_since_added": lambda _, day: days_since(C.first_added_at, day),
    "held_fen": lambda one, day: policies(Policy.sum_insured_fen, one, day),
    "premium_fen": lambda one, day: policies(Policy.premium_fen, one, day),
}


def attribute(key: str, column: Any) -> ColumnElement[Any]:
    """A column of one attribute of the customer; NULL without it."""
    mine = (col(AttributeValue.customer_id) == C.id, col(AttributeValue.key) == key)
    return select(column).where(*mine).correlate(CUSTOMERS).scalar_subquery()


# --- conditions -----------------------------------------------------------------------------------------------------


@singledispatch
def holds(one: Any, day: Day) -> ColumnElement[bool]:
    """A condition as SQL over `customer`: true or false."""
    raise NotImplementedError(type(one).__name__)


@holds.register
def _(one: rules.AllOf, day: Day) -> ColumnElement[bool]:
    return and_(*(holds(part, day) for part in one.of))


@holds.register
def _(one: rules.AnyOf, day: Day) -> ColumnElement[bool]:
    return or_(*(holds(part, day) for part in one.of))


@holds.register
def _(one: rules.NoneOf, day: Day) -> ColumnElement[bool]:
    return not_(or_(*(holds(part, day) for part in one.of)))


@holds.register
def _(one: rules.Tagged, _: Day) -> ColumnElement[bool]:
    borne = select(ONE).select_from(PairTag).join(Tag, col(Tag.id) == col(PairTag.tag_id))
    borne = borne.join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
    named = col(Tag.name).in_(one.tags) | (col(TagGroup.name) + "/" + col(Tag.name)).in_(one.tags)
    mine = col(PairTag.customer_id) == C.id
    return exists(borne.where(mine, named, ~col(Tag.deleted)).correlate(CUSTOMERS))


@holds.register
def _(one: rules.InLayer, _: Day) -> ColumnElement[bool]:
    return C[one.layer].in_(one.values)


@holds.register
def _(one: rules.AttributeIs, _: Day) -> ColumnElement[bool]:
    return func.coalesce(attribute(one.key, AttributeValue.text).in_(one.values), false())


@holds.register
def _(one: rules.AttributeKnown, _: Day) -> ColumnElement[bool]:
    return attribute(one.key, AttributeValue.text).is_not(None)


@holds.register
def _(one: rules.Compare, day: Day) -> ColumnElement[bool]:
    return func.coalesce(COMPARE[one.op](number(one.left, day), number(one.right, day)), false())


@holds.register
def _(one: rules.Ordered, day: Day) -> ColumnElement[bool]:
    items = one.category or one.sku
    source = select(col(Order.id), col((OrderItem if items else Order).amount_fen)).where(
        col(Order.customer_id) == C.id
    )
    source = source.where(col(Order.refunded_fen) < col(Order.amount_fen))
    if items:
        source = source.join(OrderItem, col(OrderItem.order_id) == col(Order.id))
    if one.category:
        source = source.where(col(OrderItem.category) == one.category)
    if one.sku:
        source = source.where(col(OrderItem.sku) == one.sku)
    if one.days:
        source = source.where(col(Order.at) >= at(day.ago(one.days)))
    found = source.correlate(CUSTOMERS).subquery()
    measured = func.count(func.distinct(found.c.id)) if one.measure == "count" else func.sum(found.c.amount_fen)
    value = select(func.coalesce(measured, 0)).select_from(found).scalar_subquery()
    return COMPARE[one.op](value, one.value)  # type: ignore[no-any-return]


@holds.register
def _(one: rules.Booked, day: Day) -> ColumnElement[bool]:
    ahead = [col(Booking.customer_id) == C.id, col(Booking.starts_at) >= at(day.start())]
    ahead.append(col(Booking.status) != CANCELLED)
    if one.days:
        ahead.append(col(Booking.starts_at) < at(day.ago(-one.days - 1)))
    return exists(select(ONE).where(*ahead).correlate(CUSTOMERS))


@holds.register
def _(one: rules.Visited, day: Day) -> ColumnElement[bool]:
    came = (col(Visit.customer_id) == C.id, col(Visit.at) >= at(day.ago(one.days)))
    return exists(select(ONE).where(*came).correlate(CUSTOMERS))


@holds.register
def _(one: rules.OfStaff, _: Day) -> ColumnElement[bool]:
    return func.coalesce(C.main_userid.in_(one.userids), false())


@holds.register
def _(one: rules.OfDepartment, _: Day) -> ColumnElement[bool]:
    top = select(col(Department.path)).where(col(Department.id).in_(one.ids)).subquery("top")
    works = (
        select(ONE)
        .select_from(StaffDepartment)
        .join(Department, col(Department.id) == col(StaffDepartment.department_id))
        .join(top, col(Department.path).startswith(top.c.path))
        .where(col(StaffDepartment.userid) == C.main_userid)
    )
    return exists(works.correlate(CUSTOMERS))


@holds.register
def _(one: rules.FromChannel, _: Day) -> ColumnElement[bool]:
    return exists(
        select(ONE)
        .where(col(FollowUser.customer_id) == C.id, col(FollowUser.state).in_(one.states))
        .correlate(CUSTOMERS)
    )


@holds.register
def _(one: rules.InCampaign, _: Day) -> ColumnElement[bool]:
    joined = select(ONE).select_from(Participation).join(Campaign, col(Campaign.id) == col(Participation.campaign_id))
    mine = (col(Participation.customer_id) == C.id, col(Campaign.code).in_(one.codes))
    return exists(joined.where(*mine).correlate(CUSTOMERS))


@holds.register
def _(one: rules.InGroup, _: Day) -> ColumnElement[bool]:
    inside = (
        select(ONE).select_from(GroupMember).join(CustomerGroup, col(CustomerGroup.chat_id) == col(GroupMember.chat_id))
    )
    inside = inside.where(col(GroupMember.customer_id) == C.id, col(GroupMember.left_at).is_(None))
    if one.names:
        inside = inside.where(col(CustomerGroup.name).in_(one.names))
    return exists(inside.correlate(CUSTOMERS))


@holds.register
def _(one: rules.Gender, _: Day) -> ColumnElement[bool]:
    return C.gender == (2 if one.value == "female" else 1)


@holds.register
def _(_one: rules.Friend, _: Day) -> ColumnElement[bool]:
    return exists(
        select(ONE).where(col(FollowUser.customer_id) == C.id, col(FollowUser.lost_at).is_(None)).correlate(CUSTOMERS)
    )


ALIVE = (C.merged_into.is_(None), C.erased_at.is_(None))
"""Customers there are: neither merged into another nor erased."""


def parts(one: Any) -> list[Any]:
    """A condition as the conditions that must all hold: what a preview counts one after the other."""
    if one is None:
        return []
    return [part for each in one.of for part in parts(each)] if isinstance(one, rules.AllOf) else [one]
