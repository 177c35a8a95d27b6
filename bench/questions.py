"""Question typed → answer at the simulator: 50 questions a second from 600 members with a year of orders.

`python -m bench.questions [PER_SECOND] [SECONDS] [ORDERS] [DATABASE_URL]`

The simulator runs in this process and types the questions itself, the bot in its own. Each latency is the time from the
message's delivery to the arrival of the member's `message/send`, both taken by this process's clock.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
from sqlalchemy import insert, text
from sqlmodel import Session, SQLModel

from bench.machine import answering, bot_environment, describe, free_port, running
from bot.clock import Clock
from bot.database import Database, defaults
from bot.schema import migrate
from contacts.channels import Campaign
from contacts.facts import Order
from contacts.models import Customer
from kpi.models import OrderCredit
from simulator.app import create_simulator
from simulator.corp import Corp, Department, Member, demo_corp
from simulator.delivery import Courier
from simulator.platform import COURIER, PLATFORM, Platform
from tests.conftest import served

PER_SECOND, SECONDS, ORDERS = 50, 20, 20_000
WARM_UP = 4
MEMBERS, TEAM = 600, 12
ANSWER = "message/send"
WINDOW = 20.0
QUIET_SECONDS = 3.0
QUESTIONS = (
    "我的活动KPI", "我本月业绩", "那上个月呢", "my sales this week", "我排第几", "我的提成", "团队业绩",
    "今天谁加了我", "什么是引流成功率", "repeat rate this year",
)  # fmt: skip


def company(clock: Clock) -> Corp:
    """600 members in stores of twelve; the first of each leads."""
    corp = demo_corp(clock)
    for number in range(MEMBERS):
        department = 100 + number // TEAM
        corp.departments[department] = Department(department, f"{department}店", 1, department)
        leads = {department} if number % TEAM == 0 else set()
        corp.members[f"m{number}"] = Member(f"m{number}", f"员工{number}", [department], leads)
    return corp


def fill(session: Session, orders: int, clock: Clock) -> None:
    """A running campaign, and a year of orders spread over members and customers."""
    now = clock.now()
    today = now.astimezone(ZoneInfo("Asia/Shanghai")).date()
    session.add(
        Campaign(
            id=1, code="bench", name="返场", starts_on=today - timedelta(days=10), ends_on=today + timedelta(days=10),
            tiers=[[0, 2.0], [1_000_000, 3.0]], created_at=now,
        )
    )  # fmt: skip
    session.flush()
    customers = orders // 4
    put(session, Customer, ({"id": number + 1, "name": f"客户{number}"} for number in range(customers)))
    numbers = range(orders)
    put(
        session,
        Order,
        ({"id": one + 1, "source_id": f"o{one}", "digest": "", **paid(one, orders, now)} for one in numbers),
    )
    credit = {"basis": "order", "confirms_at": now}
    put(session, OrderCredit, ({"order_id": one + 1, **credit, **paid(one, orders, now)} for one in numbers))


def paid(number: int, orders: int, now: datetime) -> dict[str, Any]:
    """An order of the last year, the same on every run."""
    return {
        "at": now - timedelta(minutes=number * 525_600 // orders),
        "customer_id": number * 7919 % (orders // 4) + 1,
        "userid": f"m{number % MEMBERS}",
        "amount_fen": 1_000 + number * 37 % 90_000,
        "campaign_id": 1 if number % 3 == 0 else None,
    }


def put(session: Session, model: type[SQLModel], rows: Iterable[dict[str, Any]]) -> None:
    """Rows past the ORM, which would take a minute."""
    blank = {name: value for name, value in defaults(model).items() if name != "id"}
    session.connection().execute(insert(model.__table__), [blank | row for row in rows])  # type: ignore[attr-defined]


async def prepared(url: str, orders: int, clock: Clock) -> None:
    """A database with the company's year."""
    database = Database(url)
    await migrate(database)
    await database.write(lambda session: fill(session, orders, clock))
    await database.write(lambda session: session.execute(text("ANALYZE")) and None)
    await database.close()


async def type_one(corp: Corp, courier: Courier, number: int, asked: dict[str, list[float]]) -> None:
    """One question; remembers when it was delivered."""
    userid = f"m{number % MEMBERS}"
    words = QUESTIONS[(number + number // MEMBERS) % len(QUESTIONS)]
    head = {"ToUserName": corp.corp_id, "FromUserName": userid, "CreateTime": corp.now()}
    message = {
        **head,
        "MsgType": "text",
        "Content": words,
        "MsgId": 7_400_000_000_000_000_000 + number,
        "AgentID": corp.app.agent_id,
    }
    asked[userid].append(time.time())
    tries = await courier.deliver(message)
    if not all(one["status"] == 200 for one in tries):
        raise SystemExit(f"a delivery failed: {tries}")


async def ask_all(corp: Corp, courier: Courier, numbers: range, per_second: int) -> dict[str, list[float]]:
    """Questions at an even pace, whatever the answers take: when each member asked."""
    asked: dict[str, list[float]] = defaultdict(list)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for place, number in enumerate(numbers):
            await asyncio.sleep(max(0.0, began + place / per_second - time.monotonic()))
            group.create_task(type_one(corp, courier, number, asked))
    return asked


def latencies(platform: Platform, asked: dict[str, list[float]], since: float) -> list[float]:
    """The n-th answer to a member answers her n-th question."""
    answered: dict[str, list[float]] = defaultdict(list)
    for call in platform.calls:
        if call["path"] == ANSWER and call["errcode"] == 0 and call["arrived"] >= since:
            answered[call["body"]["touser"]].append(call["arrived"])
    return [
        there - then for userid, times in asked.items() for then, there in zip(times, answered[userid], strict=False)
    ]


async def measured(platform: Platform, asked: dict[str, list[float]], since: float) -> list[float]:
    """All latencies, once every answer is there or the time is up."""
    wanted, until = sum(map(len, asked.values())), time.monotonic() + WINDOW
    while len(found := latencies(platform, asked, since)) < wanted and time.monotonic() < until:
        await asyncio.sleep(0.25)
    return sorted(found)


async def quiet(platform: Platform) -> None:
    """Wait until the bot's first start is done: it pulls staff, tags, customers and their figures."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        if len(platform.calls) != before:
            before, since = len(platform.calls), time.monotonic()
        await asyncio.sleep(0.1)


def cpu_seconds(process: psutil.Process) -> float:
    """What a program has computed so far: tells its own cost from a machine busy with something else."""
    used = process.cpu_times()
    return float(used.user + used.system)


async def main() -> None:
    """Measure and print."""
    describe()
    given = [int(one) for one in sys.argv[1:4]]
    per_second, seconds, orders = (*given, *(PER_SECOND, SECONDS, ORDERS)[len(given) :])
    clock, port, simulator_port = Clock(), free_port(), free_port()
    corp = company(clock)
    corp.callback_url = f"http://127.0.0.1:{port}/wecom/callback"
    app = create_simulator(corp)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = sys.argv[4] if len(sys.argv) > 4 else f"sqlite:///{home / 'frontline.db'}"
        await prepared(url, orders, clock)
        async with served(app, simulator_port):
            environment = bot_environment(home, port, simulator_port, url)
            with running(["-m", "bot", "serve"], environment, home / "bot.log") as bot:
                await answering(f"http://127.0.0.1:{port}/healthz")
                await quiet(app[PLATFORM])
                first = await ask_all(corp, app[COURIER], range(per_second * WARM_UP), per_second)
                await measured(app[PLATFORM], first, 0.0)
                since, process = time.time(), psutil.Process(bot.pid)
                before = cpu_seconds(process)
                numbers = range(per_second * WARM_UP, per_second * (WARM_UP + seconds))
                asked = await ask_all(corp, app[COURIER], numbers, per_second)
                found = await measured(app[PLATFORM], asked, since)
                used = cpu_seconds(process) - before
    wanted = sum(map(len, asked.values()))
    print(f"{wanted:,} questions at {per_second}/s over {orders:,} orders: {len(found):,} answers")
    print(f"the bot computed {1000 * used / wanted:.1f} ms a question; load of the machine {os.getloadavg()[0]:.1f}")
    for share in (0.5, 0.95, 0.99, 1.0):
        print(f"p{share * 100:g}: {found[min(len(found) - 1, int(share * len(found)))] * 1000:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
