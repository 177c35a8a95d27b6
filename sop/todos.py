"""Acting on to-dos: done with a result, put off, not applicable, passed on; rights are checked with every act."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from contacts.facts import CALL, STEP, Touch
from contacts.leaders import leads
from contacts.models import Customer, FollowUser
from sop.sops import DONE, NOT_APPLICABLE, OPEN, WITHDRAWN, Run, Sop, Todo

RESULTS = ("replied", "no_reply", "booked", "deal", "refused", "unreachable")
CONTACTS = ("replied", "booked", "deal", "refused")
"""Results that mean she was spoken with: they count as contact."""
BURST, BURST_SECONDS = 5, 60
"""More reports than this within a minute are marked doubtful."""
SHOWN_AT_FIRST = 5
PUT_OFF_DAYS = 30


class NotYours(Exception):
    """The to-do is another member's, and the asker leads neither."""


@dataclass(frozen=True)
class Item:
    """A to-do with the names a person needs."""

    todo: Todo
    customer: str
    sop: str

    @property
    def line(self) -> str:
        """`3 李女士 · 生日前15天问候`."""
        return f"{self.todo.number or '·'} {self.customer} · {self.todo.title}"


def items(session: Session, userid: str, today: date) -> list[Item]:
    """The member's open list of today, in the order of its numbers."""
    query = (
        select(Todo, Customer.name, FollowUser.remark, Sop.name)  # type: ignore[call-overload]
        .join(Customer, col(Customer.id) == col(Todo.customer_id))
        .join(
            FollowUser,
            (col(FollowUser.customer_id) == col(Todo.customer_id)) & (col(FollowUser.userid) == col(Todo.userid)),
            isouter=True,
        )
        .join(Sop, col(Sop.id) == col(Todo.sop_id), isouter=True)
        .where(col(Todo.userid) == userid, col(Todo.state) == OPEN, col(Todo.shown_on) == today)
        .order_by(col(Todo.number))
    )
    return [Item(todo, remark or name or "客户", sop or "") for todo, name, remark, sop in session.execute(query)]


def numbered(session: Session, userid: str, today: date, numbers: Sequence[int]) -> list[Todo]:
    """To-dos of the member's list by their numbers, closed ones too."""
    mine = (col(Todo.userid) == userid, col(Todo.shown_on) == today, col(Todo.number).in_(list(numbers)))
    return list(session.scalars(select(Todo).where(*mine).order_by(col(Todo.number))))


def finish(session: Session, todo: Todo, by: str, result: str, now: datetime) -> None:
    """Done: the touch is on record as reported, and what came of it. Raises `NotYours`; closed ones are left alone."""
    allowed(session, todo, by)
    if todo.state != OPEN:
        return
    todo.state, todo.result, todo.closed_at, todo.closed_by = DONE, result, now, by
    session.add(todo)
    scene = CALL if todo.via == "call" else STEP
    session.add(
        Touch(
            at=now,
            customer_id=todo.customer_id,
            userid=by,
            scene=scene,
            reference=f"todo:{todo.id}",
            doubtful=reports_lately(session, by, now) >= BURST,
            sop_id=todo.sop_id,
            campaign_id=todo.campaign_id,
        )
    )
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


def reports_lately(session: Session, by: str, now: datetime) -> int:
    """How many to-dos the member reported within the last minute."""
    since = now - timedelta(seconds=BURST_SECONDS)
    query = select(func.count()).where(col(Touch.userid) == by, col(Touch.at) >= since, col(Touch.confirmed).is_(False))
    return int(session.scalar(query) or 0)


def put_off(session: Session, todo: Todo, by: str, until: date, today: date) -> None:
    """Not today but on a later day. Raises `NotYours`, and ValueError for a day that is past or far away."""
    allowed(session, todo, by)
    if not today < until <= today + timedelta(days=PUT_OFF_DAYS):
        raise ValueError(f"{until} must be a day after today and within {PUT_OFF_DAYS} days")
    if todo.state == OPEN:
        todo.day, todo.due_on, todo.shown_on, todo.number = until, max(todo.due_on, until), None, None
        todo.carried = "put off"
        session.add(todo)


def dismiss(session: Session, todo: Todo, by: str, reason: str, now: datetime) -> None:
    """Does not apply, with the reason; the run it belongs to ends too. Raises `NotYours`."""
    allowed(session, todo, by)
    if todo.state != OPEN:
        return
    todo.state, todo.result, todo.closed_at, todo.closed_by = NOT_APPLICABLE, reason[:200], now, by
    session.add(todo)
    run = session.get(Run, todo.run_id) if todo.run_id else None
    if run and run.state == "active":
        run.state, run.reason, run.ended_at = "exited", f"not applicable: {reason}"[:200], now
        session.add(run)


def pass_on(session: Session, todo: Todo, by: str, to: str) -> None:
    """Give it to another member: leaders only. Raises `NotYours`."""
    if not (leads(session, by, todo.userid) and leads(session, by, to)):
        raise NotYours(todo.userid)
    if todo.state == OPEN:
        todo.userid, todo.shown_on, todo.number = to, None, None
        session.add(todo)


def withdraw(session: Session, todo: Todo, by: str, now: datetime) -> None:
    """Take it back: leaders only. Raises `NotYours`."""
    if not leads(session, by, todo.userid):
        raise NotYours(todo.userid)
    if todo.state == OPEN:
        todo.state, todo.closed_at, todo.closed_by = WITHDRAWN, now, by
        session.add(todo)


def reopen(session: Session, todo: Todo, by: str) -> None:
    """Undo one's own closing, with the touch it made."""
    if todo.closed_by == by and todo.state in {DONE, NOT_APPLICABLE}:
        todo.state, todo.result, todo.closed_at, todo.closed_by = OPEN, "", None, ""
        session.add(todo)
        for touch in session.scalars(select(Touch).where(col(Touch.reference) == f"todo:{todo.id}")):
            session.delete(touch)


def allowed(session: Session, todo: Todo, by: str) -> None:
    """Her own to-do, or one of those she leads. Raises `NotYours`."""
    if by != todo.userid and not leads(session, by, todo.userid):
        raise NotYours(todo.userid)


def overdue(session: Session, userids: Sequence[str], today: date) -> list[Todo]:
    """Open to-dos of these members whose last day is past."""
    late = (col(Todo.userid).in_(list(userids)), col(Todo.state) == OPEN, col(Todo.due_on) < today)
    return list(session.scalars(select(Todo).where(*late).order_by(col(Todo.due_on), col(Todo.id))))
