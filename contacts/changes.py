"""What a callback alters in the record: customers added and lost."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from contacts.models import Customer, FollowUser, Identity

EXTERNAL = "external_userid"
NEW, OURS, RETURNED = "new", "ours", "returned"
"""A customer nobody here knew; one who has another member already; one who comes back to the same member."""


CUSTOMER_OF = select(Customer).join(Identity).where(Identity.kind == EXTERNAL, Identity.value == bindparam("known_as"))
TIES_OF = select(FollowUser).where(FollowUser.customer_id == bindparam("whose")).order_by(col(FollowUser.added_at))


@dataclass(frozen=True)
class Followed:
    """What an add changed."""

    customer: Customer
    follow_user: FollowUser
    kind: str
    """new, ours or returned: what the customer was before."""
    confirmed: bool
    """The add only confirmed a half one, or repeated a known tie."""


def customer_of(session: Session, external_userid: str) -> Customer | None:
    """The customer with this external_userid."""
    return session.execute(CUSTOMER_OF, {"known_as": external_userid}).scalars().first()


def follow_users_of(session: Session, customer_id: int) -> list[FollowUser]:
    """Every tie of a customer, lost ones included, oldest first."""
    return list(session.execute(TIES_OF, {"whose": customer_id}).scalars().all())


def follow(
    session: Session, userid: str, external_userid: str, *, at: datetime, state: str = "", half: bool = False
) -> Followed:
    """A customer and a member became contacts. The full add after a half one confirms the same tie."""
    customer = customer_of(session, external_userid)
    ties = follow_users_of(session, customer.id or 0) if customer else []
    mine = next((tie for tie in ties if tie.userid == userid), None)
    kind, confirmed = kind_before(ties, mine), mine is not None and mine.lost_at is None
    if customer is None:
        customer = new_customer(session, external_userid, userid, at)
    else:
        customer.main_userid = customer.main_userid or userid
        customer.first_added_at = min(customer.first_added_at or at, at)
    if mine is None:
        mine = FollowUser(customer_id=customer.id or 0, userid=userid, state=state, half=half, added_at=at)
        session.add(mine)
    elif mine.lost_at:
        mine.added_at, mine.state, mine.half, mine.lost_at, mine.lost_by = at, state, half, None, None
    else:
        mine.half = mine.half and half
        mine.state = mine.state or state
    return Followed(customer, mine, kind, confirmed)


def kind_before(ties: list[FollowUser], mine: FollowUser | None) -> str:
    """What the customer was to us before this add."""
    if any(tie.lost_at is None and tie is not mine for tie in ties):
        return OURS
    return RETURNED if any(tie.lost_at for tie in ties) else NEW


def new_customer(session: Session, external_userid: str, userid: str, at: datetime) -> Customer:
    """A customer known by this external_userid only; whom she added first answers for her."""
    customer = Customer(main_userid=userid, first_added_at=at)
    session.add(customer)
    session.flush()
    session.add(Identity(customer_id=customer.id or 0, kind=EXTERNAL, value=external_userid))
    return customer


def lose(session: Session, userid: str, external_userid: str, *, by: str, at: datetime) -> FollowUser | None:
    """A tie ended. An event older than the last add changes nothing: deliveries may be out of order."""
    customer = customer_of(session, external_userid)
    if customer is None:
        return None
    ties = follow_users_of(session, customer.id or 0)
    mine = next((tie for tie in ties if tie.userid == userid), None)
    if mine is None or mine.added_at > at:
        return None
    mine.lost_at, mine.lost_by = at, by
    session.add(mine)
    return mine
