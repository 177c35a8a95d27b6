"""The session of wecom-crm-mcp's client, part by part."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from wecom_crm_mcp.exceptions import WecomAPIError
from wecom_crm_mcp.modules.acquisition import AcquisitionModule
from wecom_crm_mcp.modules.contact_way import ContactWayModule
from wecom_crm_mcp.modules.customer import CustomerModule
from wecom_crm_mcp.modules.group_chat import GroupChatModule
from wecom_crm_mcp.modules.media import MediaModule
from wecom_crm_mcp.modules.misc import MiscModule
from wecom_crm_mcp.modules.moment import MomentModule
from wecom_crm_mcp.modules.msg_template import MsgTemplateModule
from wecom_crm_mcp.modules.statistics import StatisticsModule
from wecom_crm_mcp.modules.tag import TagModule
from wecom_crm_mcp.modules.transfer_active import TransferActiveModule
from wecom_crm_mcp.modules.transfer_resigned import TransferResignedModule

from tests.simulator.conftest import Simulator
from tests.simulator.steps import CHEN, ZHAO, add, later, midnight

TEXT = {"content": "新品发布"}
ACQUISITION = "/cgi-bin/externalcontact/customer_acquisition"


async def reads_customers(crm: Any) -> None:
    """Followers, customers of one, one customer, many; a remark."""
    customers = CustomerModule(crm)
    await customers.remark("lin", CHEN, remark="陈可-示例", remark_mobiles=["13800000000"])

    assert (await customers.list_followers())["follow_user"][:2] == ["lin", "wang"]
    assert (await customers.list("lin"))["external_userid"] == [CHEN]
    [follow] = (await customers.get(CHEN))["follow_user"]
    assert (follow["remark"], follow["state"], follow["remark_mobiles"]) == ("陈可-示例", "expo", ["13800000000"])
    first = await customers.batch_get(["lin", "wang"], limit=1)
    second = await customers.batch_get(["lin", "wang"], cursor=first["next_cursor"], limit=1)
    rows = [*first["external_contact_list"], *second["external_contact_list"]]
    assert [row["external_contact"]["name"] for row in rows] == ["陈可", "赵静"]


async def tags_customers(crm: Any) -> None:
    """Tags made, listed, renamed, marked, deleted."""
    tags = TagModule(crm)
    group = (await tags.add_corp_tag(group_name="意向", tag=[{"name": "高"}, {"name": "低"}]))["tag_group"]
    [high, low] = [tag["id"] for tag in group["tag"]]
    await tags.edit_corp_tag(high, name="很高", order=5)
    await tags.mark_tag("lin", CHEN, add_tag=[high, low])
    await tags.mark_tag("lin", CHEN, remove_tag=[low])
    [listed] = (await tags.list_corp_tags(group_id=[group["group_id"]]))["tag_group"]
    [follow] = (await CustomerModule(crm).get(CHEN))["follow_user"]
    await tags.del_corp_tag(tag_id=[low])

    assert [(tag["name"], tag["order"]) for tag in listed["tag"]] == [("很高", 5), ("低", 0)]
    assert [tag["tag_name"] for tag in follow["tags"]] == ["很高"]
    assert [tag["id"] for tag in (await tags.list_corp_tags())["tag_group"][0]["tag"]] == [high]


async def makes_contact_ways(simulator: Simulator, crm: Any) -> None:
    """Contact ways and join ways from add to delete; groups read on the way."""
    ways, groups = ContactWayModule(crm), GroupChatModule(crm)
    config_id = (await ways.add_contact_way(1, 2, state="expo", user=["lin"], skip_verify=True))["config_id"]
    await ways.update_contact_way(config_id, remark="展会")
    found = (await ways.get_contact_way(config_id))["contact_way"]
    listed = (await ways.list_contact_way(limit=10))["contact_way"]
    await ways.close_temp_chat("lin", CHEN)
    await ways.del_contact_way(config_id)
    assert (found["remark"], found["state"], listed) == ("展会", "expo", [{"config_id": config_id}])

    made = await simulator.sim(
        "POST", "groups", {"action": "create", "owner": "lin", "name": "门店", "members": [CHEN]}
    )
    config_id = (await ways.groupchat_add_join_way(scene=2, chat_id_list=[made["chat_id"]]))["config_id"]
    await ways.groupchat_update_join_way(config_id, chat_id_list=[made["chat_id"]], state="shop")
    joined = (await ways.groupchat_get_join_way(config_id))["join_way"]
    await ways.groupchat_del_join_way(config_id)
    group = (await groups.get_groupchat(made["chat_id"]))["group_chat"]
    assert (joined["state"], group["name"], group["member_list"][1]["name"]) == ("shop", "门店", "陈可")
    assert (await groups.list_groupchats())["group_chat_list"] == [{"chat_id": made["chat_id"], "status": 0}]
    assert (await groups.opengid_to_chatid(made["opengid"]))["chat_id"] == made["chat_id"]


async def sends_messages(simulator: Simulator, crm: Any, code: str) -> None:
    """A welcome, and a mass send until the member has confirmed it."""
    templates, now = MsgTemplateModule(crm), simulator.corp.now()
    await templates.send_welcome_msg(code, text={"content": "您好"})
    made = await templates.add_msg_template("single", external_userid=[CHEN, "wmNobody"], sender="lin", text=TEXT)
    listed = await templates.get_groupmsg_list_v2("single", now - 60, now + 60, limit=10)
    waiting = (await templates.get_groupmsg_task(made["msgid"]))["task_list"]
    await simulator.sim("POST", "confirm-group-send", {"userid": "lin", "msgid": made["msgid"]})
    sent = (await templates.get_groupmsg_send_result(made["msgid"], "lin"))["send_list"]

    window = (await simulator.sim("GET", f"customers/{CHEN}"))["received"]
    assert made["fail_list"] == ["wmNobody"]
    assert [one["msgid"] for one in listed["group_msg_list"]] == [made["msgid"]]
    assert waiting == [{"userid": "lin", "status": 0}]
    assert [(one["external_userid"], one["status"]) for one in sent] == [(CHEN, 1)]
    assert [(one["source"], one["body"]["content"]) for one in window] == [
        ("welcome", "您好"),
        ("group_send", "新品发布"),
    ]


async def posts_moments(simulator: Simulator, crm: Any, picture: Path) -> None:
    """A post with a picture, until it is cancelled."""
    moments, now = MomentModule(crm), simulator.corp.now()
    file = await MediaModule(crm).upload_attachment(picture, media_type="image", attachment_type=1)
    image = {"msgtype": "image", "image": {"media_id": file["media_id"]}}
    visible = {"sender_list": {"user_list": ["lin"]}}
    jobid = (await moments.add_moment_task(TEXT, [image], visible_range=visible))["jobid"]
    moment_id = (await moments.get_moment_task_result(jobid))["result"]["moment_id"]

    assert isinstance(file["created_at"], int)
    assert (await moments.get_moment_task(moment_id))["task_list"] == [{"userid": "lin", "publish_status": 0}]
    seen = (await moments.get_moment_customer_list(moment_id, "lin"))["customer_list"]
    assert seen == [{"external_userid": CHEN, "userid": "lin"}]
    [listed] = (await moments.get_moment_list(now - 60, now + 60))["moment_list"]
    assert (listed["moment_id"], listed["text"]) == (moment_id, TEXT)
    await moments.cancel_moment_task(moment_id)


async def makes_links(simulator: Simulator, crm: Any) -> None:
    """Links. Its own create_link and get_quota are not shaped as documented; the platform refuses both."""
    links, now = AcquisitionModule(crm), simulator.corp.now()
    body = {"link_name": "抖音", "range": {"user_list": ["lin"]}}
    with pytest.raises(WecomAPIError, match="40058"):
        await links.create_link(body)
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await links.get_quota()
    link_id = (await crm.post(f"{ACQUISITION}/create_link", json=body))["link"]["link_id"]
    await add(simulator, external_userid="wmByLink", link_id=link_id, state="douyin")
    await links.update_link(link_id, {"link_name": "快手"})

    [customer] = (await links.list_customers(link_id, limit=10))["customer_list"]
    numbers = await links.get_statistic(link_id, now - 86400, now)
    assert (await links.list_links(limit=10))["link_id_list"] == [link_id]
    assert (await links.get_link(link_id))["link"]["link_name"] == "抖音"
    assert (customer["external_userid"], customer["chat_status"], customer["state"]) == ("wmByLink", 0, "douyin")
    assert numbers["new_customer_cnt"] == 1
    quota = await crm.get("/cgi-bin/externalcontact/customer_acquisition_quota")
    assert quota["balance"] == quota["total"] - 1
    await links.delete_link(link_id)


async def keeps_products_and_rules(crm: Any, picture: Path) -> None:
    """Products and chat rules. Its list of rules is a POST where the platform wants a GET."""
    misc, media = MiscModule(crm), MediaModule(crm)
    file = await media.upload_attachment(picture, media_type="image", attachment_type=2)
    attachments = [{"type": "image", "image": {"media_id": file["media_id"]}}]
    product = {"description": "眼霜", "price": 19900, "attachments": attachments}
    product_id = (await misc.product_album_add(product))["product_id"]
    await misc.product_album_update({"product_id": product_id, "price": 9900})
    assert (await misc.product_album_get(product_id))["product"]["price"] == 9900
    assert len((await misc.product_album_list(limit=10))["product_list"]) == 1
    await misc.product_album_delete(product_id)

    reach = {"user_list": ["lin"]}
    rule = {"rule_name": "违禁词", "word_list": ["包治"], "intercept_type": 1, "applicable_range": reach}
    rule_id = (await misc.add_intercept_rule(rule))["rule_id"]
    await misc.update_intercept_rule({"rule_id": rule_id, "intercept_type": 2})
    with pytest.raises(WecomAPIError, match="40058"):
        await misc.list_intercept_rule()
    assert (await misc.get_intercept_rule(rule_id))["rule"]["intercept_type"] == 2
    await misc.del_intercept_rule(rule_id)
    assert (await media.upload(picture))["type"] == "image"


async def reads_statistics(simulator: Simulator, crm: Any) -> None:
    """Yesterday's numbers of members and groups."""
    today = midnight(simulator.corp.now())
    noon = today - 12 * 3600
    for by, at in (("customer", noon), ("staff", noon + 120)):
        chat = {"userid": "lin", "external_userid": CHEN, "by": by, "at": at}
        await simulator.sim("POST", "customer-chats", chat)
    statistics, owners = StatisticsModule(crm), {"userid_list": ["lin"]}
    [row] = (await statistics.get_user_behavior_data(userid=["lin"], start_time=noon, end_time=noon))["behavior_data"]
    later(simulator, days=1)
    [owner] = (await statistics.groupchat_statistic(today, owner_filter=owners))["items"]
    [day] = (await statistics.groupchat_statistic_group_by_day(today, today, owner_filter=owners))["items"]

    assert (row["chat_cnt"], row["reply_percentage"], row["avg_reply_time"]) == (1, 100.0, 2)
    assert (owner["owner"], owner["data"]["chat_total"]) == ("lin", 1)
    assert (day["stat_time"], day["data"]["new_member_cnt"]) == (today, 2)


async def passes_customers_on(simulator: Simulator, crm: Any) -> None:
    """Transfers in service, then of somebody who left, with the groups."""
    active, resigned = TransferActiveModule(crm), TransferResignedModule(crm)
    [group] = (await GroupChatModule(crm).list_groupchats())["group_chat_list"]
    early = (await active.group_chat_transfer([group["chat_id"]], "wang"))["failed_chat_list"]
    begun = (await active.transfer_customer("lin", "wang", [CHEN], "您好，我是王磊"))["customer"]
    later(simulator, hours=24)
    [done] = (await active.transfer_result("lin", "wang"))["customer"]
    await resigned.groupchat_transfer([group["chat_id"]], "wang")
    await simulator.sim("POST", "members", {"userid": "wang", "left": True})
    left = (await resigned.get_unassigned_list(page_size=10))["info"]
    await resigned.resigned_transfer_customer("wang", "lin", [ZHAO])
    [waiting] = (await resigned.resigned_transfer_result("wang", "lin"))["customer"]

    assert [one["errcode"] for one in early] == [90500]
    assert begun == [{"external_userid": CHEN, "errcode": 0}]
    assert (done["external_userid"], done["status"]) == (CHEN, 1)
    assert sorted(one["external_userid"] for one in left) == sorted([CHEN, ZHAO])
    assert (waiting["external_userid"], waiting["status"]) == (ZHAO, 2)
