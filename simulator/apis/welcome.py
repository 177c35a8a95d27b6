"""Welcome messages and material for groups (wecom-api §4)."""

import asyncio
from collections.abc import Callable
from typing import Any

from simulator.apis.checks import blocks, limit_bytes, own_agent, require, require_media
from simulator.corp import Corp, WelcomeCode, opaque
from simulator.errors import ApiError
from simulator.platform import Call, Fields, api
from simulator.windows import hand_over

MAX_ATTACHMENTS = 9
WELCOME_BYTES, GROUP_BYTES = 4000, 3000
MAX_TEMPLATES = 100


@api("externalcontact/send_welcome_msg")
async def send_welcome_msg(call: Call) -> Fields:
    """§4.1: within twenty seconds of the event, once; each part is a message of its own."""
    body, corp, limits = call.body, call.corp, call.platform.limits
    value = call.text("welcome_code", 41049)
    message = welcome_of(corp, body)
    code = usable_code(call, value)
    if limits.welcome_distribution_seconds:
        code.distributing = True
        await asyncio.sleep(limits.welcome_distribution_seconds)
        code.distributing = False
    code.used = True
    hand_over(corp, corp.customers[code.external_userid], code.userid, "welcome", message)
    return {}


def usable_code(call: Call, value: str) -> WelcomeCode:
    """The code, fresh and unused. Raises 41050, 41051 and 41096."""
    corp, limits = call.corp, call.platform.limits
    code = corp.welcome_codes.get(value)
    if code is None or not corp.members[code.userid].visible:
        raise ApiError(41050, "invalid welcome code")
    if code.distributing:
        raise ApiError(41096, "welcome msg is being distributed")
    if code.used:
        raise ApiError(limits.reused_welcome_code, "externaluser has started chatting")
    if corp.clock.elapsed() - code.issued > limits.welcome_seconds:
        raise ApiError(41050, "invalid welcome code")
    follow = corp.follows.get((code.userid, code.external_userid))
    if follow is None:
        raise ApiError(41050, "invalid welcome code")
    if follow.chatted:
        raise ApiError(41051, "externaluser has started chatting")
    return code


def welcome_of(corp: Corp, body: Fields) -> Fields:
    """Text and attachments, checked. Raises 40063, 40058, 41064, 41065, 40007."""
    content, attachments = text_of(body, WELCOME_BYTES), blocks(body, "attachments")
    if not content and not attachments:
        raise ApiError(40063, "some parameters are empty")
    if len(attachments) > MAX_ATTACHMENTS:
        raise ApiError(41064, "attachments exceed max number 9")
    for attachment in attachments:
        check_attachment(corp, attachment)
    return {"text": {"content": content}, "attachments": attachments}


def text_of(body: Fields, most: int) -> str:
    """`text.content`, empty when absent. Raises 40058 when it is too long or no text."""
    text = body.get("text") or {}
    content = text.get("content", "") if isinstance(text, dict) else None
    if not isinstance(content, str):
        raise ApiError(40058, "text invalid")
    limit_bytes({"text.content": content}, "text.content", most)
    return content


def check_attachment(corp: Corp, attachment: Fields) -> None:
    """Raise what is wrong with one attachment."""
    kind = attachment.get("msgtype")
    check = ATTACHMENTS.get(kind) if isinstance(kind, str) else None
    if check is None or not isinstance(kind, str):
        raise ApiError(41065, "invalid attachment type")
    content = attachment.get(kind)
    if not isinstance(content, dict):
        raise ApiError(40058, f"{kind} invalid")
    check(corp, content)


def image(corp: Corp, content: Fields) -> None:
    """A media_id, or an address from media/uploadimg; the media_id wins."""
    if not content.get("media_id") and str(content.get("pic_url")) in corp.state.image_urls:
        return
    require_media(corp, content.get("media_id"), "image")


def link(_: Corp, content: Fields) -> None:
    """Title and address are required."""
    require(content, "title", 40058)
    require(content, "url", 40058)
    limit_bytes(content, "title", 128)
    limit_bytes(content, "desc", 512)


def miniprogram(corp: Corp, content: Fields) -> None:
    """All four fields are required."""
    for name in ("title", "appid", "page"):
        require(content, name, 40058)
    limit_bytes(content, "title", 64)
    require_media(corp, content.get("pic_media_id"), "image")


def video(corp: Corp, content: Fields) -> None:
    """From media/upload."""
    require_media(corp, content.get("media_id"), "video")


def file(corp: Corp, content: Fields) -> None:
    """From media/upload."""
    require_media(corp, content.get("media_id"), "file")


ATTACHMENTS: dict[str, Callable[[Corp, dict[str, Any]], None]] = {
    "image": image,
    "link": link,
    "miniprogram": miniprogram,
    "video": video,
    "file": file,
}


@api("externalcontact/group_welcome_template/add")
def add_template(call: Call) -> Fields:
    """§4.2: kept as material; a group's owner applies it in the client."""
    templates = call.platform.extras["group_welcome_template"]
    if len(templates) >= MAX_TEMPLATES:
        raise ApiError(41055, "too many templates")
    if call.body.get("agentid") is not None:
        own_agent(call, call.body["agentid"])
    template_id = opaque("msg")
    templates[template_id] = template_of(call)
    return {"template_id": template_id}


@api("externalcontact/group_welcome_template/edit")
def edit_template(call: Call) -> Fields:
    """Replaces the material."""
    template_named(call).clear()
    template_named(call).update(template_of(call))
    return {}


@api("externalcontact/group_welcome_template/get")
def get_template(call: Call) -> Fields:
    """Text and the one attachment."""
    return dict(template_named(call))


@api("externalcontact/group_welcome_template/del")
def delete_template(call: Call) -> Fields:
    """Groups that have applied it keep it."""
    template_named(call)
    del call.platform.extras["group_welcome_template"][call.body["template_id"]]
    return {}


def template_named(call: Call) -> Fields:
    """The template of `template_id`. Raises 40037."""
    found: Fields | None = call.platform.extras["group_welcome_template"].get(call.text("template_id", 40037))
    if found is None:
        raise ApiError(40037, "invalid template_id")
    return found


def template_of(call: Call) -> Fields:
    """Text and at most one attachment. Raises 40063, 40058, 40007."""
    content = text_of(call.body, GROUP_BYTES)
    given = {name: call.body[name] for name in ATTACHMENTS if call.body.get(name)}
    if not content and not given:
        raise ApiError(40063, "some parameters are empty")
    if len(given) > 1:
        raise ApiError(40058, "more than one attachment")
    for name, attachment in given.items():
        check_attachment(call.corp, {"msgtype": name, name: attachment})
    return ({"text": {"content": content}} if content else {}) | given
