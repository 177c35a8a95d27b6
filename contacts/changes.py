"""What a callback alters in the record: customers added and lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update
from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from bot.database import defaults
from contacts.models import Customer, FollowUser, Identity

EXTERNAL = "external_userid"
NEW, OURS, RETURNED = "new", "ours", "returned"
"""A customer nobody here knew; one who has another member already; one who was lost and comes back."""


CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
IDENTITIES: Table = Identity.__table__  # type: ignore[attr-defined]
TIES: Table = FollowUser.__table__  # type: ignore[attr-defined]
CUSTOMER_OF = select(Customer).join(Identity).where(Identity.kind == EXTERNAL, Identity.value == bindparam("known_as"))
TIES_OF = select(FollowUser).where(FollowUser.customer_id == bindparam("whose")).order_by(col(FollowUser.added_at))
NEW_CUSTOMER, NEW_IDENTITY, NEW_TIE = insert(CUSTOMERS), insert(IDENTITIES), insert(TIES)
BLANK_CUSTOMER = {name: value for name, value in defaults(Customer).items() if name != "id"}
BLANK_TIE = {name: value for name, value in defaults(FollowUser).items() if name != "id"}
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
    """A customer and a member became contacts. The full add after a half one confirms the same tie; an add older than
    the tie's end, delivered late, leaves it ended.

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
    if mine.lost_at and at >= mine.lost_at:
        again = {"added_at": at, "state": state, "half": half, "lost_at": None, "lost_by": None}
        connection.execute(this.values(again))
        return Followed(customer.id, main, state, kind, confirmed=False)
    latest = at if only_lost(mine) else max(mine.added_at, at)
    connection.execute(this.values(added_at=latest, half=mine.half and half, state=mine.state or state))
    return Followed(customer.id, main, mine.state or state, kind, confirmed=True)


def only_lost(tie: Any) -> bool:
    """Whether we know a tie from its end alone: it has no time of adding of its own yet."""
    return bool(tie.added_at == tie.lost_at)


def kind_before(ties: Sequence[Any], userid: str) -> str:
    """What the customer was to this member before an add."""
    if any(tie.lost_at is None and tie.userid != userid for tie in ties):
        return OURS
    return RETURNED if any(tie.lost_at for tie in ties) else NEW


def new_customer(connection: Connection, external_userid: str, userid: str | None, at: datetime | None) -> int:
    """A customer known by this external_userid only; whom she added first answers for her. Answers her id."""
    made = connection.execute(NEW_CUSTOMER, {**BLANK_CUSTOMER, "main_userid": userid, "first_added_at": at})
    customer_id = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
    known = {"customer_id": customer_id, "kind": EXTERNAL, "value": external_userid}
    connection.execute(NEW_IDENTITY, known)
    return customer_id


def new_tie(connection: Connection, customer_id: int, userid: str, *, at: datetime, state: str, half: bool) -> None:
    """A member's tie to a customer begins."""
    tie = {"customer_id": customer_id, "userid": userid, "state": state, "half": half, "added_at": at}
    connection.execute(NEW_TIE, {**BLANK_TIE, **tie})


def lose(session: Session, userid: str, external_userid: str, *, by: str, at: datetime) -> None:
    """A tie ended. The latest of adds and ends holds, in whatever order they arrive; an end may even come first."""
    connection = session.connection()
    customer = connection.execute(KNOWN, {"known_as": external_userid}).first()
    customer_id = customer.id if customer else new_customer(connection, external_userid, None, None)
    ties = connection.execute(KNOWN_TIES, {"whose": customer_id}).all()
    mine = next((tie for tie in ties if tie.userid == userid), None)
    if mine is None:
        new_tie(connection, customer_id, userid, at=at, state="", half=False)
    elif at < mine.added_at or (mine.lost_at and at <= mine.lost_at):
        return
    began = at if mine is None or only_lost(mine) else mine.added_at
    this = update(TIES).where(TIES.c.customer_id == customer_id, TIES.c.userid == userid)
    connection.execute(this.values(added_at=began, lost_at=at, lost_by=by))
