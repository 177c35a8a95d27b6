"""The database: writes share commits without sharing failures, urgent ones go first, and a full disk loses nothing."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import Session, col, select

from bot.database import Database
from bot.jobs import Job, NewJob, enqueue, insertion
from bot.schema import migrate
from bot.tokens import Token
from bot.writer import Pending
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.stories.waiting import all_done

MEMBERS = ("lin", "wang", "su", "mo", "he", "zhou")


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    """A SQLite database with the newest schema."""
    opened = Database(f"sqlite:///{tmp_path / 'one.db'}")
    await migrate(opened)
    yield opened
    await opened.close()


def job(key: str) -> NewJob:
    """A row to write."""
    return NewJob(key=key, kind="test", created_at=MONDAY_TEN)


def writes(session: Session, key: str) -> bool:
    """Write one row."""
    return enqueue(session, job(key))


async def keys(database: Database) -> list[str]:
    """The rows there are, oldest first."""
    return await database.read(lambda session: list(session.exec(select(Job.key).order_by(col(Job.id))).all()))


def fails(session: Session) -> None:
    """A write that finds out in the end that it must not be."""
    writes(session, "undone")
    raise ZeroDivisionError


def repeats(session: Session) -> None:
    """A write against a rule of the table."""
    for value in ("a", "b"):
        session.connection().execute(text(f"INSERT INTO token VALUES ('same', '{value}', '2026-01-01')"))


def misspells(session: Session) -> None:
    """A write into a table that is not there."""
    writes(session, "undone")
    session.connection().execute(text("INSERT INTO nowhere VALUES (1)"))


async def test_writes_that_arrive_together_share_commits(sqlite: Database) -> None:
    commits: list[object] = []
    event.listen(sqlite.engine, "commit", commits.append)
    written = await asyncio.gather(*(sqlite.write(partial(writes, key=f"{n}")) for n in range(300)))

    assert written == [True] * 300
    assert await keys(sqlite) == [f"{n}" for n in range(300)]
    assert len(commits) < 100


@pytest.mark.parametrize(
    ("bad", "error"), [(fails, ZeroDivisionError), (repeats, IntegrityError), (misspells, Exception)]
)
async def test_a_write_that_fails_leaves_the_others_of_its_group(
    database: Database, bad: Callable[[Session], None], error: type[Exception]
) -> None:
    outcomes = await asyncio.gather(
        database.write(lambda session: writes(session, "before")),
        database.write(bad),
        database.write(lambda session: writes(session, "after")),
        return_exceptions=True,
    )

    assert isinstance(outcomes[1], error)
    assert (outcomes[0], outcomes[2]) == (True, True)
    assert sorted(await keys(database)) == ["after", "before"]


async def test_what_is_urgent_goes_before_what_waits(sqlite: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        begun.set()
        go_on.wait(10)
        writes(session, "slow")

    under_way = asyncio.create_task(sqlite.write(slow))
    await asyncio.to_thread(begun.wait, 10)
    waiting = [asyncio.create_task(sqlite.write(partial(writes, key=f"{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    urgent = asyncio.create_task(sqlite.insert(*insertion([job("urgent")], sqlite=True)))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(under_way, urgent, *waiting)

    assert await keys(sqlite) == ["slow", "urgent", *(f"{n}" for n in range(5))]


async def test_in_a_crowd_ordinary_writes_still_get_their_turn(sqlite: Database) -> None:
    ordinary = asyncio.gather(*(sqlite.write(partial(writes, key=f"{n}")) for n in range(100)))
    for number in range(200):
        sqlite.crowd()
        await sqlite.insert(*insertion([job(f"urgent {number}")], sqlite=True))
    await ordinary

    assert len(await keys(sqlite)) == 300


@pytest.mark.parametrize("crowds", [0, 1])
async def test_a_value_no_database_takes_stops_only_its_own_write(sqlite: Database, crowds: int) -> None:
    for _ in range(crowds):
        sqlite.crowd()
    with pytest.raises(OverflowError):
        await sqlite.insert("INSERT INTO token VALUES (?, ?, ?)", ("big", 2**70, "2026-01-01"))
    async with asyncio.timeout(10):
        assert await sqlite.insert(*insertion([job("next")], sqlite=True)) == 1
        assert await sqlite.write(lambda session: writes(session, "after"))


async def test_a_write_nobody_waits_for_any_more_is_written_all_the_same(database: Database) -> None:
    begun = asyncio.create_task(database.write(lambda session: writes(session, "one")))
    await asyncio.sleep(0)
    begun.cancel()
    await database.write(lambda session: writes(session, "two"))

    assert "two" in await keys(database)
    assert begun.cancelled()


async def test_a_read_changes_nothing(database: Database) -> None:
    await database.read(lambda session: writes(session, "thrown away"))

    assert await keys(database) == []


async def test_only_writes_that_left_work_wake_the_loop(database: Database) -> None:
    woken: list[bool] = []
    database.on_work = lambda: woken.append(True)
    await database.write(lambda session: session.execute(text("DELETE FROM token")))
    assert woken == []
    await database.write(lambda session: writes(session, "work"))
    assert woken == [True]


async def test_times_come_back_as_they_went_in_and_without_a_zone_not_at_all(database: Database) -> None:
    shanghai = timezone(timedelta(hours=8))
    at = datetime(2026, 11, 16, 10, 0, 0, 123456, tzinfo=shanghai)
    await database.write(lambda session: session.add(Token(id="a", value="t", ends_at=at)))
    stored = await database.read(lambda session: session.get(Token, "a"))

    assert stored is not None
    assert (stored.ends_at, stored.ends_at.tzinfo) == (at, UTC)
    naive = Token(id="b", value="t", ends_at=at.replace(tzinfo=None))
    with pytest.raises(StatementError, match="a time without a zone"):
        await database.write(lambda session: session.add(naive))


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    first = Database(f"sqlite:///{tmp_path / 'one.db'}")
    await migrate(first)
    queued = [asyncio.create_task(first.write(partial(writes, key=f"{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await first.close()
    await asyncio.gather(*queued)
    second = Database(f"sqlite:///{tmp_path / 'one.db'}")

    assert len(await keys(second)) == 50
    await second.close()


async def limit_pages(database: Database, pages: int) -> None:
    """Let the database grow no further than this on each of its connections; 1 is as large as it is now."""
    limiting = f"PRAGMA max_page_count = {pages}"

    @event.listens_for(database.engine, "checkout")
    def limit(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute(limiting)

    assert database.writer is not None
    database.writer.direct.cursor().execute(limiting)
    await database.writer.add(database.writer.urgent, Pending((limiting, ())))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_refuses_callbacks_and_loses_nothing_it_accepted(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "limits", {"callback_retry_seconds": []})
    await asks(wecom, "before", 6)
    await bot.settle()
    await limit_pages(bot.database, 1)
    refused = await asks(wecom, "full", 60)
    await limit_pages(bot.database, 1_000_000)
    after = await asks(wecom, "after", 12)
    accepted = [question for question, status in {**refused, **after}.items() if status == 200]
    await all_done(bot)
    answers = [text for userid in MEMBERS for text in await wecom.texts(userid)]

    assert 503 in refused.values()
    assert set(after.values()) == {200}
    assert {question: sum(question in text for text in answers) for question in accepted} == dict.fromkeys(accepted, 1)


async def asks(wecom: WeCom, word: str, number: int) -> dict[str, int]:
    """So many long questions at once, by all members in turn: the status of each one's last delivery."""
    questions = [f"“{word} {n} " for n in range(number)]
    asked = [
        wecom.types(MEMBERS[n % len(MEMBERS)], question.removeprefix("“") + "长" * 3000)
        for n, question in enumerate(questions)
    ]
    outcomes = await asyncio.gather(*asked)
    return {one: outcome["deliveries"][-1]["status"] for one, outcome in zip(questions, outcomes, strict=True)}
