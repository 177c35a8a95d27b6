"""Staff, departments, customers, and the ties between them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from bot.database import BigId, UtcTime

PLAIN_JSON = JSON().with_variant(JSONB(), "postgresql")
BYTES = String().with_variant(String(collation="C"), "postgresql")
"""Text ordered by its bytes, so that what begins alike is one range of an index."""

CUSTOMER, STAFF, TRANSFER = "customer", "staff", "transfer"
"""Who ended a tie."""


class Department(SQLModel, table=True):
    """A node of the company's tree. `path` is the ids from the root, `/1/4/9/`: a subtree is a prefix."""

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str
    parent_id: int = 0
    path: str = Field(index=True)
    order: int = 0


class Staff(SQLModel, table=True):
    """A member of staff the app can see; `active` until she leaves the visible scope."""

    userid: str = Field(primary_key=True)
    name: str
    position: str = ""
    active: bool = True
    customer_contact: bool = False
    """Has 客户联系."""
    synced_at: datetime = Field(sa_type=UtcTime)


class StaffDepartment(SQLModel, table=True):
    """Where a member works, and whether she leads there."""

    userid: str = Field(primary_key=True, foreign_key="staff.userid")
    department_id: int = Field(primary_key=True, index=True, sa_column_kwargs={"autoincrement": False})
    leads: bool = False


class Store(SQLModel, table=True):
    """A shop, by the code its records carry; `department_id` is the node of the company's tree that works there."""

    code: str = Field(primary_key=True)
    name: str
    department_id: int | None = None


class Customer(SQLModel, table=True):
    """A person, WeCom friend or not; `main_userid` is the member of staff who answers for her.

    Names of stages: see `contacts.layers`. Times and sums of the last three groups are kept by `contacts.rollups`.
    """

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    name: str = ""
    gender: int = 0
    """0 unknown, 1 male, 2 female, as on the platform."""
    kind: int = 1
    """1 WeChat user, 2 WeCom user of another company."""
    birthday: date | None = None
    """The solar date of it, also when she keeps it by the lunar calendar; see `contacts.annual` for unknown years."""
    birthday_lunar: bool = False
    birthday_next: date | None = None
    """The next occurrence in the solar calendar."""
    stage: str = ""
    store: str | None = None
    main_userid: str | None = None
    first_added_at: datetime | None = Field(default=None, sa_type=UtcTime, index=True)
    merged_into: int | None = Field(default=None, sa_type=BigId)
    """The customer this one turned out to be; whoever reads customers leaves merged and erased ones out."""
    erased_at: datetime | None = Field(default=None, sa_type=UtcTime)

    last_contact_at: datetime | None = Field(default=None, sa_type=UtcTime, index=True)
    """The latest contact in the meaning of design §6: reply, visit, order, booking, finished to-do, link chat."""
    last_order_at: datetime | None = Field(default=None, sa_type=UtcTime, index=True)
    first_order_at: datetime | None = Field(default=None, sa_type=UtcTime)
    orders: int = 0
    """Paid orders that were not refunded in full."""
    net_fen: int = Field(default=0, sa_type=BigId)
    """Paid less refunds, in fen."""

    aipl: str = ""
    quadrant: str = ""
    """Frequency × ticket: `hh`, `hl`, `lh`, `ll`; empty without orders."""
    rfm: str = ""
    """Three digits 1–5: recency, frequency, money; empty without orders."""
    seeking: str = ""
    """value, discount, event or novelty: what she comes for."""
    koc: bool = False

    # Few have a birthday or were merged: the others need no place in these indexes, which each change would renew.
    __table_args__ = (
        Index("ix_customer_main_stage", "main_userid", "stage"),
        Index(
            "ix_customer_birthday_next",
            "birthday_next",
            sqlite_where=text("birthday_next IS NOT NULL"),
            postgresql_where=text("birthday_next IS NOT NULL"),
        ),
        Index(
            "ix_customer_merged_into",
            "merged_into",
            sqlite_where=text("merged_into IS NOT NULL"),
            postgresql_where=text("merged_into IS NOT NULL"),
        ),
    )


class Identity(SQLModel, table=True):
    """One of the ids by which a customer is known: external_userid, unionid, phone, member id."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    customer_id: int = Field(sa_type=BigId, foreign_key="customer.id", index=True)
    kind: str
    value: str

    __table_args__ = (UniqueConstraint("kind", "value"),)


class FollowUser(SQLModel, table=True):
    """One member of staff's tie to one customer."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    customer_id: int = Field(sa_type=BigId, foreign_key="customer.id")
    userid: str
    state: str = ""
    half: bool = False
    """The customer added a member with 免验证 who has not confirmed yet."""
    added_at: datetime = Field(sa_type=UtcTime)
    lost_at: datetime | None = Field(default=None, sa_type=UtcTime)
    lost_by: str | None = None
    loss_reason: str = ""
    """What staff or leader later said it was."""
    remark: str = ""
    description: str = ""
    company: str = ""
    phones: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    """The remark's mobiles."""
    add_way: int = 0
    channel_id: int | None = Field(default=None, index=True)
    fetched_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When the platform last told us remark, tags and phones."""
    missing_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When a list lacked it that was too short to believe; empty again once the platform lists it."""

    __table_args__ = (
        UniqueConstraint("customer_id", "userid"),
        Index("ix_followuser_userid_added", "userid", "added_at"),
        Index("ix_followuser_lost", "lost_at"),
    )


ADDED, HALF_ADDED, CONFIRMED, LOST, TRANSFERRED_OUT, TRANSFERRED_IN, TRANSFER_FAILED = (
    "added", "half_added", "confirmed", "lost", "transferred_out", "transferred_in", "transfer_failed",
)  # fmt: skip
REPEATED, ENDED_AGAIN = "repeated", "ended_again"
"""An add of a tie that was whole, an end of one that had ended: nothing changed, and nobody counts them."""


class TieChange(SQLModel, table=True):
    """The history of ties: every add, loss and hand-over, once, whatever the tie looks like today.

    `source` says how we know: callback, sync, ingest, transfer.
    """

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId)
    userid: str
    kind: str
    by: str | None = None
    """Who ended it: customer, staff or transfer."""
    returned: bool = False
    """An add of someone who had been lost to the whole company."""
    state: str = ""
    channel_id: int | None = None
    source: str = "callback"
    event_id: int | None = Field(default=None, sa_type=BigId)
    reason: str | None = None
    """Of a loss: what staff later said it was; stays when she comes back."""

    __table_args__ = (
        UniqueConstraint("customer_id", "userid", "kind", "at"),
        Index("ix_tiechange_at", "at", "kind"),
        Index("ix_tiechange_userid", "userid", "at"),
    )


class MainStaffChange(SQLModel, table=True):
    """Who answered for a customer, and who decided otherwise."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    before: str | None = None
    after: str | None = None
    by: str = ""
    """A userid, or `system`."""
    reason: str = ""


class Merge(SQLModel, table=True):
    """Two records found to be one person: what moved from where, so that it can be undone exactly."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    kept_id: int = Field(sa_type=BigId, index=True)
    absorbed_id: int = Field(sa_type=BigId, index=True)
    reason: str
    """Which record named both."""
    by: str = ""
    before: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    """Both customer rows as they were, and per table the ids of the rows that moved or were folded together."""
    undone_at: datetime | None = Field(default=None, sa_type=UtcTime)
    undone_by: str = ""


class HeldMerge(SQLModel, table=True):
    """A doubtful merge that waits for a person: the ids conflict."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    first_id: int = Field(sa_type=BigId)
    second_id: int = Field(sa_type=BigId)
    reason: str
    decided_at: datetime | None = Field(default=None, sa_type=UtcTime)
    decided_by: str = ""
    decision: str = ""
    """merged or kept apart."""

    __table_args__ = (UniqueConstraint("first_id", "second_id"),)


class Erasure(SQLModel, table=True):
    """A person whose data was removed from the record: when, by whom, why. It cannot be undone."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId, index=True)
    by: str
    """A userid, or `system`."""
    reason: str = ""


class CalledName(SQLModel, table=True):
    """A name that a customer or a member's remark has, or had: where to look for her, kept by `contacts.names`."""

    customer_id: int = Field(sa_type=BigId, primary_key=True, sa_column_kwargs={"autoincrement": False})
    text: str = Field(sa_type=BYTES, primary_key=True)
    """In lower case."""
    sound: str = Field(sa_type=BYTES)
    """李女士 is `linvshi`; empty for a name that begins with a silent character."""
    first: str
    """The first syllable, `li`."""
    initials: str
    """`lns`; empty where it is the sound itself."""

    __table_args__ = (
        Index("ix_calledname_text", "text", "customer_id"),
        Index("ix_calledname_sound", "sound", "first", "customer_id"),
        Index("ix_calledname_initials", "initials", "customer_id"),
    )


class Tombstone(SQLModel, table=True):
    """A person erased, by the digest of her external_userid: no sync brings back what was before that moment."""

    digest: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcTime)


class Attribute(SQLModel, table=True):
    """A field of customers that the company defined: text, number, date, annual, choice or yes_no."""

    key: str = Field(primary_key=True)
    label: str
    type: str
    choices: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    lunar: bool = False
    """An annual date given in the lunar calendar."""
    position: int = 0
    sensitive: bool = False
    """Health, insurance, children: never shown to a language model."""


class AttributeValue(SQLModel, table=True):
    """One customer's value; the column of its type is filled, `text` always: what was given, to be shown."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    customer_id: int = Field(sa_type=BigId, foreign_key="customer.id")
    key: str
    text: str
    number: float | None = None
    day: date | None = None
    next_on: date | None = None
    """An annual date's next occurrence."""
    at: datetime = Field(sa_type=UtcTime)
    source_id: str | None = None

    __table_args__ = (
        UniqueConstraint("customer_id", "key"),
        Index("ix_attributevalue_text", "key", "text"),
        Index("ix_attributevalue_number", "key", "number"),
        Index("ix_attributevalue_day", "key", "day"),
        Index("ix_attributevalue_next", "key", "next_on"),
    )
