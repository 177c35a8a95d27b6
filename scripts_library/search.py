"""Search in the library: an index of terms with BM25, kept in memory per process and brought up to date by revision.

Only what is committed is indexed: it is read on a connection of its own, so that a change somebody undoes never was.
"""

import asyncio
import re
import threading
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from math import log
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Pool
from sqlmodel import Session, col, select

from bot.database import Database
from scripts_library.models import PUBLISHED, Script, ScriptLibrary, ScriptVersion
from scripts_library.terms import terms_of_name, terms_of_query, terms_of_text

TITLE, KEYWORD, CATEGORY, STAGE, BODY = 3.0, 3.0, 2.0, 1.0, 1.0
K1, B, USUAL_LENGTH = 2.5, 0.3, 120
"""BM25's saturation and length; the usual length is a constant, so that adding a script changes no other's weight."""
ROUNDING = 1e-6
"""Sums of the same numbers in another order differ by less."""
OPENING = 60
TIDY = 0.25
"""Rebuild the index when so great a part of it is of removed scripts."""
STAGE_WORDS = {
    "ice_break": "破冰 开场",
    "engage": "互动",
    "probe": "探需 了解需求",
    "product": "产品介绍",
    "objection": "异议 拒绝 objection",
    "close": "促成 成交",
    "care": "关怀 售后 care",
    "win_back": "唤回 激活",
    "referral": "转介绍",
}
MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A published script as lists show it."""

    script_id: int
    version: int
    code: str
    title: str
    category: str
    stage: str
    opening: str


@dataclass(frozen=True)
class Hit:
    """A script found, and how well it fits."""

    entry: Entry
    score: float


class Posting:
    """Where a term stands: slots of scripts, ascending, what it weighs in each, and the most it weighs in any."""

    __slots__ = ("impacts", "most", "slots")

    def __init__(self) -> None:
        self.slots, self.impacts, self.most = array("I"), array("f"), 0.0

    def append(self, slot: int, impact: float) -> None:
        """The term stands in one more script."""
        self.slots.append(slot)
        self.impacts.append(impact)
        self.most = max(self.most, impact)

    def impact(self, slot: int) -> float:
        """What it weighs in one script."""
        at = bisect_left(self.slots, slot)
        return self.impacts[at] if at < len(self.slots) and self.slots[at] == slot else 0.0


@dataclass(frozen=True)
class Asked:
    """A term of a question with its place in the index: how rare it is, and the most it can add to a score."""

    rarity: float
    posting: Posting
    bound: float


class Index:
    """All postings, and the scripts in their slots."""

    def __init__(self) -> None:
        self.revision = 0
        self.entries: list[Entry | None] = []
        self.slots: dict[int, int] = {}
        self.postings: defaultdict[str, Posting] = defaultdict(Posting)

    def add(self, entry: Entry, keywords: Sequence[str], body: str) -> None:
        """Put a script in, in place of what stood there before."""
        self.remove(entry.script_id)
        slot = len(self.entries)
        self.entries.append(entry)
        self.slots[entry.script_id] = slot
        weights = weights_of(entry, keywords, body)
        longer = K1 * (1 - B + B * len(body) / USUAL_LENGTH)
        for term, weight in weights.items():
            self.postings[term].append(slot, weight * (K1 + 1) / (weight + longer))

    def remove(self, script_id: int) -> None:
        """Take a script out; its postings stay until the index is tidied."""
        slot = self.slots.pop(script_id, None)
        if slot is not None:
            self.entries[slot] = None

    @property
    def untidy(self) -> bool:
        """Whether too much of it is of removed scripts."""
        return len(self.entries) - len(self.slots) > max(100, TIDY * len(self.entries))

    def find(self, words: str, limit: int, categories: Iterable[str] | None = None) -> list[Hit]:
        """The best scripts for these words; those of all trades before one trade's where they fit equally well.

        The rarest terms are looked through first; once no other script can come among the best any more, the common
        ones are only looked up for those that still may. This changes the time, never the answer.
        """
        wanted = set(categories) if categories is not None else None
        asked = self.asked(words)
        left = sum(one.bound for one in asked)
        scores: dict[int, float] = {}
        enough = 0.0
        for one in asked:
            if left < enough - ROUNDING:
                for slot in scores:
                    scores[slot] += one.rarity * one.posting.impact(slot)
            else:
                self.collect(scores, one, wanted)
            left -= one.bound
            if len(scores) > limit:
                enough = nlargest(limit, scores.values())[-1]
                scores = {slot: score for slot, score in scores.items() if score + left >= enough - ROUNDING}
        hits = [Hit(entry, score) for slot, score in scores.items() if (entry := self.entries[slot])]
        hits.sort(key=lambda hit: (-round(hit.score, 6), hit.entry.category, hit.entry.script_id))
        return hits[:limit]

    def asked(self, words: str) -> list[Asked]:
        """The question's terms that stand in any script, those that can add most first."""
        number, found = len(self.entries), []
        for term, weight in terms_of_query(words).items():
            if (posting := self.postings.get(term)) is not None:
                in_scripts = len(posting.slots)
                rarity = weight * log(1 + (number - in_scripts + 0.5) / (in_scripts + 0.5))
                found.append(Asked(rarity, posting, rarity * posting.most))
        return sorted(found, key=lambda one: -one.bound)

    def collect(self, scores: dict[int, float], one: Asked, wanted: set[str] | None) -> None:
        """Add a term to the scores of all scripts it stands in."""
        rarity, known = one.rarity, scores.get
        for slot, impact in zip(one.posting.slots, one.posting.impacts, strict=True):
            before = known(slot)
            if before is not None:
                scores[slot] = before + rarity * impact
            elif (entry := self.entries[slot]) and (wanted is None or entry.category in wanted):
                scores[slot] = rarity * impact


def weights_of(entry: Entry, keywords: Sequence[str], body: str) -> dict[str, float]:
    """How much each term counts in a script: where it stands, and how often."""
    weights: defaultdict[str, float] = defaultdict(float)
    for name, factor in ((entry.title, TITLE), *((keyword, KEYWORD) for keyword in keywords)):
        for term, weight in terms_of_name(name):
            weights[term] += weight * factor
    prose = ((entry.category, CATEGORY), (STAGE_WORDS.get(entry.stage, ""), STAGE), (MARKUP.sub(" ", body), BODY))
    for text, factor in prose:
        for term, weight in terms_of_text(text):
            weights[term] += weight * factor
    return weights


class Library:
    """One database's index in this process."""

    def __init__(self) -> None:
        self.index = Index()
        self.lock = threading.Lock()
        """An index is changed in place: nobody looks into it meanwhile."""

    def find(self, engine: Engine, words: str, limit: int, categories: Iterable[str] | None) -> list[Hit]:
        """The best scripts among everything that is committed."""
        with self.lock:
            with Session(engine) as session:
                self.refresh(session)
            return self.index.find(words, limit, categories)

    def warm(self, session: Session) -> None:
        """Bring the index up to date."""
        with self.lock:
            self.refresh(session)

    def refresh(self, session: Session) -> None:
        """Take in what changed since the index was read."""
        revision = session.exec(select(ScriptLibrary.revision)).first() or 0
        if revision < self.index.revision or self.index.untidy:  # another database of the same name, or worn
            self.index = Index()
        if revision > self.index.revision:
            self.read(session)
            self.index.revision = revision

    def read(self, session: Session) -> None:
        """The scripts changed since, as they are now."""
        changed = (
            select(Script, ScriptVersion)
            .join(ScriptVersion, col(ScriptVersion.script_id) == col(Script.id))
            .where(col(Script.revision) > self.index.revision, ScriptVersion.number == Script.version)
        )
        with session.exec(changed.execution_options(yield_per=1000)) as rows:
            for script, version in rows:
                if script.status == PUBLISHED:
                    self.index.add(entry_of(script, version), version.keywords, version.body)
                else:
                    self.index.remove(script.id or 0)


LIBRARIES: WeakKeyDictionary[Pool, Library] = WeakKeyDictionary()
"""By the database's pool of connections: the index goes when the database is closed."""
REFRESH_SECONDS = 5.0


def library_of(engine: Engine) -> Library:
    """The index of a database in this process."""
    return LIBRARIES.setdefault(engine.pool, Library())


async def keep_indexed(database: Database) -> None:
    """Read what changed every few seconds, for ever, so that nobody who searches has to wait for it."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await database.read(library_of(database.engine).warm)


def search(session: Session, words: str, limit: int = 5, categories: Iterable[str] | None = None) -> list[Hit]:
    """The best published scripts for what somebody typed, best first: Chinese, pinyin, initials, English, synonyms."""
    engine = session.connection().engine.execution_options(writes=False)  # SQLite has one writer, and that is us
    return library_of(engine).find(engine, words, limit, categories)


def entry_of(script: Script, version: ScriptVersion) -> Entry:
    """A script as lists show it."""
    opening = re.sub(r"\s+", " ", MARKUP.sub("", version.body)).lstrip(" ，,。:：、！!").rstrip()
    return Entry(
        script.id or 0, version.number, script.code, script.title, script.category, script.stage, opening[:OPENING]
    )
