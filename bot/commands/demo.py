"""The demo: simulator and bot in one process, one clock, a fresh database, nothing to configure."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web
from pydantic import SecretStr
from rich.console import Console
from rich.panel import Panel
from sqlalchemy import func
from sqlmodel import Session, col, select

from bot.app import BOT, Bot, create_app
from bot.clock import Clock
from bot.commands.demo_data.generate import generate, store
from bot.database import Database
from bot.schema import migrate
from bot.settings import Settings, SimulatorSettings, host_and_port, read_settings
from bot.worker import tick
from contacts.calendar import is_workday
from contacts.facts import Order
from contacts.models import Customer, Staff
from simulator.app import create_simulator
from simulator.corp import Corp
from simulator.platform import PLATFORM
from simulator.population.calendar import midnight
from simulator.population.company import STORES
from simulator.population.settling import settle
from simulator.population.ties import Population, populate
from sop import packs

ZONE = ZoneInfo("Asia/Shanghai")
STOPS = (time(8, 30), time(9, 3), time(15, 0), time(20, 0))
"""Times of the demo day that `--once` jumps through."""
QUESTIONS = {
    time(9, 3): ("今天待办", "1", "完成 1 已约", "话术 价格太贵"),
    time(15, 0): ("我的活动KPI", "my campaign KPIs", "那团队呢", "上个月到底有多少辛苦费落到我口袋"),
}
"""What is asked at which stop."""
SETTLE_SECONDS = 15.0
TRADE = "dental"
"""The pack whose welcome the demo's company uses; it has the SOPs of all."""
DEMO_KEY = "demo-secret-key-0123456789abcdef0123456789"


class DemoFailed(Exception):
    """Something in the demo did not happen as it should."""


def home() -> Path:
    """Where the demo keeps its data."""
    return Path(os.environ.get("FRONTLINE_HOME", "var")) / "demo"


def log_file() -> Path:
    """Where the demo's log lines go, so that the screen shows the demo."""
    home().mkdir(parents=True, exist_ok=True)
    return home() / "frontline.log"


def start_time(day: date | None, at: str) -> datetime:
    """When the demo begins: the latest workday unless told otherwise. Raises `DemoFailed`."""
    try:
        moment = time.fromisoformat(at)
    except ValueError as error:
        raise DemoFailed(f"--at {at}: expected a time such as 08:25") from error
    day = day or latest_workday(datetime.now(ZONE).date())
    return datetime.combine(day, moment, ZONE).astimezone(UTC)


def latest_workday(day: date) -> date:
    """The day itself or the last workday before it."""
    while not is_workday(day):
        day -= timedelta(days=1)
    return day


@dataclass
class Demo:
    """The running demo."""

    clock: Clock
    bot: Bot
    bot_url: str
    simulator_url: str
    http: aiohttp.ClientSession

    async def sim(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A call to the simulator's control side. Raises `DemoFailed`."""
        async with self.http.request(method, f"{self.simulator_url}/sim/{path}", json=body) as answer:
            if answer.status != 200:
                raise DemoFailed(f"/sim/{path} answered {answer.status}: {await answer.text()}")
            fields: dict[str, Any] = await answer.json()
            return fields

    async def settle(self) -> None:
        """Wait until the bot has nothing left to do. Raises `DemoFailed`."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self.bot.loop.idle.wait()
        except TimeoutError as error:
            raise DemoFailed(f"the bot was still busy after {SETTLE_SECONDS:g} s") from error

    async def jump(self, to: datetime) -> None:
        """Go forward in the day, and let what became due happen."""
        self.clock.jump(to)
        await tick(self.bot.database, self.clock, ZONE)
        self.bot.loop.wake()
        await self.settle()


@asynccontextmanager
async def running(start: datetime) -> AsyncIterator[Demo]:
    """Simulator and bot, ready to be used. Raises OSError when a port is taken."""
    clock = Clock(start)
    simulated = read_settings(SimulatorSettings)
    corp = Corp(clock)
    simulator = create_simulator(corp)
    population = populate(start.astimezone(ZONE).date())
    settle(simulator[PLATFORM], population)
    listen = os.environ.get("FRONTLINE_LISTEN", "127.0.0.1:8000")
    simulator_url, bot_url = f"http://{simulated.simulator_listen}", f"http://{listen}"
    corp.callback_url = f"{bot_url}/wecom/callback"
    settings = demo_settings(corp, simulator_url, listen)
    await fresh_database(settings, population, corp)
    bot_app = create_app(settings, clock)
    async with (
        served(simulator, simulated.simulator_listen),
        served(bot_app, listen),
        aiohttp.ClientSession() as http,
    ):
        yield Demo(clock, bot_app[BOT], bot_url, simulator_url, http)


def demo_settings(corp: Corp, simulator_url: str, listen: str) -> Settings:
    """The bot's settings: the simulated company's values, whatever the environment says."""
    return Settings(
        _env_file=None,
        corp_id=corp.corp_id,
        agent_id=corp.app.agent_id,
        agent_secret=corp.app.secret,
        callback_token=corp.callback_token,
        callback_aes_key=corp.callback_aes_key,
        secret_key=DEMO_KEY,
        api_base=f"{simulator_url}/cgi-bin/",
        oauth_base=simulator_url,
        public_url=f"http://{listen}",
        database_url=f"sqlite:///{home() / 'frontline.db'}",
        home=home(),
        listen=listen,
        timezone=str(ZONE),
        openai_base_url=f"{simulator_url}/v1",
        openai_api_key=SecretStr("simulated"),
        openai_model="scripted",
    )


async def fresh_database(settings: Settings, population: Population, corp: Corp) -> None:
    """A new database with the newest schema and the company's half-year: it depends on the demo's date only."""
    for leftover in home().glob("frontline.db*"):
        leftover.unlink()
    shutil.rmtree(home() / "media", ignore_errors=True)
    database = Database(settings.database)
    await migrate(database)
    rows = generate(population, corp)

    def fill(session: Session) -> None:
        store(session, rows, population)
        for name in packs.names():
            packs.install(session, name, midnight(population.day), welcome=name == TRADE)

    await database.write(fill)
    await database.close()


@asynccontextmanager
async def served(app: web.Application, listen: str) -> AsyncIterator[None]:
    """The application on its port."""
    host, port = host_and_port(listen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            other = "FRONTLINE_LISTEN or FRONTLINE_SIMULATOR_LISTEN"
            raise DemoFailed(f"another program uses {listen}; end it, or choose other ports with {other}") from error
        yield
    finally:
        await runner.cleanup()


async def run_until_stopped(start: datetime, out: Console) -> None:
    """Run the demo until Ctrl-C."""
    async with running(start) as demo:
        await demo.settle()
        out.print(
            Panel(
                f"一线助手演示已启动  Frontline demo is running\n\n"
                f"  模拟企业微信  simulated WeCom   [bold]{demo.simulator_url}/[/]\n"
                f"  机器人        bot               {demo.bot_url}/healthz\n"
                f"  演示时间      demo time         {start.astimezone(ZONE):%Y-%m-%d %H:%M}\n"
                f"  示例公司      company           {await company(demo)}\n"
                f"  日志          log               {log_file()}\n\n"
                "打开模拟企业微信：以客户身份添加好友，看欢迎语；以员工身份输入 help。\n"
                "Open the simulated WeCom: add a friend as a customer, then type help as staff.  Ctrl-C ends it.",
                expand=False,
            )
        )
        await asyncio.Event().wait()


async def play_once(start: datetime, out: Console) -> None:
    """Play the demo day by itself and print what happened. Raises `DemoFailed` if something did not."""
    async with running(start) as demo:
        await demo.settle()
        out.print(f"示例公司：{await company(demo)}", highlight=False, soft_wrap=True)
        await morning(demo, out)
        seen = len(await messages(demo))
        for stop in STOPS:
            await demo.jump(datetime.combine(start.astimezone(ZONE).date(), stop, ZONE))
            new = (await messages(demo))[seen:]
            seen += len(new)
            for name, message in new:
                say(out, demo, f"{name} 收到：{first_line(message)}")
            if not new:
                say(out, demo, "没有新消息")
            await ask(demo, out, *QUESTIONS.get(stop, ()))
            seen = len(await messages(demo))
        calls = (await demo.sim("GET", "calls"))["calls"]
        failed = [call for call in calls if call["errcode"]]
        out.print(f"演示结束：{len(calls)} 次接口调用，{len(failed)} 次出错。The demo day is over.", highlight=False)


async def company(demo: Demo) -> str:
    """How large the demo's company is."""

    def count(session: Session) -> str:
        staff = session.scalar(select(func.count()).select_from(Staff).where(col(Staff.active)))
        customers = session.scalar(select(func.count()).select_from(Customer))
        orders = session.scalar(select(func.count()).select_from(Order))
        return f"{len(STORES)} 家门店 · {staff} 名员工 · {customers} 位客户 · {orders} 笔订单"

    return await demo.bot.database.read(count)


async def morning(demo: Demo, out: Console) -> None:
    """A customer adds two members of staff, and one of them asks for help."""
    added = await demo.sim("POST", "friend-adds", {"userid": "lin", "name": "李女士", "state": "expo-2026"})
    external_userid = added["external_userid"]
    say(out, demo, "李女士 添加了 林晓（渠道 expo-2026）")
    await demo.settle()
    say(out, demo, f"李女士 收到：{await last_received(demo, external_userid)}")
    await demo.sim("POST", "friend-adds", {"userid": "mo", "external_userid": external_userid})
    await demo.settle()
    say(out, demo, f"李女士 又添加了 莫然，收到：{await last_received(demo, external_userid)}")
    await ask(demo, out, "help", "帮助")


async def ask(demo: Demo, out: Console, *questions: str) -> None:
    """林晓 asks, one question after the other. Raises `DemoFailed` when one is not answered."""
    for question in questions:
        before = len(await chat(demo, "lin"))
        await demo.sim("POST", "messages", {"userid": "lin", "text": question})
        await demo.settle()
        answers = (await chat(demo, "lin"))[before:]
        if not answers:
            raise DemoFailed(f"no answer to {question}")
        say(out, demo, f"林晓 问“{question}”，得到：{first_line(answers[-1])} …")


async def last_received(demo: Demo, external_userid: str) -> str:
    """The last thing a customer's window shows. Raises `DemoFailed` when it is empty."""
    received = (await demo.sim("GET", f"customers/{external_userid}"))["received"]
    if not received:
        raise DemoFailed("the customer received no welcome")
    return str(received[-1]["body"].get("content", received[-1]["msgtype"]))


async def messages(demo: Demo) -> list[tuple[str, dict[str, Any]]]:
    """What the app sent to staff, with the member's name, in the order of sending."""
    staff = (await demo.sim("GET", "corp"))["staff"]
    sent = [(one["name"], message) for one in staff for message in await chat(demo, one["userid"])]
    return sorted(sent, key=lambda named: int(named[1]["n"]))


async def chat(demo: Demo, userid: str) -> list[dict[str, Any]]:
    """What the app sent one member."""
    return list((await demo.sim("GET", f"chats/{userid}"))["messages"])


def first_line(message: dict[str, Any]) -> str:
    """The beginning of a message; of a card its title and its first line."""
    body = message["body"]
    if "main_title" in body:
        lines = [f"{one['keyname']} {one.get('value', '')}" for one in body.get("horizontal_content_list", [])[:2]]
        return "｜".join([body["main_title"].get("title", ""), *lines])
    return str(body.get("content") or message["msgtype"]).splitlines()[0]


def say(out: Console, demo: Demo, sentence: str) -> None:
    """One line of the story with the demo's time."""
    out.print(f"{demo.clock.now().astimezone(ZONE):%H:%M}  {sentence}", highlight=False, markup=False, soft_wrap=True)
