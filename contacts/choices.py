"""A name that fits several: the work stops with `WhichOne`, its asker chooses, and it is done again, the name settled.

What is settled is a context variable, as the language is, so that a search deep down finds the one chosen and nothing
between has to hand it on.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

CUSTOMER, STAFF, CAMPAIGN = "customer", "staff", "campaign"
"""Kinds of names."""
SETTLED: ContextVar[Mapping[str, str]] = ContextVar("settled", default=MappingProxyType({}))


@dataclass(frozen=True)
class Choice:
    """One that a name fits."""

    reference: str
    """By which it is found again."""
    name: str
    beside: str = ""
    """What tells it from another of the same name."""


class WhichOne(Exception):
    """A name fits several, or one that is only like it. Raised before anything is written."""

    def __init__(self, kind: str, words: str, choices: Sequence[Choice]) -> None:
        super().__init__(f"{len(choices)} of kind {kind} fit")
        self.kind, self.words, self.choices = kind, words, list(choices)

    @property
    def key(self) -> str:
        """Under which the choice is settled."""
        return key_of(self.kind, self.words)


def key_of(kind: str, words: str) -> str:
    """A name of a kind, however it was typed."""
    return f"{kind}:{words.strip().casefold()}"


def settled(kind: str, words: str) -> str | None:
    """The reference chosen for a name; None while nobody chose."""
    return SETTLED.get().get(key_of(kind, words))


def the_only(kind: str, words: str, choices: Sequence[Choice]) -> Choice | None:
    """The only one, else the one chosen; None where there is none. Raises `WhichOne` for several."""
    chosen = settled(kind, words)
    left = [one for one in choices if len(choices) == 1 or one.reference == chosen]
    if choices and not left:
        raise WhichOne(kind, words, choices)
    return left[0] if left else None


@contextmanager
def settling(choices: Mapping[str, str]) -> Iterator[None]:
    """Names by `WhichOne.key` that mean these references inside the block."""
    token = SETTLED.set(choices)
    try:
        yield
    finally:
        SETTLED.reset(token)
