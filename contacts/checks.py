"""Records beside what is known and beside each other: names that nobody bears, ids that return, sums that do not fit.

Checking writes nothing, so that a whole file can be looked at before its first row is stored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import select
from sqlmodel import Session
from sqlmodel import select as select_rows

from contacts.attributes import BIRTHDAY, BIRTHDAYS, AttributeRefused, read_value
from contacts.bulk import among
from contacts.feeds import TABLES, Entry, Found, not_yet, unknown_names
from contacts.identities import owners
from contacts.merging import parts
from contacts.models import Attribute
from contacts.records import EXTERNAL, RECORDS, Problem, problems_of
from contacts.tombstones import buried

AHEAD = timedelta(minutes=5)
"""How far another system's clock may be before ours."""
CONFLICT = "this id is known with other content; give the new record an id of its own"


@dataclass
class Load:
    """Records of one kind on their way in: the moment, what they refer to, and what earlier ones of the load held."""

    kind: str
    now: datetime
    zone: ZoneInfo
    found: Found = field(default_factory=Found)
    digests: dict[str, str] = field(default_factory=dict)
    """By id: it must not return with other content."""
    refunded: dict[str, int] = field(default_factory=dict)
    """By order: several refunds of one order add up."""
    unsummed: list[int] | None = None
    """Where one transaction takes many parts: the orders written whose sums it adds to the customers' at its end."""

    @property
    def today(self) -> date:
        """The day it is in the company's zone."""
        return self.now.astimezone(self.zone).date()


@dataclass
class Checked:
    """Records told apart: new ones, known ones, and what is wrong with the others."""

    new: list[Entry] = field(default_factory=list)
    unchanged: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_entries(kind: str, raw: Iterable[tuple[int, object]]) -> tuple[list[Entry], list[Problem]]:
    """Records from plain data with their places: those that are right by themselves, and what is wrong with others."""
    validate = RECORDS[kind].__pydantic_validator__.validate_python  # model_validate, without what it looks at first
    good: list[Entry] = []
    problems: list[Problem] = []
    for place, fields in raw:
        try:
            record = validate(fields)
        except ValidationError as error:
            problems += problems_of(error, place)
        else:
            good.append(Entry(place, record, record.digest()))
    return good, problems


def check(session: Session, load: Load, entries: Sequence[Entry]) -> Checked:
    """Look at some records of a load; `load` remembers them for the next."""
    load.found.learn(session, entries)
    checked = Checked()
    known = known_ids(session, load.kind, entries)
    unknown: dict[int, list[Problem]] = {}
    for problem in unknown_names(entries, load.found):
        unknown.setdefault(problem.place, []).append(problem)
    latest, today = load.now + AHEAD, load.today
    for entry in entries:
        before = load.digests.setdefault(entry.record.id, known.get(entry.record.id, ""))
        if problems := unknown.get(entry.place, []) + not_yet(entry, latest, today):
            checked.problems += problems
        elif not before or load.kind == "bookings":
            checked.new.append(entry)
            load.digests[entry.record.id] = entry.digest
        elif before == entry.digest:
            checked.unchanged.append(entry)
        else:
            checked.problems.append(Problem(entry.place, "id", entry.record.id, CONFLICT))
    for further in (check_erased, CHECKS.get(load.kind)):
        if further and checked.new:
            wrong = further(session, load, checked.new)
            places = {one.place for one in wrong}
            checked.problems += wrong
            checked.new = [entry for entry in checked.new if entry.place not in places]
    return checked


def known_ids(session: Session, kind: str, entries: Sequence[Entry]) -> dict[str, str]:
    """The digests of those that are stored."""
    table = TABLES.get(kind)
    if table is None or kind == "bookings":
        return {}
    mine = among(session, table.c.source_id, {entry.record.id for entry in entries})
    rows = session.connection().execute(select(table.c.source_id, table.c.digest).where(mine))
    return {row[0]: row[1] for row in rows}


def check_erased(session: Session, load: Load, entries: list[Entry]) -> list[Problem]:
    """Nobody who was erased is made anew by what others tell: only by adding a member of staff herself."""
    if load.kind == "refunds":  # whose it is, the order says
        return []
    named = [(entry.place, name, value) for entry in entries for name, value in externals(entry.record)]
    graves = buried(session, {value for _, _, value in named})
    again = owners(session, {(EXTERNAL, value) for value in graves})
    remedy = "this person was erased; leave her out until she adds a member of staff again"
    return [
        Problem(place, name, value, remedy)
        for place, name, value in named
        if value in graves and (EXTERNAL, value) not in again
    ]


def externals(record: Any) -> list[tuple[str, str]]:
    """Every external_userid in a record, with the field it stands in."""
    fields = record.__dict__
    found = [(f"{name}.{EXTERNAL}", (fields.get(name) or {}).get(EXTERNAL)) for name in ("customer", "referrer")]
    found += [("value", fields["value"])] if fields.get("id_kind") == EXTERNAL else []
    return [(name, value) for name, value in found if value]


def check_refunds(_session: Session, load: Load, entries: list[Entry]) -> list[Problem]:
    """No order gives back more than was paid."""
    problems = []
    for entry in entries:
        order, record = load.found.orders[entry.record.order_id], entry.record
        left = order.amount_fen - order.refunded_fen - load.refunded.get(record.order_id, 0)
        if record.amount_fen > left:
            remedy = f"order {record.order_id} has {left} fen left to refund; check the amount and the order"
            problems.append(Problem(entry.place, "amount_fen", str(record.amount_fen), remedy))
        else:
            load.refunded[record.order_id] = load.refunded.get(record.order_id, 0) + record.amount_fen
    return problems


def check_bookings(session: Session, _load: Load, entries: list[Entry]) -> list[Problem]:
    """Two records about one booking, of one moment, must say the same."""
    table = TABLES["bookings"].c
    mine = among(session, table.source_id, {entry.record.id for entry in entries})
    rows = session.connection().execute(select(table.source_id, table.at, table.digest).where(mine))
    known: dict[str, tuple[datetime, str]] = {row[0]: (row[1], row[2]) for row in rows}
    problems = []
    for entry in entries:
        at, digest = known.get(entry.record.id, (None, ""))
        if at == entry.record.at and digest != entry.digest:
            remedy = "another record of this booking has the same time; the later one holds, so give each its own"
            problems.append(Problem(entry.place, "at", entry.record.at.isoformat(), remedy))
        elif at is None or at < entry.record.at:
            known[entry.record.id] = (entry.record.at, entry.digest)
    return problems


def check_days(session: Session, load: Load, entries: list[Entry]) -> list[Problem]:
    """A channel's, store's or the company's day is told once."""
    kind = load.kind
    table = TABLES[kind].c
    other = table.channel_id if kind == "traffic" else table.store
    taken: dict[tuple[Any, Any], str] = {}
    for some in parts({entry.record.date for entry in entries}):
        rows = session.connection().execute(select(other, table.day, table.source_id).where(table.day.in_(some)))
        taken.update(((row[0], row[1]), row[2]) for row in rows)
    problems = []
    for entry in entries:
        whose = load.found.channels[entry.record.channel] if kind == "traffic" else entry.record.store
        before = taken.setdefault((whose, entry.record.date), entry.record.id)
        if before != entry.record.id:
            remedy = f"record {before} has told this day already; send each day once"
            problems.append(Problem(entry.place, "date", entry.record.date.isoformat(), remedy))
    return problems


def check_attributes(session: Session, load: Load, entries: list[Entry]) -> list[Problem]:
    """The attribute is defined, and the value of its type."""
    defined = {one.key: one for one in session.exec(select_rows(Attribute))} | {BIRTHDAY: BIRTHDAYS}
    problems = []
    for entry in entries:
        key, value = entry.record.key, entry.record.value
        if key not in defined:
            remedy = f"no such attribute; defined are {', '.join(sorted(defined))}"
            problems.append(Problem(entry.place, "key", key, remedy))
            continue
        try:
            read_value(defined[key], value, load.today)
        except AttributeRefused as error:
            problems.append(Problem(entry.place, "value", value, str(error)))
    return problems


def check_referrals(session: Session, _load: Load, entries: list[Entry]) -> list[Problem]:
    """Nobody brings herself."""
    ids = {one for entry in entries for one in (*pairs(entry.record.customer), *pairs(entry.record.referrer))}
    owner = owners(session, ids)
    problems = []
    for entry in entries:
        mine, hers = pairs(entry.record.customer), pairs(entry.record.referrer)
        if mine & hers or {owner[one] for one in mine & owner.keys()} & {owner[one] for one in hers & owner.keys()}:
            kind, value = next(iter(sorted(hers)))
            problems.append(Problem(entry.place, f"referrer.{kind}", value, "this is the customer herself; check both"))
    return problems


def pairs(known: Any) -> set[tuple[str, str]]:
    """The ids of a customer as a set."""
    return set(known.items())


CHECKS: Mapping[str, Callable[[Session, Load, list[Entry]], list[Problem]]] = {
    "refunds": check_refunds,
    "bookings": check_bookings,
    "traffic": check_days,
    "totals": check_days,
    "attributes": check_attributes,
    "referrals": check_referrals,
}
