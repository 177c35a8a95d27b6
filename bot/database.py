"""The database: SQLite by default, PostgreSQL by URL, the same code on both.

Work on the database is a plain function of a session, run in a thread: `await database.write(work)`. On SQLite there
is one writer, and writes that arrive together share one transaction: a commit costs a disk flush, and fifty in one
flush cost what one does. Urgent writes (callbacks waiting for their 200) go first. On PostgreSQL
each write is a transaction of its own; the server groups their flushes itself.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from bot.writer import WAKE, Pending, Writer

T = TypeVar("T")
Write = Callable[[Session], T]
BUSY_MS = 10_000
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={BUSY_MS}",
    "wal_autocheckpoint=8000",  # pages: at 1000 a flood of callbacks waits for a checkpoint four times a second
    "cache_size=-32000",  # KiB: the index of job keys is read and written all over
)
READERS = 8
"""Threads that read, and on PostgreSQL write."""
REMEMBER_SECONDS = 1.0
BigId = BigInteger().with_variant(Integer, "sqlite")
"""64-bit ids; SQLite counts by itself only in a column typed INTEGER."""


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC in Python; timestamptz on PostgreSQL, naive UTC on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times: nobody knows what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Typed(TypeDecorator[Any]):
    """A JSON column that holds a pydantic type, checked on the way in and out."""

    impl = JSON().with_variant(JSONB(), "postgresql")
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self.adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        """The value as plain JSON."""
        return None if value is None else self.adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, _dialect: Dialect) -> Any:
        """The value as its type."""
        return None if value is None else self.adapter.validate_python(value)


def defaults(model: type[SQLModel]) -> dict[str, Any]:
    """What a row of a table holds unless told otherwise: for inserts that go past the ORM."""
    fields = model.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}


class Remembered(Generic[T]):
    """What is read at every event and seldom changes: read again after a second, at once after `forget`."""

    def __init__(self, read: Callable[[Connection, str], T]) -> None:
        """`read(connection, name)`."""
        self.read = read
        self.known: dict[tuple[Dialect, str], tuple[T | None, float]] = {}

    def get(self, connection: Connection, name: str = "") -> T:
        """The value as it was at most a second ago."""
        key, now = (connection.dialect, name), time.monotonic()
        value, until = self.known.get(key, (None, 0.0))
        if value is None or until < now:
            value = self.read(connection, name)
            self.known[key] = (value, now + REMEMBER_SECONDS)
        return value

    def forget(self) -> None:
        """Somebody changed it."""
        self.known.clear()


class Database:
    """Sessions on one database. `on_work` is called after a commit that left something for the job loop."""

    def __init__(self, url: str) -> None:
        """`url`: plain `sqlite:///…` or `postgresql://…`."""
        self.sqlite = url.startswith("sqlite")
        self.path = Path(make_url(url).database or "") if self.sqlite else None
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.engine = make_engine(url)
        self.on_work: Callable[[], None] = lambda: None
        self.threads = ThreadPoolExecutor(READERS, thread_name_prefix="database")
        self.writer = Writer(self.engine, self.group_written) if self.sqlite else None

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
        if self.writer:
            await asyncio.to_thread(self.writer.close)
        await asyncio.to_thread(self.threads.shutdown)
        self.engine.dispose()

    async def read(self, work: Write[T]) -> T:
        """Run `work(session)`; what it changes is thrown away."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._read, work)

    async def write(self, work: Write[T]) -> T:
        """Run `work(session)` in a transaction and commit. An exception of `work` undoes only its own writes.

        `work` may be run twice, its first try undone: whatever it does must be in the session.
        """
        if self.writer:
            return await self.writer.add(self.writer.ordinary, Pending(work))
        result, wakes = await asyncio.get_running_loop().run_in_executor(self.threads, self._write, work)
        if wakes:
            self.on_work()
        return result

    async def write_alone(self, work: Write[T]) -> T:
        """Run `work(session)` once, in a transaction however long: only where no server works on this database."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._write_alone, work)

    async def insert(self, statement: str, values: tuple[Any, ...]) -> int:
        """Run one INSERT before all other writes and commit; answers how many rows it wrote, work for the job loop."""
        if self.writer:
            rows = self.writer.insert_now(statement, values)
            if rows is None:
                return await self.writer.add(self.writer.urgent, Pending((statement, values)))
            self.on_work()
            return rows
        rows = await asyncio.get_running_loop().run_in_executor(self.threads, self._insert, statement, values)
        self.on_work()
        return rows

    def crowd(self) -> None:
        """Many urgent writes at once: let the ordinary ones hold back for a moment."""
        if self.writer:
            self.writer.crowd()

    def _read(self, work: Write[T]) -> T:
        with Session(self.engine, expire_on_commit=False) as session:
            return work(session)

    def _write(self, work: Write[T]) -> tuple[T, bool]:
        with Session(self.engine, expire_on_commit=False) as session:
            result = work(session)
            session.commit()
            return result, bool(session.info.get(WAKE))

    def _write_alone(self, work: Write[T]) -> T:
        with Session(self.engine.execution_options(writes=True), expire_on_commit=False) as session:
            result = work(session)
            session.commit()
            return result

    def _insert(self, statement: str, values: tuple[Any, ...]) -> int:
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement, values).rowcount

    def group_written(self, group: list[Pending[Any]]) -> None:
        """A group was committed, or refused as a whole: in the event loop, wake whoever has to know."""
        if any(pending.wakes for pending in group):
            self.on_work()
        for pending in group:
            pending.settle()


def make_engine(url: str) -> Engine:
    """An engine for a plain URL, with the driver and the pragmas we rely on."""
    if url.startswith("postgresql://"):
        driven = url.replace("postgresql://", "postgresql+psycopg://", 1)
        return create_engine(driven, pool_size=READERS + 2, hide_parameters=True)
    # hide_parameters: what people wrote must not stand in a log because a statement failed.
    engine = create_engine(url, pool_size=READERS + 2, hide_parameters=True, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, below; the driver must not
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


async def answers(database: Database) -> bool:
    """Whether the database can be reached."""
    try:
        await database.read(lambda session: session.execute(text("SELECT 1")).scalar())
    except (DBAPIError, OSError):
        return False
    return True
