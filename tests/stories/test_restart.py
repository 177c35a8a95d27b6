"""The process is killed at a random moment of a burst and started again: nothing accepted is lost, nothing done twice.

`FRONTLINE_TEST_SEED` repeats a run, `FRONTLINE_TEST_ROUNDS` asks for more; the seed of a failing one is in its message.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot.clock import Clock
from bot.database import Database
from bot.jobs import counts
from bot.schema import migrate
from sop.models import PENDING, Welcome
from tests.conftest import WeCom

SEED = int(os.environ.get("FRONTLINE_TEST_SEED", "20261116"))
MEMBERS = [f"staff{number:02d}" for number in range(50)]
MORE = os.environ.get("FRONTLINE_TEST_ROUNDS")
ROUNDS = {"sqlite": int(MORE or 19), "postgresql": int(MORE or 3)}
LOOK_SECONDS = 0.1
SETTLE_SECONDS = 60.0


@dataclass
class Process:
    """The bot in a process of its own."""

    environment: dict[str, str]
    url: str
    wecom: WeCom
    database: Database
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def start(self) -> None:
        """Start, and wait until it answers."""
        with self.log.open("ab") as lines:
            command = [sys.executable, "-m", "bot", "serve"]
            process = await asyncio.to_thread(
                subprocess.Popen, command, env=self.environment, stdout=lines, stderr=lines
            )
        self.running.append(process)
        await until(self.answers, 30.0)

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        self.running[-1].kill()
        self.running[-1].wait()

    async def answers(self) -> bool:
        """Whether the bot is there."""
        try:
            async with self.wecom.http.get(f"{self.url}/healthz") as answer:
                return answer.status == 200
        except OSError:
            return False

    async def settled(self) -> bool:
        """Whether no job waits or runs."""
        jobs = await self.database.read(counts)
        return not jobs["ready"] and not jobs["running"]

    async def ledger(self) -> dict[str, Welcome]:
        """Rows by external_userid."""
        rows = await self.database.read(lambda session: session.exec(select(Welcome)).all())
        return {row.external_userid: row for row in rows}


async def until(true: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Look again and again until something holds: another process tells us in no other way."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)


@pytest.fixture
async def wecom_clock() -> Clock:
    """The other process lives by the machine's clock, so the simulator must too."""
    return Clock()


@pytest.fixture
def clock(wecom_clock: Clock) -> Clock:
    """Real time."""
    return wecom_clock


@asynccontextmanager
async def killable(wecom: WeCom, database_url: str, home: Path) -> AsyncIterator[Process]:
    """A bot that can be killed, with members enough that WeCom's limits per member play no part."""
    corp = wecom.corp
    listen = corp.callback_url.removeprefix("http://").removesuffix("/wecom/callback")
    settings = {
        "CORP_ID": corp.corp_id,
        "AGENT_ID": str(corp.app.agent_id),
        "AGENT_SECRET": corp.app.secret,
        "CALLBACK_TOKEN": corp.callback_token,
        "CALLBACK_AES_KEY": corp.callback_aes_key,
        "SECRET_KEY": "test-secret-key-0123456789abcdef0123456789",
        "API_BASE": f"{wecom.url}/cgi-bin/",
        "DATABASE_URL": database_url,
        "HOME": str(home),
        "LISTEN": listen,
    }
    environment = os.environ | {f"FRONTLINE_{name}": value for name, value in settings.items()}
    await wecom.sim("POST", "limits", {"callback_retry_seconds": [1.0, 3.0, 12.0], "per_member_minute": 1000})
    database = Database(database_url)
    await migrate(database)
    made = Process(environment, f"http://{listen}", wecom, database, home / "bot.log")
    await made.start()
    join = (wecom.sim("POST", "members", {"userid": one, "name": one, "departments": [2]}) for one in MEMBERS)
    await asyncio.gather(*join)
    await until(made.settled, SETTLE_SECONDS)
    yield made
    made.kill()
    await database.close()


@pytest.fixture
async def process(wecom: WeCom, database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """Such a bot on each database."""
    async with killable(wecom, database_url, tmp_path) as made:
        yield made


@dataclass
class Burst:
    """What was sent, and what of it the bot had accepted with a 200."""

    accepted_adds: list[str] = field(default_factory=list)
    doubtful_adds: list[str] = field(default_factory=list)
    accepted_questions: Counter[str] = field(default_factory=Counter)
    doubtful_questions: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """How many got their 200 so far."""
        return len(self.accepted_adds) + self.accepted_questions.total()

    async def add(self, wecom: WeCom, userid: str) -> None:
        """A friend is added."""
        added = await wecom.adds_friend(userid)
        known = self.accepted_adds if accepted(added) else self.doubtful_adds
        known.append(added["external_userid"])

    async def ask(self, wecom: WeCom, userid: str) -> None:
        """A member asks something."""
        asked = await wecom.types(userid, "ping")
        known = self.accepted_questions if accepted(asked) else self.doubtful_questions
        known[userid] += 1


def accepted(answer: dict[str, Any]) -> bool:
    """Whether one of the tries got its 200."""
    return any(one["status"] == 200 for one in answer["deliveries"])


async def burst_with_a_kill(process: Process, number: int, chance: random.Random) -> Burst:
    """So many adds and questions at once, a kill somewhere among their answers or soon after, a restart."""
    burst = Burst()
    wecom = process.wecom
    reached = chance.randrange(2 * number)

    async def so_far() -> bool:
        return burst.answered >= reached

    async with asyncio.TaskGroup() as group:
        for index in range(number):
            group.create_task(burst.add(wecom, chance.choice(MEMBERS)))
            group.create_task(burst.ask(wecom, MEMBERS[index % len(MEMBERS)]))
        await until(so_far, SETTLE_SECONDS)
        await asyncio.sleep(chance.uniform(0.0, 0.2))
        process.kill()
        await process.start()
    await until(process.settled, SETTLE_SECONDS)
    return burst


async def check(process: Process, burst: Burst, answered_before: Counter[str]) -> Counter[str]:
    """Every add greeted once or its reason recorded, every question answered once; answers by member afterwards."""
    ledger = await process.ledger()
    for external_userid in burst.accepted_adds:
        greetings = len(await process.wecom.received(external_userid))
        row = ledger[external_userid]
        assert row.outcome != PENDING
        assert greetings == 1 or (greetings == 0 and row.reason), f"seed {SEED}: {greetings} greetings, {row}"
    for external_userid in burst.doubtful_adds:
        assert len(await process.wecom.received(external_userid)) <= 1, f"seed {SEED}"
    answers = Counter({userid: len(await process.wecom.texts(userid)) for userid in MEMBERS})
    for userid in MEMBERS:
        new = answers[userid] - answered_before[userid]
        least, most = burst.accepted_questions[userid], burst.doubtful_questions[userid]
        assert least <= new <= least + most, f"seed {SEED}: {userid} asked {least} (+{most}), got {new} answers"
    return answers


@pytest.mark.timeout(600)
async def test_killed_in_small_bursts_nothing_is_lost_or_doubled(process: Process, database_url: str) -> None:
    chance = random.Random(SEED)
    answers: Counter[str] = Counter()
    accepted = 0
    for _ in range(ROUNDS[database_url.partition(":")[0]]):
        burst = await burst_with_a_kill(process, 50, chance)
        accepted += len(burst.accepted_adds)
        answers = await check(process, burst, answers)
    assert accepted > 50


@pytest.mark.timeout(600)
async def test_killed_in_a_burst_of_five_hundred_nothing_is_lost_or_doubled(process: Process) -> None:
    burst = await burst_with_a_kill(process, 500, random.Random(SEED))
    assert len(burst.accepted_adds) + len(burst.doubtful_adds) == 500
    assert sum(burst.accepted_questions.values()) > 250
    await check(process, burst, Counter())
