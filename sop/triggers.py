"""Triggers as SQL: whom each finds between two days, and on which occurrence.

Every trigger is a query of (customer_id, at or day, occurrence, userid) that starts from an index on its time, so that
its cost follows what is due and not how many customers there are. An occurrence's key is the same whenever it is found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, singledispatch
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy import ColumnElement, Select, String, and_, case, exists, false, func, literal, null, or_, select
from sqlalchemy import cast as sql_cast
from sqlmodel import Session, col

from contacts.channels import Campaign, Channel
from contacts.facts import Booking, LayerMove, Order, OrderItem, Participation, Policy, Product, Visit, Watermark
from contacts.models import ADDED, CONFIRMED, CUSTOMER, LOST, AttributeValue, TieChange
from contacts.tags import TagChange
from sop import rules
from sop.conditions import ALIVE, CANCELLED, CUSTOMERS, ONE, C, Day, at, holds
from sop.sops import RUNS
from sop.sqltime import WholeDays


@dataclass(frozen=True)
class Occurrence:
    """One customer whom a trigger found."""

    customer_id: int
    day: date
    """The day the trigger fell on: steps count from here."""
    key: str
    userid: str | None
    """The consultant on the booking or order, the member added; None leaves it to the main staff."""
    since: datetime
    """From when on what she does counts as following."""


@dataclass(frozen=True)
class Window:
    """Days in which an occurrence may fall, both included, and what is known to be complete."""

    day: Day
    first: date
    complete: dict[str, datetime]
    """Per store (empty: all) the moment to which visits are complete."""
    cycles: tuple[int, ...] = ()
    """After how many days products are bought again."""

    def of(self, column: Any) -> ColumnElement[bool]:
        """A time column within the window."""
        until = self.day.start(self.day.today + timedelta(days=1))
        return and_(column >= at(self.day.start(self.first)), column < at(until))


Found = Select[Any]


def found(source: Any, moment: Any, key: str, row_id: Any, userid: Any = None) -> Found:
    """A query of occurrences: each row of `source` joined with its customer, if she still is one."""
    occurrence = literal(f"{key}:") + sql_cast(row_id, String)
    columns = (source.customer_id, moment.label("moment"), occurrence.label("key"))
    who = (null() if userid is None else userid).label("userid")
    return select(*columns, who).select_from(source).join(CUSTOMERS, C.id == source.customer_id).where(*ALIVE)


@singledispatch
def occurrences(trigger: Any, window: Window) -> Found:
    """The trigger as a query."""
    raise NotImplementedError(type(trigger).__name__)


@occurrences.register
def _(trigger: rules.FriendAdded, window: Window) -> Found:
    query = found(TieChange, col(TieChange.at), "added", TieChange.id, col(TieChange.userid))
    query = query.where(col(TieChange.kind).in_((ADDED, CONFIRMED)), window.of(TieChange.at))
    if trigger.states:
        query = query.where(col(TieChange.state).in_(trigger.states))
    if trigger.campaign:
        query = query.join(Channel, col(Channel.id) == col(TieChange.channel_id))
        query = query.join(Campaign, col(Campaign.id) == col(Channel.campaign_id))
        query = query.where(col(Campaign.code) == trigger.campaign)
    return query


@occurrences.register
def _(trigger: rules.TagTurned, window: Window) -> Found:
    query = found(TagChange, col(TagChange.at), "tag", TagChange.id, col(TagChange.userid))
    added = trigger.kind == "tag_added"
    named = or_(
        col(TagChange.tag_name) == trigger.tag,
        col(TagChange.group_name) + "/" + col(TagChange.tag_name) == trigger.tag,
    )
    return query.where(col(TagChange.added) == added, named, window.of(TagChange.at))


@occurrences.register
def _(trigger: rules.StageMoved, window: Window) -> Found:
    query = found(LayerMove, col(LayerMove.at), "stage", LayerMove.id)
    return query.where(col(LayerMove.layer) == "stage", col(LayerMove.after).in_(trigger.to), window.of(LayerMove.at))


@occurrences.register
def _(trigger: rules.OrderPaid, window: Window) -> Found:
    query = found(Order, col(Order.at), "order", Order.id, col(Order.userid)).where(window.of(Order.at))
    if trigger.category:
        lines = select(ONE).where(col(OrderItem.order_id) == Order.id, col(OrderItem.category) == trigger.category)
        query = query.where(exists(lines.correlate(Order)))
    return query


@occurrences.register
def _(_trigger: rules.BookingMade, window: Window) -> Found:
    query = found(Booking, col(Booking.made_at), "booking", Booking.id, col(Booking.userid))
    return query.where(window.of(Booking.made_at), col(Booking.status) != CANCELLED)


@occurrences.register
def _(_trigger: rules.BookingMissed, window: Window) -> Found:
    came = select(ONE).where(
        col(Visit.customer_id) == col(Booking.customer_id),
        or_(
            col(Visit.booking_id) == Booking.id,
            days_to(Visit.at, window) == days_to(Booking.starts_at, window),
        ),
    )
    query = found(Booking, col(Booking.starts_at), "missed", Booking.id, col(Booking.userid))
    over = col(Booking.starts_at) < at(window.day.start())
    begins = col(Booking.starts_at) >= at(window.day.start(window.first))
    open_ = col(Booking.status) != CANCELLED
    return query.where(over, begins, open_, complete_past(window), ~exists(came.correlate(Booking)))


def complete_past(window: Window) -> ColumnElement[bool]:
    """Whether the store's visits are complete past the booking's day."""
    ends = {store: window.day.start(local(window, to)) for store, to in window.complete.items()}
    whole = ends.pop("", None)
    if not ends:
        return col(Booking.starts_at) < at(whole) if whole else literal(False)
    longest = at(whole) if whole else null()
    limit = case(*((col(Booking.store) == store, at(end)) for store, end in ends.items()), else_=longest)
    return func.coalesce(col(Booking.starts_at) < limit, literal(False))


def local(window: Window, moment: datetime) -> date:
    """The company's date of a moment."""
    return moment.astimezone(window.day.zone).date()


def days_to(column: Any, window: Window) -> ColumnElement[Any]:
    """The company's day of a time, counted from today."""
    return WholeDays(column, at(window.day.start()))


@occurrences.register
def _(_trigger: rules.VisitMade, window: Window) -> Found:
    return found(Visit, col(Visit.at), "visit", Visit.id, col(Visit.userid)).where(window.of(Visit.at))


@occurrences.register
def _(trigger: rules.CampaignJoined, window: Window) -> Found:
    query = found(Participation, col(Participation.at), "joined", Participation.id, col(Participation.userid))
    query = query.where(window.of(Participation.at))
    if trigger.codes:
        query = query.join(Campaign, col(Campaign.id) == col(Participation.campaign_id))
        query = query.where(col(Campaign.code).in_(trigger.codes))
    return query


@occurrences.register
def _(_trigger: rules.CustomerLost, window: Window) -> Found:
    query = found(TieChange, col(TieChange.at), "lost", TieChange.id, col(TieChange.userid))
    return query.where(col(TieChange.kind) == LOST, col(TieChange.by) == CUSTOMER, window.of(TieChange.at))


@occurrences.register
def _(trigger: rules.Silent, window: Window) -> Found:
    # Either column by itself, so that each can use its index.
    first, last = (
        window.day.ago(trigger.days + (window.day.today - window.first).days),
        window.day.ago(trigger.days - 1),
    )
    silent = or_(
        and_(C.last_contact_at >= at(first), C.last_contact_at < at(last)),
        and_(C.last_contact_at.is_(None), C.first_added_at >= at(first), C.first_added_at < at(last)),
    )
    latest = func.coalesce(C.last_contact_at, C.first_added_at)
    key = literal("silent:") + sql_cast(latest, String)
    known = window.complete.get("")
    judged = literal(known is not None and known >= window.day.start())
    shifted = select(C.id.label("customer_id"), latest.label("moment"), key.label("key"), null().label("userid"))
    return shifted.where(silent, judged, *ALIVE)


@occurrences.register
def _(trigger: rules.OnDate, window: Window) -> Found:
    """The date is looked for around today; its day of the trigger is `days` further on."""
    shift = timedelta(days=trigger.days)
    first, last = window.first - shift, window.day.today - shift
    if trigger.field == "birthday":
        key = literal("birthday:") + sql_cast(C.birthday_next, String)
        query = select(
            C.id.label("customer_id"), C.birthday_next.label("moment"), key.label("key"), null().label("userid")
        )
        return query.where(C.birthday_next.between(first, last), *ALIVE)
    if trigger.field == "policy_end":
        query = found(Policy, col(Policy.ends_on), "policy", Policy.id, col(Policy.userid))
        return query.where(col(Policy.ends_on).between(first, last))
    if trigger.field == "repurchase":
        return repurchase(window, first, last)
    months = relativedelta(months=trigger.months)
    day = func.coalesce(col(AttributeValue.next_on), col(AttributeValue.day))
    query = found(AttributeValue, day, f"{trigger.field}+{trigger.months}", day).where(
        col(AttributeValue.key) == trigger.field
    )
    if trigger.months:
        return query.where(col(AttributeValue.day).between(first - months, last - months))
    return query.where(
        or_(
            col(AttributeValue.next_on).between(first, last),
            and_(col(AttributeValue.next_on).is_(None), col(AttributeValue.day).between(first, last)),
        )
    )


def repurchase(window: Window, first: date, last: date) -> Found:
    """Her latest order held a product that is bought again after a while, and that while is over."""
    due: list[ColumnElement[bool]] = [false()]
    for days in window.cycles:
        begin = window.day.start(first - timedelta(days=days))
        end = window.day.start(last - timedelta(days=days - 1))
        due.append(and_(col(Product.cycle_days) == days, col(Order.at) >= at(begin), col(Order.at) < at(end)))
    query = found(Order, col(Order.at), "repurchase", Order.id, col(Order.userid))
    query = query.join(OrderItem, col(OrderItem.order_id) == col(Order.id))
    query = query.join(Product, col(Product.sku) == col(OrderItem.sku))
    return query.where(or_(*due), C.last_order_at == col(Order.at)).distinct()


def find(
    session: Session, rule: rules.Rule, window: Window, only: list[int] | None = None, *, sop_id: int | None = None
) -> list[Occurrence]:
    """Whom a rule's trigger finds in a window and its conditions let through; `only` these customers where given.

    `sop_id`: without the occurrences this SOP has runs for.
    """
    query = occurrences(rule.when, window)
    if rule.who is not None:
        query = query.where(holds(rule.who, window.day))
    if only is not None:
        query = query.where(C.id.in_(only))
    if sop_id is not None:
        each = query.subquery()
        same = (RUNS.c.sop_id == sop_id, RUNS.c.customer_id == each.c.customer_id, RUNS.c.occurrence == each.c.key)
        query = select(each).where(~exists(select(ONE).where(*same)))
    rows = session.connection().execute(query).all()
    start = cache(window.day.start)
    return [occurrence(row, rule.when, window, start) for row in rows]


def occurrence(row: Any, trigger: Any, window: Window, start: Callable[[date], datetime]) -> Occurrence:
    """A row as an occurrence; dates move by the trigger's days, moments become the company's days."""
    moment = row.moment
    day = local(window, moment) if isinstance(moment, datetime) else moment
    if isinstance(trigger, rules.OnDate):
        if trigger.months:
            day += relativedelta(months=trigger.months)
        day += timedelta(days=trigger.days)
        if trigger.field == "repurchase":
            day = min(max(day, window.first), window.day.today)
    elif isinstance(trigger, rules.Silent):
        day += timedelta(days=trigger.days)
    since = moment if isinstance(moment, datetime) else start(day)
    if isinstance(trigger, rules.BookingMissed):
        since = start(day)  # whoever came before her hour did come
    return Occurrence(row.customer_id, day, row.key, row.userid, since)


def window_of(session: Session, day: Day, first: date) -> Window:
    """A window up to today, with the watermarks of visits."""
    marks = session.scalars(select(Watermark).where(col(Watermark.feed) == "visits"))
    cycles = session.scalars(select(col(Product.cycle_days)).where(col(Product.cycle_days).is_not(None)).distinct())
    return Window(day, first, {one.store: one.complete_to for one in marks}, tuple(days for days in cycles if days))
