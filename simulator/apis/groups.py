"""Customer groups 客户群 (wecom-api §6.6)."""

from simulator.apis.checks import block
from simulator.apis.scope import follower_named
from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.paging import page
from simulator.platform import Call, Fields, api
from simulator.records import Group, GroupMember

MOST_OWNERS = 100
MOST_VISIBLE = 1000
STATUSES = (0, 1, 2, 3)


def owners(call: Call) -> set[str] | None:
    """The owners a call asks for; None without a filter."""
    userids = block(call.body, "owner_filter").get("userid_list") or []
    if not isinstance(userids, list) or len(userids) > MOST_OWNERS or any(not isinstance(one, str) for one in userids):
        raise ApiError(40058, "owner_filter invalid")
    if userids:
        # Groups of an owner who left are asked for by that owner too, so leaving is no obstacle here.
        return {one if one in call.corp.members else follower_named(call.corp, one).userid for one in userids}
    return None


def in_sight(corp: Corp, group: Group) -> bool:
    """Whether the group stands, and its owner is in the app's scope."""
    return not group.dismissed and corp.members[group.owner].in_scope


@api("externalcontact/groupchat/list", empty={"group_chat_list": []})
def list_groups(call: Call) -> Fields:
    """Groups by status and owner; `limit` must be given."""
    wanted = call.body.get("status_filter") or 0
    if wanted not in STATUSES:
        raise ApiError(40058, "status_filter invalid")
    asked = owners(call)
    if asked is None and sum(one.visible for one in call.corp.members.values()) > MOST_VISIBLE:
        raise ApiError(81017, "too many objects")
    found = (
        {"chat_id": group.chat_id, "status": group.status}
        for group in call.corp.groups.values()
        if in_sight(call.corp, group) and (asked is None or group.owner in asked) and wanted in (0, group.status)
    )
    rows, following = page(call, found, None, 1000)
    return {"group_chat_list": rows, "next_cursor": following}


@api("externalcontact/groupchat/get", empty={"group_chat": {}})
def get_group(call: Call) -> Fields:
    """One group with everybody in it; names only with `need_name`."""
    group = call.corp.groups.get(call.text("chat_id", 40050))
    if group is None or not in_sight(call.corp, group):
        raise ApiError(40050, "invalid group id")
    named = call.body.get("need_name") == 1
    return {
        "group_chat": {
            "chat_id": group.chat_id,
            "name": group.name,
            "owner": group.owner,
            "create_time": group.create_time,
            "notice": group.notice,
            "member_version": group.version,
            "member_list": [person(call.corp, group, one, named=named) for one in group.members.values()],
            "admin_list": [{"userid": userid} for userid in group.admins],
        }
    }


def person(corp: Corp, group: Group, one: GroupMember, *, named: bool) -> Fields:
    """Somebody in a group: staff by name, customers with their unionid and how they came."""
    customer = corp.customers.get(one.id)
    found: Fields = {
        "userid": one.id,
        "type": one.type,
        "join_time": one.join_time,
        "join_scene": one.join_scene,
        "invitor": {"userid": group.owner},
        "group_nickname": "",
    }
    if customer and customer.unionid:
        found["unionid"] = customer.unionid
    if one.state:
        found["state"] = one.state
    if named:
        found["name"] = customer.name if customer else corp.members[one.id].name
    return found


@api("externalcontact/opengid_to_chatid", empty={"chat_id": ""})
def opengid_to_chatid(call: Call) -> Fields:
    """A mini-program's group id to ours; 90511 for a bad one."""
    opengid = call.body.get("opengid")
    for group in call.corp.groups.values():
        if group.opengid == opengid and in_sight(call.corp, group):
            return {"chat_id": group.chat_id}
    raise ApiError(90511, "invalid opengid")
