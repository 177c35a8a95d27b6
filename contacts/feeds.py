"""How each kind of record becomes rows: what it refers to, what is written, and which event it raises."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from contacts.bulk import among, insert_rows
from contacts.channels import Campaign, Channel
from contacts.facts import (
    Act,
    Booking,
    CompanyTotal,
    Order,
    OrderItem,
    Participation,
    Policy,
    Referral,
    Refund,
    Spend,
    Traffic,
    Visit,
)
from contacts.models import Staff, Store
from contacts.records import Problem, Record

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
TABLES: dict[str, Table] = {
    kind: model.__table__  # type: ignore[attr-defined]
    for kind, model in {
        "orders": Order, "refunds": Refund, "bookings": Booking, "visits": Visit, "policies": Policy,
        "participations": Participation, "referrals": Referral, "events": Act, "traffic": Traffic, "spend": Spend,
        "totals": CompanyTotal,
    }.items()
}  # fmt: skip
"""Where each kind is kept; attributes and identities have no rows of their own."""
ITEMS: Table = OrderItem.__table__  # type: ignore[attr-defined]
ORDERS, REFUNDS, BOOKINGS = TABLES["orders"], TABLES["refunds"], TABLES["bookings"]
STORES: Table = Store.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that is right by itself, at its place in the request or file."""

    place: int
    record: Any
    digest: str


@dataclass
class Found:
    """What records refer to by name, as far as it exists: read once per load, in sets."""

    staff: dict[str, str] = field(default_factory=dict)
    campaigns: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    orders: dict[str, Any] = field(default_factory=dict)
    """By its source's id: id, customer_id, amount_fen, refunded_fen."""
    bookings: dict[str, int] = field(default_factory=dict)

    def learn(self, session: Session, entries: Sequence[Entry]) -> None:
        """Look up the names in these records that are not known yet; orders and bookings anew, for they change."""
        records = [entry.record for entry in entries]
        look_up(session, self.staff, named(records, "userid"), Staff.userid, Staff.userid)
        look_up(session, self.campaigns, named(records, "campaign"), Campaign.code, Campaign.id)
        look_up(session, self.channels, named(records, "channel"), Channel.state, Channel.id)
        self.bookings = {}
        look_up(session, self.bookings, named(records, "booking_id"), Booking.source_id, Booking.id)
        columns = (ORDERS.c.source_id, ORDERS.c.id, ORDERS.c.customer_id, ORDERS.c.amount_fen, ORDERS.c.refunded_fen)
        wanted = named(records, "order_id")
        rows = (
            session.connection().execute(select(*columns).where(among(session, columns[0], wanted))) if wanted else ()
        )
        self.orders = {row.source_id: row for row in rows}


def look_up(session: Session, into: dict[str, Any], wanted: set[str], name: Any, value: Any) -> None:
    """Add what these names stand for to what is known."""
    if missing := wanted - into.keys():
        rows = session.connection().execute(select(name, value).where(among(session, name, missing)))
        into.update((row[0], row[1]) for row in rows)


def named(records: Iterable[Any], name: str) -> set[str]:
    """The values of a field that refers to something."""
    # A record's own dictionary: asking pydantic for a field the kind has not costs twenty times as much.
    return {value for record in records if (value := record.__dict__.get(name)) is not None}


def note_stores(session: Session, entries: Sequence[Entry]) -> None:
    """A store is known from its first record on; its name and department are filled in later."""
    codes = sorted(named((entry.record for entry in entries), "store"))
    if codes:
        rows = [{"code": code, "name": code, "department_id": None} for code in codes]
        dialect = INSERTS[session.get_bind().dialect.name]
        session.connection().execute(dialect(STORES).on_conflict_do_nothing(), rows)


def order_row(record: Any, found: Found) -> dict[str, Any]:
    """An order's own columns."""
    return {
        "userid": record.userid,
        "store": record.store,
        "campaign_id": found.campaigns[record.campaign] if record.campaign else None,
        "channel_id": found.channels[record.channel] if record.channel else None,
        "amount_fen": record.amount_fen,
        "refunded_fen": 0,
    }


def refund_row(record: Any, found: Found) -> dict[str, Any]:
    """A refund's own columns; the customer is the order's."""
    order = found.orders[record.order_id]
    return {"order_id": order.id, "customer_id": order.customer_id, "amount_fen": record.amount_fen}


def booking_row(record: Any, _: Found) -> dict[str, Any]:
    """A booking's own columns, as if this were the first record of it."""
    return {
        "userid": record.userid,
        "starts_at": record.starts_at,
        "first_starts_at": record.starts_at,
        "made_at": record.at,
        "item": record.item,
        "store": record.store,
        "status": record.status,
    }


def visit_row(record: Any, found: Found) -> dict[str, Any]:
    """A visit's own columns."""
    booking = found.bookings[record.booking_id] if record.booking_id else None
    return {"userid": record.userid, "store": record.store, "booking_id": booking}


def policy_row(record: Any, _: Found) -> dict[str, Any]:
    """A policy's own columns."""
    columns = ("userid", "product", "sum_insured_fen", "premium_fen", "starts_on", "ends_on")
    return {name: getattr(record, name) for name in columns} | {"kind": record.policy_kind}


def participation_row(record: Any, found: Found) -> dict[str, Any]:
    """A participation's own columns."""
    return {"userid": record.userid, "campaign_id": found.campaigns[record.campaign]}


def referral_row(record: Any, found: Found) -> dict[str, Any]:
    """A referral's own columns; the referrer is put in once she is known."""
    return {"userid": record.userid, "campaign_id": found.campaigns[record.campaign] if record.campaign else None}


def act_row(record: Any, _: Found) -> dict[str, Any]:
    """An act's own columns."""
    return {"userid": record.userid, "name": record.name, "properties": record.properties}


def traffic_row(record: Any, found: Found) -> dict[str, Any]:
    """A channel's day."""
    channel = found.channels[record.channel]
    return {"channel_id": channel, "day": record.date, "visitors": record.visitors, "clicks": record.clicks}


def spend_row(record: Any, found: Found) -> dict[str, Any]:
    """Money spent."""
    return {
        "day": record.date,
        "channel_id": found.channels[record.channel] if record.channel else None,
        "campaign_id": found.campaigns[record.campaign] if record.campaign else None,
        "amount_fen": record.amount_fen,
    }


def total_row(record: Any, _: Found) -> dict[str, Any]:
    """A day's total."""
    return {"day": record.date, "store": record.store, "net_amount_fen": record.net_amount_fen}


ROWS: dict[str, Callable[[Any, Found], dict[str, Any]]] = {
    "orders": order_row,
    "refunds": refund_row,
    "bookings": booking_row,
    "visits": visit_row,
    "policies": policy_row,
    "participations": participation_row,
    "referrals": referral_row,
    "events": act_row,
    "traffic": traffic_row,
    "spend": spend_row,
    "totals": total_row,
}


def insert_new(session: Session, kind: str, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Write rows, leaving out those that are there already or may be there only once: id by source id."""
    return {row[0]: row[1] for row in insert_rows(session, TABLES[kind], rows, ("source_id", "id"))}


def insert_items(session: Session, orders: Iterable[tuple[int, Sequence[Any]]]) -> None:
    """Write the lines of orders."""
    rows = [{"order_id": order_id, **item} for order_id, items in orders for item in items]
    insert_rows(session, ITEMS, rows)


def sum_refunds(session: Session, order_ids: Iterable[int]) -> None:
    """Note on orders what was given back of them."""
    total = select(func.sum(REFUNDS.c.amount_fen)).where(REFUNDS.c.order_id == ORDERS.c.id).scalar_subquery()
    change = update(ORDERS).where(among(session, ORDERS.c.id, set(order_ids)))
    session.connection().execute(change.values(refunded_fen=func.coalesce(total, 0)))


def put_bookings(session: Session, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Write bookings, and let later records move or cancel them: id by source id of those that changed."""
    merged: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["at"]):
        first = merged.get(row["source_id"], row)
        merged[row["source_id"]] = row | {name: first[name] for name in ("first_starts_at", "made_at", "customer_id")}
    new = INSERTS[session.get_bind().dialect.name](BOOKINGS)
    said = new.excluded
    fresh = {name: said[name] for name in ("digest", "at", "starts_at", "status")}
    fresh["item"] = func.coalesce(func.nullif(said["item"], ""), BOOKINGS.c["item"])
    fresh |= {name: func.coalesce(said[name], BOOKINGS.c[name]) for name in ("store", "userid")}
    put = new.on_conflict_do_update(index_elements=["source_id"], set_=fresh, where=BOOKINGS.c.at < said["at"])
    written = session.connection().execute(put.returning(BOOKINGS.c.source_id, BOOKINGS.c.id), list(merged.values()))
    return {row[0]: row[1] for row in written}


BOOKING_EVENTS = {"booked": "booking_made", "moved": "booking_moved", "cancelled": "booking_cancelled"}
EVENTS: dict[str, str] = {
    "orders": "order_paid",
    "refunds": "order_refunded",
    "visits": "visit_made",
    "policies": "policy_taken",
    "participations": "campaign_joined",
    "referrals": "customer_referred",
    "events": "customer_acted",
}
"""The domain event of each kind; a booking's depends on its status."""
TOLD = ("amount_fen", "store", "userid", "campaign", "channel", "booking_id", "order_id", "product", "name", "item")
"""Fields that go with an event; nothing that names a person."""


def event_of(kind: str, record: Any) -> tuple[str, dict[str, Any]] | None:
    """Name and facts of the event a record raises."""
    name = BOOKING_EVENTS[record.status] if kind == "bookings" else EVENTS.get(kind)
    if name is None:
        return None
    facts = {key: value for key in TOLD if (value := record.__dict__.get(key)) not in (None, "")}
    if kind == "orders":
        facts["categories"] = sorted({item["category"] for item in record.items if item["category"]})
    if kind == "bookings":
        facts["starts_at"] = record.starts_at.isoformat()
    return name, {"id": record.id, **facts}


def unknown_names(entries: Sequence[Entry], found: Found) -> list[Problem]:
    """Names in records that nobody here bears."""
    remedies: tuple[tuple[str, Mapping[str, Any], str], ...] = (
        ("userid", found.staff, "no such member of staff; check the userid, or run: frontline sync"),
        ("campaign", found.campaigns, "no campaign has this code; make it first"),
        ("channel", found.channels, "no channel has this state; make it first"),
        ("order_id", found.orders, "no such order; send the orders before their refunds"),
        ("booking_id", found.bookings, "no such booking; send the bookings before the visits"),
    )
    problems = []
    for name, known, remedy in remedies:
        missing = named((entry.record for entry in entries), name) - known.keys()
        if missing:
            bearing = ((entry.place, entry.record.__dict__.get(name)) for entry in entries)
            problems += [Problem(place, name, value, remedy) for place, value in bearing if value in missing]
    return problems


def not_yet(entry: Entry, now: datetime, today: date) -> list[Problem]:
    """A record from the future."""
    record: Record = entry.record
    problems = []
    if record.at > now:
        remedy = "this is in the future; check the clock and the offset"
        problems.append(Problem(entry.place, "at", record.at.isoformat(), remedy))
    day = record.__dict__.get("date")
    if day is not None and day > today:
        problems.append(Problem(entry.place, "date", day.isoformat(), "this day has not come yet; check it"))
    return problems
