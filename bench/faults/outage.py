"""Two minutes in which no call to WeCom is answered, while friends are added and staff ask.

`python -m bench.faults.outage [SECONDS]`. Afterwards every question must have been answered once, and every add greeted
once or its reason recorded.
"""

import asyncio
import sqlite3
import sys
import tempfile
from collections import Counter
from pathlib import Path

import aiohttp

from bench.machine import bot_and_simulator, describe

SECONDS = 120
PAUSE = 2.0
CATCH_UP_SECONDS = 120
STAFF = ("lin", "wang", "su", "mo", "he", "zhou")


async def during(http: aiohttp.ClientSession, simulator: str, seconds: int) -> tuple[list[str], Counter[str]]:
    """An add and a question every two seconds: who was added, and how much each member asked."""
    added: list[str] = []
    asked: Counter[str] = Counter()
    for number in range(int(seconds / PAUSE)):
        userid = STAFF[number % len(STAFF)]
        async with http.post(f"{simulator}/sim/friend-adds", json={"userid": userid}) as answer:
            added.append((await answer.json())["external_userid"])
        await http.post(f"{simulator}/sim/messages", json={"userid": userid, "text": "ping"})
        asked[userid] += 1
        await asyncio.sleep(PAUSE)
    return added, asked


def left(home: Path) -> int:
    """Jobs that wait or run."""
    with sqlite3.connect(home / "frontline.db") as database:
        number: int = database.execute("SELECT count(*) FROM job WHERE state IN ('ready', 'running')").fetchone()[0]
        return number


async def main() -> None:
    """Play the outage and count."""
    describe()
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with bot_and_simulator(home) as (_, simulator, _), aiohttp.ClientSession() as http:
            await http.post(f"{simulator}/sim/faults", json={"path": "*", "status": 503})
            added, asked = await during(http, simulator, seconds)
            await http.delete(f"{simulator}/sim/faults")
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while left(home):
                    await asyncio.sleep(0.5)
            answers = {}
            for userid in STAFF:
                async with http.get(f"{simulator}/sim/chats/{userid}") as answer:
                    answers[userid] = len((await answer.json())["messages"])
        with sqlite3.connect(home / "frontline.db") as database:
            ledger = dict(database.execute("SELECT external_userid, coalesce(reason, outcome) FROM welcome").fetchall())
    reasons = Counter(ledger[external_userid].split(":")[0] for external_userid in added)
    print(f"{seconds} s without WeCom: {sum(asked.values())} questions, {sum(answers.values())} answers")
    print(f"{len(added)} adds: {dict(reasons)}")
    if answers != {userid: asked[userid] for userid in STAFF}:
        raise SystemExit(f"answers {answers}, asked {dict(asked)}")


if __name__ == "__main__":
    asyncio.run(main())
