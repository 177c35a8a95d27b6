"""Finding customers by what staff call them: name, remark, 李女士, 李姐, a phone's last digits, pinyin, or nearly so.

A member finds her own customers, a leader also those of everybody below. Exact ones come first; what only sounds or
looks alike is offered when nothing is exact. Merged and erased customers are never found.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from heapq import nlargest
from operator import itemgetter
from typing import Any

from rapidfuzz import fuzz
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    and_,
    cast,
    exists,
    false,
    func,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlmodel import Session, col

from contacts.bulk import among
from contacts.changes import CUSTOMERS, IDENTITIES, TIES
from contacts.choices import CUSTOMER, Choice, WhichOne, settled
from contacts.merging import parts
from contacts.models import Department, StaffDepartment
from contacts.names import called
from contacts.sounding import ALIKE, CLOSE, FUZZ, INITIALS, SOUNDS, Sought, sounding
from contacts.spelling import SURNAMES, initials, sound, syllable, syllables

EXACT, PHONE = 100, 98
"""Scores: the same name; its phone. The lower ones are those of `contacts.sounding`."""
SURE = ALIKE
"""From here on a single match may be acted upon; below it, ask first."""
FEW = 10_000
"""Where there are no more customers every name is compared."""
LIKELIEST = 100
"""Of those found by the index, so many are looked at first, then as many again."""
PHONE_KIND = "phone"
TAIL = 4
MALE, FEMALE = 1, 2
WOMEN = ("女士", "小姐", "姐姐", "大姐", "姐", "太太", "夫人", "阿姨", "妈妈", "美女", "妹妹", "妹", "奶奶")
MEN = ("先生", "大哥", "哥哥", "哥", "叔叔", "叔", "伯伯", "兄", "帅哥", "爷爷", "爸爸")
EITHER = ("老师", "老板", "医生", "经理", "主任", "总")
TITLES = {**dict.fromkeys(WOMEN, FEMALE), **dict.fromkeys(MEN, MALE), **dict.fromkeys(EITHER, 0)}
customer, tie = CUSTOMERS.c, TIES.c
COMPOUND = frozenset(
    {"欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "夏侯", "司徒", "端木", "南宫"}
)
ENGLISH = re.compile(r"(?P<title>mr|mrs|ms|miss|madam)\.?\s+(?P<surname>[a-z]+)")
PREFIXES = ("老", "小", "阿")


@dataclass(frozen=True)
class Match:
    """One customer found: the tie by which she is meant, and how well the words fit."""

    customer_id: int
    userid: str
    """Whose tie: the asker's own, else the main staff's."""
    gender: int
    name: str
    remark: str | None
    added_at: datetime | None
    lost_at: datetime | None
    score: float = 0

    @property
    def shown(self) -> str:
        """What staff call her: the remark, else her own name."""
        return self.remark or self.name

    @property
    def choice(self) -> Choice:
        """As one of several to choose from."""
        at = self.lost_at or self.added_at
        return Choice(f"{self.customer_id}:{self.userid}", self.shown, f"{at:%m-%d}" if at else "")


@dataclass(frozen=True)
class Call:
    """A surname with a title: 李姐, Ms Li."""

    surname: str
    """As written, or in pinyin."""
    gender: int

    def fits(self, name: str, gender: int) -> bool:
        """Whether a name may be hers: the surname begins it, and nothing says another gender."""
        if self.surname.isascii():
            begins = syllables(name)[:1] == [self.surname] and not name.isascii()
        else:
            begins = name.startswith(self.surname)
        own = TITLES.get(title_of(name), 0) or gender
        return begins and not (self.gender and own and self.gender != own)


def find_customers(
    session: Session, words: str, userid: str | None, limit: int = 10, *, lost: bool = False
) -> list[Match]:
    """Customers these words may mean, best first; of one member and whom she leads, or of everybody (None).

    `lost`: those whose tie has ended, instead of those whose tie lives.
    """
    words = words.strip().casefold()
    if not words:
        return []
    asked = Asked(session, visible(session, userid), lost)
    call = call_of(words)
    found = by_phone(asked, words) or best(
        asked.rows(near_to(asked, words, call)), userid, lambda match: exactness(match, words, call)
    )
    found = found or by_sound(asked, words, call, userid, limit)
    chosen = settled(CUSTOMER, words)
    meant = [replace(one, score=EXACT) for one in found if one.choice.reference == chosen] if chosen else []
    return meant or found[:limit]


def the_one(matches: list[Match]) -> Match | None:
    """The customer meant beyond doubt: the only one with the best score, and that is exact enough."""
    best = [match for match in matches if match.score == matches[0].score]
    return best[0] if len(best) == 1 and best[0].score >= SURE else None


def meant_by(words: str, matches: list[Match]) -> Match:
    """The customer meant, of those that were found for some words. Raises `WhichOne` for the asker to choose."""
    one = the_one(matches)
    if one is None:
        raise WhichOne(CUSTOMER, words, [match.choice for match in matches])
    return one


Whose = Callable[[Any], ColumnElement[bool]]
"""A condition on a column of userids."""


def visible(session: Session, userid: str | None) -> Whose:
    """Whose customers this member may see: her own, and those of everybody below the departments she leads."""
    if userid is None:
        return lambda _: true()
    led = select(col(Department.path)).join(StaffDepartment, col(StaffDepartment.department_id) == col(Department.id))
    paths = (
        session.execute(led.where(col(StaffDepartment.userid) == userid, col(StaffDepartment.leads))).scalars().all()
    )
    if not paths:
        return lambda column: column == userid
    below = or_(*(col(Department.path).startswith(path) for path in paths))
    staff = select(col(StaffDepartment.userid)).join(
        Department, col(Department.id) == col(StaffDepartment.department_id)
    ).where(below)  # fmt: skip
    return lambda column: or_(column == userid, column.in_(staff))


@dataclass(frozen=True)
class Asked:
    """Whose customers are looked through, and whether the living ties or the ended ones."""

    session: Session
    whose: Whose
    lost: bool
    most: int = FEW
    """So many are few."""

    def rows(self, condition: ColumnElement[bool]) -> list[Match]:
        """Ties that fit, and customers without any tie whom the member answers for."""
        found = self.session.execute(self.statement(condition, customer.name, tie.remark, tie.added_at, tie.lost_at))
        return [Match(*row) for row in found]

    def names(self, condition: ColumnElement[bool] | None = None) -> Iterable[Any]:
        """(customer_id, userid, gender, name, remark) of all, or of those that fit."""
        fits = true() if condition is None else condition
        return self.session.execute(self.statement(fits, customer.name, tie.remark))

    @cached_property
    def few(self) -> bool:
        """Whether these customers are few enough to look at each of them."""
        whose = (
            select(tie.userid).where(self.whose(tie.userid)),
            select(customer.main_userid).where(self.whose(customer.main_userid)),
        )
        return not any(self.session.execute(one.offset(self.most).limit(1)).first() for one in whose)

    def statement(
        self, condition: ColumnElement[bool], *columns: ColumnElement[Any]
    ) -> Select[Any] | CompoundSelect[Any]:
        """The statement: a customer's id, whose she is, her gender, and these columns."""
        fits = (customer.merged_into.is_(None), customer.erased_at.is_(None), condition)
        ended = tie.lost_at.is_not(None) if self.lost else tie.lost_at.is_(None)
        tied = select(customer.id, tie.userid, customer.gender, *columns).join_from(
            TIES, CUSTOMERS, customer.id == tie.customer_id
        )
        tied = tied.where(self.whose(tie.userid), ended, *fits)
        if self.lost:
            return tied
        no_tie = ~exists().where(TIES.alias("any_tie").c.customer_id == customer.id)
        own = (column if column.table is CUSTOMERS else null().label(column.name) for column in columns)
        # The outer join never finds a row: it gives the condition on the remark something to be about.
        untied = select(customer.id, customer.main_userid, customer.gender, *own).outerjoin_from(
            CUSTOMERS, TIES, and_(tie.customer_id == customer.id, false())
        )
        untied = untied.where(self.whose(customer.main_userid), customer.main_userid.is_not(None), *fits, no_tie)
        return union_all(tied, untied)


def near_to(asked: Asked, words: str, call: Call | None) -> ColumnElement[bool]:
    """What a name must be like to be more than alike in sound: SQL sees only those."""
    name, remark = func.lower(customer.name), func.lower(func.coalesce(tie.remark, ""))
    fits = [name == words, remark == words]
    if len(words) > 1:
        fits += [name.contains(words, autoescape=True), remark.contains(words, autoescape=True)]
    surname = call.surname if call and not call.surname.isascii() else None
    if surname:
        fits += [name.startswith(surname, autoescape=True), remark.startswith(surname, autoescape=True)]
    if asked.few:
        return or_(*fits)
    ids = called(asked.session, words, begins=surname)
    return and_(among(asked.session, customer.id, ids), or_(*fits)) if ids else false()


def by_phone(asked: Asked, words: str) -> list[Match]:
    """Customers whose phone ends in these digits, four at least."""
    digits = re.sub(r"[\s-]|^\+?86(?=1\d{10}$)|^(手机)?尾号|的$", "", words)
    if not re.fullmatch(rf"\d{{{TAIL},11}}", digits):
        return []
    known = select(IDENTITIES.c.customer_id).where(IDENTITIES.c.kind == PHONE_KIND, IDENTITIES.c.value.endswith(digits))
    noted = cast(tie.phones, String).like(f'%{digits}"%')
    return best(asked.rows(or_(customer.id.in_(known), noted)), None, lambda _: PHONE)


def by_sound(asked: Asked, words: str, call: Call | None, userid: str | None, limit: int) -> list[Match]:
    """Customers whose name sounds or looks like the words."""
    letters = sound(call.surname if call else words)
    if not letters:
        return []
    alike = likeness(asked.names(), letters, words, call) if asked.few else likeness_of_many(asked, words, call, limit)
    likest = dict(nlargest(limit, alike.items(), key=itemgetter(1)))
    return best(asked.rows(customer.id.in_(likest)), userid, lambda match: likest[match.customer_id])


def likeness(rows: Iterable[Any], letters: str, words: str, call: Call | None) -> dict[int, float]:
    """How much the words sound or look like customers' names, as far as they do: by plain rows, for names are many."""
    alike: defaultdict[int, float] = defaultdict(float)
    for customer_id, _, gender, *names in rows:
        for name in names:
            if name and begins(name, letters[0]) and (score := close(name, gender, words, call)):
                alike[customer_id] = max(alike[customer_id], score)
    return alike


def likeness_of_many(asked: Asked, words: str, call: Call | None, limit: int) -> dict[int, float]:
    """The same of the `limit` likest at least, the index of names asked first whose these may be."""
    letters = sound(call.surname if call else words)
    surname = call.surname if call and call.surname.isascii() else ""
    sought = Sought(sound(words), letters, "" if words.isascii() else syllable(words[0]), surname)
    alike: dict[int, float] = {}
    for some in parts(sounding(asked.session, sought), LIKELIEST):
        if len(alike) >= limit and nlargest(limit, alike.values())[-1] >= some[0][1]:
            break
        ids = [customer_id for customer_id, _ in some]
        alike |= likeness(asked.names(customer.id.in_(ids)), letters, words, call)
    return alike


def best(found: Iterable[Match], userid: str | None, score: Callable[[Match], float]) -> list[Match]:
    """Each customer that scores at all once, by the asker's own tie before others; the best first."""
    chosen: dict[int, Match] = {}
    for match in found:
        scored = replace(match, score=score(match))
        other = chosen.get(match.customer_id)
        if scored.score and (other is None or rank(scored, userid) > rank(other, userid)):
            chosen[match.customer_id] = scored
    return sorted(chosen.values(), key=lambda match: (-match.score, match.shown, match.customer_id))


def rank(match: Match, userid: str | None) -> tuple[bool, float, float]:
    """Which of a customer's ties is meant: the asker's own, else the better name, else the older."""
    return match.userid == userid, match.score, -(match.added_at.timestamp() if match.added_at else 0)


def exactness(match: Match, words: str, call: Call | None) -> float:
    """How well the words fit a name as written; 0 when they do not."""
    names = [one.casefold() for one in (match.name, match.remark) if one]
    if words in names:
        return EXACT
    if len(words) > 1 and any(words in one for one in names):
        return ALIKE
    return ALIKE if call and any(call.fits(one, match.gender) for one in names) else 0


def begins(name: str, letter: str) -> bool:
    """Whether a name's first sound begins with this letter: rules out most names cheaply."""
    first = SURNAMES.get(name[0]) or syllable(name[0])
    return first.startswith(letter)


def close(name: str, gender: int, words: str, call: Call | None) -> float:
    """How much the words sound or look like a name; 0 when hardly."""
    if call and call.fits(name, gender):
        return ALIKE
    spoken, letters = sound(name), sound(words)
    if spoken == letters:
        return SOUNDS
    if words.isascii() and letters == initials(name):
        return INITIALS
    if not words.isascii() and syllable(words[0]) != syllables(name)[0]:
        return 0
    return fuzz.ratio(spoken, letters, score_cutoff=CLOSE / FUZZ) * FUZZ


def call_of(words: str) -> Call | None:
    """The surname and title in 李女士, 老李, Ms Li, 李 and Li; None for a whole name."""
    english = ENGLISH.fullmatch(words)
    if english:
        return Call(english["surname"], MALE if english["title"] == "mr" else FEMALE)
    title = title_of(words)
    surname = words.removesuffix(title)
    if words.startswith(PREFIXES) and len(words) == 2:
        surname, title = words[1:], ""
    if len(surname) == 1 or surname in COMPOUND:
        return Call(surname, TITLES.get(title, 0))
    return Call(words, 0) if re.fullmatch(r"[a-z]{2,6}", words) else None


def title_of(name: str) -> str:
    """The title a name ends in; empty without one."""
    return next((title for title in TITLES if name.endswith(title) and name != title), "")
