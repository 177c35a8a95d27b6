"""A small company on record for rule tests: one store, two who sell, their leader, and customers made to order."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from bot.database import Database
from contacts.facts import Booking, Order, OrderItem, Policy, Visit, Watermark
from contacts.models import AttributeValue, Customer, Department, FollowUser, Identity, Staff, StaffDepartment, Store
from sop import packs
from sop.plan import Counts, plan
from sop.sops import Todo

T = TypeVar("T")
ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 18)
"""A Wednesday."""


def at(day: date, hour: int = 10) -> datetime:
    """A moment of the company's day."""
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC)


NOW = at(TODAY, 8)


def found_company(session: Session) -> None:
    """Department, store, staff."""
    session.add(Department(id=1, name="晨光门诊", path="/1/"))
    session.add(Store(code="s1", name="一店", department_id=1))
    for userid, name in (("lin", "林晓"), ("wang", "王强"), ("su", "苏敏")):
        session.add(Staff(userid=userid, name=name, customer_contact=True, synced_at=NOW))
        session.flush()
        session.add(StaffDepartment(userid=userid, department_id=1, leads=userid == "su"))
    session.add(Watermark(feed="visits", store="", complete_to=at(TODAY, 0)))
    session.flush()


def customer(session: Session, name: str, main: str = "lin", *, friend: bool = True, **fields: Any) -> int:
    """A customer, a WeCom friend of her main staff unless told otherwise; answers her id."""
    given = {"first_added_at": at(TODAY - timedelta(days=200)), **fields}
    made = Customer(name=name, main_userid=main, **given)
    session.add(made)
    session.flush()
    number = made.id or 0
    if friend:
        session.add(Identity(customer_id=number, kind="external_userid", value=f"wm{number}"))
        session.add(FollowUser(customer_id=number, userid=main, added_at=made.first_added_at or NOW))
    session.flush()
    return number


def attribute(session: Session, customer_id: int, key: str, value: float | str | date) -> None:
    """An attribute's value."""
    row = AttributeValue(customer_id=customer_id, key=key, text=str(value), at=NOW)
    row.number = float(value) if isinstance(value, int | float) else None
    row.day = value if isinstance(value, date) else None
    session.add(row)
    session.flush()


def booking(session: Session, customer_id: int, starts: datetime, status: str = "booked", **fields: Any) -> int:
    """An appointment."""
    made = starts - timedelta(days=3)
    row = Booking(
        source_id=f"b{customer_id}-{starts:%m%d%H}", digest="", at=made, customer_id=customer_id, starts_at=starts,
        first_starts_at=starts, made_at=made, status=status, **{"store": "s1", **fields},
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id or 0


def visit(session: Session, customer_id: int, when: datetime, booking_id: int | None = None) -> None:
    """She came."""
    session.add(
        Visit(
            source_id=f"v{customer_id}-{when:%m%d%H}",
            digest="",
            at=when,
            customer_id=customer_id,
            store="s1",
            booking_id=booking_id,
        )
    )
    session.flush()


def order(session: Session, customer_id: int, when: datetime, fen: int, category: str = "", **fields: Any) -> None:
    """She bought."""
    row = Order(
        source_id=f"o{customer_id}-{when:%m%d%H}", digest="", at=when, customer_id=customer_id, amount_fen=fen, **fields
    )
    session.add(row)
    session.flush()
    session.add(OrderItem(order_id=row.id or 0, sku="x", name="x", category=category, qty=1, amount_fen=fen))
    found = session.get_one(Customer, customer_id)
    found.orders, found.net_fen, found.last_order_at = found.orders + 1, found.net_fen + fen, when
    session.add(found)
    session.flush()


def policy(session: Session, customer_id: int, kind: str, fen: int, ends: date) -> None:
    """She is insured."""
    session.add(
        Policy(
            source_id=f"p{customer_id}-{kind}",
            digest="",
            at=NOW,
            customer_id=customer_id,
            product=kind,
            kind=kind,
            sum_insured_fen=fen,
            premium_fen=fen // 100,
            starts_on=ends - timedelta(days=365),
            ends_on=ends,
        )
    )
    session.flush()


async def on(database: Database, *packs_wanted: str, build: Callable[[Session], T]) -> T:
    """A company with packs and whatever `build` adds."""

    def work(session: Session) -> T:
        if session.get(Department, 1) is None:
            found_company(session)
        for name in packs_wanted:
            packs.install(session, name, NOW)
        return build(session)

    return await database.write(work)


async def planned(database: Database, day: date) -> Counts:
    """The plan of a day, with visits complete up to its morning."""

    def work(session: Session) -> Counts:
        mark = session.get_one(Watermark, ("visits", ""))
        mark.complete_to = at(day, 0)
        session.add(mark)
        session.flush()
        return plan(session, day, at(day, 8), ZONE)

    return await database.write(work)


async def todos(database: Database) -> list[Todo]:
    """Every to-do there is, in the order they were made."""
    return await database.read(lambda session: list(session.exec(select(Todo).order_by(col(Todo.id))).all()))
