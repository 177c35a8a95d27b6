"""Reading customers and writing remarks."""

import pytest

from tests.simulator.conftest import Simulator
from tests.simulator.steps import CHEN, ZHAO, add, errcode, make_tags


async def test_get_shows_the_customer_and_every_follower_in_scope(simulator: Simulator) -> None:
    await add(simulator, name="陈可", unionid="oUnion", state="expo")
    await add(simulator, "wang")
    await add(simulator, "mo")
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})

    found = await simulator.api("externalcontact/get", external_userid=CHEN)

    contact, [first, second] = found["external_contact"], found["follow_user"]
    assert (contact["name"], contact["type"], contact["gender"], contact["unionid"]) == ("陈可", 1, 0, "oUnion")
    assert "corp_name" not in contact
    assert (first["userid"], first["state"], first["oper_userid"]) == ("lin", "expo", CHEN)
    assert "state" not in second
    assert found["next_cursor"] == ""


async def test_more_than_500_followers_come_in_pages(simulator: Simulator) -> None:
    for n in range(501):
        await simulator.sim("POST", "members", {"userid": f"s{n}"})
        await add(simulator, f"s{n}")

    first = await simulator.api("externalcontact/get", external_userid=CHEN)
    second = await simulator.api("externalcontact/get", external_userid=CHEN, cursor=first["next_cursor"])

    assert len(first["follow_user"]) == 500
    assert [one["userid"] for one in second["follow_user"]] == ["s500"]
    assert second["next_cursor"] == ""


async def test_list_answers_84061_without_customers_and_ids_with_them(simulator: Simulator) -> None:
    without = await simulator.api("externalcontact/list", userid="lin")
    await add(simulator)
    await add(simulator, external_userid=ZHAO)

    assert (without["errcode"], without["external_userid"]) == (84061, [])
    assert (await simulator.api("externalcontact/list", userid="LIN"))["external_userid"] == [CHEN, ZHAO]


async def test_follow_users_are_those_with_customer_contact_in_scope(simulator: Simulator) -> None:
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})
    await simulator.sim("POST", "members", {"userid": "he", "customer_contact": False})

    found = await simulator.api("externalcontact/get_follow_user_list")

    assert found["follow_user"] == ["lin", "wang", "su", "zhou"]


async def test_a_half_contact_is_no_contact_yet(simulator: Simulator) -> None:
    await add(simulator, half=True)
    pair = {"userid": "lin", "external_userid": CHEN}

    assert await errcode(simulator, "externalcontact/get", external_userid=CHEN) == 84061
    assert await errcode(simulator, "externalcontact/list", userid="lin") == 84061
    assert await errcode(simulator, "externalcontact/remark", {**pair, "remark": "x"}) == 84061


@pytest.mark.parametrize(
    ("path", "params", "expected"),
    [
        ("externalcontact/list", {}, 60111),
        ("externalcontact/list", {"userid": "nobody"}, 40003),
        ("externalcontact/list", {"userid": "mo"}, 60011),
        ("externalcontact/get", {}, 41035),
        ("externalcontact/get", {"external_userid": "wmNobody"}, 40096),
        ("externalcontact/get", {"external_userid": ZHAO}, 40096),
        ("externalcontact/get", {"external_userid": CHEN, "cursor": "made-up"}, 50100),
        ("externalcontact/list", {"userid": "lin", "secret": "contacts"}, 48002),
    ],
)
async def test_reading_goes_wrong_with_the_documented_code(
    simulator: Simulator, path: str, params: dict[str, str], expected: int
) -> None:
    await add(simulator)
    await add(simulator, "mo", ZHAO)
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})
    secret = {"contacts": simulator.corp.apps[1].secret}.get(params.pop("secret", ""))

    assert await errcode(simulator, path, secret=secret, **params) == expected


async def test_members_who_left_are_unknown_to_list(simulator: Simulator) -> None:
    await add(simulator)
    await simulator.sim("POST", "members", {"userid": "lin", "left": True})

    assert await errcode(simulator, "externalcontact/list", userid="lin") == 40003
    assert await errcode(simulator, "externalcontact/get", external_userid=CHEN) == 40096


async def test_batch_reads_page_by_page_through_several_members(simulator: Simulator) -> None:
    tag_id, _ = await make_tags(simulator, "意向", "高", "低")
    for userid in ("lin", "wang"):
        for n in range(3):
            await add(simulator, userid, f"wm{n}")
    marked = {"userid": "lin", "external_userid": "wm0", "add_tag": [tag_id]}
    await simulator.api("externalcontact/mark_tag", marked)
    asked = {"userid_list": ["lin", "wang"], "limit": 4}

    first = await simulator.api("externalcontact/batch/get_by_user", asked)
    second = await simulator.api("externalcontact/batch/get_by_user", {**asked, "cursor": first["next_cursor"]})

    rows = [*first["external_contact_list"], *second["external_contact_list"]]
    pairs = [(row["follow_info"]["userid"], row["external_contact"]["external_userid"]) for row in rows]
    assert pairs == [(userid, f"wm{n}") for userid in ("lin", "wang") for n in range(3)]
    assert rows[0]["follow_info"]["tag_id"] == [tag_id]
    assert "tags" not in rows[0]["follow_info"]
    assert second["next_cursor"] == ""


async def test_a_cursor_belongs_to_its_question(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, external_userid=ZHAO)
    path = "externalcontact/batch/get_by_user"
    cursor = (await simulator.api(path, {"userid_list": ["lin"], "limit": 1}))["next_cursor"]

    assert await errcode(simulator, path, {"userid_list": ["wang"], "cursor": cursor}) == 50100
    assert await errcode(simulator, path, {"userid_list": ["lin"], "cursor": cursor + "x"}) == 50100
    assert await errcode(simulator, path, {"userid_list": ["lin"], "cursor": cursor}) == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 40058),
        ({"userid_list": ["lin"] * 101}, 40058),
        ({"userid_list": ["nobody"]}, 40003),
        ({"userid_list": ["lin"], "limit": 101}, 40058),
        ({"userid_list": ["wang"]}, 0),
    ],
)
async def test_batch_reading_checks_its_question(simulator: Simulator, body: dict[str, object], expected: int) -> None:
    assert await errcode(simulator, "externalcontact/batch/get_by_user", body) == expected


async def test_contacts_include_strangers_of_groups(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, external_userid=ZHAO)
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": ZHAO, "by": "staff"})
    group = await simulator.sim("POST", "groups", {"action": "create", "owner": "lin", "members": [CHEN, ZHAO]})

    rows = (await simulator.api("externalcontact/contact_list", {"limit": 1000}))["info_list"]

    assert [(row["is_customer"], row.get("external_userid")) for row in rows] == [(True, CHEN), (False, None)]
    assert rows[1]["chat_id"] == group["chat_id"]
    assert rows[1]["tmp_openid"]


async def test_a_remark_overwrites_what_is_given_and_raises_nothing(simulator: Simulator) -> None:
    await add(simulator)
    pair = {"userid": "lin", "external_userid": CHEN}
    first = {"remark": "陈可", "description": "展会", "remark_company": "示例", "remark_mobiles": ["138", "139"]}
    await simulator.api("externalcontact/remark", {**pair, **first})
    await simulator.api("externalcontact/remark", {**pair, "remark": "陈总", "remark_mobiles": [""]})

    [follow] = (await simulator.api("externalcontact/get", external_userid=CHEN))["follow_user"]
    found = (follow["remark"], follow["description"], follow["remark_corp_name"], follow["remark_mobiles"])
    assert found == ("陈总", "展会", "示例", [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 40058),
        ({"remark": "字" * 20}, 0),
        ({"remark": "字" * 21}, 40058),
        ({"description": "字" * 151}, 40058),
        ({"remark_company": "字" * 21}, 40058),
        ({"remark": "x", "userid": "wang"}, 84061),
        ({"remark": "x", "userid": "nobody"}, 40003),
        ({"remark": "x", "external_userid": "wmNobody"}, 40096),
    ],
)
async def test_remarks_are_checked(simulator: Simulator, body: dict[str, object], expected: int) -> None:
    await add(simulator)

    assert await errcode(simulator, "externalcontact/remark", {"userid": "lin", "external_userid": CHEN, **body}) == (
        expected
    )


async def test_ids_are_converted_only_as_far_as_a_self_built_app_may(simulator: Simulator) -> None:
    await add(simulator)

    assert (await simulator.api("externalcontact/convert_to_openid", {"external_userid": CHEN}))["openid"]
    assert await errcode(simulator, "externalcontact/unionid_to_external_userid", {"unionid": "u"}) == 48002


async def test_failures_keep_their_result_fields_empty(simulator: Simulator) -> None:
    found = await simulator.api("externalcontact/list", token="made-up", userid="lin")

    assert (found["errcode"], found["external_userid"]) == (40014, [])
