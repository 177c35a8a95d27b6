"""Two minutes in which no API of WeCom answers, with friends added and questions asked all the while.

`python -m bench.faults.outage [SECONDS] [DATABASE_URL]`: afterwards every question is answered once, and every add
greeted once or on record as late; prints how long catching up took.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp

from bench.machine import describe
from bot.clock import Clock
from simulator.app import create_simulator
from simulator.corp import demo_corp
from tests.conftest import RunningBot, WeCom, bot_settings, free_port, running_bot, served
from tests.stories.ledger import ledger
from tests.stories.test_outage import check
from tests.stories.waiting import all_done

SECONDS, PAUSE = 120.0, 0.5
MEMBERS = [f"staff{number:02d}" for number in range(40)]
CATCH_UP_SECONDS = 300.0


async def stream(wecom: WeCom, seconds: float) -> tuple[list[str], int]:
    """An add and a question each half second: whom was added, how many questions."""
    adds: list[str] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        userid = MEMBERS[len(adds) % len(MEMBERS)]
        await wecom.types(userid, f"第{len(adds)}问")
        adds.append((await wecom.adds_friend(userid))["external_userid"])
        await asyncio.sleep(PAUSE)
    return adds, len(adds)


async def outage(bot: RunningBot, wecom: WeCom, seconds: float) -> None:
    """The outage, catching up, and the count."""
    for userid in MEMBERS:
        await wecom.sim("POST", "members", {"userid": userid, "name": userid, "departments": [2]})
    await all_done(bot)
    await wecom.fault("*", status=503)
    adds, questions = await stream(wecom, seconds)
    await wecom.sim("DELETE", "faults")
    began = time.monotonic()
    await all_done(bot, CATCH_UP_SECONDS)
    caught_up = time.monotonic() - began
    await check(bot, wecom, adds, questions, MEMBERS)
    outcomes = Counter(row.outcome for row in await ledger(bot))
    print(f"{seconds:g} s of outage: {questions} questions answered once; welcomes {dict(outcomes)}")
    print(f"caught up {caught_up:.0f} s after its end")


async def main() -> None:
    """Run and print."""
    describe()
    given = dict(enumerate(sys.argv[1:]))
    clock = Clock()
    corp = demo_corp(clock)
    corp.callback_url = f"http://127.0.0.1:{free_port()}/wecom/callback"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        database_url = given.get(1, f"sqlite:///{home / 'frontline.db'}")
        async with served(create_simulator(corp)) as url, aiohttp.ClientSession() as http:
            wecom = WeCom(corp, url, http)
            async with running_bot(wecom, bot_settings(corp, url, database_url, home), clock) as bot:
                await outage(bot, wecom, float(given.get(0, SECONDS)))


if __name__ == "__main__":
    asyncio.run(main())
