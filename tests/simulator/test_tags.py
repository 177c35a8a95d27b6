"""Corp tags of customers."""

import pytest

from tests.simulator.conftest import Json, Receiver, Simulator
from tests.simulator.steps import CHEN, add, errcode, make_tags


async def tag_groups(simulator: Simulator, **asked: object) -> list[Json]:
    """The groups get_corp_tag_list answers."""
    found = await simulator.api("externalcontact/get_corp_tag_list", asked)
    assert found["errcode"] == 0, found
    groups: list[Json] = found["tag_group"]
    return groups


async def console_tags(simulator: Simulator, group: str, *names: str) -> Json:
    """Tags made by an admin in the console."""
    return await simulator.sim("POST", "corp-tags", {"action": "create", "group": group, "tags": list(names)})


async def test_tags_are_made_in_a_new_group_and_joined_to_an_old_one(simulator: Simulator) -> None:
    asked = {"group_name": "意向", "order": 3, "tag": [{"name": "高", "order": 2}, {"name": "低"}, {"name": "高"}]}
    first = (await simulator.api("externalcontact/add_corp_tag", asked))["tag_group"]
    asked = {"group_name": "意向", "tag": [{"name": "中", "order": 1}]}
    second = (await simulator.api("externalcontact/add_corp_tag", asked))["tag_group"]

    [group] = await tag_groups(simulator)
    assert (first["group_name"], first["order"]) == ("意向", 3)
    assert [tag["name"] for tag in first["tag"]] == ["高", "低"]
    assert [tag["name"] for tag in second["tag"]] == ["中"]
    assert first["group_id"] == second["group_id"] == group["group_id"]
    assert [tag["name"] for tag in group["tag"]] == ["高", "中", "低"]
    assert "deleted" not in group
    assert group["group_id"].startswith("et")


async def test_groups_of_higher_order_come_first(simulator: Simulator) -> None:
    for name, order in (("甲", 1), ("乙", 9)):
        asked = {"group_name": name, "order": order, "tag": [{"name": "x"}]}
        await simulator.api("externalcontact/add_corp_tag", asked)

    assert [group["group_name"] for group in await tag_groups(simulator)] == ["乙", "甲"]


async def test_only_questions_by_id_show_what_was_deleted(simulator: Simulator) -> None:
    [high, low] = await make_tags(simulator, "意向", "高", "低")
    await simulator.api("externalcontact/del_corp_tag", {"tag_id": [high]})

    [listed], [asked] = await tag_groups(simulator), await tag_groups(simulator, tag_id=[high])

    assert [tag["id"] for tag in listed["tag"]] == [low]
    assert [(tag["id"], tag["deleted"]) for tag in asked["tag"]] == [(high, True)]
    assert asked["deleted"] is False


async def test_a_group_goes_with_its_last_tag(simulator: Simulator) -> None:
    ids = await make_tags(simulator, "意向", "高", "低")

    await simulator.api("externalcontact/del_corp_tag", {"tag_id": ids})

    assert await tag_groups(simulator) == []


async def test_a_deleted_group_takes_its_tags_off_the_customers(simulator: Simulator) -> None:
    await add(simulator)
    [high] = await make_tags(simulator, "意向", "高")
    pair = {"userid": "lin", "external_userid": CHEN}
    await simulator.api("externalcontact/mark_tag", {**pair, "add_tag": [high]})
    [group] = await tag_groups(simulator)
    await simulator.api("externalcontact/del_corp_tag", {"group_id": [group["group_id"]]})

    [follow] = (await simulator.api("externalcontact/get", external_userid=CHEN))["follow_user"]
    assert follow["tags"] == []
    assert await errcode(simulator, "externalcontact/mark_tag", {**pair, "add_tag": [high]}) == 40068


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"group_name": "意向", "tag": [{"name": "高"}]}, 40071),
        ({"group_name": "意向", "tag": [{"name": ""}]}, 41018),
        ({"group_name": "空"}, 41018),
        ({"tag": [{"name": "x"}]}, 41017),
        ({"group_id": "etNone", "tag": [{"name": "x"}]}, 40068),
        ({"group_id": [1], "tag": [{"name": "x"}]}, 40068),
        ({"group_name": "意向", "tag": ["x"]}, 40058),
        ({"group_name": "意向", "tag": [{"name": "字" * 31}]}, 40058),
        ({"group_name": "字" * 31, "tag": [{"name": "x"}]}, 40058),
        ({"group_name": "意向", "tag": [{"name": "x", "order": 2**32}]}, 40058),
        ({"group_name": "意向", "tag": [{"name": "x"}], "agentid": 7}, 301002),
        ({"group_name": "意向", "tag": [{"name": "字" * 30, "order": 2**32 - 1}], "agentid": 1000002}, 0),
    ],
)
async def test_new_tags_are_checked(simulator: Simulator, body: Json, expected: int) -> None:
    await make_tags(simulator, "意向", "高")

    assert await errcode(simulator, "externalcontact/add_corp_tag", body) == expected


async def test_a_company_has_10000_tags_at_most(simulator: Simulator) -> None:
    await make_tags(simulator, "一", *(f"t{n}" for n in range(9_999)))

    over = {"group_name": "二", "tag": [{"name": "a"}, {"name": "b"}]}
    assert await errcode(simulator, "externalcontact/add_corp_tag", over) == 40126
    assert await errcode(simulator, "externalcontact/add_corp_tag", {"group_name": "二", "tag": [{"name": "a"}]}) == 0


async def test_an_app_edits_and_deletes_only_what_it_made(simulator: Simulator) -> None:
    made = await console_tags(simulator, "渠道", "展会")
    theirs = made["tag_ids"]["展会"]
    [own, other] = await make_tags(simulator, "意向", "高", "低")

    edit, delete = "externalcontact/edit_corp_tag", "externalcontact/del_corp_tag"
    assert await errcode(simulator, edit, {"id": theirs, "name": "x"}) == 60011
    assert await errcode(simulator, delete, {"tag_id": [theirs]}) == 60011
    assert await errcode(simulator, delete, {"group_id": [made["group_id"]]}) == 60011
    assert await errcode(simulator, edit, {"id": own, "name": "低"}) == 40071
    assert await errcode(simulator, edit, {"name": "x"}) == 41017
    assert await errcode(simulator, edit, {"id": "etNone", "name": "x"}) == 40068
    assert await errcode(simulator, delete, {}) == 41017
    assert await errcode(simulator, delete, {"tag_id": ["etNone"]}) == 40068
    assert await errcode(simulator, edit, {"id": own, "name": "很高", "order": 9}) == 0
    [group] = await tag_groups(simulator, tag_id=[own, other])
    assert [(tag["name"], tag["order"]) for tag in group["tag"]] == [("很高", 9), ("低", 0)]


async def test_tags_belong_to_the_pair(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    await add(simulator, "wang")
    [high, low] = await make_tags(simulator, "意向", "高", "低")
    pair = {"userid": "lin", "external_userid": CHEN}
    await simulator.api("externalcontact/mark_tag", {**pair, "add_tag": [high, low, high]})
    await simulator.api("externalcontact/mark_tag", {**pair, "add_tag": [high], "remove_tag": [low]})

    lin, wang = (await simulator.api("externalcontact/get", external_userid=CHEN))["follow_user"]
    assert [tag["tag_id"] for tag in lin["tags"]] == [high]
    assert wang["tags"] == []
    assert [event["ChangeType"] for event in receiver.events] == ["add_external_contact"] * 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 41017),
        ({"add_tag": ["etNone"]}, 40068),
        ({"add_tag": [], "remove_tag": []}, 41017),
        ({"userid": "wang", "add_tag": ["etNone"]}, 84061),
        ({"external_userid": "wmNobody", "add_tag": ["etNone"]}, 40096),
        ({"add_tag": "etNone"}, 40035),
    ],
)
async def test_marking_is_checked(simulator: Simulator, body: Json, expected: int) -> None:
    await add(simulator)
    asked = {"userid": "lin", "external_userid": CHEN, **body}

    assert await errcode(simulator, "externalcontact/mark_tag", asked) == expected


async def test_marking_works_while_only_the_customer_has_gone(simulator: Simulator) -> None:
    await add(simulator)
    [high] = await make_tags(simulator, "意向", "高")
    mark = {"userid": "lin", "external_userid": CHEN, "add_tag": [high]}
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "customer"})
    one_way = await errcode(simulator, "externalcontact/mark_tag", mark)
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "staff"})

    assert one_way == 0
    assert await errcode(simulator, "externalcontact/mark_tag", mark) == 84061


async def test_the_console_tells_of_its_changes_and_the_api_does_not(simulator: Simulator, receiver: Receiver) -> None:
    made = await console_tags(simulator, "渠道", "展会")
    tag_id, group_id = made["tag_ids"]["展会"], made["group_id"]
    await make_tags(simulator, "意向", "高")
    for body in (
        {"action": "rename", "id": tag_id, "name": "车展"},
        {"action": "shuffle", "id": group_id},
        {"action": "shuffle"},
        {"action": "delete", "id": group_id},
    ):
        await simulator.sim("POST", "corp-tags", body)

    told = [(event["ChangeType"], event.get("TagType"), event["Id"] or "") for event in receiver.events]
    assert sorted(told[:2]) == [("create", "tag", tag_id), ("create", "tag_group", group_id)]
    assert told[2:] == [
        ("update", "tag", tag_id),
        ("shuffle", None, group_id),
        ("shuffle", None, ""),
        ("delete", "tag_group", group_id),
    ]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"action": "paint"}, 400, "action"),
        ({"action": "create", "group": "渠道"}, 400, "tags"),
        ({"action": "create", "group": "意向", "tags": ["高"]}, 400, "高"),
        ({"action": "rename", "id": "etNone", "name": "x"}, 404, "etNone"),
        ({"action": "delete"}, 400, "id"),
    ],
)
async def test_wrong_console_input_is_refused_by_name(
    simulator: Simulator, body: Json, status: int, named: str
) -> None:
    await make_tags(simulator, "意向", "高")

    assert named in (await simulator.sim("POST", "corp-tags", body, status=status))["error"]
