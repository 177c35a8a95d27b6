"""`GET /api/v1/metrics/{name}`: the same numbers as in chat, for other systems, and the customers behind each.

Whoever has the token sees all; with `asker`, what that member may see.
"""

import csv
import io
from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlmodel import Session, col, select

from bot.api import API, Api, check_token, refuse
from bot.language import speaking
from contacts.channels import Campaign, Channel
from contacts.models import Staff
from kpi.drill import PAGE, Behind, behind
from kpi.measures import BadQuestion, Measured, measure
from kpi.periods import DEFAULT, BadPeriod, Period, resolve
from kpi.registry import (
    AMOUNT_BAND,
    BUYER,
    CAMPAIGN,
    CHANNEL,
    DEPARTMENT,
    PRODUCT,
    REASON,
    REFERRER,
    REGION,
    SCENE,
    STAFF,
    STORE,
)
from kpi.scope import EVERYBODY, NotYours, Scope, widest

NARROWED = (
    STAFF, DEPARTMENT, STORE, CHANNEL, CAMPAIGN, PRODUCT, REGION, AMOUNT_BAND, BUYER, SCENE, REASON, REFERRER,
)  # fmt: skip
WORDS = {STAFF, STORE, PRODUCT, REGION, AMOUNT_BAND, BUYER, SCENE, REASON}
ABOUT = {"period", "days", "asker", *NARROWED}
MOST_ROWS = 1_000
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""
Query = dict[str, str]
Found = TypeVar("Found")
routes = web.RouteTableDef()


@routes.get("/api/v1/metrics/{name}")
async def metric(request: web.Request) -> web.Response:
    """One metric of a period: its value, its groups, its definition and the time of its data; its groups as CSV."""
    api = request.app[API]
    found, query = await read(request, {"group_by", "format"}, asked)
    if query.get("format", "json") not in {"json", "csv"}:
        refuse(web.HTTPUnprocessableEntity, f"format={query['format']}: write json or csv")
    if query.get("format") == "csv":
        return web.Response(text=as_csv(found), content_type="text/csv", charset="utf-8")
    return web.json_response(as_json(found, api.settings.language))


@routes.get("/api/v1/metrics/{name}/customers")
async def customers(request: web.Request) -> web.Response:
    """The rows behind a metric, the newest first, `limit` at a time from `offset` on."""
    rows, _ = await read(request, {"limit", "offset"}, opened)
    return web.json_response({"rows": [as_row(row) for row in rows]})


async def read(
    request: web.Request, own: set[str], work: Callable[[Session, Api, str, Query], Found]
) -> tuple[Found, Query]:
    """What `work` finds, and the query; refused with a remedy where that cannot be asked."""
    api = request.app[API]
    check_token(request, api.settings)
    query, name = dict(request.query), request.match_info["name"]
    if unknown := sorted(set(query) - ABOUT - own):
        refuse(web.HTTPUnprocessableEntity, f"{unknown[0]}: not known; there are {', '.join(sorted(ABOUT | own))}")
    try:
        return await api.database.read(lambda session: work(session, api, name, query)), query
    except NotYours as error:
        refuse(web.HTTPForbidden, str(error))
    except (BadQuestion, BadPeriod, ValueError) as error:
        missing = isinstance(error, BadQuestion) and "does not exist" in str(error)
        refuse(web.HTTPNotFound if missing else web.HTTPUnprocessableEntity, str(error))


def asked(session: Session, api: Api, name: str, query: Query) -> Measured:
    """The number. Raises `BadQuestion`, `BadPeriod`, `NotYours` or ValueError with the remedy."""
    scope, period, given = about(session, api, query)
    with speaking(api.settings.language):
        return measure(session, name, scope, period, api.clock.now(), group_by=query.get("group_by", ""), **given)


def opened(session: Session, api: Api, name: str, query: Query) -> list[Behind]:
    """The rows behind it. Raises as `asked` does."""
    scope, period, given = about(session, api, query)
    limit, offset = whole("limit", query.get("limit", str(PAGE))), whole("offset", query.get("offset", "0"))
    return behind(
        session, name, scope, period, api.clock.now(), offset=offset, limit=max(1, min(limit, MOST_ROWS)), **given
    )


def about(session: Session, api: Api, query: Query) -> tuple[Scope, Period, dict[str, Any]]:
    """Whose numbers, of which days, narrowed to what."""
    period = resolve(session, query.get("period") or DEFAULT, api.clock.now(), ZoneInfo(api.settings.timezone))
    filters: dict[str, Any] = {key: narrowed(session, key, query[key]) for key in NARROWED if query.get(key)}
    if days := query.get("days"):
        filters["days"] = whole("days", days)
    asker = query.get("asker")
    if asker and session.get(Staff, asker) is None:
        raise ValueError(f"asker={asker}: there is no member with this userid")
    return widest(session, asker) if asker else EVERYBODY, period, {"filters": filters}


def narrowed(session: Session, key: str, given: str) -> Any:
    """What a filter means: ids of departments, channels (or their `state`) and campaigns (or their code)."""
    if key in WORDS:
        return given
    codes = {CHANNEL: (Channel.id, Channel.state), CAMPAIGN: (Campaign.id, Campaign.code)}
    if key in codes and not given.isdigit():
        number, code = codes[key]
        found = session.exec(select(number).where(col(code) == given)).first()
        if found is None:
            raise ValueError(f"{key}={given}: there is none with this id")
        return found
    return whole(key, given)


def whole(key: str, given: str) -> int:
    """A number of a query. Raises ValueError."""
    if not given.isdigit() or len(given) > 9:
        raise ValueError(f"{key}={given}: write a whole number")
    return int(given)


def as_json(found: Measured, language: str) -> dict[str, Any]:
    """The number as other systems read it; `value` is null where a feed is missing or there is nothing to divide by."""
    metric = found.metric
    return {
        "name": metric.name,
        "title": metric.title(language),
        "unit": metric.unit,
        "period": {"from": found.period.first.isoformat(), "to": found.period.last.isoformat()},
        "value": found.value,
        "parts": dict(found.parts),
        "rows": [
            {"key": row.key, "name": row.name, "value": row.value, "parts": dict(row.parts)} for row in found.rows
        ],
        "definition": metric.about(language),
        "data_at": found.data_at.isoformat() if found.data_at else None,
        "connected": found.connected,
        "missing_feeds": list(found.missing),
        "immature": found.immature,
    }


def as_csv(found: Measured) -> str:
    """The groups as a table that opens in a spreadsheet, the whole last; text never begins like a formula."""
    out = io.StringIO()
    names = sorted({name for row in found.rows for name in row.parts} | set(found.parts))
    writer = csv.writer(out)
    writer.writerow(["key", "name", found.metric.name, *names])
    for row in found.rows:
        cells = [row.value, *(row.parts.get(name) for name in names)]
        writer.writerow([safe(row.key), safe(row.name), *cells])
    writer.writerow(["", "total", found.value, *(found.parts.get(name) for name in names)])
    return out.getvalue()


def safe(value: Any) -> str:
    """Text for a cell: what a spreadsheet would calculate gets an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULAS) else text


def as_row(row: Behind) -> dict[str, Any]:
    """A row behind a number as other systems read it."""
    return {
        "customer_id": row.customer_id,
        "customer": row.customer,
        "userid": row.userid,
        "staff": row.staff,
        "at": row.at.isoformat() if row.at else None,
        "amount_fen": row.amount_fen,
    }
