"""Posts in customers' moments, products and chat rules."""

import pytest

from tests.simulator.conftest import Json, Simulator
from tests.simulator.steps import CHEN, PNG, add, errcode

TEXT = {"text": {"content": "新品发布"}}
LINK = {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/n"}}


async def test_a_post_in_moments_waits_for_its_members(simulator: Simulator) -> None:
    await add(simulator)
    file = await simulator.upload(PNG, path="media/upload_attachment", media_type="image", attachment_type=1)
    visible = {"sender_list": {"user_list": ["lin", "nobody"]}}
    image = {"msgtype": "image", "image": {"media_id": file["media_id"]}}
    body = {**TEXT, "attachments": [image], "visible_range": visible}
    jobid = (await simulator.api("externalcontact/add_moment_task", body))["jobid"]
    job = await simulator.api("externalcontact/get_moment_task_result", jobid=jobid)
    asked = {"moment_id": job["result"]["moment_id"]}
    one_of = {**asked, "userid": "lin"}

    waiting = (await simulator.api("externalcontact/get_moment_task", asked))["task_list"]
    unseen = (await simulator.api("externalcontact/get_moment_send_result", one_of))["customer_list"]
    await simulator.sim("POST", "confirm-moment", one_of)
    done = (await simulator.api("externalcontact/get_moment_task", asked))["task_list"]
    seen = (await simulator.api("externalcontact/get_moment_send_result", one_of))["customer_list"]
    now = simulator.corp.now()
    span = {"start_time": now - 60, "end_time": now}
    [listed] = (await simulator.api("externalcontact/get_moment_list", span))["moment_list"]

    assert (job["status"], job["result"]["invalid_sender_list"]["user_list"]) == (3, ["nobody"])
    assert (waiting, done) == ([{"userid": "lin", "publish_status": 0}], [{"userid": "lin", "publish_status": 1}])
    assert (unseen, seen) == ([], [{"external_userid": CHEN}])
    assert (listed["moment_id"], listed["image"]) == (asked["moment_id"], [image["image"]])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 40063),
        ({"text": {"content": "字" * 2001}}, 40058),
        ({"attachments": [LINK, {"msgtype": "image", "image": {}}]}, 41064),
        ({"attachments": [{"msgtype": "file"}]}, 41065),
        ({"attachments": [LINK]}, 40007),
        ({**TEXT, "visible_range": {"external_contact_list": {"tag_list": ["etNone"]}}}, 40068),
    ],
)
async def test_posts_are_checked(simulator: Simulator, body: Json, expected: int) -> None:
    assert await errcode(simulator, "externalcontact/add_moment_task", body) == expected


async def test_products_live_from_add_to_delete(simulator: Simulator) -> None:
    file = await simulator.upload(PNG, path="media/upload_attachment", media_type="image", attachment_type=2)
    body = {"description": "眼霜", "price": 19900, "attachments": [{"image": {"media_id": file["media_id"]}}]}
    asked = {"product_id": (await simulator.api("externalcontact/add_product_album", body))["product_id"]}
    await simulator.api("externalcontact/update_product_album", {**asked, "price": 9900})

    found = (await simulator.api("externalcontact/get_product_album", asked))["product"]
    listed = (await simulator.api("externalcontact/get_product_album_list", {"limit": 10}))["product_list"]
    deleted = [await errcode(simulator, "externalcontact/delete_product_album", asked) for _ in range(2)]
    assert (found["description"], found["price"], len(listed)) == ("眼霜", 9900, 1)
    assert deleted == [0, 40058]
    assert await errcode(simulator, "externalcontact/add_product_album", {**body, "price": 5_000_001}) == 40058


async def test_chat_rules_live_from_add_to_delete(simulator: Simulator) -> None:
    words = {"rule_name": "违禁词", "word_list": ["包治"], "intercept_type": 1, "semantics_list": [1]}
    body = {**words, "applicable_range": {"user_list": ["lin"]}}
    path = "externalcontact/{}_intercept_rule"
    asked = {"rule_id": (await simulator.api(path.format("add"), body))["rule_id"]}
    change = {"word_list": ["根治"], "add_applicable_range": {"user_list": ["wang"]}}
    await simulator.api(path.format("update"), {**asked, **change, "remove_applicable_range": {"user_list": ["lin"]}})

    rule = (await simulator.api(path.format("get"), asked))["rule"]
    listed = (await simulator.api(path.format("get") + "_list"))["rule_list"]
    deleted = [await errcode(simulator, path.format("del"), asked) for _ in range(2)]
    assert (rule["rule_name"], rule["word_list"], rule["intercept_type"]) == ("违禁词", ["根治"], 1)
    assert rule["applicable_range"] == {"user_list": ["wang"], "department_list": []}
    assert rule["extra_rule"] == {"semantics_list": [1]}
    assert [one["rule_name"] for one in listed] == ["违禁词"]
    assert deleted == [0, 40058]
    assert await errcode(simulator, path.format("add"), {**body, "word_list": ["字" * 33]}) == 40058
