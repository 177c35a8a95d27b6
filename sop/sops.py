"""SOPs: drafts, published versions, runs of customers through them, and the to-dos they make."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Index, Table, UniqueConstraint, literal_column, select, text, update
from sqlmodel import Field, Session, SQLModel, col

from bot.database import BigId, Typed, UtcTime
from bot.observability import log
from contacts.models import PLAIN_JSON
from sop import rules
from sop.parts import bad_words, check_rule, missing_parts

ACTIVE, FINISHED, EXITED, PAUSED = "active", "finished", "exited", "paused"
OPEN, DONE, NOT_APPLICABLE, WITHDRAWN = "open", "done", "not_applicable", "withdrawn"


class Sop(SQLModel, table=True):
    """A procedure: its draft and which version is in force."""

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    name: str
    priority: int = 50
    """Of two to-dos for one customer the higher one's goes first."""
    active: bool = True
    paused_reason: str = ""
    draft: Any = Field(default=None, sa_column=Column(Typed(rules.Rule)))
    version_id: int | None = None
    pack: str = ""
    updated_at: datetime = Field(sa_type=UtcTime)


class SopVersion(SQLModel, table=True):
    """A published version; never altered."""

    id: int | None = Field(default=None, primary_key=True)
    sop_id: int = Field(foreign_key="sop.id", index=True)
    number: int
    rule: Any = Field(sa_column=Column(Typed(rules.Rule), nullable=False))
    published_at: datetime = Field(sa_type=UtcTime)
    published_by: str = ""

    __table_args__ = (UniqueConstraint("sop_id", "number"),)


class Run(SQLModel, table=True):
    """One customer's way through one version, for one occurrence."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    sop_id: int
    version_id: int
    customer_id: int = Field(sa_type=BigId)
    occurrence: str
    since: datetime = Field(sa_type=UtcTime)
    """From when on what she does counts."""
    day: date
    """The trigger's day."""
    userid: str | None = None
    arm: str = ""
    position: str = "0"
    """The step to come, such as `2.then.0`."""
    bases: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    """The days from which the steps of each block count, the outermost first."""
    due_on: date
    state: str = ACTIVE
    reason: str = ""
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)

    __table_args__ = (
        UniqueConstraint("sop_id", "customer_id", "occurrence"),
        Index("ix_run_due", "due_on", sqlite_where=text("state = 'active'"), postgresql_where=text("state = 'active'")),
        Index("ix_run_customer", "customer_id"),
        Index("ix_run_version", "version_id", "state"),
    )


class StepOutcome(SQLModel, table=True):
    """What became of one step of a run: done, held or skipped, and why."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    run_id: int = Field(sa_type=BigId, index=True)
    position: str
    at: datetime = Field(sa_type=UtcTime)
    outcome: str
    reason: str = ""


class Todo(SQLModel, table=True):
    """Something for a member of staff to do, with its reason and its words."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    run_id: int | None = Field(default=None, sa_type=BigId)
    position: str = ""
    sop_id: int | None = None
    note_id: int | None = Field(default=None, sa_type=BigId, unique=True)
    """The note whose day of the next contact it is."""
    campaign_id: int | None = None
    customer_id: int = Field(sa_type=BigId)
    userid: str
    title: str
    via: str = "message"
    reason: str = ""
    words: str = ""
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    value_fen: int = Field(default=0, sa_type=BigId)
    priority: int = 50
    day: date
    """The first day it may be shown."""
    due_on: date
    """The last day it makes sense."""
    state: str = OPEN
    result: str = ""
    """replied, no_reply, booked, deal, refused or unreachable; or why it does not apply."""
    carried: str = ""
    """Why it was not shown today."""
    shown_on: date | None = None
    number: int | None = None
    """Its number on that day's card."""
    pushed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_by: str = ""
    outcome: str = ""
    """What followed within the window, the weightiest: ordered, visited, booked, replied or tagged."""
    outcome_at: datetime | None = Field(default=None, sa_type=UtcTime)
    escalated_on: date | None = None
    """When her leader heard that it is overdue."""

    __table_args__ = (
        UniqueConstraint("run_id", "position"),
        Index("ix_todo_open", "userid", "day", sqlite_where=text("state = 'open'"),
              postgresql_where=text("state = 'open'")),
        Index("ix_todo_customer", "customer_id", "state"),
        Index("ix_todo_shown", "shown_on", "userid"),
        Index("ix_todo_closed", "closed_at"),
        Index("ix_todo_followed", "outcome_at"),
        Index("ix_todo_sop", "sop_id", "closed_at"),
    )  # fmt: skip


RUNS: Table = Run.__table__  # type: ignore[attr-defined]
TODOS: Table = Todo.__table__  # type: ignore[attr-defined]
OUTCOMES: Table = StepOutcome.__table__  # type: ignore[attr-defined]
IS_OPEN = TODOS.c.state == literal_column(f"'{OPEN}'")
"""Written out, so that the index of open to-dos serves: a database does not know what a parameter will be."""


def save(session: Session, file: rules.RuleFile, now: datetime, pack: str = "") -> Sop:
    """Store a rule as the draft of its SOP. Raises `RuleRefused` naming each place that cannot work."""
    check_rule(session, file.rule)
    sop = session.scalars(select(Sop).where(col(Sop.code) == file.code)).first()
    sop = sop or Sop(code=file.code, name=file.name, updated_at=now, active=False)
    sop.name, sop.priority, sop.draft, sop.updated_at = file.name, file.priority, file.rule, now
    sop.pack = pack or sop.pack
    session.add(sop)
    session.flush()
    return sop


def publish(session: Session, sop: Sop, by: str, now: datetime) -> SopVersion:
    """Put the draft in force, as a version of its own unless it is the newest already; paused runs go on."""
    check_rule(session, sop.draft)
    newest = session.scalars(
        select(SopVersion).where(col(SopVersion.sop_id) == sop.id).order_by(col(SopVersion.number).desc())
    ).first()
    if newest is None or newest.rule != sop.draft:
        number = newest.number + 1 if newest else 1
        newest = SopVersion(sop_id=sop.id or 0, number=number, rule=sop.draft, published_at=now, published_by=by)
        session.add(newest)
        session.flush()
    sop.version_id, sop.active, sop.paused_reason, sop.updated_at = newest.id, True, "", now
    waiting = (col(Run.sop_id) == sop.id, col(Run.state) == PAUSED)
    session.execute(update(Run).where(*waiting).values(state=ACTIVE, reason=""))
    session.add(sop)
    return newest


def roll_back(session: Session, sop: Sop, number: int, now: datetime) -> SopVersion:
    """Put an earlier version in force again. Raises `RuleRefused` when there is none of that number."""
    wanted = (col(SopVersion.sop_id) == sop.id, col(SopVersion.number) == number)
    version = session.scalars(select(SopVersion).where(*wanted)).first()
    if version is None:
        raise rules.RuleRefused(f"{sop.name} has no version {number}")
    sop.version_id, sop.draft, sop.updated_at = version.id, version.rule, now
    session.add(sop)
    return version


def pause(session: Session, sop: Sop, reason: str) -> None:
    """Stop a SOP whose parts are gone: nobody is enrolled, runs wait, nothing is sent wrong."""
    sop.active, sop.paused_reason = False, reason
    session.add(sop)
    waiting = (col(Run.sop_id) == sop.id, col(Run.state) == ACTIVE)
    session.execute(update(Run).where(*waiting).values(state=PAUSED, reason=reason))


def pause_runs(session: Session, version: SopVersion, reason: str) -> None:
    """Let the runs of an older version wait, whose parts are gone while those of the version in force are there."""
    waiting = (col(Run.version_id) == version.id, col(Run.state) == ACTIVE)
    session.execute(update(Run).where(*waiting).values(state=PAUSED, reason=reason))


def sound(
    session: Session, versions: Sequence[tuple[Sop, SopVersion]], *, words: bool = False
) -> list[tuple[Sop, SopVersion]]:
    """The versions that can go on, of all these, those in force before older ones of their SOP.

    One whose parts are gone is paused with the reason, and the SOP with its version in force. `words`: their texts are
    looked at too; they change only with the program.
    """
    missing = missing_parts(session, [version.rule for _, version in versions])
    paused: set[int | None] = set()
    good = []
    for (sop, version), gone in zip(versions, missing, strict=True):
        if sop.id in paused:
            continue
        problems = [*gone, *(bad_words(version.rule) if words else ())]
        if not problems:
            good.append((sop, version))
            continue
        reason = "; ".join(problems)
        if version.id == sop.version_id:
            pause(session, sop, reason)
            paused.add(sop.id)
        else:
            pause_runs(session, version, reason)
        log.warning("SOP paused", sop=sop.code, version=version.number, reason=reason)
    return good
