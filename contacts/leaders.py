"""Who leads whom: a leader of a department leads everybody in it and below it, herself included."""

from sqlmodel import Session, col, select

from contacts.models import Department, Staff, StaffDepartment


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
