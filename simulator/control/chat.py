"""What staff do in the app's chat, and what they and the customers see."""

from dataclasses import asdict
from functools import partial
from typing import Any

from aiohttp import web

from simulator.apis.cards import INTERACTIVE
from simulator.control.asked import after_and_wait, asked, company, customer_named, member_named, refuse, text
from simulator.corp import Corp, Member
from simulator.delivery import warn_of_reply
from simulator.platform import COURIER, PLATFORM
from simulator.records import Follow
from simulator.replies import take_reply
from simulator.windows import media_of, new_response_code

FIRST_MESSAGE_ID = 7_300_000_000_000_000_000
MESSAGE_FIELDS = ("text", "media_id", "thumb_media_id", "format", "pic_url", "x", "y", "scale", "label")
LINK_FIELDS = ("title", "description", "url")

Fields = dict[str, Any]

routes = web.RouteTableDef()


@routes.post("/sim/messages")
async def say(request: web.Request) -> web.Response:
    """A member writes to the app, in words or otherwise (§2.1)."""
    body = await asked(request, "userid", "msgtype", *MESSAGE_FIELDS, *LINK_FIELDS)
    corp = company(request)
    member = writer(corp, text(body, "userid"))
    msgtype = body.get("msgtype", "text")
    if not isinstance(msgtype, str) or msgtype not in MESSAGES:
        refuse(f"msgtype is {msgtype!r}; a member can send {', '.join(MESSAGES)}.")
    tail = {"MsgId": FIRST_MESSAGE_ID + corp.number(), "AgentID": corp.app.agent_id}
    return await deliver(request, member, {"MsgType": msgtype, **MESSAGES[msgtype](corp, body), **tail})


def text_message(_: Corp, body: Fields) -> Fields:
    """Words."""
    return {"Content": text(body, "text")}


def image_message(corp: Corp, body: Fields) -> Fields:
    """A picture uploaded before."""
    media_id = uploaded(corp, body, "media_id", "image")
    return {"PicUrl": body.get("pic_url") or "https://wework.qpic.cn/wwpic/demo/0", "MediaId": media_id}


def voice_message(corp: Corp, body: Fields) -> Fields:
    """Speech; the platform sends no transcript."""
    return {"MediaId": uploaded(corp, body, "media_id", "voice"), "Format": body.get("format") or "amr"}


def video_message(corp: Corp, body: Fields) -> Fields:
    """A film and its thumbnail."""
    media_id = uploaded(corp, body, "media_id", "video")
    return {"MediaId": media_id, "ThumbMediaId": body.get("thumb_media_id") or media_id}


def location_message(_: Corp, body: Fields) -> Fields:
    """A place: `x` is the latitude, `y` the longitude."""
    for name in ("x", "y"):
        if not isinstance(body.get(name), int | float):
            refuse(f"{name} is {body.get(name)!r}; give degrees as a number.")
    place = {"Location_X": f"{body['x']:.6f}", "Location_Y": f"{body['y']:.6f}", "Scale": body.get("scale") or 16}
    return place | {"Label": body.get("label") or ""}


def link_message(_: Corp, body: Fields) -> Fields:
    """A shared page."""
    return {
        "Title": text(body, "title"),
        "Description": body.get("description") or "",
        "Url": text(body, "url"),
        "PicUrl": body.get("pic_url") or "",
    }


def uploaded(corp: Corp, body: Fields, name: str, kind: str) -> str:
    """The media_id of a file of this kind."""
    media_id = text(body, name)
    if media_of(corp, media_id, kind) is None:
        refuse(f"{name} {media_id!r} is no {kind}; upload one with media/upload?type={kind}.")
    return media_id


MESSAGES = {
    "text": text_message,
    "image": image_message,
    "voice": voice_message,
    "video": video_message,
    "location": location_message,
    "link": link_message,
}


@routes.post("/sim/menu-clicks")
async def click_menu(request: web.Request) -> web.Response:
    """A member presses a menu button: `click` with its key, `view` with its address."""
    body = await asked(request, "userid", "key")
    corp, key = company(request), text(body, "key")
    member = writer(corp, text(body, "userid"))
    buttons = [one for top in corp.state.menu or [] for one in top.get("sub_button") or [top]]
    pressed = next((one for one in buttons if key in {one.get("key"), one.get("url")}), None)
    # Without menu/create the menu is whatever the admin console made it: any key may be on it.
    if pressed is None and corp.state.menu is not None:
        known = ", ".join(str(one.get("key") or one.get("url")) for one in buttons)
        refuse(f"key {key!r} is not on the app's menu; it has {known}.")
    kind = (pressed or {}).get("type", "click")
    return await deliver(request, member, event(kind, EventKey=key, AgentID=corp.app.agent_id))


@routes.post("/sim/card-clicks")
async def click_card(request: web.Request) -> web.Response:
    """A member presses a button, the submit button or a menu line of a card (§2.3); each click has its own code."""
    body = await asked(request, "userid", "task_id", "key", "selected")
    corp, key, task_id = company(request), text(body, "key"), text(body, "task_id")
    member = writer(corp, text(body, "userid"))
    card = card_of(corp, member, task_id)
    menu = {one["key"] for one in (card.get("action_menu") or {}).get("action_list") or []}
    if key in menu:
        kind, chosen = "template_card_menu_event", {}
    elif key in buttons_of(card):
        kind, chosen = "template_card_event", selected_items(card, body.get("selected") or {})
    else:
        known = ", ".join([*buttons_of(card), *menu]) or "none that can be pressed any more"
        refuse(f"key {key!r} is not on card {task_id!r}; it has {known}.")
    fields = {"EventKey": key, "TaskId": task_id, "CardType": card["card_type"]}
    fields |= {"ResponseCode": new_response_code(corp, task_id), "AgentID": corp.app.agent_id, **chosen}
    return await deliver(request, member, event(kind, **fields))


def card_of(corp: Corp, member: Member, task_id: str) -> Fields:
    """The card as the member sees it now; its buttons are gone once they were replaced."""
    entry = corp.state.cards.get((member.userid, task_id))
    if entry is None or entry.get("recalled"):
        refuse(f"task_id {task_id!r} is no card of {member.userid}; GET /sim/chats/{member.userid} lists them.")
    updated = entry.get("updated") or {}
    card: Fields = updated.get("template_card") or entry["body"]
    if "button" in updated or card.get("replace_text"):
        return {name: value for name, value in card.items() if name not in {"button_list", "submit_button"}}
    return card


def buttons_of(card: Fields) -> list[str]:
    """Keys of the buttons that call back."""
    keys = [one["key"] for one in card.get("button_list") or [] if one.get("type") != 1]
    if card.get("submit_button"):
        keys.append(card["submit_button"]["key"])
    return keys if card["card_type"] in INTERACTIVE else []


def selected_items(card: Fields, selected: Any) -> Fields:
    """`SelectedItems` of a card that asks something, empty for one that does not."""
    questions = [*(card.get("select_list") or []), card.get("button_selection"), card.get("checkbox")]
    asked_for = {one["question_key"]: one for one in questions if one}
    if not isinstance(selected, dict):
        refuse(f"selected is {selected!r}; give an object of question_key to a list of option ids.")
    for question_key in selected:
        if question_key not in asked_for:
            refuse(f"question_key {question_key!r} is not on the card; it asks {', '.join(asked_for) or 'nothing'}.")
    items = []
    for question_key, question in asked_for.items():
        chosen = chosen_of(card, question, selected.get(question_key))
        items.append({"QuestionKey": question_key, "OptionIds": {"OptionId": chosen}})
    return {"SelectedItems": {"SelectedItem": items}} if items else {}


def chosen_of(card: Fields, question: Fields, chosen: Any) -> list[str]:
    """The options chosen for a question: those given, or else what the card proposes."""
    options = [one["id"] for one in question["option_list"]]
    several = card["card_type"] == "vote_interaction" and question.get("mode") == 1
    if chosen is None:
        return proposed(card, question, options)
    if not isinstance(chosen, list) or not all(one in options for one in chosen):
        refuse(f"selected {chosen!r} for {question['question_key']!r} is wrong; give a list of {', '.join(options)}.")
    if len(chosen) > 1 and not several:
        refuse(f"selected {chosen!r} for {question['question_key']!r} is too many; give one.")
    return chosen


def proposed(card: Fields, question: Fields, options: list[str]) -> list[str]:
    """What is ticked when nobody touches a question; a selector falls back to its first option."""
    if card["card_type"] == "vote_interaction":
        return [one["id"] for one in question["option_list"] if one.get("is_checked")]
    return [question["selected_id"] if question.get("selected_id") in options else options[0]]


def writer(corp: Corp, userid: str) -> Member:
    """A member who can open the app."""
    member = member_named(corp, userid)
    if not member.visible:
        refuse(f"userid {userid!r} cannot open the app; bring the member into its scope with POST /sim/members.")
    return member


def event(kind: str, **fields: Any) -> Fields:
    """What follows the head of an app event."""
    return {"MsgType": "event", "Event": kind, **fields}


async def deliver(request: web.Request, member: Member, fields: Fields) -> web.Response:
    """Deliver what a member did; the bot's reply, if any, appears in the member's window."""
    corp, platform, courier = company(request), request.app[PLATFORM], request.app[COURIER]
    head = {"ToUserName": corp.corp_id, "FromUserName": member.userid, "CreateTime": corp.now()}
    # No source settles whether a reply to this event is honoured: the simulator does not.
    refused = fields.get("Event") == "template_card_event"
    on_reply = warn_of_reply if refused else partial(take_reply, corp, courier.crypto(), member.userid)
    deliveries = await courier.deliver({**head, **fields}, on_reply)
    await platform.notify()
    return web.json_response({"deliveries": deliveries})


@routes.get("/sim/chats/{userid}")
async def chat(request: web.Request) -> web.Response:
    """What the app sent a member, oldest first; `?after=N` what is newer, `&wait=S` waits for it."""
    platform = request.app[PLATFORM]
    after, wait = after_and_wait(request)
    userid = member_named(platform.corp, request.match_info["userid"]).userid
    messages = await platform.wait(wait, lambda: newer(platform.corp.chats.get(userid) or [], after))
    return web.json_response({"messages": messages})


@routes.get("/sim/customers/{external_userid}")
async def customer(request: web.Request) -> web.Response:
    """Who a customer is, who follows them, and what their own window received."""
    platform = request.app[PLATFORM]
    after, wait = after_and_wait(request)
    found = customer_named(platform.corp, request.match_info["external_userid"])
    received = await platform.wait(wait, lambda: newer(found.received, after))
    profile = {name: value for name, value in vars(found).items() if name != "received"}
    follows = platform.corp.follows.by_customer.get(found.external_userid, {}).values()
    follow_users = [asdict(one) | {"tags": tag_names(platform.corp, one)} for one in follows]
    return web.json_response({"profile": profile, "follow_users": follow_users, "received": received})


def tag_names(corp: Corp, follow: Follow) -> list[str]:
    """Names of the corp tags and personal tags a member gave a customer."""
    return [*(corp.tags[tag_id].name for tag_id in follow.tag_ids if tag_id in corp.tags), *follow.personal_tags]


def newer(entries: list[Fields], after: int) -> list[Fields]:
    """The entries numbered above `after`, oldest first."""
    start = len(entries)
    while start and entries[start - 1]["n"] > after:
        start -= 1
    return entries[start:]
