"""Customer groups, as their owners and members change them in the client."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulator.control.asked import asked, company, customer_named, member_named, refuse, text
from simulator.control.given import answer, choice, number, optional, staff, texts
from simulator.corp import Corp, opaque
from simulator.events import deliver, group_event, heard
from simulator.platform import Fields
from simulator.records import Group, GroupMember

routes = web.RouteTableDef()

FIELDS = (
    "action", "chat_id", "name", "owner", "staff", "members", "userid", "external_userid", "scene", "state", "notice",
)  # fmt: skip
INVITED, BY_QR_CODE = 0, 3
SCENES = {INVITED: 1, BY_QR_CODE: 3}
"""`join_scene` of groupchat/get by the event's `JoinScene`."""


@routes.post("/sim/groups")
async def groups(request: web.Request) -> web.Response:
    """Act on a group; `create` answers its `chat_id` and `opengid`."""
    body = await asked(request, *FIELDS)
    return await ACTIONS[choice(body, "action", *ACTIONS)](request, company(request), body)


async def tell(request: web.Request, group: Group, change: str, **tail: Any) -> web.Response:
    """Deliver an event about a group whose owner the app hears of."""
    corp = company(request)
    raised = group_event(corp, change, group, **tail)
    deliveries = await deliver(request, *([raised] if heard(corp, corp.members[group.owner]) else []))
    return answer(deliveries, chat_id=group.chat_id, opengid=group.opengid)


def group_of(corp: Corp, body: Fields) -> Group:
    """The group the body names; 404 when there is none."""
    chat_id = text(body, "chat_id")
    group = corp.groups.get(chat_id)
    if group is None or group.dismissed:
        refuse(f"chat_id {chat_id!r} is no group; make one with action create.", 404)
    return group


def people(corp: Corp, body: Fields) -> list[GroupMember]:
    """Staff and customers named in `userid`, `external_userid`, `staff` and `members`."""
    scene = number(body, "scene", INVITED, INVITED, BY_QR_CODE)
    if scene not in SCENES:
        refuse(f"scene is {scene}; give 0 (invited) or 3 (QR code).")
    inside = [optional(body, "userid"), *texts(body, "staff")]
    outside = [optional(body, "external_userid"), *texts(body, "members")]
    state, now = optional(body, "state"), corp.now()
    return [
        *(GroupMember(member_named(corp, one).userid, 1, now, SCENES[scene]) for one in inside if one),
        *(
            GroupMember(customer_named(corp, one).external_userid, 2, now, SCENES[scene], state)
            for one in outside
            if one
        ),
    ]


async def create(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """`owner`, `name`, and with them `staff` and `members` (customers)."""
    owner = staff(corp, body, "owner")
    group = Group(opaque("wr"), optional(body, "name"), owner.userid, corp.now(), opaque("og", 28))
    for one in [GroupMember(owner.userid, 1, corp.now()), *people(corp, body)]:
        group.members.setdefault(one.id, one)
    group.version = secrets.token_hex(16)
    corp.groups[group.chat_id] = group
    return await tell(request, group, "create")


async def change_members(request: web.Request, group: Group, detail: str, ids: list[str], **tail: Any) -> web.Response:
    """The event of people who came or went, with the member versions before and after."""
    before, group.version = group.version, secrets.token_hex(16)
    changed = {"MemChangeCnt": len(ids), "MemChangeList": {"Item": ids}}
    versions = {"LastMemVer": before, "CurMemVer": group.version}
    return await tell(request, group, "update", UpdateDetail=detail, **tail, **changed, **versions)


async def add_member(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """`userid` or `external_userid`, or several in `staff` and `members`; `scene` 0 invited, 3 by QR code."""
    group, added = group_of(corp, body), people(corp, body)
    new = [one for one in added if one.id not in group.members]
    if not new:
        refuse("nobody named is new to the group; name a customer in external_userid or a member in userid.")
    group.members |= {one.id: one for one in new}
    scene = number(body, "scene", INVITED, INVITED, BY_QR_CODE)
    return await change_members(request, group, "add_member", [one.id for one in new], JoinScene=scene)


async def remove_member(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """`userid` or `external_userid`, or several; `scene` 0 they left, 1 the owner removed them."""
    group = group_of(corp, body)
    scene = number(body, "scene", 0, 0, 1)
    gone = [one.id for one in people(corp, {**body, "scene": INVITED}) if group.members.pop(one.id, None)]
    if not gone:
        refuse("nobody named is in the group; groupchat/get lists who is.")
    return await change_members(request, group, "del_member", gone, QuitScene=scene)


async def rename(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """`name`."""
    group = group_of(corp, body)
    group.name = text(body, "name")
    return await tell(request, group, "update", UpdateDetail="change_name")


async def change_owner(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """`owner`."""
    group, owner = group_of(corp, body), staff(corp, body, "owner")
    group.owner = owner.userid
    group.members.setdefault(owner.userid, GroupMember(owner.userid, 1, corp.now()))
    return await tell(request, group, "update", UpdateDetail="change_owner")


async def notice(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """`notice`."""
    group = group_of(corp, body)
    group.notice = text(body, "notice")
    return await tell(request, group, "update", UpdateDetail="change_notice")


async def dismiss(request: web.Request, corp: Corp, body: Fields) -> web.Response:
    """The group ends."""
    group = group_of(corp, body)
    group.dismissed = True
    return await tell(request, group, "dismiss")


ACTIONS: dict[str, Callable[[web.Request, Corp, Fields], Awaitable[web.Response]]] = {
    "create": create,
    "add_member": add_member,
    "remove_member": remove_member,
    "rename": rename,
    "change_owner": change_owner,
    "notice": notice,
    "dismiss": dismiss,
}
