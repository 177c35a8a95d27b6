"""What staff read, in Chinese and English: gettext catalogues, English in the code, Chinese beside it.

The language of the moment is a context variable, so that deep code can say `_("…")` without being handed it.
"""

import gettext as gnu
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from io import BytesIO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

DEFAULT = "zh_CN"
LANGUAGES = ("zh_CN", "en")
CURRENT: ContextVar[str] = ContextVar("language", default=DEFAULT)


@cache
def catalogue(language: str) -> gnu.NullTranslations:
    """The translations of one language; English is the text in the code itself."""
    if language == "en":
        return gnu.NullTranslations()
    source = files("bot") / "locale" / language / "LC_MESSAGES" / "frontline.po"
    compiled = BytesIO()
    with source.open("rb") as stream:
        write_mo(compiled, read_po(stream, locale=language))
    compiled.seek(0)
    return gnu.GNUTranslations(compiled)


def gettext(message: str) -> str:
    """The message in the language of the moment."""
    return catalogue(CURRENT.get()).gettext(message)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Answer in `language` inside the block."""
    token = CURRENT.set(language)
    try:
        yield
    finally:
        CURRENT.reset(token)


def language_of(text: str, otherwise: str) -> str:
    """The language a person wrote in: Chinese with any Han character, English with any letter, else `otherwise`."""
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        return "zh_CN"
    return "en" if any(character.isascii() and character.isalpha() for character in text) else otherwise
