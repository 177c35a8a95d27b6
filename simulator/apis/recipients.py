"""Who gets an app message (wecom-api §7.1): members, departments and everyone, as far as the app's scope goes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from simulator.apis.contact_tags import tags
from simulator.apis.scope import members_below
from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.platform import Call, Fields

EVERYONE = "@all"


@dataclass
class Recipients:
    """Userids to deliver to, each once, and what could not be resolved."""

    userids: list[str] = field(default_factory=list)
    invalid_users: list[str] = field(default_factory=list)
    invalid_parties: list[str] = field(default_factory=list)
    invalid_tags: list[str] = field(default_factory=list)

    def answer(self) -> Fields:
        """The fields of message/send's answer; lower case, joined by `|`."""
        return {
            "invaliduser": "|".join(self.invalid_users),
            "invalidparty": "|".join(self.invalid_parties),
            "invalidtag": "|".join(self.invalid_tags),
            "unlicenseduser": "",
        }


def recipients_of(call: Call) -> Recipients:
    """Resolve touser, toparty and totag. Raises 82001, 40032, 82002, 82003, 81013."""
    users, parties, tag_ids = (split(call.body.get(name)) for name in ("touser", "toparty", "totag"))
    if users == [EVERYONE]:
        return Recipients([member.userid for member in call.corp.members.values() if member.visible])
    if not users and not parties and not tag_ids:
        raise ApiError(82001, "touser, toparty and totag are all empty")
    for listed, most, errcode in ((users, 1000, 40032), (parties, 100, 82002), (tag_ids, 100, 82003)):
        if len(listed) > most:
            raise ApiError(errcode, f"more than {most} recipients listed")
    found = resolve(call, users, parties, tag_ids)
    if not found.userids:
        raise ApiError(81013, "user & party & tag all invalid", **found.answer())
    return found


def resolve(call: Call, users: Iterable[str], parties: Iterable[str], tag_ids: Iterable[str]) -> Recipients:
    """Members by userid, by department with its sub-departments, and by contacts tag (通讯录标签)."""
    found, chosen = Recipients(), dict[str, None]()
    for tag_id in tag_ids:
        tag = tags(call).get(int(tag_id)) if tag_id.isdigit() else None
        if tag is None:
            found.invalid_tags.append(tag_id)
        else:
            chosen.update(dict.fromkeys([*visible(call.corp, tag.users), *below(call.corp, tag.parties)]))
    for userid in users:
        member = call.corp.member(userid)
        if member and member.visible:
            chosen[member.userid] = None
        else:
            found.invalid_users.append(userid.lower())
    for party in parties:
        if party.isdigit() and int(party) in call.corp.departments:
            chosen.update(dict.fromkeys(below(call.corp, [int(party)])))
        else:
            found.invalid_parties.append(party)
    found.userids = list(chosen)
    return found


def visible(corp: Corp, userids: Iterable[str]) -> list[str]:
    """Those of the userids whose members the app sees."""
    return [userid for userid in userids if userid in corp.members and corp.members[userid].visible]


def below(corp: Corp, parties: Iterable[int]) -> list[str]:
    """Userids of the members the app sees in these departments and their sub-departments."""
    return [one.userid for one in members_below(corp, [party for party in parties if party in corp.departments])]


def split(value: object) -> list[str]:
    """Ids joined by `|`; the platform takes a bare number too."""
    return [part for part in str(value or "").split("|") if part]
