"""Who works on which day.

What decides, the first that says something: the member's own rota, the company's decision for her store, the store's
hours, the company's decision for all stores, the public calendar with its make-up days.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache

from holidays import HolidayBase, country_holidays
from sqlmodel import Session, col, select

from contacts.facts import Holiday, StaffDay, StoreHours
from contacts.models import Department, StaffDepartment, Store

ALWAYS, NATIONAL = "always", "national"
LOOK_DAYS = 60
"""How far a workday is looked for; whoever is away for longer is on leave."""
IDS_AT_ONCE = 500
SPAN = re.compile(r"[1-7](-[1-7])?(,[1-7](-[1-7])?)*")


@cache
def chinese_holidays() -> HolidayBase:
    """China's public holidays; make-up workdays are known as such. Years are filled in as they are asked for."""
    return country_holidays("CN")


@lru_cache(maxsize=1000)
def is_workday(day: date) -> bool:
    """Whether offices work on that day: Monday to Friday, without holidays, with make-up days."""
    return bool(chinese_holidays().is_working_day(day))


@cache
def weekdays(days: str) -> frozenset[int]:
    """The weekdays of `1-6` or `1-5,7`, Monday is 1. Raises ValueError."""
    if not SPAN.fullmatch(days):
        raise ValueError(f"days {days!r}: expected always, national, or weekdays such as 1-6 or 1,3,5-7")
    spans = [part.partition("-") for part in days.split(",")]
    return frozenset(day for first, _, last in spans for day in range(int(first), int(last or first) + 1))


@dataclass(frozen=True)
class Rota:
    """The workdays of some members between two days, read at once."""

    stores: dict[str, str]
    """Each member's store, where she has one."""
    hours: dict[str, str]
    own: dict[tuple[str, date], StaffDay]
    decided: dict[tuple[str, date], bool]
    """The company's decisions by store; empty: all stores."""

    def works(self, userid: str, day: date) -> bool:
        """Whether the member works on that day."""
        if (userid, day) in self.own:
            return self.own[userid, day].works
        store = self.stores.get(userid, "")
        if store and (store, day) in self.decided:
            return self.decided[store, day]
        hours = self.hours.get(store, NATIONAL)
        if hours != NATIONAL:
            return hours == ALWAYS or day.isoweekday() in weekdays(hours)
        return self.decided.get(("", day), is_workday(day))

    def stand_in(self, userid: str, day: date) -> str | None:
        """Who takes her work on a day off, if she named somebody who works then."""
        own = self.own.get((userid, day))
        return own.stand_in if own and not own.works else None


def rota(session: Session, userids: Iterable[str], first: date, last: date) -> Rota:
    """The workdays of these members from `first` to `last`, both included, in a handful of queries."""
    members = sorted(set(userids))
    own = {
        (one.userid, one.day): one
        for start in range(0, len(members), IDS_AT_ONCE)
        for one in session.exec(
            select(StaffDay).where(
                col(StaffDay.userid).in_(members[start : start + IDS_AT_ONCE]), col(StaffDay.day).between(first, last)
            )
        )
    }
    decided = session.exec(select(Holiday).where(col(Holiday.day).between(first, last))).all()
    hours = session.exec(select(StoreHours)).all()
    return Rota(
        stores_of(session, members),
        {one.store: one.days for one in hours},
        own,
        {(one.store, one.day): one.works for one in decided},
    )


def stores_of(session: Session, userids: Iterable[str]) -> dict[str, str]:
    """The store each member works in: that of her department or the nearest above it."""
    members = sorted(set(userids))
    found = select(Store.code, Department.path).join(Department, col(Department.id) == col(Store.department_id))
    by_path = {path: code for code, path in session.exec(found)}
    stores: dict[str, str] = {}
    for start in range(0, len(members) if by_path else 0, IDS_AT_ONCE):
        part = members[start : start + IDS_AT_ONCE]
        places = (
            select(StaffDepartment.userid, Department.path)
            .join(Department, col(Department.id) == col(StaffDepartment.department_id))
            .where(col(StaffDepartment.userid).in_(part))
            .order_by(col(Department.path))
        )
        for userid, path in session.exec(places):
            nearest = max((one for one in by_path if path.startswith(one)), key=len, default=None)
            if nearest:
                stores.setdefault(userid, by_path[nearest])
    return stores


def works(session: Session, userid: str, day: date) -> bool:
    """Whether one member works on one day."""
    return rota(session, [userid], day, day).works(userid, day)


def next_workday(session: Session, userid: str, day: date) -> date | None:
    """The member's first workday from `day` on, itself included; None when she is away for long."""
    return nearest_workday(session, userid, day, 1)


def previous_workday(session: Session, userid: str, day: date) -> date | None:
    """The member's last workday up to `day`, itself included; None when there is none in the last two months."""
    return nearest_workday(session, userid, day, -1)


def nearest_workday(session: Session, userid: str, day: date, step: int) -> date | None:
    """The first workday met going day by day from `day`."""
    days = [day + timedelta(days=step * number) for number in range(LOOK_DAYS + 1)]
    known = rota(session, [userid], min(days), max(days))
    return next((one for one in days if known.works(userid, one)), None)


def stand_in(session: Session, userid: str, day: date) -> str | None:
    """Who takes a member's work on her day off."""
    return rota(session, [userid], day, day).stand_in(userid, day)


def set_days(
    session: Session, userid: str, first: date, last: date, *, works: bool, by: str, stand_in: str | None = None
) -> None:
    """Put into a member's rota that she works, or is off with a stand-in, from `first` to `last`, both included."""
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        session.merge(StaffDay(userid=userid, day=day, works=works, stand_in=stand_in, by=by))
