"""Runs on their way through a version: where each stands, what is known of its customer, what is to be written."""

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session

from sop import rules
from sop.conditions import Day
from sop.enrol import Charge
from sop.sops import ACTIVE, FINISHED, Sop, SopVersion
from sop.words import Draft


@dataclass
class Standing:
    """A run as it stands while it is moved."""

    id: int
    customer_id: int
    occurrence: str
    day: date
    since: datetime
    userid: str | None
    position: str
    bases: list[date]
    due_on: date
    arm: str
    state: str = ACTIVE


@dataclass(frozen=True)
class Due:
    """Whoever has a step due, and what steps ask about them."""

    day: Day
    now: datetime
    charge: Charge
    friends: Set[int]
    """Customers who are WeCom friends of somebody here: the others can only be called."""
    touched: Set[int]
    """Customers reached as often as is decent in the last seven days."""


@dataclass
class Moves:
    """One version's turn: what it works with, and what it leaves to be written."""

    session: Session
    sop: Sop
    version: SopVersion
    due: Due
    standing: list[Standing]
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    @property
    def day(self) -> Day:
        """The day steps are due on."""
        return self.due.day

    @property
    def now(self) -> datetime:
        """The moment of the planning."""
        return self.due.now

    @property
    def charge(self) -> Charge:
        """Who is in charge of whom."""
        return self.due.charge

    def note(self, run: Standing, outcome: str, reason: str = "") -> None:
        """Put a step's outcome on record."""
        row = {"run_id": run.id, "position": run.position, "at": self.now, "outcome": outcome, "reason": reason}
        self.outcomes.append(row)

    def go(self, run: Standing, position: str) -> None:
        """Stand before a step, or before what follows the block it would have been in; at the end the run is over."""
        rule = self.version.rule
        while rules.step_at(rule, position) is None:
            outer = rules.enclosing(position)
            if outer is None:
                run.position, run.state = position, FINISHED
                return
            run.bases.pop()
            position = rules.following(outer)
        step = rules.step_at(rule, position)
        assert step is not None  # noqa: S101 - the loop above ends with one
        run.position = position
        wished = self.charge.moved(run.userid, run.bases[-1] + timedelta(days=step.day), step.workday)
        run.due_on = max(wished, self.day.today) if position != "0" else wished

    def enter(self, run: Standing, block: str) -> None:
        """Go into a block of the step at hand; its days count from today."""
        run.bases.append(self.day.today)
        self.go(run, f"{run.position}.{block}.0")
