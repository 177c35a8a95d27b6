"""What becomes of jobs that fail: another try, a deadline, or the dead."""

import asyncio
from datetime import timedelta

import pytest

from bot.database import Database
from bot.jobs import (
    DEAD,
    DONE,
    READY,
    RUNNING,
    Done,
    Later,
    Refused,
    counts,
    retry_dead,
)
from bot.loop import MAX_ATTEMPTS, pause
from bot.wecom.errors import WeComUnreachable, error_for
from tests.bot.loops import Script, add, all_jobs, new, run_sql, settled, through, worked_off, working
from tests.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip pauses with."""
    return HandClock()


async def test_a_job_past_its_deadline_is_given_up_unrun_with_its_reason(database: Database, clock: HandClock) -> None:
    given_up: list[tuple[str, str]] = []
    script = Script()
    await add(database, new("late", clock, deadline=clock.now() - timedelta(seconds=1)))
    await worked_off(database, clock, script, given_up=lambda _session, job, why: given_up.append((job.key, why)))

    [job] = await all_jobs(database)
    assert (job.state, job.error, script.seen) == (DEAD, "late", [])
    assert given_up == [("late", "late")]


async def test_a_job_held_back_beyond_its_deadline_is_given_up_at_the_deadline(
    database: Database, clock: HandClock
) -> None:
    await add(database, new("welcome", clock, deadline=clock.now() + timedelta(seconds=20)))
    async with working(database, clock, Script(Later(900, "the secret is refused"))) as loop:
        await settled(loop)
        clock.forward(20)
        loop.wake()
        await settled(loop)

    [job] = await all_jobs(database)
    assert (job.state, job.error) == (DEAD, "late: the secret is refused")


async def test_the_last_try_lies_before_the_deadline_and_its_failure_is_lateness(
    database: Database, clock: HandClock
) -> None:
    gone = WeComUnreachable("message/send", "no connection", sent=False)
    script = Script(*[gone] * 40)
    deadline = clock.now() + timedelta(seconds=2)
    await add(database, new("welcome", clock, deadline=deadline))
    buried = asyncio.Event()
    running = asyncio.get_running_loop()

    def given_up(*_: object) -> None:
        running.call_soon_threadsafe(buried.set)

    async with working(database, clock, script, given_up) as loop:
        async with asyncio.timeout(10):
            await buried.wait()
        await settled(loop)

    [job] = await all_jobs(database)
    assert job.error == "late: message/send: no connection"
    assert 2 <= len(script.seen) <= 5
    assert job.finished_at is not None
    assert job.finished_at <= deadline + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("errcode", "shortest", "longest"),
    [(45009, 60, 60), (60020, 60, 60), (45033, 0.5, 2), (-1, 0.5, 60), (45035, 0.5, 60), (40014, 0.5, 60)],
)
@pytest.mark.parametrize("attempts", [1, 3, 50])
def test_what_may_pass_is_tried_again(errcode: int, shortest: float, longest: float, attempts: int) -> None:
    seconds = pause(error_for("message/send", errcode, ""), attempts)

    assert seconds is not None
    assert shortest <= seconds <= longest


@pytest.mark.parametrize("errcode", [48002, 81013, 40058, 301002, 84061, 41050])
def test_what_cannot_pass_is_not(errcode: int) -> None:
    assert pause(error_for("message/send", errcode, ""), 1) is None


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        (WeComUnreachable("message/send", "HTTP 502", sent=True), True),
        (WeComUnreachable("message/send", "no connection", sent=False), False),
        (error_for("message/send", -1, "system busy"), True),
        (error_for("message/send", 45033, ""), False),
        (error_for("message/send", 42001, ""), False),
    ],
)
async def test_a_try_that_may_have_worked_is_remembered(
    database: Database, clock: HandClock, error: Exception, unanswered: bool
) -> None:
    script = Script(error, Done())
    await add(database, new("one", clock))
    job = await through(database, clock, script)

    assert [one.unanswered for one in script.seen] == [False, unanswered]
    assert (job.state, job.attempts, job.error) == (DONE, 2, None)


async def test_a_call_whose_end_could_not_be_written_may_have_worked(database: Database, clock: HandClock) -> None:
    script = Script(Done("sent", lambda session: run_sql(session, "INSERT INTO nowhere VALUES (1)")), Done())
    await add(database, new("one", clock))
    await through(database, clock, script)

    assert [job.unanswered for job in script.seen] == [False, True]


async def test_a_failure_nobody_understands_is_tried_five_times(database: Database, clock: HandClock) -> None:
    await add(database, new("bug", clock))
    job = await through(database, clock, Script(*[ZeroDivisionError()] * 5))

    assert (job.state, job.attempts, job.error) == (DEAD, 5, "ZeroDivisionError")


async def test_the_platform_can_be_away_for_a_day_and_not_for_ever(database: Database, clock: HandClock) -> None:
    gone = WeComUnreachable("message/send", "no connection", sent=False)
    assert pause(gone, MAX_ATTEMPTS - 1) is not None
    assert pause(gone, MAX_ATTEMPTS) is None


async def test_a_kind_nobody_carries_out_is_dead_and_seen(database: Database, clock: HandClock) -> None:
    await add(database, new("odd", clock, kind="invented"))
    await worked_off(database, clock, Script())

    [job] = await all_jobs(database)
    assert (job.state, job.error) == (DEAD, "no runner for invented")
    assert await database.read(counts) == {READY: 0, RUNNING: 0, DEAD: 1}


async def test_a_dead_job_gets_another_life_by_hand(database: Database, clock: HandClock) -> None:
    await add(database, new("one", clock, deadline=clock.now() + timedelta(seconds=5)), new("two", clock))
    script = Script(Refused("never"), Refused("never"), Done())
    async with working(database, clock, script) as loop:
        await settled(loop)
        [one, two] = await all_jobs(database)
        clock.forward(60)
        revived = await database.write(lambda session: retry_dead(session, [one.id or 0, 99], clock.now()))
        await settled(loop)

    assert (one.state, two.state, revived) == (DEAD, DEAD, 1)
    assert [(job.state, job.attempts) for job in await all_jobs(database)] == [(DONE, 1), (DEAD, 1)]
