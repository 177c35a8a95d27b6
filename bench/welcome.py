"""Friend added → welcome call at the simulator: 200 adds a second for 50 seconds, every API call taking 200 ms.

The simulator runs in this process and makes the adds itself, the bot in its own. Each latency is the time from the
event's delivery to the arrival of `send_welcome_msg` with its code, both taken by the simulator's clock.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.callbacks import settled
from bench.machine import answering, bot_environment, describe, free_port, running
from bot.clock import Clock
from simulator.app import create_simulator
from simulator.control.people import add_tie, customer_for, greet
from simulator.corp import Corp, demo_corp
from simulator.delivery import Courier
from simulator.events import contact_event
from simulator.faults import Fault
from simulator.platform import COURIER, PLATFORM, Platform
from tests.conftest import served

PER_SECOND, SECONDS, LATENCY_MS = 200, 50, 200
STAFF = ("lin", "wang", "su", "mo", "he", "zhou")
WELCOME, CUSTOMER = "externalcontact/send_welcome_msg", "externalcontact/get"
WINDOW = 20.0


async def add(corp: Corp, courier: Courier, number: int, sent: dict[str, float]) -> None:
    """One friend; remembers when the add was delivered, by its welcome code."""
    body = {"name": f"客户{number}", "state": "bench"}
    follow = add_tie(corp, corp.members[STAFF[number % len(STAFF)]], customer_for(corp, body), body)
    code = greet(corp, follow, "") or ""
    added = contact_event(
        corp, "add_external_contact", follow.userid, follow.external_userid, State=follow.state, WelcomeCode=code
    )
    sent[code] = time.time()
    tries = await courier.deliver(added)
    if not all(one["status"] == 200 for one in tries):
        raise SystemExit(f"a delivery failed: {tries}")


async def adds(corp: Corp, courier: Courier, per_second: int, seconds: int) -> dict[str, float]:
    """Adds at an even pace, whatever the answers take."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(per_second * seconds):
            await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
            group.create_task(add(corp, courier, number, sent))
    return sent


async def arrivals(platform: Platform, wanted: int) -> dict[str, float]:
    """When each welcome arrived, by its code."""
    until = time.monotonic() + WINDOW
    while True:
        calls = [call for call in platform.calls if call["path"] == WELCOME and call["errcode"] == 0]
        if len(calls) >= wanted or time.monotonic() > until:
            return {call["body"]["welcome_code"]: call["arrived"] for call in calls}
        await asyncio.sleep(0.5)


async def main() -> None:
    """Measure and print."""
    describe()
    per_second = int(sys.argv[1]) if len(sys.argv) > 1 else PER_SECOND
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    corp, port, simulator_port = demo_corp(Clock()), free_port(), free_port()
    corp.callback_url = f"http://127.0.0.1:{port}/wecom/callback"
    app = create_simulator(corp)
    for path in (WELCOME, CUSTOMER):
        app[PLATFORM].faults.active.append(Fault(path, latency_ms=LATENCY_MS))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with served(app, simulator_port):
            with running(["-m", "bot", "serve"], bot_environment(home, port, simulator_port), home / "bot.log"):
                await answering(f"http://127.0.0.1:{port}/healthz")
                await settled(home)
                sent = await adds(corp, app[COURIER], per_second, seconds)
                arrived = await arrivals(app[PLATFORM], len(sent))
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
