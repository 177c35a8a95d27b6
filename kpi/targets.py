"""Targets of a month: set by leaders for their people and teams in chat, or imported; the latest word holds."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, Strict, ValidationError, model_validator
from sqlalchemy import select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from contacts.checks import AHEAD
from contacts.ingest import NotTaken, Outcome
from contacts.leaders import leads
from contacts.models import Department, Staff, StaffDepartment, Store
from contacts.records import Problem, Record, Word, problems_of
from contacts.spreadsheets import WHOLE, BadFile, encoding_of
from kpi.measures import METRICS
from kpi.models import Target
from kpi.registry import COUNT, FEN
from kpi.scope import NotYours

TARGETS = "targets"
"""The kind of record that holds them."""
MOST = 10**12
IMPORTED = "import"
MONTH = re.compile(r"(\d{4})-(\d{2})")


@dataclass(frozen=True)
class Wanted:
    """A number to reach in a month; `value` in the metric's unit, money in fen."""

    whose: str
    """`staff:userid` or `department:id`."""
    metric: str
    month: date
    value: int


def month_in(given: object) -> date:
    """A month's first day. Raises ValueError."""
    found = MONTH.fullmatch(given) if isinstance(given, str) else None
    if found is None or not 1 <= int(found[2]) <= 12 or not int(found[1]):
        raise ValueError("write a month such as 2026-11")
    return date(int(found[1]), int(found[2]), 1)


class TargetRecord(Record):
    """What a member, a store or a department aims at; `at` is when that was decided."""

    kind = TARGETS
    userid: Word | None = None
    store: Word | None = None
    department: Annotated[int, Strict()] | None = None
    metric: Word
    month: Annotated[date, BeforeValidator(month_in)]
    value: Annotated[int, Strict(), Field(ge=1, le=MOST)]

    @model_validator(mode="after")
    def of_one(self) -> Self:
        """It is somebody's, and nobody else's."""
        if [self.userid, self.store, self.department].count(None) != 2:
            raise ValueError("name one of userid, store and department, whose target it is")
        return self


@dataclass
class Known:
    """What targets refer to."""

    staff: set[str]
    departments: set[int]
    stores: dict[str, int | None]
    """Each store's department."""

    def whose(self, record: TargetRecord) -> str | None:
        """Whose target a record is; None where there is no such member, store or department."""
        if record.userid is not None:
            return f"staff:{record.userid}" if record.userid in self.staff else None
        department = self.stores.get(record.store) if record.store is not None else record.department
        return f"department:{department}" if department in self.departments else None


def departments_led(session: Session, userid: str) -> list[Department]:
    """The departments a member leads herself."""
    led = select(Department).join(StaffDepartment, col(StaffDepartment.department_id) == col(Department.id))
    return list(session.scalars(led.where(col(StaffDepartment.userid) == userid, col(StaffDepartment.leads))))


def put(session: Session, wanted: Iterable[Wanted], by: str, now: datetime) -> None:
    """Write targets over those of the same month."""
    for one in wanted:
        same = (col(Target.whose) == one.whose, col(Target.metric) == one.metric, col(Target.month) == one.month)
        target = session.scalars(select(Target).where(*same)).first()
        target = target or Target(whose=one.whose, metric=one.metric, month=one.month, value=0, at=now)
        target.value, target.by, target.at = one.value, by, now
        session.add(target)
    session.flush()


def put_as_leader(session: Session, leader: str, wanted: list[Wanted], now: datetime) -> None:
    """Set targets of a member she leads, or of a department she leads herself. Raises `NotYours`."""
    led = {f"department:{one.id}" for one in departments_led(session, leader)}
    for one in wanted:
        kind, _, name = one.whose.partition(":")
        if not (one.whose in led or (kind == "staff" and name != leader and leads(session, leader, name))):
            raise NotYours("targets are set by whoever leads the member or the team")
    put(session, wanted, leader, now)


def target_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of a CSV file, each with its line. Raises `BadFile`."""
    fields = list(TargetRecord.model_fields)
    numbers = ("department", "value")
    with path.open(encoding=encoding_of(path), newline="") as file:
        rows = csv.DictReader(file)
        if unknown := [name for name in rows.fieldnames or [""] if name not in fields]:
            raise BadFile(f"{path.name}: unknown column {unknown[0]!r}; columns are {', '.join(fields)}")
        for row in rows:
            filled = {name: cell.strip() for name, cell in row.items() if name and cell and cell.strip()}
            yield rows.line_num, filled | {name: int(filled[name]) for name in numbers if WHOLE(filled.get(name, ""))}


def take_targets(
    session: Session, raw: Iterable[tuple[int, object]], now: datetime, *, partial: bool = False
) -> Outcome:
    """Check records and store them: a target says what the latest of its records or of its leader's words said.

    Raises `NotTaken` when some are wrong, unless `partial`: then the good ones are stored.
    """
    entries, problems = checked(session, raw, now)
    problems.sort(key=lambda one: one.place)
    if problems and not partial:
        raise NotTaken(problems)
    months = {wanted.month for wanted, _ in entries}
    there = {
        (one.whose, one.metric, one.month): one
        for one in session.scalars(select(Target).where(col(Target.month).in_(months)))
    }
    stored = sum(took(session, there, wanted, at) for wanted, at in entries)
    session.flush()
    return Outcome(stored, len(entries) - stored, tuple(problems))


def took(session: Session, there: dict[tuple[str, str, date], Target], wanted: Wanted, at: datetime) -> bool:
    """Write a target unless a later word holds; answers whether that changed it."""
    key = (wanted.whose, wanted.metric, wanted.month)
    target = there.get(key)
    if target is None:
        there[key] = Target(**wanted.__dict__, by=IMPORTED, at=at)
        session.add(there[key])
        return True
    if at < target.at:
        return False
    changed = target.value != wanted.value
    target.value, target.by, target.at = wanted.value, IMPORTED if changed else target.by, at
    return changed


def checked(
    session: Session, raw: Iterable[tuple[int, object]], now: datetime
) -> tuple[list[tuple[Wanted, datetime]], list[Problem]]:
    """Targets with when each was decided, and what is wrong with the other records."""
    known = Known(
        set(session.scalars(select(col(Staff.userid)))),
        set(session.scalars(select(col(Department.id)))),
        dict(session.exec(select_rows(Store.code, Store.department_id)).all()),
    )
    good: list[tuple[Wanted, datetime]] = []
    problems: list[Problem] = []
    for place, fields in raw:
        try:
            record = TargetRecord.model_validate(fields)
        except ValidationError as error:
            problems += problems_of(error, place)
            continue
        wrong = wrong_in(record, known, now, place)
        problems += wrong
        if not wrong:
            good.append((Wanted(known.whose(record) or "", record.metric, record.month, record.value), record.at))
    return good, problems


def wrong_in(record: TargetRecord, known: Known, now: datetime, place: int) -> Sequence[Problem]:
    """What a record that is right by itself refers to and is not there."""
    wrong = []
    if known.whose(record) is None:
        field = next(name for name in ("userid", "store", "department") if getattr(record, name) is not None)
        remedy = f"there is no such {field} that people work in" if field == "store" else f"there is no such {field}"
        wrong.append(Problem(place, field, str(getattr(record, field)), f"{remedy}; check it, or sync first"))
    metric = METRICS.get(record.metric)
    if metric is None or metric.unit not in {FEN, COUNT}:
        remedy = "write a metric of docs/metrics.md that is counted or in fen, such as amount or orders"
        wrong.append(Problem(place, "metric", record.metric, remedy))
    if record.at > now + AHEAD:
        wrong.append(
            Problem(place, "at", record.at.isoformat(), "this is in the future; check the clock and the offset")
        )
    return wrong
