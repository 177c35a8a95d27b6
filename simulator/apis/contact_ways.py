"""「联系我」 and 「加入群聊」: contact ways and join ways (wecom-api §5.1, §5.2)."""

from typing import Any

from simulator.apis.scope import follower_named, members_below, pair_named
from simulator.corp import opaque
from simulator.errors import ApiError
from simulator.paging import number, page
from simulator.platform import Call, Fields, api

MOST_WAYS = 500_000
MOST_MEMBERS = 100
STYLES = {1: (1, 2, 3), 2: (1, 2)}
FORTNIGHT = 14 * 24 * 3600
LISTED_DAYS = 90 * 24 * 3600
WAY_DEFAULTS: Fields = {
    "style": 1,
    "remark": "",
    "skip_verify": True,
    "state": "",
    "user": [],
    "party": [],
    "is_temp": False,
    "expires_in": 7 * 24 * 3600,
    "chat_expires_in": 24 * 3600,
    "unionid": "",
    "conclusions": {},
    "is_exclusive": False,
    "mark_source": True,
}
TEMPORARY = ("expires_in", "chat_expires_in", "unionid", "conclusions")
JOIN_DEFAULTS: Fields = {
    "remark": "",
    "auto_create_room": 1,
    "room_base_name": "",
    "room_base_id": 0,
    "chat_id_list": [],
    "state": "",
    "mark_source": True,
}
LENGTHS = {"remark": 30, "state": 30, "room_base_name": 40}


def ways(call: Call) -> dict[str, Fields]:
    """Every contact way by config_id."""
    return call.platform.extras["contact_ways"]


def join_ways(call: Call) -> dict[str, Fields]:
    """Every join way by config_id."""
    return call.platform.extras["join_ways"]


@api("externalcontact/add_contact_way")
def add_contact_way(call: Call) -> Fields:
    """§5.1: `qr_code` only for scene 2."""
    kind, scene = chosen(call, "type", 41037, 41039), chosen(call, "scene", 41038, 41040)
    way = {"type": kind, "scene": scene} | WAY_DEFAULTS | given(call, WAY_DEFAULTS)
    check_way(call, way)
    config_id = keep(call, ways(call), way, "create_time")
    return {"config_id": config_id} | ({"qr_code": way["qr_code"]} if scene == 2 else {})


def chosen(call: Call, name: str, missing: int, wrong: int) -> int:
    """A 1 or a 2, with an errcode of its own for each mistake."""
    value = call.body.get(name)
    if value is None:
        raise ApiError(missing, f"missing {name}")
    if value not in (1, 2) or isinstance(value, bool):
        raise ApiError(wrong, f"invalid {name}")
    return int(value)


def given(call: Call, defaults: Fields) -> Fields:
    """The fields of the body that may be set, each of its default's type; 40058 otherwise."""
    found = {name: call.body[name] for name in defaults if call.body.get(name) is not None}
    for name, value in found.items():
        wanted = type(defaults[name])
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ApiError(40058, f"{name} invalid")
        if isinstance(value, list) and not all(isinstance(one, str | int) for one in value):
            raise ApiError(40058, f"{name} invalid")
        if len(str(value)) > LENGTHS.get(name, len(str(value))):
            raise ApiError(40058, f"{name} exceed max length {LENGTHS[name]}")
    return found


def check_way(call: Call, way: Fields) -> None:
    """Style, members and the fields of temporary sessions."""
    if way["style"] not in STYLES[way["type"]]:
        raise ApiError(41042, "invalid style")
    if way["type"] == 1 and (len(way["user"]) != 1 or way["party"]):
        raise ApiError(41041 if len(way["user"]) > 1 else 40063, "user invalid: a way of type 1 has one member")
    if not way["user"] and not way["party"]:
        raise ApiError(40063, "some parameters are empty")
    named = [follower_named(call.corp, userid) for userid in way["user"]]
    reached = {one.userid: one for one in (*named, *members_below(call.corp, way["party"]))}
    if len(reached) > MOST_MEMBERS:
        raise ApiError(41041, "too many users")
    if any(one.status != 1 for one in reached.values()):
        raise ApiError(41054, "member not activated")
    if way["is_temp"] and (way["type"] == 2 or max(way["expires_in"], way["chat_expires_in"]) > FORTNIGHT):
        raise ApiError(40058, "expires_in, chat_expires_in or type invalid for a temporary session")


def keep(call: Call, kept: dict[str, Fields], way: Fields, stamp: str) -> str:
    """Store a way under a new config_id; 41045 when the company has too many."""
    if len(ways(call)) + len(join_ways(call)) >= MOST_WAYS:
        raise ApiError(41045, "too many contact ways")
    config_id = opaque("", 32)
    image = f"http://{call.headers.get('Host', 'wework.qpic.cn')}/wwpic/{config_id}/0"
    way |= {"config_id": config_id, "qr_code": image, stamp: call.corp.now()}
    kept[config_id] = way
    return config_id


def way_of(call: Call, kept: dict[str, Fields]) -> Fields:
    """The way a call names: 41043 missing, 41044 unknown."""
    config_id = call.text("config_id", 41043)
    if config_id not in kept:
        raise ApiError(41044, "invalid config_id")
    return kept[config_id]


@api("externalcontact/get_contact_way", empty={"contact_way": {}})
def get_contact_way(call: Call) -> Fields:
    """§5.1: the way as it was made; the fields of temporary sessions only for those."""
    way = way_of(call, ways(call))
    hidden = {"create_time", "is_exclusive", "mark_source"} | (set() if way["is_temp"] else set(TEMPORARY))
    return {"contact_way": {name: shown(name, value) for name, value in way.items() if name not in hidden}}


def shown(name: str, value: Any) -> Any:
    """A field as it comes back: an image of the conclusions as `pic_url`, no longer as a media_id."""
    if name != "conclusions" or "image" not in value:
        return value
    return value | {"image": {"pic_url": f"https://wework.qpic.cn/wwpic/{value['image'].get('media_id', '')}/0"}}


@api("externalcontact/list_contact_way", empty={"contact_way": []})
def list_contact_way(call: Call) -> Fields:
    """§5.1: no temporary ways; the last 90 days unless asked otherwise."""
    now = call.corp.now()
    begin = number(call, "start_time", now - LISTED_DAYS, 0, 2**40)
    end = number(call, "end_time", now, 0, 2**40)
    found = (way for way in ways(call).values() if not way["is_temp"] and begin <= way["create_time"] <= end)
    rows, following = page(call, found, 100, 1000)
    return {"contact_way": [{"config_id": way["config_id"]} for way in rows], "next_cursor": following}


@api("externalcontact/update_contact_way")
def update_contact_way(call: Call) -> Fields:
    """§5.1: type and scene stay; user and party, if given, replace the old lists."""
    way = way_of(call, ways(call))
    changed = way | given(call, {name: WAY_DEFAULTS[name] for name in WAY_DEFAULTS if name != "is_temp"})
    check_way(call, changed)
    way.update(changed)
    return {}


@api("externalcontact/del_contact_way")
def del_contact_way(call: Call) -> Fields:
    """§5.1."""
    del ways(call)[way_of(call, ways(call))["config_id"]]
    return {}


@api("externalcontact/close_temp_chat")
def close_temp_chat(call: Call) -> Fields:
    """§5.1: ends a temporary session; nothing else shows it."""
    pair_named(call)
    return {}


@api("externalcontact/groupchat/add_join_way")
def add_join_way(call: Call) -> Fields:
    """§5.2: only the config_id; the QR code is in get_join_way."""
    way = {"scene": chosen(call, "scene", 41038, 41040)} | JOIN_DEFAULTS | given(call, JOIN_DEFAULTS)
    check_join_way(call, way)
    return {"config_id": keep(call, join_ways(call), way, "create_time")}


def check_join_way(call: Call, way: Fields) -> None:
    """At most five groups, all of them known."""
    if len(way["chat_id_list"]) > 5:
        raise ApiError(41091, "too many groups")
    for chat_id in way["chat_id_list"]:
        if chat_id not in call.corp.groups or call.corp.groups[chat_id].dismissed:
            raise ApiError(40050, "invalid group id")
    if not way["chat_id_list"]:
        raise ApiError(40063, "some parameters are empty")


@api("externalcontact/groupchat/get_join_way", empty={"join_way": {}})
def get_join_way(call: Call) -> Fields:
    """§5.2."""
    way = way_of(call, join_ways(call))
    return {"join_way": {name: value for name, value in way.items() if name not in {"create_time", "mark_source"}}}


@api("externalcontact/groupchat/update_join_way")
def update_join_way(call: Call) -> Fields:
    """§5.2."""
    way = way_of(call, join_ways(call))
    changed = way | given(call, JOIN_DEFAULTS)
    check_join_way(call, changed)
    way.update(changed)
    return {}


@api("externalcontact/groupchat/del_join_way")
def del_join_way(call: Call) -> Fields:
    """§5.2."""
    del join_ways(call)[way_of(call, join_ways(call))["config_id"]]
    return {}
