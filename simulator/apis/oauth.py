"""Who is looking at a page: OAuth in the client, web login, JS-SDK tickets (wecom-api §9.2 to §9.4).

The authorize pages live beside the APIs. Here they ask who you want to be, and with `&userid=` they ask no more.
"""

import re
import secrets
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.platform import PLATFORM, Call, Fields, Platform, api

CODE_SECONDS = 300
USER_TICKET_SECONDS = 1800
JS_TICKET_SECONDS = 7200
TICKETS_AN_HOUR = {"corp": 400, "agent": 100}
STATE = re.compile(r"[A-Za-z0-9]{0,128}")
SCOPES = ("snsapi_base", "snsapi_privateinfo")

routes = web.RouteTableDef()


@dataclass
class Code:
    """One authorisation: a member, or a customer who opened the page."""

    id: str
    private: bool
    issued: float
    """Clock seconds that never jump."""
    used: bool = False


@api("auth/getuserinfo", "GET", needs="app")
def getuserinfo(call: Call) -> Fields:
    """§9.2: userid of a member, with a user_ticket after consent; external_userid of a customer."""
    code, corp = spent(call), call.corp
    if code.id in corp.customers:
        return {"openid": f"o{code.id[-27:]}", "external_userid": code.id}
    if not code.private:
        return {"userid": code.id}
    ticket = secrets.token_urlsafe(48)
    call.platform.extras["user_tickets"][ticket] = (code.id, corp.clock.elapsed())
    return {"userid": code.id, "user_ticket": ticket, "expires_in": USER_TICKET_SECONDS}


@api("user/getuserinfo", "GET", needs="app")
def legacy_getuserinfo(call: Call) -> Fields:
    """§9.2: the old names with capitals."""
    code = spent(call)
    if code.id in call.corp.customers:
        return {"OpenId": f"o{code.id[-27:]}", "DeviceId": "", "external_userid": code.id}
    return {"UserId": code.id, "DeviceId": ""}


def spent(call: Call) -> Code:
    """The code a call brings, used up by it. Raises 40029 (unknown), 42022 (used) and 42003 (after five minutes)."""
    codes: dict[str, Code] = call.platform.extras["oauth_codes"]
    code = codes.get(call.query.get("code", ""))
    if code is None:
        raise ApiError(40029, "invalid code")
    if code.used:
        raise ApiError(42022, "code has been used")
    if call.corp.clock.elapsed() - code.issued > CODE_SECONDS:
        raise ApiError(42003, "code expired")
    code.used = True
    return code


@api("auth/getuserdetail", needs="app")
def getuserdetail(call: Call) -> Fields:
    """§9.2: what the member granted. Raises 84015 (no such ticket) and 84014 (after half an hour)."""
    userid, issued = call.platform.extras["user_tickets"].get(call.text("user_ticket", 84015), ("", 0.0))
    member = call.corp.members.get(userid)
    if member is None:
        raise ApiError(84015, "invalid user_ticket")
    if call.corp.clock.elapsed() - issued > USER_TICKET_SECONDS:
        raise ApiError(84014, "user_ticket expired")
    granted = {"gender": "0", "avatar": f"https://wework.qpic.cn/bizmail/{userid}/0", "mobile": member.mobile}
    return {"userid": userid, **granted, "qr_code": "", "email": member.email, "biz_mail": "", "address": ""}


@api("get_jsapi_ticket", "GET", needs="app")
def corp_ticket(call: Call) -> Fields:
    """§9.4: for `wx.config`, the company's."""
    return js_ticket(call, "corp")


@api("ticket/get", "GET", needs="app")
def agent_ticket(call: Call) -> Fields:
    """§9.4: for `wx.agentConfig`, the app's; 91040 for any other type."""
    if call.query.get("type") != "agent_config":
        raise ApiError(91040, "invalid ticket type")
    return js_ticket(call, "agent")


def js_ticket(call: Call, kind: str) -> Fields:
    """The same ticket while it lives; 45009 beyond the hour's number of calls."""
    now, tickets = call.corp.clock.elapsed(), call.platform.extras["js_tickets"]
    if not call.platform.limits.allow(("ticket", kind), ((3600, TICKETS_AN_HOUR[kind]),)):
        raise ApiError(45009, "api freq out of limit")
    value, ends = tickets.get(kind, ("", 0.0))
    if ends <= now:
        value, ends = tickets[kind] = (secrets.token_urlsafe(64), now + JS_TICKET_SECONDS)
    return {"ticket": value, "expires_in": max(1, int(ends - now))}


@routes.get("/connect/oauth2/authorize")
async def authorize(request: web.Request) -> web.StreamResponse:
    """§9.2: the page inside the client; `snsapi_privateinfo` needs the agentid."""
    query, corp = request.query, request.app[PLATFORM].corp
    if query.get("response_type") != "code" or query.get("scope") not in SCOPES:
        return wrong("response_type or scope invalid")
    if query["scope"] == "snsapi_privateinfo" and query.get("agentid") != str(corp.app.agent_id):
        return wrong("agentid missing or not this app's")
    return await choose(request, private=query["scope"] == "snsapi_privateinfo")


@routes.get("/wwlogin/sso/login")
async def web_login(request: web.Request) -> web.StreamResponse:
    """§9.3: the page in a browser."""
    query, corp = request.query, request.app[PLATFORM].corp
    if query.get("login_type") != "CorpApp" or query.get("agentid") != str(corp.app.agent_id):
        return wrong("login_type or agentid invalid")
    return await choose(request, private=False)


def wrong(reason: str) -> web.Response:
    """What a person sees of a bad link."""
    return web.Response(status=400, text=f"<p>{escape(reason)}</p>", content_type="text/html")


async def choose(request: web.Request, *, private: bool) -> web.StreamResponse:
    """Ask who the person is, or go back at once with a code for who they chose to be."""
    query, platform = request.query, request.app[PLATFORM]
    if reason := obstacle(request, platform.corp):
        return wrong(reason)
    who = query.get("userid")
    if who is None:
        return people_page(request, platform.corp)
    if who not in platform.corp.members and who not in platform.corp.customers:
        return wrong("no such person")
    back = urlencode({"code": new_code(platform, who, private=private), "state": query.get("state", "")})
    joint = "&" if "?" in query["redirect_uri"] else "?"
    raise web.HTTPFound(f"{query['redirect_uri']}{joint}{back}")


def obstacle(request: web.Request, corp: Corp) -> str:
    """Why nobody can be sent back to where the link says; "" when they can."""
    target = urlsplit(request.query.get("redirect_uri", ""))
    if request.query.get("appid") != corp.corp_id:
        return "appid invalid"
    if target.scheme not in ("http", "https") or not target.netloc:
        return "redirect_uri invalid"
    if corp.trusted_domain not in ("", target.netloc):
        return "redirect_uri is not the trusted domain (50001)"
    if not STATE.fullmatch(request.query.get("state", "")):
        return "state invalid: at most 128 letters and digits"
    return ""


def people_page(request: web.Request, corp: Corp) -> web.Response:
    """A link for each member of staff."""
    rows = "".join(
        f'<li><a href="?{escape(urlencode({**request.query, "userid": one.userid}))}">'
        f"{escape(one.name)}（{escape(one.userid)}）</a></li>"
        for one in corp.members.values()
        if one.visible
    )
    head = '<!doctype html><html lang="zh"><meta charset="utf-8"><title>登录</title>'
    page = f"{head}<h1>以谁的身份登录？</h1><ul>{rows}</ul></html>"
    return web.Response(text=page, content_type="text/html")


def new_code(platform: Platform, who: str, *, private: bool) -> str:
    """A code that says who; five minutes, once."""
    code = secrets.token_urlsafe(32)
    platform.extras["oauth_codes"][code] = Code(who, private, platform.corp.clock.elapsed())
    return code
