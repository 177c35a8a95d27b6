"""Jobs and their loop: order, priority, effects, and that nothing is done twice."""

import asyncio
import time
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from bot.database import Database
from bot.jobs import (
    DONE,
    READY,
    RUNNING,
    Done,
    Job,
    Later,
    Priority,
    Refused,
    Then,
    enqueue,
    forget_payloads,
)
from bot.loop import BESIDE, BESIDE_SECONDS, FLOCK
from tests.bot.loops import Script, add, add_now, all_jobs, new, settled, worked_off, working
from tests.hand_clock import HandClock

OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
CUT = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}"
"""Ends every connection to the database, as a restart of the server does."""
UNFINISHED = "SELECT id FROM job WHERE kind = 'test' AND state <> 'done'"


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip pauses with."""
    return HandClock()


async def test_a_key_is_known_for_ever(database: Database, clock: HandClock) -> None:
    first = await database.write(lambda session: enqueue(session, new("one", clock)))
    await worked_off(database, clock, Script(Done()))
    second = await database.write(lambda session: enqueue(session, new("one", clock)))

    assert (first, second) == (True, False)
    assert [job.state for job in await all_jobs(database)] == [DONE]


async def test_a_lane_is_worked_off_one_at_a_time_and_oldest_first(database: Database, clock: HandClock) -> None:
    under_way: dict[str | None, int] = {}
    order: list[str] = []
    most = 0

    async def run(job: Job) -> Done:
        nonlocal most
        under_way[job.lane] = under_way.get(job.lane, 0) + 1
        assert under_way[job.lane] == 1
        most = max(most, sum(under_way.values()))
        await asyncio.sleep(0.001)
        order.append(job.key)
        under_way[job.lane] -= 1
        return Done()

    await add(database, *(new(f"{lane}{n:02}", clock, lane=lane) for n in range(30) for lane in "abc"))
    await worked_off(database, clock, run)

    assert [[key for key in order if key[0] == lane] for lane in "abc"] == [
        [f"{lane}{n:02}" for n in range(30)] for lane in "abc"
    ]
    assert most > 1


async def test_a_lane_waits_for_its_oldest_job_and_others_do_not(database: Database, clock: HandClock) -> None:
    script = Script(Later(30, "not now"), Done(), Done(), Done())
    lanes = ("a", "a", "b")
    await add(database, *(new(f"{n}", clock, lane=lane) for n, lane in enumerate(lanes)))
    async with working(database, clock, script) as loop:
        await script.ran(2)
        clock.forward(30)
        loop.wake()
        await script.ran(2)
        await settled(loop)

    assert [job.key for job in script.seen] == ["0", "2", "0", "1"]
    assert [job.attempts for job in await all_jobs(database)] == [1, 1, 1]


async def test_what_is_more_urgent_goes_first(database: Database, clock: HandClock) -> None:
    order: list[int] = []

    async def run(job: Job) -> Done:
        order.append(job.priority)
        return Done()

    await add(database, *(new(f"{n}", clock, priority=Priority(4 - n % 5)) for n in range(50)))
    await worked_off(database, clock, run)

    assert order == sorted(order)


async def test_a_welcome_starts_at_once_while_pushes_fill_their_share_of_slots(
    database: Database, clock: HandClock
) -> None:
    greeted, release = asyncio.Event(), asyncio.Event()

    async def push(_: Job) -> Done:
        await release.wait()
        return Done()

    async def welcome(_: Job) -> Done:
        greeted.set()
        return Done()

    await add(database, *(new(f"push {n}", clock, priority=Priority.PUSH) for n in range(450)))
    async with working(database, clock, push, welcome=welcome) as loop:
        await add(database, new("welcome", clock, kind="welcome", priority=Priority.WELCOME))
        async with asyncio.timeout(5):
            await greeted.wait()
        release.set()
        await settled(loop)

    assert {job.state for job in await all_jobs(database)} == {DONE}


async def test_while_many_welcomes_are_under_way_other_work_goes_on_slowly(
    database: Database, clock: HandClock
) -> None:
    """Also where there was nothing else to do when they came."""
    greeting, release = asyncio.Semaphore(0), asyncio.Event()
    later = Script(*(Done() for _ in range(3 * BESIDE)))

    async def welcome(_: Job) -> Done:
        greeting.release()
        await release.wait()
        return Done()

    async with working(database, clock, later, welcome=welcome) as loop:
        await add(database, *(new(f"w{n}", clock, kind="welcome", priority=Priority.WELCOME) for n in range(FLOCK)))
        async with asyncio.timeout(5):
            for _ in range(FLOCK):
                await greeting.acquire()
        began = time.monotonic()
        await add(database, *(new(f"later {n}", clock) for n in range(3 * BESIDE)))
        await later.ran(BESIDE + 1)
        seconds = time.monotonic() - began
        assert len(later.seen) <= BESIDE * (1 + seconds / BESIDE_SECONDS)
        assert seconds >= BESIDE_SECONDS
        release.set()
        await later.ran(2 * BESIDE - 1)
        await settled(loop)

    assert {job.state for job in await all_jobs(database)} == {DONE}


async def test_effects_and_the_end_of_a_job_are_written_together(database: Database, clock: HandClock) -> None:
    later = clock.now() + timedelta(days=1)

    def leaves(name: str) -> Then:
        return lambda session: add_now(session, new(name, clock, kind="effect", run_at=later))

    def fails(session: Session) -> None:
        leaves("effect of the bad one")(session)
        raise KeyError

    script = Script(Done("made", leaves("first")), Done("made", fails), Done("made", leaves("last")))
    await add(database, *(new(key, clock) for key in ("good", "bad", "fine")))
    await worked_off(database, clock, script)

    states = {job.key: (job.state, job.outcome) for job in await all_jobs(database)}
    assert states == {
        "good": (DONE, "made"),
        "bad": (READY, None),
        "fine": (DONE, "made"),
        "first": (READY, None),
        "last": (READY, None),
    }


async def test_a_job_somebody_else_took_leaves_no_effects(database: Database, clock: HandClock) -> None:
    async def run(job: Job) -> Done:
        taken = update(Job).where(col(Job.id) == job.id).values(state=DONE, outcome="by another")
        await database.write(lambda session: session.execute(taken))
        return Done("by us", lambda session: add_now(session, new("effect", clock)))

    await add(database, new("one", clock))
    await worked_off(database, clock, run)

    [job] = await all_jobs(database)
    assert job.outcome == "by another"


async def test_what_was_under_way_at_a_crash_is_done_again_with_its_answer_unknown(
    database: Database, clock: HandClock
) -> None:
    script = Script(Done())
    await add(database, new("one", clock))
    crashed = update(Job).values(state=RUNNING, attempts=1)
    await database.write(lambda session: session.execute(crashed))
    await worked_off(database, clock, script)

    [seen] = script.seen
    assert (seen.attempts, seen.unanswered) == (2, True)


async def test_payloads_are_emptied_a_week_after_the_end(database: Database, clock: HandClock) -> None:
    await add(database, *(new(key, clock, payload={"text": key}) for key in ("old", "failed")))
    await worked_off(database, clock, Script(Done(), Refused("never")))
    clock.forward(timedelta(days=7, minutes=1).total_seconds())
    await add(database, new("fresh", clock, payload={"text": "fresh"}))
    await worked_off(database, clock, Script(Done()))
    emptied = await database.write(lambda session: forget_payloads(session, clock.now()))
    again = await database.write(lambda session: forget_payloads(session, clock.now()))

    assert (emptied, again) == (1, 0)
    payloads = [(job.key, job.payload) for job in await all_jobs(database)]
    assert payloads == [("old", {}), ("failed", {"text": "failed"}), ("fresh", {"text": "fresh"})]


async def test_rows_another_process_wrote_are_found_within_seconds(database: Database, clock: HandClock) -> None:
    found = asyncio.Event()

    async def run(_: Job) -> Done:
        found.set()
        return Done()

    other = Database(database.engine.url.render_as_string(hide_password=False).replace("+psycopg", ""))
    async with working(database, clock, run) as loop:
        await settled(loop)
        await add(other, new("from elsewhere", clock))
        async with asyncio.timeout(5):
            await found.wait()
        await settled(loop)
    await other.close()


async def test_a_loop_is_stopped_also_in_the_moment_it_is_woken(database: Database, clock: HandClock) -> None:
    for number in range(20):
        async with working(database, clock, Script(Done())) as loop:
            await settled(loop)
            await add(database, new(f"{number}", clock))
            await asyncio.sleep(0)
            loop.wake()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_loops_over_one_postgresql_never_run_a_job_twice(database: Database, clock: HandClock) -> None:
    runs: list[int] = []
    lanes: set[str | None] = set()

    async def run(job: Job) -> Done:
        assert job.lane is None or job.lane not in lanes
        lanes.add(job.lane)
        runs.append(job.id or 0)
        await asyncio.sleep(0.002)
        lanes.discard(job.lane)
        return Done()

    other = Database(database.engine.url.render_as_string(hide_password=False).replace("+psycopg", ""))
    async with working(database, clock, run) as first, working(other, clock, run) as second:
        await settled(first)
        await settled(second)
        for group in range(20):
            await add(database, *(new(f"{group}.{n}", clock, lane=(f"lane {n % 7}", None)[n % 2]) for n in range(30)))
            second.wake()
        await settled(first)
        await settled(second)
    await other.close()

    assert sorted(runs) == [job.id for job in await all_jobs(database)]
    assert {job.state for job in await all_jobs(database)} == {DONE}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_that_restarts_loses_nothing(database: Database, clock: HandClock) -> None:
    effects = [f"effect {n}" for n in range(200)]

    async def run(job: Job) -> Done:
        await asyncio.sleep(0.002)
        later = clock.now() + timedelta(days=9)
        return Done(
            "made", lambda session: add_now(session, new(f"effect {job.key}", clock, kind="effect", run_at=later))
        )

    await add(database, *(new(f"{n}", clock) for n in range(200)))
    address = database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    async with working(database, clock, run) as loop:
        with psycopg.connect(address, autocommit=True) as outside:
            for _ in range(10):
                outside.execute(CUT)
                await asyncio.sleep(0.01)
            async with asyncio.timeout(60):
                while outside.execute(UNFINISHED).fetchall():
                    await asyncio.sleep(0.1)
                    clock.forward(5)
                    loop.wake()

    assert sorted(job.key for job in await all_jobs(database) if job.kind == "effect") == sorted(effects)
