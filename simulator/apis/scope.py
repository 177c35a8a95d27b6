"""Whom a call may name: members in the app's visible scope, customers they follow (wecom-api §6, §6.1, §9.1)."""

from typing import Any

from simulator.corp import LEFT, Corp, Member
from simulator.errors import ApiError
from simulator.platform import Call
from simulator.records import Customer, Follow

NOT_A_CONTACT = "not external contact"


def member_named(corp: Corp, userid: object, unknown: int = 40003) -> Member:
    """A member in scope. Raises 60111 (empty), `unknown` (not existing, left) and 60011 (outside the scope)."""
    if not isinstance(userid, str) or not userid:
        raise ApiError(60111, "userid not found")
    member = corp.member(userid)
    if member is None or member.status == LEFT:
        raise ApiError(unknown, "invalid userid" if unknown == 40003 else "userid not found")
    if not member.in_scope:
        raise ApiError(60011, "no privilege to access/modify contact/party/agent")
    return member


def follower_named(corp: Corp, userid: object) -> Member:
    """A member in scope who has 客户联系; 84074 without it."""
    member = member_named(corp, userid)
    if not member.customer_contact:
        raise ApiError(84074, "no permission of external contact")
    return member


def followers_named(call: Call, userids: Any, most: int = 100) -> list[Member]:
    """Between one and `most` members; 40058 for another number or no list."""
    if not isinstance(userids, list) or not 1 <= len(userids) <= most:
        raise ApiError(40058, "userid_list invalid")
    return [follower_named(call.corp, userid) for userid in userids]


def customer_named(corp: Corp, external_userid: object) -> Customer:
    """A customer of this company. Raises 41035 (empty) and 40096 (unknown)."""
    if not isinstance(external_userid, str) or not external_userid:
        raise ApiError(41035, "missing external userid")
    if external_userid not in corp.customers:
        raise ApiError(40096, "invalid external userid")
    return corp.customers[external_userid]


def pair_named(call: Call) -> Follow:
    """The tie of the body's `userid` and `external_userid`; 84061 without one, and for the half kind."""
    member = follower_named(call.corp, call.body.get("userid"))
    customer = customer_named(call.corp, call.body.get("external_userid"))
    follow = call.corp.tie(member.userid, customer.external_userid)
    if follow is None or follow.half:
        raise ApiError(84061, NOT_A_CONTACT)
    return follow


def department_tree(corp: Corp, root: object) -> list[int]:
    """A department's id and all below it; 60123 when there is no such department."""
    if not isinstance(root, int) or root not in corp.departments:
        raise ApiError(60123, "invalid party id")
    found = [root]
    for parent in found:
        found.extend(one.id for one in corp.departments.values() if one.parent == parent and one.id != parent)
    return found


def members_below(corp: Corp, departments: list[int]) -> list[Member]:
    """Members in scope anywhere below these departments, each once."""
    wanted = {number for root in departments for number in department_tree(corp, root)}
    return [one for one in corp.members.values() if one.visible and wanted.intersection(one.departments)]
