"""Mass sends."""

from calendar import monthrange

import pytest

from tests.simulator.conftest import Json, Receiver, Simulator
from tests.simulator.steps import CHEN, PNG, ZHAO, add, errcode, later, make_tags

ADD = "externalcontact/add_msg_template"
TASK, RESULT = "externalcontact/get_groupmsg_task", "externalcontact/get_groupmsg_send_result"
TEXT = {"text": {"content": "新品发布"}}
LINK = {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/n"}}


async def send(simulator: Simulator, *customers: str, **more: object) -> Json:
    """Ask for a mass send to some customers."""
    return await simulator.api(ADD, {"external_userid": list(customers), **TEXT, **more})


async def confirm(simulator: Simulator, msgid: str, userid: str = "lin") -> dict[str, int]:
    """The member confirms; what became of each recipient."""
    found = await simulator.sim("POST", "confirm-group-send", {"userid": userid, "msgid": msgid})
    results: dict[str, int] = found["results"]
    return results


async def results(simulator: Simulator, msgid: str, userid: str = "lin") -> list[tuple[str, int]]:
    """What the platform says of each recipient."""
    found = await simulator.api(RESULT, {"msgid": msgid, "userid": userid, "limit": 1000})
    return [(one["external_userid"], one["status"]) for one in found["send_list"]]


async def test_nothing_arrives_before_the_member_confirms(simulator: Simulator, receiver: Receiver) -> None:
    await add(simulator)
    made = await send(simulator, CHEN, "wmNobody", sender="lin", attachments=[LINK])
    waiting = (await simulator.api(TASK, {"msgid": made["msgid"]}))["task_list"]
    before, unsent = await simulator.sim("GET", f"customers/{CHEN}"), await results(simulator, made["msgid"])

    confirmed = await confirm(simulator, made["msgid"])

    after = await simulator.sim("GET", f"customers/{CHEN}")
    [task] = (await simulator.api(TASK, {"msgid": made["msgid"]}))["task_list"]
    assert made["fail_list"] == ["wmNobody"]
    assert made["msgid"].startswith("msg")
    assert (waiting, before["received"], unsent) == ([{"userid": "lin", "status": 0}], [], [(CHEN, 0)])
    assert confirmed == {CHEN: 1}
    assert [(one["source"], one["msgtype"]) for one in after["received"]] == [
        ("group_send", "text"),
        ("group_send", "link"),
    ]
    assert (task["status"], task["send_time"] > 0) == (2, True)
    assert await results(simulator, made["msgid"]) == [(CHEN, 1)]
    assert len(receiver.events) == 1


async def test_without_a_sender_the_member_who_interacted_last_is_asked(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, "wang")
    later(simulator, minutes=1)
    await simulator.sim("POST", "customer-chats", {"userid": "lin", "external_userid": CHEN, "by": "customer"})

    msgid = (await send(simulator, CHEN))["msgid"]

    assert [task["userid"] for task in (await simulator.api(TASK, {"msgid": msgid}))["task_list"]] == ["lin"]


async def test_a_sender_alone_means_all_their_customers(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, external_userid=ZHAO)
    await add(simulator, "wang", "wmOther")

    msgid = (await send(simulator, sender="lin"))["msgid"]

    assert await results(simulator, msgid) == [(CHEN, 0), (ZHAO, 0)]


async def test_tags_are_joined_by_or_in_a_list_and_by_and_across_lists(simulator: Simulator) -> None:
    [high, low, vip] = await make_tags(simulator, "意向", "高", "低", "会员")
    for customer, tags in (("wmA", [high, vip]), ("wmB", [low]), ("wmC", [low, vip]), ("wmD", [])):
        await add(simulator, external_userid=customer)
        mark = {"userid": "lin", "external_userid": customer, "add_tag": tags}
        await simulator.api("externalcontact/mark_tag", mark)
    wanted = {"group_list": [{"tag_list": [high, low]}, {"tag_list": [vip]}]}

    msgid = (await simulator.api(ADD, {"tag_filter": wanted, **TEXT}))["msgid"]

    assert await results(simulator, msgid) == [("wmA", 0), ("wmC", 0)]


async def test_friends_lost_before_the_confirmation_are_not_reached(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, external_userid=ZHAO)
    msgid = (await send(simulator, CHEN, ZHAO))["msgid"]
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": CHEN, "by": "customer"})
    await simulator.sim("POST", "deletions", {"userid": "lin", "external_userid": ZHAO, "by": "staff"})

    assert await confirm(simulator, msgid) == {CHEN: 2, ZHAO: 2}


async def test_a_customer_is_reached_as_often_as_the_month_has_days(simulator: Simulator) -> None:
    await add(simulator)
    await add(simulator, "wang")
    now = simulator.corp.clock.now()
    days = monthrange(now.year, now.month)[1]
    for _ in range(days):
        msgid = (await send(simulator, CHEN, sender="lin"))["msgid"]
        assert await confirm(simulator, msgid) == {CHEN: 1}
    msgid = (await send(simulator, CHEN, sender="wang"))["msgid"]
    over = await confirm(simulator, msgid, "wang")
    later(simulator, days=31)
    msgid = (await send(simulator, CHEN, sender="lin"))["msgid"]

    assert over == {CHEN: 3}
    assert await confirm(simulator, msgid) == {CHEN: 1}
    assert len((await simulator.sim("GET", f"customers/{CHEN}"))["received"]) == days + 1


async def test_the_monthly_share_can_be_set(simulator: Simulator) -> None:
    await add(simulator)
    await simulator.sim("POST", "limits", {"group_sends_a_month": 1})
    sends = [(await send(simulator, CHEN))["msgid"] for _ in range(2)]

    assert [await confirm(simulator, msgid) for msgid in sends] == [{CHEN: 1}, {CHEN: 3}]


async def test_queries_wait_while_a_send_is_being_dispatched(simulator: Simulator) -> None:
    await add(simulator)
    await simulator.sim("POST", "limits", {"dispatch_seconds": 60})
    msgid = (await send(simulator, CHEN))["msgid"]

    assert await errcode(simulator, TASK, {"msgid": msgid}) == 41063
    await simulator.sim("POST", "limits", {"dispatch_seconds": 0})
    assert await errcode(simulator, TASK, {"msgid": msgid}) == 0


async def test_reminders_are_few_and_end_with_the_cancellation(simulator: Simulator) -> None:
    await add(simulator)
    body = {"msgid": (await send(simulator, CHEN))["msgid"]}
    remind, cancel = "externalcontact/remind_groupmsg_send", "externalcontact/cancel_groupmsg_send"

    reminded = [await errcode(simulator, remind, body) for _ in range(4)]
    later(simulator, days=1)
    reminded.append(await errcode(simulator, remind, body))
    cancelled = [await errcode(simulator, path, body) for path in (cancel, cancel, remind)]

    refused = await simulator.sim("POST", "confirm-group-send", {"userid": "lin", **body}, status=400)
    assert reminded == [0, 0, 0, 41094, 0]
    assert cancelled == [0, 41093, 41093]
    assert "cancelled" in refused["error"]


async def test_sends_are_listed_by_kind_and_time(simulator: Simulator) -> None:
    await add(simulator)
    msgid = (await send(simulator, CHEN))["msgid"]
    now = simulator.corp.now()
    path, asked = "externalcontact/get_groupmsg_list_v2", {"start_time": now - 60, "end_time": now + 60}

    [found] = (await simulator.api(path, {**asked, "chat_type": "single"}))["group_msg_list"]
    groups = (await simulator.api(path, {**asked, "chat_type": "group"}))["group_msg_list"]
    personal = (await simulator.api(path, {**asked, "chat_type": "single", "filter_type": 1}))["group_msg_list"]
    assert (found["msgid"], found["create_type"], found["text"]) == (msgid, 0, {"content": "新品发布"})
    assert (groups, personal) == ([], [])
    assert await errcode(simulator, path, asked) == 40058
    assert await errcode(simulator, path, {"chat_type": "single", "start_time": 0, "end_time": now}) == 40058


async def test_a_group_send_reaches_the_customers_of_the_senders_groups(simulator: Simulator) -> None:
    await add(simulator)
    own = await simulator.sim("POST", "groups", {"action": "create", "owner": "lin", "members": [CHEN]})
    other = await simulator.sim("POST", "groups", {"action": "create", "owner": "wang"})
    body = {"chat_type": "group", "sender": "lin", "chat_id_list": [own["chat_id"], other["chat_id"]], **TEXT}

    made = await simulator.api(ADD, body)

    assert made["fail_list"] == [other["chat_id"]]
    assert await confirm(simulator, made["msgid"]) == {own["chat_id"]: 1}
    found = await simulator.api(RESULT, {"msgid": made["msgid"], "userid": "lin"})
    assert [(one["chat_id"], one["status"]) for one in found["send_list"]] == [(own["chat_id"], 1)]
    assert len((await simulator.sim("GET", f"customers/{CHEN}"))["received"]) == 1


async def test_pictures_must_come_from_the_ordinary_upload(simulator: Simulator) -> None:
    await add(simulator)
    right = await simulator.upload(PNG, type="image")
    wrong = await simulator.upload(PNG, path="media/upload_attachment", media_type="image", attachment_type=1)
    codes = [
        (await send(simulator, CHEN, attachments=[{"msgtype": "image", "image": {"media_id": one["media_id"]}}]))[
            "errcode"
        ]
        for one in (right, wrong)
    ]

    assert codes == [0, 40007]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"external_userid": []}, 40063),
        ({"text": {}}, 40063),
        ({"text": {"content": "字" * 1334}}, 40058),
        ({"external_userid": ["wmNobody"]}, 41048),
        ({"sender": "wang"}, 41048),
        ({"sender": "nobody"}, 40003),
        ({"chat_type": "crowd"}, 40058),
        ({"chat_type": "group"}, 60111),
        ({"attachments": [LINK] * 10}, 41064),
        ({"attachments": [{"msgtype": "voice"}]}, 41065),
        ({"external_userid": [], "tag_filter": {"group_list": [{"tag_list": ["etNone"]}]}}, 40068),
        ({"external_userid": ["wm"] * 10_001}, 40058),
        ({"attachments": [LINK] * 9}, 0),
    ],
)
async def test_mass_sends_are_checked(simulator: Simulator, body: Json, expected: int) -> None:
    await add(simulator)

    assert await errcode(simulator, ADD, {"external_userid": [CHEN], **TEXT, **body}) == expected


@pytest.mark.parametrize(("body", "expected"), [({}, 41046), ({"msgid": "msgNone"}, 41047)], ids=["missing", "unknown"])
async def test_queries_name_a_mass_send(simulator: Simulator, body: Json, expected: int) -> None:
    assert await errcode(simulator, TASK, body) == expected
    assert await errcode(simulator, RESULT, {**body, "userid": "lin"}) == expected


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"userid": "lin", "msgid": "msgNone"}, 404, "msgNone"),
        ({"userid": "wang"}, 400, "no part"),
        ({"userid": "nobody"}, 404, "nobody"),
    ],
)
async def test_wrong_confirmations_are_refused_by_name(
    simulator: Simulator, body: Json, status: int, named: str
) -> None:
    await add(simulator)
    msgid = (await send(simulator, CHEN))["msgid"]

    refused = await simulator.sim("POST", "confirm-group-send", {"msgid": msgid, **body}, status=status)

    assert named in refused["error"]
