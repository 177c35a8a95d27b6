"""The callback URL: check the signature, decrypt, parse, store, answer an empty 200; the worker does the rest.

Stored before answered. Callbacks that arrive while a commit is under way are inserted together by the next one.
"""

import asyncio
import time
from collections.abc import Mapping
from sqlite3 import DatabaseError

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.database import Database
from bot.jobs import ROWS_AT_ONCE, NewJob, Priority, insertion
from bot.observability import CALLBACKS, log, note_callback
from bot.wecom.crypto import MAX_BODY, Crypto, Rejected
from bot.wecom.events import (
    DOCUMENTED,
    TYPES,
    Added,
    AppEvent,
    AuditApproved,
    CardEvent,
    ContactEvent,
    GroupEvent,
    Incoming,
    Message,
    TagEvent,
    dedupe_key,
    kind_of,
    read,
)

EVENT = "event"
"""The kind of job a callback becomes."""
WINDOW_SECONDS = 0.25
CROWD = 100
"""Callbacks within a window from which on other writes hold back: 400 a second, twice the busiest campaign."""
TOGETHER, IN_A_ROW = 8, 4
"""So many in each of so many commits on end are a crowd too: one that is being held up does not show its rate."""


def priority_of(event: Incoming) -> Priority:
    """A welcome first, then whoever waits for an answer, then the rest."""
    if isinstance(event, Added | AuditApproved) and event.welcome_code:
        return Priority.WELCOME
    return Priority.QUESTION if isinstance(event, Message | AppEvent | CardEvent) else Priority.UPDATE


def lane_of(event: Incoming) -> str | None:
    """What must be handled in order: one customer's events, one member's messages, one group's changes."""
    if isinstance(event, ContactEvent):
        return f"customer:{event.external_userid}"
    if isinstance(event, Message | AppEvent | CardEvent):
        return f"member:{event.userid}"
    if isinstance(event, GroupEvent):
        return f"group:{event.chat_id}"
    return "tags" if isinstance(event, TagEvent) else None


class Acceptor:
    """Stores callbacks, those that arrive together in one commit."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.waiting: list[tuple[NewJob, asyncio.Future[bool]]] = []
        self.storing: asyncio.Task[None] | None = None
        self.window_began = 0.0
        self.in_window = 0
        self.in_a_row = 0

    async def accept(self, fields: Mapping[str, object]) -> bool:
        """Store one event; False when it is known already. Raises `Rejected` and `DBAPIError`."""
        event = read(fields)
        now = self.clock.now()
        job = NewJob(f"{EVENT}:{dedupe_key(fields)}", EVENT, now, lane_of(event), fields, priority_of(event))
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append((job, stored))
        if self.storing is None:
            self.storing = asyncio.create_task(self.store_all(), name="callback group")
        return await stored

    async def store_all(self) -> None:
        """Store whatever waits, group after group, until nothing does."""
        try:
            while self.waiting:
                await self.gather()
                group, self.waiting = self.waiting[:ROWS_AT_ONCE], self.waiting[ROWS_AT_ONCE:]
                self.count(len(group))
                await self.store([job for job, _ in group], [stored for _, stored in group])
        finally:
            self.storing = None

    async def gather(self) -> None:
        """Let whoever has arrived meanwhile join the group: a commit costs as much as reading ten callbacks."""
        arrived = 0
        while arrived < len(self.waiting) < ROWS_AT_ONCE:
            arrived = len(self.waiting)
            await asyncio.sleep(0)

    def count(self, number: int) -> None:
        """Note how many arrive; in a flood, tell the database that its ordinary writes can wait."""
        now = time.monotonic()
        if now - self.window_began > WINDOW_SECONDS:
            self.window_began, self.in_window = now, 0
        self.in_window += number
        self.in_a_row = self.in_a_row + 1 if number >= TOGETHER else 0
        if self.in_window >= CROWD or self.in_a_row >= IN_A_ROW:
            self.database.crowd()

    async def store(self, jobs: list[NewJob], stored: list[asyncio.Future[bool]]) -> None:
        """One commit; each waiter learns its outcome. In a group with some known ones all count as known."""
        try:
            new = await self.database.insert(*insertion(jobs, sqlite=self.database.sqlite))
        except (DBAPIError, DatabaseError) as error:
            for waiter in stored:
                if not waiter.done():
                    waiter.set_exception(error)
            return
        first = {job.key: waiter for job, waiter in zip(reversed(jobs), reversed(stored), strict=True)}
        for job, waiter in zip(jobs, stored, strict=True):
            if not waiter.done():
                waiter.set_result(new == len(first) and first[job.key] is waiter)


CRYPTO = web.AppKey("crypto", Crypto)
ACCEPTOR = web.AppKey("acceptor", Acceptor)
routes = web.RouteTableDef()


@routes.get("/wecom/callback")
async def verify(request: web.Request) -> web.Response:
    """WeCom checks the URL: answer the decrypted echo, bare, within a second."""
    query = request.query
    try:
        echo = request.app[CRYPTO].decrypt(wanted(query, "echostr"), *signed_by(query))
    except Rejected as rejected:
        return refuse(request, rejected)
    return web.Response(text=echo)


@routes.post("/wecom/callback")
async def receive(request: web.Request) -> web.Response:
    """Take one callback."""
    began = time.perf_counter()
    try:
        fields = request.app[CRYPTO].open(await body_of(request), *signed_by(request.query))
        kind = kind_of(fields)
        new = await request.app[ACCEPTOR].accept(fields)
    except Rejected as rejected:
        return refuse(request, rejected)
    except (DBAPIError, DatabaseError) as error:
        CALLBACKS.labels("any", "failed").inc()
        log.error("callback not stored", error=type(error).__name__)
        return web.Response(status=503)  # WeCom repeats the delivery
    note_callback(kind if kind in TYPES or kind in DOCUMENTED else "unknown", new, time.perf_counter() - began)
    return web.Response()


async def body_of(request: web.Request) -> bytes:
    """The body, if it is of a size WeCom sends; a larger one is not read. Raises `Rejected`."""
    if (request.content_length or 0) > MAX_BODY:
        raise Rejected("too large", 413)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise Rejected("too large", 413) from error
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:
        raise Rejected("body") from error  # not packed as it says, or the sender went away


def signed_by(query: Mapping[str, str]) -> tuple[str, str, str]:
    """Signature, timestamp and nonce of a request. Raises `Rejected` naming what is missing."""
    return wanted(query, "msg_signature"), wanted(query, "timestamp"), wanted(query, "nonce")


def wanted(query: Mapping[str, str], name: str) -> str:
    """A required parameter of the URL. Raises `Rejected`."""
    value = query.get(name)
    if not value:
        raise Rejected(f"no {name}")
    return value


def refuse(request: web.Request, rejected: Rejected) -> web.Response:
    """Say no, with one line in the log and the connection closed: an unread body is not worth reading."""
    CALLBACKS.labels("any", "rejected").inc()
    log.warning("callback refused", reason=rejected.reason, status=rejected.status, remote=request.remote)
    answer = web.Response(status=rejected.status, text=rejected.reason)
    if rejected.status == 413:
        answer.force_close()
    return answer
