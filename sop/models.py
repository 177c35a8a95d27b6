"""What SOPs store; so far the welcome: its flows, and the ledger of every add."""

from collections.abc import Iterator
from datetime import datetime, time
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, model_validator
from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from bot.database import BigId, Typed, UtcTime
from scripts_library.attachments import Attachment, Name, Strict
from sop.calendar import within

PENDING, SENT, UNCONFIRMED, NOT_SENT = "pending", "sent", "unconfirmed", "not_sent"
"""What became of a welcome."""


def span_of_hours(value: str) -> str:
    """HH:MM-HH:MM."""
    try:
        begin, end = (time.fromisoformat(part) for part in value.split("-"))
    except ValueError as error:
        raise ValueError("expected hours such as 09:00-21:00") from error
    if begin == end:
        raise ValueError("begins when it ends and would never hold; leave it out for the whole day")
    return f"{begin:%H:%M}-{end:%H:%M}"


class When(Strict):
    """When a flow applies: every condition given must hold. An empty one holds always."""

    staff: list[Name] | None = None
    departments: list[int] | None = None
    """The departments and everything below them."""
    states: list[Name] | None = None
    """Channel states; `expo-*` takes all that begin so."""
    half: bool | None = None
    customer: list[Literal["new", "ours", "returned"]] | None = None
    hours: Annotated[str, AfterValidator(span_of_hours)] | None = None
    days: Literal["workdays", "days_off"] | None = None

    @model_validator(mode="after")
    def no_empty_lists(self) -> "When":
        """An empty list would match nobody: say so when it is saved."""
        for name in ("staff", "departments", "states", "customer"):
            if getattr(self, name) == []:
                raise ValueError(f"{name} is empty and would never hold; leave it out")
        return self

    def first_unmet(self, facts: "AddFacts") -> str | None:
        """The first condition that does not hold, by name; None when all do."""
        return next((name for name, holds in self.checks(facts) if not holds), None)

    def checks(self, facts: "AddFacts") -> Iterator[tuple[str, bool]]:
        """Each condition with whether it holds, one after the other."""
        yield "staff", self.staff is None or facts.userid in self.staff
        yield "departments", self.departments is None or bool(facts.departments & set(self.departments))
        yield "states", self.states is None or any(fnmatchcase(facts.state, one) for one in self.states)
        yield "half", self.half is None or facts.half == self.half
        yield "customer", self.customer is None or facts.kind in self.customer
        yield "days", self.days is None or facts.workday == (self.days == "workdays")
        yield "hours", self.hours is None or within(self.hours, facts.local_time)


class AddFacts(Strict):
    """What is known about an add without asking anybody."""

    userid: str
    departments: frozenset[int]
    """The member's departments and all above them."""
    state: str
    half: bool
    kind: str
    workday: bool
    local_time: time


class WelcomeFlow(SQLModel, table=True):
    """One rule of the welcome: the first in order whose conditions hold is sent."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    position: int
    conditions: When = Field(default_factory=When, sa_column=Column(Typed(When), nullable=False))
    text: str = ""
    attachments: list[Any] = Field(default_factory=list, sa_column=Column(Typed(list[Attachment]), nullable=False))
    fallbacks: dict[str, str] = Field(default_factory=dict, sa_column=Column(Typed(dict[str, str]), nullable=False))
    """What to say where a variable has no value."""
    offer: str = ""
    """The code of the offer it hands over: who may not get it is greeted by a later flow."""
    active: bool = True
    version: int = 1
    updated_at: datetime = Field(sa_type=UtcTime)


class Welcome(SQLModel, table=True):
    """The ledger: one row per add event, with what was sent and when, or why nothing was."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    event_id: int = Field(sa_type=BigId, unique=True)
    """The job of the add event."""
    userid: str
    external_userid: str
    state: str = ""
    half: bool = False
    kind: str
    code_present: bool
    received_at: datetime = Field(sa_type=UtcTime)
    flow_name: str | None = None
    flow_version: int | None = None
    passed_over: dict[str, str] = Field(default_factory=dict, sa_column=Column(Typed(dict[str, str]), nullable=False))
    """Flows before the winner, each with the condition that did not hold."""
    outcome: str = PENDING
    reason: str | None = None
    sent_at: datetime | None = Field(default=None, sa_type=UtcTime)
    latency_ms: int | None = None
    """From the event's arrival to WeCom's acceptance."""

    __table_args__ = (
        Index("ix_welcome_pair", "external_userid", "userid"),
        Index("ix_welcome_received", "received_at"),
    )
