"""`frontline scripts load`: ready-made scripts by name, a company's own from a file."""

from pathlib import Path

import pytest

from bot.database import Database
from scripts_library.loading import Loaded, load
from scripts_library.scripts import ScriptRefused
from tests.bot.command import GOOD, frontline
from tests.conftest import MONDAY_TEN as NOW

OWN = """
category: 停车
scripts:
  - {code: parking, title: 停车收费, stage: engage, body: "两小时内免费。"}
"""


async def test_the_command_says_what_was_added_or_what_is_wrong(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    settings = GOOD | {"DATABASE_URL": database_url}
    done = await frontline("scripts", "load", "dental", folder=tmp_path, settings=settings)
    wrong = await frontline("scripts", "load", "dentist", folder=tmp_path, settings=settings)

    assert done.out.strip() == "20 scripts added, 0 updated, 0 left as they are"
    assert wrong.code == 1
    assert "dentist: neither a file nor one of general, insurance, dental" in wrong.err
    assert "Traceback" not in wrong.err


async def test_an_own_file_is_taken_in_and_overwrites(tmp_path: Path, database: Database) -> None:
    told = []
    for text in (OWN, OWN, OWN.replace("两小时", "一小时")):
        (tmp_path / "own.yaml").write_text(text, "utf-8")
        told.append(await database.write(lambda session: load(session, str(tmp_path / "own.yaml"), NOW)))

    assert told == [Loaded(added=1), Loaded(untouched=1), Loaded(updated=1)]


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [
        ("gone.yaml", "", "gone.yaml: there is no such file"),
        ("own.yaml", "[", "own.yaml: not readable as YAML in UTF-8"),
        ("own.yaml", "flows: []", "own.yaml: expected a list of scripts below the word scripts:"),
        ("own.yaml", "scripts: [停车]", "own.yaml: script 1: expected its fields, found '停车'"),
        ("own.yaml", OWN.replace("engage", "start"), "own.yaml: script parking: stage (now 'start'): expected one of"),
        ("own.yaml", OWN.replace("停车收费", "''"), "own.yaml: script parking: title (now '')"),
        ("own.yaml", OWN.replace("免费", "最优惠"), "script parking: body, line 1: 最优惠 is forbidden (absolute)"),
        ("own.yaml", OWN + OWN.split("scripts:")[1], "the code 'parking' stands twice"),
    ],
)
async def test_a_bad_file_is_refused_whole_with_place_and_remedy(
    tmp_path: Path, database: Database, source: str, text: str, told: str
) -> None:
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    with pytest.raises(ScriptRefused) as refused:
        await database.write(lambda session: load(session, str(tmp_path / source), NOW))

    assert told in str(refused.value)
