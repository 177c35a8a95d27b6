"""The database: SQLite by default, PostgreSQL by URL, the same code on both.

Everything that writes goes through `Database.write`. On SQLite there is one writer, and writes that arrive together
share one transaction (a savepoint each): a commit costs a disk flush, and fifty in one flush cost what one does.
On PostgreSQL each write is a transaction of its own; the server groups their flushes itself.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, TypeDecorator, event, make_url, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from bot.observability import log

T = TypeVar("T")
Write = Callable[[AsyncSession], Awaitable[T]]

MAX_GROUP = 256
"""Writes that share one SQLite transaction at most: bounds how long the first of them waits."""
BUSY_MS = 10_000
WAKE = "wake"
"""Key of `session.info` under which a write notes that it left work for the job loop."""

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


class Pending(Generic[T]):
    """A write that waits for its group, and who waits for it."""

    def __init__(self, work: Write[T]) -> None:
        self.work = work
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.wakes = False


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
        self._queue: deque[Pending[Any]] = deque()
        self._filled = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
        if self._writer:
            while self._queue:
                await self._queue[-1].done
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self.engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session to read with; what it changes is thrown away."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    async def write(self, work: Write[T]) -> T:
        """Run `work(session)` in a transaction and commit. An exception of `work` undoes only its own writes."""
        if not self.sqlite:
            return await self._write_alone(work)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_groups(), name="database writer")
        pending = Pending(work)
        self._queue.append(pending)
        self._filled.set()
        return await pending.done

    async def _write_alone(self, work: Write[T]) -> T:
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            result = await work(session)
            await session.commit()
            if session.info.get(WAKE):
                self.on_work()
            return result

    async def _write_groups(self) -> None:
        while True:
            await self._filled.wait()
            group = [self._queue.popleft() for _ in range(min(MAX_GROUP, len(self._queue)))]
            if not self._queue:
                self._filled.clear()
            await self._write_group(group)

    async def _write_group(self, group: list[Pending[Any]]) -> None:
        outcomes: list[Any]
        try:
            async with self.engine.execution_options(writes=True).begin() as connection:
                outcomes = [await outcome_of(connection, pending) for pending in group]
        except DBAPIError as error:  # disk full, database locked: nothing of this group was kept
            log.error("database write failed", writes=len(group), error=type(error.orig).__name__)
            outcomes = [error] * len(group)
        if any(pending.wakes for pending in group):
            self.on_work()
        for pending, outcome in zip(group, outcomes, strict=True):
            settle(pending, outcome)


def settle(pending: Pending[Any], outcome: Any) -> None:
    """Tell the one who waits for a write how it ended."""
    if pending.done.cancelled():
        return
    if isinstance(outcome, BaseException):
        pending.done.set_exception(outcome)
    else:
        pending.done.set_result(outcome)


async def outcome_of(connection: AsyncConnection, pending: Pending[Any]) -> Any:
    """Run one write of a group inside its savepoint; its exception is the outcome, a broken database is everyone's."""
    outcome: Any = (await asyncio.gather(in_savepoint(connection, pending), return_exceptions=True))[0]
    if isinstance(outcome, DBAPIError) and outcome.connection_invalidated:
        raise outcome
    if isinstance(outcome, BaseException):
        pending.wakes = False
    return outcome


async def in_savepoint(connection: AsyncConnection, pending: Pending[T]) -> T:
    """The write in a session of its own, released when it succeeds."""
    options: dict[str, Any] = {"join_transaction_mode": "create_savepoint", "expire_on_commit": False}
    async with AsyncSession(connection, **options) as session:
        result = await pending.work(session)
        await session.commit()
        pending.wakes = bool(session.info.get(WAKE))
        return result


def make_engine(url: str) -> AsyncEngine:
    """An engine for a plain URL, with the driver and the pragmas we rely on."""
    if url.startswith("postgresql://"):
        return create_async_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=20)
    engine = create_async_engine(url.replace("sqlite://", "sqlite+aiosqlite://", 1), pool_size=8, max_overflow=8)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, below; the driver must not
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


async def answers(database: Database) -> bool:
    """Whether the database can be reached."""
    try:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
    except (DBAPIError, OSError):
        return False
    return True
