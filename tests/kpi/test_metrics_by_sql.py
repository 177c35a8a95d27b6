"""Every number against SQL written by hand from the design, on the demo's data: the function, the API and chat.

The SQL (`by_hand/`) knows nothing of `kpi`: it works on the facts, from whose an order is to who could be reached.
"""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from assistant.grammar import understand
from assistant.questions import Numbers
from assistant.wording import shown
from bot.clock import Clock
from bot.database import make_engine
from bot.language import speaking
from kpi.measures import METRICS, measure
from kpi.periods import Period, resolve
from kpi.scope import EVERYBODY
from simulator.app import create_simulator
from simulator.corp import Corp
from simulator.platform import PLATFORM
from simulator.population.settling import settle
from simulator.population.ties import populate
from tests.bot.program import TOKEN
from tests.conftest import (
    BOTH,
    RunningBot,
    WeCom,
    bot_settings,
    created,
    database_named,
    free_port,
    running_bot,
    served,
)
from tests.kpi.company import ZONE
from tests.kpi.demo import FRIDAY, NOW, VIEWS, View, demo_company, metrics_by_hand, us, write_facts, write_views

NO_TITLE_QUESTION = {"commission", "bought_together", "customers_brought", "todos_overdue"}
"""Numbers that chat answers to other words than their titles."""
QUIET = tuple(view for view in VIEWS if view.period != "this_month")
"""What the bot's own morning leaves as it is: it makes to-dos of this month."""
TOGETHER = 4
"""Numbers asked for in one question."""


@dataclass
class Demo:
    """The demo in a database of one kind, and every number by hand."""

    engine: Engine
    copied: Any
    """Makes a copy of the database: its address."""
    numbers: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """By view and metric."""


@contextmanager
def filled(url: str, copied: Any) -> Iterator[Demo]:
    """Fill an empty database with the demo and work out every number by hand."""
    demo = Demo(make_engine(url), copied)
    with Session(demo.engine) as session:
        demo_company(session)
        session.execute(text("ANALYZE"))
        write_facts(session)
        session.execute(text("ANALYZE"))
        session.commit()
        for view in VIEWS:
            demo.numbers[view.name] = by_hand(session, view)
        session.commit()
    demo.engine.dispose()
    yield demo
    demo.engine.dispose()


@pytest.fixture(scope="module", params=BOTH)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo on each database, made once."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("by_hand") / "demo.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)

        @contextmanager
        def copied() -> Iterator[str]:
            made.engine.dispose()  # what was written is in the one file then
            copy = path.with_name("copy.db")
            shutil.copy(path, copy)
            yield f"sqlite:///{copy}"

        with filled(f"sqlite:///{path}", copied) as made:
            yield made
        return
    server = request.getfixturevalue("postgres")
    with created(server, request.getfixturevalue("postgres_template")) as name:

        @contextmanager
        def copied() -> Iterator[str]:
            made.engine.dispose()
            with created(server, name) as copy:
                yield database_named(server, copy)

        with filled(database_named(server, name), copied) as made:
            yield made


def period_of(session: Session, view: View) -> Period:
    """The days a view is of."""
    return resolve(session, view.period, NOW, ZONE)


def by_hand(session: Session, view: View) -> dict[str, float | None]:
    """Every number that can be seen so."""
    connection, period = session.connection(), period_of(session, view)
    write_views(connection, view, period)
    given: dict[str, Any] = {
        "start": us(period.start), "end": us(min(period.end, NOW)), "before": us(period.before().start), "now": us(NOW),
        "first": str(period.first), "until": str(min(period.last, FRIDAY)), "today": str(FRIDAY),
    }  # fmt: skip
    found: dict[str, float | None] = {}
    for name, sql in metrics_by_hand(connection).items():
        if name in METRICS and set(view.query) <= set(METRICS[name].dimensions):
            needed = {key: value for key, value in given.items() if f":{key}" in sql}
            value = connection.execute(text(sql), needed).scalar()
            found[name] = None if value is None else float(value)
    return found


def narrowed(view: View) -> dict[str, Any]:
    """A view's filters as the function takes them."""
    return {key: value if key == "staff" else int(value) for key, value in view.query.items()}


def test_every_metric_of_the_registry_has_its_sql(demo: Demo) -> None:
    with Session(demo.engine) as session:
        assert set(METRICS) - set(metrics_by_hand(session.connection())) == set()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name.replace(" ", "_"))
def test_every_number_is_what_the_sql_by_hand_says(demo: Demo, view: View) -> None:
    with Session(demo.engine) as session:
        period = period_of(session, view)
        measured = {
            name: measure(session, name, EVERYBODY, period, NOW, filters=narrowed(view))
            for name in demo.numbers[view.name]
        }

    assert [name for name, one in measured.items() if not one.connected] == []
    assert {name: one.value for name, one in measured.items()} == approximately(demo.numbers[view.name])


def approximately(numbers: dict[str, float | None]) -> Any:
    """But for the last digits of a division."""
    return pytest.approx(numbers, rel=1e-9)


def test_the_demo_has_something_to_count_for_every_number(demo: Demo) -> None:
    assert [name for name, value in demo.numbers["company"].items() if not value] == ["payback_days"]


@pytest.fixture
async def running(demo: Demo, tmp_path: Path) -> AsyncIterator[RunningBot]:
    """The bot on a copy of the demo, beside the demo's WeCom."""
    corp = Corp(Clock(NOW))
    corp.callback_url = f"http://127.0.0.1:{free_port()}/wecom/callback"
    simulator = create_simulator(corp)
    settle(simulator[PLATFORM], populate(FRIDAY))
    with demo.copied() as url:
        async with served(simulator) as simulator_url, aiohttp.ClientSession() as http:
            wecom = WeCom(corp, simulator_url, http)
            settings = bot_settings(corp, simulator_url, url, tmp_path, api_token=TOKEN)
            async with running_bot(wecom, settings, corp.clock) as bot:
                yield bot


async def test_the_api_and_chat_say_the_same(demo: Demo, running: RunningBot) -> None:
    for view in QUIET:
        answered = {name: await asked(running, name, view) for name in demo.numbers[view.name]}
        assert answered == approximately(demo.numbers[view.name]), view.name
    names = [name for name in METRICS if name not in NO_TITLE_QUESTION]
    for userid, view_name in (("gao", "company"), ("lin", "member")):
        numbers = demo.numbers[view_name]
        known = [name for name in names if name in numbers]
        assert await missing(running, userid, known, numbers) == []


async def asked(bot: RunningBot, name: str, view: View) -> float | None:
    """A number as the API has it."""
    url = f"{bot.url}/api/v1/metrics/{name}"
    query = {"period": view.period, **view.query}
    async with bot.wecom.http.get(url, params=query, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        fields = await answer.json()
        assert answer.status == 200, fields
        value: float | None = fields["value"]
        return value


async def missing(bot: RunningBot, userid: str, names: list[str], numbers: dict[str, float | None]) -> list[str]:
    """Which numbers of last month chat does not tell as they are."""
    wrong = []
    for start in range(0, len(names), TOGETHER):
        some = names[start : start + TOGETHER]
        question = "上个月的" + "、".join(METRICS[name].zh for name in some)
        understood = understand(question)
        assert isinstance(understood, Numbers)
        assert sorted(understood.metrics) == sorted(some)
        await bot.wecom.types(userid, question)
        await bot.settle()
        told = json.dumps((await bot.wecom.chat(userid))[-1], ensure_ascii=False)
        wrong += [name for name in some if line_of(name, numbers[name]) not in told]
        # The platform drops what is above thirty messages a minute.
        bot.wecom.corp.clock.jump(bot.wecom.corp.clock.now() + timedelta(seconds=5))
    return wrong


def line_of(name: str, value: float | None) -> str:
    """How chat writes a number."""
    with speaking("zh_CN"):
        return f"{METRICS[name].zh}：{shown(value, METRICS[name].unit)}"
