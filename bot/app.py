"""The roof: wires database, gateway and job loop into one application; tests and production differ in settings."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import IO
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection, text

from admin import routes as pages
from admin.light import LIGHT, Light
from bot import api, callback, metrics_api
from bot.api import API, Api
from bot.callback import ACCEPTOR, CRYPTO, Acceptor
from bot.clock import Clock
from bot.database import Database, answers
from bot.gateway import Gateway
from bot.jobs import counts
from bot.language import catalogue
from bot.loop import JobLoop
from bot.observability import JOBS_WAITING, keep_pouring
from bot.settings import Settings
from bot.wecom.crypto import MAX_BODY, Crypto
from bot.wecom.errors import WeComError, WeComUnreachable
from bot.worker import keep_ticking, runners, supervised, tick
from contacts.calendar import is_workday
from handlers import ROUTER
from scripts_library.loading import store_general
from scripts_library.search import keep_indexed
from sop.flows import store_default

LOCK = 0x66726F6E74
"""The advisory lock of the job loop on PostgreSQL."""


class AlreadyRunning(Exception):
    """Another process carries out the jobs of this database."""


@dataclass
class Bot:
    """The running parts, for whoever needs to look inside: health, commands and tests."""

    settings: Settings
    clock: Clock
    database: Database
    http: aiohttp.ClientSession
    gateway: Gateway
    loop: JobLoop
    acceptor: Acceptor
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, *, ticking: bool = True) -> None:
        """Begin to carry out jobs and keep records, and unless told otherwise to do what is due by the clock."""
        zone = ZoneInfo(self.settings.timezone)
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "jobs": self.loop.run,
            "clock": lambda: keep_ticking(self.database, self.clock, zone),
            "records": self.gateway.keep_records,
            "log lines": keep_pouring,
            "scripts": lambda: keep_indexed(self.database),
        }
        if not ticking:
            del loops["clock"]
        self.tasks = [asyncio.create_task(supervised(name, run), name=name) for name, run in loops.items()]

    async def stop(self) -> None:
        """Stop: jobs under way are left to the next start."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def working(self) -> bool:
        """Whether every loop is alive."""
        return bool(self.tasks) and not any(task.done() for task in self.tasks)


BOT = web.AppKey("bot", Bot)
routes = web.RouteTableDef()


def create_app(settings: Settings, clock: Clock | None = None) -> web.Application:
    """The bot as an aiohttp application; it begins to work when it is started. Raises `AlreadyRunning` then."""
    clock = clock or Clock()
    app = web.Application(client_max_size=MAX_BODY)
    app[CRYPTO] = Crypto(
        settings.callback_token.get_secret_value(), settings.callback_aes_key.get_secret_value(), settings.corp_id
    )

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with open_bot(settings, clock) as bot:
            app[BOT], app[ACCEPTOR] = bot, bot.acceptor
            app[API] = Api(bot.database, clock, settings)
            app[LIGHT] = Light(bot.database, clock, settings)
            await tick(bot.database, clock, ZoneInfo(settings.timezone))
            bot.start()
            warmth = asyncio.create_task(asyncio.to_thread(warm, settings, clock))
            yield
            await bot.stop()
            await warmth

    app.cleanup_ctx.append(run)
    app.add_routes([*callback.routes, *api.routes, *metrics_api.routes, *pages.routes, *routes])
    return app


def warm(settings: Settings, clock: Clock) -> None:
    """Make what the first welcome would wait a third of a second for: the words and the public holidays."""
    catalogue(settings.language)
    is_workday(clock.now().astimezone(ZoneInfo(settings.timezone)).date())


@asynccontextmanager
async def open_bot(settings: Settings, clock: Clock) -> AsyncIterator[Bot]:
    """The bot's parts, not yet working. Raises `AlreadyRunning` when another process holds the job loop."""
    settings.home.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        await stack.enter_async_context(only_loop(database))
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        gateway = Gateway(settings, database, clock, http)
        await gateway.resume()
        acceptor = Acceptor(database, clock)
        loop = JobLoop(database, clock, runners(settings, database, clock, gateway, ROUTER))
        await database.write(lambda session: store_default(session, settings.home, clock.now()))
        await database.write(lambda session: store_general(session, clock.now()))
        yield Bot(settings, clock, database, http, gateway, loop, acceptor)


@asynccontextmanager
async def only_loop(database: Database) -> AsyncIterator[None]:
    """Hold the lock that keeps the job loop single. Raises `AlreadyRunning`."""
    if database.path:
        with database.path.with_suffix(".lock").open("a") as file:
            lock_file(file)
            yield
        return
    connection = await asyncio.to_thread(database.engine.connect)
    try:
        if not await asyncio.to_thread(advisory_lock, connection):
            raise AlreadyRunning("another process works on this database; stop it first, or wait if it is an import")
        yield
    finally:
        await asyncio.to_thread(connection.close)


def advisory_lock(connection: Connection) -> bool:
    """PostgreSQL's lock on the job loop, held as long as the connection is open."""
    unfenced = connection.execution_options(isolation_level="AUTOCOMMIT")
    return bool(unfenced.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar())


def lock_file(file: IO[str]) -> None:
    """Lock a file for this process. Raises `AlreadyRunning`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AlreadyRunning(
            f"another process works on this database ({file.name}); stop it first, or wait if it is an import"
        ) from error


@routes.get("/healthz")
async def alive(_: web.Request) -> web.Response:
    """The process answers."""
    return web.json_response({"status": "ok"})


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    """Whether work gets done: database, job loop, token. 503 names what does not."""
    bot = request.app[BOT]
    checks = {
        "database": await answers(bot.database),
        "engine": bot.working,
        "token": await token_good(bot),
    }
    status = 200 if all(checks.values()) else 503
    return web.json_response({"status": "ok" if status == 200 else "failing", **checks}, status=status)


async def token_good(bot: Bot) -> bool:
    """Whether WeCom accepts our secret."""
    try:
        await bot.gateway.store.current()
    except (WeComError, WeComUnreachable):
        return False
    return True


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Numbers for Prometheus."""
    for state, number in (await request.app[BOT].database.read(counts)).items():
        JOBS_WAITING.labels(state).set(number)
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
