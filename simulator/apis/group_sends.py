"""Mass sends 企业群发 (wecom-api §6.8): the call makes tasks; nothing arrives before each member confirms."""

from collections.abc import Iterable, Iterator
from itertools import chain

from simulator.apis.checks import block, blocks, limit_bytes
from simulator.apis.scope import follower_named
from simulator.apis.welcome import welcome_of
from simulator.corp import Corp, Member, opaque
from simulator.days import DAY
from simulator.errors import ApiError
from simulator.paging import number, page
from simulator.platform import Call, Fields, api
from simulator.records import Follow, GroupSend, SendTask

MOST_CUSTOMERS, MOST_GROUPS = 10_000, 2_000
MOST_TAGS_LISTED = 100
LONGEST_URL = 2048
LONGEST_SPAN = 31 * DAY


@api("externalcontact/add_msg_template", empty={"fail_list": [], "msgid": ""})
def add_msg_template(call: Call) -> Fields:
    """Tasks for the members who follow the customers, or own the groups; `fail_list` names who cannot be reached."""
    kind = chat_type(call, "single")
    content = welcome_of(call.corp, call.body)
    for link in (one["link"] for one in content["attachments"] if one["msgtype"] == "link"):
        limit_bytes(link, "url", LONGEST_URL)
        limit_bytes(link, "picurl", LONGEST_URL)
    recipients, failed = group_recipients(call) if kind == "group" else single_recipients(call)
    if not recipients:
        raise ApiError(41048, "no customer to send", fail_list=failed)
    tasks = {userid: SendTask(userid, ids) for userid, ids in recipients.items()}
    corp = call.corp
    send = GroupSend(opaque("msg"), kind, corp.now(), corp.clock.elapsed(), content, tasks)
    corp.group_sends[send.msgid] = send
    return {"fail_list": failed, "msgid": send.msgid}


def chat_type(call: Call, default: str | None) -> str:
    """`single` or `group`; 40058 for anything else."""
    found = call.body.get("chat_type") or default
    if found not in ("single", "group"):
        raise ApiError(40058, "chat_type invalid")
    return str(found)


Recipients = tuple[dict[str, list[str]], list[str]]
"""Ids by the member who is to send to them, and the ids that fail."""


def single_recipients(call: Call) -> Recipients:
    """Customers by id, by tags or all of one member's."""
    corp, customers, filters = call.corp, call.strings("external_userid"), tag_filter(call)
    sender = follower_named(corp, call.body["sender"]) if call.body.get("sender") else None
    if not customers and not filters and sender is None:
        raise ApiError(40063, "some parameters are empty")
    if len(customers) > MOST_CUSTOMERS:
        raise ApiError(40058, "external_userid invalid")
    if not customers:
        return by_member(tagged(follows_in_scope(corp, sender), filters)), []
    follows = [follow_of(corp, one, sender) for one in dict.fromkeys(customers)]
    failed = [one for one, follow in zip(dict.fromkeys(customers), follows, strict=True) if follow is None]
    return by_member(follow for follow in follows if follow), failed


def tag_filter(call: Call) -> list[set[str]]:
    """Sets of tag ids: a customer needs one of each set."""
    lists = [one.get("tag_list") for one in blocks(block(call.body, "tag_filter"), "group_list")]
    if any(not isinstance(tags, list) or not 1 <= len(tags) <= MOST_TAGS_LISTED for tags in lists):
        raise ApiError(40058, "tag_filter invalid")
    wanted = [set(tags) for tags in lists if tags]
    if not set().union(*wanted) <= call.corp.tags.keys():
        raise ApiError(40068, "invalid tagid")
    return wanted


def follows_in_scope(corp: Corp, sender: Member | None) -> Iterator[Follow]:
    """Every tie a mass send may use, or one member's."""
    members = [sender] if sender else [one for one in corp.members.values() if one.visible and one.customer_contact]
    return chain.from_iterable(corp.customers_of(member.userid) for member in members)


def tagged(follows: Iterable[Follow], filters: list[set[str]]) -> Iterator[Follow]:
    """For each customer who has the tags, the tie of the member who interacted last."""
    latest: dict[str, Follow] = {}
    for follow in follows:
        if all(wanted.intersection(follow.tag_ids) for wanted in filters):
            rival = latest.get(follow.external_userid, follow)
            latest[follow.external_userid] = max(rival, follow, key=last_interaction)
    return iter(latest.values())


def last_interaction(follow: Follow) -> int:
    """When the two last had to do with each other."""
    return max(follow.chatted_at, follow.createtime)


def follow_of(corp: Corp, external_userid: str, sender: Member | None) -> Follow | None:
    """The tie a customer is to be reached by: the sender's, or that of the member who interacted last."""
    follows = corp.follows_of(external_userid)
    if sender:
        follows = [follow for follow in follows if follow.userid == sender.userid]
    return max(follows, key=last_interaction, default=None)


def by_member(follows: Iterable[Follow]) -> dict[str, list[str]]:
    """Customers by the member who is to send to them."""
    found: dict[str, list[str]] = {}
    for follow in follows:
        found.setdefault(follow.userid, []).append(follow.external_userid)
    return found


def group_recipients(call: Call) -> Recipients:
    """The sender's groups, or those of them that are listed."""
    corp, sender, listed = call.corp, follower_named(call.corp, call.body.get("sender")), call.strings("chat_id_list")
    if len(listed) > MOST_GROUPS:
        raise ApiError(40058, "chat_id_list invalid")
    own = [one.chat_id for one in corp.groups.values() if one.owner == sender.userid and not one.dismissed]
    chosen = [chat_id for chat_id in own if not listed or chat_id in listed]
    return {sender.userid: chosen} if chosen else {}, [chat_id for chat_id in listed if chat_id not in own]


def send_of(call: Call) -> GroupSend:
    """The mass send a call names. Raises 41046, 41047, and 41063 while it is being dispatched."""
    send = call.corp.group_sends.get(call.text("msgid", 41046))
    if send is None:
        raise ApiError(41047, "invalid group msg id")
    if call.corp.clock.elapsed() - send.created < call.platform.limits.dispatch_seconds:
        raise ApiError(41063, "group msg is being dispatched")
    return send


@api("externalcontact/get_groupmsg_list_v2", empty={"group_msg_list": []})
def get_groupmsg_list(call: Call) -> Fields:
    """Mass sends of a time of a month at most; those made through the API have no creator to filter by."""
    kind = chat_type(call, None)
    begin = number(call, "start_time", None, 0, 2**40)
    end = number(call, "end_time", None, begin, begin + LONGEST_SPAN)
    hidden = number(call, "filter_type", 2, 0, 2) == 1 or bool(call.body.get("creator"))
    found = (
        one
        for one in call.corp.group_sends.values()
        if one.chat_type == kind and begin <= one.create_time <= end and not hidden
    )
    rows, following = page(call, found, 50, 100)
    listed = [{"msgid": one.msgid, "create_time": one.create_time, "create_type": 0, **one.content} for one in rows]
    return {"group_msg_list": listed, "next_cursor": following}


@api("externalcontact/get_groupmsg_task", empty={"task_list": []})
def get_groupmsg_task(call: Call) -> Fields:
    """Which members have confirmed: 0 not yet, 2 sent."""
    rows, following = page(call, send_of(call).tasks.values(), 500, 1000)
    tasks = [
        {"userid": task.userid, "status": 2, "send_time": task.send_time}
        if task.send_time
        else {"userid": task.userid, "status": 0}
        for task in rows
    ]
    return {"task_list": tasks, "next_cursor": following}


@api("externalcontact/get_groupmsg_send_result", empty={"send_list": []})
def get_groupmsg_send_result(call: Call) -> Fields:
    """What became of each recipient of one member: 0 unsent, 1 sent, 2 no longer a friend, 3 had the month's share."""
    send, userid = send_of(call), call.text("userid", 40063)
    task = send.tasks.get(userid)
    rows, following = page(call, task.recipients if task else [], 500, 1000)
    name = "chat_id" if send.chat_type == "group" else "external_userid"
    results = task.results if task else {}
    listed = [
        {name: one, "userid": userid, "status": results.get(one, 0)}
        | ({"send_time": task.send_time} if task and results.get(one) == 1 else {})
        for one in rows
    ]
    return {"send_list": listed, "next_cursor": following}


@api("externalcontact/remind_groupmsg_send")
def remind_groupmsg_send(call: Call) -> Fields:
    """Reminds the members who have not confirmed; 41094 when too often within a day."""
    send, now = uncancelled(call), call.corp.now()
    send.reminded = [at for at in send.reminded if now - at < DAY]
    if len(send.reminded) >= call.platform.limits.reminders_a_day:
        raise ApiError(41094, "reminded too often")
    send.reminded.append(now)
    return {}


@api("externalcontact/cancel_groupmsg_send")
def cancel_groupmsg_send(call: Call) -> Fields:
    """Stops what is unsent; what is sent stays."""
    uncancelled(call).cancelled = True
    return {}


def uncancelled(call: Call) -> GroupSend:
    """The mass send a call names, unless it was cancelled (41093)."""
    send = send_of(call)
    if send.cancelled:
        raise ApiError(41093, "group msg is cancelled")
    return send
