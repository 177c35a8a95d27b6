"""What search looks up: characters and pairs of them, words, pinyin, initials, and what means the same.

Terms of different kinds never meet: pinyin begins with `~`, initials with `^`, a line of the synonym table with `§`.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import yaml
from pypinyin import lazy_pinyin, pinyin_dict
from rapidfuzz import fuzz, process

SYNONYMS = Path(__file__).parent / "content" / "synonyms.yaml"
PIECES = re.compile(r"[\u3400-\u9fff]+|[a-z]+(?:'[a-z]+)?|\d+")
HAN = re.compile(r"[\u3400-\u9fff]")
ASKING = re.compile(
    r"怎么(?:回复?|说|答|办|聊|讲|跟.{0,2}说)|如何(?:回复?|说|回答)|咋(?:回|说|办|整)|回什么|说啥|说什么|怎么样?才?好"
    r"|什么话术|的话术|话术|能不能|可不可以|(?:这个)?(?<![老新])(?:客户|顾客|客人|对方)(?!群)(?:老是|总是|一直|就)?(?:说|问|讲|觉得|嫌)?"
)
"""What every question has in it and no answer is found by."""
UNIGRAM, BIGRAM, SYLLABLE, SYLLABLES, MEANING = 0.25, 1.0, 0.1, 0.35, 1.3
TYPO = 80
"""How alike an English word must be to one we know."""
LONGEST_MEMBER = 6
"""Characters, or English words, of the longest synonym."""


def plain(text: str) -> str:
    """A text in one width and one case."""
    return unicodedata.normalize("NFKC", text).casefold()


def pairs(items: Sequence[str]) -> Iterator[str]:
    """Each two neighbours, joined."""
    return (first + second for first, second in pairwise(items))


@lru_cache(maxsize=20_000)
def syllable(character: str) -> str:
    """A character's usual sound; characters are looked up once."""
    return str(lazy_pinyin(character)[0])


class Synonyms:
    """The synonym table: which lines a text touches, by its words or by their sound."""

    def __init__(self, lines: Iterable[Iterable[str]]) -> None:
        """Each line: words that mean the same."""
        self.lines: defaultdict[str, set[str]] = defaultdict(set)
        self.sounds: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for number, line in enumerate(lines):
            for member in line:
                self.lines[plain(member)].add(f"§{number}")
                if HAN.search(member) and len(member) > 1:
                    self.sounds[tuple(syllable(one) for one in member)].add(f"§{number}")
        self.beginnings = {one[0] if HAN.match(one) else one.split()[0] for one in self.lines}
        self.english = [one for one in self.lines if one.isascii() and " " not in one]

    def of(self, text: str) -> set[str]:
        """The lines whose words stand in a text."""
        found: set[str] = set()
        words: list[str] = []
        for piece in PIECES.findall(text):
            if HAN.match(piece):
                found.update(*self.standing_in(piece, ""))
            else:
                words.append(piece)
        found.update(*self.standing_in(words, " "))
        return found

    def standing_in(self, items: Sequence[str], between: str) -> Iterator[set[str]]:
        """The lines of each run of neighbours that is a word of the table."""
        for start, item in enumerate(items):
            if item not in self.beginnings:
                continue
            for end in range(start + 1, min(start + LONGEST_MEMBER, len(items)) + 1):
                if (lines := self.lines.get(between.join(items[start:end]))) is not None:
                    yield lines

    def by_sound(self, syllables: Sequence[str]) -> set[str]:
        """The lines whose words sound like a part of it."""
        found: set[str] = set()
        for start in range(len(syllables)):
            for end in range(start + 2, min(start + LONGEST_MEMBER, len(syllables)) + 1):
                found |= self.sounds.get(tuple(syllables[start:end]), set())
        return found

    def nearest(self, word: str) -> str | None:
        """The English word of the table a misspelt one was meant to be."""
        match = process.extractOne(word, self.english, scorer=fuzz.ratio, score_cutoff=TYPO)
        return match[0] if match else None


@cache
def synonyms() -> Synonyms:
    """The shipped table."""
    return Synonyms(yaml.load(SYNONYMS.read_text("utf-8"), yaml.CSafeLoader))


@cache
def all_syllables() -> frozenset[str]:
    """Every sound a character can have, without tones."""
    marked = {one for sounds in pinyin_dict.pinyin_dict.values() for one in sounds.split(",")}
    plain_ones = {
        unicodedata.normalize("NFKD", one.replace("ü", "v")).encode("ascii", "ignore").decode() for one in marked
    }
    return frozenset(one for one in plain_ones if one.isalpha() and (len(one) > 1 or one in "aeo"))


@lru_cache(maxsize=5000)
def spelled(word: str) -> tuple[str, ...]:
    """Letters as pinyin syllables, fewest first; empty when they are not pinyin."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            before = best[start]
            if before is None or word[start:end] not in all_syllables():
                continue
            if best[end] is None or len(before) + 1 < len(best[end] or ()):
                best[end] = (*before, word[start:end])
    return best[-1] or ()


def terms_of_text(text: str) -> Iterator[tuple[str, float]]:
    """Terms of prose, each with its weight: characters, pairs, words, meanings."""
    text = plain(text)
    for piece in PIECES.findall(text):
        if not HAN.match(piece):
            yield piece, BIGRAM
            continue
        yield from ((one, UNIGRAM) for one in piece)
        yield from ((one, BIGRAM) for one in pairs(piece))
    yield from ((one, MEANING) for one in synonyms().of(text))


@lru_cache(maxsize=10_000)
def terms_of_name(text: str) -> tuple[tuple[str, float], ...]:
    """Terms of a title or keyword: those of prose, and its sound. Keywords come again and again."""
    return (*terms_of_text(text), *terms_of_sound(text))


def terms_of_sound(text: str) -> Iterator[tuple[str, float]]:
    """Syllables, pairs of them and initials."""
    for piece in PIECES.findall(plain(text)):
        if HAN.match(piece):
            syllables = [syllable(one) for one in piece]
            yield from ((f"~{one}", SYLLABLE) for one in syllables)
            yield from ((f"~{one}", SYLLABLES) for one in pairs(syllables))
            yield from initials("".join(one[0] for one in syllables))


def initials(letters: str) -> Iterator[tuple[str, float]]:
    """Every two and three neighbouring initials."""
    for length, weight in ((2, 0.15), (3, 0.5)):
        yield from ((f"^{letters[at : at + length]}", weight) for at in range(len(letters) - length + 1))


def terms_of_query(words: str) -> dict[str, float]:
    """What to look up for what somebody typed, each with its weight."""
    text = plain(words)
    text = ASKING.sub(" ", text)
    found: dict[str, float] = {}
    letters = [piece for piece in PIECES.findall(text) if not HAN.match(piece)]
    for term, weight in (*terms_of_text(text), *sounds_of(text), *terms_of_letters(letters)):
        found[term] = max(weight, found.get(term, 0.0))
    return found


def sounds_of(text: str) -> Iterator[tuple[str, float]]:
    """Chinese by its sound: voice input and hurried typing pick the wrong character."""
    for piece in PIECES.findall(text):
        if HAN.match(piece):
            syllables = [syllable(one) for one in piece]
            yield from ((f"~{one}", SYLLABLES) for one in pairs(syllables))
            yield from ((one, MEANING / 2) for one in synonyms().by_sound(syllables))


def terms_of_letters(words: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Letters may be pinyin (a space is no border), initials, or English with a slip in it."""
    syllables = [one for word in words for one in spelled(word)]
    if syllables:
        yield from ((f"~{one}", BIGRAM) for one in pairs(syllables))
        yield from ((f"~{one}", BIGRAM if len(syllables) == 1 else SYLLABLE) for one in syllables)
        yield from ((one, MEANING) for one in synonyms().by_sound(syllables))
    for word in words:
        if spelled(word) or word.isdigit() or synonyms().of(word):
            continue
        yield from initials(word)
        if (meant := synonyms().nearest(word)) is not None:
            yield from ((one, MEANING) for one in synonyms().of(meant))
