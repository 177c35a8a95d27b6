"""Faults, tokens, delivery, limits, calls and a fresh start."""

from dataclasses import asdict, fields
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from simulator.control.asked import after_and_wait, asked, company, refuse, text, whole, yes_no
from simulator.corp import demo_corp
from simulator.faults import Fault
from simulator.limits import Limits
from simulator.model import MODEL
from simulator.platform import APIS, COURIER, PLATFORM

CORRUPT = ("signature", "ciphertext", "receiveid", "truncated")
DROPS = ("request", "answer")
MAX_REPEAT = 100
STATUSES = range(100, 600)
COUNTED = {"clock", "day", "persons", "windows"}
SETTABLE = tuple(each.name for each in fields(Limits) if each.name not in COUNTED)

Fields = dict[str, Any]

routes = web.RouteTableDef()


@routes.get("/sim/corp")
async def corp(request: web.Request) -> web.Response:
    """What an outside client needs to join in."""
    found = company(request)
    staff = [
        {
            "userid": one.userid,
            "name": one.name,
            "departments": one.departments,
            "leader": bool(one.leads),
            "leads": sorted(one.leads),
            "in_scope": one.visible,
            "customer_contact": one.customer_contact,
        }
        for one in found.members.values()
    ]
    return web.json_response({
        "corp_id": found.corp_id,
        "agent_id": found.app.agent_id,
        "agent_secret": found.app.secret,
        "contacts_secret": found.apps[1].secret,
        "callback_token": found.callback_token,
        "callback_aes_key": found.callback_aes_key,
        "callback_url": found.callback_url,
        "callback_verified": request.app[COURIER].verified,
        "customers_allowed": found.app.customers_allowed,
        "root_scope": found.state.root_scope,
        "now": found.now(),
        "departments": [asdict(one) for one in found.departments.values()],
        "staff": staff,
    })  # fmt: skip


@routes.post("/sim/corp")
async def permit(request: web.Request) -> web.Response:
    """What the admin console allows the app: 客户联系, and the root department as its scope."""
    body, found = await asked(request, "customers_allowed", "root_scope"), company(request)
    found.app.customers_allowed = yes_no(body, "customers_allowed", found.app.customers_allowed)
    found.state.root_scope = yes_no(body, "root_scope", found.state.root_scope)
    return web.json_response({"customers_allowed": found.app.customers_allowed, "root_scope": found.state.root_scope})


@routes.get("/sim/calls")
async def calls(request: web.Request) -> web.Response:
    """Every call the platform got, oldest first; `?path=` of one API, `?after=N` newer ones, `&wait=S` waits."""
    platform, path = request.app[PLATFORM], request.query.get("path")
    after, wait = after_and_wait(request)

    def look() -> list[Fields]:
        newest_first = takewhile(lambda call: call["n"] > after, reversed(platform.calls))
        return [call for call in newest_first if path in {None, call["path"]}][::-1]

    return web.json_response({"calls": await platform.wait(wait, look)})


@routes.post("/sim/faults")
async def add_fault(request: web.Request) -> web.Response:
    """Let calls of one path, or of all (`*`), go wrong."""
    body = await asked(request, "path", "errcode", "status", "latency_ms", "drop", "times")
    faults = request.app[PLATFORM].faults.active
    faults.append(fault_of(body))
    return web.json_response({"faults": [asdict(one) for one in faults]})


@routes.delete("/sim/faults")
async def remove_faults(request: web.Request) -> web.Response:
    """Let everything go right again, or with `?path=` the calls of one path."""
    faults, path = request.app[PLATFORM].faults.active, request.query.get("path")
    faults[:] = [one for one in faults if path not in {None, one.path}]
    return web.json_response({"faults": [asdict(one) for one in faults]})


def fault_of(body: Fields) -> Fault:
    """A fault as asked for; it must do something."""
    path = text(body, "path")
    if path != "*" and path not in APIS:
        refuse(f"path {path!r} is no API; give what follows /cgi-bin/, such as message/send, or *.")
    errcode, status, drop = body.get("errcode"), body.get("status"), body.get("drop")
    if errcode is not None and (not isinstance(errcode, int) or errcode == 0):
        refuse(f"errcode is {errcode!r}; give a number other than 0.")
    if status is not None and status not in STATUSES:
        refuse(f"status is {status!r}; give an HTTP status.")
    if drop is not None and drop not in DROPS:
        refuse(f"drop is {drop!r}; give {' or '.join(DROPS)}.")
    latency_ms = whole(body, "latency_ms", 0)
    if errcode is None and status is None and drop is None and not latency_ms:
        refuse("The fault does nothing; give errcode, status, latency_ms or drop.")
    times = None if body.get("times") is None else whole(body, "times", 1, 1)
    return Fault(path, errcode, status, latency_ms, drop, times)


@routes.post("/sim/tokens/revoke")
async def revoke(request: web.Request) -> web.Response:
    """End every access token: unknown from now on (40014), or with `expire` over (42001)."""
    body = await asked(request, "expire")
    request.app[PLATFORM].tokens.revoke(expire=yes_no(body, "expire"))
    return web.json_response({})


@routes.post("/sim/delivery")
async def delivery(request: web.Request) -> web.Response:
    """How callbacks travel from now on; what is not given goes back to normal."""
    body, courier = await asked(request, "repeat", "shuffle", "delay_ms", "vary"), request.app[COURIER]
    repeat, delay_ms = whole(body, "repeat", 1, 1), whole(body, "delay_ms", 0)
    if repeat > MAX_REPEAT:
        refuse(f"repeat is {repeat}; give at most {MAX_REPEAT}.")
    shuffle, vary = yes_no(body, "shuffle"), yes_no(body, "vary")
    courier.repeat, courier.delay_ms, courier.shuffle, courier.vary = repeat, delay_ms, shuffle, vary
    return web.json_response({"repeat": repeat, "shuffle": shuffle, "delay_ms": delay_ms, "vary": vary})


@routes.post("/sim/limits")
async def limits(request: web.Request) -> web.Response:
    """Set any of the platform's numbers; answers them all."""
    body, found = await asked(request, *SETTABLE), request.app[PLATFORM].limits
    checked = {name: limit_of(found, name, value) for name, value in body.items()}
    for name, value in checked.items():
        setattr(found, name, value)
    return web.json_response({name: getattr(found, name) for name in SETTABLE})


def limit_of(found: Limits, name: str, value: Any) -> Any:
    """A limit's value, of the kind it has now."""
    if isinstance(getattr(found, name), tuple):
        if not isinstance(value, list) or not all(amount(one, int | float) for one in value):
            refuse(f"{name} is {value!r}; give a list of seconds.")
        return tuple(value)
    if isinstance(getattr(found, name), int):
        if not amount(value, int):
            refuse(f"{name} is {value!r}; give a whole number of at least 0.")
        return value
    if not amount(value, int | float):
        refuse(f"{name} is {value!r}; give seconds as a number of at least 0.")
    return float(value)


def amount(value: Any, kind: Any) -> bool:
    """Whether this is a number of that kind, not negative."""
    return isinstance(value, kind) and not isinstance(value, bool) and value >= 0


@routes.post("/sim/trusted-ips")
async def trust(request: web.Request) -> web.Response:
    """Which addresses may call (企业可信IP); null trusts every one."""
    body, platform = await asked(request, "ips"), request.app[PLATFORM]
    ips = body.get("ips")
    if ips is not None and (not isinstance(ips, list) or not all(isinstance(one, str) for one in ips)):
        refuse(f"ips is {ips!r}; give a list of addresses, or null to trust every one.")
    platform.trusted = None if ips is None else set(ips)
    return web.json_response({"ips": ips})


@routes.post("/sim/callback")
async def callback(request: web.Request) -> web.Response:
    """Change the callback URL and verify it as the console does; empty: the app has none."""
    body, found, courier = await asked(request, "url"), company(request), request.app[COURIER]
    url = body.get("url")
    if not isinstance(url, str) or (url and urlsplit(url).scheme not in {"http", "https"}):
        refuse(f"url is {url!r}; give an http address, or an empty text for none.")
    found.callback_url = url
    courier.verified = bool(url) and await courier.verify()
    return web.json_response({"verified": courier.verified})


@routes.post("/sim/reset")
async def reset(request: web.Request) -> web.Response:
    """The demo company anew; ids, secrets, tokens and callback stay, limits and faults are as at the start."""
    await asked(request)
    old, platform = company(request), request.app[PLATFORM]
    fresh = demo_corp(old.clock)
    fresh.corp_id, fresh.apps, fresh.callback_url = old.corp_id, old.apps, old.callback_url
    fresh.callback_token, fresh.callback_aes_key = old.callback_token, old.callback_aes_key
    # Whoever waits for "newer than n" must not miss what comes.
    fresh.serial = old.serial
    platform.restart(fresh)
    request.app[MODEL].reset()
    await request.app[COURIER].start_over(fresh)
    await platform.notify()
    return web.json_response({})


@routes.post("/sim/callbacks/raw")
async def raw(request: web.Request) -> web.Response:
    """Sign, seal and deliver any inner document, damaged if asked; changes nothing else."""
    body = await asked(request, "xml", "repeat", "corrupt")
    xml, repeat, corrupt = text(body, "xml"), whole(body, "repeat", 1, 1), body.get("corrupt")
    if corrupt is not None and corrupt not in CORRUPT:
        refuse(f"corrupt is {corrupt!r}; give one of {', '.join(CORRUPT)}.")
    if repeat > MAX_REPEAT:
        refuse(f"repeat is {repeat}; give at most {MAX_REPEAT}.")
    return web.json_response({"deliveries": await request.app[COURIER].deliver_xml(xml, corrupt, repeat=repeat)})
