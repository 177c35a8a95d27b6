"""Every metric by name, and `measure`: the one way chat, pages and API get a number."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select
from sqlmodel import Session, SQLModel, col

from contacts.channels import Campaign, Channel
from contacts.facts import (
    Act,
    Booking,
    CompanyTotal,
    GroupMember,
    Order,
    Product,
    Referral,
    Refund,
    Satisfaction,
    Spend,
    StaffStatistic,
    Touch,
    Traffic,
    Visit,
    Watermark,
)
from contacts.models import Customer, Department, Staff, Store, TieChange
from kpi import (
    metrics_baskets,
    metrics_contacts,
    metrics_effect,
    metrics_growth,
    metrics_money,
    metrics_reach,
    metrics_referrals,
    metrics_work,
)
from kpi.periods import Period
from kpi.places import words_of
from kpi.registry import (
    AMOUNT_BAND,
    BUYER,
    CAMPAIGN,
    CHANNEL,
    COUNT,
    DEPARTMENT,
    FEN,
    PAIR,
    PRODUCT,
    REASON,
    REFERRER,
    SCENE,
    STAFF,
    STORE,
    TIMES,
    Ask,
    Key,
    Metric,
    Number,
)
from kpi.scope import NotYours, Scope
from sop.mass_sends import MassSend
from sop.models import Welcome
from sop.sops import Todo

KINDS = (
    metrics_money, metrics_baskets, metrics_contacts, metrics_effect, metrics_growth, metrics_referrals, metrics_reach,
    metrics_work,
)  # fmt: skip
METRICS: dict[str, Metric] = {metric.name: metric for kind in KINDS for metric in kind.METRICS}
FEEDS: dict[str, tuple[type[SQLModel], ...]] = {
    "contacts": (TieChange,),
    "orders": (Order,),
    "refunds": (Refund,),
    "touches": (Touch,),
    "visits": (Visit,),
    "bookings": (Booking,),
    "meetings": (Visit, Booking, Order),
    "services": (Visit, Act, GroupMember, Todo),
    "acts": (Act,),
    "referrals": (Referral,),
    "traffic": (Traffic,),
    "spend": (Spend,),
    "totals": (CompanyTotal,),
    "campaigns": (Campaign,),
    "statistics": (StaffStatistic,),
    "satisfaction": (Satisfaction,),
    "sends": (MassSend, Welcome),
    "todos": (Todo,),
}
"""Which tables a feed fills; with a row in one of them it is connected."""
INGESTED = {"orders": "orders", "refunds": "refunds", "visits": "visits", "bookings": "bookings", "acts": "events",
            "referrals": "referrals", "traffic": "traffic", "spend": "spend", "totals": "totals",
            "meetings": "visits", "services": "visits"}  # fmt: skip
"""The kind of record that keeps a feed's watermark."""
MOST_POINTS = 100
NAMES: dict[str, tuple[Any, Any]] = {
    STAFF: (col(Staff.userid), col(Staff.name)),
    DEPARTMENT: (col(Department.id), col(Department.name)),
    STORE: (col(Store.code), col(Store.name)),
    CHANNEL: (col(Channel.id), col(Channel.name)),
    CAMPAIGN: (col(Campaign.id), col(Campaign.name)),
    PRODUCT: (col(Product.sku), col(Product.name)),
    REFERRER: (col(Customer.id), col(Customer.name)),
}
IN_WORDS = (SCENE, BUYER, REASON)
"""Groups with names of our own."""


class BadQuestion(ValueError):
    """No such metric, or it cannot be seen that way; the text names what can."""


@dataclass(frozen=True)
class Row:
    """One group of a number."""

    key: Key
    name: str
    value: Number | None
    parts: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A number with all that must stand beside it."""

    metric: Metric
    period: Period
    connected: bool
    missing: tuple[str, ...]
    """Feeds without any data; then there is no value."""
    value: Number | None
    parts: Mapping[str, Number]
    rows: list[Row]
    data_at: datetime | None
    """Up to when the data is complete."""
    immature: bool
    """Some of the cohort has not had its full window yet."""


def metric_named(name: str) -> Metric:
    """A metric by its name. Raises `BadQuestion`."""
    if name not in METRICS:
        raise BadQuestion(f"metric {name!r} does not exist; there are {', '.join(sorted(METRICS))}")
    return METRICS[name]


def measure(
    session: Session,
    name: str,
    scope: Scope,
    period: Period,
    now: datetime,
    *,
    group_by: str = "",
    filters: Mapping[str, Any] | None = None,
) -> Measured:
    """A metric's value and its groups, largest first, of what `scope` may see; days, weeks and months in their order.

    Raises `BadQuestion`, `NotYours`.
    """
    metric = metric_named(name)
    if group_by in TIMES:
        return series(session, metric, Ask(scope, period, now, filters=filters or {}), group_by)
    ask = Ask(scope, period, now, group_by, filters or {})
    check(metric, ask)
    missing = tuple(feed for feed in metric.needs if not connected(session, feed))
    if missing:
        return Measured(metric, period, False, missing, None, {}, [], None, False)
    whole = metric.compute(session, ask.ungrouped()).get(None, {})
    grouped = metric.compute(session, ask) if group_by else {}
    names = names_of(session, group_by, list(grouped)) if group_by else {}
    rows = [Row(key, names.get(key, str(key or "")), value_of(metric, found), found) for key, found in grouped.items()]
    rows.sort(key=lambda row: (row.value is None, -(row.value or 0), row.name))
    ends = period.end.timestamp() + metric.matures_days * 86400
    young = bool(metric.matures_days) and ends > now.timestamp()
    at = data_at(session, metric.needs, now)
    return Measured(metric, period, True, (), value_of(metric, whole), whole, rows, at, young)


def series(session: Session, metric: Metric, ask: Ask, unit: str) -> Measured:
    """A number with its days, weeks or months, the oldest first. Raises `BadQuestion`, `NotYours`.

    Each point is what the number is when asked for alone, and costs as much: hence a limit.
    """
    pieces = ask.period.split(unit, ask.now.astimezone(ask.period.zone).date())
    if len(pieces) > MOST_POINTS:
        raise BadQuestion(f"group_by={unit} would give {len(pieces)} rows; ask for at most {MOST_POINTS} at a time")
    whole = measure(session, metric.name, ask.scope, ask.period, ask.now, filters=ask.filters)
    if not whole.connected:
        return whole
    points = [(piece.first, metric.compute(session, replace(ask, period=piece)).get(None, {})) for piece in pieces]
    rows = [Row(day.isoformat(), day.isoformat(), value_of(metric, found), found) for day, found in points]
    return replace(whole, rows=rows)


def value_of(metric: Metric, found: Mapping[str, Number]) -> Number | None:
    """The formula's number; None where there is nothing to count."""
    if not found:
        return 0 if metric.unit in {FEN, COUNT} else None
    return metric.formula(found)


def check(metric: Metric, ask: Ask) -> None:
    """Whether the metric can be asked that way. Raises `BadQuestion`, or `NotYours` for a company-wide one."""
    asked = {ask.group_by, *ask.filters} - {"", "days"}
    if unknown := sorted(asked - set(metric.dimensions)):
        can = ", ".join((*metric.dimensions, *TIMES))
        raise BadQuestion(f"metric {metric.name!r} has no dimension {unknown[0]!r}; it can be seen by {can}")
    if metric.company_only and not ask.scope.everybody:
        raise NotYours(f"metric {metric.name!r} is known for the whole company only")


def connected(session: Session, feed: str) -> bool:
    """Whether a feed has ever brought anything."""
    if any(session.execute(select(literal(1)).select_from(table).limit(1)).first() for table in FEEDS[feed]):
        return True
    mark = select(literal(1)).where(col(Watermark.feed) == INGESTED.get(feed, ""))
    return session.execute(mark).first() is not None


def data_at(session: Session, feeds: tuple[str, ...], now: datetime) -> datetime:
    """Up to when all the feeds are complete: the oldest of their newest marks; ties and touches are live."""
    kinds = {INGESTED[feed] for feed in feeds if feed in INGESTED}
    newest = select(func.max(col(Watermark.complete_to))).where(col(Watermark.feed).in_(kinds))
    marks: list[datetime] = list(session.execute(newest.group_by(col(Watermark.feed))).scalars())
    return min((now, *marks))


def names_of(session: Session, group_by: str, keys: list[Key]) -> dict[Key, str]:
    """What people call each group; whoever is not there is called by the key."""
    if group_by in IN_WORDS:
        return {key: words_of(key) for key in keys}
    if group_by == AMOUNT_BAND:
        return {key: f"¥{key}" for key in keys}
    if group_by == PAIR:
        products = names_of(session, PRODUCT, sorted({sku for pair in keys for sku in pair}))
        return {pair: " + ".join(products.get(sku, sku) for sku in pair) for pair in keys}
    if group_by not in NAMES:
        return {}
    key, name = NAMES[group_by]
    wanted = [one for one in keys if one is not None]
    pieces = (wanted[start : start + 500] for start in range(0, len(wanted), 500))
    return {
        found: called for piece in pieces for found, called in session.execute(select(key, name).where(key.in_(piece)))
    }
