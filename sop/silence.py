"""Morning cards nobody answers: after two the next shrinks to one line, after three the leader hears of it.

Anything a member says or presses answers her latest card; days without a card (off, nothing to do) do not count.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Table, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from bot.database import UtcTime

SHRINK_AFTER, TELL_AFTER = 2, 3
"""Cards in a row without an answer."""
LOOK_BACK_DAYS = 30
IDS_AT_ONCE = 500


class MorningCard(SQLModel, table=True):
    """A morning card that went out, and when its member first did something after it."""

    userid: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    answered_at: datetime | None = Field(default=None, sa_type=UtcTime)
    told: bool = False
    """Her leader heard that this one and those before it were not answered."""


CARDS: Table = MorningCard.__table__  # type: ignore[attr-defined]


def sent(session: Session, userids: Iterable[str], today: date) -> None:
    """These members' cards went out."""
    rows = [{"userid": userid, "day": today} for userid in userids]
    if rows:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.connection().execute(dialect.insert(CARDS).on_conflict_do_nothing(), rows)


def answered(session: Session, userid: str, now: datetime) -> None:
    """The member did something: her latest card is answered."""
    latest = select(func.max(CARDS.c.day)).where(CARDS.c.userid == userid).scalar_subquery()
    hers = (CARDS.c.userid == userid, CARDS.c.day == latest, CARDS.c.answered_at.is_(None))
    session.connection().execute(update(CARDS).where(*hers).values(answered_at=now))


def silent(session: Session, today: date) -> dict[str, int]:
    """Cards in a row before today that a member did not answer, for all who left one."""
    return {userid: cards for userid, cards, _told in streaks(session, today)}


def untold(session: Session, today: date) -> list[str]:
    """Who left so many cards unanswered that her leader should hear of it, and has not yet."""
    return sorted(userid for userid, cards, told in streaks(session, today) if cards >= TELL_AFTER and not told)


def streaks(session: Session, today: date) -> list[tuple[str, int, bool]]:
    """Each member's unanswered cards since her last answer: how many, and whether her leader heard of them."""
    other = CARDS.alias("other").c
    later = select(other.day).where(
        other.userid == CARDS.c.userid, other.day > CARDS.c.day, other.day < today, other.answered_at.is_not(None)
    )
    since = today - timedelta(days=LOOK_BACK_DAYS)
    ignored = (CARDS.c.day < today, CARDS.c.day >= since, CARDS.c.answered_at.is_(None), ~later.exists())
    heard = func.max(case((CARDS.c.told, 1), else_=0))
    query = select(CARDS.c.userid, func.count(), heard).where(*ignored).group_by(CARDS.c.userid)
    return [(userid, cards, bool(told)) for userid, cards, told in session.connection().execute(query)]


def told(session: Session, userids: Sequence[str]) -> None:
    """The leaders of these members heard that they answer no card."""
    for start in range(0, len(userids), IDS_AT_ONCE):
        part = CARDS.c.userid.in_(userids[start : start + IDS_AT_ONCE])
        marked = update(CARDS).where(part, CARDS.c.answered_at.is_(None))
        session.connection().execute(marked.values(told=True))


def forget_cards(session: Session, today: date) -> None:
    """Drop what is too old to matter."""
    old = CARDS.c.day < today - timedelta(days=2 * LOOK_BACK_DAYS)
    session.connection().execute(delete(CARDS).where(old))
