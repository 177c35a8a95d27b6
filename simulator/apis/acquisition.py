"""Customer-acquisition links 获客助手 (wecom-api §5.3)."""

from typing import Any

from simulator.apis.checks import block
from simulator.apis.scope import department_tree, follower_named
from simulator.corp import opaque
from simulator.days import DAY, day_start
from simulator.errors import ApiError
from simulator.paging import number, page
from simulator.platform import Call, Fields, api
from simulator.records import Link

PATH = "externalcontact/customer_acquisition"
MOST_LINKS = 10_000
QUOTA = 10_000
LONGEST_NAME = 30
MOST_IN_RANGE = 500
MOST_PRIORITY = 1000


@api(f"{PATH}/create_link")
def create_link(call: Call) -> Fields:
    """A new link for the members and departments of `range`."""
    if len(call.corp.links) >= MOST_LINKS:
        raise ApiError(41095, "too many links")
    name = link_name(call)
    users, departments = reach(call)
    link_id = opaque("", 24)
    link = Link(link_id, name, f"https://work.weixin.qq.com/ca/{link_id}", call.corp.now(), users, departments)
    settings(call, link)
    call.corp.links[link_id] = link
    made = {"link_id": link_id, "link_name": link.name, "url": link.url, "create_time": link.create_time}
    return {"link": made}


def link_name(call: Call) -> str:
    """At most 30 characters."""
    name = call.text("link_name")
    if len(name) > LONGEST_NAME:
        raise ApiError(40058, f"link_name exceed max length {LONGEST_NAME}")
    return name


def reach(call: Call) -> tuple[list[str], list[int]]:
    """The members and departments of `range`, 500 at most; 40063 when there are none."""
    asked = block(call.body, "range")
    users, departments = listed(asked, "user_list"), listed(asked, "department_list")
    if not users and not departments:
        raise ApiError(40063, "some parameters are empty")
    if len(users) + len(departments) > MOST_IN_RANGE:
        raise ApiError(41041, "too many users")
    for department in departments:
        department_tree(call.corp, department)
    return [follower_named(call.corp, userid).userid for userid in users], departments


def listed(given: Fields, name: str) -> list[Any]:
    """A list; absent is empty."""
    value = given.get(name) or []
    if not isinstance(value, list):
        raise ApiError(40058, f"{name} invalid")
    return value


def settings(call: Call, link: Link) -> None:
    """The optional settings of a call, put on a link."""
    link.skip_verify = bool(call.body.get("skip_verify", link.skip_verify))
    link.mark_source = bool(call.body.get("mark_source", link.mark_source))
    if priority := block(call.body, "priority_option"):
        users = listed(priority, "priority_userid_list")
        if priority.get("priority_type") not in (1, 2) or len(users) > MOST_PRIORITY:
            raise ApiError(40058, "priority_option invalid")
        link.priority = priority


def link_of(call: Call) -> Link:
    """The link a call names; 40058 for an unknown one."""
    link_id = call.text("link_id")
    if link_id not in call.corp.links:
        raise ApiError(40058, "link_id invalid")
    return call.corp.links[link_id]


@api(f"{PATH}/list_link", empty={"link_id_list": []})
def list_link(call: Call) -> Fields:
    """100 a page at most."""
    rows, following = page(call, call.corp.links, 100, 100)
    return {"link_id_list": rows, "next_cursor": following}


@api(f"{PATH}/get")
def get_link(call: Call) -> Fields:
    """One link, its range and its priority."""
    link = link_of(call)
    shown = {"link_name": link.name, "url": link.url, "create_time": link.create_time}
    answer: Fields = {
        "link": shown | {"skip_verify": link.skip_verify, "mark_source": link.mark_source},
        "range": {"user_list": link.users, "department_list": link.departments},
    }
    return answer | ({"priority_option": link.priority} if link.priority else {})


@api(f"{PATH}/update_link")
def update_link(call: Call) -> Fields:
    """What is given replaces what was."""
    link = link_of(call)
    if "range" in call.body:
        link.users, link.departments = reach(call)
    if "link_name" in call.body:
        link.name = link_name(call)
    settings(call, link)
    return {}


@api(f"{PATH}/delete_link")
def delete_link(call: Call) -> Fields:
    """Deleted through the API: no event."""
    del call.corp.links[link_of(call).link_id]
    return {}


@api(f"{PATH}/customer", empty={"customer_list": []})
def link_customers(call: Call) -> Fields:
    """Who came by a link; `chat_status` 1 once the customer has written, else 0."""
    link = link_of(call)
    found = (follow for follow in call.corp.follows.values() if follow.link_id == link.link_id)
    rows, following = page(call, found, 1000, 1000)
    customers = [
        {
            "external_userid": follow.external_userid,
            "userid": follow.userid,
            "chat_status": int(follow.written > 0),
            "state": follow.state,
        }
        for follow in rows
    ]
    return {"customer_list": customers, "next_cursor": following}


@api(f"{PATH}/statistic")
def link_statistic(call: Call) -> Fields:
    """At most 30 days within the last 180; every add counts as one click."""
    link, now = link_of(call), call.corp.now()
    begin = day_start(number(call, "start_time", None, now - 180 * DAY, now))
    end = day_start(number(call, "end_time", None, begin, begin + 30 * DAY)) + DAY
    added = sum(
        follow.link_id == link.link_id and begin <= follow.createtime < end for follow in call.corp.follows.values()
    )
    return {"click_link_customer_cnt": added, "new_customer_cnt": added}


@api("externalcontact/customer_acquisition_quota", "GET")
def acquisition_quota(call: Call) -> Fields:
    """The paid quota, one less with every customer who came by a link."""
    used = sum(bool(follow.link_id) for follow in call.corp.follows.values())
    balance = max(0, QUOTA - used)
    expires = day_start(call.corp.now()) + 365 * DAY
    return {"total": QUOTA, "balance": balance, "quota_list": [{"expire_date": expires, "balance": balance}]}
