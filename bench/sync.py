"""How fast a company is pulled: rows a second, and the bot's memory while it does (target: at most 300 MB).

`python -m bench.sync [CUSTOMERS]`, 20,000 unless told otherwise. The bot is a process of its own and pulls with
`frontline sync`; it is killed once in the middle, and the calls say how much was asked for twice. The reference is the
simulator's own pages fetched the same way and thrown away.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.machine import answering, bot_environment, describe, free_port, running
from simulator.corp import AGENT_SECRET, CORP_ID

PAGES = "externalcontact/batch/get_by_user"
STAFF = 60
TAGS = [f"标签{number}" for number in range(20)]
LOOK_SECONDS = 0.05
AT_ONCE = 4


async def sim(http: aiohttp.ClientSession, url: str, path: str, body: Any = None) -> Any:
    """A control call."""
    async with http.request("POST" if body else "GET", f"{url}/sim/{path}", json=body) as answer:
        answer.raise_for_status()
        return await answer.json()


async def company(http: aiohttp.ClientSession, url: str, customers: int) -> int:
    """Staff, tags and customers; answers the ties."""
    # Together: each raises an event, and nobody takes those.
    members = [{"userid": f"s{n:03d}", "name": f"员工{n}", "departments": [4]} for n in range(STAFF)]
    await asyncio.gather(*(sim(http, url, "members", member) for member in members))
    await sim(http, url, "corp-tags", {"action": "create", "group": "意向", "tags": TAGS})
    return int((await sim(http, url, "customers", {"count": customers}))["ties"])


async def bare(http: aiohttp.ClientSession, url: str) -> tuple[float, int]:
    """Fetch every page and do nothing with it: (seconds, rows)."""
    params = {"corpid": CORP_ID, "corpsecret": AGENT_SECRET}
    async with http.get(f"{url}/cgi-bin/gettoken", params=params) as answer:
        token = {"access_token": (await answer.json())["access_token"]}
    staff = iter([one["userid"] for one in (await sim(http, url, "corp"))["staff"]])
    rows = 0

    async def stream() -> None:
        nonlocal rows
        for userid in staff:
            cursor = ""
            while True:
                body = {"userid_list": [userid], "cursor": cursor, "limit": 100}
                async with http.post(f"{url}/cgi-bin/{PAGES}", params=token, json=body) as answer:
                    page = await answer.json()
                rows += len(page["external_contact_list"])
                cursor = page["next_cursor"]
                if not cursor:
                    break

    began = time.perf_counter()
    await asyncio.gather(*(stream() for _ in range(AT_ONCE)))
    return time.perf_counter() - began, rows


@dataclass
class Watched:
    """One `frontline sync`, seen from outside."""

    seconds: float
    cpu: float
    peak: int
    said: str

    def report(self, name: str, ties: int) -> None:
        """Print it."""
        print(
            f"{name}: {self.seconds:.1f} s, {ties / self.seconds:,.0f} rows/s "
            f"({self.cpu:.1f} s of one core: {ties / self.cpu:,.0f} rows/s), peak {self.peak / 1e6:.0f} MB"
        )
        print(self.said)


async def watched(home: Path, environment: dict[str, str], seconds: float | None = None) -> Watched:
    """Run `frontline sync`, killed after so many seconds."""
    said = home / "said"
    began, peak, cpu = time.perf_counter(), 0, 0.0
    with said.open("wb") as out:
        process = psutil.Popen([sys.executable, "-m", "bot", "sync"], env=environment, stdout=out, stderr=out)
        while process.poll() is None:
            with suppress(psutil.Error):
                peak, times = max(peak, process.memory_info().rss), process.cpu_times()
                cpu = times.user + times.system
            if seconds and time.perf_counter() - began > seconds:
                process.kill()
            await asyncio.sleep(LOOK_SECONDS)
    return Watched(time.perf_counter() - began, cpu, peak, said.read_text("utf-8").strip())


async def main(customers: int) -> None:
    """Make the company, pull it, pull it again, and pull it with a kill in the middle."""
    describe()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        home, url = Path(folder), f"http://127.0.0.1:{port}"
        environment = bot_environment(home, free_port(), port) | {"FRONTLINE_SIMULATOR_CALLBACK": f"{url}/nowhere"}
        with running(["-m", "bot", "simulator"], environment, home / "simulator.log"):
            await answering(f"{url}/sim/corp")
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(600)) as http:
                ties = await company(http, url, customers)
                reference, rows = await bare(http, url)
                print(f"company: {customers:,} customers, {ties:,} ties; bare fetch {rows / reference:,.0f} rows/s")
                first = await watched(home, environment)
                first.report(f"first sync ({reference / first.seconds:.2f} of the bare fetch)", ties)
                (await watched(home, environment)).report("second sync", ties)
                await killed(http, url, home, environment, first.seconds / 2)


async def killed(http: aiohttp.ClientSession, url: str, home: Path, environment: dict[str, str], after: float) -> None:
    """The first sync once more, on an empty database, killed half-way and started again."""
    fresh = environment | {"FRONTLINE_DATABASE_URL": f"sqlite:///{home / 'killed.db'}"}
    before = len((await sim(http, url, f"calls?path={PAGES}"))["calls"])
    await watched(home, fresh, after)
    middle = len((await sim(http, url, f"calls?path={PAGES}"))["calls"])
    seconds = (await watched(home, fresh)).seconds
    calls = (await sim(http, url, f"calls?path={PAGES}"))["calls"][before:]
    twice = len(calls) - len({(*one["body"]["userid_list"], one["body"]["cursor"]) for one in calls})
    print(
        f"killed after {middle - before} pages: the next start took {seconds:.1f} s; {twice} pages were asked for twice"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
