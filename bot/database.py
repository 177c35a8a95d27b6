"""The database: SQLite by default, PostgreSQL by URL, the same code on both.

Work on the database is a plain function of a session, run in a thread: `await database.write(work)`. On SQLite there
is one writer, and writes that arrive together share one transaction (a savepoint each): a commit costs a disk flush,
and fifty in one flush cost what one does. Urgent writes (callbacks waiting for their 200) go first. On PostgreSQL
each write is a transaction of its own; the server groups their flushes itself.
"""

import asyncio
import threading
import time
from collections import deque
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
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from bot.observability import log

T = TypeVar("T")
Write = Callable[[Session], T]
WAKE = "wake"
"""Key of `session.info` under which a write notes that it left work for the job loop."""
BUSY_MS = 10_000
READERS = 8
"""Threads that read, and on PostgreSQL write."""
GROUP_SECONDS = 0.02
"""How long one SQLite transaction goes on taking in ordinary writes: bounds how long a callback waits behind them."""
CROWD_SECONDS = 0.2
"""For so long after a crowd of urgent writes the ordinary ones hold back …"""
CROWD_REST = 0.1
"""… but for a short turn this often, so that they never stand still."""
CROWD_TURN = 0.005
"""The length of that turn, in seconds."""

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
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self.loop.create_future()
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.wakes = False

    def settle(self) -> None:
        """Tell the one who waits how it ended."""
        if self.done.cancelled():
            return
        if self.error:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.outcome)


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

    async def write(self, work: Write[T], *, urgent: bool = False) -> T:
        """Run `work(session)` in a transaction and commit. An exception of `work` undoes only its own writes."""
        if self.writer:
            pending = Pending(work)
            self.writer.add(pending, urgent=urgent)
            return await pending.done
        result, wakes = await asyncio.get_running_loop().run_in_executor(self.threads, self._write, work)
        if wakes:
            self.on_work()
        return result

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

    def group_written(self, group: list[Pending[Any]]) -> None:
        """A group was committed, or refused as a whole: in the event loop, wake whoever has to know."""
        if any(pending.wakes for pending in group):
            self.on_work()
        for pending in group:
            pending.settle()


class Writer:
    """SQLite's one writing thread."""

    def __init__(self, engine: Engine, written: Callable[[list[Pending[Any]]], None]) -> None:
        """`written(group)` is called in the event loop."""
        self.engine = engine.execution_options(writes=True)
        self.written = written
        self.urgent: deque[Pending[Any]] = deque()
        self.ordinary: deque[Pending[Any]] = deque()
        self.filled = threading.Condition()
        self.crowded_until = 0.0
        self.rested_at = 0.0
        self.closing = False
        self.thread = threading.Thread(target=self.run, name="database writer", daemon=True)
        self.thread.start()

    def add(self, pending: Pending[Any], *, urgent: bool) -> None:
        """Queue a write."""
        with self.filled:
            (self.urgent if urgent else self.ordinary).append(pending)
            self.filled.notify()

    def crowd(self) -> None:
        """Many callbacks at once: the ordinary writes hold back for a moment."""
        self.crowded_until = time.monotonic() + CROWD_SECONDS

    def close(self) -> None:
        """Write what is queued and end."""
        with self.filled:
            self.closing = True
            self.filled.notify()
        self.thread.join()

    def run(self) -> None:
        """Write group after group until closed."""
        while self.wait():
            group: list[Pending[Any]] = []
            try:
                with self.engine.begin() as connection:
                    self.write_group(connection, group)
            except DBAPIError as error:  # disk full, database locked: nothing of this group was kept
                log.error("database write failed", writes=len(group), error=str(error.orig))
                for pending in group:
                    pending.error, pending.wakes = error, False
            if group:
                group[0].loop.call_soon_threadsafe(self.written, group)

    def wait(self) -> bool:
        """Sleep until there is something to write; False when closed and done."""
        with self.filled:
            while not (self.urgent or (self.ordinary and self.turn() > 0)):
                if self.closing and not self.ordinary:
                    return False
                self.filled.wait(CROWD_SECONDS if self.ordinary else None)
            return True

    def turn(self) -> float:
        """Seconds for which ordinary writes may go on now."""
        now = time.monotonic()
        if now >= self.crowded_until:
            return GROUP_SECONDS
        return CROWD_TURN if now - self.rested_at >= CROWD_REST else 0.0

    def write_group(self, connection: Connection, group: list[Pending[Any]]) -> None:
        """Every urgent write, then ordinary ones while their turn lasts; `group` grows as they are begun."""
        until = time.monotonic() + self.turn()
        while True:
            if self.urgent:
                pending = self.urgent.popleft()
            elif self.ordinary and time.monotonic() < until:
                pending = self.ordinary.popleft()
                self.rested_at = time.monotonic()
            else:
                return
            group.append(pending)
            in_savepoint(connection, pending)


def in_savepoint(connection: Connection, pending: Pending[Any]) -> None:
    """One write of a group; its exception is its own, a broken database is everyone's."""
    options: dict[str, Any] = {"join_transaction_mode": "create_savepoint", "expire_on_commit": False}
    with Session(connection, **options) as session:
        try:
            pending.outcome = pending.work(session)
            session.commit()
            pending.wakes = bool(session.info.get(WAKE))
        except DBAPIError as error:
            if isinstance(error, IntegrityError):
                pending.error = error
                return
            raise
        except Exception as error:  # noqa: BLE001 - handed to the one who waits for this write
            pending.error = error


def make_engine(url: str) -> Engine:
    """An engine for a plain URL, with the driver and the pragmas we rely on."""
    if url.startswith("postgresql://"):
        return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=READERS + 2)
    engine = create_engine(url, pool_size=READERS + 2, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN, below; the driver must not
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
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
