"""Events about customers, groups, tags and members, and who gets them (wecom-api §2.2, §3).

Changes made through the APIs raise none of these; only what people do in their clients does.
"""

import asyncio
from typing import Any

from aiohttp import web

from simulator.corp import Corp, Member
from simulator.delivery import Delivery
from simulator.platform import COURIER, PLATFORM
from simulator.records import Group

Event = dict[str, Any]


def event(corp: Corp, kind: str, change: str, **tail: Any) -> Event:
    """The head all customer-contact events share, from `sys` and without an AgentID."""
    head = {"ToUserName": corp.corp_id, "FromUserName": "sys", "CreateTime": corp.now(), "MsgType": "event"}
    return {**head, "Event": kind, "ChangeType": change, **tail}


def contact_event(corp: Corp, change: str, userid: str, external_userid: str, **tail: Any) -> Event:
    """§3.2: `change_external_contact`; tail fields that are empty stay away."""
    given = {name: value for name, value in tail.items() if value}
    return event(corp, "change_external_contact", change, UserID=userid, ExternalUserID=external_userid, **given)


def group_event(corp: Corp, change: str, group: Group, **tail: Any) -> Event:
    """§3.3: `change_external_chat`."""
    return event(corp, "change_external_chat", change, ChatId=group.chat_id, **tail)


def tag_event(corp: Corp, change: str, id_: str, tag_type: str = "") -> Event:
    """§3.4: `change_external_tag`; a shuffle has no TagType."""
    return event(corp, "change_external_tag", change, Id=id_, **({"TagType": tag_type} if tag_type else {}))


def scope_event(corp: Corp, name: str, userid: str) -> Event:
    """§2.2: `subscribe` and `unsubscribe`, from the member, to the app."""
    return {
        "ToUserName": corp.corp_id,
        "FromUserName": userid,
        "CreateTime": corp.now(),
        "MsgType": "event",
        "Event": name,
        "EventKey": "",
        "AgentID": corp.app.agent_id,
    }


def heard(corp: Corp, member: Member) -> bool:
    """Whether the app gets customer events of this member: listed for 客户联系, member in scope (§3.1)."""
    return corp.app.customers_allowed and member.visible and member.customer_contact


async def deliver(request: web.Request, *events: Event) -> list[Delivery]:
    """Deliver events side by side, so that a bot that is down costs the time of one; wakes waiting windows."""
    await request.app[PLATFORM].notify()
    made = await asyncio.gather(*(request.app[COURIER].deliver(each) for each in events))
    return [delivery for deliveries in made for delivery in deliveries]
