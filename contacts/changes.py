"""What a callback alters in the record: customers added and lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update
from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from contacts.models import Customer, FollowUser, Identity

EXTERNAL = "external_userid"
NEW, OURS, RETURNED = "new", "ours", "returned"
"""A customer nobody here knew; one who has another member already; one who comes back to the same member."""


CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
IDENTITIES: Table = Identity.__table__  # type: ignore[attr-defined]
TIES: Table = FollowUser.__table__  # type: ignore[attr-defined]
CUSTOMER_OF = select(Customer).join(Identity).where(Identity.kind == EXTERNAL, Identity.value == bindparam("known_as"))
TIES_OF = select(FollowUser).where(FollowUser.customer_id == bindparam("whose")).order_by(col(FollowUser.added_at))
KNOWN = (
    sa_select(CUSTOMERS)
    .join(IDENTITIES)
    .where(IDENTITIES.c.kind == EXTERNAL, IDENTITIES.c.value == bindparam("known_as"))
)
KNOWN_TIES = sa_select(TIES).where(TIES.c.customer_id == bindparam("whose"))
CHANGE_CUSTOMER = (
    update(CUSTOMERS)
    .where(CUSTOMERS.c.id == bindparam("which"))
    .values(main_userid=bindparam("main"), first_added_at=bindparam("first"))
)


@dataclass(frozen=True)
class Followed:
    """What an add changed."""

    customer_id: int
    main_userid: str
    """The member who answers for the customer."""
    state: str
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
    """A customer and a member became contacts. The full add after a half one confirms the same tie.

    Adds come by the hundred a second when a campaign opens, so this works on rows: objects would cost as much again.
    """
    connection = session.connection()
    customer = connection.execute(KNOWN, {"known_as": external_userid}).first()
    if customer is None:
        customer_id = new_customer(connection, external_userid, userid, at)
        new_tie(connection, customer_id, userid, at=at, state=state, half=half)
        return Followed(customer_id, userid, state, NEW, confirmed=False)
    ties = connection.execute(KNOWN_TIES, {"whose": customer.id}).all()
    main, first = customer.main_userid or userid, min(customer.first_added_at or at, at)
    if (main, first) != (customer.main_userid, customer.first_added_at):
        connection.execute(CHANGE_CUSTOMER, {"which": customer.id, "main": main, "first": first})
    mine = next((tie for tie in ties if tie.userid == userid), None)
    kind = kind_before(ties, userid)
    if mine is None:
        new_tie(connection, customer.id, userid, at=at, state=state, half=half)
        return Followed(customer.id, main, state, kind, confirmed=False)
    this = update(TIES).where(TIES.c.id == mine.id)
    if mine.lost_at:
        again = {"added_at": at, "state": state, "half": half, "lost_at": None, "lost_by": None}
        connection.execute(this.values(again))
        return Followed(customer.id, main, state, kind, confirmed=False)
    connection.execute(this.values(half=mine.half and half, state=mine.state or state))
    return Followed(customer.id, main, mine.state or state, kind, confirmed=True)


def kind_before(ties: Sequence[Any], userid: str) -> str:
    """What the customer was to this member before an add."""
    if any(tie.lost_at is None and tie.userid != userid for tie in ties):
        return OURS
    return RETURNED if any(tie.lost_at for tie in ties) else NEW


def new_customer(connection: Connection, external_userid: str, userid: str, at: datetime) -> int:
    """A customer known by this external_userid only; whom she added first answers for her. Answers her id."""
    made = connection.execute(insert(CUSTOMERS), {"name": "", "main_userid": userid, "first_added_at": at})
    customer_id = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
    known = {"customer_id": customer_id, "kind": EXTERNAL, "value": external_userid}
    connection.execute(insert(IDENTITIES), known)
    return customer_id


def new_tie(connection: Connection, customer_id: int, userid: str, *, at: datetime, state: str, half: bool) -> None:
    """A member's tie to a customer begins."""
    tie = {"customer_id": customer_id, "userid": userid, "state": state, "half": half, "added_at": at}
    connection.execute(insert(TIES), tie)


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
