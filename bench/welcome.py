"""Friend added → welcome call at the simulator: 200 adds a second for 50 seconds, every API call taking 200 ms.

Adds are made by the simulator's control side in its own process; each latency is the time from the event's delivery to
the arrival of `send_welcome_msg` with its code, both taken by the simulator's clock.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.machine import bot_and_simulator, describe

PER_SECOND, SECONDS, LATENCY_MS = 200, 50, 200
STAFF = ("lin", "wang", "su", "mo", "he", "zhou")
WINDOW = 20.0


async def add(http: aiohttp.ClientSession, simulator: str, number: int, sent: dict[str, float]) -> None:
    """One friend; remembers when the add was made, by its welcome code."""
    began = time.time()
    body = {"userid": STAFF[number % len(STAFF)], "name": f"客户{number}", "state": "bench"}
    async with http.post(f"{simulator}/sim/friend-adds", json=body) as answer:
        fields = await answer.json()
    if not all(one["status"] == 200 for one in fields["deliveries"]):
        raise SystemExit(f"a delivery failed: {fields['deliveries']}")
    sent[fields["welcome_code"]] = began


async def adds(simulator: str, per_second: int, seconds: int) -> dict[str, float]:
    """Adds at an even pace, whatever the answers take."""
    sent: dict[str, float] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(per_second * seconds):
                await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
                group.create_task(add(http, simulator, number, sent))
    return sent


async def arrivals(simulator: str, wanted: int) -> dict[str, float]:
    """When each welcome arrived, by its code."""
    until = time.monotonic() + WINDOW
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.get(
                f"{simulator}/sim/calls", params={"path": "externalcontact/send_welcome_msg"}
            ) as answer:
                calls = (await answer.json())["calls"]
            if len(calls) >= wanted or time.monotonic() > until:
                return {call["body"]["welcome_code"]: call["arrived"] for call in calls if call["errcode"] == 0}
            await asyncio.sleep(0.5)


async def main() -> None:
    """Measure and print."""
    describe()
    per_second = int(sys.argv[1]) if len(sys.argv) > 1 else PER_SECOND
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        async with bot_and_simulator(Path(folder)) as (_, simulator, _):
            async with aiohttp.ClientSession() as http:
                for path in ("externalcontact/send_welcome_msg", "externalcontact/get"):
                    await http.post(f"{simulator}/sim/faults", json={"path": path, "latency_ms": LATENCY_MS})
            sent = await adds(simulator, per_second, seconds)
            arrived = await arrivals(simulator, len(sent))
    latencies = sorted(arrived[code] - at for code, at in sent.items() if code in arrived)
    missing = len(sent) - len(latencies)
    print(
        f"{len(sent):,} adds at {per_second}/s, {LATENCY_MS} ms a call: {len(latencies):,} welcomes, {missing} missing"
    )
    for share in (0.5, 0.95, 0.99, 1.0):
        print(f"p{share * 100:g}: {latencies[min(len(latencies) - 1, int(share * len(latencies)))]:.2f} s")
    print(f"late (over {WINDOW:g} s): {sum(one > WINDOW for one in latencies)} (target p99 ≤ 1 s, none late)")


if __name__ == "__main__":
    asyncio.run(main())
