"""Who leads whom: a leader of a department leads everybody in it and below it, herself included."""

from collections import defaultdict
from collections.abc import Iterable

from sqlmodel import Session, col, select

from contacts.models import Department, Staff, StaffDepartment

IDS_AT_ONCE = 500


def leads(session: Session, leader: str, userid: str) -> bool:
    """Whether `leader` may decide for this member."""
    return leader in {one for one, _ in leading(session, userid)}


def leaders_of(session: Session, userid: str) -> list[str]:
    """The active leaders nearest above a member, herself left out: whom to tell. Empty when nobody leads her."""
    others = [(one, path) for one, path in leading(session, userid) if one != userid]
    nearest = max((len(path.split("/")) for _, path in others), default=0)
    return sorted({one for one, path in others if len(path.split("/")) == nearest})


def leading(session: Session, userid: str) -> list[tuple[str, str]]:
    """Every active leader of the member's departments and those above, with the path of the department led."""
    places = select(Department.path).join(StaffDepartment, col(StaffDepartment.department_id) == col(Department.id))
    paths = session.exec(places.where(StaffDepartment.userid == userid)).all()
    above = {int(one) for path in paths for one in path.split("/") if one}
    found = (
        select(StaffDepartment.userid, Department.path)
        .join(Department, col(Department.id) == col(StaffDepartment.department_id))
        .join(Staff, col(Staff.userid) == col(StaffDepartment.userid))
        .where(col(StaffDepartment.leads), col(Staff.active), col(Department.id).in_(above))
    )
    return list(session.exec(found).all())


def leaders_by_member(session: Session, userids: Iterable[str]) -> dict[str, list[str]]:
    """The same as `leaders_of` for many members, in a handful of queries; those nobody leads are left out."""
    led = (
        select(StaffDepartment.userid, Department.path)
        .join(Department, col(Department.id) == col(StaffDepartment.department_id))
        .join(Staff, col(Staff.userid) == col(StaffDepartment.userid))
        .where(col(StaffDepartment.leads), col(Staff.active))
    )
    leading_at: dict[str, set[str]] = defaultdict(set)
    for leader, path in session.exec(led):
        leading_at[path].add(leader)
    paths: dict[str, set[str]] = defaultdict(set)
    members = sorted(set(userids))
    for start in range(0, len(members), IDS_AT_ONCE):
        part = col(StaffDepartment.userid).in_(members[start : start + IDS_AT_ONCE])
        places = select(StaffDepartment.userid, Department.path).join(
            Department, col(Department.id) == col(StaffDepartment.department_id)
        )
        for userid, path in session.exec(places.where(part)):
            paths[userid].update(above(path))
    nearest: dict[str, list[str]] = {}
    for userid, known in paths.items():
        others = {path: leading_at[path] - {userid} for path in known if leading_at.get(path, set()) - {userid}}
        depth = max((path.count("/") for path in others), default=0)
        found = {leader for path, leaders in others.items() if path.count("/") == depth for leader in leaders}
        if found:
            nearest[userid] = sorted(found)
    return nearest


def above(path: str) -> list[str]:
    """A department's path and those of all above it: `/1/4/` gives `/1/4/` and `/1/`."""
    ids = [one for one in path.split("/") if one]
    return ["/" + "".join(f"{one}/" for one in ids[:length]) for length in range(1, len(ids) + 1)]
