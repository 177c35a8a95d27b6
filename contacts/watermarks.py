"""How far each feed's data is complete, per store: a rule about something absent waits until it is."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from contacts.facts import Watermark

MARKS: Table = Watermark.__table__  # type: ignore[attr-defined]
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
COMPANY = ""
"""The mark of the whole company."""


def move_watermarks(session: Session, feed: str, marks: Mapping[str, datetime]) -> None:
    """Move a feed's marks, by store, forward; never back."""
    if not marks:
        return
    rows = [{"feed": feed, "store": store, "complete_to": at} for store, at in sorted(marks.items())]
    new = INSERTS[session.get_bind().dialect.name](MARKS)
    further = MARKS.c.complete_to < new.excluded.complete_to
    moved = {"complete_to": new.excluded.complete_to}
    session.connection().execute(
        new.on_conflict_do_update(index_elements=["feed", "store"], set_=moved, where=further), rows
    )


def newest(seen: Iterable[tuple[str | None, datetime]]) -> dict[str, datetime]:
    """The newest time of each store; records without one count for the company."""
    marks: dict[str, datetime] = {}
    for store, at in seen:
        name = store or COMPANY
        if name not in marks or marks[name] < at:
            marks[name] = at
    return marks


def complete_to(session: Session, feed: str, store: str | None) -> datetime | None:
    """Up to when a store's data of a feed is all there: its own mark, or the company's if that is further."""
    wanted = select(MARKS.c.complete_to).where(MARKS.c.feed == feed, MARKS.c.store.in_([store or COMPANY, COMPANY]))
    return max(session.execute(wanted).scalars(), default=None)
