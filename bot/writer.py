"""SQLite's one writer: a thread that puts writes which arrive together into one transaction.

A commit costs a disk flush, and fifty writes in one flush cost what one does. When one of a group fails, the group is
written again with a savepoint for each, so that only that one is lost. Urgent writes (callbacks waiting for their 200)
are single statements and go before all others.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from bot.observability import log

T = TypeVar("T")
WAKE = "wake"
"""Key of `session.info` under which a write notes that it left work for the job loop."""
GROUP_SECONDS = 0.03
"""How long one SQLite transaction goes on taking in ordinary writes: bounds how long a callback waits behind them."""
URGENT_SECONDS = 0.004
"""The same, once something urgent waits."""
CROWD_SECONDS = 0.2
"""For so long after a crowd of urgent writes the ordinary ones hold back …"""
CROWD_REST = 0.2
"""… but for a short turn this often, so that they never stand still."""
CROWD_TURN = 0.005
"""The length of that turn, in seconds."""


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
            if len(queue) == 1:  # with more in it the thread is awake, or knows when to wake
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
            except Exception as error:  # noqa: BLE001 - disk full, database locked, or a value it cannot take
                log.error("database write failed", writes=len(group), error=said(error))
                for pending in group:  # nothing of this group was kept
                    pending.error, pending.wakes = error, False
            if group:
                group[0].loop.call_soon_threadsafe(self.written, group)
        raw.close()

    def write(self, cursor: Any, group: list[Pending[Any]]) -> None:
        """What is urgent, or else a group of ordinary writes, in one transaction; `group` grows as they are begun."""
        if self.urgent:
            in_transaction(cursor, lambda cursor: write_urgent(cursor, self.urgent, group))
            return
        try:
            with self.engine.begin() as connection:
                self.write_group(connection, group)
        except Exception:  # noqa: BLE001 - one of them failed: find out which, and keep the others
            with self.engine.begin() as connection:
                for pending in group:
                    in_savepoint(connection, pending)

    def wait(self) -> bool:
        """Sleep until there is something to write; False when closed and done."""
        with self.filled:
            while not (self.urgent or (self.ordinary and self.turn() > 0)):
                if self.closing and not self.ordinary:
                    return False
                self.filled.wait(self.rest() if self.ordinary else None)
            return True

    def turn(self) -> float:
        """Seconds for which ordinary writes may go on now."""
        now = time.monotonic()
        if now >= self.crowded_until or self.closing:
            return GROUP_SECONDS
        return CROWD_TURN if now - self.rested_at >= CROWD_REST else 0.0

    def rest(self) -> float:
        """Seconds until the ordinary writes may go on: their next turn, or the end of the crowd."""
        now = time.monotonic()
        return max(0.001, min(self.rested_at + CROWD_REST, self.crowded_until) - now)

    def write_group(self, connection: Connection, group: list[Pending[Any]]) -> None:
        """Ordinary writes while their turn lasts, less when something urgent comes, which the same flush takes along.

        `group` grows with each begun. They share a session, without savepoints: these would cost half as much again.
        """
        now = time.monotonic()
        until = now + self.turn()
        with Session(connection, expire_on_commit=False) as session:
            while (self.urgent or self.ordinary) and now < until:
                if self.urgent:
                    until = min(until, now + URGENT_SECONDS)
                pending = (self.urgent or self.ordinary).popleft()
                group.append(pending)
                carry_out(session, pending)
                session.flush()
                session.expunge_all()
                now = time.monotonic()
        self.rested_at = time.monotonic()


def carry_out(session: Session, pending: Pending[Any]) -> None:
    """One write of a group."""
    if isinstance(pending.work, tuple):
        pending.outcome, pending.wakes = session.connection().exec_driver_sql(*pending.work).rowcount, True
    else:
        session.info.pop(WAKE, None)
        pending.outcome = pending.work(session)
        pending.wakes = bool(session.info.get(WAKE))


def in_transaction(cursor: Any, work: Callable[[Any], T]) -> T:
    """Work on a bare cursor, past SQLAlchemy: between it and the disk lie three calls."""
    cursor.execute("BEGIN IMMEDIATE")
    try:
        result = work(cursor)
        cursor.execute("COMMIT")
    except BaseException:
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
            carry_out(session, pending)
            session.commit()
    except Exception as error:
        # SQLite itself has undone the whole transaction when it could not write: that is nobody's own failure.
        if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            raise
        pending.error = error


def said(error: Exception) -> str:
    """An error without the values of its statement: these are people's words and codes."""
    return str(error.orig) if isinstance(error, DBAPIError) else str(error)
