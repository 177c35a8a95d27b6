"""Kill the bot in the middle of bursts, again and again: `python -m bench.faults.kill [ROUNDS] [SEED] [DATABASE_URL]`.

The rounds are those of tests/stories/test_restart.py: 500 friends added and 500 questions each, SIGKILL at a random
moment, a restart, and a count at the simulator.
"""

import asyncio
import random
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
from tests.conftest import WeCom, free_port, served
from tests.stories.test_restart import burst_with_a_kill, check, killable

ROUNDS, NUMBER = 20, 500


async def rounds(number: int, seed: int, home: Path, database_url: str) -> None:
    """So many rounds; raises AssertionError at the first that lost or doubled something."""
    chance = random.Random(seed)
    corp = demo_corp(Clock())
    corp.callback_url = f"http://127.0.0.1:{free_port()}/wecom/callback"
    async with served(create_simulator(corp)) as url, aiohttp.ClientSession() as http:
        wecom = WeCom(corp, url, http)
        async with killable(wecom, database_url, home) as process:
            answers: Counter[str] = Counter()
            for one in range(number):
                began = time.monotonic()
                burst = await burst_with_a_kill(process, NUMBER, chance)
                answers = await check(process, burst, answers)
                doubtful = len(burst.doubtful_adds) + sum(burst.doubtful_questions.values())
                seconds = time.monotonic() - began
                print(f"round {one + 1}: {2 * NUMBER - doubtful} accepted, none lost, none doubled; {seconds:.0f} s")


def main() -> None:
    """Run and print."""
    describe()
    given = dict(enumerate(sys.argv[1:]))
    number, seed = int(given.get(0, ROUNDS)), int(given.get(1, random.randrange(10**6)))
    print(f"{number} rounds, seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        asyncio.run(rounds(number, seed, home, given.get(2, f"sqlite:///{home / 'frontline.db'}")))


if __name__ == "__main__":
    main()
