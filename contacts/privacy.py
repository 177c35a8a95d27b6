"""Personal data: masked for display, given out whole, removed for good.

Erasing leaves the facts (orders, visits, moves, touches) without a person: numbers of the past stay right. Tables of
other rooms are reached by their names, so that whatever holds a `customer_id` is exported and none is forgotten.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, Table, and_, cast, delete, exists, func, insert, or_, select, update
from sqlmodel import Session, SQLModel

from bot.clock import Clock
from bot.database import Database
from bot.jobs import DEAD, DONE, JOBS, PAYLOAD_DAYS, READY, Done, Job, in_state
from bot.observability import log
from contacts.changes import CUSTOMERS, EXTERNAL, IDENTITIES, TIES
from contacts.models import Erasure
from contacts.tombstones import ERASED, bury

RETENTION = "retention"
"""The kind of job that erases customers lost long ago."""
AT_ONCE = 200
SYSTEM = "system"
DELETED = ("identity", "calledname", "attributevalue", "tagpush", "stirred")
"""Tables whose rows about a person are nothing without her."""
EMPTIED: Mapping[str, Mapping[str, Any]] = {
    "followuser": {"remark": "", "description": "", "company": "", "phones": [], "loss_reason": ""},
    "tiechange": {"reason": None},
    "note": {"text": ""},
    "act": {"properties": {}},
    "booking": {"item": ""},
    "complaint": {"text": ""},
    "donotcontact": {"words": ""},
    "tagchange": {"cause": "", "conflict": ""},
    "mainstaffchange": {"reason": ""},
    "transfer": {"reason": ""},
    "todo": {"words": "", "reason": "", "facts": {}},
    "masssendcustomer": {"external_userid": ""},
}
"""What people wrote, and ids of the platform, in rows that stay."""
EMPTIED_BY_ORDER: Mapping[str, Mapping[str, Any]] = {"creditdecision": {"words": ""}}
"""The same in rows that name an order of hers."""
NOBODY: Mapping[str, Any] = {
    "name": "",
    "gender": 0,
    "birthday": None,
    "birthday_lunar": False,
    "birthday_next": None,
}


def mask_phone(phone: str) -> str:
    """A phone as others than its owner's staff see it: 138****5678."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else "*" * len(phone)


def mask_name(name: str) -> str:
    """A name as others see it: its first character."""
    return name[:1] + "*" * min(len(name) - 1, 2)


def export(session: Session, customer_id: int) -> dict[str, list[dict[str, Any]]]:
    """Everything on record about a person, by table, ready for JSON; records merged into hers included.

    Jobs are left out: what they carry are copies, emptied a week after they are done.
    """
    ids = everyone_of(session, [customer_id])
    found = {"customer": rows_of(session, CUSTOMERS, CUSTOMERS.c.id.in_(ids))}
    for table in tables_with("customer_id"):
        theirs: ColumnElement[bool] = table.c.customer_id.in_(ids)
        if "referrer_id" in table.c:
            theirs = or_(theirs, table.c.referrer_id.in_(ids))
        found[table.name] = rows_of(session, table, theirs)
    for table in tables_with("external_userid"):
        if "customer_id" not in table.c:
            found[table.name] = rows_of(session, table, table.c.external_userid.in_(known_as(session, ids)))
    for table in tables_with("order_id"):
        if "customer_id" not in table.c:
            orders = [one["id"] for one in found["orders"]]
            found[table.name] = rows_of(session, table, table.c.order_id.in_(orders))
    return {name: rows for name, rows in found.items() if rows}


def rows_of(session: Session, table: Table, whose: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Rows as plain JSON."""
    rows = session.connection().execute(select(table).where(whose)).mappings()
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def plain(value: Any) -> Any:
    """A value as JSON takes it."""
    return value.isoformat() if isinstance(value, date) else value


def tables_with(column: str) -> list[Table]:
    """Every table that has such a column."""
    return [table for table in SQLModel.metadata.sorted_tables if column in table.c]


def everyone_of(session: Session, ids: Sequence[int]) -> list[int]:
    """These customers and those that were merged into them."""
    found = set(ids)
    newest = found
    while newest:
        into = select(CUSTOMERS.c.id).where(CUSTOMERS.c.merged_into.in_(newest))
        newest = set(session.connection().execute(into).scalars()) - found
        found |= newest
    return sorted(found)


def known_as(session: Session, ids: Sequence[int]) -> list[str]:
    """The platform's ids of these customers."""
    theirs = (IDENTITIES.c.customer_id.in_(ids), IDENTITIES.c.kind == EXTERNAL)
    return list(session.connection().execute(select(IDENTITIES.c.value).where(*theirs)).scalars())


def erase(session: Session, customer_id: int, *, by: str, reason: str, now: datetime) -> None:
    """Remove a person for good, records merged into hers included. Who may do so, the caller decides."""
    ids = everyone_of(session, [customer_id])
    forget_jobs(session, ids, now)
    erase_many(session, ids, by=by, reason=reason, now=now)


def erase_many(session: Session, ids: Sequence[int], *, by: str, reason: str, now: datetime) -> None:
    """Remove persons from every table but jobs, at most a few hundred at once."""
    connection, tables = session.connection(), SQLModel.metadata.tables
    externals = known_as(session, ids)
    bury(session, externals, now)
    for table in tables_with("external_userid"):
        if "customer_id" not in table.c:
            named = update(table).where(table.c.external_userid.in_(externals))
            connection.execute(named.values(external_userid=ERASED))
    for name, empty in EMPTIED.items():
        if name in tables:
            connection.execute(update(tables[name]).where(tables[name].c.customer_id.in_(ids)).values(empty))
    member, merge, held = tables["groupmember"], tables["merge"], tables["heldmerge"]
    nobody = f"{ERASED}:" + cast(member.c.id, String)
    hers = or_(member.c.customer_id.in_(ids), member.c.member.in_(externals))  # in groups before we knew her, too
    connection.execute(update(member).where(hers).values(member=nobody, name=""))
    merged = or_(merge.c.kept_id.in_(ids), merge.c.absorbed_id.in_(ids))
    connection.execute(update(merge).where(merged).values(before={}, reason=ERASED))
    connection.execute(
        update(held).where(or_(held.c.first_id.in_(ids), held.c.second_id.in_(ids))).values(reason=ERASED)
    )
    bought = select(tables["orders"].c.id).where(tables["orders"].c.customer_id.in_(ids))
    for name, empty in EMPTIED_BY_ORDER.items():
        if name in tables:
            connection.execute(update(tables[name]).where(tables[name].c.order_id.in_(bought)).values(empty))
    for name in DELETED:
        if name in tables:
            connection.execute(delete(tables[name]).where(tables[name].c.customer_id.in_(ids)))
    connection.execute(update(CUSTOMERS).where(CUSTOMERS.c.id.in_(ids)).values(**NOBODY, erased_at=now))
    note = {"at": now, "by": by, "reason": reason}
    connection.execute(insert(tables[Erasure.__name__.lower()]), [{"customer_id": one, **note} for one in ids])
    log.info("customers erased", count=len(ids), by=by, first=min(ids, default=0))


def forget_jobs(session: Session, ids: Sequence[int], now: datetime) -> None:
    """Empty what recent jobs carried of a person; work still waiting for her is dropped."""
    connection = session.connection()
    words = personal_words(session, ids)
    carried = cast(JOBS.c.payload, String)
    whose = [JOBS.c.payload["customer_id"].as_integer().in_(ids), *(carried.contains(escaped(one)) for one in words)]
    recent = JOBS.c.finished_at > now - timedelta(days=PAYLOAD_DAYS + 1)
    past = or_(and_(in_state(JOBS.c, DONE), recent), in_state(JOBS.c, DEAD))
    connection.execute(update(JOBS).where(past, or_(*whose)).values(payload={}))
    waiting = update(JOBS).where(in_state(JOBS.c, READY), or_(*whose))
    connection.execute(waiting.values(payload={}, state=DONE, outcome=ERASED, finished_at=now))


def personal_words(session: Session, ids: Sequence[int]) -> list[str]:
    """What names a person in a text: her ids and phones, names and remarks of two characters and more."""
    connection = session.connection()
    known = connection.execute(select(IDENTITIES.c.value).where(IDENTITIES.c.customer_id.in_(ids))).scalars()
    names = connection.execute(select(CUSTOMERS.c.name).where(CUSTOMERS.c.id.in_(ids))).scalars()
    remarks = connection.execute(select(TIES.c.remark).where(TIES.c.customer_id.in_(ids))).scalars()
    return sorted({one for one in (*known, *names, *remarks) if len(one) > 1})


def escaped(word: str) -> str:
    """A word as JSON text holds it."""
    return word.replace("\\", "\\\\").replace('"', '\\"')


def lost_before(moment: datetime) -> ColumnElement[bool]:
    """Customers without orders whose last tie ended before a moment."""
    customer, orders = CUSTOMERS.c, SQLModel.metadata.tables["orders"].c
    ties = select(func.max(TIES.c.lost_at)).where(TIES.c.customer_id == customer.id).scalar_subquery()
    living = exists().where(TIES.c.customer_id == customer.id, TIES.c.lost_at.is_(None))
    bought = exists().where(orders.customer_id == customer.id)
    unmerged = (customer.merged_into.is_(None), customer.erased_at.is_(None))
    return and_(ties < moment, ~living, ~bought, *unmerged)


def erase_expired(database: Database, clock: Clock, days: int | None) -> Callable[[Job], Awaitable[Done]]:
    """The nightly runner that erases customers lost longer ago than the company keeps them; None keeps everybody."""

    async def run(_: Job) -> Done:
        erased = 0
        while days is not None:
            part = await database.write(lambda session: erase_part(session, days, clock.now()))
            erased += part
            if not part:
                break
        return Done(f"{erased} customers erased")

    return run


def erase_part(session: Session, days: int, now: datetime) -> int:
    """Erase some of the expired customers; answers how many. What their jobs carried is long gone."""
    expired = select(CUSTOMERS.c.id).where(lost_before(now - timedelta(days=days))).limit(AT_ONCE)
    ids = everyone_of(session, list(session.connection().execute(expired).scalars()))
    if ids:
        erase_many(session, ids, by=SYSTEM, reason=RETENTION, now=now)
    return len(ids)
