"""What can be seen from outside: a JSON line per callback and call, nothing private in any, health and numbers."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.clock import Clock
from bot.observability import LINES
from tests.conftest import RunningBot, WeCom, bot_settings, running_bot

Json = dict[str, Any]


@dataclass
class Log:
    """The run's log file, from where the test began."""

    path: Path
    begins_at: int

    def text(self) -> str:
        """Everything written since."""
        LINES.pour()
        return self.path.read_text("utf-8")[self.begins_at :]

    def lines(self, event: str) -> list[Json]:
        """The lines of one kind."""
        return [line for line in map(json.loads, self.text().splitlines()) if line["event"] == event]


@pytest.fixture
def log(log_lines: Path) -> Log:
    """A log that begins here: take it before `bot`."""
    LINES.pour()
    return Log(log_lines, len(log_lines.read_text("utf-8")))


@pytest.fixture
async def refused_bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[RunningBot]:
    """A bot whose secret WeCom does not know."""
    settings = bot_settings(wecom.corp, wecom.url, database_url, tmp_path, agent_secret="marker-secret")
    async with running_bot(wecom, settings, clock) as running:
        yield running


async def asked(bot: RunningBot, path: str) -> tuple[int, Json]:
    """Status and JSON of one page."""
    async with bot.wecom.http.get(f"{bot.url}/{path}") as answer:
        return answer.status, await answer.json()


async def numbers(bot: RunningBot) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample of /metrics, by its name and the values of its labels in the order of their names."""
    async with bot.wecom.http.get(f"{bot.url}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    families = text_string_to_metric_families(text)
    samples = (one for family in families for one in family.samples)
    return {(one.name, tuple(value for _, value in sorted(one.labels.items()))): one.value for one in samples}


async def test_every_callback_and_every_call_has_its_line(log: Log, bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "delivery", {"repeat": 3})
    await wecom.adds_friend("lin", state="expo-2026")
    await wecom.types("wang", "ping")
    await wecom.sim("POST", "menu-clicks", {"userid": "su", "key": "help"})
    await bot.settle()

    lines = Counter((line["kind"], line["outcome"]) for line in log.lines("callback"))
    assert lines == {
        (kind, outcome): number
        for kind in ("change_external_contact.add_external_contact", "text", "click")
        for outcome, number in (("stored", 1), ("duplicate", 2))
    }
    made = Counter((call["path"], call["errcode"]) for call in (await wecom.sim("GET", "calls"))["calls"])
    assert Counter((line["path"], line["errcode"]) for line in log.lines("call")) == made
    assert made[("message/send", 0)] == 2
    assert all(line["ms"] > 0 and line["timestamp"].endswith("Z") for line in log.lines("callback"))


async def test_a_call_that_fails_has_its_line_too(log: Log, bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault("externalcontact/send_welcome_msg", errcode=41050, times=1)
    await wecom.adds_friend("lin")
    await wecom.fault("message/send", drop="answer", times=1)
    await wecom.types("lin", "ping")
    await bot.settle()

    failed = [(line["path"], line["errcode"], line["outcome"]) for line in log.lines("call") if line["outcome"] != "ok"]
    assert sorted(failed) == [
        ("externalcontact/send_welcome_msg", 41050, "WelcomeRefused"),
        ("message/send", None, "WeComUnreachable"),
    ]


async def test_no_line_holds_a_name_a_text_or_a_secret(log: Log, bot: RunningBot, wecom: WeCom) -> None:
    added = await wecom.adds_friend("lin", name="MARKER李女士", phone="13900001111")
    await wecom.fault("message/send", errcode=40058, times=2)
    await wecom.types("lin", "MARKER 价格太贵怎么回")
    await wecom.types("wang", "MARKER<!DOCTYPE html>")
    await wecom.sim(
        "POST", "remarks", {"userid": "lin", "external_userid": added["external_userid"], "remark": "MARKER"}
    )
    await wecom.sim("POST", "callbacks/raw", {"xml": "<xml><MARKER>MARKER</MARKER></xml>", "repeat": 1})
    await wecom.sim("POST", "tokens/revoke", {})
    await wecom.types("su", "MARKER again")
    await bot.settle()

    text, corp = log.text(), wecom.corp
    secrets = (corp.app.secret, corp.callback_token, corp.callback_aes_key, added["welcome_code"], "test-secret-key")
    private = ("MARKER", "13900001111", "林晓", "您好", "access_token", "corpsecret", bot.parts.settings.database)
    assert [one for one in (*secrets, *private) if one in text] == []
    token = await bot.parts.gateway.store.current()
    assert token not in text


async def test_a_running_bot_is_alive_and_ready(bot: RunningBot) -> None:
    assert await asked(bot, "healthz") == (200, {"status": "ok"})
    assert await asked(bot, "readyz") == (200, {"status": "ok", "database": True, "engine": True, "token": True})


async def test_a_refused_secret_is_not_ready_but_alive(log: Log, refused_bot: RunningBot) -> None:
    assert await asked(refused_bot, "healthz") == (200, {"status": "ok"})
    status, said = await asked(refused_bot, "readyz")

    assert (status, said) == (503, {"status": "failing", "database": True, "engine": True, "token": False})
    assert [line["refusals"] for line in log.lines("secret refused")] == [1]
    assert "marker-secret" not in log.text()


async def test_stopped_loops_are_not_ready(bot: RunningBot) -> None:
    await bot.parts.stop()

    assert await asked(bot, "readyz") == (503, {"status": "failing", "database": True, "engine": False, "token": True})


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_database_that_is_gone_is_not_ready_until_it_is_back(bot: RunningBot, postgres: str) -> None:
    name = bot.database.engine.url.database
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        gone = await asked(bot, "readyz")
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        back = await asked(bot, "readyz")

    assert (gone[0], gone[1]["status"], gone[1]["database"]) == (503, "failing", False)
    assert (back[0], back[1]["database"]) == (200, True)


async def test_the_numbers_can_be_parsed_and_count_what_happens(bot: RunningBot, wecom: WeCom) -> None:
    before = await numbers(bot)
    await wecom.sim("POST", "delivery", {"repeat": 2})
    await wecom.adds_friend("lin")
    await bot.settle()
    after = await numbers(bot)

    def grown(name: str, *labels: str) -> float:
        """How much a number has grown."""
        return after[(name, labels)] - before.get((name, labels), 0.0)

    added = "change_external_contact.add_external_contact"
    assert grown("frontline_callbacks_total", added, "stored") == 1
    assert grown("frontline_callbacks_total", added, "duplicate") == 1
    assert grown("frontline_callback_seconds_count") == 2
    assert grown("frontline_wecom_calls_total", "ok", "externalcontact/send_welcome_msg") == 1
    assert grown("frontline_wecom_call_seconds_count", "externalcontact/send_welcome_msg") == 1
    assert grown("frontline_jobs_total", "welcome", "done") == 1
    assert grown("frontline_welcomes_total", "sent") == 1
    assert grown("frontline_welcome_seconds_count") == 1


async def test_a_job_that_was_given_up_is_a_number(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.fault("message/send", errcode=40058)
    await wecom.types("lin", "ping")
    await bot.settle()

    assert (await numbers(bot))[("frontline_jobs_by_state", ("dead",))] == 1


async def test_a_refused_callback_is_counted(bot: RunningBot, wecom: WeCom) -> None:
    before = await numbers(bot)
    await wecom.sim("POST", "limits", {"callback_retry_seconds": []})
    await wecom.sim("POST", "callbacks/raw", {"xml": "<xml/>", "corrupt": "signature"})
    after = await numbers(bot)

    key = ("frontline_callbacks_total", ("any", "rejected"))
    assert after[key] - before.get(key, 0.0) == 1
