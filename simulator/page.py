"""The page at `/`: the windows of staff and customers, and the one long poll it lives on.

Only this page's own scripts may read it: a strict Content-Security-Policy, and no answer to another site's page.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from itertools import chain, islice
from pathlib import Path
from typing import Any

from aiohttp import web

from simulator.corp import Corp
from simulator.platform import PLATFORM, Platform
from simulator.records import Customer

STATIC = Path(__file__).parent / "static"
CUSTOMERS_SHOWN = 100
CALLS_SHOWN = 30
LONGEST_WAIT = 30.0
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

routes = web.RouteTableDef()


@routes.get("/")
async def page(request: web.Request) -> web.FileResponse:
    """The page; `?lang=en` shows it in English."""
    refuse_strangers(request)
    return web.FileResponse(STATIC / "index.html", headers=HEADERS)


@routes.get(r"/static/{name:\w+\.(?:js|css|svg)}")
async def part(request: web.Request) -> web.FileResponse:
    """A script, the stylesheet or the icon."""
    refuse_strangers(request)
    path = STATIC / request.match_info["name"]
    if not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=HEADERS)


@routes.get("/sim/page")
async def company(request: web.Request) -> web.Response:
    """What the page lists: {n, at, app, staff, customers, total, tags, menu, calls}, newest customers and calls first.

    `?after=N&wait=SECONDS` answers as soon as the company's number is no longer N, at the latest after the wait.
    """
    refuse_strangers(request)
    platform = request.app[PLATFORM]
    after, wait = number(request.query, "after"), number(request.query, "wait")
    await platform.wait(min(wait, LONGEST_WAIT), lambda: platform.corp.serial != after)
    return web.json_response(listing(platform))


def refuse_strangers(request: web.Request) -> None:
    """Raise 403 for a request of another site's page, or of one whose own name was made to mean this machine."""
    headers = request.headers
    # A link on another site may lead here; nothing else on it may.
    embedded = headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate"
    if embedded or headers.get("Origin", f"{request.scheme}://{request.host}") != f"{request.scheme}://{request.host}":
        raise web.HTTPForbidden(text="this belongs to the simulator's own page; open its address in the browser")
    if is_loopback(request.remote or "") and not is_this_machine(request.url.host or ""):
        raise web.HTTPForbidden(text="open the simulator as http://127.0.0.1 or http://localhost, not by another name")


def is_loopback(address: str) -> bool:
    """Whether a numeric address is this machine's own; False for anything else."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def is_this_machine(host: str) -> bool:
    """Whether a Host header names this machine in a way no DNS answer can change."""
    return host == "localhost" or host.endswith(".localhost") or is_loopback(host)


def number(query: Mapping[str, str], name: str) -> float:
    """A number of the query, 0 without one. Raises 400."""
    try:
        return float(query.get(name, 0))
    except ValueError:
        error = {"error": f"{name} is {query[name]!r}; give a number"}
        raise web.HTTPBadRequest(text=web.json_response(error).text, content_type="application/json") from None


def listing(platform: Platform) -> dict[str, Any]:
    """The company as the page lists it, bounded however many customers there are."""
    corp = platform.corp
    return {
        "n": corp.serial,
        "at": corp.now(),
        "app": corp.app.name,
        "staff": staff(corp),
        "customers": customers(corp),
        "total": len(corp.customers),
        "tags": tag_names(corp),
        "menu": corp.state.menu or [],
        "calls": [call(one) for one in islice(reversed(platform.calls), CALLS_SHOWN)],
    }


def staff(corp: Corp) -> list[dict[str, Any]]:
    """{userid, name, departments, last} of everyone in the app's scope; `last` is the n of the newest message."""
    return [
        {
            "userid": member.userid,
            "name": member.name,
            "departments": [corp.departments[one].name for one in member.departments if one in corp.departments],
            "last": max((message["n"] for message in corp.chats.get(member.userid, [])[-1:]), default=0),
        }
        for member in corp.members.values()
        if member.visible
    ]


def customers(corp: Corp) -> list[dict[str, Any]]:
    """{external_userid, name, members} of the newest customers; `members` are the names of those they added."""
    return [
        {
            "external_userid": one.external_userid,
            "name": one.name,
            "members": [corp.members[userid].name for userid in corp.follows.by_customer.get(one.external_userid, ())],
        }
        for one in newest(corp)
    ]


def newest(corp: Corp) -> Iterable[Customer]:
    """The customers the page shows."""
    return islice(reversed(corp.customers.values()), CUSTOMERS_SHOWN)


def tag_names(corp: Corp) -> dict[str, str]:
    """Names of the corp tags on the customers shown, by id."""
    ties = chain.from_iterable(corp.follows.by_customer.get(one.external_userid, {}).values() for one in newest(corp))
    return {tag_id: corp.tags[tag_id].name for tie in ties for tag_id in tie.tag_ids if tag_id in corp.tags}


def call(record: Mapping[str, Any]) -> dict[str, Any]:
    """A call without its body: n, at, method, path, errcode and, where it has one, its userid."""
    return {key: record[key] for key in ("n", "at", "method", "path", "userid", "errcode") if key in record}
