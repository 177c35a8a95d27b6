"""Where to look for a customer by what she is called: every name and remark, by its letters and its sound.

An index and no more: rows are added with the names, in the same transaction, and a name of before may stay, so whoever
finds somebody here looks at the names themselves.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from sqlalchemy import Table, and_, delete, exists, or_, select
from sqlmodel import Session

from bot.database import Database
from bot.jobs import Done, Job
from contacts.bulk import among, insert_rows
from contacts.models import CalledName, Customer, FollowUser
from contacts.spelling import SURNAMES, initials, sound, syllable

HEAR_NAMES = "hear_names"
"""The kind of job that hears the names which nobody heard when they were written."""
LONGEST, LONGEST_SOUND = 64, 120
"""Characters of a name, and letters of its sound, that are kept: more than the platform takes."""
CUSTOMERS_AT_ONCE = 2_000
LAST = "\U0010ffff"
"""Comes after every letter."""
NAMES: Table = CalledName.__table__  # type: ignore[attr-defined]
CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
TIES: Table = FollowUser.__table__  # type: ignore[attr-defined]
NAMED = (
    select(CUSTOMERS.c.id, CUSTOMERS.c.name).where(CUSTOMERS.c.name != ""),
    select(TIES.c.customer_id, TIES.c.remark).where(TIES.c.remark != ""),
)


def hear(session: Session, called: Iterable[tuple[int, str]]) -> None:
    """Let customers be found by what they are called from now on: pairs of id and name or remark."""
    rows = {(customer_id, name.lower()[:LONGEST]): name for customer_id, name in called if name}
    # In one order, so that two who hear the same names wait for each other and not both.
    kept = [{"customer_id": pair[0], "text": pair[1], **heard(rows[pair])} for pair in sorted(rows)]
    insert_rows(session, NAMES, kept)


def heard(name: str) -> dict[str, str]:
    """The columns that say how a name sounds."""
    first = SURNAMES.get(name[0]) or syllable(name[0])
    if not first:
        return {"sound": "", "first": "", "initials": ""}
    whole, letters = sound(name)[:LONGEST_SOUND], initials(name)[:LONGEST]
    return {"sound": whole, "first": first, "initials": "" if letters == whole else letters}


def hear_again(session: Session, customer_ids: Iterable[int]) -> None:
    """Forget what these customers were called; keep what they are called now."""
    ids = list(customer_ids)
    session.execute(delete(NAMES).where(among(session, NAMES.c.customer_id, ids)))
    for named in NAMED:
        whose = named.selected_columns[0]
        hear(session, [(row[0], row[1]) for row in session.execute(named.where(among(session, whose, ids)))])


def hear_missing(session: Session, after: int = 0) -> int | None:
    """Hear the next customers of whom no name is kept; answers the last one's id, None when there were none."""
    customer = CUSTOMERS.c
    remarked = exists().where(TIES.c.customer_id == customer.id, TIES.c.remark != "")
    missing = (or_(customer.name != "", remarked), ~exists().where(NAMES.c.customer_id == customer.id))
    some = select(customer.id).where(customer.id > after, *missing).order_by(customer.id).limit(CUSTOMERS_AT_ONCE)
    ids = session.execute(some).scalars().all()
    hear_again(session, ids)
    return ids[-1] if ids else None


def hear_names(database: Database) -> Callable[[Job], Awaitable[Done]]:
    """The nightly runner for customers who came otherwise than through the app, such as from an older version."""

    async def run(_: Job) -> Done:
        last: int | None = 0
        while last is not None:
            last = await database.write(partial(hear_missing, after=last))
        return Done()

    return run


def share_names(session: Session, source: int, target: int) -> None:
    """Let one customer be found by another's names too: they are one."""
    theirs = select(NAMES.c.text, NAMES.c.sound, NAMES.c.first, NAMES.c.initials).where(NAMES.c.customer_id == source)
    insert_rows(session, NAMES, [{"customer_id": target, **row} for row in session.execute(theirs).mappings()])


def called(session: Session, words: str, begins: str | None = None) -> Sequence[int]:
    """The ids of customers called so, or by a name with this in it (two characters at least), or that begins so."""
    text = NAMES.c.text
    fits = [text == words] if len(words) == 1 else [text.contains(words, autoescape=True)]
    if begins:
        fits.append(and_(text >= begins, text < begins + LAST))
    return session.execute(select(NAMES.c.customer_id).distinct().where(or_(*fits))).scalars().all()


def names_in(session: Session, text: str) -> set[str]:
    """The names on record, in lower case, that stand in a text."""
    said = text.lower()
    starts = range(len(said))
    pieces = {said[start:end] for start in starts for end in range(start + 1, min(start + LONGEST, len(said)) + 1)}
    found = select(NAMES.c.text).distinct().where(among(session, NAMES.c.text, pieces))
    return set(session.execute(found).scalars())
