"""`frontline scripts load`: ready-made scripts by name, a company's own from a file."""

from pathlib import Path

import pytest

from tests.bot.command import GOOD, frontline

OWN = """
category: 停车
scripts:
  - {code: parking, title: 停车收费, stage: engage, body: "两小时内免费。"}
"""


@pytest.fixture
def settings(database_url: str) -> dict[str, str]:
    """Good settings on each database."""
    return GOOD | {"DATABASE_URL": database_url}


async def test_a_trades_scripts_are_added_once(tmp_path: Path, settings: dict[str, str]) -> None:
    first = await frontline("scripts", "load", "dental", folder=tmp_path, settings=settings)
    again = await frontline("scripts", "load", "dental", folder=tmp_path, settings=settings)

    assert first.out.strip() == "20 scripts added, 0 updated, 0 left as they are"
    assert again.out.strip() == "0 scripts added, 0 updated, 20 left as they are"


async def test_an_own_file_is_taken_in_and_overwrites(tmp_path: Path, settings: dict[str, str]) -> None:
    told = []
    for text in (OWN, OWN, OWN.replace("两小时", "一小时")):
        (tmp_path / "own.yaml").write_text(text, "utf-8")
        told.append((await frontline("scripts", "load", "own.yaml", folder=tmp_path, settings=settings)).out.strip())

    assert [line.split(",")[:2] for line in told] == [
        ["1 scripts added", " 0 updated"],
        ["0 scripts added", " 0 updated"],
        ["0 scripts added", " 1 updated"],
    ]


@pytest.mark.parametrize(
    ("source", "text", "told"),
    [
        ("dentist", "", "dentist: neither a file nor one of general, insurance, dental"),
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
async def test_a_bad_source_is_one_clear_sentence(tmp_path: Path, source: str, text: str, told: str) -> None:
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    ended = await frontline("scripts", "load", source, folder=tmp_path, settings=GOOD)

    assert ended.code == 1
    assert told in ended.err
    assert "Traceback" not in ended.err
