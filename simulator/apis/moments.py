"""Posts in customers' moments 客户朋友圈 (wecom-api §6.9): tasks that each member has to publish."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator.apis.checks import block, blocks
from simulator.apis.scope import members_below
from simulator.corp import Corp, opaque
from simulator.days import DAY
from simulator.errors import ApiError
from simulator.paging import number, page
from simulator.platform import Call, Fields, Platform, api
from simulator.windows import media_of

LONGEST_TEXT = 2000
MOST_OF = {"image": 9, "video": 1, "link": 1}
JOB_SECONDS = DAY
A_MINUTE = 10


@dataclass
class Moment:
    """A post, and which of its members have published it for whom."""

    moment_id: str
    jobid: str
    create_time: int
    content: Fields
    customers: dict[str, list[str]]
    """Who will see it, by the member who is to publish."""
    invalid_senders: list[str]
    published: dict[str, int] = field(default_factory=dict)
    cancelled: bool = False


def moments(platform: Platform) -> dict[str, Moment]:
    """Every moment by id."""
    kept: dict[str, Any] = platform.extras["moments"]
    return kept


@api("externalcontact/add_moment_task", empty={"jobid": ""})
def add_moment_task(call: Call) -> Fields:
    """Makes the task at once; the platform's job is done when asked for."""
    content = content_of(call)
    if not call.platform.limits.allow(("moments",), ((60, A_MINUTE),)):
        raise ApiError(45009, "api freq out of limit")
    customers, invalid = audience(call)
    corp = call.corp
    made = Moment(opaque("mom"), opaque("", 64), corp.now(), content, customers, invalid)
    moments(call.platform)[made.moment_id] = made
    return {"jobid": made.jobid}


def content_of(call: Call) -> Fields:
    """Text, and nine images or one video or one link, uploaded for moments. Raises 40063, 40058, 41064, 41065."""
    text, attachments = block(call.body, "text").get("content") or "", blocks(call.body, "attachments")
    if not text and not attachments:
        raise ApiError(40063, "some parameters are empty")
    if not isinstance(text, str) or len(text) > LONGEST_TEXT:
        raise ApiError(40058, f"text exceed max length {LONGEST_TEXT}")
    kinds = {str(one.get("msgtype")) for one in attachments}
    if not kinds <= MOST_OF.keys():
        raise ApiError(41065, "invalid attachment type")
    if len(kinds) > 1 or any(len(attachments) > MOST_OF[kind] for kind in kinds):
        raise ApiError(41064, "too many attachments")
    for one in attachments:
        check_attachment(call.corp, block(one, one["msgtype"]), "video" if one["msgtype"] == "video" else "image")
    return {"text": {"content": text}, "attachments": attachments}


def check_attachment(corp: Corp, content: Fields, wanted: str) -> None:
    """The file must come from media/upload_attachment (40007)."""
    if media_of(corp, content.get("media_id"), wanted, attachment=True) is None:
        raise ApiError(40007, "invalid media_id")


def audience(call: Call) -> tuple[dict[str, list[str]], list[str]]:
    """Customers by the member who is to publish for them, and the senders that are nobody's."""
    corp, visible = call.corp, block(call.body, "visible_range")
    senders, tags = block(visible, "sender_list"), block(visible, "external_contact_list").get("tag_list") or []
    if not set(tags) <= corp.tags.keys():
        raise ApiError(40068, "invalid tagid")
    named = {str(one): corp.member(str(one)) for one in senders.get("user_list") or []}
    invalid = [one for one, member in named.items() if member is None or not member.visible]
    members = [member for member in named.values() if member and member.visible]
    members += members_below(corp, senders.get("department_list") or [])
    if not named and not members:
        members = [member for member in corp.members.values() if member.visible and member.customer_contact]
    return {
        member.userid: [one.external_userid for one in corp.customers_of(member.userid) if wears(one.tag_ids, tags)]
        for member in members
    }, invalid


def wears(tag_ids: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether somebody has one of the tags wanted; nobody is asked for any when there are none."""
    return not wanted or bool(set(wanted).intersection(tag_ids))


@api("externalcontact/get_moment_task_result", "GET")
def get_moment_task_result(call: Call) -> Fields:
    """Status 3: done, with the moment's id; a job is remembered for a day."""
    jobid, now = call.query.get("jobid"), call.corp.now()
    for one in moments(call.platform).values():
        if one.jobid == jobid and now - one.create_time <= JOB_SECONDS:
            result = {"errcode": 0, "errmsg": "ok", "moment_id": one.moment_id}
            senders = {"user_list": one.invalid_senders, "department_list": []}
            invalid = {"invalid_sender_list": senders, "invalid_external_contact_list": {"tag_list": []}}
            return {"status": 3, "type": "add_moment_task", "result": result | invalid}
    raise ApiError(40058, "jobid invalid")


@api("externalcontact/get_moment_list", empty={"moment_list": []})
def get_moment_list(call: Call) -> Fields:
    """Posts of at most 30 days, 20 a page."""
    begin = number(call, "start_time", None, 0, 2**40)
    end = number(call, "end_time", None, begin, begin + 30 * DAY)
    hidden = number(call, "filter_type", 2, 0, 2) == 1 or bool(call.body.get("creator"))
    found = (one for one in moments(call.platform).values() if begin <= one.create_time <= end and not hidden)
    rows, following = page(call, found, 20, 20)
    return {"moment_list": [shown(one) for one in rows], "next_cursor": following}


def shown(moment: Moment) -> Fields:
    """A post of the company, its attachments by kind."""
    found: Fields = {"moment_id": moment.moment_id, "create_time": moment.create_time, "create_type": 0}
    found |= {"visible_type": 0, "text": moment.content["text"]}
    for one in moment.content["attachments"]:
        if one["msgtype"] == "image":
            found.setdefault("image", []).append(one["image"])
        else:
            found[one["msgtype"]] = one[one["msgtype"]]
    return found


def moment_of(call: Call) -> Moment:
    """The post a call names; 41060 for an unknown one."""
    found = moments(call.platform).get(call.text("moment_id", 41059))
    if found is None:
        raise ApiError(41060, "invalid moment_id")
    return found


@api("externalcontact/get_moment_task", empty={"task_list": []})
def get_moment_task(call: Call) -> Fields:
    """Which members have published: 0 not yet, 1 done."""
    moment = moment_of(call)
    rows, following = page(call, moment.customers, 500, 1000)
    tasks = [{"userid": one, "publish_status": int(one in moment.published)} for one in rows]
    return {"task_list": tasks, "next_cursor": following}


@api("externalcontact/get_moment_customer_list", empty={"customer_list": []})
def get_moment_customer_list(call: Call) -> Fields:
    """Who is to see one member's post."""
    moment, userid = moment_of(call), call.text("userid")
    rows, following = page(call, moment.customers.get(userid, []), 500, 1000)
    return {"customer_list": [{"external_userid": one, "userid": userid} for one in rows], "next_cursor": following}


@api("externalcontact/get_moment_send_result", empty={"customer_list": []})
def get_moment_send_result(call: Call) -> Fields:
    """Who can see it: nobody before the member has published."""
    moment, userid = moment_of(call), call.text("userid")
    seen = moment.customers.get(userid, []) if userid in moment.published else []
    rows, following = page(call, seen, 3000, 5000)
    return {"customer_list": [{"external_userid": one} for one in rows], "next_cursor": following}


@api("externalcontact/get_moment_comments", empty={"comment_list": [], "like_list": []})
def get_moment_comments(call: Call) -> Fields:
    """Who commented and liked; nobody does here."""
    moment_of(call)
    call.text("userid")
    return {"comment_list": [], "like_list": []}


@api("externalcontact/cancel_moment_task")
def cancel_moment_task(call: Call) -> Fields:
    """Members who have not published cannot any more."""
    moment_of(call).cancelled = True
    return {}
