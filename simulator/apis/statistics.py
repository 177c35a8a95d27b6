"""Numbers about members and groups, up to yesterday (wecom-api §6.5)."""

from collections.abc import Callable

from simulator.apis.checks import block
from simulator.apis.scope import follower_named, members_below
from simulator.corp import Corp
from simulator.days import DAY, day_start
from simulator.errors import ApiError
from simulator.paging import number
from simulator.platform import Call, Fields, api
from simulator.records import DayCount, Group

MOST_NAMED = 100
LONGEST_SPAN = 30 * DAY
OLDEST = 180 * DAY
ORDERS = {1: "new_chat_cnt", 2: "chat_total", 3: "new_member_cnt", 4: "member_total"}


def days_asked(call: Call, first: str, last: str, *, one_day: bool = False) -> list[int]:
    """Starts of the days asked for, none later than yesterday. Raises 600018 for a bad range."""
    begin, end = call.body.get(first), call.body.get(last)
    if end is None and one_day:
        end = begin
    now = call.corp.now()
    if not isinstance(begin, int) or not isinstance(end, int):
        raise ApiError(600018, "invalid start endtime")
    if not now - OLDEST - DAY <= begin <= end or end - begin > LONGEST_SPAN:
        raise ApiError(600018, "invalid start endtime")
    return list(range(day_start(begin), min(day_start(end) + DAY, day_start(now)), DAY))


@api("externalcontact/get_user_behavior_data", empty={"behavior_data": []})
def get_user_behavior_data(call: Call) -> Fields:
    """One row a day, all members given added up; rates are absent on days without chats."""
    userids, parties = call.body.get("userid") or [], call.body.get("partyid") or []
    if not isinstance(userids, list) or not isinstance(parties, list) or not (userids or parties):
        raise ApiError(40058, "userid and partyid are empty")
    if len(userids) > MOST_NAMED or len(parties) > MOST_NAMED:
        raise ApiError(40058, "userid or partyid invalid")
    named = [follower_named(call.corp, userid) for userid in userids]
    members = {one.userid for one in (*named, *members_below(call.corp, parties))}
    days = days_asked(call, "start_time", "end_time")
    return {"behavior_data": [behavior(call.corp, members, day) for day in days]}


def behavior(corp: Corp, members: set[str], day: int) -> Fields:
    """A day's row."""
    counts = [corp.days.get((userid, day), DayCount()) for userid in members]
    row: Fields = {
        "stat_time": day,
        "chat_cnt": sum(len(count.chats) for count in counts),
        "message_cnt": sum(count.messages for count in counts),
        "negative_feedback_cnt": sum(count.negatives for count in counts),
        "new_apply_cnt": sum(count.applies for count in counts),
        "new_contact_cnt": sum(count.contacts for count in counts),
    }
    asked = sum(len(count.asked) for count in counts)
    seconds = [seconds for count in counts for seconds in count.replied.values()]
    if asked:
        row["reply_percentage"] = round(100 * len(seconds) / asked, 2)
    if seconds:
        row["avg_reply_time"] = round(sum(seconds) / len(seconds) / 60)
    return row


@api("externalcontact/groupchat/statistic", empty={"items": []})
def group_statistic(call: Call) -> Fields:
    """A row for each owner, over all the days asked for."""
    days = days_asked(call, "day_begin_time", "day_end_time", one_day=True)
    rows: list[Fields] = []
    order, ascending = number(call, "order_by", 1, 1, 4), number(call, "order_asc", 0, 0, 1)
    offset, limit = number(call, "offset", 0, 0, 2**31), number(call, "limit", 500, 1, 1000)
    if days:
        rows = [{"owner": userid, "data": group_data(call.corp, mine(userid), days)} for userid in owners(call)]
    rows.sort(key=lambda row: row["data"][ORDERS[order]], reverse=not ascending)
    found = rows[offset : offset + limit]
    return {"total": len(rows), "next_offset": min(offset + limit, len(rows)), "items": found}


@api("externalcontact/groupchat/statistic_group_by_day", empty={"items": []})
def group_statistic_by_day(call: Call) -> Fields:
    """A row a day, all owners added up."""
    days, asked = days_asked(call, "day_begin_time", "day_end_time", one_day=True), set(owners(call))
    return {
        "items": [
            {"stat_time": day, "data": group_data(call.corp, lambda group: group.owner in asked, [day])} for day in days
        ]
    }


def owners(call: Call) -> list[str]:
    """The owners a call must name, 100 at most."""
    userids = block(call.body, "owner_filter").get("userid_list")
    if not isinstance(userids, list) or not 1 <= len(userids) <= MOST_NAMED:
        raise ApiError(40058, "owner_filter invalid")
    return [follower_named(call.corp, userid).userid for userid in userids]


def mine(userid: str) -> Callable[[Group], bool]:
    """Whether a group is this owner's."""
    return lambda group: group.owner == userid


def group_data(corp: Corp, wanted: Callable[[Group], bool], days: list[int]) -> Fields:
    """Groups and people at the end of the days, and the new ones within; messages are counted nowhere."""
    begin, end = days[0], days[-1] + DAY
    groups = [one for one in corp.groups.values() if wanted(one) and one.create_time < end and not one.dismissed]
    joined = [one.join_time for group in groups for one in group.members.values() if one.join_time < end]
    return {
        "new_chat_cnt": sum(one.create_time >= begin for one in groups),
        "chat_total": len(groups),
        "chat_has_msg": 0,
        "new_member_cnt": sum(time >= begin for time in joined),
        "member_total": len(joined),
        "member_has_msg": 0,
        "msg_total": 0,
        "migrate_trainee_chat_cnt": 0,
    }
