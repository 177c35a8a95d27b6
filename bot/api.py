"""`/api/v1`: other systems tell us what happened (design §4.3); `docs/ingest.md` describes every kind of record."""

import asyncio
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from aiohttp import web
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from bot.clock import Clock
from bot.database import Database
from bot.observability import log
from bot.settings import Settings
from contacts.checks import AHEAD, Load, read_entries
from contacts.ingest import NotTaken, Outcome, take
from contacts.records import RECORDS, Problem, moment
from kpi.targets import TARGETS, take_targets

MAX_API_BODY = 4 * 1024 * 1024
MAX_RECORDS = 1_000
TRIES = 3
"""Of one request: two that make the same customer at once collide, and one of them goes again."""
ENVELOPE = {"records", "complete_to"}
KINDS = sorted([*RECORDS, TARGETS])


@dataclass(frozen=True)
class Api:
    """What the routes work with."""

    database: Database
    clock: Clock
    settings: Settings


@dataclass(frozen=True)
class Body:
    """A request's records with their places, and up to when the sender says the feed is complete."""

    records: list[tuple[int, object]]
    complete_to: datetime | None = None


API = web.AppKey("api", Api)
routes = web.RouteTableDef()


@routes.post("/api/v1/{kind}")
async def ingest(request: web.Request) -> web.Response:
    """Take records of one kind: 200 when all were good, 422 with what is wrong when some were not."""
    api = request.app[API]
    check_token(request, api.settings)
    kind = request.match_info["kind"]
    if kind not in KINDS:
        refuse(web.HTTPNotFound, f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    partial = request.query.get("partial", "0")
    if partial not in {"0", "1"}:
        refuse(web.HTTPUnprocessableEntity, f"partial={partial}: write 1 to keep the good records, or leave it out")
    body = await asyncio.to_thread(parsed, await content(request))
    outcome = await taken(api, kind, body, partial=partial == "1")
    log.info("records taken", kind=kind, stored=outcome.stored, rejected=outcome.rejected)
    counts: dict[str, Any] = {
        "stored": outcome.stored,
        "unchanged": outcome.unchanged,
        "rejected": outcome.rejected,
    }
    if outcome.problems:
        counts["errors"] = [as_error(problem) for problem in outcome.problems]
    return web.json_response(counts, status=422 if outcome.problems else 200)


def refuse(status: type[web.HTTPError], sentence: str, **headers: str) -> NoReturn:
    """End the request with one sentence."""
    raise status(text=json.dumps({"error": sentence}), content_type="application/json", headers=headers)


def check_token(request: web.Request, settings: Settings) -> None:
    """Let only those in who know the token."""
    expected = settings.api_token.get_secret_value().encode() if settings.api_token else b""
    if not expected:
        refuse(web.HTTPForbidden, "the API is closed: FRONTLINE_API_TOKEN is not set (docs/ingest.md)")
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), expected):
        sentence = "send the header Authorization: Bearer, with the value of FRONTLINE_API_TOKEN"
        refuse(web.HTTPUnauthorized, sentence, **{"WWW-Authenticate": "Bearer"})


async def content(request: web.Request) -> bytes:
    """The body: larger than a callback's may be, which keeps its own limit."""
    try:
        return await request.clone(client_max_size=MAX_API_BODY).read()
    except web.HTTPRequestEntityTooLarge as error:
        sentence = f"the body is over {MAX_API_BODY // 2**20} MiB; send fewer records at a time"
        raise web.HTTPRequestEntityTooLarge(
            MAX_API_BODY, text=json.dumps({"error": sentence}), content_type="application/json"
        ) from error


def parsed(body: bytes) -> Body:
    """The records of a body: one object, an array, or an envelope {"records": [...], "complete_to": "..."}."""
    try:
        given = json.loads(body.decode(), parse_constant=no_number)
    except (ValueError, RecursionError):
        refuse(web.HTTPBadRequest, "the body is not JSON in UTF-8; send an object, or an array of objects")
    complete_to = None
    if isinstance(given, dict) and given.keys() <= ENVELOPE and "records" in given:
        try:
            complete_to = moment(given["complete_to"]) if "complete_to" in given else None
        except ValueError as error:
            refuse(web.HTTPUnprocessableEntity, f"complete_to: {error}")
        given = given["records"]
        if not isinstance(given, list):
            refuse(web.HTTPUnprocessableEntity, "records: write an array")
    records = given if isinstance(given, list) else [given]
    if len(records) > MAX_RECORDS:
        refuse(web.HTTPUnprocessableEntity, f"{len(records)} records; send at most {MAX_RECORDS} at a time")
    return Body(list(enumerate(records)), complete_to)


def no_number(name: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)


async def taken(api: Api, kind: str, body: Body, *, partial: bool) -> Outcome:
    """Store what may be stored."""
    now, zone = api.clock.now(), ZoneInfo(api.settings.timezone)
    entries, wrong = await asyncio.to_thread(read_entries, kind, body.records) if kind in RECORDS else ([], [])
    if body.complete_to and body.complete_to > now + AHEAD:
        refuse(web.HTTPUnprocessableEntity, "complete_to: this is in the future; nothing can be complete that far")

    def work(session: Session) -> Outcome:
        if kind == TARGETS:
            return take_targets(session, body.records, now, partial=partial)
        load = Load(kind, now, zone)
        return take(session, load, entries, partial=partial, wrong=wrong, complete_to=body.complete_to)

    try:
        return await repeated(api.database, work)
    except NotTaken as refused:
        return Outcome(problems=tuple(refused.problems))
    except DBAPIError as error:
        log.error("records not stored", kind=kind, error=type(error).__name__)
        refuse(web.HTTPServiceUnavailable, "the database does not answer; send the same again later")


async def repeated(database: Database, work: Callable[[Session], Outcome]) -> Outcome:
    """Write; once more where somebody else made the same customer at the same moment."""
    for _ in range(TRIES - 1):
        try:
            return await database.write(work)
        except IntegrityError:
            continue
    return await database.write(work)


def as_error(problem: Problem) -> dict[str, Any]:
    """A problem as the answer shows it; `index` counts from 0."""
    return {"index": problem.place, "field": problem.field, "value": problem.value, "remedy": problem.remedy}
