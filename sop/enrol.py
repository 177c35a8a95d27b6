"""Enrolling: whom a rule's trigger found begins a run, once per occurrence, with one member of staff in charge."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from bot.database import defaults
from contacts.bulk import among, insert_rows
from contacts.calendar import Rota, rota
from contacts.models import Customer, FollowUser, Staff
from sop import rules
from sop.sops import RUNS, Run, SopVersion
from sop.triggers import Occurrence, Window, find

BLANK = {name: value for name, value in defaults(Run).items() if name != "id"}
ROWS = 400
LONGEST_BREAK = 40
"""Days looked ahead for a member's next workday: longer than any holiday."""


@dataclass(frozen=True)
class Charge:
    """Who is in charge of each customer, and on which days these members work."""

    main: Mapping[int, str]
    tied: Mapping[int, str]
    active: frozenset[str]
    days: Rota

    def of(self, one: Occurrence) -> str | None:
        """The occurrence's own consultant, else the main staff, else whoever added her last; None: nobody is left."""
        wished = (one.userid, self.main.get(one.customer_id), self.tied.get(one.customer_id))
        return next((userid for userid in wished if userid and userid in self.active), None)

    def now(self, userid: str | None, customer_id: int) -> str | None:
        """Who is in charge today: the run's member, or whoever took over when she left."""
        wished = (userid, self.main.get(customer_id), self.tied.get(customer_id))
        return next((one for one in wished if one and one in self.active), None)

    def moved(self, userid: str | None, day: date, policy: str) -> date:
        """A step's day by its workday policy and the member's own calendar."""
        if policy == "as_is" or userid is None:
            return day
        way = 1 if policy == "next" else -1
        tried = (day + timedelta(days=way * number) for number in range(LONGEST_BREAK))
        return next((one for one in tried if self.days.works(userid, one)), day)


def charge_of(session: Session, customer_ids: Iterable[int], today: date, userids: Iterable[str | None] = ()) -> Charge:
    """Who is in charge of these customers, read in sets; `userids`: members their bookings, orders or runs name."""
    ids = set(customer_ids)
    query = select(col(Customer.id), col(Customer.main_userid)).where(among(session, col(Customer.id), ids))
    main = {number: userid for number, userid in session.execute(query) if userid}
    ties = select(col(FollowUser.customer_id), col(FollowUser.userid)).order_by(col(FollowUser.added_at))
    living = (among(session, col(FollowUser.customer_id), ids), col(FollowUser.lost_at).is_(None))
    tied = {row.customer_id: row.userid for row in session.execute(ties.where(*living))}
    named = {one for one in (*main.values(), *tied.values(), *userids) if one}
    here = (among(session, col(Staff.userid), named), col(Staff.active))
    active = frozenset(session.scalars(select(col(Staff.userid)).where(*here)))
    reach = timedelta(days=LONGEST_BREAK * 2)
    return Charge(main, tied, active, rota(session, active, today - reach, today + reach))


def chunks(values: list[Any]) -> Iterator[list[Any]]:
    """Parts small enough for one statement."""
    for start in range(0, len(values), ROWS):
        yield values[start : start + ROWS]


def enrol(session: Session, versions: Iterable[SopVersion], window: Window, only: list[int] | None = None) -> int:
    """Begin a run for whomever these versions' triggers find; answers how many are new."""
    found = [
        (version, one)
        for version in versions
        for one in find(session, version.rule, window, only, sop_id=version.sop_id)
    ]
    if not found:
        return 0
    whose = ((one.customer_id for _, one in found), window.day.today, {one.userid for _, one in found})
    charge = charge_of(session, *whose)
    return len(insert_rows(session, RUNS, [row_of(version, one, charge) for version, one in found], ["id"]))


def row_of(version: SopVersion, one: Occurrence, charge: Charge) -> dict[str, Any]:
    """A run at its beginning."""
    rule: rules.Rule = version.rule
    userid, first = charge.of(one), rule.what[0]
    due = charge.moved(userid, one.day + timedelta(days=first.day), first.workday)
    return {
        **BLANK,
        "sop_id": version.sop_id,
        "version_id": version.id,
        "customer_id": one.customer_id,
        "occurrence": one.key[:200],
        "since": one.since,
        "day": one.day,
        "userid": userid,
        "bases": [one.day.isoformat()],
        "due_on": due,
    }
