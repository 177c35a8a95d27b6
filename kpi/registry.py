"""What a metric is: one definition with its words, its data, its groups and its SQL; everything asks the same one.

A metric computes named parts (numerator, denominator, …) per group in sets of SQL; a formula makes the number of them.
Whose rows count, when, and which groups is put into each query by `Ask.rows`, so no metric can forget the asker's
rights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from contacts.models import Department, StaffDepartment
from kpi.periods import Period
from kpi.scope import Scope

FEN, COUNT, PERCENT, DAYS, RATIO, MINUTES = "fen", "count", "percent", "days", "ratio", "minutes"
STAFF, DEPARTMENT, STORE, CHANNEL, CAMPAIGN = "staff", "department", "store", "channel", "campaign"
PRODUCT = "product"
REGION, AMOUNT_BAND, BUYER, SCENE = "region", "amount_band", "buyer", "scene"
REASON, PAIR, REFERRER = "reason", "pair", "referrer"
TIMES = ("day", "week", "month")
"""Groups every number has: a series."""
Key = Any
"""A group: a userid, a department's, channel's or campaign's id, a store's code; None for the whole."""
Number = int | float
Parts = dict[Key, dict[str, Number]]


@dataclass(frozen=True)
class Source:
    """Where rows come from: when they happened, and the column of each dimension they have."""

    at: Any
    columns: Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """What is asked: whose numbers, of which days, as of when; in which groups, narrowed to what."""

    scope: Scope
    period: Period
    now: datetime
    group_by: str = ""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """By dimension, and `days` where a metric has a window to choose."""

    @property
    def end(self) -> datetime:
        """The end of the period, or now while it runs."""
        return min(self.period.end, self.now)

    @property
    def last(self) -> date:
        """The last day of the period, or today while it runs."""
        return min(self.period.last, self.now.astimezone(self.period.zone).date())

    @property
    def minutes_ahead(self) -> int:
        """How far the company's clock is ahead of UTC as the period begins."""
        offset = datetime.combine(self.period.first, time(), self.period.zone).utcoffset() or timedelta()
        return int(offset.total_seconds() // 60)

    def key(self, source: Source) -> Any:
        """The column rows are grouped by; None for no groups."""
        if self.group_by == DEPARTMENT:
            return col(StaffDepartment.department_id)
        return source.columns[self.group_by] if self.group_by else None

    def conditions(self, source: Source) -> list[ColumnElement[bool]]:
        """Whose rows, and narrowed to what; the period is not among them."""
        columns = source.columns
        narrowed = [columns[name] == value for name, value in self.filters.items() if name in columns]
        if DEPARTMENT in self.filters:
            narrowed.append(columns[STAFF].in_(members_below(self.filters[DEPARTMENT])))
        rights = [] if self.scope.everybody else [self.scope.covers(columns[STAFF], columns.get(STORE))]
        return [*rights, *narrowed]

    def rows(self, source: Source, *columns: Any, when: bool = True) -> Select[Any]:
        """A query of these columns, the group first as `key`; of the period unless `when` is False."""
        key = self.key(source)
        chosen = select(*(() if key is None else (key.label("key"),)), *columns).where(*self.conditions(source))
        if self.group_by == DEPARTMENT:
            member = source.columns[STAFF]
            chosen = chosen.join_from(member.class_, StaffDepartment, col(StaffDepartment.userid) == member)
        return chosen.where(source.at >= self.period.start, source.at < self.end) if when else chosen

    def tally(self, session: Session, source: Source, value: Any, *where: Any) -> dict[Key, Number]:
        """One number per group: an aggregate over the rows of the period."""
        key = self.key(source)
        chosen = self.rows(source, value).where(*where)
        return self.numbers(session, chosen if key is None else chosen.group_by(key))

    def over(self, session: Session, rows: Any, value: Any, *where: Any) -> dict[Key, Number]:
        """One number per group: an aggregate over a subquery that `rows` made."""
        if not self.group_by:
            return self.numbers(session, select(value).select_from(rows).where(*where))
        return self.numbers(session, select(rows.c.key, value).where(*where).group_by(rows.c.key))

    def numbers(self, session: Session, statement: Select[Any]) -> dict[Key, Number]:
        """The result of a query of (key, number), or of one number."""
        found = session.execute(statement).all()
        return {(row[0] if self.group_by else None): plain(row[-1]) for row in found}

    def keys(self, rows: Any) -> list[Any]:
        """The `key` column of a subquery, if it has groups."""
        return [rows.c.key] if self.group_by else []

    def ungrouped(self) -> "Ask":
        """The same for the whole."""
        return replace(self, group_by="")


def members_below(department_id: int) -> Select[Any]:
    """The userids of who works in a department or below it."""
    root = aliased(Department)
    within = func.substr(col(Department.path), 1, func.length(col(root.path))) == col(root.path)
    below = select(col(Department.id)).join(root, within).where(col(root.id) == department_id)
    return select(col(StaffDepartment.userid)).where(col(StaffDepartment.department_id).in_(below))


def plain(value: Any) -> Number:
    """A number as Python has it; nothing counted is 0."""
    if value is None:
        return 0
    return value if isinstance(value, int | float) else int(value) if value == int(value) else float(value)


Compute = Callable[[Session, Ask], Parts]
Part = Callable[[Session, Ask], dict[Key, Number]]
Formula = Callable[[Mapping[str, Number]], Number | None]


@dataclass(frozen=True)
class Factor:
    """One factor of a number: the part `above` for each of `below`; a count where nothing is below."""

    metric: str
    """Whose title it has."""
    above: str
    below: str = ""

    def of(self, found: Mapping[str, Number]) -> float:
        """Its value; 0 where there is nothing to divide by."""
        if not self.below:
            return float(found.get(self.above, 0))
        return float(found[self.above]) / float(found[self.below]) if found.get(self.below) else 0.0


@dataclass(frozen=True)
class Ratio:
    """A formula: one part of another; None when there is nothing to divide by."""

    above: str
    below: str
    times: int = 1

    def __call__(self, found: Mapping[str, Number]) -> Number | None:
        """The number."""
        return self.times * found[self.above] / found[self.below] if found[self.below] else None


@dataclass(frozen=True)
class FenPer(Ratio):
    """Money divided, in whole fen, half a fen up."""

    def __call__(self, found: Mapping[str, Number]) -> Number | None:
        """The number."""
        if not found[self.below]:
            return None
        exact = Decimal(str(found[self.above])) / Decimal(str(found[self.below]))
        return int(exact.to_integral_value(ROUND_HALF_UP))


@dataclass(frozen=True)
class Metric:
    """A number with its definition. `needs`: the feeds without which it is not connected."""

    name: str
    zh: str
    en: str
    unit: str
    about_zh: str
    about_en: str
    needs: tuple[str, ...]
    compute: Compute
    formula: Formula
    dimensions: tuple[str, ...] = (STAFF, DEPARTMENT)
    company_only: bool = False
    """Its data know no member: only who may see everything may see it."""
    matures_days: int = 0
    """After so many days a cohort can be judged; younger ones are marked."""
    lower_is_better: bool = False
    factors: tuple[Factor, ...] = ()
    """What it is the product of, from the widest to the last; the last is what one buyer, head or order brings."""

    def title(self, language: str) -> str:
        """Its name for people."""
        return self.en if language == "en" else self.zh

    def about(self, language: str) -> str:
        """Its definition for people."""
        return self.about_en if language == "en" else self.about_zh


def parts(**named: Part) -> Compute:
    """A metric's parts, each by its own query."""

    def compute(session: Session, ask: Ask) -> Parts:
        found: Parts = {}
        for name, part in named.items():
            for key, number in part(session, ask).items():
                found.setdefault(key, {})[name] = number
        return {key: dict.fromkeys(named, 0) | numbers for key, numbers in found.items()}

    return compute


def tally(source: Source, value: Any, *where: Any) -> Part:
    """A part that is one aggregate over a source."""
    return lambda session, ask: ask.tally(session, source, value, *where)


def the(name: str) -> Formula:
    """A part as it is."""
    return lambda found: found[name]


def percent(above: str, below: str) -> Formula:
    """One part as a percentage of another; None when there is nothing to divide by."""
    return Ratio(above, below, 100)


def per(above: str, below: str) -> Formula:
    """One part divided by another."""
    return Ratio(above, below)


def fen_per(above: str, below: str) -> Formula:
    """Money divided, in whole fen, half a fen up."""
    return FenPer(above, below)


def total(found: Sequence[str]) -> Formula:
    """The sum of several parts."""
    return lambda numbers: sum(numbers[name] for name in found)
