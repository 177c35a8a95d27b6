"""What admins do in the console: corp tags, members, departments; and what members confirm."""

import secrets
from collections.abc import Callable
from itertools import islice

from aiohttp import web

from simulator.apis.moments import moments
from simulator.apis.tags import delete, make_tag
from simulator.control.asked import asked, company, refuse, text, yes_no
from simulator.control.given import answer, choice, number, optional, staff, texts
from simulator.corp import LEFT, Corp, Department, Member, opaque
from simulator.events import Event, deliver, scope_event, tag_event
from simulator.platform import PLATFORM, Fields
from simulator.records import Tag, TagGroup
from simulator.sending import confirm

routes = web.RouteTableDef()

TAG_FIELDS = ("action", "group", "tags", "id", "name", "order")
MEMBER_FIELDS = (
    "userid", "name", "departments", "leader", "in_scope", "left", "customer_contact", "console_welcome", "mobile",
    "email", "position",
)  # fmt: skip


@routes.get("/sim/customers")
async def customers(request: web.Request) -> web.Response:
    """Customers, newest first: `{customers: [{external_userid, name, followers}]}`, 200 unless `?limit=` says more."""
    corp, limit = company(request), request.query.get("limit", "200")
    if not limit.isdigit():
        refuse(f"limit is {limit!r}; give a whole number.")
    newest = islice(reversed(corp.customers.values()), int(limit))
    rows = [
        {
            "external_userid": one.external_userid,
            "name": one.name,
            "followers": list(corp.follows.by_customer.get(one.external_userid, {})),
        }
        for one in newest
    ]
    return web.json_response({"customers": rows})


@routes.post("/sim/corp-tags")
async def corp_tags(request: web.Request) -> web.Response:
    """Act on corp tags; `create` answers `group_id` and `tag_ids` by name."""
    corp, body = company(request), await asked(request, *TAG_FIELDS)
    events, more = TAG_ACTIONS[choice(body, "action", *TAG_ACTIONS)](corp, body)
    return answer(await deliver(request, *(events if corp.app.customers_allowed else [])), **more)


Acted = tuple[list[Event], Fields]
"""The events an action raises, and what its answer says besides."""


def create_tags(corp: Corp, body: Fields) -> Acted:
    """`group` (a name, old or new), `tags` (names), `order`."""
    name, names = text(body, "group"), texts(body, "tags")
    if not names:
        refuse("tags is empty; name at least one tag, a group cannot be empty.")
    same = [one for one in corp.tag_groups.values() if one.name == name and not one.deleted]
    group = same[0] if same else TagGroup(opaque("et"), name, number(body, "order", 0, 0, 2**32 - 1), corp.now())
    taken = {tag.name for tag in corp.tags.values() if tag.group_id == group.id and not tag.deleted}
    if twice := [one for one in names if one in taken]:
        refuse(f"tags has {twice[0]!r}, which group {name!r} has already; choose another name.")
    corp.tag_groups[group.id] = group
    tags = [make_tag(corp, group, one, 0, None) for one in dict.fromkeys(names)]
    events = [] if same else [tag_event(corp, "create", group.id, "tag_group")]
    events += [tag_event(corp, "create", tag.id, "tag") for tag in tags]
    return events, {"group_id": group.id, "tag_ids": {tag.name: tag.id for tag in tags}}


def tag_or_group(corp: Corp, body: Fields) -> Tag | TagGroup:
    """What `id` names; 404 when there is nothing."""
    id_ = text(body, "id")
    found = corp.tags.get(id_) or corp.tag_groups.get(id_)
    if found is None or found.deleted:
        refuse(f"id {id_!r} is no tag and no tag group; externalcontact/get_corp_tag_list lists them.", 404)
    return found


def rename_tag(corp: Corp, body: Fields) -> Acted:
    """`id` (of a tag or a group), `name`."""
    found = tag_or_group(corp, body)
    found.name = text(body, "name")
    return [tag_event(corp, "update", found.id, "tag" if isinstance(found, Tag) else "tag_group")], {}


def delete_tag(corp: Corp, body: Fields) -> Acted:
    """`id`; a group's tags go with it, without events of their own."""
    found = tag_or_group(corp, body)
    delete(corp, found)
    return [tag_event(corp, "delete", found.id, "tag" if isinstance(found, Tag) else "tag_group")], {}


def shuffle_tags(corp: Corp, body: Fields) -> Acted:
    """`id` of a group: its tags change their order; without it the groups do."""
    group_id = optional(body, "id")
    if group_id and not isinstance(tag_or_group(corp, body), TagGroup):
        refuse(f"id {group_id!r} is a tag; name a group, or leave id out to shuffle the groups.")
    moved: list[Tag | TagGroup] = [one for one in corp.tags.values() if one.group_id == group_id]
    if not group_id:
        moved = list(corp.tag_groups.values())
    orders = [*range(len(moved))]
    secrets.SystemRandom().shuffle(orders)
    for one, order in zip(moved, orders, strict=True):
        one.order = order
    return [tag_event(corp, "shuffle", group_id)], {}


TAG_ACTIONS: dict[str, Callable[[Corp, Fields], Acted]] = {
    "create": create_tags,
    "rename": rename_tag,
    "delete": delete_tag,
    "shuffle": shuffle_tags,
}


@routes.post("/sim/members")
async def members(request: web.Request) -> web.Response:
    """Add or change a member; coming into and leaving the app's scope raises subscribe and unsubscribe."""
    corp, body = company(request), await asked(request, *MEMBER_FIELDS)
    userid = text(body, "userid")
    known = corp.member(userid)
    member = known or Member(userid, userid)
    before = known is not None and known.visible
    departments, leads = placed(corp, body, member)
    member.name, member.position = optional(body, "name", member.name), optional(body, "position", member.position)
    member.mobile, member.email = optional(body, "mobile", member.mobile), optional(body, "email", member.email)
    member.console_welcome = optional(body, "console_welcome", member.console_welcome)
    member.in_scope = yes_no(body, "in_scope", member.in_scope)
    member.customer_contact = yes_no(body, "customer_contact", member.customer_contact)
    member.departments, member.leads = departments, leads
    corp.members[member.userid] = member
    if yes_no(body, "left", member.status == LEFT) != (member.status == LEFT):
        come_or_go(corp, member)
    events = []
    if member.visible != before:
        events = [scope_event(corp, "subscribe" if member.visible else "unsubscribe", member.userid)]
    return answer(await deliver(request, *events), userid=member.userid)


def placed(corp: Corp, body: Fields, member: Member) -> tuple[list[int], set[int]]:
    """The departments a member is in and leads; `leader` true leads all of them."""
    departments = body.get("departments", member.departments)
    if not isinstance(departments, list) or not departments or any(one not in corp.departments for one in departments):
        refuse(f"departments is {departments!r}; give ids of GET /sim/corp, or add one with POST /sim/departments.")
    leads = member.leads.intersection(departments)
    if "leader" in body:
        leads = set(departments) if yes_no(body, "leader") else set()
    return departments, leads


def come_or_go(corp: Corp, member: Member) -> None:
    """A member leaves the company, or comes back; the groups of one who left wait for an heir."""
    left = member.status != LEFT
    member.status, member.left_at = (LEFT, corp.now()) if left else (1, 0)
    for group in corp.groups.values():
        if group.owner == member.userid and group.status in (0, 1):
            group.status = int(left)


@routes.post("/sim/departments")
async def departments(request: web.Request) -> web.Response:
    """Add a department, or change the one with this id."""
    corp, body = company(request), await asked(request, "id", "name", "parent")
    id_ = number(body, "id", max(corp.departments, default=0) + 1, 1, 2**32 - 1)
    known = corp.departments.get(id_)
    name = optional(body, "name", known.name if known else "") or text(body, "name")
    parent = number(body, "parent", known.parent if known else 1, 0, 2**32 - 1)
    if parent not in corp.departments and id_ != 1:
        refuse(f"parent is {parent}; give the id of a department, or leave it out for the root.")
    corp.departments[id_] = Department(id_, name, parent, known.order if known else 0)
    # Ordinary self-built apps hear nothing of departments (§3.6).
    return answer([], id=id_)


@routes.post("/sim/confirm-group-send")
async def confirm_group_send(request: web.Request) -> web.Response:
    """A member confirms a mass send: `{results: {recipient: status}}`; it raises no event."""
    corp, body = company(request), await asked(request, "userid", "msgid")
    member, msgid = staff(corp, body), text(body, "msgid")
    send = corp.group_sends.get(msgid)
    if send is None:
        refuse(f"msgid {msgid!r} is no mass send; externalcontact/add_msg_template makes one.", 404)
    task = send.tasks.get(member.userid)
    if task is None:
        refuse(f"userid {member.userid!r} has no part in {msgid!r}; its members are {', '.join(send.tasks)}.")
    if send.cancelled or task.send_time:
        refuse(f"msgid {msgid!r} was {'cancelled' if send.cancelled else 'confirmed'} already; make a new one.")
    confirm(corp, send, task, request.app[PLATFORM].limits.group_sends_a_month)
    return answer(await deliver(request), results=task.results)


@routes.post("/sim/confirm-moment")
async def confirm_moment(request: web.Request) -> web.Response:
    """A member publishes a post in customers' moments; it raises no event."""
    corp, body = company(request), await asked(request, "userid", "moment_id")
    member, moment_id = staff(corp, body), text(body, "moment_id")
    moment = moments(request.app[PLATFORM]).get(moment_id)
    if moment is None:
        refuse(f"moment_id {moment_id!r} is no post; externalcontact/get_moment_list lists them.", 404)
    if member.userid not in moment.customers or moment.cancelled or member.userid in moment.published:
        refuse(f"userid {member.userid!r} has nothing to publish for {moment_id!r}; it may be cancelled or done.")
    moment.published[member.userid] = corp.now()
    return answer(await deliver(request), customers=moment.customers[member.userid])


@routes.post("/sim/trusted-domain")
async def trusted_domain(request: web.Request) -> web.Response:
    """Where OAuth may go back to: host and port exactly; "" trusts every address."""
    corp, body = company(request), await asked(request, "domain")
    corp.trusted_domain = optional(body, "domain")
    return web.json_response({"domain": corp.trusted_domain})
