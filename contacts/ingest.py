"""Records of other systems become facts: checked to the last field, stored in sets, each once for ever.

A record's own `id` makes it idempotent: sent again with the same content it changes nothing, with other content it is a
conflict. Only bookings may say something new under a known id: the later one holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Table, select
from sqlmodel import Session

from bot.jobs import NewJob, Priority, enqueue
from contacts.attributes import Given, set_values
from contacts.checks import Load, check
from contacts.domain_events import DomainEvent, raise_events
from contacts.feeds import (
    ROWS,
    Entry,
    Found,
    event_of,
    insert_items,
    insert_new,
    note_stores,
    put_bookings,
    sum_refunds,
)
from contacts.identities import resolve
from contacts.merging import parts
from contacts.models import AttributeValue
from contacts.records import Problem
from contacts.rollups import add_orders, roll_up
from contacts.watermarks import COMPANY, move_watermarks, newest

CREDIT = "credit_orders"
"""The kind of job by which the numbers learn of new money: a lower room tells a higher one by job."""
FRESH = timedelta(days=2)
"""Facts older than this raise no events: history that is loaded is not news."""
VALUES: Table = AttributeValue.__table__  # type: ignore[attr-defined]


class NotTaken(Exception):
    """Some records are wrong and only all or none were wanted: nothing was stored."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


@dataclass(frozen=True)
class Outcome:
    """How a load ended; `problems` may name one record several times."""

    stored: int = 0
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def rejected(self) -> int:
        """How many records were not taken."""
        return len({one.place for one in self.problems})

    def __add__(self, other: "Outcome") -> "Outcome":
        """Both together."""
        return Outcome(self.stored + other.stored, self.unchanged + other.unchanged, self.problems + other.problems)


def take(
    session: Session,
    load: Load,
    entries: Sequence[Entry],
    *,
    partial: bool,
    wrong: Sequence[Problem] = (),
    complete_to: datetime | None = None,
) -> Outcome:
    """Check records and store them with all that follows from them, in the session's transaction.

    Raises `NotTaken` when some are wrong (`wrong` is what was before), unless `partial`: then the good ones are stored.
    `load` must be a fresh one: what it remembers would not be undone with the transaction. `complete_to`: up to when
    the sender says its feed is complete, for the stores it names or else for the company.
    """
    checked = check(session, load, entries)
    problems = sorted([*wrong, *checked.problems], key=lambda one: one.place)
    if problems and not partial:
        raise NotTaken(problems)
    stored = store(session, load, checked.new) if checked.new else 0
    told = [entry.record for entry in (*checked.new, *checked.unchanged)]
    marks = newest((record.__dict__.get("store"), record.at) for record in told)
    if complete_to:
        marks = dict.fromkeys(marks or [COMPANY], complete_to)
    move_watermarks(session, load.kind, marks)
    return Outcome(stored, len(checked.unchanged) + len(checked.new) - stored, tuple(problems))


def store(session: Session, load: Load, entries: list[Entry]) -> int:
    """Write checked records; answers how many changed something."""
    kind = load.kind
    note_stores(session, entries)
    customers = customers_of(session, kind, entries, load.now)
    if kind == "identities":
        return len(entries)
    if kind == "attributes":
        return store_attributes(session, entries, customers, load.today)
    rows = [row_of(kind, entry, load.found) for entry in entries]
    for row, customer_id in zip(rows, customers, strict=False):
        row.setdefault("customer_id", customer_id)
    if kind == "referrals":
        for row, referrer_id in zip(rows, customers[len(entries) :], strict=True):
            row["referrer_id"] = referrer_id
    written = put_bookings(session, rows) if kind == "bookings" else insert_new(session, kind, rows)
    fresh = [(entry, row) for entry, row in zip(entries, rows, strict=True) if row["source_id"] in written]
    follow_up(session, load, fresh, written)
    raise_news(session, kind, fresh, load.now)
    if kind in {"orders", "refunds"} and fresh:
        key = f"{CREDIT}:{kind}:{fresh[0][0].record.id}"
        job = NewJob(key, CREDIT, load.now, CREDIT, {"new": True}, priority=Priority.SYNC)
        enqueue(session, job)
    return len(written)


def customers_of(session: Session, kind: str, entries: list[Entry], now: datetime) -> list[int]:
    """Whose each record is; for referrals the referrers follow. Kinds about nobody have none."""
    if kind == "refunds":
        return []
    if kind == "identities":
        named = [entry.record.ids() for entry in entries]
    else:
        named = [entry.record.customer for entry in entries if "customer" in entry.record.__dict__]
    if kind == "referrals":
        named += [entry.record.referrer for entry in entries]
    return resolve(session, named, reason=f"{kind}:{entries[0].record.id}", now=now) if named else []


def row_of(kind: str, entry: Entry, found: Found) -> dict[str, Any]:
    """A record's row, but for its customer."""
    row = {"source_id": entry.record.id, "digest": entry.digest, **ROWS[kind](entry.record, found)}
    return row if kind in {"traffic", "spend", "totals"} else row | {"at": entry.record.at}


def follow_up(session: Session, load: Load, fresh: list[tuple[Entry, dict[str, Any]]], written: dict[str, int]) -> None:
    """What other tables hold about the new rows: lines, refunded sums, roll-ups."""
    kind = load.kind
    customers = {row["customer_id"] for _, row in fresh if "customer_id" in row}
    if kind == "orders":
        insert_items(session, ((written[entry.record.id], entry.record.items) for entry, _ in fresh))
        if load.unsummed is None:
            add_orders(session, written.values())
        else:
            load.unsummed.extend(written.values())
    elif kind == "refunds":
        sum_refunds(session, (row["order_id"] for _, row in fresh))
        roll_up(session, customers, contacts=False)
    elif kind in {"bookings", "visits", "events"}:
        roll_up(session, customers, orders=False)


def raise_news(session: Session, kind: str, fresh: list[tuple[Entry, dict[str, Any]]], now: datetime) -> None:
    """Tell whoever has rules, of what is news."""
    events = []
    for entry, row in fresh:
        if entry.record.at < now - FRESH or (event := event_of(kind, entry.record)) is None:
            continue
        name, facts = event
        cause = f"{kind}:{entry.record.id}" + (f":{entry.record.at.isoformat()}" if kind == "bookings" else "")
        events.append(DomainEvent(name, row["customer_id"], entry.record.at, cause, facts))
    raise_events(session, events)


def store_attributes(session: Session, entries: list[Entry], customers: list[int], today: date) -> int:
    """Set values; answers how many changed."""
    given = [
        Given(customer_id, entry.record.key, entry.record.value, entry.record.at, entry.record.id)
        for entry, customer_id in zip(entries, customers, strict=True)
    ]
    known: dict[tuple[int, str], tuple[str, datetime]] = {}
    for some in parts(set(customers)):
        rows = select(VALUES.c.customer_id, VALUES.c.key, VALUES.c.text, VALUES.c.at)
        found = session.connection().execute(rows.where(VALUES.c.customer_id.in_(some)))
        known.update(((row[0], row[1]), (row[2], row[3])) for row in found)
    changing = [
        one
        for one in given
        if (before := known.get((one.customer_id, one.key))) is None
        or (before[1] <= one.at and before != (one.value, one.at))
    ]
    set_values(session, changing, today)
    return len(changing)
