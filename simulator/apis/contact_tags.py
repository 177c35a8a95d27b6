"""Tags of members and departments, 通讯录标签 (wecom-api §9.1): integers, and each app's own."""

from dataclasses import dataclass, field
from typing import Any

from simulator.errors import ApiError
from simulator.platform import Call, Fields, api

LONGEST_NAME = 32
MOST_USERS, MOST_PARTIES = 1000, 100


@dataclass
class ContactTag:
    """A tag on members and departments."""

    tagid: int
    tagname: str
    owner: int | None
    users: list[str] = field(default_factory=list)
    parties: list[int] = field(default_factory=list)


def tags(call: Call) -> dict[int, ContactTag]:
    """Every tag by its id."""
    kept: dict[Any, ContactTag] = call.platform.extras["contact_tags"]
    return kept


def tag_of(call: Call, *, own: bool) -> ContactTag:
    """The tag a call names: 40068 unknown; with `own`, 81011 for another app's."""
    tagid = str(call.body.get("tagid") or call.query.get("tagid") or "")
    if not tagid:
        raise ApiError(41017, "missing tagid")
    if not tagid.isdigit() or int(tagid) not in tags(call):
        raise ApiError(40068, "invalid tagid")
    tag = tags(call)[int(tagid)]
    if own and tag.owner != call.app.agent_id:
        raise ApiError(81011, "no privilege to this tag")
    return tag


def tag_name(call: Call, but: ContactTag | None = None) -> str:
    """A name of at most 32 characters that no other tag has: 41018, 40072, 40071."""
    name = call.text("tagname", 41018)
    if len(name) > LONGEST_NAME:
        raise ApiError(40072, "invalid tag name length")
    if any(one.tagname == name and one is not but for one in tags(call).values()):
        raise ApiError(40071, "UserTag Name Already Exist")
    return name


@api("tag/create", needs="contacts")
def create(call: Call) -> Fields:
    """With an id of the caller's choice, or the next one."""
    tagid, name = call.body.get("tagid"), tag_name(call)
    if tagid is None:
        tagid = max(tags(call), default=0) + 1
    if not isinstance(tagid, int) or tagid < 1 or tagid in tags(call):
        raise ApiError(40068, "invalid tagid")
    tags(call)[tagid] = ContactTag(tagid, name, call.app.agent_id)
    return {"tagid": tagid}


@api("tag/update", needs="contacts")
def update(call: Call) -> Fields:
    """The name."""
    tag = tag_of(call, own=True)
    tag.tagname = tag_name(call, tag)
    return {}


@api("tag/delete", "GET", needs="contacts")
def delete(call: Call) -> Fields:
    """The tag, whoever wears it."""
    del tags(call)[tag_of(call, own=True).tagid]
    return {}


@api("tag/list", "GET", needs="contacts", empty={"taglist": []})
def list_tags(call: Call) -> Fields:
    """The tags this token may manage."""
    found = [one for one in tags(call).values() if call.app.agent_id in {one.owner, None}]
    return {"taglist": [{"tagid": one.tagid, "tagname": one.tagname} for one in found]}


@api("tag/get", "GET", needs="contacts", empty={"userlist": [], "partylist": []})
def get(call: Call) -> Fields:
    """Who wears a tag."""
    tag, members = tag_of(call, own=False), call.corp.members
    people = [{"userid": one, "name": members[one].name} for one in tag.users]
    return {"tagname": tag.tagname, "userlist": people, "partylist": tag.parties}


def named(call: Call) -> tuple[list[str], list[int], Fields]:
    """Members and departments that can be tagged, and the answer that names the others. Raises 40035, 40070."""
    users, parties = call.body.get("userlist") or [], call.body.get("partylist") or []
    if not isinstance(users, list) or not isinstance(parties, list) or not (users or parties):
        raise ApiError(40035, "userlist or partylist invalid")
    if len(users) > MOST_USERS or len(parties) > MOST_PARTIES:
        raise ApiError(81014, "too many tag members")
    found = {one: call.corp.member(str(one)) for one in users}
    good_users = [member.userid for member in found.values() if member and member.visible]
    good_parties = [one for one in parties if one in call.corp.departments]
    if not good_users and not good_parties:
        raise ApiError(40070, "all list invalid")
    bad_users = [str(one) for one, member in found.items() if not member or not member.visible]
    bad_parties = [one for one in parties if one not in call.corp.departments]
    answer: Fields = {"invalidlist": "|".join(bad_users)} if bad_users else {}
    return good_users, good_parties, answer | ({"invalidparty": bad_parties} if bad_parties else {})


@api("tag/addtagusers", needs="contacts")
def add_users(call: Call) -> Fields:
    """A part that fails is named in the answer; all failing is 40070."""
    tag = tag_of(call, own=True)
    users, parties, answer = named(call)
    tag.users = list(dict.fromkeys([*tag.users, *users]))
    tag.parties = list(dict.fromkeys([*tag.parties, *parties]))
    return answer


@api("tag/deltagusers", needs="contacts")
def delete_users(call: Call) -> Fields:
    """The same for taking tags off."""
    tag = tag_of(call, own=True)
    users, parties, answer = named(call)
    tag.users = [one for one in tag.users if one not in users]
    tag.parties = [one for one in tag.parties if one not in parties]
    return answer
