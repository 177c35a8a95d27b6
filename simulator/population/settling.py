"""Move the demo company's people into the simulated platform."""

from datetime import datetime

from simulator.apis.contact_ways import WAY_DEFAULTS
from simulator.corp import AGENT_ID, LEFT, Corp, Department, Member
from simulator.days import count_of
from simulator.platform import Platform
from simulator.population.calendar import midnight
from simulator.population.company import (
    DEPARTMENTS,
    GONE,
    HIRES,
    OURS,
    TAGS,
    WAYS,
    Way,
    group_id,
    tag_id,
)  # fmt: skip
from simulator.population.groups import Circle, circles
from simulator.population.ties import ASSIGNED, BY_CODE, BY_LINK, CUSTOMER, Population, Tie, gone_at
from simulator.records import Customer, Follow, Group, GroupMember, Link, Tag, TagGroup

HIGHEST_ORDER = 100


def settle(platform: Platform, population: Population) -> None:
    """Fill the platform's company: afterwards its APIs show this population."""
    corp = platform.corp
    opened = seconds(midnight(population.day)) - 600 * 24 * 3600
    hire(corp, population)
    put_up_tags(corp, opened)
    for way in WAYS:
        open_way(platform, way, opened)
    for person in population.people:
        corp.customers[person.external_userid] = Customer(
            person.external_userid, person.name, person.kind, person.gender, person.unionid, person.phone,
            person.corp_name, "采购" if person.kind == 2 else "",
        )  # fmt: skip
    for tie in population.ties:
        follow(corp, tie)
        count(corp, tie)
    for circle in circles(population):
        gather(corp, circle)


def seconds(at: datetime) -> int:
    """Whole seconds since 1970."""
    return int(at.timestamp())


def hire(corp: Corp, population: Population) -> None:
    """Departments and members, the one who left included."""
    for number, name, parent in DEPARTMENTS:
        corp.departments[number] = Department(number, name, parent, HIGHEST_ORDER - number)
    for one in (*HIRES, GONE):
        leads = {one.department} if one.leads else set()
        corp.members[one.userid] = Member(
            one.userid, one.name, [one.department], leads, customer_contact=one.share > 0, position=one.position
        )
    gone = corp.members[GONE.userid]
    gone.status, gone.left_at = LEFT, seconds(gone_at(population.day))


def put_up_tags(corp: Corp, opened: int) -> None:
    """The corp tags."""
    for place, (group, names) in enumerate(TAGS.items()):
        creator = AGENT_ID if group == OURS else None
        corp.tag_groups[group_id(group)] = TagGroup(group_id(group), group, HIGHEST_ORDER - place, opened, creator)
        for order, name in enumerate(names):
            corp.tags[tag_id(name)] = Tag(tag_id(name), name, group_id(group), HIGHEST_ORDER - order, opened, creator)


def open_way(platform: Platform, way: Way, opened: int) -> None:
    """A contact way or an acquisition link of the company."""
    here = [userid for userid in way.userids if userid != GONE.userid]
    if way.link:
        platform.corp.links[way.config_id] = Link(way.config_id, way.name, way.url, opened, here, [])
        return
    made = {"config_id": way.config_id, "qr_code": way.url, "create_time": opened, "type": 2, "scene": 2}
    platform.extras["contact_ways"][way.config_id] = (
        WAY_DEFAULTS | made | {"remark": way.name, "state": way.state, "user": here}
    )


def follow(corp: Corp, tie: Tie) -> None:
    """A tie the platform still has: one the member ended, or that moved on, is gone."""
    if not (tie.shown or tie.half):
        return
    link = tie.way is not None and tie.way.link
    corp.follows[tie.userid, tie.person.external_userid] = Follow(
        tie.userid,
        tie.person.external_userid,
        seconds(tie.added_at),
        remark=tie.remark,
        description=tie.description,
        remark_mobiles=list(tie.phones),
        tag_ids=[tag_id(name) for name in tie.tags],
        add_way=ASSIGNED if tie.moved else BY_LINK if link else BY_CODE,
        state=tie.way.state if tie.way else "",
        oper_userid=tie.userid if tie.moved else tie.person.external_userid,
        half=tie.half,
        deleted_by_customer=tie.ended_by == CUSTOMER,
        chatted=bool(tie.chats),
        chatted_at=max((seconds(at) for at, _, _ in tie.chats), default=0),
        written=len(tie.chats),
        link_id=tie.way.config_id if tie.way and link else "",
    )


def count(corp: Corp, tie: Tie) -> None:
    """What the statistics count of a tie, day by day."""
    added = [tie.added_at] if tie.before is None else [tie.before[0], tie.added_at]
    lost = [tie.before[1]] if tie.before else []
    if tie.ended_by == CUSTOMER and tie.ended_at:
        lost.append(tie.ended_at)
    for at in added:
        if not (tie.moved or tie.half):
            count_of(corp, tie.userid, seconds(at)).contacts += 1
            count_of(corp, tie.userid, seconds(at)).applies += 1
    for at in lost:
        count_of(corp, tie.userid, seconds(at)).negatives += 1
    for at, answered, messages in tie.chats:
        day = count_of(corp, tie.userid, seconds(at))
        day.messages += messages
        day.chats.add(tie.person.external_userid)
        day.asked.setdefault(tie.person.external_userid, seconds(at))
        if answered:
            day.replied.setdefault(tie.person.external_userid, answered)


def gather(corp: Corp, circle: Circle) -> None:
    """A customer group with everybody in it."""
    members = {
        one.id: GroupMember(one.id, 2 if one.person else 1, seconds(one.joined_at), one.scene, one.state)
        for one in circle.members
    }
    corp.groups[circle.chat_id] = Group(
        circle.chat_id, circle.name, circle.owner, seconds(circle.created_at), circle.opengid,
        circle.notice, members, [], 0, circle.version,
    )  # fmt: skip
