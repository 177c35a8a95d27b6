"""The app itself: its menu and its entry (wecom-api §11)."""

from simulator.apis.checks import blocks, own_agent
from simulator.errors import ApiError
from simulator.platform import Call, Fields, api

KEYED = (
    "click", "scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin", "location_select",
)  # fmt: skip
TOP_NAME, SUB_NAME, KEY, URL = 16, 40, 128, 1024
SETTABLE = {"report_location_flag", "name", "description", "redirect_domain", "isreportenter", "home_url"}


@api("menu/create", needs="app")
def create_menu(call: Call) -> Fields:
    """§11.1: replaces the whole menu."""
    own_agent(call, call.query.get("agentid"))
    buttons = blocks(call.body, "button")
    if not 1 <= len(buttons) <= 3:
        raise ApiError(40016, "invalid button count")
    for button in buttons:
        check_name(button, TOP_NAME, 40018)
        if button.get("sub_button"):
            check_sub_buttons(blocks(button, "sub_button"))
        else:
            check_button(button, 40017, 40019, 40020, 40054)
    call.corp.state.menu = buttons
    return {}


@api("menu/get", "GET", needs="app")
def get_menu(call: Call) -> Fields:
    """The menu as it was created; 46003 when there is none."""
    own_agent(call, call.query.get("agentid"))
    if call.corp.state.menu is None:
        raise ApiError(46003, "menu not set")
    return {"button": call.corp.state.menu}


@api("menu/delete", "GET", needs="app")
def delete_menu(call: Call) -> Fields:
    """No menu any more."""
    own_agent(call, call.query.get("agentid"))
    call.corp.state.menu = None
    return {}


@api("agent/get", "GET", needs="app")
def get_agent(call: Call) -> Fields:
    """§11.2: who is in the app's scope, and its settings."""
    own_agent(call, call.query.get("agentid"))
    visible = [{"userid": member.userid} for member in call.corp.members.values() if member.visible]
    return {
        "agentid": call.app.agent_id,
        "name": call.app.name,
        "square_logo_url": "",
        "description": "",
        "allow_userinfos": {"user": visible},
        "allow_partys": {"partyid": [1] if call.corp.state.root_scope else []},
        "allow_tags": {"tagid": []},
        "close": 0,
        "redirect_domain": "",
        "report_location_flag": 0,
        "isreportenter": 0,
        "home_url": "",
        **call.platform.extras["agent"],
    }


@api("agent/list", "GET", needs="app")
def list_agents(call: Call) -> Fields:
    """The token's own app alone."""
    return {"agentlist": [{"agentid": call.app.agent_id, "name": call.app.name, "square_logo_url": ""}]}


@api("agent/set", needs="app")
def set_agent(call: Call) -> Fields:
    """Change what is given."""
    own_agent(call, call.body.get("agentid"))
    call.platform.extras["agent"].update({name: call.body[name] for name in SETTABLE & call.body.keys()})
    return {}


def check_sub_buttons(buttons: list[Fields]) -> None:
    """One to five, and no third level."""
    if not 1 <= len(buttons) <= 5:
        raise ApiError(40023, "invalid sub button count")
    for button in buttons:
        if button.get("sub_button"):
            raise ApiError(40022, "invalid button level")
        check_name(button, SUB_NAME, 40025)
        check_button(button, 40024, 40026, 40027, 40055)


def check_name(button: Fields, most: int, errcode: int) -> None:
    """Raise unless the name has 1 to `most` bytes."""
    if not 1 <= len(str(button.get("name") or "").encode()) <= most:
        raise ApiError(errcode, f"button.name needs 1 to {most} bytes")


def check_button(button: Fields, bad_type: int, bad_key: int, bad_url: int, no_scheme: int) -> None:
    """Raise what is wrong with a button that does something."""
    kind, url = button.get("type"), str(button.get("url") or "")
    if kind in KEYED:
        if not 1 <= len(str(button.get("key") or "").encode()) <= KEY:
            raise ApiError(bad_key, f"button.key needs 1 to {KEY} bytes")
    elif kind == "view":
        if not 1 <= len(url.encode()) <= URL:
            raise ApiError(bad_url, f"button.url needs 1 to {URL} bytes")
        if "://" not in url:
            raise ApiError(no_scheme, "button.url lacks scheme")
    elif kind != "view_miniprogram":
        raise ApiError(bad_type, "invalid button type")
