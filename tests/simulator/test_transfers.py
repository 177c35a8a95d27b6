"""Passing customers and groups on; numbers about members and groups."""

import pytest

from tests.simulator.conftest import Json, Receiver, Simulator
from tests.simulator.steps import CHEN, ZHAO, add, errcode, later, midnight

TRANSFER, RESULT = "externalcontact/transfer_customer", "externalcontact/transfer_result"
PAIR = {"handover_userid": "lin", "takeover_userid": "wang"}


async def pass_on(simulator: Simulator, *customers: str, **more: object) -> list[int]:
    """Ask for a transfer; the errcode of each customer."""
    found = await simulator.api(TRANSFER, {**PAIR, "external_userid": list(customers), **more})
    assert found["errcode"] == 0, found
    return [one["errcode"] for one in found["customer"]]


async def statuses(simulator: Simulator, path: str = RESULT) -> list[tuple[str, int]]:
    """Customers and statuses of the transfers from lin to wang."""
    return [(one["external_userid"], one["status"]) for one in (await simulator.api(path, PAIR))["customer"]]


async def test_a_transfer_is_done_after_24_hours_without_a_callback(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    begun = await pass_on(simulator, CHEN, transfer_success_msg="您好，我是王磊")
    later(simulator, hours=23)
    waiting = await statuses(simulator)
    later(simulator, hours=1)

    assert (begun, waiting, await statuses(simulator)) == ([0], [(CHEN, 2)], [(CHEN, 1)])
    assert (await simulator.api("externalcontact/list", userid="wang"))["external_userid"] == [CHEN]
    assert await errcode(simulator, "externalcontact/list", userid="lin") == 84061
    assert len(receiver.events) == 1


async def test_a_refused_transfer_is_told_and_stays_where_it_was(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    await pass_on(simulator, CHEN)
    await simulator.sim("POST", "transfers", {"from": "lin", "to": "wang", "external_userid": CHEN, "fail": True})
    later(simulator, hours=25)

    assert await statuses(simulator) == [(CHEN, 3)]
    assert receiver.events[-1]["ChangeType"] == "transfer_fail"
    assert (await simulator.api("externalcontact/list", userid="lin"))["external_userid"] == [CHEN]


async def test_each_customer_has_an_errcode_of_its_own(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, "wang", ZHAO)
    first = await pass_on(simulator, CHEN, ZHAO, "wmNobody")
    again = await pass_on(simulator, CHEN)
    to_herself = await pass_on(simulator, ZHAO, handover_userid="wang")

    assert (first, again, to_herself) == ([0, 40131, 40096], [40129], [40130])


async def test_a_customer_moves_twice_in_90_days_at_most(simulator: Simulator) -> None:
    await add(simulator)
    moved = await pass_on(simulator, CHEN)
    later(simulator, hours=25)
    moved += await pass_on(simulator, CHEN, handover_userid="wang", takeover_userid="lin")
    later(simulator, hours=25)
    moved += await pass_on(simulator, CHEN)
    later(simulator, days=90)
    moved += await pass_on(simulator, CHEN)

    assert moved == [0, 0, 40128, 0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"external_userid": []}, 40058),
        ({"external_userid": ["wm"] * 101}, 40058),
        ({"handover_userid": "nobody"}, 40003),
        ({"takeover_userid": "mo"}, 60011),
        ({"takeover_userid": "he"}, 84074),
        ({"transfer_success_msg": "字" * 201}, 40058),
    ],
)
async def test_transfers_are_checked(simulator: Simulator, body: Json, expected: int) -> None:
    await simulator.sim("POST", "members", {"userid": "mo", "in_scope": False})
    await simulator.sim("POST", "members", {"userid": "he", "customer_contact": False})

    assert await errcode(simulator, TRANSFER, {**PAIR, "external_userid": [CHEN], **body}) == expected


async def test_customers_of_somebody_who_left_are_listed_until_they_are_taken_over(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, external_userid=ZHAO)
    path, body = "externalcontact/resigned/transfer_customer", {**PAIR, "external_userid": [CHEN]}
    early = await errcode(simulator, path, body)
    await simulator.sim("POST", "members", {"userid": "lin", "left": True})

    first = await simulator.api("externalcontact/get_unassigned_list", {"page_size": 1})
    rest = await simulator.api("externalcontact/get_unassigned_list", {"page_size": 1, "cursor": first["next_cursor"]})
    begun = (await simulator.api(path, body))["customer"]
    later(simulator, hours=24)
    after = (await simulator.api("externalcontact/get_unassigned_list", {}))["info"]

    assert early == 40097
    assert (first["info"][0]["external_userid"], first["is_last"]) == (CHEN, False)
    assert first["info"][0]["dimission_time"] > 0
    assert (rest["info"][0]["external_userid"], rest["is_last"], rest["next_cursor"]) == (ZHAO, True, "")
    assert begun == [{"external_userid": CHEN, "errcode": 0}]
    assert [one["external_userid"] for one in after] == [ZHAO]
    assert await statuses(simulator, "externalcontact/resigned/transfer_result") == [(CHEN, 1)]


async def test_groups_are_inherited_once_and_only_from_who_left(simulator: Simulator) -> None:
    group = (await simulator.sim("POST", "groups", {"action": "create", "owner": "lin", "name": "门店"}))["chat_id"]
    path, body = "externalcontact/groupchat/transfer", {"chat_id_list": [group, "wrNone"], "new_owner": "wang"}
    early = (await simulator.api(path, body))["failed_chat_list"]
    await simulator.sim("POST", "members", {"userid": "lin", "left": True})
    orphans = await simulator.api("externalcontact/groupchat/list", {"status_filter": 1, "limit": 10})
    done = (await simulator.api(path, {**body, "chat_id_list": [group]}))["failed_chat_list"]
    again = (await simulator.api(path, {**body, "chat_id_list": [group]}))["failed_chat_list"]

    assert [one["errcode"] for one in early] == [90500, 90501]
    assert orphans["group_chat_list"] == [{"chat_id": group, "status": 1}]
    assert done == []
    assert [one["errcode"] for one in again] == [90508]


async def test_a_group_changes_hands_in_service(simulator: Simulator) -> None:
    group = (await simulator.sim("POST", "groups", {"action": "create", "owner": "lin"}))["chat_id"]
    body = {"chat_id_list": [group], "new_owner": "wang"}
    await simulator.api("externalcontact/groupchat/onjob_transfer", body)

    assert (await simulator.api("externalcontact/groupchat/get", {"chat_id": group}))["group_chat"]["owner"] == "wang"


async def test_a_group_is_told_of_and_read_with_everybody_in_it(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator, name="陈可", unionid="oUnion")
    await add(simulator, external_userid=ZHAO)
    made = await simulator.sim("POST", "groups", {"action": "create", "owner": "lin", "name": "门店"})
    act = {"chat_id": made["chat_id"]}
    before = await simulator.api("externalcontact/groupchat/get", act)
    for body in (
        {"action": "add_member", "members": [CHEN, ZHAO], "scene": 3, "state": "shop"},
        {"action": "remove_member", "external_userid": ZHAO},
        {"action": "rename", "name": "门店一"},
        {"action": "notice", "notice": "周五到店"},
        {"action": "change_owner", "owner": "wang"},
    ):
        await simulator.sim("POST", "groups", {**act, **body})
    group = (await simulator.api("externalcontact/groupchat/get", {**act, "need_name": 1}))["group_chat"]
    await simulator.sim("POST", "groups", {**act, "action": "dismiss"})

    events = receiver.events[2:]
    assert [event["ChangeType"] for event in events] == ["create", *["update"] * 5, "dismiss"]
    assert [event.get("UpdateDetail") for event in events[1:6]] == [
        "add_member", "del_member", "change_name", "change_notice", "change_owner",
    ]  # fmt: skip
    assert (events[1]["JoinScene"], events[1]["MemChangeCnt"]) == ("3", "2")
    assert events[1]["MemChangeList"]["Item"] == [CHEN, ZHAO]
    assert events[1]["LastMemVer"] == before["group_chat"]["member_version"]
    assert events[2]["LastMemVer"] == events[1]["CurMemVer"]
    assert events[2]["QuitScene"] == "0"
    assert (group["name"], group["notice"], group["owner"]) == ("门店一", "周五到店", "wang")
    assert group["member_version"] == events[2]["CurMemVer"]
    assert [(one["userid"], one["type"], one["name"]) for one in group["member_list"]] == [
        ("lin", 1, "林晓"), (CHEN, 2, "陈可"), ("wang", 1, "王磊"),
    ]  # fmt: skip
    assert (group["member_list"][1]["unionid"], group["member_list"][1]["state"]) == ("oUnion", "shop")
    assert await errcode(simulator, "externalcontact/groupchat/get", act) == 40050


async def test_groups_are_found_by_their_mini_program_id(simulator: Simulator) -> None:
    made = await simulator.sim("POST", "groups", {"action": "create", "owner": "lin"})
    path = "externalcontact/opengid_to_chatid"

    assert (await simulator.api(path, {"opengid": made["opengid"]}))["chat_id"] == made["chat_id"]
    assert await errcode(simulator, path, {"opengid": "og"}) == 90511


@pytest.mark.parametrize(
    ("body", "expected"),
    [({}, 40058), ({"limit": 1001}, 40058), ({"limit": 1, "status_filter": 4}, 40058), ({"limit": 1}, 0)],
)
async def test_listing_groups_is_checked(simulator: Simulator, body: Json, expected: int) -> None:
    assert await errcode(simulator, "externalcontact/groupchat/list", body) == expected


async def test_a_thousand_members_cannot_list_groups_without_a_filter(simulator: Simulator) -> None:
    for n in range(1000):
        await simulator.sim("POST", "members", {"userid": f"s{n}"})

    path = "externalcontact/groupchat/list"
    assert await errcode(simulator, path, {"limit": 10}) == 81017
    assert await errcode(simulator, path, {"limit": 10, "owner_filter": {"userid_list": ["lin"]}}) == 0


async def test_behaviour_is_added_up_by_day_until_yesterday(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, "wang", ZHAO)
    noon = midnight(simulator.corp.now()) - 12 * 3600
    for userid, customer, by, at in (
        ("lin", CHEN, "customer", noon),
        ("lin", CHEN, "staff", noon + 240),
        ("lin", CHEN, "staff", noon + 300),
        ("wang", ZHAO, "customer", noon + 600),
    ):
        chat = {"userid": userid, "external_userid": customer, "by": by, "at": at}
        await simulator.sim("POST", "customer-chats", chat)
    asked = {"userid": ["lin", "wang"], "start_time": noon - 86400, "end_time": noon + 86400}
    path = "externalcontact/get_user_behavior_data"

    both = (await simulator.api(path, asked))["behavior_data"]
    quiet = (await simulator.api(path, {**asked, "userid": ["su"]}))["behavior_data"]
    assert both[1] == {
        "stat_time": midnight(noon),
        "chat_cnt": 1,
        "message_cnt": 2,
        "reply_percentage": 50.0,
        "avg_reply_time": 4,
        "negative_feedback_cnt": 0,
        "new_apply_cnt": 0,
        "new_contact_cnt": 0,
    }
    assert [row["stat_time"] for row in both] == [midnight(noon) - 86400, midnight(noon)]
    assert all("reply_percentage" not in row and "avg_reply_time" not in row for row in [*quiet, both[0]])


async def test_todays_adds_show_tomorrow(simulator: Simulator) -> None:
    await add(simulator)
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "customer"})
    today = midnight(simulator.corp.now())
    asked = {"partyid": [1], "start_time": today, "end_time": today}
    path = "externalcontact/get_user_behavior_data"

    early = (await simulator.api(path, asked))["behavior_data"]
    later(simulator, days=1)
    [row] = (await simulator.api(path, asked))["behavior_data"]
    assert early == []
    assert (row["new_contact_cnt"], row["negative_feedback_cnt"]) == (1, 1)


@pytest.mark.parametrize(
    ("body", "days", "expected"),
    [
        ({}, (-2, -1), 40058),
        ({"userid": ["lin"]}, (-1, -2), 600018),
        ({"userid": ["lin"]}, (-40, -1), 600018),
        ({"userid": ["lin"]}, (-200, -190), 600018),
        ({"userid": ["nobody"]}, (-2, -1), 40003),
        ({"partyid": [99]}, (-2, -1), 60123),
        ({"userid": ["lin"]}, (-31, -1), 0),
    ],
)
async def test_statistics_are_checked(simulator: Simulator, body: Json, days: tuple[int, int], expected: int) -> None:
    now = simulator.corp.now()
    asked = {**body, "start_time": now + days[0] * 86400, "end_time": now + days[1] * 86400}

    assert await errcode(simulator, "externalcontact/get_user_behavior_data", asked) == expected


async def test_groups_are_counted_by_owner_and_by_day(simulator: Simulator) -> None:
    await add(simulator)
    for owner, members in (("lin", []), ("wang", [CHEN]), ("wang", [])):
        await simulator.sim("POST", "groups", {"action": "create", "owner": owner, "members": members})
    asked = {"day_begin_time": midnight(simulator.corp.now()), "owner_filter": {"userid_list": ["lin", "wang"]}}
    later(simulator, days=1)
    path = "externalcontact/groupchat/statistic"

    by_owner = await simulator.api(path, {**asked, "order_by": 2, "limit": 1})
    by_day = (await simulator.api(f"{path}_group_by_day", asked))["items"]
    assert (by_owner["total"], by_owner["next_offset"], by_owner["items"][0]["owner"]) == (2, 1, "wang")
    assert by_owner["items"][0]["data"]["member_total"] == 3
    assert [(row["data"]["new_chat_cnt"], row["data"]["chat_total"]) for row in by_day] == [(3, 3)]
    assert await errcode(simulator, path, {**asked, "order_by": 5}) == 40058


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"action": "create", "owner": "nobody"}, 404, "nobody"),
        ({"action": "rename", "chat_id": "wrNone", "name": "x"}, 404, "wrNone"),
        ({"action": "add_member", "chat_id": "", "userid": "lin"}, 400, "chat_id"),
        ({"action": "create", "owner": "lin", "members": ["wmNobody"]}, 404, "wmNobody"),
        ({"action": "create", "owner": "lin", "scene": 2}, 400, "scene"),
    ],
)
async def test_wrong_group_input_is_refused_by_name(simulator: Simulator, body: Json, status: int, named: str) -> None:
    assert named in (await simulator.sim("POST", "groups", body, status=status))["error"]
