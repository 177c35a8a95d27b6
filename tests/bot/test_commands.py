"""The command line: every command explains itself, and every expected failure is a sentence and a non-zero exit."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from bot.app import only_loop
from bot.commands.line import app
from bot.database import Database
from bot.jobs import DEAD, READY, Job, NewJob, enqueue
from tests.bot.command import GOOD, frontline, settings_for
from tests.conftest import RunningBot, WeCom

FLOWS = """
flows:
  - name: 展会
    when: {states: ["expo-*"]}
    text: 欢迎来展位！
  - name: 默认
    text: 您好！
"""


def commands(group: Any, *path: str) -> Iterator[tuple[str, TyperCommand]]:
    """Every command below a group, by its words."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(get_command(app)))


@pytest.fixture
def settings(database_url: str) -> dict[str, str]:
    """Good settings on each database."""
    return GOOD | {"DATABASE_URL": database_url}


def test_the_documented_commands_are_there() -> None:
    assert {"serve", "demo", "simulator", "doctor", "migrate", "sync"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_is_explained(name: str) -> None:
    parameters: dict[str | None, Any] = {one.name: getattr(one, "help", None) for one in COMMANDS[name].params}

    assert (COMMANDS[name].help or "").endswith(".")
    assert [option for option, text in parameters.items() if option != "help" and not text] == []


async def test_help_lists_every_command(tmp_path: Path) -> None:
    ended = await frontline("--help", folder=tmp_path)

    assert ended.code == 0
    assert [name for name in COMMANDS if name.split()[0] not in ended.out] == []


async def test_an_unknown_command_is_an_error(tmp_path: Path) -> None:
    ended = await frontline("sreve", folder=tmp_path)

    assert ended.code == 2
    assert "No such command" in ended.err


async def test_migrate_makes_the_newest_schema_and_says_so(tmp_path: Path, empty_database_url: str) -> None:
    settings = GOOD | {"DATABASE_URL": empty_database_url}
    first = await frontline("migrate", folder=tmp_path, settings=settings)
    again = await frontline("migrate", folder=tmp_path, settings=settings)

    assert (first.code, again.code) == (0, 0)
    assert first.out.startswith("database at revision ")
    assert again.out == first.out.replace("\n", ", as before\n")


@pytest.mark.parametrize("words", [("welcome", "list"), ("jobs", "dead"), ("jobs", "retry", "1")])
async def test_a_database_without_a_schema_is_a_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = await frontline(*words, folder=tmp_path, settings=GOOD)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "the database is not up to date; run: frontline migrate\n"


async def test_welcome_flows_are_loaded_and_listed(
    tmp_path: Path, settings: dict[str, str], database: Database
) -> None:
    (tmp_path / "flows.yaml").write_text(FLOWS, "utf-8")
    loaded = await frontline("welcome", "load", "flows.yaml", folder=tmp_path, settings=settings)
    listed = await frontline("welcome", "list", folder=tmp_path, settings=settings)

    assert loaded.out == "2 welcome flows in force: 展会, 默认\n"
    assert ["展会" in line or "默认" in line for line in listed.out.splitlines()].count(True) == 2
    assert "states=['expo-*']" in listed.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("flows: [", "not readable as YAML"),
        ("flows: [{name: a}]", "text and attachments are both empty"),
        ("flows: [{name: a, text: 您好, whne: {}}]", "whne"),
        ("flows: [{name: a, text: '{{ customer.phone }}'}]", "customer.phone"),
        ("flows: [{name: a, text: 您好, when: {hours: morning}}]", "09:00-21:00"),
    ],
)
async def test_flows_that_cannot_be_loaded_are_a_sentence(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / ("flows.yaml" if content else "none.yaml")
    (tmp_path / "flows.yaml").write_text(content or "", "utf-8")
    ended = await frontline("welcome", "load", str(file), folder=tmp_path, settings=GOOD)

    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


async def test_dead_jobs_are_listed_and_given_another_try(
    tmp_path: Path, settings: dict[str, str], database: Database
) -> None:
    ids = await database.write(bury_two)
    listed = await frontline("jobs", "dead", folder=tmp_path, settings=settings)
    retried = await frontline("jobs", "retry", str(ids[0]), "999999", folder=tmp_path, settings=settings)

    assert "40096 no such customer" in listed.out
    assert retried.out == "1 of 2 jobs are ready again\n"
    states = await database.read(lambda session: dict(session.exec(select(Job.id, Job.state)).all()))
    assert states == {ids[0]: READY, ids[1]: DEAD}


def bury_two(session: Session) -> list[int]:
    """Two jobs that were given up."""
    at = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
    for number in range(2):
        enqueue(session, NewJob(f"test:{number}", "sync", at))
    jobs = list(session.exec(select(Job)).all())
    for job in jobs:
        job.state, job.error, job.finished_at = DEAD, "40096 no such customer", at + timedelta(minutes=1)
        session.add(job)
    return sorted(job.id or 0 for job in jobs)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--date", "tomorrow"), "--date tomorrow: expected a day such as"),
        (("--at", "noon"), "--at noon: expected a time such as 08:25"),
    ],
)
async def test_a_demo_day_that_is_none_is_a_sentence(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ended = await frontline("demo", "--once", *words, folder=tmp_path)

    assert ended.code == 1
    assert said in ended.err
    assert "Traceback" not in ended.err


SYNCED = """4 departments, 6 staff
1 tags in 1 groups
330 ties of 6 staff: 300 customers new, 330 tags changed, 330 ties new
1 groups: 1 groups new
"""


async def test_sync_pulls_everything_and_says_what_it_found(tmp_path: Path, wecom: WeCom, database_url: str) -> None:
    await wecom.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高"]})
    await wecom.sim("POST", "customers", {"count": 300})
    await silently(wecom, "groups", {"action": "create", "owner": "lin", "name": "福利群"})
    settings = settings_for(wecom, database_url)
    ended = await frontline("sync", folder=tmp_path, settings=settings)
    again = await frontline("sync", folder=tmp_path, settings=settings)

    assert (ended.code, ended.err, ended.out) == (0, "", SYNCED)
    assert again.out.splitlines()[2:] == ["330 ties of 6 staff: no change", "1 groups: no change"]


async def silently(wecom: WeCom, path: str, body: dict[str, Any]) -> None:
    """A control call whose callbacks nobody takes."""
    callback, wecom.corp.callback_url = wecom.corp.callback_url, ""
    await wecom.sim("POST", path, body)
    wecom.corp.callback_url = callback


async def test_sync_beside_a_server_whose_clock_is_behind(
    tmp_path: Path, bot: RunningBot, wecom: WeCom, database_url: str
) -> None:
    await wecom.sim("POST", "customers", {"count": 300})
    ended = await frontline("sync", folder=tmp_path, settings=settings_for(wecom, database_url))

    assert bot.parts.clock.now() < datetime.now(UTC)
    assert (ended.code, ended.err) == (0, "")
    assert "300 customers new" in ended.out


async def test_sync_beside_a_process_that_does_not_work_is_a_sentence(tmp_path: Path, wecom: WeCom) -> None:
    url = f"sqlite:///{tmp_path / 'held.db'}"
    held = Database(url)
    async with only_loop(held):
        ended = await frontline("sync", folder=tmp_path, settings=settings_for(wecom, url))
    await held.close()

    assert ended.code == 1
    assert ended.err.startswith("another process works on this database, but has not taken up the pull")


async def test_a_sync_that_wecom_refuses_is_a_sentence(tmp_path: Path, wecom: WeCom, database_url: str) -> None:
    await wecom.fault("department/list", errcode=60011)
    ended = await frontline("sync", folder=tmp_path, settings=settings_for(wecom, database_url))

    assert ended.code == 1
    assert ended.err.startswith("the pull was given up: staff and departments: department/list: 60011")
    assert "Traceback" not in ended.err
