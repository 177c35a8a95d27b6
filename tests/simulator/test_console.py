"""What admins do in the console to members and departments."""

import pytest

from tests.simulator.conftest import Json, Receiver, Simulator
from tests.simulator.steps import add, errcode


async def test_members_come_into_scope_and_leave_it(simulator: Simulator, receiver: Receiver) -> None:
    for body in (
        {"userid": "New.One", "name": "新人", "departments": [3], "leader": True},
        {"userid": "new.one", "name": "老人"},
        {"userid": "new.one", "in_scope": False},
        {"userid": "new.one", "in_scope": True},
        {"userid": "new.one", "left": True},
    ):
        await simulator.sim("POST", "members", body)

    assert [(event["Event"], event["FromUserName"]) for event in receiver.events] == [
        ("subscribe", "New.One"),
        ("unsubscribe", "New.One"),
        ("subscribe", "New.One"),
        ("unsubscribe", "New.One"),
    ]
    assert receiver.events[0]["AgentID"] == "1000002"
    assert await errcode(simulator, "user/get", userid="new.one") == 60111


async def test_a_new_member_shows_with_departments_and_leadership(simulator: Simulator, receiver: Receiver) -> None:
    made = await simulator.sim("POST", "departments", {"name": "东一组", "parent": 2})
    await simulator.sim("POST", "members", {"userid": "yu", "departments": [made["id"], 3], "leader": True})

    member = await simulator.api("user/get", userid="yu")

    assert (member["department"], member["is_leader_in_dept"]) == ([made["id"], 3], [1, 1])
    assert made["deliveries"] == []


async def test_the_consoles_welcome_of_a_member_takes_the_code(simulator: Simulator, receiver: Receiver) -> None:
    await simulator.sim("POST", "members", {"userid": "lin", "console_welcome": "欢迎光临城东店"})

    added = await add(simulator)

    window = await simulator.sim("GET", f"customers/{added['external_userid']}")
    assert added["welcome_code"] is None
    assert [one["body"]["content"] for one in window["received"]] == ["欢迎光临城东店"]


async def test_nobody_can_add_a_member_who_left(simulator: Simulator) -> None:
    await simulator.sim("POST", "members", {"userid": "lin", "left": True})

    refused = await simulator.sim("POST", "friend-adds", {"userid": "lin"}, status=400)

    assert "left" in refused["error"]


async def test_a_department_is_renamed_and_moved(simulator: Simulator) -> None:
    await simulator.sim("POST", "departments", {"id": 3, "name": "城西旗舰店", "parent": 2})

    found = (await simulator.api("department/get", id=3))["department"]

    assert (found["name"], found["parentid"]) == ("城西旗舰店", 2)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("members", {}, "userid"),
        ("members", {"userid": "yu", "departments": [99]}, "departments"),
        ("members", {"userid": "yu", "departments": []}, "departments"),
        ("members", {"userid": "yu", "leader": 1}, "leader"),
        ("members", {"userid": "yu", "scope": True}, "scope"),
        ("departments", {}, "name"),
        ("departments", {"name": "x", "parent": 99}, "parent"),
    ],
)
async def test_wrong_input_changes_nothing(simulator: Simulator, path: str, body: Json, named: str) -> None:
    before = await simulator.sim("GET", "corp")

    refused = await simulator.sim("POST", path, body, status=400)

    after = await simulator.sim("GET", "corp")
    assert named in refused["error"]
    assert (after["staff"], after["departments"]) == (before["staff"], before["departments"])


async def test_the_list_of_customers_wants_a_number(simulator: Simulator) -> None:
    assert "limit" in (await simulator.sim("GET", "customers?limit=x", status=400))["error"]
