"""What staff and customers do to each other, and the callbacks it raises."""

import pytest

from tests.simulator.conftest import Receiver, Simulator
from tests.simulator.steps import CHEN, ZHAO, add, make_tags


async def test_an_add_is_told_with_its_state_and_a_welcome_code(simulator: Simulator, receiver: Receiver) -> None:
    added = await add(simulator, name="陈可", state="expo")

    [event] = receiver.events
    assert added["deliveries"][0]["status"] == 200
    assert event == {
        "ToUserName": simulator.corp.corp_id,
        "FromUserName": "sys",
        "CreateTime": event["CreateTime"],
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": "add_external_contact",
        "UserID": "lin",
        "ExternalUserID": CHEN,
        "State": "expo",
        "WelcomeCode": added["welcome_code"],
    }


async def test_a_new_customer_gets_an_opaque_id_and_an_event_without_state(
    simulator: Simulator, receiver: Receiver
) -> None:
    added = await simulator.sim("POST", "friend-adds", {"userid": "lin"})

    assert added["external_userid"].startswith("wm")
    assert len(added["external_userid"]) == 32
    assert "State" not in receiver.events[0]


async def test_the_code_of_an_add_greets_once(simulator: Simulator, receiver: Receiver) -> None:
    code = (await add(simulator))["welcome_code"]
    welcome = {"welcome_code": code, "text": {"content": "您好"}}

    first = await simulator.api("externalcontact/send_welcome_msg", welcome)
    second = await simulator.api("externalcontact/send_welcome_msg", welcome)
    window = await simulator.sim("GET", f"customers/{CHEN}")

    assert (first["errcode"], second["errcode"]) == (0, 41051)
    assert [one["source"] for one in window["received"]] == ["welcome"]


async def test_the_console_greets_instead_of_us(simulator: Simulator, receiver: Receiver) -> None:
    added = await add(simulator, console_welcome="欢迎光临")
    window = await simulator.sim("GET", f"customers/{CHEN}")

    assert added["welcome_code"] is None
    assert "WelcomeCode" not in receiver.events[0]
    assert window["received"][0]["source"] == "console_welcome"
    assert window["received"][0]["body"] == {"content": "欢迎光临"}


async def test_a_pair_that_has_chatted_gets_no_code_when_it_is_tied_again(
    simulator: Simulator, receiver: Receiver
) -> None:
    await add(simulator)
    await simulator.sim("POST", "customer-chats", {"userid": "lin", "external_userid": CHEN, "by": "customer"})
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "staff"})

    again = await add(simulator)

    assert again["welcome_code"] is None
    assert "WelcomeCode" not in receiver.events[-1]


async def test_chatting_spends_the_welcome_code(simulator: Simulator, receiver: Receiver) -> None:
    code = (await add(simulator))["welcome_code"]
    await simulator.sim("POST", "customer-chats", {"userid": "lin", "external_userid": CHEN, "by": "staff"})

    greeted = await simulator.api("externalcontact/send_welcome_msg", {"welcome_code": code, "text": {"content": "好"}})

    assert greeted["errcode"] == 41051
    assert len(receiver.events) == 1


async def test_a_wecom_user_of_another_company_brings_no_code(simulator: Simulator, receiver: Receiver) -> None:
    assert (await add(simulator, type=2))["welcome_code"] is None


async def test_an_unused_half_code_is_followed_by_another_with_the_confirmation(
    simulator: Simulator, receiver: Receiver
) -> None:
    half = await add(simulator, half=True, state="s")
    whole = await simulator.sim("POST", "half-confirmations", {"userid": "lin", "external_userid": CHEN})

    assert [event["ChangeType"] for event in receiver.events] == ["add_half_external_contact", "add_external_contact"]
    assert [event["State"] for event in receiver.events] == ["s", "s"]
    assert whole["welcome_code"] not in {None, half["welcome_code"]}


async def test_a_used_half_code_leaves_the_confirmation_without_one(simulator: Simulator, receiver: Receiver) -> None:
    half = await add(simulator, half=True)
    body = {"welcome_code": half["welcome_code"], "text": {"content": "您好"}}
    await simulator.api("externalcontact/send_welcome_msg", body)
    whole = await simulator.sim("POST", "half-confirmations", {"userid": "lin", "external_userid": CHEN})

    assert whole["welcome_code"] is None
    assert "WelcomeCode" not in receiver.events[-1]


async def test_a_customer_who_deletes_a_member_leaves_a_one_way_tie(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "customer"})

    assert receiver.events[-1]["ChangeType"] == "del_follow_user"
    assert (await simulator.api("externalcontact/get", external_userid=CHEN))["errcode"] == 0
    assert (await add(simulator))["deliveries"][0]["status"] == 200


async def test_a_member_who_deletes_a_customer_ends_the_tie(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "staff"})

    assert receiver.events[-1]["ChangeType"] == "del_external_contact"
    assert "Source" not in receiver.events[-1]
    assert (await simulator.api("externalcontact/get", external_userid=CHEN))["errcode"] == 84061


async def test_a_transfer_ends_one_tie_and_begins_another(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    await simulator.sim("POST", "transfers", {"from": "lin", "to": "wang", "external_userid": CHEN})

    told = {(event["ChangeType"], event["UserID"], event.get("Source")) for event in receiver.events[1:]}
    followers = (await simulator.api("externalcontact/get", external_userid=CHEN))["follow_user"]
    assert told == {
        ("del_external_contact", "lin", "DELETE_BY_TRANSFER"),
        ("add_external_contact", "wang", None),
    }
    assert [(one["userid"], one["add_way"]) for one in followers] == [("wang", 202)]


@pytest.mark.parametrize(
    ("fail", "reason"), [(True, "customer_refused"), ("customer_limit_exceed", "customer_limit_exceed")]
)
async def test_a_failed_transfer_is_told_to_the_takeover_member(
    simulator: Simulator, receiver: Receiver, fail: object, reason: str
) -> None:
    await add(simulator)
    asked = {"from": "lin", "to": "wang", "external_userid": CHEN, "fail": fail}
    await simulator.sim("POST", "transfers", asked)

    event = receiver.events[-1]
    assert (event["ChangeType"], event["FailReason"], event["UserID"]) == ("transfer_fail", reason, "wang")
    assert (await simulator.api("externalcontact/list", userid="lin"))["external_userid"] == [CHEN]


async def test_tags_and_remarks_edited_in_the_client_show_in_get(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    [high, _] = await make_tags(simulator, "意向", "高", "低")
    pair = {"userid": "lin", "external_userid": CHEN}
    await simulator.sim("POST", "tag-edits", {**pair, "add": ["意向/高", "低", "钓友"]})
    await simulator.sim("POST", "tag-edits", {**pair, "remove": ["低"]})
    await simulator.sim("POST", "remarks", {**pair, "remark": "陈可-示例", "phones": ["13800000000"]})

    [follow] = (await simulator.api("externalcontact/get", external_userid=CHEN))["follow_user"]
    assert [event["ChangeType"] for event in receiver.events[1:]] == ["edit_external_contact"] * 3
    assert follow["tags"] == [
        {"group_name": "意向", "tag_name": "高", "tag_id": high, "type": 1},
        {"group_name": "", "tag_name": "钓友", "type": 2},
    ]
    assert (follow["remark"], follow["remark_mobiles"]) == ("陈可-示例", ["13800000000"])


async def test_members_out_of_scope_raise_nothing(simulator: Simulator, receiver: Receiver) -> None:
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})
    receiver.events.clear()

    added = await add(simulator, "mo")
    await simulator.sim("POST", "remarks", {"userid": "mo", "external_userid": CHEN, "remark": "x"})

    assert (added["welcome_code"], added["deliveries"], receiver.events) == (None, [], [])


async def test_an_app_not_listed_for_customers_hears_nothing(simulator: Simulator, receiver: Receiver) -> None:
    simulator.corp.app.customers_allowed = False

    assert (await add(simulator))["deliveries"] == []
    assert (await simulator.api("externalcontact/list", userid="lin"))["errcode"] == 48002


async def test_customers_who_came_by_a_link_raise_an_event_with_their_first_message(
    simulator: Simulator, receiver: Receiver
) -> None:
    asked = {"link_name": "抖音", "range": {"user_list": ["lin"]}}
    link = (await simulator.api("externalcontact/customer_acquisition/create_link", asked))["link"]
    await add(simulator, link_id=link["link_id"], state="douyin")
    chat = {"userid": "lin", "external_userid": CHEN, "by": "customer"}
    for _ in range(3):
        await simulator.sim("POST", "customer-chats", chat)

    told = [(event["ChangeType"], event["LinkId"], event.get("UserID")) for event in receiver.events[1:]]
    assert told == [
        ("customer_start_chat", link["link_id"], "lin"),
        ("message_from_customer", link["link_id"], None),
    ]


async def test_a_bot_that_is_down_still_lets_the_add_happen(simulator: Simulator) -> None:
    simulator.corp.callback_url = "http://127.0.0.1:9/wecom/callback"

    added = await add(simulator)

    assert [delivery["status"] for delivery in added["deliveries"]] == [0, 0, 0, 0]
    assert (await simulator.api("externalcontact/list", userid="lin"))["external_userid"] == [CHEN]


async def test_the_newest_customers_are_listed_first(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator, name="陈可")
    await add(simulator, "wang", ZHAO, name="赵静")
    await add(simulator, "wang")

    both = await simulator.sim("GET", "customers")
    newest = await simulator.sim("GET", "customers?limit=1")

    assert both["customers"] == [
        {"external_userid": ZHAO, "name": "赵静", "followers": ["wang"]},
        {"external_userid": CHEN, "name": "陈可", "followers": ["lin", "wang"]},
    ]
    assert newest["customers"] == both["customers"][:1]


@pytest.mark.parametrize(
    ("path", "body", "status", "named"),
    [
        ("friend-adds", {}, 400, "userid"),
        ("friend-adds", {"userid": "nobody"}, 404, "nobody"),
        ("friend-adds", {"userid": "lin", "external_userid": "a b"}, 400, "a b"),
        ("friend-adds", {"userid": "lin", "half": "yes"}, 400, "half"),
        ("friend-adds", {"userid": "lin", "console_welcome": 1}, 400, "console_welcome"),
        ("friend-adds", {"userid": "lin", "link_id": "none"}, 400, "link_id"),
        ("friend-adds", {"userid": "lin", "external_userid": CHEN}, 400, "contacts already"),
        ("friend-adds", {"userid": "lin", "nmae": "x"}, 400, "nmae"),
        ("half-confirmations", {"userid": "lin", "external_userid": CHEN}, 400, CHEN),
        ("half-confirmations", {"userid": "lin", "external_userid": "wmNobody"}, 404, "wmNobody"),
        ("deletions", {"userid": "lin", "external_userid": CHEN, "by": "admin"}, 400, "by"),
        ("deletions", {"userid": "wang", "external_userid": CHEN, "by": "staff"}, 400, "wang"),
        ("transfers", {"from": "lin", "to": "lin", "external_userid": CHEN}, 400, "two members"),
        ("transfers", {"from": "lin", "to": "wang", "external_userid": CHEN, "fail": "no"}, 400, "fail"),
        ("remarks", {"userid": "lin", "external_userid": CHEN}, 400, "remark"),
        ("remarks", {"userid": "lin", "external_userid": CHEN, "remark": 1}, 400, "remark"),
        ("tag-edits", {"userid": "lin", "external_userid": CHEN}, 400, "add"),
        ("tag-edits", {"userid": "lin", "external_userid": CHEN, "add": "高"}, 400, "add"),
        ("customer-chats", {"userid": "lin", "external_userid": CHEN, "by": "bot"}, 400, "by"),
        ("customer-chats", {"userid": "lin", "external_userid": CHEN, "by": "staff", "at": 1}, 400, "at"),
    ],
)
async def test_wrong_input_is_refused_by_name(
    simulator: Simulator, path: str, body: dict[str, object], status: int, named: str
) -> None:
    await add(simulator)

    refused = await simulator.sim("POST", path, body, status=status)

    assert named in refused["error"]
