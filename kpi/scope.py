"""Whose numbers may be seen: one's own, those of the departments one leads, or all; put into every query."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, literal, or_, select, true
from sqlmodel import Session, col

from contacts.models import Department, Staff, StaffDepartment, Store


class NotYours(PermissionError):
    """Somebody asked for numbers she may not see."""


@dataclass(frozen=True)
class Scope:
    """One member (`userid`), the subtrees below `paths`, who works `beside` a member; everybody when all are empty."""

    userid: str | None = None
    paths: tuple[str, ...] = ()
    beside: str | None = None

    @property
    def everybody(self) -> bool:
        """No limit."""
        return self.userid is None and self.beside is None and not self.paths

    def departments(self) -> Select[Any]:
        """The ids of the departments in the subtrees."""
        every = select(col(Department.id))
        below = (col(Department.path).startswith(path, autoescape=True) for path in self.paths)
        return every.where(or_(*below)) if self.paths else every

    def members(self) -> Select[Any] | CompoundSelect[Any]:
        """The userids of who works there."""
        if self.beside is not None:
            return beside(self.beside)
        return select(col(StaffDepartment.userid)).where(col(StaffDepartment.department_id).in_(self.departments()))

    def covers(self, userid: Any, store: Any = None) -> ColumnElement[bool]:
        """The condition on a row's member, and on its store where it is nobody's."""
        if self.userid is not None:
            return userid == self.userid  # type: ignore[no-any-return]
        if self.everybody:
            return true()
        theirs = userid.in_(self.members())
        if store is None or self.beside is not None:
            return theirs  # type: ignore[no-any-return]
        stores = select(col(Store.code)).where(col(Store.department_id).in_(self.departments()))
        return or_(theirs, userid.is_(None) & store.in_(stores))


@lru_cache(maxsize=1000)
def beside(userid: str) -> CompoundSelect[Any]:
    """The userids of who works in one of a member's departments, herself included also when she is in none."""
    departments = select(col(StaffDepartment.department_id)).where(col(StaffDepartment.userid) == userid)
    together = select(col(StaffDepartment.userid)).where(col(StaffDepartment.department_id).in_(departments))
    return together.union(select(literal(userid)))


EVERYBODY = Scope()


def own(userid: str) -> Scope:
    """A member's own numbers."""
    return Scope(userid=userid)


def team_of(session: Session, userid: str) -> Scope:
    """The departments a member leads, with everything below; the whole company's leader sees all.

    Raises `NotYours` when she leads none.
    """
    led = select(col(Department.path), col(Department.parent_id)).join(
        StaffDepartment, col(StaffDepartment.department_id) == col(Department.id)
    )
    found = session.execute(led.where(col(StaffDepartment.userid) == userid, col(StaffDepartment.leads))).all()
    if not found:
        raise NotYours("only leaders see a team's numbers")
    if any(parent == 0 for _, parent in found):
        return EVERYBODY
    return Scope(paths=tuple(sorted(path for path, _ in found)))


def widest(session: Session, userid: str) -> Scope:
    """All a member may see: her team's numbers where she leads one, else her own."""
    try:
        return team_of(session, userid)
    except NotYours:
        return own(userid)


def member_of(session: Session, asker: str, userid: str) -> Scope:
    """One member's numbers, asked for by herself or by whoever leads her. Raises `NotYours`."""
    if asker != userid:
        member = col(Staff.userid)
        theirs = select(member).where(member == userid, team_of(session, asker).covers(member))
        if not session.execute(theirs).first():
            raise NotYours("this member is not in your team")
    return own(userid)
