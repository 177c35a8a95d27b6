"""Scripts: what is refused when one is saved, and what its versions keep."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.database import Database
from scripts_library.context import VARIABLES, ScriptContext
from scripts_library.media import add_file
from scripts_library.models import PERSONAS, PUBLISHED, RETIRED, STAGES, Script, ScriptVersion
from scripts_library.scripts import ScriptRefused, ScriptText, fill, publish, retire, save, script_named, written
from scripts_library.words import WordRefused, allow, forbid
from tests.conftest import MONDAY_TEN as NOW

GOOD = {"code": "own", "title": "停车", "stage": "engage", "body": "{{ customer.name }}，停车两小时免费。"}
FILE = {"msgtype": "image", "sha256": "0" * 64}
LINK = {"msgtype": "link", "title": "地图", "url": "https://example.com"}


def saved(session: Session, **given: Any) -> ScriptVersion:
    """A script saved, good unless told otherwise."""
    return save(session, written(GOOD | given), "su", NOW)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"title": "  "}, "title (now '  '): String should have at least 1 character"),
        ({"title": "长" * 41}, "title (now '" + "长" * 41),
        ({"code": "停车"}, "code (now '停车')"),
        ({"stage": "objections"}, "stage (now 'objections'): expected one of ice_break, engage,"),
        ({"persona": "boss"}, "persona (now 'boss'): expected one of"),
        ({"text": "x"}, "text is no field of a script; docs/scripts.md lists them"),
        ({"keywords": ["好"] * 31}, "keywords (now"),
        ({"keywords": [" "]}, "keywords.0 (now ' ')"),
        ({"body": " \n "}, "script own: body is blank; write what the customer is to read"),
        ({"body": "您好{{ customer.phone }}"}, "body: line 1: customer.phone is unknown; there are booking.item,"),
        ({"body": "好\n{% for x in customer.name %}x{% endfor %}"}, "body: line 2: for is not allowed here"),
        ({"body": "{{ customer.name.__class__ }}"}, "customer.name.__class__ is unknown"),
        ({"body": "{{ ''.__class__.__mro__ }}"}, "this expression is unknown"),
        ({"body": "{{ cycler('a') }}"}, "call is not allowed here"),
        ({"body": "{{ customer.name"}, "body: line 1: unexpected end of template"),
        ({"body": "贵" * 1334}, "the text can grow to 4002 bytes (a Chinese character has 3); 4000 are allowed"),
        ({"body": "{% if customer.name == 'x' %}好{% endif %}"}, "body comes out blank when nothing is known"),
        ({"otherwise": {"customer.age": "x"}}, "otherwise: customer.age is unknown; there are customer.name,"),
        ({"otherwise": {"customer.name": " "}}, "otherwise: customer.name is blank; write what to say without a value"),
        ({"otherwise": {"customer.name": "王" * 1330}}, "the text can grow to"),
        ({"attachments": [LINK] * 10}, "attachments: 10 are too many; 9 can be sent with one message"),
        ({"attachments": [FILE]}, "attachments.1: no file with the hash 000000000000… in the media library"),
        ({"attachments": [{"msgtype": "voice"}]}, "attachments.0 (now"),
        ({"attachments": [LINK | {"url": "ftp://x"}]}, "expected an address beginning with https://"),
        ({"attachments": [LINK | {"title": "图" * 43}]}, "129 bytes, 128 are allowed"),
        ({"title": "全国第一的店"}, "title, line 1: 全国第一 is forbidden (absolute); 没有权威出处就别写排名"),
        ({"body": "您好。\n种牙成功率高"}, "body, line 2: 成功率 is forbidden (medical); 广告法不许写比率"),
        ({"body": "这款保 本 保息"}, "body, line 1: 保本 is forbidden (returns)"),
        ({"body": "1００％有用"}, "body, line 1: 100% is forbidden (absolute)"),
        ({"body": "根{{ '治' }}牙病"}, "body, filled in: 根治 is forbidden (medical)"),
        ({"otherwise": {"customer.name": "顶级客户"}}, "otherwise customer.name, line 1: 顶级 is forbidden"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_its_place_and_the_remedy(
    database: Database, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(ScriptRefused) as refused:
        await database.write(lambda session: saved(session, **given))
    kept = await database.read(lambda session: session.exec(select(Script)).all())

    assert told in str(refused.value)
    assert kept == []


async def test_every_problem_is_told_at_once(database: Database) -> None:
    with pytest.raises(ScriptRefused) as refused:
        await database.write(lambda session: saved(session, body="{{ x }}根治", attachments=[FILE] * 2))

    assert len(str(refused.value).splitlines()) == 4
    assert all(line.startswith("script own: ") for line in str(refused.value).splitlines())


@pytest.mark.parametrize("body", ["老师讲得更有效率", "100%纯棉", "成本写在这里", "这是绝对值", "治愈系的颜色"])
async def test_innocent_words_that_hold_a_forbidden_one_pass(database: Database, body: str) -> None:
    assert (await database.write(lambda session: saved(session, body=body))).number == 1


async def test_the_list_of_forbidden_words_can_be_changed(database: Database) -> None:
    await database.write(lambda session: forbid(session, "清仓", "absolute", "写“换季优惠”", ["清仓库"]))
    with pytest.raises(ScriptRefused, match=r"清仓 is forbidden .absolute.; 写“换季优惠”"):
        await database.write(lambda session: saved(session, body="今天清仓"))
    kept = await database.write(lambda session: saved(session, body="周末清仓库"))
    removed = await database.write(lambda session: [allow(session, word) for word in ("清仓", "没有这个词", "首选")])
    again = await database.write(lambda session: saved(session, body="今天清仓，首选这款"))

    assert (kept.number, removed, again.number) == (1, [True, False, True], 2)


@pytest.mark.parametrize(
    ("word", "kind", "unless", "told"),
    [
        (" ", "absolute", [], "word is empty; write the word itself"),
        ("清仓", "rude", [], r"kind .now 'rude'.: expected one of absolute, medical, returns"),
        ("清仓", "absolute", ["仓库"], "unless .now '仓库'.: it must hold the word '清仓'"),
    ],
)
async def test_a_bad_entry_of_the_list_is_refused(
    database: Database, word: str, kind: str, unless: list[str], told: str
) -> None:
    with pytest.raises(WordRefused, match=told):
        await database.write(lambda session: forbid(session, word, kind, "", unless))


async def test_editing_makes_a_draft_and_the_published_text_stays_until_the_next_publishing(
    database: Database,
) -> None:
    def work(session: Session) -> list[str]:
        saved(session)
        publish(session, "own", 1, NOW)
        saved(session, title="停车收费", body="停车一小时免费。")
        texts = [text_of(session)]
        publish(session, "own", 2, NOW)
        texts.append(text_of(session))
        publish(session, "own", 1, NOW)
        return [*texts, text_of(session)]

    texts = await database.write(work)
    versions = await database.read(
        lambda session: session.exec(select(ScriptVersion).order_by(col(ScriptVersion.number))).all()
    )

    assert texts == ["停车 您好，停车两小时免费。", "停车收费 停车一小时免费。", "停车 您好，停车两小时免费。"]
    assert [(one.number, one.title, one.by) for one in versions] == [(1, "停车", "su"), (2, "停车收费", "su")]


def text_of(session: Session) -> str:
    """What is sent at the moment."""
    script = script_named(session, "own")
    filled = fill(session, script.id or 0, ScriptContext())
    return f"{filled.script.title} {filled.text}" if filled else "nothing"


async def test_a_version_is_checked_again_when_it_is_published(database: Database) -> None:
    await database.write(saved)
    await database.write(lambda session: forbid(session, "免费", "absolute"))
    with pytest.raises(ScriptRefused, match=r"免费 is forbidden .absolute.; say it in other words"):
        await database.write(lambda session: publish(session, "own", 1, NOW))
    with pytest.raises(ScriptRefused, match="script own: there is no version 7"):
        await database.write(lambda session: publish(session, "own", 7, NOW))
    with pytest.raises(ScriptRefused, match="there is no script 'other'"):
        await database.write(lambda session: publish(session, "other", 1, NOW))


async def test_a_retired_script_is_not_sent_and_comes_back_when_published(database: Database) -> None:
    def work(session: Session) -> list[tuple[str, str, int]]:
        saved(session)
        first = state_of(session, publish(session, "own", 1, NOW))
        second = state_of(session, retire(session, "own", NOW + timedelta(days=1)))
        return [first, second, state_of(session, publish(session, "own", 1, NOW + timedelta(days=2)))]

    published, retired, again = await database.write(work)

    assert published == (PUBLISHED, "停车 您好，停车两小时免费。", 1)
    assert retired == (RETIRED, "nothing", 2)
    assert again == (PUBLISHED, published[1], 3)


def state_of(session: Session, script: Script) -> tuple[str, str, int]:
    """Status, what is sent, and the library's number."""
    return script.status, text_of(session), script.revision


async def test_a_file_must_be_of_the_kind_it_goes_out_as(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 " + bytes(20))
    sha256 = await database.write(lambda session: add_file(session, tmp_path, "file", tmp_path / "a.pdf"))
    with pytest.raises(ScriptRefused, match=r"attachments.1: a.pdf is kept as file and cannot go out as image"):
        await database.write(lambda session: saved(session, attachments=[FILE | {"sha256": sha256}]))
    good = [{"msgtype": "file", "sha256": sha256}, LINK]
    version = await database.write(lambda session: saved(session, attachments=good))

    assert [one.msgtype for one in version.attachments] == ["file", "link"]


def test_without_any_value_every_variable_has_something_to_say() -> None:
    values = ScriptContext().values({"product.name": "这件"})

    assert values.keys() == VARIABLES.keys()
    assert all(value.strip() for value in values.values())
    assert values["product.name"] == "这件"


@pytest.mark.parametrize("name", [*VARIABLES, *ScriptText.model_fields, *STAGES, *PERSONAS])
def test_what_a_script_may_hold_is_documented(name: str) -> None:
    assert f"`{name}`" in (Path(__file__).parents[2] / "docs" / "scripts.md").read_text("utf-8")
