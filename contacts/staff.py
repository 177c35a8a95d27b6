"""Departments and staff: their sync from the platform and the questions others ask about them."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, or_, update
from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.database import Remembered
from bot.gateway import Gateway
from bot.jobs import Done, Job
from bot.wecom import results
from contacts.models import Department, Staff, StaffDepartment

SYNC = "sync_staff"
"""The kind of job that pulls departments and staff."""


@dataclass(frozen=True)
class StaffPull:
    """What one pull from the platform found."""

    departments: list[results.Department]
    members: list[results.Member]
    follow_users: frozenset[str]


async def pull(gateway: Gateway, progress: Callable[[int, int], None] = lambda _done, _all: None) -> StaffPull:
    """Everything the app sees of the company; `progress(done, all)` counts departments. Raises `WeComError`."""
    departments = await gateway.departments()
    members: dict[str, results.Member] = {}
    for number, department in enumerate(departments, 1):
        members |= {member.userid: member for member in await gateway.members(department.id)}
        progress(number, len(departments))
    return StaffPull(departments, list(members.values()), frozenset(await gateway.follow_users()))


def store(session: Session, pulled: StaffPull, now: datetime) -> None:
    """Make the record what the platform says; staff no longer seen stay, inactive."""
    paths = tree_paths(pulled.departments)
    for one in pulled.departments:
        department = Department(id=one.id, name=one.name, parent_id=one.parentid, path=paths[one.id], order=one.order)
        session.merge(department)
    seen = [one.id for one in pulled.departments]
    session.exec(delete(Department).where(col(Department.id).not_in(seen)))
    session.exec(update(Staff).where(col(Staff.active)).values(active=False))
    PLACES.forget()
    for member in pulled.members:
        store_member(session, member, member.userid in pulled.follow_users, now)


def store_member(session: Session, member: results.Member, customer_contact: bool, now: datetime) -> None:
    """Write one member as the platform shows her."""
    staff = Staff(
        userid=member.userid,
        name=member.name or member.userid,
        position=member.position,
        active=member.status == 1,
        customer_contact=customer_contact,
        synced_at=now,
    )
    session.merge(staff)
    session.flush()
    session.exec(delete(StaffDepartment).where(col(StaffDepartment.userid) == member.userid))
    leads = dict(zip(member.department, member.is_leader_in_dept, strict=False))
    session.add_all(
        StaffDepartment(userid=member.userid, department_id=department, leads=bool(leads.get(department)))
        for department in member.department
    )


def tree_paths(departments: Iterable[results.Department]) -> dict[int, str]:
    """Path of each department from the highest one we see; a cycle in the data ends at its first repetition."""
    parents = {one.id: one.parentid for one in departments}

    def path(department: int) -> str:
        ids: list[int] = []
        while department in parents and department not in ids:
            ids.append(department)
            department = parents[department]
        return "/" + "".join(f"{one}/" for one in reversed(ids))

    return {department: path(department) for department in parents}


def subtree(session: Session, departments: Iterable[int]) -> set[int]:
    """The departments and everything below them."""
    roots = (session.exec(select(Department.path).where(col(Department.id).in_(list(departments))))).all()
    if not roots:
        return set()
    below = select(Department.id).where(or_(*(col(Department.path).startswith(root) for root in roots)))
    return set((session.exec(below)).all())


@dataclass(frozen=True)
class Place:
    """Where a member stands in the company; names are empty while she is not synced yet."""

    name: str
    departments: frozenset[int]
    """Her departments and all above them: what holds for a department holds for those below it."""
    company: str
    """The name of the highest department we see."""


PLACE_OF = (
    select(Staff.name, Department.path)
    .join(StaffDepartment, col(StaffDepartment.userid) == col(Staff.userid), isouter=True)
    .join(Department, col(Department.id) == col(StaffDepartment.department_id), isouter=True)
    .where(Staff.userid == bindparam("who"))
)
COMPANY = select(Department.name).order_by(col(Department.path)).limit(1)


def read_place(connection: Connection, userid: str) -> Place:
    """Where a member stands, from the record."""
    rows = connection.execute(PLACE_OF, {"who": userid}).all()
    above = frozenset(int(one) for _, path in rows for one in (path or "").split("/") if one)
    return Place(rows[0][0] if rows else "", above, connection.execute(COMPANY).scalar() or "")


PLACES = Remembered(read_place)


def place_of(session: Session, userid: str) -> Place:
    """Where a member stands, as it was at most a second ago."""
    return PLACES.get(session.connection(), userid)


def sync_staff(gateway: Gateway, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that pulls departments and staff."""

    async def run(_: Job) -> Done:
        pulled = await pull(gateway)
        return Done(
            f"{len(pulled.departments)} departments, {len(pulled.members)} staff",
            then=lambda session: store(session, pulled, clock.now()),
        )

    return run
