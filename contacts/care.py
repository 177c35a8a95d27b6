"""Respect for customers: wishes to be left in peace, complaints; and staff's notes on them.

`may_be_contacted` is the one condition that rules and sending ask.
"""

from datetime import date, datetime

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select, update
from sqlmodel import Session, col

from contacts.domain_events import raise_event
from contacts.facts import Complaint, DoNotContact, Note
from contacts.leaders import leads
from contacts.models import Customer, FollowUser

TOPIC_MAX, TEXT_MAX = 20, 1000
PEACE_ASKED, COMPLAINED = "do_not_contact_set", "complaint_made"


class LeadersOnly(Exception):
    """The member leads nobody who knows this customer, and what she asks is a leader's decision."""


def may_be_contacted(customer_id: ColumnElement[int], today: date, topic: str = "") -> ColumnElement[bool]:
    """The condition that a customer neither asked to be left in peace (about this topic) nor has an open complaint."""
    wish, complaint = DoNotContact, Complaint
    asked = and_(
        col(wish.customer_id) == customer_id,
        col(wish.topic).in_({"", topic}),
        col(wish.lifted_at).is_(None),
        or_(col(wish.until).is_(None), col(wish.until) >= today),
    )
    complained = and_(col(complaint.customer_id) == customer_id, col(complaint.closed_at).is_(None))
    return not_(or_(exists().where(asked), exists().where(complained)))


def leave_in_peace(
    session: Session,
    customer_id: int,
    by: str,
    now: datetime,
    *,
    topic: str = "",
    until: date | None = None,
    words: str = "",
) -> DoNotContact:
    """Put a customer's wish on record: about everything or one topic, for good or up to and including a day.

    Anybody may; said again about the same topic it takes the place of the earlier one. Open work ends at once.
    """
    if len(topic) > TOPIC_MAX:
        raise ValueError(f"topic {topic!r}: expected at most {TOPIC_MAX} characters; leave it out for everything")
    if until and until < now.date():
        raise ValueError(f"until {until}: expected today or a later day; leave it out for good")
    live = (col(DoNotContact.customer_id) == customer_id, col(DoNotContact.lifted_at).is_(None))
    before = update(DoNotContact).where(*live, col(DoNotContact.topic) == topic)
    session.execute(before.values(lifted_at=now, lifted_by=by))
    wish = DoNotContact(at=now, customer_id=customer_id, topic=topic, until=until, by=by, words=words[:TEXT_MAX])
    session.add(wish)
    session.flush()
    raise_event(session, PEACE_ASKED, customer_id, now, str(wish.id), topic=topic)
    return wish


def allow_contact(session: Session, customer_id: int, by: str, now: datetime) -> int:
    """Lift every wish of a customer; answers how many there were. Raises `LeadersOnly`."""
    leaders_only(session, customer_id, by)
    live = (col(DoNotContact.customer_id) == customer_id, col(DoNotContact.lifted_at).is_(None))
    lifted = session.connection().execute(update(DoNotContact).where(*live).values(lifted_at=now, lifted_by=by))
    return lifted.rowcount


def complain(session: Session, customer_id: int, userid: str, text: str, now: datetime) -> Complaint:
    """Put a complaint on record: nothing is sold to her until a leader closes it."""
    complaint = Complaint(at=now, customer_id=customer_id, userid=userid, text=text.strip()[:TEXT_MAX])
    session.add(complaint)
    session.flush()
    raise_event(session, COMPLAINED, customer_id, now, str(complaint.id))
    return complaint


def close_complaints(session: Session, customer_id: int, by: str, now: datetime) -> int:
    """Close a customer's complaints; answers how many were open. Raises `LeadersOnly`."""
    leaders_only(session, customer_id, by)
    still = (col(Complaint.customer_id) == customer_id, col(Complaint.closed_at).is_(None))
    return session.connection().execute(update(Complaint).where(*still).values(closed_at=now, closed_by=by)).rowcount


def leaders_only(session: Session, customer_id: int, by: str) -> None:
    """Refuse who leads none of the customer's members. Raises `LeadersOnly`."""
    ties = (col(FollowUser.customer_id) == customer_id, col(FollowUser.lost_at).is_(None))
    members = set(session.scalars(select(col(FollowUser.userid)).where(*ties)))
    main = session.scalar(select(col(Customer.main_userid)).where(col(Customer.id) == customer_id))
    if not any(leads(session, by, one) for one in members | ({main} if main else set())):
        raise LeadersOnly


def note(
    session: Session, customer_id: int, userid: str, text: str, now: datetime, *, next_contact_on: date | None = None
) -> Note:
    """Keep what a member wants to remember of a customer, and when to get in touch again."""
    kept = Note(
        at=now, customer_id=customer_id, userid=userid, text=text.strip()[:TEXT_MAX], next_contact_on=next_contact_on
    )
    session.add(kept)
    session.flush()
    return kept
