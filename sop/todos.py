"""Acting on to-dos: done with a result, put off, not applicable, passed on; rights are checked with every act."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlmodel import Session, col

from contacts.facts import CALL, STEP
from contacts.leaders import leads
from contacts.models import Customer
from contacts.touches import report
from sop.offers import settle
from sop.sops import DONE, NOT_APPLICABLE, OPEN, WITHDRAWN, Run, Todo
from sop.todo_log import keep

RESULTS = ("replied", "no_reply", "booked", "deal", "refused", "unreachable")
CONTACTS = ("replied", "booked", "deal", "refused")
"""Results that mean she was spoken with: they count as contact."""
PUT_OFF_DAYS = 30


class NotYours(Exception):
    """The to-do is another member's, and the asker leads neither."""


@dataclass(frozen=True)
class Item:
    """A to-do with the names a person needs."""

    todo: Todo
    customer: str

    @property
    def line(self) -> str:
        """`3 李女士 · 生日前15天问候`."""
        return f"{self.todo.number or '·'} {self.customer} · {self.todo.title}"


def finish(session: Session, todo: Todo, by: str, result: str, now: datetime) -> None:
    """Done: the touch is on record as reported, and what came of it. Raises `NotYours`; closed ones are left alone."""
    allowed(session, todo, by)
    if todo.state != OPEN:
        return
    keep(session, todo, by, "finish", now)
    todo.state, todo.result, todo.closed_at, todo.closed_by = DONE, result, now, by
    session.add(todo)
    settle_offers(session, todo, now)
    scene, reference = CALL if todo.via == "call" else STEP, f"todo:{todo.id}"
    about = {"sop_id": todo.sop_id, "campaign_id": todo.campaign_id}
    report(session, todo.customer_id, by, scene, reference=reference, at=now, **about)
    if result in CONTACTS:
        contacted(session, todo.customer_id, now)


def say_result(session: Session, todo: Todo, by: str, result: str, now: datetime) -> None:
    """The result of a to-do that was finished without one. Raises `NotYours`."""
    allowed(session, todo, by)
    if todo.state == DONE:
        todo.result = result
        session.add(todo)
        if result in CONTACTS:
            contacted(session, todo.customer_id, now)


def contacted(session: Session, customer_id: int, now: datetime) -> None:
    """She was spoken with just now."""
    session.execute(update(Customer).where(col(Customer.id) == customer_id).values(last_contact_at=now))


def put_off(session: Session, todo: Todo, by: str, until: date, *, today: date, now: datetime) -> None:
    """Not today but on a later day. Raises `NotYours`, and ValueError for a day that is past or far away."""
    allowed(session, todo, by)
    if not today < until <= today + timedelta(days=PUT_OFF_DAYS):
        raise ValueError(f"{until} must be a day after today and within {PUT_OFF_DAYS} days")
    if todo.state == OPEN:
        keep(session, todo, by, "put_off", now)
        todo.day, todo.due_on, todo.shown_on, todo.number = until, max(todo.due_on, until), None, None
        todo.carried, todo.escalated_on = "put off", None
        session.add(todo)


def dismiss(session: Session, todo: Todo, by: str, reason: str, now: datetime) -> None:
    """Does not apply, with the reason; the run it belongs to ends too. Raises `NotYours`."""
    allowed(session, todo, by)
    if todo.state != OPEN:
        return
    keep(session, todo, by, "dismiss", now)
    todo.state, todo.result, todo.closed_at, todo.closed_by = NOT_APPLICABLE, reason[:200], now, by
    session.add(todo)
    settle_offers(session, todo, now)
    run = session.get(Run, todo.run_id) if todo.run_id else None
    if run and run.state == "active":
        run.state, run.reason, run.ended_at = "exited", f"not applicable: {reason}"[:200], now
        session.add(run)


def pass_on(session: Session, todo: Todo, by: str, to: str, *, today: date, now: datetime) -> None:
    """Give it to another member, who has until the end of today at least: leaders only. Raises `NotYours`."""
    if not (leads(session, by, todo.userid) and leads(session, by, to)):
        raise NotYours(todo.userid)
    if todo.state == OPEN and todo.userid != to:
        keep(session, todo, by, "pass_on", now)
        todo.userid, todo.shown_on, todo.number, todo.pushed_at = to, None, None, None
        todo.due_on, todo.escalated_on = max(todo.due_on, today), None
        session.add(todo)


def withdraw(session: Session, todo: Todo, by: str, now: datetime) -> None:
    """Take it back: leaders only. Raises `NotYours`."""
    if not leads(session, by, todo.userid):
        raise NotYours(todo.userid)
    if todo.state == OPEN:
        keep(session, todo, by, "withdraw", now)
        todo.state, todo.closed_at, todo.closed_by = WITHDRAWN, now, by
        session.add(todo)
        settle_offers(session, todo, now)


def settle_offers(session: Session, todo: Todo, now: datetime) -> None:
    """The offer a to-do hands over is given with it, or returns to the stock."""
    if todo.run_id:
        session.flush()
        settle(session, now, [todo.run_id])


def allowed(session: Session, todo: Todo, by: str) -> None:
    """Her own to-do, or one of those she leads. Raises `NotYours`."""
    if by != todo.userid and not leads(session, by, todo.userid):
        raise NotYours(todo.userid)


def overdue(session: Session, userids: Sequence[str], today: date) -> list[Todo]:
    """Open to-dos of these members whose last day is past."""
    late = (col(Todo.userid).in_(list(userids)), col(Todo.state) == OPEN, col(Todo.due_on) < today)
    return list(session.scalars(select(Todo).where(*late).order_by(col(Todo.due_on), col(Todo.id))))
