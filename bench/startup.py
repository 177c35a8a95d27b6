"""Start to listening, against the bare import of the same dependencies; and memory at rest."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.machine import answering, bot_environment, describe, free_port, median, running

ROUNDS = 5
TARGET_RATIO, TARGET_MB = 1.5, 150
REST_SECONDS = 3.0
DEPENDENCIES = (
    "aiohttp, aiohttp.web, alembic.command, babel.messages.mofile, babel.messages.pofile, holidays, jinja2.sandbox, "
    "prometheus_client, psycopg, pydantic_settings, rich.console, rich.progress, rich.table, sqlalchemy, sqlmodel, "
    "structlog, typer, uvloop, wechatpy.work, wechatpy.work.crypto, yaml"
)


def importing() -> float:
    """Seconds of a Python that only imports what the bot depends on."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {DEPENDENCIES}"], check=True)
    return time.perf_counter() - began


async def starting(home: Path) -> tuple[float, float]:
    """Seconds from the command to the first answer, and megabytes at rest some seconds later."""
    home.mkdir(exist_ok=True)
    port, simulator_port = free_port(), free_port()
    environment = bot_environment(home, port, simulator_port)
    began = time.perf_counter()
    with running(["-m", "bot", "serve"], environment, home / "bot.log") as process:
        await answering(f"http://127.0.0.1:{port}/healthz")
        seconds = time.perf_counter() - began
        await asyncio.sleep(REST_SECONDS)
        return seconds, psutil.Process(process.pid).memory_info().rss / 2**20


async def main() -> None:
    """Measure and print."""
    describe()
    imports, starts, sizes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        await starting(Path(folder) / "home")  # the first start also makes the database
        for _ in range(ROUNDS):
            imports.append(await asyncio.to_thread(importing))
            seconds, megabytes = await starting(Path(folder) / "home")
            starts.append(seconds)
            sizes.append(megabytes)
    ratio = median(starts) / median(imports)
    print(f"bare import {median(imports):.2f} s, start to listening {median(starts):.2f} s = {ratio:.2f} ×", end="")
    print(f" (target {TARGET_RATIO}); memory at rest {median(sizes):.0f} MB (target {TARGET_MB})")


if __name__ == "__main__":
    asyncio.run(main())
