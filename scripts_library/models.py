"""Scripts (话术), their versions, what became of them, and the words they must not hold."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.database import BigId, Typed, UtcTime
from scripts_library.attachments import Attachment

STAGES = (
    "ice_break", "engage", "probe", "product", "objection", "close", "care", "win_back", "referral",
)  # fmt: skip
"""Where in a customer's way a script belongs, in order."""
PERSONAS = ("welfare_officer", "koc", "expert", "adviser")
"""Who speaks: 福利官, 达人, 专家, 顾问."""
DRAFT, PUBLISHED, RETIRED = "draft", "published", "retired"
SHOWN, COPIED, SENT, REPLIED, CONVERTED = "shown", "copied", "sent", "replied", "converted"
"""What became of a script: on a list, taken in full, sent, answered by the customer, followed by an order."""
ABSOLUTE, MEDICAL, RETURNS = "absolute", "medical", "returns"
"""Kinds of forbidden words: advertising law's absolutes, medical promises, guaranteed returns."""


class Script(SQLModel, table=True):
    """Words for an occasion; the text itself lies in its versions. `code` is its name for imports and packs."""

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    title: str
    category: str = Field(default="", index=True)
    """The industry or product it belongs to; empty: fits all."""
    stage: str
    persona: str = ""
    status: str = DRAFT
    version: int | None = None
    """The published version's number."""
    revision: int = Field(default=0, sa_type=BigId, index=True)
    """The library's number at this script's latest change that search must know of."""
    shipped: str = ""
    """Digest of the ready-made text it was installed with; empty for the company's own."""
    updated_at: datetime = Field(sa_type=UtcTime)


class ScriptVersion(SQLModel, table=True):
    """One state of a script, never altered; publishing copies its head to the script."""

    id: int | None = Field(default=None, primary_key=True)
    script_id: int = Field(foreign_key="script.id")
    number: int
    title: str
    category: str = ""
    stage: str
    persona: str = ""
    body: str
    attachments: list[Any] = Field(default_factory=list, sa_column=Column(Typed(list[Attachment]), nullable=False))
    keywords: list[str] = Field(default_factory=list, sa_column=Column(Typed(list[str]), nullable=False))
    fallbacks: dict[str, str] = Field(default_factory=dict, sa_column=Column(Typed(dict[str, str]), nullable=False))
    """What to say where a variable has no value."""
    by: str = ""
    """A userid; empty for ready-made content."""
    at: datetime = Field(sa_type=UtcTime)

    __table_args__ = (UniqueConstraint("script_id", "number"),)


class ScriptLibrary(SQLModel, table=True):
    """One row: a number that rises with each change search must know of."""

    id: int = Field(default=1, primary_key=True, sa_column_kwargs={"autoincrement": False})
    revision: int = Field(default=0, sa_type=BigId)


class ScriptUse(SQLModel, table=True):
    """The use log. A script merely shown or copied is no touch."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime, index=True)
    script_id: int
    version: int
    userid: str
    customer_id: int | None = Field(default=None, sa_type=BigId, index=True)
    act: str

    __table_args__ = (
        Index("ix_scriptuse_script", "script_id", "act", "at"),
        Index("ix_scriptuse_userid", "userid", "at"),
    )


class ForbiddenWord(SQLModel, table=True):
    """A word no script may hold, unless it stands inside one of `unless`. Removed ones stay, inactive."""

    word: str = Field(primary_key=True)
    kind: str
    remedy: str = ""
    """What to say instead."""
    unless: list[str] = Field(default_factory=list, sa_column=Column(Typed(list[str]), nullable=False))
    active: bool = True
