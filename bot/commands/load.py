"""`frontline import`: a CSV file of records, beside a running server or alone.

Alone it is one transaction that is taken back when anything in the file is wrong. Beside a server the whole file is
checked first, then stored in short transactions, so that callbacks never wait long; between the two its records wait on
the disk. With `--partial` the good rows are stored as they come. Every wrong row goes to a file of its own.
"""

import asyncio
import csv
import gc
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from bot.app import AlreadyRunning, only_loop
from bot.database import Database
from contacts.checks import AHEAD, Load, check
from contacts.feeds import Entry
from contacts.ingest import Outcome, take
from contacts.reading import Part, parts_of
from contacts.records import RECORDS, Problem, moment
from contacts.rollups import add_orders
from contacts.spreadsheets import BadFile
from contacts.watermarks import COMPANY, move_watermarks

TRIES = 3
"""Of one chunk: it goes again when somebody else made the same customer at the same moment."""
REST_SECONDS = 0.025
"""The least pause between two writes on SQLite, and as a share of the write: one who waits for the lock looks for it
every 25 ms at first, every 100 ms later, and must find it free. Without, a server's callbacks waited for seconds."""
REST_SHARE = 0.25
TOGETHER = 20
"""Parts of one transaction where nobody else waits to write."""
SWITCH_SECONDS = 0.0005
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ImportFailed(Exception):
    """The file was not imported; the text says why."""


class Rejects:
    """The file of wrong rows beside the imported one: made when there is one, gone when there is none any more."""

    def __init__(self, imported: Path) -> None:
        self.path = imported.with_name(f"{imported.stem}.rejected.csv")
        self.path.unlink(missing_ok=True)
        self.lines: set[int] = set()
        self.file: IO[str] | None = None

    def add(self, problems: Iterable[Problem]) -> None:
        """Note what is wrong, a row per field."""
        for one in problems:
            if self.file is None:
                self.file = self.path.open("w", encoding="utf-8-sig", newline="")
                csv.writer(self.file).writerow(["line", "field", "value", "remedy"])
            self.lines.add(one.place)
            # What a cell holds must not run as a formula where this file is opened.
            value = f"'{one.value}" if one.value.startswith(FORMULA) else one.value
            csv.writer(self.file).writerow([one.place, one.field, value, one.remedy])

    def close(self) -> None:
        """Finish the file."""
        if self.file:
            self.file.close()


@dataclass
class Import:
    """One file on its way in."""

    database: Database
    kind: str
    path: Path
    now: datetime
    zone: ZoneInfo
    rejects: Rejects
    shown: Callable[[str, int], None]
    """Called with what is being done and the line it has come to."""
    stores: set[str] = field(default_factory=set)
    stored: int = 0
    unchanged: int = 0
    stopped: bool = False
    """Somebody does not want to wait for the end."""
    free_until: float = 0.0
    """Until when the lock is left to others."""

    async def look(self, spool: IO[bytes]) -> None:
        """Check the whole file; good records go to `spool` to be stored from there."""
        load = Load(self.kind, self.now, self.zone)
        for entries, problems in self.parts():
            checked = await self.database.read(partial(check, load=load, entries=entries))
            self.rejects.add(sorted([*problems, *checked.problems], key=lambda one: one.place))
            pickle.dump([(one.place, one.digest, one.record.__dict__) for one in entries], spool)
            self.shown("checking", last_line(entries, problems))

    def parts(self) -> Iterator[Part]:
        """The file in parts of one short transaction each."""
        return parts_of(self.path, self.kind)

    def at_once(self, parts: Iterable[Part], session: Session, *, only_good: bool) -> None:
        """Store these parts in one transaction. Raises `ImportFailed` when rows are wrong, unless `only_good`."""
        unsummed: list[int] = []
        for entries, problems in parts:
            if self.stopped:
                raise ImportFailed("stopped")
            self.note_stores(entries)
            load = Load(self.kind, self.now, self.zone, unsummed=unsummed)
            self.count(take(session, load, entries, partial=True, wrong=problems))
            self.shown("storing", last_line(entries, problems))
        if unsummed:
            add_orders(session, unsummed)
        if not only_good:
            self.refuse_wrong()

    def refuse_wrong(self) -> None:
        """Raises `ImportFailed` when rows are wrong."""
        if number := len(self.rejects.lines):
            raise ImportFailed(
                f"{number} rows of {self.path.name} are wrong and nothing was stored: see {self.rejects.path}; "
                "correct them, or import the good ones with --partial"
            )

    def note_stores(self, entries: list[Entry]) -> None:
        """Which stores the file tells of."""
        self.stores.update(store for one in entries if (store := one.record.__dict__.get("store")))

    def spooled(self, spool: IO[bytes]) -> Iterator[Part]:
        """What `look` put away: its records need not be checked again one by one."""
        again = RECORDS[self.kind].again
        spool.seek(0)
        while True:
            try:
                some = pickle.load(spool)  # noqa: S301 - our own, written a moment ago to a file without a name
            except EOFError:
                return
            yield [Entry(place, again(fields), digest) for place, digest, fields in some], []

    async def store(self, parts: Iterable[Part]) -> None:
        """Store what is good, part by part; the next is read while one is written, on SQLite while the lock is free."""
        writing: asyncio.Task[Outcome] | None = None
        for entries, problems in parts:
            self.note_stores(entries)
            await self.finish(writing)
            writing = asyncio.create_task(self.write(entries, problems))
            await asyncio.sleep(0)  # it begins before we go on reading
            if self.database.sqlite:
                await self.finish(writing)
                writing = None
            self.shown("storing", last_line(entries, problems))
        await self.finish(writing)

    async def write(self, entries: list[Entry], problems: list[Problem]) -> Outcome:
        """One short transaction."""

        await asyncio.sleep(self.free_until - time.monotonic())
        began = time.monotonic()

        def work(session: Session) -> Outcome:
            return take(session, Load(self.kind, self.now, self.zone), entries, partial=True, wrong=problems)

        try:
            for _ in range(TRIES - 1):
                with suppress(IntegrityError):
                    return await self.database.write(work)
            return await self.database.write(work)
        finally:
            ended = time.monotonic()
            if self.database.sqlite:
                self.free_until = ended + max(REST_SECONDS, REST_SHARE * (ended - began))

    async def finish(self, writing: "asyncio.Task[Outcome] | None") -> None:
        """Wait for a chunk and count it."""
        if writing:
            self.count(await writing)

    def count(self, outcome: Outcome) -> None:
        """Add up what became of the rows."""
        self.rejects.add(outcome.problems)
        self.stored += outcome.stored
        self.unchanged += outcome.unchanged


def last_line(entries: list[Entry], problems: list[Problem]) -> int:
    """How far in the file these are."""
    return max([one.place for one in entries[-1:]] + [one.place for one in problems[-1:]])


async def import_file(
    database: Database, kind: str, path: Path, *, now: datetime, zone: ZoneInfo, only_good: bool,
    complete_to: str | None, out: Console,
) -> str:  # fmt: skip
    """Import a file; answers what became of it. Raises `ImportFailed`."""
    if kind not in RECORDS:
        raise ImportFailed(f"there is no kind {kind!r}; there are {', '.join(sorted(RECORDS))}")
    until = end_of_feed(complete_to, now)
    # What is loaded by now stays; rows come and go by the hundred, and are no cycles.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    # One thread reads while another writes: the interpreter's lock must not stay with either for long.
    sys.setswitchinterval(SWITCH_SECONDS)
    lines = await asyncio.to_thread(count_lines, path)
    rejects = Rejects(path)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with (
            Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress,
            tempfile.TemporaryFile() as spool,
        ):
            task = progress.add_task("", total=lines)
            one = Import(
                database, kind, path, now, zone, rejects,
                lambda what, line: progress.update(task, description=what, completed=line),
            )  # fmt: skip
            await carry_out(one, spool, only_good=only_good)
            if until:
                marks = dict.fromkeys(one.stores or {COMPANY}, until)
                await database.write(lambda session: move_watermarks(session, kind, marks))
    except BadFile as error:
        raise ImportFailed(str(error)) from error
    finally:
        rejects.close()
    said = f"{one.stored} stored, {one.unchanged} unchanged, {len(rejects.lines)} rejected"
    return f"{said}; see {rejects.path}" if rejects.lines else said


async def carry_out(one: Import, spool: IO[bytes], *, only_good: bool) -> None:
    """Store the file as it may be stored now. Raises `ImportFailed` when rows are wrong, unless `only_good`."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(only_loop(one.database))
        except AlreadyRunning:
            await beside(one, spool, only_good=only_good)
        else:
            await alone(one, only_good=only_good)


async def alone(one: Import, *, only_good: bool) -> None:
    """No server works on this database, and none begins to until we are done: all at once, or in long transactions."""
    parts = one.parts()
    rest = TOGETHER - 1 if only_good else None
    try:
        for first in parts:
            some = chain([first], islice(parts, rest))
            await one.database.write_alone(partial(one.at_once, some, only_good=only_good))
    except asyncio.CancelledError:
        one.stopped = True
        raise


async def beside(one: Import, spool: IO[bytes], *, only_good: bool) -> None:
    """A server works on this database: short transactions, with rests between them."""
    if only_good:
        await one.store(one.parts())
        return
    await one.look(spool)
    one.refuse_wrong()
    await one.store(one.spooled(spool))


def end_of_feed(text: str | None, now: datetime) -> datetime | None:
    """Up to when the feed is complete, as the command line says. Raises `ImportFailed`."""
    if text is None:
        return None
    try:
        until = moment(text)
    except ValueError as error:
        raise ImportFailed(f"--complete-to {text}: {error}") from error
    if until > now + AHEAD:
        raise ImportFailed(f"--complete-to {text}: this is in the future; nothing can be complete that far")
    return until


def count_lines(path: Path) -> int:
    """How many lines a file has, for the bar. Raises `ImportFailed` when there is no such file."""
    if not path.is_file():
        raise ImportFailed(f"{path}: there is no such file")
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))
