"""`GET /api/v1/metrics/{name}`: the same numbers as in chat, for other systems; whoever has the token sees all."""

from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlmodel import Session, col, select

from bot.api import API, Api, check_token, refuse
from contacts.channels import Campaign, Channel
from kpi.measures import BadQuestion, Measured, measure
from kpi.periods import DEFAULT, BadPeriod, resolve
from kpi.registry import CAMPAIGN, CHANNEL, DEPARTMENT, STAFF, STORE
from kpi.scope import EVERYBODY

NARROWED = (STAFF, DEPARTMENT, STORE, CHANNEL, CAMPAIGN)
QUERY = {"period", "group_by", "days", *NARROWED}
routes = web.RouteTableDef()


@routes.get("/api/v1/metrics/{name}")
async def metric(request: web.Request) -> web.Response:
    """One metric of a period: its value, its groups, its definition and the time of its data."""
    api = request.app[API]
    check_token(request, api.settings)
    query = dict(request.query)
    if unknown := sorted(set(query) - QUERY):
        refuse(web.HTTPUnprocessableEntity, f"{unknown[0]}: not known; there are {', '.join(sorted(QUERY))}")
    name = request.match_info["name"]
    try:
        found = await api.database.read(lambda session: asked(session, api, name, query))
    except (BadQuestion, BadPeriod, ValueError) as error:
        missing = isinstance(error, BadQuestion) and "does not exist" in str(error)
        refuse(web.HTTPNotFound if missing else web.HTTPUnprocessableEntity, str(error))
    return web.json_response(as_json(found, api.settings.language))


def asked(session: Session, api: Api, name: str, query: dict[str, str]) -> Measured:
    """The number. Raises `BadQuestion`, `BadPeriod` or ValueError with the remedy."""
    now, zone = api.clock.now(), ZoneInfo(api.settings.timezone)
    period = resolve(session, query.get("period") or DEFAULT, now, zone)
    filters: dict[str, Any] = {key: narrowed(session, key, query[key]) for key in NARROWED if query.get(key)}
    if days := query.get("days"):
        filters["days"] = whole("days", days)
    return measure(session, name, EVERYBODY, period, now, group_by=query.get("group_by", ""), filters=filters)


def narrowed(session: Session, key: str, given: str) -> Any:
    """What a filter means: ids of departments, channels (or their `state`) and campaigns (or their code)."""
    if key in {STAFF, STORE}:
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
