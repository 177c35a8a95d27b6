"""Chinese and English: the catalogue has every text of the code and no other, with the same placeholders."""

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from bot.language import LANGUAGES, gettext, language_of, speaking
from tests.conftest import RunningBot, WeCom

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "bot" / "locale" / "zh_CN" / "LC_MESSAGES" / "frontline.po"
HAN = re.compile("[\u4e00-\u9fff]")
CONSOLE = re.compile("客户联系|获客助手")
"""Words of WeCom's console: they read the same whatever language one speaks."""


def catalogue() -> Catalog:
    """The Chinese catalogue."""
    with CATALOGUE.open("rb") as stream:
        return read_po(stream, locale="zh_CN")


def entries() -> list[Message]:
    """Its messages, without the header."""
    return [message for message in catalogue() if message.id]


def texts_in_code() -> set[str]:
    """Every text `pybabel extract` finds with the project's babel.cfg."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as stream:
        methods, options = parse_mapping_cfg(stream)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, methods, options, directory_filter=is_source)
    return {str(message) for _, _, message, _, _ in found}


def is_source(folder: str) -> bool:
    """Whether a folder is worth looking into: not the virtual environment."""
    return not Path(folder).name.startswith((".", "_"))


def calls_in_code() -> list[str]:
    """Every `_("…")` as it stands, also where Babel does not look: inside f-strings."""
    folders = ("bot", "handlers", "contacts", "sop", "scripts_library", "assistant", "admin")
    sources = (path.read_text("utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [found for source in sources for found in re.findall(r"""\b_\(\s*["'](.*?)["']\s*\)""", source)]


def placeholders(text: str) -> set[str]:
    """The `{names}` in a text."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_text_of_the_code_is_in_the_catalogue() -> None:
    assert texts_in_code() - {str(message.id) for message in entries()} == set()


def test_the_catalogue_has_no_text_that_the_code_has_not() -> None:
    assert {str(message.id) for message in entries()} - texts_in_code() == set()
    assert catalogue().obsolete == {}


def test_babel_sees_every_text_the_code_asks_for() -> None:
    assert set(calls_in_code()) - texts_in_code() - {"…"} == set()


def has_words(text: str) -> bool:
    """Whether there is anything to translate besides placeholders and marks."""
    return re.search("[a-z]", re.sub(r"\{[^}]*\}", "", text), re.IGNORECASE) is not None


def test_every_text_is_translated_for_good() -> None:
    assert [message.id for message in entries() if not message.string or message.fuzzy] == []
    assert [
        message.id for message in entries() if has_words(str(message.id)) and not HAN.search(str(message.string))
    ] == []
    assert [message.id for message in entries() if HAN.search(CONSOLE.sub("", str(message.id)))] == []


@pytest.mark.parametrize("message", entries(), ids=lambda message: str(message.id)[:40])
def test_a_translation_has_the_placeholders_of_its_text(message: Message) -> None:
    assert placeholders(str(message.string)) == placeholders(str(message.id))


def test_a_text_is_said_in_the_language_of_the_moment() -> None:
    with speaking("en"):
        assert gettext("I am here.") == "I am here."
        with speaking("zh_CN"):
            assert gettext("I am here.") == "在的，您说。"
        assert gettext("I am here.") == "I am here."
    assert gettext("I am here.") == "在的，您说。"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_without_translation_is_said_as_it_is(language: str) -> None:
    with speaking(language):
        assert gettext("Nobody ever translated this.") == "Nobody ever translated this."


@pytest.mark.parametrize(
    ("text", "otherwise", "language"),
    [
        ("在吗", "en", "zh_CN"),
        ("help", "zh_CN", "en"),
        ("我的KPI", "en", "zh_CN"),
        ("KPI of 李女士?", "en", "zh_CN"),
        ("?", "zh_CN", "zh_CN"),
        ("？", "en", "en"),
        ("", "en", "en"),
        ("123 🙂", "zh_CN", "zh_CN"),
        ("éè", "zh_CN", "zh_CN"),
    ],
)
def test_the_language_of_a_text_is_the_one_it_is_written_in(text: str, otherwise: str, language: str) -> None:
    assert language_of(text, otherwise) == language


@pytest.mark.parametrize(("asked", "answered"), [("在吗", "在的，您说。"), ("ping", "I am here.")])
async def test_an_answer_is_in_the_language_of_its_question(
    bot: RunningBot, wecom: WeCom, asked: str, answered: str
) -> None:
    await wecom.types("lin", asked)
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert text.startswith(answered)


async def test_what_is_not_text_is_answered_in_the_companys_language(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "menu-clicks", {"userid": "lin", "key": "unknown"})
    await bot.settle()

    [text] = await wecom.texts("lin")
    assert text.startswith("这个按钮的功能还没上线。")
