"""The command line as its users have it: a process of its own, in a folder of its own."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass
from pathlib import Path

from bot.settings import PREFIX
from tests.conftest import WeCom

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
GOOD = {
    "CORP_ID": "ww5de0f00d5de0f00d",
    "AGENT_ID": "1000002",
    "AGENT_SECRET": "agent-secret-value",
    "CALLBACK_TOKEN": "CallbackToken",
    "CALLBACK_AES_KEY": "DemoEncodingAESKey0123456789abcdefghijklmno",
    "SECRET_KEY": "secret-key-value-0123456789abcdef",
}
"""Everything that is required."""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def settings_for(wecom: WeCom, database_url: str, **other: str) -> dict[str, str]:
    """The settings of a bot beside this simulator."""
    corp = wecom.corp
    return {
        "CORP_ID": corp.corp_id,
        "AGENT_ID": str(corp.app.agent_id),
        "AGENT_SECRET": corp.app.secret,
        "CALLBACK_TOKEN": corp.callback_token,
        "CALLBACK_AES_KEY": corp.callback_aes_key,
        "SECRET_KEY": GOOD["SECRET_KEY"],
        "API_BASE": f"{wecom.url}/cgi-bin/",
        "DATABASE_URL": database_url,
        "PUBLIC_URL": corp.callback_url.removesuffix("/wecom/callback"),
    } | other


async def frontline(*words: str, folder: Path, settings: dict[str, str] | None = None) -> Ended:
    """Run `frontline …` to its end; the settings (without their prefix) are the only ones."""
    return await end_of(await begun(*words, folder=folder, settings=settings))


async def begun(*words: str, folder: Path, settings: dict[str, str] | None = None) -> Process:
    """Begin `frontline …`."""
    environment = {PREFIX + name: value for name, value in (settings or {}).items()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", *words),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "250", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end_of(process: Process) -> Ended:
    """Wait until it ends."""
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())
