"""Long pulls: how far one is, kept where a kill cannot reach it, and how much of it is under way at once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlmodel import Session

from contacts.facts import SyncCursor

AT_ONCE = 4
"""Calls of a pull under way at once; the platform asks for a handful."""


def advance(session: Session, name: str, found: Counter[str], more: int = 0, **values: Any) -> SyncCursor:
    """Write down that a pull is `more` further, what it found there, and where it stands now."""
    row = session.get_one(SyncCursor, name, with_for_update=True)
    row.found = dict(Counter(row.found) + found)
    row.done += more
    for field, value in values.items():
        setattr(row, field, value)
    session.add(row)
    session.flush()
    return row


def summary(found: Mapping[str, int]) -> str:
    """What was found, in one line."""
    return ", ".join(f"{found[name]} {name.replace('_', ' ')}" for name in sorted(found) if found[name]) or "no change"


async def together(number: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run the same work so many times at once; the first failure stops all."""
    tasks = [asyncio.ensure_future(work()) for _ in range(number)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
