"""Who answers for a customer: set at her first add, changed by a leader or by a transfer, every change on record."""

from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col

from bot.language import gettext as _
from contacts.leaders import leads
from contacts.models import Customer, MainStaffChange, Staff

SYSTEM, ADMIN = "system", "admin"
"""Who may decide without leading anybody: rules and transfers; an administrator on a page."""
MOST_REASON = 60


class NotAllowed(Exception):
    """Somebody decides about customers of members she does not lead."""


class ChangeRefused(ValueError):
    """A change that makes no sense; the text names the value and the remedy."""


def may_decide(session: Session, by: str, *userids: str | None) -> bool:
    """Whether somebody may decide about customers of these members: whoever leads one of them may."""
    return by in {SYSTEM, ADMIN} or any(leads(session, by, userid) for userid in userids if userid)


def change_main_staff(
    session: Session, customer_id: int, userid: str, *, by: str, reason: str, now: datetime
) -> MainStaffChange | None:
    """Make a member answer for a customer; None when she does already.

    `by`: a leader above the old or the new member, `system` or `admin`. Raises `NotAllowed` and `ChangeRefused`.
    """
    customer, staff = session.get(Customer, customer_id), session.get(Staff, userid)
    if customer is None or customer.merged_into or customer.erased_at:
        raise ChangeRefused(_("There is no such customer any more; look her up again."))
    if staff is None or not staff.active:
        unknown = _("“{userid}” is no active member of staff; name somebody who is.")
        raise ChangeRefused(unknown.format(userid=userid))
    if not may_decide(session, by, customer.main_userid, userid):
        raise NotAllowed(_("Only a leader of one of the two may decide who answers for a customer."))
    if len(reason) > MOST_REASON:
        most = _("The reason has {length} characters; give at most {most}.")
        raise ChangeRefused(most.format(length=len(reason), most=MOST_REASON))
    return move_main(session, customer_id, customer.main_userid, userid, by=by, reason=reason, now=now)


def move_main(
    session: Session, customer_id: int, before: str | None, after: str, *, by: str, reason: str, now: datetime
) -> MainStaffChange | None:
    """The change itself, for those who have asked whether it may be; None when it changes nothing."""
    if before == after:
        return None
    main = update(Customer).where(
        col(Customer.id) == customer_id, col(Customer.main_userid).is_not_distinct_from(before)
    )
    if session.connection().execute(main.values(main_userid=after)).rowcount != 1:
        return None
    change = MainStaffChange(at=now, customer_id=customer_id, before=before, after=after, by=by, reason=reason)
    session.add(change)
    session.flush()
    return change
