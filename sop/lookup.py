"""Lookup tables that admins edit (design §6): from what is known of a customer to numbers such as the sum she needs."""

from datetime import datetime
from typing import Any

from pydantic import Field as Limited
from pydantic import model_validator
from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from bot.database import Typed, UtcTime
from scripts_library.attachments import Strict


class LookupRow(Strict):
    """One row: when each value lies in `[from, below)` or is the word, the columns have these numbers."""

    when: dict[str, list[float] | str] = Limited(min_length=1)
    then: dict[str, float] = Limited(min_length=1)

    @model_validator(mode="after")
    def spans_are_spans(self) -> "LookupRow":
        """A span has a beginning and an end behind it."""
        for name, wanted in self.when.items():
            if isinstance(wanted, list) and (len(wanted) != 2 or wanted[0] >= wanted[1]):
                raise ValueError(f"{name}: expected [from, below], such as [30, 40], not {wanted}")
        return self


class LookupTable(SQLModel, table=True):
    """A table; the first row that fits holds."""

    name: str = Field(primary_key=True)
    title: str = ""
    version: int = 1
    rows: list[Any] = Field(default_factory=list, sa_column=Column(Typed(list[LookupRow]), nullable=False))
    updated_at: datetime = Field(sa_type=UtcTime)
