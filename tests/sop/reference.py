"""Conditions evaluated in plain Python over one customer's facts: what the SQL must equal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import singledispatch
from typing import Any

from sop import rules
from sop.lookup import LookupRow
from tests.sop.company import ZONE

OPS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}


@dataclass
class Person:
    """Everything that is known about one customer."""

    today: date
    main: str = "lin"
    friend: bool = True
    gender: int = 0
    layers: dict[str, str] = field(default_factory=dict)
    birthday: date | None = None
    first_added_at: datetime | None = None
    last_contact_at: datetime | None = None
    tags: set[tuple[str, str]] = field(default_factory=set)
    """(group, name)."""
    words: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    orders: list[tuple[datetime, int, str, bool]] = field(default_factory=list)
    """(at, fen, category, refunded in full)."""
    bookings: list[tuple[datetime, str]] = field(default_factory=list)
    visits: list[datetime] = field(default_factory=list)
    policies: list[tuple[str, int, date, date]] = field(default_factory=list)
    tables: Mapping[str, list[LookupRow]] = field(default_factory=dict)

    def days_since(self, moment: datetime | None) -> float | None:
        """Company days between a moment and today."""
        return None if moment is None else (self.today - moment.astimezone(ZONE).date()).days


def number(one: Any, who: Person) -> float | None:
    """A number; None where it is not known."""
    if isinstance(one, rules.Constant):
        return one.value
    if isinstance(one, rules.AttributeNumber):
        return who.numbers.get(one.key)
    if isinstance(one, rules.Fact):
        return fact(one, who)
    if isinstance(one, rules.Looked):
        for row in who.tables.get(one.table, []):
            if one.column in row.then and all(fits(name, wanted, who) for name, wanted in row.when.items()):
                return row.then[one.column]
        return None
    return arithmetic(one, who)


def arithmetic(one: rules.Arithmetic, who: Person) -> float | None:
    """Two numbers made one."""
    left, right = number(one.left, who), number(one.right, who)
    if left is None or right is None or (one.kind == "over" and right == 0):
        return None
    return {
        "plus": lambda: left + right,
        "minus": lambda: left - right,
        "times": lambda: left * right,
        "over": lambda: left / right,
        "least": lambda: min(left, right),
        "most": lambda: max(left, right),
    }[one.kind]()


def fact(one: rules.Fact, who: Person) -> float | None:
    """A computed fact."""
    paid = [order for order in who.orders if not order[3]]
    held = [p for p in who.policies if p[2] <= who.today <= p[3] and one.policy in (None, p[0])]
    last_order = max((order[0] for order in paid), default=None)
    born = who.birthday
    values: dict[str, float | None] = {
        "orders": len(paid),
        "net_fen": sum(order[1] for order in paid),
        "age": None
        if born is None
        else who.today.year - born.year - ((born.month, born.day) > (who.today.month, who.today.day)),
        "days_since_contact": who.days_since(who.last_contact_at or who.first_added_at),
        "days_since_order": who.days_since(last_order),
        "days_since_added": who.days_since(who.first_added_at),
        "held_fen": sum(p[1] for p in held),
        "premium_fen": sum(p[1] // 100 for p in held),
    }
    return values[one.name]


def fits(name: str, wanted: list[float] | str, who: Person) -> bool:
    """Whether a value lies in a lookup table's span, or is its word."""
    if isinstance(wanted, str):
        return who.words.get(name) == wanted
    known = fact(rules.Fact(name="age"), who) if name == "age" else who.numbers.get(name)
    return known is not None and wanted[0] <= known < wanted[1]


@singledispatch
def holds(one: Any, who: Person) -> bool:
    """Whether a condition holds for her."""
    raise NotImplementedError(type(one).__name__)


@holds.register
def _(one: rules.AllOf, who: Person) -> bool:
    return all(holds(part, who) for part in one.of)


@holds.register
def _(one: rules.AnyOf, who: Person) -> bool:
    return any(holds(part, who) for part in one.of)


@holds.register
def _(one: rules.NoneOf, who: Person) -> bool:
    return not any(holds(part, who) for part in one.of)


@holds.register
def _(one: rules.Tagged, who: Person) -> bool:
    return any(name in one.tags or f"{group}/{name}" in one.tags for group, name in who.tags)


@holds.register
def _(one: rules.InLayer, who: Person) -> bool:
    return who.layers.get(one.layer, "") in one.values


@holds.register
def _(one: rules.AttributeIs, who: Person) -> bool:
    return who.words.get(one.key) in one.values


@holds.register
def _(one: rules.AttributeKnown, who: Person) -> bool:
    return one.key in who.words or one.key in who.numbers


@holds.register
def _(one: rules.Compare, who: Person) -> bool:
    left, right = number(one.left, who), number(one.right, who)
    return left is not None and right is not None and OPS[one.op](left, right)


@holds.register
def _(one: rules.Ordered, who: Person) -> bool:
    since = who.today - timedelta(days=one.days) if one.days else date.min
    found = [
        order
        for order in who.orders
        if not order[3] and order[0].astimezone(ZONE).date() >= since and one.category in (None, order[2])
    ]
    measured = len(found) if one.measure == "count" else sum(order[1] for order in found)
    return OPS[one.op](measured, one.value)


@holds.register
def _(one: rules.Booked, who: Person) -> bool:
    last = who.today + timedelta(days=one.days) if one.days else date.max
    return any(
        status != "cancelled" and who.today <= starts.astimezone(ZONE).date() <= last for starts, status in who.bookings
    )


@holds.register
def _(one: rules.Visited, who: Person) -> bool:
    return any(visit.astimezone(ZONE).date() >= who.today - timedelta(days=one.days) for visit in who.visits)


@holds.register
def _(one: rules.OfStaff, who: Person) -> bool:
    return who.main in one.userids


@holds.register
def _(one: rules.Gender, who: Person) -> bool:
    return who.gender == (2 if one.value == "female" else 1)


@holds.register
def _(_one: rules.Friend, who: Person) -> bool:
    return who.friend
