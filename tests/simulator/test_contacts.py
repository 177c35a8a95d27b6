"""Members, departments and their tags."""

import pytest

from tests.simulator.conftest import Json, Simulator
from tests.simulator.steps import errcode


def contacts_secret(simulator: Simulator) -> str:
    """The contacts-sync secret."""
    return simulator.corp.apps[1].secret


async def test_a_self_built_app_sees_a_subset_of_a_member(simulator: Simulator) -> None:
    member = await simulator.api("user/get", userid="SU")

    assert (member["userid"], member["name"], member["department"], member["status"]) == ("su", "苏敏", [2], 1)
    assert (member["is_leader_in_dept"], member["main_department"]) == ([1], 2)
    assert not {"avatar", "gender", "mobile", "email", "biz_mail", "qr_code", "address"}.intersection(member)


@pytest.mark.parametrize(
    ("path", "params", "expected"),
    [
        ("user/get", {}, 60111),
        ("user/get", {"userid": "nobody"}, 60111),
        ("user/get", {"userid": "mo"}, 60011),
        ("user/get", {"userid": "zhou"}, 60111),
        ("user/simplelist", {}, 60003),
        ("user/list", {"department_id": 99}, 60003),
        ("department/get", {"id": 99}, 60003),
        ("department/list", {"id": "x"}, 60003),
        ("user/delete", {"userid": "lin"}, 48002),
        ("tag/get", {}, 41017),
        ("tag/get", {"tagid": 7}, 40068),
    ],
)
async def test_reading_contacts_goes_wrong_with_the_documented_code(
    simulator: Simulator, path: str, params: Json, expected: int
) -> None:
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})
    await simulator.sim("POST", "members", {"userid": "zhou", "left": True})

    assert await errcode(simulator, path, **params) == expected


async def test_lists_hold_direct_members_in_scope(simulator: Simulator) -> None:
    await simulator.sim("POST", "members", {"userid": "wang", "in_scope": False})

    simple = (await simulator.api("user/simplelist", department_id=2))["userlist"]
    full = (await simulator.api("user/list", department_id=2))["userlist"]
    root = (await simulator.api("user/list", department_id=1))["userlist"]
    assert [one["userid"] for one in simple] == [one["userid"] for one in full] == ["lin", "su"]
    assert list(simple[0]) == ["userid", "name", "department", "open_userid"]
    assert (full[1]["is_leader_in_dept"], root) == ([1], [])


async def test_departments_come_with_what_is_below_them(simulator: Simulator) -> None:
    below = await simulator.sim("POST", "departments", {"name": "东一组", "parent": 2})

    listed = (await simulator.api("department/list", id=2))["department"]
    simple = (await simulator.api("department/simplelist"))["department_id"]
    one = (await simulator.api("department/get", id=2))["department"]
    assert [(each["id"], each["name"], each["parentid"]) for each in listed] == [
        (2, "城东店", 1),
        (below["id"], "东一组", 2),
    ]
    assert len(simple) == 5
    assert (one["name"], one["department_leader"]) == ("城东店", ["su"])


async def test_the_contacts_secret_reads_ids_and_no_details(simulator: Simulator) -> None:
    await simulator.sim("POST", "members", {"userid": "lin", "departments": [2, 3], "in_scope": False})
    secret = contacts_secret(simulator)

    first = await simulator.api("user/list_id", {"limit": 2}, secret=secret)
    rest = await simulator.api("user/list_id", {"limit": 10, "cursor": first["next_cursor"]}, secret=secret)
    refused = [
        await errcode(simulator, path, secret=secret, **params)
        for path, params in (
            ("user/get", {"userid": "su"}),
            ("user/list", {"department_id": 2}),
            ("department/list", {}),
        )
    ]
    assert first["dept_user"] == [{"userid": "lin", "department": 2}, {"userid": "lin", "department": 3}]
    assert (len(rest["dept_user"]), rest["next_cursor"]) == (5, "")
    assert refused == [48009, 48009, 48009]
    assert await errcode(simulator, "department/simplelist", secret=secret) == 0
    assert await errcode(simulator, "user/list_id", {}) == 48002


async def test_members_are_found_by_mobile_email_and_openid(simulator: Simulator) -> None:
    body = {"userid": "lin", "mobile": "13800000000", "email": "lin@example.com"}
    await simulator.sim("POST", "members", body)
    openid = (await simulator.api("user/convert_to_openid", {"userid": "lin"}))["openid"]

    assert (await simulator.api("user/getuserid", {"mobile": "13800000000"}))["userid"] == "lin"
    assert (await simulator.api("user/get_userid_by_email", {"email": "lin@example.com"}))["userid"] == "lin"
    assert (await simulator.api("user/convert_to_userid", {"openid": openid}))["userid"] == "lin"
    assert await errcode(simulator, "user/getuserid", {"mobile": "1"}) == 46004
    assert await errcode(simulator, "user/convert_to_userid", {"openid": "o"}) == 40073


async def test_a_tag_is_put_on_and_taken_off(simulator: Simulator) -> None:
    tag = {"tagid": (await simulator.api("tag/create", {"tagname": "主播"}))["tagid"]}
    put = await simulator.api("tag/addtagusers", {**tag, "userlist": ["lin", "wang", "nobody"], "partylist": [3, 99]})
    worn = await simulator.api("tag/get", **tag)
    await simulator.api("tag/deltagusers", {**tag, "userlist": ["lin"], "partylist": [3]})
    await simulator.api("tag/update", {**tag, "tagname": "达人"})

    left = await simulator.api("tag/get", **tag)
    assert (put["invalidlist"], put["invalidparty"]) == ("nobody", [99])
    assert worn["userlist"] == [{"userid": "lin", "name": "林晓"}, {"userid": "wang", "name": "王磊"}]
    assert worn["partylist"] == [3]
    assert (left["tagname"], [one["userid"] for one in left["userlist"]], left["partylist"]) == ("达人", ["wang"], [])
    assert (await simulator.api("tag/list"))["taglist"] == [{**tag, "tagname": "达人"}]


async def test_tags_are_each_secrets_own(simulator: Simulator) -> None:
    secret = contacts_secret(simulator)
    theirs = await simulator.api("tag/create", {"tagname": "讲师", "tagid": 9}, secret=secret)

    assert theirs["tagid"] == 9
    assert await errcode(simulator, "tag/delete", tagid=9) == 81011
    assert await errcode(simulator, "tag/delete", tagid=9, secret=secret) == 0


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("tag/create", {"tagname": ""}, 41018),
        ("tag/create", {"tagname": "字" * 33}, 40072),
        ("tag/create", {"tagname": "主播"}, 40071),
        ("tag/addtagusers", {"tagid": 1}, 40035),
        ("tag/addtagusers", {"tagid": 1, "userlist": "lin"}, 40035),
        ("tag/addtagusers", {"tagid": 1, "userlist": ["nobody"]}, 40070),
    ],
)
async def test_tags_are_checked(simulator: Simulator, path: str, body: Json, expected: int) -> None:
    await simulator.api("tag/create", {"tagname": "主播"})

    assert await errcode(simulator, path, body) == expected
