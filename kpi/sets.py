"""KPI sets: what a member looks at first, by purpose and stage of her department and by her role.

One main KPI and at most five beside it; a department's choice holds for those below it that made none.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from contacts.models import Department, StaffDepartment
from kpi.models import KpiSet

GMV, WARMTH = "gmv", "warmth"
START, GROWTH, STEADY = "start", "growth", "steady"
SETS: dict[tuple[str, str], tuple[str, ...]] = {
    (GMV, START): (
        "contacts_added", "delete_rate", "interaction_rate", "response_rate", "tagging_rate", "amount",
    ),
    (GMV, GROWTH): ("amount", "orders", "buyers", "amount_per_buyer", "contacts_added", "tagging_rate"),
    (GMV, STEADY): (
        "amount_per_head", "amount", "repeat_rate", "private_performance", "delete_rate", "active_rate",
    ),
    (WARMTH, START): (
        "interaction_rate", "contacts_added", "delete_rate", "response_rate", "satisfaction", "complaints_per_1000",
    ),
    (WARMTH, GROWTH): (
        "satisfaction", "complaints_per_1000", "service_success_rate", "interaction_rate", "tagging_rate",
        "delete_rate",
    ),
    (WARMTH, STEADY): (
        "satisfaction", "complaints_per_1000", "stay_rate", "referral_rate", "repeat_rate", "first_reply_minutes",
    ),
}  # fmt: skip
"""The main KPI first."""
FOR_LEADERS = {GMV: "todo_done_rate", WARMTH: "staff_reply_rate"}
"""What a leader sees in the last one's place."""
USUAL = (GMV, GROWTH)


@dataclass(frozen=True)
class Chosen:
    """A member's KPIs."""

    purpose: str
    stage: str
    main: str
    auxiliary: tuple[str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The main one first."""
        return self.main, *self.auxiliary


def set_of(session: Session, userid: str) -> Chosen:
    """The KPIs of a member's role, by the choice of the nearest department above her."""
    places = select(col(Department.path), col(StaffDepartment.leads)).join(
        StaffDepartment, col(StaffDepartment.department_id) == col(Department.id)
    )
    found = session.execute(places.where(col(StaffDepartment.userid) == userid)).all()
    leads = any(row.leads for row in found)
    above = sorted({tuple(row.path.strip("/").split("/")) for row in found}, key=lambda path: (-len(path), path))
    return chosen(session, [int(one) for path in above for one in reversed(path) if one], leads=leads)


def chosen(session: Session, departments: list[int], *, leads: bool) -> Chosen:
    """The KPIs that the first of these departments with a choice looks at."""
    made = {one.department_id: one for one in session.scalars(
        select(KpiSet).where(col(KpiSet.department_id).in_(departments))
    )}  # fmt: skip
    one = next((made[department] for department in departments if department in made), None)
    purpose, stage = (one.purpose, one.stage) if one else USUAL
    main, *auxiliary = SETS[purpose, stage]
    if leads:
        auxiliary[-1] = FOR_LEADERS[purpose]
    return Chosen(purpose, stage, main, tuple(auxiliary))


def choose(session: Session, by: str, purpose: str, stage: str, now: datetime) -> int:
    """Let the departments a leader leads look at a set; answers how many there are."""
    led = select(col(StaffDepartment.department_id)).where(
        col(StaffDepartment.userid) == by, col(StaffDepartment.leads)
    )
    departments = list(session.scalars(led))
    for department in departments:
        session.merge(KpiSet(department_id=department, purpose=purpose, stage=stage, by=by, at=now))
    return len(departments)
