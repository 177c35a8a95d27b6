"""The morning's cards: 10,000 members, a different card each, sent at our own pace of 10,000 a minute.

`python -m bench.digest [MEMBERS]`: simulator and bot in processes of their own. The time runs from the moment the cards
are asked for to the arrival of the last one; each must have arrived once, and none may have been dropped.
"""

import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web
from sqlalchemy import func, select
from sqlmodel import Session, col

from bench.machine import answering, bot_environment, describe, free_port, running
from bench.plan import put
from bot.clock import Clock
from bot.database import Database
from bot.jobs import DEAD, DONE, READY, RUNNING, Job, NewJob, enqueue
from bot.outbox import MESSAGE
from contacts.models import Customer, FollowUser
from simulator.app import create_simulator
from simulator.corp import Member, demo_corp
from sop.digest import DIGEST
from sop.sops import Todo

MEMBERS, EACH, TARGET_SECONDS, LONGEST = 10_000, 3, 63.0, 300.0
PATH = "message/send"
NOW = datetime.now(UTC)
ZONE = f"Etc/GMT{NOW.hour - 12:+d}"
"""Where it is noon: at night nobody is written to unasked."""
TODAY = NOW.astimezone(ZoneInfo(ZONE)).date()


def fill(session: Session, members: int) -> None:
    """Each member with her customers and what is to be done for them today."""
    people = [(one, f"s{one % members}") for one in range(members * EACH)]
    put(session, Customer, ({"name": f"客户{one}", "main_userid": userid} for one, userid in people))
    put(session, FollowUser, ({"customer_id": one + 1, "userid": userid, "added_at": NOW} for one, userid in people))
    todos = (
        {"customer_id": one + 1, "userid": userid, "title": f"生日祝福{one}", "reason": "生日", "words": "您好",
         "day": TODAY, "due_on": TODAY, "shown_on": TODAY, "number": one // members + 1}
        for one, userid in people
    )  # fmt: skip
    put(session, Todo, todos)


async def quiet(database: Database) -> None:
    """Wait until the bot has synced its members and what else it does when it is new."""
    due = select(func.count()).where(col(Job.state).in_((READY, RUNNING)), col(Job.run_at) <= datetime.now(UTC))
    while await database.read(lambda session: session.execute(due).scalar()):
        await asyncio.sleep(1)


async def send(database: Database, members: int) -> float:
    """Let the morning's job run and wait until all its cards were dealt with; answers when it began."""
    began = time.time()
    await database.write(lambda session: enqueue(session, NewJob("bench", DIGEST, datetime.now(UTC))))
    settled = select(func.count()).where(col(Job.kind) == MESSAGE, col(Job.state).in_((DONE, DEAD)))
    while time.time() - began < LONGEST:
        if await database.read(lambda session: session.execute(settled).scalar()) == members:
            break
        await asyncio.sleep(1)
    return began


async def arrived(simulator: str) -> list[tuple[str, str, float]]:
    """(member, card, when) of each message the simulator took."""
    async with aiohttp.ClientSession(simulator) as http, http.get("/sim/calls", params={"path": PATH}) as answer:
        calls = (await answer.json())["calls"]
    return [
        (call["body"]["touser"], json.dumps(call["body"]["template_card"], sort_keys=True), call["arrived"])
        for call in calls
        if call["errcode"] == 0
    ]


async def main(members: int) -> None:
    """Measure and print."""
    describe()
    port, simulator_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        home, url = Path(folder), f"sqlite:///{Path(folder) / 'digest.db'}"
        environment = bot_environment(home, port, simulator_port, url) | {"FRONTLINE_TIMEZONE": ZONE}
        stand_in = [str(Path(__file__).resolve()), "simulator", str(simulator_port), str(members)]
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
        with running(stand_in, environment, home / "simulator.log"):
            await answering(f"http://127.0.0.1:{simulator_port}/sim/corp", LONGEST)
            with running(["-m", "bot", "serve"], environment, home / "bot.log"):
                await answering(f"http://127.0.0.1:{port}/healthz", LONGEST)
                database = Database(url)
                await quiet(database)
                await database.write(lambda session: fill(session, members))
                began = await send(database, members)
                await database.close()
                taken = await arrived(f"http://127.0.0.1:{simulator_port}")
    seconds = max((at for _, _, at in taken), default=began) - began
    users, cards = {userid for userid, _, _ in taken}, {card for _, card, _ in taken}
    print(f"{members:,} members: the last card arrived after {seconds:.1f} s (target {TARGET_SECONDS:g} s)")
    print(f"{len(taken):,} cards at {len(users):,} members, {len(cards):,} different; missing: {members - len(users)}")


def simulate(port: int, members: int) -> None:
    """The simulated WeCom, with so many members."""
    corp = demo_corp(Clock())
    corp.members |= {f"s{one}": Member(f"s{one}", f"员工{one}") for one in range(members)}
    web.run_app(create_simulator(corp), host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    if sys.argv[1:2] == ["simulator"]:
        simulate(int(sys.argv[2]), int(sys.argv[3]))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else MEMBERS))
