"""The demo company's customer groups (客户群)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator.population.calendar import dice_for, midnight
from simulator.population.company import BY_USERID, EAST, ONLINE, SOUTH, WEST, opaque_id
from simulator.population.people import Person
from simulator.population.ties import Population

GROUPS = (
    ("城东店福利群", "su", EAST, "", 70), ("城西店福利群", "he", WEST, "", 60), ("城南店福利群", "fang", SOUTH, "", 50),
    ("宝妈交流群", "zhou", ONLINE, "母婴", 80), ("护肤打卡群", "lin", EAST, "美肤", 60),
    ("考研冲刺群", "zhou", ONLINE, "考研", 40),
)  # fmt: skip
"""Name, owner, department, need and size."""
BY_QR, INVITED = 3, 1


@dataclass(frozen=True)
class InCircle:
    """Somebody in a group; `person` is None for a member of staff."""

    id: str
    name: str
    person: Person | None
    joined_at: datetime
    scene: int
    state: str = ""


@dataclass(frozen=True)
class Circle:
    """A customer group."""

    chat_id: str
    name: str
    owner: str
    created_at: datetime
    opengid: str
    notice: str
    version: str
    members: list[InCircle]


def circles(population: Population) -> list[Circle]:
    """The groups as they are on the demo day."""
    dice = dice_for("groups", population.day)
    found = []
    for name, owner, department, need, size in GROUPS:
        created = midnight(population.day - timedelta(dice.randint(90, 170))) + timedelta(hours=11)
        staff = [one for one in BY_USERID.values() if one.department == department and one.userid != "du"]
        members = [InCircle(one.userid, one.name, None, created, INVITED) for one in staff]
        fitting = {
            tie.person.number: tie
            for tie in population.ties
            if tie.shown and not tie.ended_at
            and (tie.person.need == need if need else BY_USERID[tie.userid].department == department)
        }  # fmt: skip
        for tie in dice.sample(list(fitting.values()), min(size, len(fitting))):
            begin = max(created, tie.added_at)
            span = (midnight(population.day) - begin).total_seconds()
            joined = begin + timedelta(seconds=int(1 + (span - 1) * dice.random()))
            person = tie.person
            members.append(InCircle(person.external_userid, person.name, person, joined, BY_QR))
        chat_id = "wr" + opaque_id("group", name, 30)
        found.append(
            Circle(
                chat_id=chat_id,
                name=name,
                owner=owner,
                created_at=created,
                opengid="o" + opaque_id("opengid", name, 26),
                notice="文明交流，发广告请先问群主" if need else "每周六 20:00 群内福利",
                version=opaque_id("version", name, 32),
                members=members,
            )
        )
    return found
