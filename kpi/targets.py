"""Targets of a month: set by leaders for their people and teams, in chat or from a file; the latest word holds."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from contacts.leaders import leads
from contacts.models import Department, Staff, StaffDepartment
from contacts.spreadsheets import BadFile, encoding_of
from kpi.measures import METRICS
from kpi.models import Target
from kpi.registry import COUNT, FEN
from kpi.scope import NotYours

COLUMNS = ("whose", "metric", "month", "value")
MOST = 10**12


@dataclass(frozen=True)
class Wanted:
    """A number to reach in a month; `value` in the metric's unit, money in fen."""

    whose: str
    """`staff:userid` or `department:id`."""
    metric: str
    month: date
    value: int


class BadTarget(ValueError):
    """A target that cannot be; the text names field, value and remedy."""


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


def read_targets(session: Session, path: Path) -> list[Wanted]:
    """The targets of a CSV file. Raises `BadTarget` or `BadFile` naming line, field, value and remedy."""
    with path.open(encoding=encoding_of(path), newline="") as file:
        rows = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise BadFile(f"{path.name} has no column {missing[0]}; its columns are {', '.join(COLUMNS)}")
        staff = set(session.scalars(select(col(Staff.userid))))
        departments = {str(one) for one in session.scalars(select(col(Department.id)))}
        return [read_row(row, line, staff, departments) for line, row in enumerate(rows, 2)]


def read_row(row: dict[str, str], line: int, staff: set[str], departments: set[str]) -> Wanted:
    """One line of a file. Raises `BadTarget`."""

    def refuse(field: str, remedy: str) -> BadTarget:
        return BadTarget(f"line {line}: {field}={row[field]!r}: {remedy}")

    kind, _, name = row["whose"].strip().partition(":")
    if name not in {"staff": staff, "department": departments}.get(kind, set()):
        raise refuse("whose", "write staff:USERID or department:ID of one that exists")
    metric = METRICS.get(row["metric"].strip())
    if metric is None or metric.unit not in {FEN, COUNT}:
        raise refuse("metric", "write a metric of docs/metrics.md that is counted or in fen, such as amount or orders")
    try:
        month = date.fromisoformat(f"{row['month'].strip()}-01")
    except ValueError as error:
        raise refuse("month", "write a month such as 2026-11") from error
    value = row["value"].strip()
    if not value.isdigit() or not 0 < int(value) <= MOST:
        raise refuse("value", "write a whole number above 0; money in fen")
    return Wanted(f"{kind}:{name}", metric.name, month, int(value))
