"""Channels and campaigns: where customers come from, and what for."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Column, Connection, Index, LargeBinary, Table
from sqlalchemy import select as select_rows
from sqlmodel import Field, SQLModel

from bot.database import BigId, Remembered, UtcTime
from contacts.models import PLAIN_JSON

CONTACT_WAY, LINK, OTHER = "contact_way", "link", "other"


class Campaign(SQLModel, table=True):
    """Something staged for a time: its channels, staff, brief and targets."""

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    """The id records carry."""
    name: str
    starts_on: date
    ends_on: date
    """Both days included, in the company's time zone."""
    window_days: int = 30
    brief: str = ""
    products: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    commission_percent: float = 0.0
    tiers: list[list[float]] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    """[[from fen, percent], …]: the percent of the highest reached holds for the whole; empty: the plain percent."""
    refund_days: int = 7
    created_at: datetime = Field(sa_type=UtcTime)


class CampaignStaff(SQLModel, table=True):
    """Who takes part, and her targets."""

    campaign_id: int = Field(primary_key=True, foreign_key="campaign.id")
    userid: str = Field(primary_key=True)
    participants: int = 0
    referrals: int = 0
    conversions: int = 0
    amount_fen: int = Field(default=0, sa_type=BigId)
    read_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When she opened the brief."""


class Channel(SQLModel, table=True):
    """A way customers come: a contact way, an acquisition link, or a `state` somebody else made."""

    id: int | None = Field(default=None, primary_key=True)
    name: str
    kind: str = CONTACT_WAY
    state: str = Field(unique=True)
    """Comes back in add events: at most 30 characters for a contact way, 64 bytes for a link."""
    config_id: str | None = None
    link_id: str | None = None
    url: str = ""
    """The QR code's address, or the link."""
    qr_image: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    userids: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    departments: list[int] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    multi: bool = False
    skip_verify: bool = True
    remark: str = ""
    """Put before the customer's name in the member's remark."""
    tag_ids: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    campaign_id: int | None = Field(default=None, index=True)
    store: str | None = None
    scene: str = ""
    """What its rate of adding is measured against: visits, orders, bookings, clicks or visitors."""
    cost_fen: int = Field(default=0, sa_type=BigId)
    """What it cost to set up; daily spend is ingested."""
    active: bool = True
    problem: str = ""
    """Why the platform refused it, if it did."""
    created_at: datetime = Field(sa_type=UtcTime)

    __table_args__ = (Index("ix_channel_config", "config_id"),)


CHANNELS: Table = Channel.__table__  # type: ignore[attr-defined]
BY_STATE = select_rows(CHANNELS.c.id, CHANNELS.c.state, CHANNELS.c.remark, CHANNELS.c.tag_ids)


@dataclass(frozen=True)
class Source:
    """Where a customer came from, as far as an add has to know."""

    channel_id: int | None = None
    marks: bool = False
    """Its customers get tags or a remark."""


NOWHERE = Source()


def read_sources(connection: Connection, _: str) -> dict[str, Source]:
    """Every channel by its state, from the record."""
    rows = connection.execute(BY_STATE)
    return {row.state: Source(row.id, bool(row.remark or row.tag_ids)) for row in rows}


# All at once, not one by one: anybody may write anything into the state of a link he was sent.
SOURCES = Remembered(read_sources)


def source_of(connection: Connection, state: str) -> Source:
    """The channel a state belongs to, as it was at most a second ago."""
    return SOURCES.get(connection).get(state, NOWHERE) if state else NOWHERE
