"""Facts: what happened, each with its source's id and its time; amounts in fen."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.database import BigId, UtcTime
from contacts.models import PLAIN_JSON


def serial() -> Any:
    """A row's own number."""
    return Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))


class Order(SQLModel, table=True):
    """A paid order."""

    __tablename__ = "orders"

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    """Of the record's content: the same id with other content is a conflict."""
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId)
    userid: str | None = None
    """The consultant on the order."""
    store: str | None = None
    campaign_id: int | None = None
    """The one the record named."""
    channel_id: int | None = None
    amount_fen: int = Field(sa_type=BigId)
    refunded_fen: int = Field(default=0, sa_type=BigId)

    __table_args__ = (
        Index("ix_orders_customer", "customer_id", "at"),
        Index("ix_orders_at", "at"),
        Index("ix_orders_userid", "userid", "at"),
    )


class OrderItem(SQLModel, table=True):
    """A line of an order."""

    id: int | None = serial()
    order_id: int = Field(sa_type=BigId, foreign_key="orders.id", index=True)
    sku: str
    name: str
    category: str = Field(default="", index=True)
    qty: int
    amount_fen: int = Field(sa_type=BigId)
    margin_fen: int | None = Field(default=None, sa_type=BigId)


class Refund(SQLModel, table=True):
    """Money given back, on its own day."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime, index=True)
    order_id: int = Field(sa_type=BigId, foreign_key="orders.id", index=True)
    customer_id: int = Field(sa_type=BigId, index=True)
    amount_fen: int = Field(sa_type=BigId)


class Booking(SQLModel, table=True):
    """An appointment; a later record with the same id moves or cancels it, `first_starts_at` stays."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime)
    """Of the latest record about it."""
    customer_id: int = Field(sa_type=BigId, index=True)
    userid: str | None = None
    starts_at: datetime = Field(sa_type=UtcTime, index=True)
    first_starts_at: datetime = Field(sa_type=UtcTime)
    made_at: datetime = Field(sa_type=UtcTime)
    item: str = ""
    store: str | None = None
    status: str = "booked"
    """booked, moved or cancelled."""


class Visit(SQLModel, table=True):
    """A customer came to a store."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime, index=True)
    customer_id: int = Field(sa_type=BigId)
    userid: str | None = None
    store: str | None = None
    booking_id: int | None = Field(default=None, sa_type=BigId, index=True)

    __table_args__ = (Index("ix_visit_customer", "customer_id", "at"),)


class Policy(SQLModel, table=True):
    """An insurance policy held."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    userid: str | None = None
    product: str
    kind: str
    sum_insured_fen: int = Field(sa_type=BigId)
    premium_fen: int = Field(sa_type=BigId)
    starts_on: date
    ends_on: date = Field(index=True)


class Participation(SQLModel, table=True):
    """A customer joined a campaign; once per campaign."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId)
    userid: str | None = None
    campaign_id: int = Field(foreign_key="campaign.id")

    __table_args__ = (
        UniqueConstraint("campaign_id", "customer_id"),
        Index("ix_participation_at", "campaign_id", "at"),
        Index("ix_participation_customer", "customer_id", "at"),
    )


class Referral(SQLModel, table=True):
    """Who brought a customer: the first claim wins, so one row per customer brought."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime, index=True)
    customer_id: int = Field(sa_type=BigId, unique=True)
    referrer_id: int = Field(sa_type=BigId, index=True)
    userid: str | None = None
    campaign_id: int | None = None


class Act(SQLModel, table=True):
    """Something a customer did herself: page_viewed, product_viewed, link_opened, cart, live_joined, check_in, …"""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId)
    userid: str | None = None
    name: str
    properties: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))

    __table_args__ = (Index("ix_act_customer", "customer_id", "at"), Index("ix_act_name", "name", "at"))


class Traffic(SQLModel, table=True):
    """Visitors and clicks of a channel on a day."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    channel_id: int
    day: date
    visitors: int = 0
    clicks: int = 0

    __table_args__ = (UniqueConstraint("channel_id", "day"), Index("ix_traffic_day", "day"))


class Spend(SQLModel, table=True):
    """Money spent on a channel or a campaign on a day."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    day: date = Field(index=True)
    channel_id: int | None = Field(default=None, index=True)
    campaign_id: int | None = Field(default=None, index=True)
    amount_fen: int = Field(sa_type=BigId)


class CompanyTotal(SQLModel, table=True):
    """The whole company's net amount of a day, or of one store's."""

    id: int | None = serial()
    source_id: str = Field(unique=True)
    digest: str
    day: date
    store: str | None = None
    net_amount_fen: int = Field(sa_type=BigId)

    __table_args__ = (Index("ix_companytotal_day", "day"),)


class Note(SQLModel, table=True):
    """A follow-up note of a member of staff."""

    id: int | None = serial()
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    userid: str
    text: str
    next_contact_on: date | None = Field(default=None, index=True)


WELCOME, STEP, MASS_SEND, CALL, CAMPAIGN = "welcome", "step", "mass_send", "call", "campaign"
"""Scenes of a touch."""


class Touch(SQLModel, table=True):
    """Staff reached a customer: confirmed by the platform, or reported by staff."""

    id: int | None = serial()
    at: datetime = Field(sa_type=UtcTime, index=True)
    customer_id: int = Field(sa_type=BigId)
    userid: str
    scene: str
    reference: str = ""
    """Which welcome, to-do or mass-send task."""
    confirmed: bool = False
    doubtful: bool = False
    """One of more than five reports within a minute."""
    sop_id: int | None = Field(default=None, index=True)
    campaign_id: int | None = None

    __table_args__ = (
        UniqueConstraint("scene", "reference", "customer_id"),
        Index("ix_touch_customer", "customer_id", "at"),
        Index("ix_touch_userid", "userid", "at"),
    )


class Complaint(SQLModel, table=True):
    """A customer's complaint: marketing to her rests until the leader closes it."""

    id: int | None = serial()
    at: datetime = Field(sa_type=UtcTime, index=True)
    customer_id: int = Field(sa_type=BigId, index=True)
    userid: str
    text: str
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_by: str = ""


class DoNotContact(SQLModel, table=True):
    """A customer's wish to be left in peace, of all things or of one topic, for good or until a day."""

    id: int | None = serial()
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    topic: str = ""
    """Empty: everything."""
    until: date | None = None
    by: str
    words: str = ""
    lifted_at: datetime | None = Field(default=None, sa_type=UtcTime)
    lifted_by: str = ""


class Satisfaction(SQLModel, table=True):
    """An answer to the one question after a visit: 1 to 5."""

    id: int | None = serial()
    at: datetime = Field(sa_type=UtcTime, index=True)
    customer_id: int = Field(sa_type=BigId, index=True)
    visit_id: int | None = Field(default=None, sa_type=BigId, unique=True)
    score: int


class LayerMove(SQLModel, table=True):
    """A customer changed layer or stage."""

    id: int | None = serial()
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    layer: str
    """stage, aipl, quadrant, rfm, seeking or koc."""
    before: str
    after: str
    cause: str = ""

    __table_args__ = (Index("ix_layermove_layer", "layer", "at"),)


class LayerLimit(SQLModel, table=True):
    """Where one layer ends and the next begins; see `contacts.layers`. Those of `quadrant` are measured each night."""

    name: str = Field(primary_key=True)
    """recency, frequency, money or quadrant."""
    limits: list[int] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    at: datetime = Field(sa_type=UtcTime)


class Watermark(SQLModel, table=True):
    """How far a feed's data is complete, per store (empty: the whole company)."""

    feed: str = Field(primary_key=True)
    store: str = Field(primary_key=True, default="")
    complete_to: datetime = Field(sa_type=UtcTime)


class StaffDay(SQLModel, table=True):
    """A day of a member's rota that differs from the store's or company's: works, or is off with a stand-in."""

    userid: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    works: bool
    stand_in: str | None = None
    by: str = ""


class Holiday(SQLModel, table=True):
    """A day the company decided on, over what the calendar of public holidays says; empty store: all."""

    day: date = Field(primary_key=True)
    store: str = Field(primary_key=True, default="")
    works: bool
    name: str = ""


class StoreHours(SQLModel, table=True):
    """How a store works: `always` (every day), `national` (workdays with make-up days) or weekdays such as `1-6`."""

    store: str = Field(primary_key=True)
    days: str = "national"


class StaffStatistic(SQLModel, table=True):
    """The platform's figures of one member's day (externalcontact/get_user_behavior_data)."""

    userid: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    chats: int | None = None
    messages: int | None = None
    reply_percentage: float | None = None
    avg_reply_minutes: int | None = None
    negative_feedback: int | None = None
    """Customers who deleted or blocked."""
    new_applications: int | None = None
    new_contacts: int | None = None


class Product(SQLModel, table=True):
    """Something the company sells; `conditions` is in the rule language, evaluated by `sop`."""

    sku: str = Field(primary_key=True)
    name: str
    category: str = ""
    price_fen: int = Field(default=0, sa_type=BigId)
    margin_fen: int | None = Field(default=None, sa_type=BigId)
    cycle_days: int | None = None
    """After how many days it is usually bought again."""
    conditions: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    active: bool = True
    new_until: datetime | None = Field(default=None, sa_type=UtcTime)
    """Until when buying it is a liking for new things; kept by `contacts.layers`."""


class CustomerGroup(SQLModel, table=True):
    """A customer group (客户群)."""

    chat_id: str = Field(primary_key=True)
    name: str = ""
    owner: str = Field(default="", index=True)
    notice: str = ""
    member_version: str = ""
    created_at: datetime | None = Field(default=None, sa_type=UtcTime)
    dismissed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    fetched_at: datetime | None = Field(default=None, sa_type=UtcTime)


class GroupMember(SQLModel, table=True):
    """Somebody in a customer group: a member of staff or a customer."""

    id: int | None = serial()
    chat_id: str = Field(foreign_key="customergroup.chat_id")
    member: str
    """A userid or external_userid."""
    customer_id: int | None = Field(default=None, sa_type=BigId, index=True)
    name: str = ""
    joined_at: datetime = Field(sa_type=UtcTime)
    left_at: datetime | None = Field(default=None, sa_type=UtcTime)
    scene: int = 0
    state: str = ""

    __table_args__ = (UniqueConstraint("chat_id", "member"),)


class Transfer(SQLModel, table=True):
    """A customer handed from one member to another, and what became of it."""

    id: int | None = serial()
    asked_at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    handover: str = Field(index=True)
    takeover: str
    status: str = "asked"
    """asked, waiting, done, refused, full or failed."""
    reason: str = ""
    by: str = ""
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)


class SyncCursor(SQLModel, table=True):
    """How far a long pull got, so that it goes on there after a kill."""

    name: str = Field(primary_key=True)
    """`kind:job id`, and for a part of the pull `:number`."""
    cursor: str = ""
    state: str = ""
    """Of a part: empty while there is more to list, then listed, then done."""
    userids: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    """Of a part: whose customers it pulls."""
    done: int = 0
    began_at: datetime = Field(sa_type=UtcTime)
    found: dict[str, int] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
