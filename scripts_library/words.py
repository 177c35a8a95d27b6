"""Words no script may hold: advertising law's absolutes, medical promises, guaranteed returns. The list is editable."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import yaml
from sqlmodel import Session, col, select

from scripts_library.models import ABSOLUTE, MEDICAL, RETURNS, ForbiddenWord

FILE = Path(__file__).parent / "content" / "forbidden_words.yaml"
KINDS = (ABSOLUTE, MEDICAL, RETURNS)
INVISIBLE = {"Cf", "Cc", "Zs", "Zl", "Zp", "Mn"}
"""Categories of characters that hide a word without changing how it reads."""


class WordRefused(ValueError):
    """A forbidden word that cannot be kept; the text says why."""


@dataclass(frozen=True)
class Found:
    """A forbidden word in a text."""

    line: int
    word: str
    kind: str
    remedy: str


@cache
def shipped() -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
    """The list a new installation starts with: word, kind, remedy, unless."""
    groups = yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader)
    return tuple(
        (str(word), kind, str(one.get("say", "")), tuple(one.get("unless", ())))
        for kind, entries in groups.items()
        for one in entries
        for word in one["words"]
    )


def forbidden_words(session: Session) -> Sequence[ForbiddenWord]:
    """The list in force; an empty table is given the shipped one first."""
    rows = session.exec(select(ForbiddenWord)).all()
    if not rows:
        rows = [ForbiddenWord(word=w, kind=kind, remedy=say, unless=list(unless)) for w, kind, say, unless in shipped()]
        session.add_all(rows)
        session.flush()
    return [one for one in rows if one.active]


def forbid(session: Session, word: str, kind: str, remedy: str = "", unless: Sequence[str] = ()) -> ForbiddenWord:
    """Put a word on the list, or change its entry. Raises `WordRefused`."""
    word = word.strip()
    if not bare(word):
        raise WordRefused("word is empty; write the word itself")
    if kind not in KINDS:
        raise WordRefused(f"kind (now {kind!r}): expected one of {', '.join(KINDS)}")
    if strange := [one for one in unless if bare(word) not in bare(one)]:
        raise WordRefused(f"unless (now {strange[0]!r}): it must hold the word {word!r}")
    forbidden_words(session)
    row = session.get(ForbiddenWord, word) or ForbiddenWord(word=word, kind=kind)
    row.kind, row.remedy, row.unless, row.active = kind, remedy, list(unless), True
    session.add(row)
    return row


def allow(session: Session, word: str) -> bool:
    """Take a word off the list; False when it was not on it."""
    forbidden_words(session)
    row = session.exec(select(ForbiddenWord).where(ForbiddenWord.word == word, col(ForbiddenWord.active))).first()
    if row is None:
        return False
    row.active = False
    session.add(row)
    return True


@lru_cache(maxsize=5000)
def bare(text: str) -> str:
    """A text as it is read: one width, one case, without blanks and what cannot be seen."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(one for one in folded if unicodedata.category(one) not in INVISIBLE)


def find(text: str, words: Sequence[ForbiddenWord]) -> Iterator[Found]:
    """The forbidden words of a text, line by line."""
    for number, line in enumerate(text.splitlines(), 1):
        read = bare(line)
        for one in words:
            if stands_in(read, one):
                yield Found(number, one.word, one.kind, one.remedy)


def stands_in(text: str, forbidden: ForbiddenWord) -> bool:
    """Whether the word stands in a bare text outside its innocent company."""
    word = bare(forbidden.word)
    if word not in text:
        return False
    for innocent in sorted(map(bare, forbidden.unless), key=len, reverse=True):
        text = text.replace(innocent, "\0")
    return word in text
