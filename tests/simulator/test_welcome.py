"""Welcome messages: twenty seconds, once (wecom-api §4)."""

from asyncio import gather
from typing import Any

import pytest

from simulator.corp import WelcomeCode
from simulator.records import Customer, Follow
from tests.simulator.conftest import Simulator

PATH = "externalcontact/send_welcome_msg"
TEMPLATES = "externalcontact/group_welcome_template"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
TEXT = {"text": {"content": "您好，我是林晓"}}
LINK: dict[str, Any] = {"msgtype": "link", "link": {"title": "产品手册", "url": "https://example.com/a"}}


@pytest.fixture
async def customer(simulator: Simulator) -> Customer:
    """Chen, who has just added Lin; the welcome code is W1."""
    corp, chen = simulator.corp, Customer("wmChen", "陈女士")
    corp.customers[chen.external_userid] = chen
    corp.follows["lin", "wmChen"] = Follow("lin", "wmChen", corp.now())
    corp.welcome_codes["W1"] = WelcomeCode("W1", "lin", "wmChen", corp.clock.elapsed())
    return chen


async def greet(simulator: Simulator, **message: Any) -> int:
    """The errcode of greeting with W1."""
    return int((await simulator.api(PATH, {"welcome_code": "W1"} | message))["errcode"])


async def test_each_part_of_a_welcome_is_a_message_of_its_own(simulator: Simulator, customer: Customer) -> None:
    media_id = (await simulator.upload(PNG, type="image"))["media_id"]
    picture = {"msgtype": "image", "image": {"media_id": media_id}}

    assert await greet(simulator, **TEXT, attachments=[picture, LINK]) == 0

    found = await simulator.sim("GET", "customers/wmChen")
    assert [(one["userid"], one["source"], one["msgtype"], one["body"]) for one in found["received"]] == [
        ("lin", "welcome", "text", {"content": "您好，我是林晓"}),
        ("lin", "welcome", "image", {"media_id": media_id}),
        ("lin", "welcome", "link", LINK["link"]),
    ]
    assert (found["profile"]["name"], found["follow_users"][0]["userid"]) == ("陈女士", "lin")


async def test_a_window_can_be_waited_for(simulator: Simulator, customer: Customer) -> None:
    waiting = simulator.sim("GET", "customers/wmChen?wait=10")

    found, _ = await gather(waiting, greet(simulator, **TEXT))

    assert len(found["received"]) == 1


async def test_a_code_works_once(simulator: Simulator, customer: Customer) -> None:
    await greet(simulator, **TEXT)

    assert await greet(simulator, **TEXT) == 41051
    assert len(customer.received) == 1
    await simulator.sim("POST", "limits", {"reused_welcome_code": 41050})
    assert await greet(simulator, **TEXT) == 41050


async def test_a_code_expires(simulator: Simulator, customer: Customer) -> None:
    simulator.corp.welcome_codes["W1"].issued -= 19
    assert await greet(simulator) == 40063
    simulator.corp.welcome_codes["W1"].issued -= 2

    assert await greet(simulator, **TEXT) == 41050
    assert customer.received == []


async def test_nineteen_seconds_are_not_too_late(simulator: Simulator, customer: Customer) -> None:
    simulator.corp.welcome_codes["W1"].issued -= 19

    assert await greet(simulator, **TEXT) == 0


async def test_no_welcome_once_they_have_chatted(simulator: Simulator, customer: Customer) -> None:
    simulator.corp.follows["lin", "wmChen"].chatted = True

    assert await greet(simulator, **TEXT) == 41051


async def test_no_welcome_for_a_member_out_of_scope(simulator: Simulator, customer: Customer) -> None:
    simulator.corp.members["lin"].in_scope = False

    assert await greet(simulator, **TEXT) == 41050


async def test_a_second_call_meets_the_first_under_way(simulator: Simulator, customer: Customer) -> None:
    await simulator.sim("POST", "limits", {"welcome_distribution_seconds": 0.2})

    answers = await gather(greet(simulator, **TEXT), greet(simulator, **TEXT))

    assert sorted(answers) == [0, 41096]
    assert len(customer.received) == 1


async def test_a_half_contact_can_be_greeted(simulator: Simulator, customer: Customer) -> None:
    simulator.corp.follows["lin", "wmChen"].half = True

    assert await greet(simulator, **TEXT) == 0


@pytest.mark.parametrize(
    ("message", "errcode"),
    [
        ({**TEXT, "welcome_code": ""}, 41049),
        ({**TEXT, "welcome_code": "made-up"}, 41050),
        ({}, 40063),
        ({"text": {"content": "字" * 1334}}, 40058),
        ({"text": "您好"}, 40058),
        ({"attachments": [LINK] * 10}, 41064),
        ({"attachments": [{"msgtype": "voice", "voice": {"media_id": "x"}}]}, 41065),
        ({"attachments": [{"msgtype": "link"}]}, 40058),
        ({"attachments": [{"msgtype": "link", "link": {"title": "无址"}}]}, 40058),
        ({"attachments": [{"msgtype": "link", "link": {**LINK["link"], "title": "字" * 43}}]}, 40058),
        ({"attachments": [{"msgtype": "image", "image": {"media_id": "unknown"}}]}, 40007),
        ({"attachments": [{"msgtype": "image", "image": {"pic_url": "https://example.com/p.png"}}]}, 40007),
        ({"attachments": [{"msgtype": "miniprogram", "miniprogram": {"title": "预约", "appid": "wx1"}}]}, 40058),
        ({"attachments": [{"msgtype": "file", "file": {}}]}, 40007),
    ],
)
async def test_a_wrong_welcome_leaves_the_code_usable(
    simulator: Simulator, customer: Customer, message: dict[str, Any], errcode: int
) -> None:
    assert await greet(simulator, **message) == errcode
    assert customer.received == []

    assert await greet(simulator, **TEXT) == 0


async def test_a_picture_may_be_named_by_its_permanent_address(simulator: Simulator, customer: Customer) -> None:
    url = (await simulator.upload(PNG, path="media/uploadimg"))["url"]

    assert await greet(simulator, attachments=[{"msgtype": "image", "image": {"pic_url": url}}]) == 0


async def test_pictures_for_moments_do_not_greet(simulator: Simulator, customer: Customer) -> None:
    uploaded = await simulator.upload(PNG, path="media/upload_attachment", media_type="image", attachment_type=1)

    picture = {"msgtype": "image", "image": {"media_id": uploaded["media_id"]}}

    assert await greet(simulator, attachments=[picture]) == 40007


async def test_material_for_groups_is_kept(simulator: Simulator) -> None:
    template = {"text": {"content": "%NICKNAME% 欢迎"}, "link": LINK["link"]}
    template_id = (await simulator.api(f"{TEMPLATES}/add", template | {"agentid": 1000002}))["template_id"]

    await simulator.api(f"{TEMPLATES}/edit", {"template_id": template_id, "text": {"content": "你好"}})

    found = await simulator.api(f"{TEMPLATES}/get", {"template_id": template_id})
    assert (found["text"], "link" in found) == ({"content": "你好"}, False)
    assert (await simulator.api(f"{TEMPLATES}/del", {"template_id": template_id}))["errcode"] == 0
    assert (await simulator.api(f"{TEMPLATES}/get", {"template_id": template_id}))["errcode"] == 40037


@pytest.mark.parametrize(
    ("template", "errcode"),
    [
        ({}, 40063),
        ({"text": {"content": "字" * 1001}}, 40058),
        ({**TEXT, "link": LINK["link"], "file": {"media_id": "x"}}, 40058),
        ({**TEXT, "image": {"media_id": "unknown"}}, 40007),
        ({**TEXT, "agentid": 7}, 301002),
    ],
)
async def test_wrong_material_gets_its_errcode(simulator: Simulator, template: dict[str, Any], errcode: int) -> None:
    assert (await simulator.api(f"{TEMPLATES}/add", template))["errcode"] == errcode
