"""What a callback alters in the record: customers added and lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, insert, update
from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from bot.database import defaults
from bot.statements import Statement, columns_but_id
from contacts.channels import NOWHERE, Source, source_of
from contacts.models import (
    ADDED,
    CONFIRMED,
    ENDED_AGAIN,
    HALF_ADDED,
    LOST,
    REPEATED,
    TRANSFER,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    Customer,
    FollowUser,
    Identity,
)
from contacts.tie_log import END, HALF, HANDED_OVER, WHOLE, half_returned, log_change, replay
from contacts.tombstones import buried

EXTERNAL = "external_userid"
NEW, OURS, RETURNED = "new", "ours", "returned"
"""A customer nobody here knew; one who has another member already; one who was lost and comes back."""


CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
IDENTITIES: Table = Identity.__table__  # type: ignore[attr-defined]
TIES: Table = FollowUser.__table__  # type: ignore[attr-defined]
CUSTOMER_OF = select(Customer).join(Identity).where(Identity.kind == EXTERNAL, Identity.value == bindparam("known_as"))
TIES_OF = select(FollowUser).where(FollowUser.customer_id == bindparam("whose")).order_by(col(FollowUser.added_at))
BLANK_CUSTOMER = {name: value for name, value in defaults(Customer).items() if name != "id"}
BLANK_TIE = {name: value for name, value in defaults(FollowUser).items() if name != "id"}
NEW_CUSTOMER = Statement(insert(CUSTOMERS).returning(CUSTOMERS.c.id), *columns_but_id(CUSTOMERS))
NEW_IDENTITY = Statement(insert(IDENTITIES), "customer_id", "kind", "value")
NEW_TIE = Statement(insert(TIES), *columns_but_id(TIES))
CUSTOMER = sa_select(CUSTOMERS).where(CUSTOMERS.c.id == bindparam("whose"))
ID_OF = Statement(
    sa_select(IDENTITIES.c.customer_id).where(
        IDENTITIES.c.kind == EXTERNAL, IDENTITIES.c.value == bindparam("known_as")
    )
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
    change: str = ADDED
    """What it was, as in the log of ties: added, half_added, confirmed, repeated or transferred_in."""
    source: Source = NOWHERE
    """The channel she came through."""

    @property
    def begun(self) -> bool:
        """A customer added a member, and it is whole now: the moment that counts as an add."""
        return self.change in {ADDED, CONFIRMED}


@dataclass(frozen=True)
class Ended:
    """A tie that stood until now."""

    customer_id: int
    userid: str
    by: str
    at: datetime


def row_of(connection: Connection, external_userid: str) -> Row[Any] | None:
    """The row of the customer with this external_userid."""
    found = ID_OF.run(connection, {"known_as": external_userid}).fetchone()
    return connection.execute(CUSTOMER, {"whose": found[0]}).first() if found else None


def customer_of(session: Session, external_userid: str) -> Customer | None:
    """The customer with this external_userid."""
    return session.execute(CUSTOMER_OF, {"known_as": external_userid}).scalars().first()


def follow_users_of(session: Session, customer_id: int) -> list[FollowUser]:
    """Every tie of a customer, lost ones included, oldest first."""
    return list(session.execute(TIES_OF, {"whose": customer_id}).scalars().all())


def follow(
    session: Session,
    userid: str,
    external_userid: str,
    *,
    at: datetime,
    state: str = "",
    half: bool = False,
    event_id: int | None = None,
) -> Followed:
    """A customer and a member became contacts. The full add after a half one confirms the same tie; an add older than
    the tie's end, delivered late, leaves it ended. The log of ties gets each add once.

    Adds come by the hundred a second when a campaign opens, so this works on rows: objects would cost as much again.
    """
    connection = session.connection()
    customer = row_of(connection, external_userid)
    ties: Sequence[Any] = ()
    if customer is None:
        customer_id, main = new_customer(connection, external_userid, userid, at), userid
    else:
        customer_id, main = customer.id, customer.main_userid or userid
        ties = connection.execute(KNOWN_TIES, {"whose": customer_id}).all()
        first = min(customer.first_added_at or at, at)
        if (main, first) != (customer.main_userid, customer.first_added_at):
            connection.execute(CHANGE_CUSTOMER, {"which": customer_id, "main": main, "first": first})
    mine = next((tie for tie in ties if tie.userid == userid), None)
    before, anew = kind_before(ties, userid), mine is None or bool(mine.lost_at and at >= mine.lost_at)
    change = judge_add(mine, ties, at, state, half=half)
    # A tie keeps what its first add said: the confirmation of a half one may come without a state.
    state = mine.state or state if mine is not None and not anew else state
    source = source_of(connection, state)
    back = anew and before == RETURNED and change in {ADDED, HALF_ADDED}
    back = half_returned(connection, customer_id, userid) if change == CONFIRMED else back
    says: dict[str, Any] = {"returned": back, "state": state, "channel_id": source.channel_id, "event_id": event_id}
    logged = log_change(connection, HALF if half else WHOLE, customer_id, userid, at, kind=change, **says)
    tie = {"state": state, "channel_id": source.channel_id}
    if mine is None:
        new_tie(connection, customer_id, userid, at=at, half=half, **tie)
    elif anew:
        again = {"added_at": at, "half": half, "lost_at": None, "lost_by": None, "loss_reason": "", **tie}
        connection.execute(update(TIES).where(TIES.c.id == mine.id).values(again))
    else:
        latest = at if only_lost(mine) else max(mine.added_at, at)
        known = {"added_at": latest, "half": mine.half and half, **tie}
        connection.execute(update(TIES).where(TIES.c.id == mine.id).values(known))
    if arrived_late(ties, at):
        replay(connection, customer_id)
    return Followed(customer_id, main, state, before, not anew, change if logged else REPEATED, source)


def judge_add(mine: Any, ties: Sequence[Any], at: datetime, state: str, *, half: bool) -> str:
    """What an add is in the log of ties, going by the ties as they stand."""
    if mine is not None and mine.lost_at and at < mine.lost_at:
        return HALF_ADDED if half else REPEATED  # too late to change the tie; `replay` says what it was
    if half:
        return HALF_ADDED
    if mine is not None and mine.lost_at is None:
        return CONFIRMED if mine.half else REPEATED
    given_up = (tie for tie in ties if tie is not mine and tie.lost_by == TRANSFER)
    handed_over = not state and any(abs(tie.lost_at - at) <= HANDED_OVER for tie in given_up)
    return TRANSFERRED_IN if handed_over else ADDED


def arrived_late(ties: Sequence[Any], at: datetime) -> bool:
    """Whether something we know already happened after this."""
    return any(at < max(tie.added_at, tie.lost_at or tie.added_at) for tie in ties)


def only_lost(tie: Any) -> bool:
    """Whether we know a tie from its end alone: it has no time of adding of its own yet."""
    return bool(tie.added_at == tie.lost_at)


def kind_before(ties: Sequence[Any], userid: str) -> str:
    """What the customer was to this member before an add."""
    if any(tie.lost_at is None and tie.userid != userid for tie in ties):
        return OURS
    if any(tie.lost_at and tie.lost_by != TRANSFER for tie in ties):
        return RETURNED
    return OURS if any(tie.lost_at for tie in ties) else NEW  # being handed over is not being lost


def new_customer(connection: Connection, external_userid: str, userid: str | None, at: datetime | None) -> int:
    """A customer known by this external_userid only; whom she added first answers for her. Answers her id."""
    row = {**BLANK_CUSTOMER, "main_userid": userid, "first_added_at": at}
    [[customer_id]] = NEW_CUSTOMER.run(connection, row).fetchall()
    NEW_IDENTITY.run(connection, {"customer_id": customer_id, "kind": EXTERNAL, "value": external_userid})
    return int(customer_id)


def new_tie(connection: Connection, customer_id: int, userid: str, *, at: datetime, **more: Any) -> None:
    """A member's tie to a customer begins; `more`: other columns of `FollowUser`."""
    NEW_TIE.run(connection, {**BLANK_TIE, "customer_id": customer_id, "userid": userid, "added_at": at, **more})


def lose(
    session: Session, userid: str, external_userid: str, *, by: str, at: datetime, event_id: int | None = None
) -> Ended | None:
    """A tie ended; answers it if it stood until now. The latest of adds and ends holds, in whatever order they arrive;
    an end may even come first. The log of ties gets each end once. Of who was erased, nothing is kept anew."""
    connection = session.connection()
    customer = row_of(connection, external_userid)
    if customer is None and buried(session, [external_userid]):
        return None
    customer_id = customer.id if customer else new_customer(connection, external_userid, None, None)
    return end_tie(connection, customer_id, userid, by=by, at=at, event_id=event_id)


def end_tie(
    connection: Connection,
    customer_id: int,
    userid: str,
    *,
    by: str,
    at: datetime,
    source: str = "callback",
    event_id: int | None = None,
) -> Ended | None:
    """The same for a customer we know."""
    ties = connection.execute(KNOWN_TIES, {"whose": customer_id}).all()
    mine = next((tie for tie in ties if tie.userid == userid), None)
    stood = mine is None or (mine.lost_at is None and at >= mine.added_at)
    kind = (TRANSFERRED_OUT if by == TRANSFER else LOST) if stood else ENDED_AGAIN
    log_change(connection, END, customer_id, userid, at, kind=kind, by=by, source=source, event_id=event_id)
    this = update(TIES).where(TIES.c.customer_id == customer_id, TIES.c.userid == userid)
    if mine is None:
        new_tie(connection, customer_id, userid, at=at, lost_at=at, lost_by=by)
    elif at >= mine.added_at and (mine.lost_at is None or at > mine.lost_at):
        began = at if only_lost(mine) else mine.added_at
        connection.execute(this.values(added_at=began, lost_at=at, lost_by=by))
    if by == TRANSFER or arrived_late(ties, at):
        replay(connection, customer_id)
    return Ended(customer_id, userid, by, at) if stood else None
