"""What was done to to-dos, by whom, and how each stood before: so that the last act can be taken back."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Index, delete, func, select, update
from sqlmodel import Field, Session, SQLModel, col

from bot.database import BigId, UtcTime
from contacts.facts import Touch
from contacts.models import PLAIN_JSON, Customer
from sop.offers import settle
from sop.sops import ACTIVE, Run, Todo

UNDO_MINUTES = 10
DAYS = ("day", "due_on", "shown_on", "escalated_on")
PLAIN = ("state", "result", "carried", "closed_by", "userid", "number")
"""What of a to-do the acts of people change; it was open before, so nothing had closed it."""


class TodoChange(SQLModel, table=True):
    """One act on one to-do; acts of one moment by one member are one act."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    by: str
    todo_id: int = Field(sa_type=BigId, index=True)
    act: str
    """finish, put_off, dismiss, pass_on, withdraw or make."""
    before: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    undone_at: datetime | None = Field(default=None, sa_type=UtcTime)

    __table_args__ = (Index("ix_todochange_by", "by", "at"),)


def keep(session: Session, todo: Todo, by: str, act: str, now: datetime) -> None:
    """Note an act and how the to-do stands before it: to be called before anything is changed."""
    before: dict[str, Any] = {name: getattr(todo, name) for name in PLAIN}
    before |= {name: day.isoformat() if (day := getattr(todo, name)) else None for name in DAYS}
    contact = session.scalar(select(col(Customer.last_contact_at)).where(col(Customer.id) == todo.customer_id))
    before["contact"] = contact.isoformat() if contact else None
    run = session.get(Run, todo.run_id) if todo.run_id else None
    before["run"] = run.state if run else None
    session.add(TodoChange(at=now, by=by, todo_id=todo.id or 0, act=act, before=before))
    session.flush()


def last_act(session: Session, by: str, now: datetime) -> list[TodoChange]:
    """What a member last did to to-dos within ten minutes, as long as it stands; empty when there is nothing."""
    recent = (
        select(TodoChange)
        .where(col(TodoChange.by) == by, col(TodoChange.at) >= now - timedelta(minutes=UNDO_MINUTES))
        .where(col(TodoChange.undone_at).is_(None))
        .order_by(col(TodoChange.id).desc())
    )
    changes = list(session.scalars(recent))
    return [one for one in reversed(changes) if one.at == changes[0].at]


def take_back(session: Session, changes: Sequence[TodoChange], now: datetime) -> list[Todo]:
    """Put to-dos back to how they stood, with the touch and the contact that came of them; answers which."""
    todos = []
    for change in changes:
        todo = session.get(Todo, change.todo_id)
        change.undone_at = now
        session.add(change)
        if todo is None:
            continue
        if change.act == "make":
            session.delete(todo)
        else:
            restore(session, todo, change)
        todos.append(todo)
    session.flush()
    return todos


def restore(session: Session, todo: Todo, change: TodoChange) -> None:
    """One to-do as it stood."""
    before = change.before
    for name in PLAIN:
        setattr(todo, name, before[name])
    for name in DAYS:
        setattr(todo, name, date.fromisoformat(before[name]) if before[name] else None)
    todo.closed_at, todo.outcome, todo.outcome_at = None, "", None
    todo.number = free_number(session, todo)
    session.add(todo)
    session.execute(delete(Touch).where(col(Touch.reference) == f"todo:{todo.id}"))
    if change.act == "finish":
        contact = datetime.fromisoformat(before["contact"]) if before["contact"] else None
        ours = (col(Customer.id) == todo.customer_id, col(Customer.last_contact_at) >= change.at)
        session.execute(update(Customer).where(*ours).values(last_contact_at=contact))
    run = session.get(Run, todo.run_id) if todo.run_id else None
    if run and before["run"] == ACTIVE and run.ended_at == change.at:
        run.state, run.reason, run.ended_at = ACTIVE, "", None
        session.add(run)
    if todo.run_id:
        session.flush()
        settle(session, change.at, [todo.run_id])


def free_number(session: Session, todo: Todo) -> int | None:
    """Its own number, or the next one if another to-do of the day got it meanwhile."""
    if todo.number is None or todo.shown_on is None:
        return None
    others = (col(Todo.userid) == todo.userid, col(Todo.shown_on) == todo.shown_on, col(Todo.id) != todo.id)
    taken = session.scalar(select(func.count()).where(*others, col(Todo.number) == todo.number))
    if not taken:
        return todo.number
    return int(session.scalar(select(func.max(col(Todo.number))).where(*others)) or 0) + 1
