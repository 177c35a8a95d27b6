"""Corp tags of customers (wecom-api §6.3): kept per company, marked per pair of member and customer."""

from collections.abc import Iterable

from simulator.apis.checks import blocks, own_agent
from simulator.apis.scope import pair_named
from simulator.corp import Corp, opaque
from simulator.errors import ApiError
from simulator.paging import number
from simulator.platform import Call, Fields, api
from simulator.records import Tag, TagGroup

MOST_TAGS = 10_000
LONGEST_NAME = 30
MOST_ON_A_PAIR = 3_000
"""40144 is documented, the number is not: far beyond any real customer."""
LAST_ORDER = 2**32 - 1


@api("externalcontact/get_corp_tag_list", empty={"tag_group": []})
def get_corp_tag_list(call: Call) -> Fields:
    """§6.3: all, or those asked for by id; only then `deleted` shows."""
    corp, tag_ids, group_ids = call.corp, call.strings("tag_id"), call.strings("group_id")
    if group_ids:
        groups = known(corp.tag_groups, group_ids)
        wanted = [tag for tag in corp.tags.values() if tag.group_id in groups]
    elif tag_ids:
        wanted = [corp.tags[tag_id] for tag_id in known(corp.tags, tag_ids)]
    else:
        wanted = [tag for tag in corp.tags.values() if not tag.deleted]
    return {"tag_group": grouped(corp, wanted, by_id=bool(group_ids or tag_ids))}


def known(found: dict[str, Tag] | dict[str, TagGroup], ids: Iterable[str]) -> set[str]:
    """These ids, each of a tag or group; 40068 for an unknown one."""
    wanted = set(ids)
    if not wanted <= found.keys():
        raise ApiError(40068, "invalid tagid")
    return wanted


def grouped(corp: Corp, tags: Iterable[Tag], *, by_id: bool = False) -> list[Fields]:
    """Tags in their groups, the larger `order` first."""
    members: dict[str, list[Tag]] = {}
    for tag in tags:
        members.setdefault(tag.group_id, []).append(tag)
    groups = sorted((corp.tag_groups[group_id] for group_id in members), key=lambda group: -group.order)
    return [group_fields(group, members[group.id], by_id=by_id) for group in groups]


def group_fields(group: TagGroup, tags: Iterable[Tag], *, by_id: bool = False) -> Fields:
    """A group with some of its tags."""
    rows = [
        {"id": tag.id, "name": tag.name, "create_time": tag.create_time, "order": tag.order}
        | ({"deleted": tag.deleted} if by_id else {})
        for tag in sorted(tags, key=lambda tag: -tag.order)
    ]
    head = {"group_id": group.id, "group_name": group.name, "create_time": group.create_time, "order": group.order}
    return head | ({"deleted": group.deleted} if by_id else {}) | {"tag": rows}


@api("externalcontact/add_corp_tag")
def add_corp_tag(call: Call) -> Fields:
    """§6.3: tags into a group, old or new; answers the group with the new tags only."""
    corp = call.corp
    check_agent(call)
    named: dict[str, int] = {}
    for one in blocks(call.body, "tag"):
        named.setdefault(name_of(one), number_of(one, "order"))
    if not named:
        raise ApiError(41018, "missing tagname")
    group = group_asked(call)
    taken = {tag.name for tag in corp.tags.values() if tag.group_id == group.id and not tag.deleted}
    if taken & named.keys():
        raise ApiError(40071, "UserTag Name Already Exist")
    if sum(not tag.deleted for tag in corp.tags.values()) + len(named) > MOST_TAGS:
        raise ApiError(40126, "too many tags")
    corp.tag_groups[group.id] = group
    created = [make_tag(corp, group, name, order, call.app.agent_id) for name, order in named.items()]
    return {"tag_group": group_fields(group, created)}


def check_agent(call: Call) -> None:
    """Refuse another app's agentid; a self-built app may leave it out."""
    if call.body.get("agentid") is not None:
        own_agent(call, call.body["agentid"])


def name_of(given: Fields) -> str:
    """A tag's name: 41018 when empty, 40058 beyond 30 characters."""
    name = given.get("name")
    if not isinstance(name, str) or not name:
        raise ApiError(41018, "missing tagname")
    if len(name) > LONGEST_NAME:
        raise ApiError(40058, f"name exceed max length {LONGEST_NAME}")
    return name


def number_of(given: Fields, name: str) -> int:
    """An `order`, 0 when absent."""
    value = given.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LAST_ORDER:
        raise ApiError(40058, f"{name} invalid")
    return value


def group_asked(call: Call) -> TagGroup:
    """The group a call adds to: by id, by an existing name, or a new one that is not kept yet."""
    corp, group_id, name = call.corp, call.body.get("group_id"), call.body.get("group_name")
    if group_id:
        if not isinstance(group_id, str) or group_id not in corp.tag_groups or corp.tag_groups[group_id].deleted:
            raise ApiError(40068, "invalid tagid")
        return corp.tag_groups[group_id]
    if not name:
        raise ApiError(41017, "missing tagid")
    name = name_of({"name": name})
    order = number(call, "order", 0, 0, LAST_ORDER)
    same = (group for group in corp.tag_groups.values() if group.name == name and not group.deleted)
    return next(same, None) or TagGroup(opaque("et"), name, order, corp.now(), call.app.agent_id)


def make_tag(corp: Corp, group: TagGroup, name: str, order: int, creator: int | None) -> Tag:
    """A new tag in a group; `creator` None is the console."""
    tag = Tag(opaque("et"), name, group.id, order, corp.now(), creator)
    corp.tags[tag.id] = tag
    return tag


@api("externalcontact/edit_corp_tag")
def edit_corp_tag(call: Call) -> Fields:
    """§6.3: name and order of a tag or a group this app created."""
    check_agent(call)
    edited = own(call, call.text("id", 41017))
    if call.body.get("name"):
        name = name_of(call.body)
        if name in siblings(call.corp, edited):
            raise ApiError(40071, "UserTag Name Already Exist")
        edited.name = name
    edited.order = number(call, "order", edited.order, 0, LAST_ORDER)
    return {}


def siblings(corp: Corp, edited: Tag | TagGroup) -> set[str]:
    """Names the edited tag or group may not take."""
    if isinstance(edited, TagGroup):
        return {group.name for group in corp.tag_groups.values() if group is not edited and not group.deleted}
    return {
        tag.name
        for tag in corp.tags.values()
        if tag.group_id == edited.group_id and tag is not edited and not tag.deleted
    }


def own(call: Call, id_: str) -> Tag | TagGroup:
    """A tag or group this app created: 40068 unknown, 60011 somebody else's."""
    found = call.corp.tags.get(id_) or call.corp.tag_groups.get(id_)
    if found is None or found.deleted:
        raise ApiError(40068, "invalid tagid")
    if found.creator != call.app.agent_id:
        raise ApiError(60011, "no privilege to access/modify contact/party/agent")
    return found


@api("externalcontact/del_corp_tag")
def del_corp_tag(call: Call) -> Fields:
    """§6.3: all or none of the tags and groups named; a group goes with its last tag."""
    check_agent(call)
    tag_ids, group_ids = call.strings("tag_id"), call.strings("group_id")
    if not tag_ids and not group_ids:
        raise ApiError(41017, "missing tagid")
    known(call.corp.tags, tag_ids)
    known(call.corp.tag_groups, group_ids)
    for doomed in [own(call, id_) for id_ in (*tag_ids, *group_ids)]:
        delete(call.corp, doomed)
    return {}


def delete(corp: Corp, doomed: Tag | TagGroup) -> None:
    """Delete a tag, and its group with the last one; or a group with all its tags."""
    group_id = doomed.id if isinstance(doomed, TagGroup) else doomed.group_id
    doomed.deleted = True
    siblings_left = [tag for tag in corp.tags.values() if tag.group_id == group_id and not tag.deleted]
    if isinstance(doomed, TagGroup):
        for tag in siblings_left:
            tag.deleted = True
    elif not siblings_left:
        corp.tag_groups[group_id].deleted = True


@api("externalcontact/mark_tag")
def mark_tag(call: Call) -> Fields:
    """§6.3: tags on and off a pair, silently."""
    add, remove = call.strings("add_tag"), call.strings("remove_tag")
    if not add and not remove:
        raise ApiError(41017, "missing tagid")
    follow = pair_named(call)
    if any(tag_id not in call.corp.tags or call.corp.tags[tag_id].deleted for tag_id in (*add, *remove)):
        raise ApiError(40068, "invalid tagid")
    kept = [tag_id for tag_id in follow.tag_ids if tag_id not in remove]
    marked = kept + [tag_id for tag_id in dict.fromkeys(add) if tag_id not in kept]
    if len(marked) > MOST_ON_A_PAIR:
        raise ApiError(40144, "too many tags of the customer")
    follow.tag_ids = marked
    return {}
