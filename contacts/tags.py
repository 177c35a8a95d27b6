"""Tags of (staff, customer) pairs, and the log of every change."""

from datetime import datetime

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.database import BigId, UtcTime

CLIENT, CHAT, RULE, CHANNEL, PAGE, SYNCED = "client", "chat", "rule", "channel", "page", "sync"
"""Sources of a change."""
LOCAL = "local:"
"""How the id of a tag begins that the platform does not have yet: it is made there at its first use."""


class TagGroup(SQLModel, table=True):
    """A group of corp tags, by the platform's id."""

    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    order: int = 0
    single_choice: bool = False
    """A new tag of the group takes the old one's place."""
    expires_days: int | None = None
    """After so many days the next to-do asks whether it still holds."""
    deleted: bool = False


class Tag(SQLModel, table=True):
    """A corp tag, by the platform's id."""

    id: str = Field(primary_key=True)
    group_id: str = Field(foreign_key="taggroup.id", index=True)
    name: str = Field(index=True)
    order: int = 0
    ours: bool = False
    """This app made it, so this app may edit and delete it."""
    deleted: bool = False
    seen_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When the platform last showed it: an older list that lacks it proves nothing."""


class PairTag(SQLModel, table=True):
    """A tag a customer bears for one member of staff, as we want it; `TagPush` holds what the platform lacks yet."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    customer_id: int = Field(sa_type=BigId, foreign_key="customer.id")
    userid: str
    tag_id: str
    since: datetime = Field(sa_type=UtcTime)

    __table_args__ = (
        UniqueConstraint("customer_id", "userid", "tag_id"),
        Index("ix_pairtag_tag", "tag_id", "customer_id"),
    )


class TagChange(SQLModel, table=True):
    """The tag log: one row per change, never altered. Names are kept as they were."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    customer_id: int = Field(sa_type=BigId)
    userid: str
    """Whose pair."""
    tag_id: str
    tag_name: str
    group_name: str = ""
    added: bool
    source: str
    by: str = ""
    """Who did it: a userid; empty for rules, channels and sync."""
    cause: str = ""
    """What led to it: the words typed, the rule and its version, the channel, the event."""
    conflict: str = ""
    """Why the platform's state won over ours, where it did."""

    __table_args__ = (
        Index("ix_tagchange_customer", "customer_id", "at"),
        Index("ix_tagchange_at", "at"),
        Index("ix_tagchange_tag", "tag_id", "at"),
    )


class TagPush(SQLModel, table=True):
    """A change of ours that the platform does not know yet; all of a pair go in one call."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    customer_id: int = Field(sa_type=BigId)
    userid: str
    tag_id: str
    added: bool
    at: datetime = Field(sa_type=UtcTime)

    __table_args__ = (UniqueConstraint("customer_id", "userid", "tag_id"),)
