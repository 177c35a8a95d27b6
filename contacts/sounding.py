"""Whom a name may mean by its sound, among however many customers: first by an index, and few of them by closeness."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz, process
from sqlalchemy import ColumnElement, Select, and_, select, true
from sqlmodel import Session

from contacts.names import LAST, NAMES

ALIKE, SOUNDS, INITIALS = 90, 86, 80
"""Scores: a part of a name, or surname and title; the same pinyin; its first letters."""
CLOSE, FUZZ = 60, 0.79
"""The lowest likeness that is offered; likeness of sound counts this much, so that it stays below the others."""
MOST = 10_000
"""Names with one beginning that are looked through."""
SAME = 1_000
"""Customers with one sound, the same initials or one surname that are looked at."""
name = NAMES.c
FOUND = select(name.customer_id, name.sound)


@dataclass(frozen=True)
class Sought:
    """A name by its sound."""

    whole: str
    begins: str
    """Its surname's sound where only that is known of the name, else the whole."""
    first: str = ""
    """The first syllable, which a name that resembles it must share; empty: it may have any."""
    surname: str = ""
    """In letters: whoever has it fits."""


def sounding(session: Session, sought: Sought, most: int = MOST) -> list[tuple[int, float]]:
    """Customers whom this may mean, the likest first, each with the best score that she can have.

    Nobody is left out who has the same sound, initials or surname, or a likeness of `CLOSE`, as long as no more than
    `most` names begin with the same letter. Where more do, only those count that begin with as many letters as it
    takes, and of those who all fit as well `SAME`.
    """
    best: dict[int, float] = {}

    def keep(found: Iterable[tuple[int, float]]) -> None:
        for customer_id, score in found:
            best[customer_id] = max(score, best.get(customer_id, 0))

    def look(condition: ColumnElement[bool], at_most: int = min(most, SAME)) -> Sequence[Any]:
        return session.execute(FOUND.where(condition).limit(at_most)).all()

    near = look(resembling(session, sought, most), most)
    sounds = [row[1] for row in near]
    close = process.extract(sought.whole, sounds, scorer=fuzz.ratio, score_cutoff=CLOSE / FUZZ, limit=None)
    keep((near[place][0], score * FUZZ) for _, score, place in close)
    keep((row[0], SOUNDS) for row in look(name.sound == sought.whole))
    if not sought.first:
        keep((row[0], INITIALS) for row in look(name.initials == sought.whole))
    if sought.surname:
        keep((row[0], ALIKE) for row in look(and_(beginning(sought.surname), name.first == sought.surname)))
    return sorted(best.items(), key=lambda one: (-one[1], one[0]))


def resembling(session: Session, sought: Sought, most: int) -> ColumnElement[bool]:
    """The names whose closeness is worked out: they have so much of the beginning in common that few enough do."""
    alike = name.first == sought.first if sought.first else true()
    for length in range(1, len(sought.begins) + 1):
        condition = and_(beginning(sought.begins[:length]), alike)
        if not session.execute(beyond(select(name.customer_id).where(condition), most)).first():
            break
    return condition


def beginning(letters: str) -> ColumnElement[bool]:
    """That a name's sound begins so."""
    return and_(name.sound >= letters, name.sound < letters + LAST)


def beyond(rows: Select[Any], most: int) -> Select[Any]:
    """Whether there are more rows than so many."""
    return rows.offset(most).limit(1)
