"""Who gets an app message (wecom-api §7.1): members, departments and everyone, as far as the app's scope goes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

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
    users, parties, tags = (split(call.body.get(name)) for name in ("touser", "toparty", "totag"))
    if users == [EVERYONE]:
        return Recipients([member.userid for member in call.corp.members.values() if member.visible])
    if not users and not parties and not tags:
        raise ApiError(82001, "touser, toparty and totag are all empty")
    for listed, most, errcode in ((users, 1000, 40032), (parties, 100, 82002), (tags, 100, 82003)):
        if len(listed) > most:
            raise ApiError(errcode, f"more than {most} recipients listed")
    found = resolve(call.corp, users, parties)
    # The company keeps no contacts tags (通讯录标签): each one named here is unknown.
    found.invalid_tags = tags
    if not found.userids:
        raise ApiError(81013, "user & party & tag all invalid", **found.answer())
    return found


def resolve(corp: Corp, users: Iterable[str], parties: Iterable[str]) -> Recipients:
    """Members by userid and by department, its sub-departments included."""
    found, chosen = Recipients(), dict[str, None]()
    for userid in users:
        member = corp.member(userid)
        if member and member.visible:
            chosen[member.userid] = None
        else:
            found.invalid_users.append(userid.lower())
    for party in parties:
        if party.isdigit() and int(party) in corp.departments:
            chosen.update(dict.fromkeys(one.userid for one in members_below(corp, [int(party)])))
        else:
            found.invalid_parties.append(party)
    found.userids = list(chosen)
    return found


def split(value: object) -> list[str]:
    """Ids joined by `|`; the platform takes a bare number too."""
    return [part for part in str(value or "").split("|") if part]
