"""Search in the library: what finds what, and that the index follows the record."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import event
from sqlmodel import Session

from bot.database import Database
from scripts_library.loading import EVERYTHING, FOLDER, load_content, read_content
from scripts_library.models import ScriptLibrary
from scripts_library.scripts import publish, retire, save, written
from scripts_library.search import Entry, Index, keep_indexed, search
from scripts_library.terms import spelled
from tests.conftest import MONDAY_TEN as NOW

QUESTIONS = yaml.safe_load((Path(__file__).parents[1] / "data" / "search_questions.yaml").read_text("utf-8"))[
    "questions"
]
RECALL = 0.95
"""How many of the questions find a right script among the first three; see docs/scripts.md."""


@pytest.fixture(scope="module")
def index() -> Index:
    """All ready-made scripts."""
    made = Index()
    scripts = [script for name in EVERYTHING for script in read_content(FOLDER / f"{name}.yaml")]
    for number, one in enumerate(scripts, 1):
        made.add(Entry(number, 1, one.code, one.title, one.category, one.stage, ""), one.keywords, one.body)
    return made


def codes(index: Index, words: str, limit: int = 3, categories: list[str] | None = None) -> list[str]:
    """The codes of what is found."""
    return [hit.entry.code for hit in index.find(words, limit, categories)]


def test_the_hundred_questions_find_their_script_among_the_first_three(index: Index) -> None:
    missed = [one["ask"] for one in QUESTIONS if not set(codes(index, one["ask"])) & set(one["find"])]

    assert len(QUESTIONS) == 100
    assert len(missed) <= len(QUESTIONS) * (1 - RECALL), missed


@pytest.mark.parametrize(
    "words",
    [
        "价格太贵",
        "太贵",
        "嫌贵",
        "价钱高",
        "taigui",
        "tai gui",
        "TaiGui",
        "tgl",
        "expensive",
        "expensve",
        "太柜了",
        "太贵了！！",
    ],
)
def test_many_ways_to_say_too_expensive(index: Index, words: str) -> None:
    assert "objection-too-expensive" in codes(index, words)


def test_words_of_two_characters_and_of_one_find(index: Index) -> None:
    assert codes(index, "退保")[0] == "insurance-objection-surrender"
    assert "objection-too-expensive" in codes(index, "贵", 5)


def test_a_trade_can_be_asked_for_alone(index: Index) -> None:
    found = index.find("太贵", 5, ["口腔"])

    assert found[0].entry.code == "dental-objection-price"
    assert {hit.entry.category for hit in found} == {"口腔"}


def test_the_best_stand_first_and_no_more_than_asked_for(index: Index) -> None:
    found = index.find("生日祝福", 5)

    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert len(found) == 5


@pytest.mark.parametrize("question", [one["ask"] for one in QUESTIONS[::5]])
def test_looking_through_common_words_less_changes_no_answer(index: Index, question: str) -> None:
    everything, few = index.find(question, 10_000), index.find(question, 5)

    assert [hit.entry for hit in few] == [hit.entry for hit in everything[:5]]
    assert [hit.score for hit in few] == pytest.approx([hit.score for hit in everything[:5]])


@pytest.mark.parametrize("words", ["", " ", "？？", "🦄", "\x00", "话术"])
def test_nothing_is_found_for_nothing(index: Index, words: str) -> None:
    assert index.find(words, 5) == []


@pytest.mark.parametrize(
    ("letters", "syllables"),
    [("taigui", ("tai", "gui")), ("shengri", ("sheng", "ri")), ("xian", ("xian",)), ("tgl", ()), ("price", ())],
)
def test_letters_are_read_as_pinyin_where_they_can_be(letters: str, syllables: tuple[str, ...]) -> None:
    assert spelled(letters) == syllables


def own(session: Session, code: str, **given: Any) -> None:
    """A script of the company's own, published."""
    fields = {"code": code, "title": "停车收费", "stage": "engage", "body": "停车两小时内免费。"}
    version = save(session, written(fields | given), "su", NOW)
    publish(session, code, version.number, NOW)


async def found(database: Database, words: str) -> list[tuple[str, int]]:
    """What a search in the database finds: code and version."""
    hits = await database.read(lambda session: search(session, words))
    return [(hit.entry.code, hit.entry.version) for hit in hits]


async def test_the_index_follows_every_change(database: Database) -> None:
    before = await found(database, "停车")
    await database.write(lambda session: own(session, "one"))
    published = await found(database, "停车")
    await database.write(lambda session: own(session, "one", title="充电桩", body="充电桩在二楼。"))
    edited = (await found(database, "停车"), await found(database, "充电"))
    await database.write(lambda session: retire(session, "one", NOW))
    retired = await found(database, "充电")

    assert (before, published) == ([], [("one", 1)])
    assert edited == ([], [("one", 2)])
    assert retired == []


async def test_what_was_undone_is_never_found(database: Database) -> None:
    def undone(session: Session) -> None:
        own(session, "one")
        assert search(session, "停车") == []
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await database.write(undone)
    await database.write(lambda session: own(session, "two"))

    assert await found(database, "停车") == [("two", 1)]


async def test_a_library_begun_anew_under_the_same_name_is_read_anew(database: Database) -> None:
    await database.write(lambda session: own(session, "one"))
    await found(database, "停车")

    def begin_anew(session: Session) -> None:
        retire(session, "one", NOW).revision = 0
        session.get_one(ScriptLibrary, 1).revision = 0

    await database.write(begin_anew)
    assert await found(database, "停车") == []


async def test_closing_waits_for_whoever_reads_the_index(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts_library.search.REFRESH_SECONDS", 0)
    database = Database(database_url)
    reads, go = threading.Event(), threading.Event()

    @event.listens_for(database.engine, "before_cursor_execute")
    def hold(*_: Any) -> None:
        reads.set()
        go.wait()

    keeping = asyncio.create_task(keep_indexed(database))
    await asyncio.to_thread(reads.wait)
    keeping.cancel()
    closing = asyncio.create_task(database.close())
    early, _ = await asyncio.wait({closing}, timeout=0.3)
    go.set()
    await closing

    assert not early


async def test_ready_made_scripts_are_installed_once_and_edited_ones_are_left_alone(database: Database) -> None:
    first = await database.write(lambda session: load_content(session, EVERYTHING, NOW))
    own_words = {"title": "客户说价格太贵", "stage": "objection", "body": "贵有贵的道理，我给您讲讲。"}
    await database.write(lambda session: own(session, "objection-too-expensive", **own_words))
    again = await database.write(lambda session: load_content(session, EVERYTHING, NOW))
    [hit] = await database.read(lambda session: search(session, "价格太贵", 1))

    assert first.added >= 120
    assert (again.added, again.updated, again.untouched) == (0, 0, first.added)
    assert hit.entry.opening == "贵有贵的道理，我给您讲讲。"


def test_every_stage_and_trade_has_ready_made_scripts() -> None:
    files = {name: read_content(FOLDER / f"{name}.yaml") for name in EVERYTHING}
    stages = {script.stage for script in files["general"]}

    assert len(stages) == 9
    assert min(len(scripts) for scripts in files.values()) >= 15
    assert all(len({script.stage for script in scripts}) >= 8 for scripts in files.values())
