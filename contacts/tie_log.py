"""The history of ties (`TieChange`): each add and end once, and the same history in whatever order events arrive."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, bindparam, exists, false, func, insert, or_, select, update

from bot.statements import Statement
from contacts.models import (
    ADDED,
    CONFIRMED,
    ENDED_AGAIN,
    HALF_ADDED,
    LOST,
    REPEATED,
    TRANSFER,
    TRANSFER_FAILED,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    TieChange,
)

HALF, WHOLE, END, FAIL = "half", "whole", "end", "fail"
"""What an event says; the kind of its row says what that meant when it happened."""
KINDS = {
    HALF: (HALF_ADDED,),
    WHOLE: (ADDED, CONFIRMED, REPEATED, TRANSFERRED_IN),
    END: (LOST, TRANSFERRED_OUT, ENDED_AGAIN),
    FAIL: (TRANSFER_FAILED,),
}
HANDED_OVER = timedelta(minutes=10)
"""An add without a state this close to the end of a tie by transfer is the other half of that transfer."""

TIE_CHANGES: Table = TieChange.__table__  # type: ignore[attr-defined]
LOG = TIE_CHANGES.c
COLUMNS = [column for column in LOG if column.name not in {"id", "reason"}]


def statement(says: str) -> Statement:
    """Writes one change unless the log has the same event of the pair already, whatever kind it was judged to be."""
    given = {column.name: bindparam(column.name, type_=column.type) for column in COLUMNS}
    known = exists().where(
        LOG.customer_id == given["customer_id"],
        LOG.userid == given["userid"],
        LOG.at == given["at"],
        or_(*(LOG.kind == kind for kind in KINDS[says])),
    )
    return Statement(insert(TIE_CHANGES).from_select(list(given), select(*given.values()).where(~known)))


LOG_ONCE = {says: statement(says) for says in KINDS}
HISTORY = select(TIE_CHANGES).where(LOG.customer_id == bindparam("whose")).order_by(LOG.at, LOG.id)
CORRECT = (
    update(TIE_CHANGES).where(LOG.id == bindparam("which")).values(kind=bindparam("judged"), returned=bindparam("back"))
)
HALF_RETURNED = (
    select(func.coalesce(select(LOG.returned)
    .where(LOG.customer_id == bindparam("whose"), LOG.userid == bindparam("who"), LOG.kind == HALF_ADDED)
    .order_by(LOG.at.desc()).limit(1).scalar_subquery(), false()))
)  # fmt: skip


def log_change(
    connection: Connection,
    says: str,
    customer_id: int,
    userid: str,
    at: datetime,
    *,
    kind: str,
    by: str | None = None,
    returned: bool = False,
    state: str = "",
    channel_id: int | None = None,
    source: str = "callback",
    event_id: int | None = None,
) -> bool:
    """Write one change of a tie; False when it is in the log already. `says`: half, whole, end or fail."""
    row = {
        "at": at,
        "customer_id": customer_id,
        "userid": userid,
        "kind": kind,
        "by": by,
        "returned": returned,
        "state": state,
        "channel_id": channel_id,
        "source": source,
        "event_id": event_id,
    }
    return bool(LOG_ONCE[says].run(connection, row).rowcount == 1)


def half_returned(connection: Connection, customer_id: int, userid: str) -> bool:
    """Whether the half add that is being confirmed was that of a customer who had been lost."""
    return bool(connection.execute(HALF_RETURNED, {"whose": customer_id, "who": userid}).scalar())


def replay(connection: Connection, customer_id: int) -> None:
    """An event came later than ones that happened after it: judge the customer's history again, in its own order."""
    rows = connection.execute(HISTORY, {"whose": customer_id}).all()
    wrong = [
        {"which": row.id, "judged": kind, "back": returned}
        for row, kind, returned in judged(rows)
        if (kind, returned) != (row.kind, row.returned)
    ]
    if wrong:
        connection.execute(CORRECT, wrong)


def judged(rows: Sequence[Any]) -> Iterator[tuple[Any, str, bool]]:
    """Each row of a customer's history with the kind it has and whether she had been lost, given what was before."""
    stands: dict[str, str] = {}
    """By member: half, whole, or who ended the tie."""
    half_back: dict[str, bool] = {}
    ended_at: dict[str, datetime] = {}
    for row in rows:
        before = stands.get(row.userid)
        back = lost_to_all(stands)
        if row.kind == TRANSFER_FAILED:
            yield row, row.kind, False
        elif row.by:
            stands[row.userid], ended_at[row.userid] = row.by, row.at
            ended = TRANSFERRED_OUT if row.by == TRANSFER else LOST
            yield row, ended if before in {None, HALF, WHOLE} else ENDED_AGAIN, False
        elif row.kind == HALF_ADDED:
            stands[row.userid] = WHOLE if before == WHOLE else HALF
            half_back[row.userid] = back
            yield row, HALF_ADDED, back
        else:
            others = ((userid, at) for userid, at in ended_at.items() if userid != row.userid)
            given_up = [at for userid, at in others if stands[userid] == TRANSFER]
            stands[row.userid] = WHOLE
            kind = {HALF: CONFIRMED, WHOLE: REPEATED}.get(before or "") or begun(row, rows, given_up)
            returned = {CONFIRMED: half_back.get(row.userid, False), ADDED: back}.get(kind, False)
            yield row, kind, returned


def lost_to_all(stands: dict[str, str]) -> bool:
    """Whether a customer had ties and none is left. A tie that ended by transfer goes on with somebody else."""
    now = set(stands.values())
    return not now & {HALF, WHOLE} and bool(now - {TRANSFER})


def begun(row: Any, rows: Sequence[Any], given_up: Sequence[datetime]) -> str:
    """Whether a tie began with an add of the customer's or by a transfer: from a tie that stood ended by one
    (`given_up`), or that is about to."""
    if row.source == TRANSFER:
        return TRANSFERRED_IN
    coming = [one.at for one in rows if one.by == TRANSFER and one.userid != row.userid and one.at >= row.at]
    handed_over = not row.state and any(abs(at - row.at) <= HANDED_OVER for at in (*given_up, *coming))
    return TRANSFERRED_IN if handed_over else ADDED
