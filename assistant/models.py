"""What a member asked last, so that "and last month?" has something to go on."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from bot.database import UtcTime
from contacts.models import PLAIN_JSON


class Conversation(SQLModel, table=True):
    """A member's last question, and what of its answer has not been shown yet."""

    userid: str = Field(primary_key=True)
    tool: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    rest: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    """Lines that go on with 更多."""
    at: datetime = Field(sa_type=UtcTime)


class ReportWish(SQLModel, table=True):
    """Which reports a leader does not want; without a row she gets all."""

    userid: str = Field(primary_key=True)
    daily: bool = True
    weekly: bool = True


class ModelUse(SQLModel, table=True):
    """What a member's day took of the language model: questions and drafts begun, tokens used."""

    userid: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    asked: int = 0
    tokens: int = 0
