"""Callbacks stored per second, against bare aiohttp that reads the same bodies and answers 200.

20,000 distinct bodies encrypted beforehand (friends added with welcome codes, and texts), 16 connections, SQLite with
synchronous=FULL, the worker running. Each round floods the reference, the bot, and the reference again; each server
has answered 20 requests and the bot has handled them before.
"""

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from bench.machine import ROOT, answering, bot_and_simulator, describe, free_port, median, running
from bot.wecom.crypto import Crypto
from simulator.corp import AGENT_ID, CALLBACK_AES_KEY, CALLBACK_TOKEN, CORP_ID
from simulator.delivery import document

NUMBER, WARM, CONNECTIONS, ROUNDS = 20_000, 20, 16, 3
TARGET = 0.35
DRAIN_SECONDS = 10.0
LEFT = "kind = 'event' AND state != 'done'"
UNDER_WAY = "state = 'running' OR state = 'ready' AND run_at < strftime('%Y-%m-%d %H:%M:%f', 'now')"
STAFF = ("lin", "wang", "su", "mo", "he", "zhou")


def event(number: int) -> dict[str, object]:
    """Half friends added, half texts, all in the same second."""
    head = {"ToUserName": CORP_ID, "CreateTime": 1_700_000_000}
    member = STAFF[number % len(STAFF)]
    if number % 2:
        return {
            **head, "FromUserName": member, "MsgType": "text", "Content": f"问题 {number}", "MsgId": str(number),
            "AgentID": AGENT_ID,
        }  # fmt: skip
    return {
        **head, "FromUserName": "sys", "MsgType": "event", "Event": "change_external_contact",
        "ChangeType": "add_external_contact", "UserID": member, "ExternalUserID": f"wmBench{number:025d}",
        "State": "bench", "WelcomeCode": f"bench-{number}",
    }  # fmt: skip


def request(crypto: Crypto, number: int) -> bytes:
    """One delivery as it goes over the wire."""
    encrypted = crypto.encrypt(document(event(number)))
    body = (
        f"<xml><ToUserName><![CDATA[{CORP_ID}]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()
    )
    signed = {"msg_signature": crypto.sign("1700000000", str(number), encrypted), "timestamp": 1_700_000_000}
    query = urlencode({**signed, "nonce": number})
    head = f"POST /wecom/callback?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def write_requests(path: Path, numbers: range) -> Path:
    """Every request, each behind its length."""
    crypto = Crypto(CALLBACK_TOKEN, CALLBACK_AES_KEY, CORP_ID)
    with path.open("wb") as file:
        for number in numbers:
            data = request(crypto, number)
            file.write(f"{len(data):08d}".encode() + data)
    return path


def flooded(port: int, requests: Path, number: int) -> float:
    """Requests a second that a server answered 200; every one must be."""
    command = [sys.executable, "-m", "bench.flood", str(port), str(requests), str(CONNECTIONS)]
    seconds, good = subprocess.check_output(command, cwd=ROOT).split()
    if int(good) != number:
        raise SystemExit(f"only {int(good)} of {number} were answered 200")
    return number / float(seconds)


async def reference(folder: Path, first: Path, requests: Path) -> float:
    """Bare aiohttp."""
    port = free_port()
    with running(["-m", "bench.bare", str(port)], {"PYTHONPATH": str(ROOT)}, folder / "bare.log"):
        await answering(f"http://127.0.0.1:{port}/")
        await asyncio.to_thread(flooded, port, first, WARM)
        return await asyncio.to_thread(flooded, port, requests, NUMBER)


async def ours(home: Path, first: Path, requests: Path) -> tuple[float, float]:
    """The bot: callbacks stored a second, events handled a second in the drain behind. Raises if one is lost."""
    home.mkdir()
    async with bot_and_simulator(home) as (url, _, _):
        port = int(url.rsplit(":", 1)[1])
        await settled(home)
        await asyncio.to_thread(flooded, port, first, WARM)
        await settled(home)
        rate = await asyncio.to_thread(flooded, port, requests, NUMBER)
        stored = count(home, "kind = 'event'") - WARM
        if stored != NUMBER:
            raise SystemExit(f"{stored} events stored, {NUMBER} sent")
        left = count(home, LEFT)
        await asyncio.sleep(DRAIN_SECONDS)
        return rate, (left - count(home, LEFT)) / DRAIN_SECONDS


async def settled(home: Path) -> None:
    """Wait until all there is to do is done; a first start fetches staff, tags and customers."""
    while count(home, UNDER_WAY):
        await asyncio.sleep(0.2)


def count(home: Path, where: str) -> int:
    """Jobs in the bot's database."""
    with sqlite3.connect(home / "frontline.db") as database:
        number: int = database.execute(f"SELECT count(*) FROM job WHERE {where}").fetchone()[0]
        return number


async def main() -> None:
    """Measure and print."""
    describe()
    bare, stored, drained = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [write_requests(folder / "first", range(NUMBER, NUMBER + WARM))]
        files.append(write_requests(folder / "requests", range(NUMBER)))
        for number in range(ROUNDS):
            bare.append(await reference(folder, *files))
            rate, drain = await ours(folder / str(number), *files)
            bare.append(await reference(folder, *files))
            stored.append(rate)
            drained.append(drain)
            print(f"round {number + 1}: bare {bare[-2]:,.0f} and {bare[-1]:,.0f}/s, stored {rate:,.0f}/s")
    ratio = median(stored) / median(bare)
    print(f"callbacks stored: {median(stored):,.0f}/s of {median(bare):,.0f}/s bare = {ratio:.2f} (target {TARGET})")
    print(f"0 lost, 0 doubled of {ROUNDS * NUMBER:,}; handled at {median(drained):,.0f} events/s afterwards")


if __name__ == "__main__":
    asyncio.run(main())
