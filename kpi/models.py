"""What the numbers keep for themselves: whose each payment is, and what was aimed at."""

from datetime import date, datetime

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.database import BigId, UtcTime

RECORD, CHANNEL, JOINED = "record", "channel", "joined"
"""Why an order belongs to its campaign: its record says so, she came through its channel, she joined it."""
DECIDED, ORDER, TOUCH, MAIN, STORE = "decided", "order", "touch", "main", "store"
"""Why an order is a member's: a leader decided so; named on it, touched the customer last, answered for her; else it is
the store's."""


class OrderCredit(SQLModel, table=True):
    """One line of money: a payment (`refund_id` 0) or a refund, negative, on its own day; whose it is, and why.

    Derived from the facts by `kpi.credit` alone; a recompute gives the same rows.
    """

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    order_id: int = Field(sa_type=BigId, foreign_key="orders.id")
    refund_id: int = Field(default=0, sa_type=BigId)
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId)
    userid: str | None = None
    """None: the store's."""
    basis: str
    store: str | None = None
    channel_id: int | None = None
    """The record's, else the last one the customer came through before she paid."""
    campaign_id: int | None = None
    campaign_basis: str = ""
    amount_fen: int = Field(sa_type=BigId)
    margin_fen: int | None = Field(default=None, sa_type=BigId)
    """None where an item's margin is not known."""
    confirms_at: datetime = Field(sa_type=UtcTime)
    """When the order's refund period ends: commission on it is expected until then."""

    __table_args__ = (
        UniqueConstraint("order_id", "refund_id"),
        Index("ix_ordercredit_userid", "userid", "at"),
        Index("ix_ordercredit_at", "at"),
        Index("ix_ordercredit_refund", "refund_id"),
        Index("ix_ordercredit_customer", "customer_id", "at"),
        Index("ix_ordercredit_campaign", "campaign_id", "userid"),
    )


class CreditDecision(SQLModel, table=True):
    """A leader decided whose an order is; the last that is not taken back holds."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    order_id: int = Field(sa_type=BigId, foreign_key="orders.id", index=True)
    userid: str
    """Whose it is now."""
    before: str | None = None
    """Whose it was; None: the store's."""
    by: str
    at: datetime = Field(sa_type=UtcTime)
    words: str = ""
    """Why, as she put it."""
    undone_at: datetime | None = Field(default=None, sa_type=UtcTime)

    __table_args__ = (Index("ix_creditdecision_by", "by", "at"),)


class Target(SQLModel, table=True):
    """What a member or a department aims at in a month; `value` in the metric's unit, money in fen."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    whose: str
    """`staff:userid` or `department:id`."""
    metric: str
    month: date
    """Its first day."""
    value: int = Field(sa_type=BigId)
    by: str = ""
    at: datetime = Field(sa_type=UtcTime)

    __table_args__ = (UniqueConstraint("whose", "metric", "month"),)


class Baseline(SQLModel, table=True):
    """A department's number of one week beside the band of its eight weeks before, as it was checked."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    department_id: int
    metric: str
    week: date
    """Its Monday."""
    value: float
    low: float
    high: float
    outside: int = 0
    """-1 below the band, 1 above it."""

    __table_args__ = (UniqueConstraint("department_id", "metric", "week"),)


class KpiSet(SQLModel, table=True):
    """Which set of KPIs a department looks at, and everybody below it that has none of its own."""

    department_id: int = Field(primary_key=True)
    purpose: str
    stage: str
    by: str
    at: datetime = Field(sa_type=UtcTime)
