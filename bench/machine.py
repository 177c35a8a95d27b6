"""What every benchmark prints first, and how servers under test are started."""

import asyncio
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import psutil

from simulator.corp import AGENT_ID, AGENT_SECRET, CALLBACK_AES_KEY, CALLBACK_TOKEN, CORP_ID

ROOT = Path(__file__).parent.parent


def describe() -> None:
    """Print the machine and the command."""
    memory = psutil.virtual_memory().total / 2**30
    print(f"machine: {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}")
    print(f"command: python -m {Path(sys.argv[0]).relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}")


def median(values: list[float]) -> float:
    """The middle of several runs."""
    return statistics.median(values)


def free_port() -> int:
    """A port nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def bot_environment(home: Path, port: int, simulator_port: int, database_url: str | None = None) -> dict[str, str]:
    """Settings of a bot that talks to a simulator on this machine."""
    settings = {
        "CORP_ID": CORP_ID,
        "AGENT_ID": str(AGENT_ID),
        "AGENT_SECRET": AGENT_SECRET,
        "CALLBACK_TOKEN": CALLBACK_TOKEN,
        "CALLBACK_AES_KEY": CALLBACK_AES_KEY,
        "SECRET_KEY": "bench-secret-key-0123456789abcdef0123456789",
        "API_BASE": f"http://127.0.0.1:{simulator_port}/cgi-bin/",
        "LISTEN": f"127.0.0.1:{port}",
        "HOME": str(home),
        "SIMULATOR_LISTEN": f"127.0.0.1:{simulator_port}",
        "SIMULATOR_CALLBACK": f"http://127.0.0.1:{port}/wecom/callback",
    }
    if database_url:
        settings["DATABASE_URL"] = database_url
    return os.environ | {f"FRONTLINE_{name}": value for name, value in settings.items()}


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours in a process of its own, its lines in a file; stopped at the end."""
    with log.open("ab") as lines:
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, cwd=log.parent, stdout=lines, stderr=lines
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


async def answering(url: str, seconds: float = 30.0) -> None:
    """Wait until a server answers."""
    until = time.monotonic() + seconds
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < until:
            try:
                async with http.get(url) as answer:
                    await answer.read()
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
    raise TimeoutError(f"{url} did not answer within {seconds:g} s")


@asynccontextmanager
async def bot_and_simulator(home: Path, database_url: str | None = None) -> AsyncIterator[tuple[str, str, int]]:
    """Both as separate processes: (bot's URL, simulator's URL, bot's process id)."""
    port, simulator_port = free_port(), free_port()
    environment = bot_environment(home, port, simulator_port, database_url)
    bot, simulator = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator_port}"
    with running(["-m", "bot", "simulator"], environment, home / "simulator.log"):
        await answering(f"{simulator}/sim/corp")
        with running(["-m", "bot", "serve"], environment, home / "bot.log") as process:
            await answering(f"{bot}/healthz")
            yield bot, simulator, process.pid
