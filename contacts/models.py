"""Staff, departments, customers, and the ties between them."""

from datetime import datetime

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.database import BigId, UtcTime

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


class Customer(SQLModel, table=True):
    """A person; `main_userid` is the member of staff who answers for her."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    name: str = ""
    main_userid: str | None = None
    first_added_at: datetime | None = Field(default=None, sa_type=UtcTime)


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

    __table_args__ = (
        UniqueConstraint("customer_id", "userid"),
        Index("ix_followuser_userid_added", "userid", "added_at"),
    )
