"""How names sound: toneless pinyin, character by character."""

import os
from functools import cache

# Its table of phrases takes 45 MB and a fifth of a second to load; names are read character by character.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")

from pypinyin import lazy_pinyin

SURNAMES = {
    "单": "shan", "曾": "zeng", "仇": "qiu", "解": "xie", "区": "ou", "查": "zha", "盖": "ge", "朴": "piao",
    "任": "ren", "华": "hua", "尉": "yu", "翟": "zhai", "乐": "yue", "缪": "miao", "种": "chong", "冼": "xian",
}  # fmt: skip
"""Characters that sound otherwise as a surname."""


@cache
def syllable(character: str) -> str:
    """How one character sounds; letters and digits are themselves in lower case, anything else is silent."""
    if character.isascii():
        return character.lower() if character.isalnum() else ""
    return "".join(lazy_pinyin(character, errors="ignore", v_to_u=False))


def syllables(name: str) -> list[str]:
    """A name's syllables, its first character as a surname."""
    spoken = [syllable(one) for one in name]
    if name[:1] in SURNAMES:
        spoken[0] = SURNAMES[name[0]]
    return [one for one in spoken if one]


def sound(name: str) -> str:
    """A name's pinyin in one word: 李女士 is `linvshi`."""
    return "".join(syllables(name))


def initials(name: str) -> str:
    """The first letters: 李女士 is `lns`."""
    return "".join(one[0] for one in syllables(name))
