"""Internal groups made by the app (wecom-api §7.8); only where the root department is its scope."""

import re
from typing import Any

from simulator.apis.contents import content_of
from simulator.corp import opaque
from simulator.errors import ApiError
from simulator.platform import Call, Fields, api
from simulator.windows import show

CHAT_ID = re.compile(r"[0-9A-Za-z]{1,32}")
MEMBERS = (2, 2000)
DAY, HOUR, MINUTE = 86_400, 3600, 60
NOT_FOR_GROUPS = ("template_card", "miniprogram_notice")


@api("appchat/create", needs="app")
def create(call: Call) -> Fields:
    """A new group; `chatid` may be chosen."""
    chats, body = allowed_chats(call), call.body
    count(call, "create", DAY, 1000)
    chat_id = body.get("chatid") or re.sub(r"[^0-9A-Za-z]", "", opaque("", 48))[:32]
    if not isinstance(chat_id, str) or not CHAT_ID.fullmatch(chat_id):
        raise ApiError(86001, "invalid chatid")
    if chat_id in chats:
        raise ApiError(86215, "chatid already exists")
    members = members_of(call, "userlist")
    if not MEMBERS[0] <= len(members) <= MEMBERS[1]:
        raise ApiError(86006, "a group has 2 to 2000 members")
    chat = {"chatid": chat_id, "name": name_of(body), "owner": body.get("owner") or members[0], "userlist": members}
    check_owner(chat)
    chats[chat_id] = chat
    return {"chatid": chat_id}


@api("appchat/update", needs="app")
def update(call: Call) -> Fields:
    """Change name, owner and members."""
    chat = chat_named(call, call.text("chatid", 86001))
    count(call, "update", HOUR, 1000)
    gone = set(members_of(call, "del_user_list"))
    members = [*dict.fromkeys([*chat["userlist"], *members_of(call, "add_user_list")])]
    changed = {
        **chat,
        "name": name_of(call.body) or chat["name"],
        "owner": call.body.get("owner") or chat["owner"],
        "userlist": [userid for userid in members if userid not in gone],
    }
    check_owner(changed)
    chat.update(changed)
    return {}


@api("appchat/get", "GET", needs="app")
def get(call: Call) -> Fields:
    """Name, owner and members."""
    return {"chat_info": chat_named(call, call.text("chatid", 86001))}


@api("appchat/send", needs="app")
def send(call: Call) -> Fields:
    """To every member's window, with the group's `chatid`; the answer has no msgid."""
    chat = chat_named(call, call.text("chatid", 86001))
    if call.body.get("msgtype") in NOT_FOR_GROUPS:
        raise ApiError(40008, "invalid message type")
    content = content_of(call.corp, call.body)
    for userid in chat["userlist"]:
        if call.platform.limits.allow(("appchat", userid), ((MINUTE, 200), (DAY, 10_000))):
            show(call.corp, userid, call.body["msgtype"], content, chatid=chat["chatid"])
    return {}


def allowed_chats(call: Call) -> dict[str, Any]:
    """Every group by chatid. Raises 48002 unless the scope is the root department."""
    if not call.corp.state.root_scope:
        raise ApiError(48002, "api forbidden")
    return call.platform.extras["appchat"]


def chat_named(call: Call, chat_id: str) -> Fields:
    """A group of this app. Raises 86001."""
    chat: Fields | None = allowed_chats(call).get(chat_id)
    if chat is None:
        raise ApiError(86001, "invalid chatid")
    return chat


def members_of(call: Call, field: str) -> list[str]:
    """The members listed in a field. Raises 86007 for somebody unknown."""
    members = [call.corp.member(userid) for userid in call.strings(field)]
    found = [member.userid for member in members if member and member.visible]
    if len(found) < len(members):
        raise ApiError(86007, f"{field} invalid")
    return found


def name_of(body: Fields) -> str:
    """The group's name. Raises 86004 beyond 50 characters."""
    name = str(body.get("name") or "")
    if len(name) > 50:
        raise ApiError(86004, "name exceed max length 50")
    return name


def check_owner(chat: Fields) -> None:
    """Raise 86005 unless the owner is a member of the group."""
    if chat["owner"] not in chat["userlist"]:
        raise ApiError(86005, "owner invalid")


def count(call: Call, what: str, seconds: int, most: int) -> None:
    """Count a change. Raises 45009 beyond `most` in the window."""
    if not call.platform.limits.allow(("appchat", what), ((seconds, most),)):
        raise ApiError(45009, "api freq out of limit")
