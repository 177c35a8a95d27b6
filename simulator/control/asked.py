"""Reading what a control call asks, and refusing it in one clear sentence."""

import json
from typing import Any, NoReturn

from aiohttp import web

from simulator.corp import Corp, Member
from simulator.platform import PLATFORM
from simulator.records import Customer

MAX_WAIT = 60.0


def refuse(sentence: str, status: int = 400) -> NoReturn:
    """Answer `{"error": sentence}`."""
    body = json.dumps({"error": sentence}, ensure_ascii=False)
    raise {400: web.HTTPBadRequest, 404: web.HTTPNotFound}[status](text=body, content_type="application/json")


async def asked(request: web.Request, *allowed: str) -> dict[str, Any]:
    """The JSON object of a control call; fields other than `allowed` are refused, so that no typo passes unseen."""
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError:
        refuse("The body is not JSON; send a JSON object.")
    if not isinstance(body, dict):
        refuse(f"The body is {body!r}; send a JSON object.")
    for name in body:
        if name not in allowed:
            refuse(f"{name} is no field of this call; it takes {', '.join(allowed) or 'none'}.")
    return body


def text(body: dict[str, Any], name: str) -> str:
    """A required, non-empty string."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        refuse(f"{name} is {value!r}; give a non-empty string.")
    return value


def whole(body: dict[str, Any], name: str, default: int, least: int = 0) -> int:
    """A whole number, `default` when absent."""
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        refuse(f"{name} is {value!r}; give a whole number of at least {least}.")
    return value


def yes_no(body: dict[str, Any], name: str, default: bool = False) -> bool:
    """true or false, `default` when absent."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        refuse(f"{name} is {value!r}; give true or false.")
    return value


def company(request: web.Request) -> Corp:
    """The simulated company."""
    return request.app[PLATFORM].corp


def member_named(corp: Corp, userid: str) -> Member:
    """A member, or 404."""
    member = corp.member(userid)
    if member is None:
        refuse(f"userid {userid!r} is no member; GET /sim/corp lists them.", 404)
    return member


def customer_named(corp: Corp, external_userid: str) -> Customer:
    """A customer, or 404."""
    customer = corp.customers.get(external_userid)
    if customer is None:
        refuse(f"external_userid {external_userid!r} is no customer; POST /sim/friend-adds makes one.", 404)
    return customer


def after_and_wait(request: web.Request) -> tuple[int, float]:
    """The query's `after` (a number) and `wait` (seconds, at most 60)."""
    after, wait = request.query.get("after", "0"), request.query.get("wait", "0")
    if not after.isdigit():
        refuse(f"after is {after!r}; give the n of the last thing you saw.")
    try:
        seconds = float(wait)
    except ValueError:
        refuse(f"wait is {wait!r}; give seconds, at most {MAX_WAIT:.0f}.")
    return int(after), min(max(0.0, seconds), MAX_WAIT)
