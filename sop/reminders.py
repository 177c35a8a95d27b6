"""To-dos that people ask for: the day of the next contact in a note (李女士 下周三联系), and what a leader assigns."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, exists, insert, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from bot.database import defaults
from bot.language import gettext as _
from contacts.care import may_be_contacted
from contacts.facts import Note
from contacts.models import Customer, FollowUser
from sop.enrol import charge_of, chunks
from sop.sops import OPEN, Todo
from sop.todo_log import keep

NOTES: Table = Note.__table__  # type: ignore[attr-defined]
BLANK = {name: value for name, value in defaults(Todo).items() if name != "id"}
LATE_DAYS = 7
"""A day that went by while nothing was planned is made up for so long."""
PRIORITY = 90
"""What somebody asked for goes before what a rule found."""
WORDS = 200


def remind(session: Session, today: date, only: list[int] | None = None) -> int:
    """Make the to-dos of notes whose day has come, of `only` these customers where given; answers how many.

    Of several notes of one member on one customer the latest holds; each makes its to-do once.
    """
    later = aliased(Note)
    overtaken = exists().where(
        later.customer_id == Note.customer_id,  # type: ignore[arg-type]
        later.userid == Note.userid,  # type: ignore[arg-type]
        col(later.id) > col(Note.id),
        col(later.next_contact_on).is_not(None),
    )
    made = exists().where(col(Todo.note_id) == col(Note.id))
    earliest = date.fromordinal(today.toordinal() - LATE_DAYS)
    due = [
        col(Note.next_contact_on).between(earliest, today),
        ~overtaken,
        ~made,
        may_be_contacted(NOTES.c.customer_id, today),
        alive(),
    ]
    if only is not None:
        due.append(col(Note.customer_id).in_(only))
    notes = list(session.scalars(select(Note).where(*due).order_by(col(Note.id))))
    charge = charge_of(session, (one.customer_id for one in notes), today, {one.userid for one in notes})
    friends = friends_among(session, [one.customer_id for one in notes])
    rows = []
    for one in notes:
        userid = charge.now(one.userid, one.customer_id)
        if userid:
            row = asked_for(one.customer_id, userid, today, _("Contact her as you noted"), one.text)
            rows.append(row | {"note_id": one.id, "via": "message" if one.customer_id in friends else "call"})
    if rows:
        session.connection().execute(insert(Todo), rows)
    return len(rows)


def alive() -> ColumnElement[bool]:
    """The note's customer is still one."""
    gone = or_(col(Customer.merged_into).is_not(None), col(Customer.erased_at).is_not(None))
    return ~exists().where(and_(col(Customer.id) == col(Note.customer_id), gone))


def friends_among(session: Session, customer_ids: list[int]) -> set[int]:
    """Which of these are WeCom friends of somebody here."""
    friends: set[int] = set()
    for part in chunks(sorted(set(customer_ids))):
        living = (col(FollowUser.customer_id).in_(part), col(FollowUser.lost_at).is_(None))
        friends.update(session.scalars(select(col(FollowUser.customer_id)).where(*living)))
    return friends


def asked_for(customer_id: int, userid: str, day: date, title: str, reason: str) -> dict[str, Any]:
    """A to-do that no rule made, as a row."""
    return {
        **BLANK,
        "customer_id": customer_id,
        "userid": userid,
        "title": title,
        "reason": reason[:WORDS],
        "facts": {},
        "priority": PRIORITY,
        "day": day,
        "due_on": day,
        "state": OPEN,
    }


def assign(session: Session, customer_id: int, to: str, day: date, reason: str, *, by: str, now: datetime) -> Todo:
    """A leader gives a member something to do; whether she may is the caller's to ask."""
    via = "message" if customer_id in friends_among(session, [customer_id]) else "call"
    todo = Todo(**{**asked_for(customer_id, to, day, _("Contact her: your leader asks"), reason), "via": via})
    session.add(todo)
    session.flush()
    keep(session, todo, by, "make", now)
    return todo
