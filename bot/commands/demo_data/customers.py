"""Customers of the demo: who they are, their ties and tags, and what was learnt about them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from bot.commands.demo_data.company import ATTRIBUTES, Company
from bot.commands.demo_data.rows import Rows
from contacts.annual import next_on
from contacts.attributes import read_value
from contacts.changes import EXTERNAL
from contacts.facts import Transfer as HandOver
from contacts.models import (
    ADDED,
    HALF_ADDED,
    LOST,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    AttributeValue,
    Customer,
    FollowUser,
    Identity,
    MainStaffChange,
    TieChange,
)
from contacts.records import MEMBER, PHONE, UNION
from contacts.tags import CHANNEL, CLIENT, PairTag, TagChange
from simulator.population.calendar import dice_for, midnight
from simulator.population.company import BY_USERID, GONE, GROUP_OF, STORES, tag_id
from simulator.population.people import Person, birthday_soon, make_person
from simulator.population.ties import ASSIGNED, BY_CODE, BY_LINK, CUSTOMER, FRIENDS, TRANSFER, Population, Tie

BY_PHONE = 60
"""Customers who are no WeCom friends: they booked by phone."""
WARM, COOLED = "高意向", ("中意向", "低意向")
REASONS = ("价格", "已在别处办理", "觉得打扰", "搬家了", "服务不满意")


@dataclass
class Life:
    """A customer as the generator of facts sees her: when she may act, and who answers for her."""

    id: int
    person: Person
    ties: list[Tie]
    """In the order they began."""
    begins: datetime
    ends: datetime
    """Nothing of hers happens at or after this."""
    main: str | None
    heat: float
    """How likely she is to buy, about 0 to 1.5."""

    @property
    def reachable(self) -> bool:
        """Whether some tie stands on the demo day."""
        return any(not tie.ended_at and not tie.half for tie in self.ties)

    @property
    def store(self) -> str | None:
        """The store of the member who answers for her."""
        return STORES.get(BY_USERID[self.main].department) if self.main else None

    def member(self, at: datetime) -> str | None:
        """Who looked after her at some time."""
        here = (tie for tie in self.ties if tie.added_at <= at and not (tie.ended_at and tie.ended_at <= at))
        standing = next(here, None)
        return standing.userid if standing else self.main


def write_customers(rows: Rows, company: Company, population: Population) -> list[Life]:
    """Write every customer with ties, tags and attributes; answers their lives, by id."""
    dice = dice_for("customers", company.day)
    ties: defaultdict[int, list[Tie]] = defaultdict(list)
    for tie in population.ties:
        ties[tie.person.number].append(tie)
    strangers = [make_person(dice, FRIENDS + one, company.day) for one in range(BY_PHONE)]
    lives = [life_of(dice, company.day, person, ties[person.number]) for person in (*population.people, *strangers)]
    for life in lives:
        write_person(rows, dice, company.day, life)
        write_main_staff(rows, life, company.day)
        reasons = {tie.userid: write_tie(rows, dice, company, life, tie) for tie in life.ties}
        write_history(rows, company, life, reasons)
        write_attributes(rows, dice, company.day, life)
    return lives


def life_of(dice: Random, day: date, person: Person, ties: list[Tie]) -> Life:
    """When a customer may act, and how ready to buy she is."""
    now = midnight(day)
    if not ties:
        person.need = dice.choice(("口腔", "美肤"))
        return Life(person.number + 1, person, [], now - timedelta(days=dice.randint(3, 170)), now, None, 0.9)
    first = ties[0]
    begins = min(tie.before[0] if tie.before else tie.added_at for tie in ties)
    ends = max(tie.ended_at or now for tie in ties)
    member = BY_USERID[first.userid]
    heat = (first.way.warmth if first.way else 1) * member.skill * (0.25 + 0.9 * person.zeal)
    main = next((tie.userid for tie in ties if tie.moved and first.ended_by == TRANSFER), first.userid)
    return Life(person.number + 1, person, ties, begins, ends, "fang" if main == GONE.userid else main, heat)


def write_person(rows: Rows, dice: Random, day: date, life: Life) -> None:
    """The customer's own row and her ids."""
    person = life.person
    known = person.number % 60 == 7 or dice.random() < 0.6
    lunar = known and person.number % 60 != 7 and dice.random() < 0.12
    rows.add(
        Customer,
        name=person.name if life.ties else person.called,
        gender=person.gender,
        kind=person.kind,
        birthday=person.born if known else None,
        birthday_lunar=lunar,
        birthday_next=next_on(person.born, day, lunar=lunar) if known else None,
        store=life.store or (dice.choice(list(STORES.values())) if not life.ties else None),
        main_userid=life.main,
        first_added_at=life.begins if life.ties else None,
    )
    if life.ties:
        rows.add(Identity, customer_id=life.id, kind=EXTERNAL, value=person.external_userid)
    if person.unionid and life.ties:
        rows.add(Identity, customer_id=life.id, kind=UNION, value=person.unionid)
    if not life.ties or dice.random() < 0.4 or any(tie.phones for tie in life.ties):
        rows.add(Identity, customer_id=life.id, kind=PHONE, value=person.phone)
    if dice.random() < 0.3:
        rows.add(Identity, customer_id=life.id, kind=MEMBER, value=f"M{100_000 + life.id}")


def write_main_staff(rows: Rows, life: Life, day: date) -> None:
    """Who took over from whom."""
    if life.ties and life.ties[0].userid != life.main:
        at = life.ties[0].ended_at or midnight(day)
        reason = "客户移交" if life.ties[0].ended_by == TRANSFER else "员工离职"
        rows.add(
            MainStaffChange,
            at=at,
            customer_id=life.id,
            before=life.ties[0].userid,
            after=life.main,
            by="gao",
            reason=reason,
        )


def write_tie(rows: Rows, dice: Random, company: Company, life: Life, tie: Tie) -> str:
    """A tie as the platform last showed it, with its tags and how they came; answers why it ended, where staff said."""
    by_customer = tie.ended_by == CUSTOMER
    reason = dice.choice(REASONS) if by_customer and dice.random() < 0.35 else ""
    rows.add(
        FollowUser,
        customer_id=life.id,
        userid=tie.userid,
        state=tie.way.state if tie.way else "",
        half=tie.half,
        added_at=tie.added_at,
        lost_at=tie.ended_at,
        lost_by=tie.ended_by or None,
        loss_reason=reason,
        remark=tie.remark,
        description=tie.description,
        phones=tie.phones,
        add_way=ASSIGNED if tie.moved else BY_LINK if tie.way and tie.way.link else BY_CODE,
        channel_id=company.channels[tie.way.state] if tie.way else None,
        fetched_at=None if tie.half else midnight(company.day) + timedelta(hours=3, minutes=10),
    )
    for name, since in tie.tags.items():
        channel = tie.way.state if tie.way and name == tie.way.source else ""
        if tie.shown:
            rows.add(PairTag, customer_id=life.id, userid=tie.userid, tag_id=tag_id(name), since=since)
        note_tag(rows, life, tie, name, since, channel=channel)
        if name in COOLED and life.id % 3:  # she was thought warmer at first: this one took the place of 高意向
            note_tag(rows, life, tie, WARM, tie.added_at + (since - tie.added_at) / 2)
            note_tag(rows, life, tie, WARM, since, added=False)
    return reason


def note_tag(
    rows: Rows, life: Life, tie: Tie, name: str, at: datetime, *, added: bool = True, channel: str = ""
) -> None:
    """A line of the tag log: the member's doing, or the channel's."""
    rows.add(
        TagChange,
        at=at,
        customer_id=life.id,
        userid=tie.userid,
        tag_id=tag_id(name),
        tag_name=name,
        group_name=GROUP_OF[name],
        added=added,
        source=CHANNEL if channel else CLIENT,
        by="" if channel else tie.userid,
        cause=channel,
    )


def write_history(rows: Rows, company: Company, life: Life, reasons: dict[str, str]) -> None:
    """Every add and end of the customer's ties, in order; which adds brought somebody back, why a member lost her."""
    standing: set[str] = set()
    gone = False
    for at, tie, kind in sorted(changes_of(life.ties), key=lambda change: change[0]):
        began = kind in {ADDED, HALF_ADDED, TRANSFERRED_IN}
        way = tie.way if began else None
        rows.add(
            TieChange,
            at=at,
            customer_id=life.id,
            userid=tie.userid,
            kind=kind,
            by={LOST: tie.ended_by or CUSTOMER, TRANSFERRED_OUT: TRANSFER}.get(kind),
            returned=kind in {ADDED, HALF_ADDED} and gone and not standing,
            state=way.state if way else "",
            channel_id=company.channels[way.state] if way else None,
            source="transfer" if kind in {TRANSFERRED_IN, TRANSFERRED_OUT} else "callback",
            reason=(reasons[tie.userid] or None) if kind == LOST and at == tie.ended_at else None,
        )
        (standing.add if began else standing.discard)(tie.userid)
        gone = gone or kind == LOST
        if kind == TRANSFERRED_IN:
            write_transfer(rows, life, tie)


def changes_of(ties: list[Tie]) -> Iterator[tuple[datetime, Tie, str]]:
    """What happened to ties: when, which, and the kind of change."""
    for tie in ties:
        if tie.before:
            yield tie.before[0], tie, ADDED
            yield tie.before[1], tie, LOST
        if tie.ended_at:
            yield tie.ended_at, tie, TRANSFERRED_OUT if tie.ended_by == TRANSFER else LOST
        yield tie.added_at, tie, TRANSFERRED_IN if tie.moved else HALF_ADDED if tie.half else ADDED


def write_transfer(rows: Rows, life: Life, taken: Tie) -> None:
    """How a customer was handed over."""
    given = next(tie for tie in life.ties if tie.ended_by == TRANSFER)
    asked = taken.added_at - timedelta(days=1)
    rows.add(
        HandOver,
        asked_at=asked,
        customer_id=life.id,
        handover=given.userid,
        takeover=taken.userid,
        status="done",
        by="gao",
        ended_at=taken.added_at,
    )


def write_attributes(rows: Rows, dice: Random, day: date, life: Life) -> None:
    """What a member learnt about a customer; insurance and children only where it was the topic."""
    for key, text in learnt(dice, day, life.person):
        value = read_value(ATTRIBUTES[key], text, day)
        at = life.begins + (life.ends - life.begins) * dice.random() ** 2
        rows.add(
            AttributeValue,
            customer_id=life.id,
            key=key,
            text=value.text,
            number=value.number,
            day=value.day,
            next_on=value.next_on,
            at=at.replace(microsecond=0),
        )


def learnt(dice: Random, day: date, person: Person) -> Iterator[tuple[str, str]]:
    """Keys and values."""
    if person.need == "母婴":
        yield "child_birth_month", (day.replace(day=1) - timedelta(days=dice.randint(40, 1400))).isoformat()
    if person.need == "考研":
        yield "exam_year", str(day.year + dice.choice((0, 1, 1, 2)))
        yield "target_school", dice.choice(("华东师范大学", "浙江大学", "中山大学", "苏州大学", "西南财经大学"))
    if person.need == "保险" or birthday_soon(person, day) or dice.random() < 0.04:
        yield "insurance_budget", str(dice.choice((2000, 3000, 5000, 5000, 8000, 12000)))
        yield "social_insurance", dice.choice(("是", "是", "是", "否"))
    if person.need == "美肤" and dice.random() < 0.7:
        yield "skin_type", dice.choice(ATTRIBUTES["skin_type"].choices)
    if person.need == "口腔" and dice.random() < 0.6:
        yield "dental_concern", dice.choice(ATTRIBUTES["dental_concern"].choices)
    if dice.random() < 0.08:
        yield "wedding_day", f"{dice.randint(5, 12):02d}-{dice.randint(1, 28):02d}"
