"""A large import beside a running server: callbacks are answered meanwhile; a kill in the middle halves no order."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from bench.imports import write_orders
from bot.database import Database
from bot.settings import PREFIX
from tests.bot.command import ROOT, settings_for
from tests.conftest import RunningBot, WeCom

ORDERS = 20_000
MINUTES = 3 * 60.0
LOOK_SECONDS = 0.05
PLATFORM_SECONDS = 5.0
"""After so long WeCom takes a callback as failed."""
RIGHT = """
    SELECT (SELECT count(*) FROM orders),
           (SELECT count(*) FROM orders WHERE amount_fen <> (SELECT coalesce(sum(orderitem.amount_fen), 0)
                                                             FROM orderitem WHERE orderitem.order_id = orders.id)),
           (SELECT count(*) FROM orderitem),
           (SELECT coalesce(sum(orders), 0) FROM customer),
           (SELECT coalesce(sum(net_fen), 0) FROM customer) - (SELECT coalesce(sum(amount_fen), 0) FROM orders),
           (SELECT count(*) FROM job WHERE kind = 'credit_orders')
"""
"""Orders, those of which lines are missing, lines, orders and money on customers, requests to credit them."""


async def importing(wecom: WeCom, database_url: str, folder: Path) -> asyncio.subprocess.Process:
    """`frontline import orders orders.csv`, under way."""
    settings = {PREFIX + name: value for name, value in settings_for(wecom, database_url).items()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "import", "orders", "orders.csv"),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def state(database: Database) -> tuple[Any, ...]:
    """What `RIGHT` asks for."""
    read: Callable[[Session], Any] = lambda session: session.connection().execute(text(RIGHT)).one()  # noqa: E731
    return tuple(await database.read(read))


async def test_callbacks_are_answered_while_a_large_file_comes_in(
    bot: RunningBot, wecom: WeCom, database_url: str, tmp_path: Path
) -> None:
    write_orders(tmp_path / "orders.csv", ORDERS)
    async with asyncio.timeout(MINUTES):
        killed = await importing(wecom, database_url, tmp_path)
        while (await state(bot.database))[0] == 0:  # noqa: ASYNC110 - another process, which tells nobody
            await asyncio.sleep(LOOK_SECONDS)
        killed.kill()
        await killed.communicate()
        half = await state(bot.database)

        again = await importing(wecom, database_url, tmp_path)
        ended = asyncio.create_task(again.communicate())
        waits, friends = [], []
        while not ended.done():
            began = time.monotonic()
            friends.append(await wecom.adds_friend("lin"))
            waits.append(time.monotonic() - began)
        out, err = await ended

    assert (again.returncode, err.decode()) == (0, "")
    assert out.decode() == f"{ORDERS - half[0]} stored, {half[0]} unchanged, 0 rejected\n"
    assert 0 < half[0] < ORDERS
    assert half[1:5] == (0, 2 * half[0], half[0], 0)
    assert half[5] > 0
    assert (await state(bot.database))[:5] == (ORDERS, 0, 2 * ORDERS, ORDERS, 0)
    assert len(waits) > 10
    assert max(waits) < PLATFORM_SECONDS, sorted(waits)[-5:]
    assert [one for friend in friends for one in friend["deliveries"] if one["status"] != 200] == []
