"""Passing customers and groups on, from members in service and members who left (wecom-api §6.4)."""

from collections.abc import Iterator

from simulator.apis.scope import follower_named
from simulator.corp import LEFT, Member
from simulator.days import DAY
from simulator.errors import ApiError
from simulator.paging import page
from simulator.platform import Call, Fields, api
from simulator.records import Follow, Group, Transfer

MOST_AT_ONCE = 100
LONGEST_MESSAGE = 200
TWICE_WITHIN = 90 * DAY
MOST_TRANSFERS = 2


@api("externalcontact/transfer_customer", empty={"customer": []})
def transfer_customer(call: Call) -> Fields:
    """In service: 0 means begun; it is done after 24 hours unless the customer refuses."""
    if len(str(call.body.get("transfer_success_msg") or "")) > LONGEST_MESSAGE:
        raise ApiError(40058, f"transfer_success_msg exceed max length {LONGEST_MESSAGE}")
    return begin(call, follower_named(call.corp, call.body.get("handover_userid")))


@api("externalcontact/resigned/transfer_customer", empty={"customer": []})
def resigned_transfer_customer(call: Call) -> Fields:
    """The same for a member who left; 40097 for one who did not."""
    return begin(call, left_member(call))


def left_member(call: Call) -> Member:
    """The handover member, who must have left."""
    member = call.corp.member(str(call.body.get("handover_userid") or ""))
    if member is None:
        raise ApiError(40003, "invalid userid")
    if member.status != LEFT:
        raise ApiError(40097, "user not resigned from corp")
    return member


def begin(call: Call, handover: Member) -> Fields:
    """Start the transfers that can be started; each customer has an errcode of its own."""
    takeover = follower_named(call.corp, call.body.get("takeover_userid"))
    customers = call.strings("external_userid")
    if not 1 <= len(customers) <= MOST_AT_ONCE:
        raise ApiError(40058, "external_userid invalid")
    outcomes = []
    for external_userid in dict.fromkeys(customers):
        errcode = obstacle(call, handover, takeover, external_userid)
        if not errcode:
            start(call, handover, takeover, external_userid)
        outcomes.append({"external_userid": external_userid, "errcode": errcode})
    return {"customer": outcomes}


def obstacle(call: Call, handover: Member, takeover: Member, external_userid: str) -> int:
    """Why one customer cannot be passed on; 0 when it can."""
    if external_userid not in call.corp.customers:
        return 40096
    if handover is takeover:
        return 40130
    follow = call.corp.tie(handover.userid, external_userid)
    if follow is None or follow.half:
        return 40131
    earlier = [one for one in call.corp.transfers if one.external_userid == external_userid]
    if any(one.status == 2 for one in earlier):
        return 40129
    recent = [one for one in earlier if one.status == 1 and one.started > call.corp.now() - TWICE_WITHIN]
    return 40128 if len(recent) >= MOST_TRANSFERS else 0


def start(call: Call, handover: Member, takeover: Member, external_userid: str) -> None:
    """Keep a transfer that waits for its 24 hours."""
    resigned = handover.status == LEFT
    transfer = Transfer(handover.userid, takeover.userid, external_userid, call.corp.now(), resigned)
    call.corp.transfers.append(transfer)
    call.corp.waiting.append(transfer)


@api("externalcontact/transfer_result", empty={"customer": []})
def transfer_result(call: Call) -> Fields:
    """What became of the transfers between two members in service."""
    return results(call, follower_named(call.corp, call.body.get("handover_userid")), resigned=False)


@api("externalcontact/resigned/transfer_result", empty={"customer": []})
def resigned_transfer_result(call: Call) -> Fields:
    """The same after the handover member left."""
    return results(call, left_member(call), resigned=True)


def results(call: Call, handover: Member, *, resigned: bool) -> Fields:
    """Rows of up to 1,000 transfers: 1 done, 2 waiting, 3 refused, 4 the takeover member is full."""
    takeover = follower_named(call.corp, call.body.get("takeover_userid"))
    call.corp.settle()
    found = (
        {"external_userid": one.external_userid, "status": one.status, "takeover_time": one.takeover_time}
        for one in call.corp.transfers
        if (one.handover, one.takeover, one.resigned) == (handover.userid, takeover.userid, resigned)
    )
    rows, following = page(call, found, 1000, 1000)
    return {"customer": rows, "next_cursor": following}


@api("externalcontact/get_unassigned_list", empty={"info": []})
def get_unassigned_list(call: Call) -> Fields:
    """Customers of members who left, until somebody has taken them over."""
    rows, following = page(call, unassigned(call), 1000, 1000, "page_size")
    info = [
        {
            "handover_userid": follow.userid,
            "external_userid": follow.external_userid,
            "dimission_time": call.corp.members[follow.userid].left_at,
        }
        for follow in rows
    ]
    return {"info": info, "is_last": not following, "next_cursor": following}


def unassigned(call: Call) -> Iterator[Follow]:
    """The ties of everybody who left, the latest leaver first."""
    leavers = sorted((one for one in call.corp.members.values() if one.status == LEFT), key=lambda one: -one.left_at)
    for member in leavers:
        yield from call.corp.customers_of(member.userid)


@api("externalcontact/groupchat/transfer", empty={"failed_chat_list": []})
def transfer_groups(call: Call) -> Fields:
    """Groups whose owner left, to a new owner."""
    return pass_groups_on(call, owner_left=True)


@api("externalcontact/groupchat/onjob_transfer", empty={"failed_chat_list": []})
def transfer_groups_in_service(call: Call) -> Fields:
    """Groups of an owner in service, to a new owner."""
    return pass_groups_on(call, owner_left=False)


def pass_groups_on(call: Call, *, owner_left: bool) -> Fields:
    """Change the owners that can be changed; each failure has an errcode of its own."""
    owner = follower_named(call.corp, call.body.get("new_owner"))
    chat_ids = call.strings("chat_id_list")
    if not 1 <= len(chat_ids) <= MOST_AT_ONCE:
        raise ApiError(40058, "chat_id_list invalid")
    failed = []
    for chat_id in chat_ids:
        group = call.corp.groups.get(chat_id)
        errcode, errmsg = group_obstacle(call, group, owner_left=owner_left)
        if group is None or errcode:
            failed.append({"chat_id": chat_id, "errcode": errcode, "errmsg": errmsg})
            continue
        group.owner = owner.userid
        group.status = 3 if owner_left else 0
    return {"failed_chat_list": failed}


def group_obstacle(call: Call, group: Group | None, *, owner_left: bool) -> tuple[int, str]:
    """Why a group cannot be passed on; 0 when it can."""
    if group is None or group.dismissed:
        return 90501, "chat is not external group chat"
    if group.status == 3:
        return 90508, "chat is inherited already"
    if owner_left and call.corp.members[group.owner].status != LEFT:
        return 90500, "the owner of this chat is not resigned"
    return 0, "ok"
