"""Contact ways, join ways and acquisition links."""

import pytest

from tests.simulator.conftest import Json, Simulator
from tests.simulator.steps import CHEN, ZHAO, add, errcode, later

ADD = "externalcontact/add_contact_way"
WAY = {"type": 1, "scene": 2, "state": "expo", "user": ["lin"], "remark": "展会"}
LINKS = "externalcontact/customer_acquisition"


async def test_a_way_comes_back_as_it_was_made(simulator: Simulator) -> None:
    made = await simulator.api(ADD, WAY)

    way = (await simulator.api("externalcontact/get_contact_way", {"config_id": made["config_id"]}))["contact_way"]
    assert way == {
        "config_id": made["config_id"],
        "type": 1,
        "scene": 2,
        "style": 1,
        "remark": "展会",
        "skip_verify": True,
        "state": "expo",
        "qr_code": made["qr_code"],
        "user": ["lin"],
        "party": [],
        "is_temp": False,
    }


async def test_a_mini_program_control_has_no_code(simulator: Simulator) -> None:
    assert "qr_code" not in await simulator.api(ADD, {**WAY, "scene": 1})


async def test_an_update_replaces_members_and_keeps_the_kind(simulator: Simulator) -> None:
    config_id = (await simulator.api(ADD, {"type": 2, "scene": 2, "party": [3], "user": ["lin"]}))["config_id"]
    change = {"config_id": config_id, "user": ["wang"], "party": [], "skip_verify": False, "type": 1}
    await simulator.api("externalcontact/update_contact_way", change)

    way = (await simulator.api("externalcontact/get_contact_way", {"config_id": config_id}))["contact_way"]
    assert (way["type"], way["user"], way["party"], way["skip_verify"]) == (2, ["wang"], [], False)


async def test_temporary_ways_show_their_times_and_are_not_listed(simulator: Simulator) -> None:
    asked = {**WAY, "is_temp": True, "expires_in": 600, "conclusions": {"image": {"media_id": "M"}}}
    temporary = (await simulator.api(ADD, asked))["config_id"]
    lasting = (await simulator.api(ADD, WAY))["config_id"]

    way = (await simulator.api("externalcontact/get_contact_way", {"config_id": temporary}))["contact_way"]
    listed = (await simulator.api("externalcontact/list_contact_way", {}))["contact_way"]
    assert (way["expires_in"], way["chat_expires_in"]) == (600, 24 * 3600)
    assert list(way["conclusions"]["image"]) == ["pic_url"]
    assert listed == [{"config_id": lasting}]


async def test_ways_are_listed_page_by_page_for_90_days(simulator: Simulator) -> None:
    old = (await simulator.api(ADD, WAY))["config_id"]
    begin = simulator.corp.now()
    later(simulator, days=91)
    new = [(await simulator.api(ADD, WAY))["config_id"] for _ in range(3)]

    path = "externalcontact/list_contact_way"
    first = await simulator.api(path, {"limit": 2})
    second = await simulator.api(path, {"limit": 2, "cursor": first["next_cursor"]})
    earlier = await simulator.api(path, {"start_time": begin, "end_time": begin + 60})
    listed = [one["config_id"] for one in [*first["contact_way"], *second["contact_way"]]]
    assert (listed, second["next_cursor"]) == (new, "")
    assert earlier["contact_way"] == [{"config_id": old}]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"type": None}, 41037),
        ({"type": 3}, 41039),
        ({"scene": None}, 41038),
        ({"scene": 5}, 41040),
        ({"style": 4}, 41042),
        ({"type": 2, "style": 3}, 41042),
        ({"user": ["lin", "wang"]}, 41041),
        ({"user": []}, 40063),
        ({"type": 2, "user": []}, 40063),
        ({"party": [2]}, 40063),
        ({"type": 2, "party": [99]}, 60123),
        ({"user": ["nobody"]}, 40003),
        ({"user": ["mo"]}, 60011),
        ({"state": "s" * 31}, 40058),
        ({"remark": "字" * 31}, 40058),
        ({"state": 5}, 40058),
        ({"user": [[]]}, 40058),
        ({"type": 2, "party": ["x"]}, 60123),
        ({"is_temp": True, "expires_in": 15 * 24 * 3600}, 40058),
        ({"state": "s" * 30, "remark": "字" * 30}, 0),
    ],
)
async def test_ways_are_checked(simulator: Simulator, change: Json, expected: int) -> None:
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})

    assert await errcode(simulator, ADD, {**WAY, **change}) == expected


async def test_departments_count_with_all_their_members(simulator: Simulator) -> None:
    for n in range(101):
        await simulator.sim("POST", "members", {"userid": f"s{n}", "departments": [3]})

    assert await errcode(simulator, ADD, {"type": 2, "scene": 2, "party": [3]}) == 41041


async def test_deleted_and_unknown_ways_are_told_apart_from_missing_ids(simulator: Simulator) -> None:
    config_id = (await simulator.api(ADD, WAY))["config_id"]
    path = "externalcontact/del_contact_way"

    codes = [await errcode(simulator, path, {"config_id": one}) for one in (config_id, config_id, "")]

    assert codes == [0, 41044, 41043]


async def test_a_temporary_session_is_closed_for_a_pair(simulator: Simulator) -> None:
    await add(simulator)
    path = "externalcontact/close_temp_chat"

    assert await errcode(simulator, path, {"userid": "lin", "external_userid": CHEN}) == 0
    assert await errcode(simulator, path, {"userid": "wang", "external_userid": CHEN}) == 84061


async def test_a_join_way_has_its_code_in_get_only(simulator: Simulator) -> None:
    chat_id = (await simulator.sim("POST", "groups", {"action": "create", "owner": "lin"}))["chat_id"]
    asked = {"scene": 2, "remark": "门店", "chat_id_list": [chat_id], "state": "shop"}
    path = "externalcontact/groupchat"
    made = await simulator.api(f"{path}/add_join_way", asked)
    await simulator.api(f"{path}/update_join_way", {"config_id": made["config_id"], "state": "mall"})

    way = (await simulator.api(f"{path}/get_join_way", {"config_id": made["config_id"]}))["join_way"]
    deleted = [await errcode(simulator, f"{path}/del_join_way", {"config_id": made["config_id"]}) for _ in range(2)]
    assert "qr_code" not in made
    assert (way["state"], way["remark"], way["auto_create_room"], way["chat_id_list"]) == ("mall", "门店", 1, [chat_id])
    assert way["qr_code"]
    assert deleted == [0, 41044]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"chat_id_list": ["wr"] * 6}, 41091),
        ({"chat_id_list": ["wrNone"]}, 40050),
        ({"scene": None}, 41038),
        ({"room_base_name": "字" * 41}, 40058),
    ],
)
async def test_join_ways_are_checked(simulator: Simulator, change: Json, expected: int) -> None:
    chat_id = (await simulator.sim("POST", "groups", {"action": "create", "owner": "lin"}))["chat_id"]
    asked = {"scene": 2, "chat_id_list": [chat_id], **change}

    assert await errcode(simulator, "externalcontact/groupchat/add_join_way", asked) == expected


async def test_a_link_knows_its_customers_and_its_numbers(simulator: Simulator) -> None:
    asked = {"link_name": "抖音", "range": {"user_list": ["lin"], "department_list": [3]}}
    link = (await simulator.api(f"{LINKS}/create_link", asked))["link"]
    await add(simulator, link_id=link["link_id"], state="douyin")
    await add(simulator, external_userid=ZHAO, link_id=link["link_id"])
    await simulator.sim("POST", "customer-chats", {"userid": "lin", "external_userid": CHEN, "by": "customer"})

    by_id, now = {"link_id": link["link_id"]}, simulator.corp.now()
    rows = (await simulator.api(f"{LINKS}/customer", by_id))["customer_list"]
    numbers = await simulator.api(f"{LINKS}/statistic", {**by_id, "start_time": now - 86400, "end_time": now})
    quota = await simulator.api("externalcontact/customer_acquisition_quota")
    [follow] = (await simulator.api("externalcontact/get", external_userid=CHEN))["follow_user"]
    assert rows == [
        {"external_userid": CHEN, "userid": "lin", "chat_status": 1, "state": "douyin"},
        {"external_userid": ZHAO, "userid": "lin", "chat_status": 0, "state": ""},
    ]
    assert (numbers["click_link_customer_cnt"], numbers["new_customer_cnt"]) == (2, 2)
    assert quota["balance"] == quota["total"] - 2
    assert (follow["add_way"], follow["state"]) == (16, "douyin")


async def test_a_link_is_changed_listed_and_deleted(simulator: Simulator) -> None:
    asked = {"link_name": "抖音", "range": {"user_list": ["lin"]}, "skip_verify": False}
    by_id = {"link_id": (await simulator.api(f"{LINKS}/create_link", asked))["link"]["link_id"]}
    change = {"link_name": "快手", "priority_option": {"priority_type": 2, "priority_userid_list": ["lin"]}}
    await simulator.api(f"{LINKS}/update_link", {**by_id, **change})

    found = await simulator.api(f"{LINKS}/get", by_id)
    listed = await simulator.api(f"{LINKS}/list_link", {})
    deleted = [await errcode(simulator, f"{LINKS}/delete_link", by_id) for _ in range(2)]
    assert (found["link"]["link_name"], found["link"]["skip_verify"]) == ("快手", False)
    assert found["range"] == {"user_list": ["lin"], "department_list": []}
    assert found["priority_option"] == change["priority_option"]
    assert listed["link_id_list"] == [by_id["link_id"]]
    assert deleted == [0, 40058]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"link_name": "字" * 31}, 40058),
        ({"link_name": ""}, 40058),
        ({"range": {}}, 40063),
        ({"range": {"user_list": ["nobody"]}}, 40003),
        ({"range": {"department_list": [99]}}, 60123),
        ({"range": {"user_list": ["lin"] * 501}}, 41041),
        ({"priority_option": {"priority_type": 3}}, 40058),
    ],
)
async def test_links_are_checked(simulator: Simulator, body: Json, expected: int) -> None:
    asked = {"link_name": "抖音", "range": {"user_list": ["lin"]}, **body}

    assert await errcode(simulator, f"{LINKS}/create_link", asked) == expected
