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
from sqlite3 import DatabaseError
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
GROUP_SECONDS = 0.01
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
    """A write that waits for its turn, and who waits for it."""

    def __init__(self, work: Any) -> None:
        """`work`: a function of a session, or a statement with its values."""
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

    async def write(self, work: Write[T]) -> T:
        """Run `work(session)` in a transaction and commit. An exception of `work` undoes only its own writes."""
        if self.writer:
            return await self.writer.add(self.writer.ordinary, Pending(work))
        result, wakes = await asyncio.get_running_loop().run_in_executor(self.threads, self._write, work)
        if wakes:
            self.on_work()
        return result

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

    def _insert(self, statement: str, values: tuple[Any, ...]) -> int:
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement, values).rowcount

    def group_written(self, group: list[Pending[Any]]) -> None:
        """A group was committed, or refused as a whole: in the event loop, wake whoever has to know."""
        if any(pending.wakes for pending in group):
            self.on_work()
        for pending in group:
            pending.settle()


class Writer:
    """SQLite's one writing thread. Single statements that are urgent go first, each commit on its own."""

    def __init__(self, engine: Engine, written: Callable[[list[Pending[Any]]], None]) -> None:
        """`written(group)` is called in the event loop."""
        self.engine = engine.execution_options(writes=True)
        self.written = written
        self.urgent: deque[Pending[int]] = deque()
        self.ordinary: deque[Pending[Any]] = deque()
        self.filled = threading.Condition()
        self.writing = threading.Lock()
        self.direct = self.engine.raw_connection()
        """What `insert_now` writes on."""
        self.crowded_until = 0.0
        self.rested_at = 0.0
        self.closing = False
        self.thread = threading.Thread(target=self.run, name="database writer", daemon=True)
        self.thread.start()

    def add(self, queue: deque[Pending[T]], pending: Pending[T]) -> asyncio.Future[T]:
        """Queue a write; answers the future that ends with it."""
        with self.filled:
            queue.append(pending)
            self.filled.notify()
        return pending.done

    def crowd(self) -> None:
        """Many callbacks at once: the ordinary writes hold back for a moment."""
        self.crowded_until = time.monotonic() + CROWD_SECONDS

    def close(self) -> None:
        """Write what is queued and end."""
        with self.filled:
            self.closing = True
            self.filled.notify()
        self.thread.join()
        self.direct.close()

    def insert_now(self, statement: str, values: tuple[Any, ...]) -> int | None:
        """In a crowd, write in the calling thread; None when there is no crowd, or the other thread is writing.

        Handing every group to a thread makes both fight for the interpreter's lock, which in a flood costs more than
        the millisecond for which this stops the event loop.
        """
        if time.monotonic() >= self.crowded_until or not self.writing.acquire(blocking=False):
            return None
        try:
            return in_transaction(self.direct.cursor(), lambda cursor: int(cursor.execute(statement, values).rowcount))
        finally:
            self.writing.release()

    def run(self) -> None:
        """Write group after group until closed."""
        raw = self.engine.raw_connection()
        while self.wait():
            group: list[Pending[Any]] = []
            try:
                with self.writing:
                    self.write(raw.cursor(), group)
            except (DBAPIError, DatabaseError) as error:  # disk full, database locked: nothing of this group was kept
                log.error("database write failed", writes=len(group), error=str(error))
                for pending in group:
                    pending.error, pending.wakes = error, False
            if group:
                group[0].loop.call_soon_threadsafe(self.written, group)
        raw.close()

    def write(self, cursor: Any, group: list[Pending[Any]]) -> None:
        """What is urgent, or else a group of ordinary writes, in one transaction; `group` grows as they are begun."""
        if self.urgent:
            in_transaction(cursor, lambda cursor: write_urgent(cursor, self.urgent, group))
            return
        with self.engine.begin() as connection:
            self.write_group(connection, group)

    def wait(self) -> bool:
        """Sleep until there is something to write; False when closed and done."""
        with self.filled:
            while not (self.urgent or (self.ordinary and self.turn() > 0)):
                if self.closing and not self.ordinary:
                    return False
                self.filled.wait(CROWD_TURN if self.ordinary else None)
            return True

    def turn(self) -> float:
        """Seconds for which ordinary writes may go on now."""
        now = time.monotonic()
        if now >= self.crowded_until or self.closing:
            return GROUP_SECONDS
        return CROWD_TURN if now - self.rested_at >= CROWD_REST else 0.0

    def write_group(self, connection: Connection, group: list[Pending[Any]]) -> None:
        """Ordinary writes while their turn lasts and nothing urgent comes; `group` grows as they are begun."""
        until = time.monotonic() + self.turn()
        while self.ordinary and not self.urgent and time.monotonic() < until:
            pending = self.ordinary.popleft()
            group.append(pending)
            in_savepoint(connection, pending)
        self.rested_at = time.monotonic()


def in_transaction(cursor: Any, work: Callable[[Any], T]) -> T:
    """Work on a bare cursor, past SQLAlchemy: between it and the disk lie three calls."""
    cursor.execute("BEGIN IMMEDIATE")
    try:
        result = work(cursor)
        cursor.execute("COMMIT")
    except DatabaseError:
        cursor.connection.rollback()
        raise
    return result


def write_urgent(cursor: Any, urgent: deque[Pending[int]], group: list[Pending[Any]]) -> None:
    """Every urgent statement there is."""
    while urgent:
        pending = urgent.popleft()
        group.append(pending)
        pending.outcome = cursor.execute(*pending.work).rowcount
        pending.wakes = True


def in_savepoint(connection: Connection, pending: Pending[Any]) -> None:
    """One write of a group in a session of its own, undone alone when it fails; a broken database is everyone's."""
    options: dict[str, Any] = {"join_transaction_mode": "create_savepoint", "expire_on_commit": False}
    try:
        with Session(connection, **options) as session:
            pending.outcome = pending.work(session)
            session.commit()
            pending.wakes = bool(session.info.get(WAKE))
    except IntegrityError as error:
        pending.error = error
    except DBAPIError:
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
