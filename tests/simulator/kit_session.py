"""The session of wecomkit's client, part by part."""

from pathlib import Path
from typing import Any

import pytest
from wecomkit import AsyncWeComClient, WeComAPIError, WeComConfig
from yarl import URL

from tests.simulator.conftest import Simulator

AGENT = 1000002


async def reads_contacts(simulator: Simulator, kit: Any) -> None:
    """Members and departments; writing them is refused, and ids are for the contacts secret."""
    corp = simulator.corp
    assert (await kit.users.get("lin"))["name"] == "林晓"
    assert len((await kit.users.list_by_department(2))["userlist"]) == 3
    assert len((await kit.users.simple_list_by_department(2, fetch_child=True))["userlist"]) == 3
    assert [one["name"] for one in (await kit.departments.list(2))["department"]] == ["城东店"]
    assert len((await kit.departments.simple_list())["department_id"]) == 4
    assert (await kit.departments.get(2))["department"]["department_leader"] == ["su"]
    config = WeComConfig(corp.corp_id, corp.apps[1].secret, base_url=simulator.url)
    async with AsyncWeComClient(config) as contacts:
        first = await contacts.users.list_id(limit=4)
        rest = await contacts.users.list_id(limit=4, cursor=first["next_cursor"])
    assert [len(each["dept_user"]) for each in (first, rest)] == [4, 2]
    for refused in (
        kit.users.create("yu", "于", [2]),
        kit.users.update("lin", name="林"),
        kit.users.delete("lin"),
        kit.users.batch_delete(["lin"]),
        kit.departments.create("东一组", 2),
        kit.departments.update(2, name="东店"),
        kit.departments.delete(2),
    ):
        with pytest.raises(WeComAPIError, match="api forbidden"):
            await refused


async def tags_members(kit: Any) -> None:
    """A tag from create to delete."""
    tagid = (await kit.tags.create("主播"))["tagid"]
    put = await kit.tags.add_users(tagid, ["lin", "nobody"], [3])
    await kit.tags.delete_users(tagid, partylist=[3])
    await kit.tags.update(tagid, "达人")
    found, listed = await kit.tags.get(tagid), (await kit.tags.list())["taglist"]
    await kit.tags.delete(tagid)

    assert put["invalidlist"] == "nobody"
    assert (found["tagname"], found["userlist"], found["partylist"]) == (
        "达人",
        [{"userid": "lin", "name": "林晓"}],
        [],
    )
    assert listed == [{"tagid": tagid, "tagname": "达人"}]


async def logs_in(simulator: Simulator, kit: Any) -> None:
    """A code from the authorize page, the member behind it, and what they granted."""
    params = {"appid": simulator.corp.corp_id, "redirect_uri": "http://bot.example/", "response_type": "code"}
    params |= {"scope": "snsapi_privateinfo", "agentid": str(AGENT), "userid": "lin"}
    url = f"{simulator.url}/connect/oauth2/authorize"
    async with simulator.session.get(url, params=params, allow_redirects=False) as answer:
        code = URL(answer.headers["Location"]).query["code"]
    member = await kit.auth.get_user_info_by_code(code)
    detail = await kit.auth.get_user_detail(member["user_ticket"])

    assert (member["userid"], detail["mobile"]) == ("lin", "13800000000")


async def manages_its_app(kit: Any) -> None:
    """The app and its menu."""
    await kit.agent.set(AGENT, description="销售助手")
    button = [{"type": "click", "name": "今日待办", "key": "todo"}]
    await kit.menu.create(AGENT, button)
    menu = await kit.menu.get(AGENT)
    await kit.menu.delete(AGENT)

    assert (await kit.agent.get(AGENT))["agentid"] == AGENT
    assert [one["agentid"] for one in (await kit.agent.list())["agentlist"]] == [AGENT]
    assert menu["button"][0]["key"] == "todo"


async def uploads(kit: Any, picture: Path) -> str:
    """Files up and down again; answers the media_id of a picture."""
    uploaded = await kit.media.upload(str(picture), "image")
    file = await kit.media.upload_bytes(b"price list", "file", "price.txt")
    attachment = await kit.media.upload_attachment(str(picture))
    url = (await kit.media.upload_image(str(picture)))["url"]
    target = await kit.media.download(file["media_id"], picture.parent / "copy.txt")

    assert isinstance(uploaded["created_at"], str)
    assert isinstance(attachment["created_at"], int)
    assert url.startswith("http")
    assert target.read_bytes() == b"price list"
    return str(uploaded["media_id"])


async def sends_messages(simulator: Simulator, kit: Any, media_id: str) -> None:
    """Every kind of message it sends; a card pressed and updated."""
    send, to = kit.messages, {"to_user": "lin"}
    file = await kit.media.upload_bytes(b"price list", "file", "price.txt")
    voice = await kit.media.upload_bytes(b"#!AMR\n" + bytes(64), "voice", "a.amr")
    film = await kit.media.upload_bytes(bytes(4) + b"ftypmp42" + bytes(64), "video", "a.mp4")
    article = {"title": "新品", "url": "https://example.com/n"}
    paper = {"title": "新品", "thumb_media_id": media_id, "content": "正文"}
    card = {
        "card_type": "button_interaction",
        "main_title": {"title": "跟进"},
        "task_id": "t-1",
        "button_list": [{"text": "完成", "key": "done"}],
    }
    partly = await send.send_text(AGENT, "提醒", to_user="lin|nobody")
    await send.send_markdown(AGENT, "**今日**", **to)
    await send.send_textcard(AGENT, "标题", "描述", "https://example.com", **to)
    await send.send_news(AGENT, [article], **to)
    await send.send_mpnews(AGENT, [paper], **to)
    await send.send_image(AGENT, media_id, **to)
    await send.send_file(AGENT, file["media_id"], **to)
    await send.send_voice(AGENT, voice["media_id"], **to)
    await send.send_video(AGENT, film["media_id"], title="新品", **to)
    await send.send_miniprogram_notice(AGENT, "wx0123456789abcdef", "pages/book", "预约提醒", **to)
    sent = await send.send_template_card(AGENT, card, **to)
    await simulator.sim("POST", "card-clicks", {"userid": "lin", "task_id": "t-1", "key": "done"})
    updated = await send.update_template_card(
        AGENT, sent["response_code"], userids=["lin"], button={"replace_name": "已完成"}
    )

    window = (await simulator.sim("GET", "chats/lin"))["messages"]
    assert partly["invaliduser"] == "nobody"
    assert updated["errcode"] == 0
    assert [one["msgtype"] for one in window] == [
        "text", "markdown", "textcard", "news", "mpnews", "image", "file", "voice", "video", "miniprogram_notice",
        "template_card",
    ]  # fmt: skip
    assert window[-1]["updated"]
