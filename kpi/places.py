"""Groups that a row itself does not carry: its customer's region, its order's band of amounts, whose tie it is.

Expressions hold no parameters: PostgreSQL takes them for the same in SELECT and GROUP BY only then.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from sqlalchemy import case, func, literal_column, select
from sqlmodel import col

from bot.language import gettext as _
from contacts.facts import CALL, CAMPAIGN, MASS_SEND, STEP, WELCOME, Order
from contacts.models import AttributeValue, Department, StaffDepartment, Store, TieChange
from kpi.models import OrderCredit
from kpi.registry import CHANNEL, REGION, STORE, Ask

REGION_KEY = "region"
"""The attribute that says where a customer lives."""
BANDS = (0, 100, 300, 500, 1_000, 3_000, 10_000)
"""Where each band of an order's amount begins, in yuan."""
FIRST, LATER = "first", "later"
"""A customer's first order, and every one after it."""
VISIT, BOOKING, ORDER = "visit", "booking", "order"
"""Scenes in which people are met."""
PAID_AT = select(col(Order.at)).where(col(Order.id) == col(OrderCredit.order_id)).correlate(OrderCredit)
PAID_FEN = select(col(Order.amount_fen)).where(col(Order.id) == col(OrderCredit.order_id)).correlate(OrderCredit)


def region_of(customer: Any) -> Any:
    """The region of a row's customer."""
    value = AttributeValue.__table__.alias("region")  # type: ignore[attr-defined]
    theirs = (value.c.customer_id == customer, value.c.key == literal_column(f"'{REGION_KEY}'"))
    return select(value.c.text).where(*theirs).correlate_except(value).scalar_subquery()


def band_of(fen: Any) -> Any:
    """The band an amount falls into, as `100-300`, in yuan; the last is open."""
    each: list[tuple[Any, Any]] = [
        (fen < literal_column(str(100 * end)), literal_column(f"'{start}-{end}'")) for start, end in pairwise(BANDS)
    ]
    return case(*each, else_=literal_column(f"'{BANDS[-1]}-'"))


def first_or_later() -> Any:
    """Whether the order of a line of money was its customer's first; a refund is what its order was."""
    earlier = OrderCredit.__table__.alias("earlier_payment")  # type: ignore[attr-defined]
    before = select(earlier.c.id).where(
        earlier.c.customer_id == col(OrderCredit.customer_id),
        earlier.c.refund_id == literal_column("0"),
        earlier.c.at < PAID_AT.scalar_subquery(),
    )
    return case(
        (before.correlate(OrderCredit).exists(), literal_column(f"'{LATER}'")), else_=literal_column(f"'{FIRST}'")
    )


def stores_of_staff(_ask: Ask) -> Any:
    """(owner, place): each member with the stores she works in, by the departments stores belong to."""
    at, above = Department, Department.__table__.alias("above")  # type: ignore[attr-defined]
    within = func.substr(col(at.path), 1, func.length(above.c.path)) == above.c.path
    in_store = (
        select(col(at.id).label("department_id"), col(Store.code).label("place"))
        .join(above, within)
        .join(Store, col(Store.department_id) == above.c.id)
        .cte("departments_of_stores")
    )
    works = col(StaffDepartment.department_id) == in_store.c.department_id
    return select(col(StaffDepartment.userid).label("owner"), in_store.c.place).join(in_store, works).distinct()


def first_channels(ask: Ask) -> Any:
    """(owner, place): each customer with the channel she first came through; it stays hers whatever comes later."""
    tie = TieChange.__table__.alias("first_tie")  # type: ignore[attr-defined]
    nth = func.row_number().over(partition_by=tie.c.customer_id, order_by=(tie.c.at, tie.c.id))
    came = select(tie.c.customer_id.label("owner"), tie.c.channel_id.label("place"), nth.label("nth")).where(
        tie.c.at < ask.end, tie.c.by.is_(None)
    )
    rows = came.subquery()
    return select(rows.c.owner, rows.c.place).where(rows.c.nth == 1)


def regions(_ask: Ask) -> Any:
    """(owner, place): each customer with her region."""
    value = AttributeValue
    return select(col(value.customer_id).label("owner"), col(value.text).label("place")).where(
        col(value.key) == REGION_KEY
    )


PLACES: dict[str, Callable[[Ask], Any]] = {STORE: stores_of_staff, CHANNEL: first_channels, REGION: regions}


def placed(ask: Ask, ties: Any) -> Any:
    """Ties (customer_id, userid, …) with the place that is asked for as their group, narrowed where that is asked."""
    wanted = [name for name in PLACES if name == ask.group_by or name in ask.filters]
    columns, joined, narrowed = list(ties.c), ties, []
    for name in wanted:
        place = PLACES[name](ask).subquery(name)
        joined = joined.outerjoin(place, place.c.owner == (ties.c.userid if name == STORE else ties.c.customer_id))
        if name == ask.group_by:
            columns.insert(0, place.c.place.label("key"))
        if name in ask.filters:
            narrowed.append(place.c.place == ask.filters[name])
    return select(*columns).select_from(joined).where(*narrowed).cte("placed_ties") if wanted else ties


def words_of(key: str) -> str:
    """What people call a group that has no row of its own; itself where that is what they say."""
    words = {
        WELCOME: _("welcome"), STEP: _("to-do"), MASS_SEND: _("mass send"), CALL: _("call"), CAMPAIGN: _("campaign"),
        VISIT: _("visit"), BOOKING: _("booking"), ORDER: _("order"),
        FIRST: _("first order"), LATER: _("later orders"), "": _("no reason on record"),
    }  # fmt: skip
    return words.get(key, key)
