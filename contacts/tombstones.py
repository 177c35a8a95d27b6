"""Who was erased, without saying who: so that the platform, which still lists her, does not bring her back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from bot.statements import Statement
from contacts.bulk import among
from contacts.models import Tombstone

ERASED = "erased"
"""What stands in rows that stay where an id of hers was."""
TOMBSTONES: Table = Tombstone.__table__  # type: ignore[attr-defined]
GRAVE = Statement(
    select(TOMBSTONES.c.digest).where(
        TOMBSTONES.c.digest == bindparam("stone"),
        TOMBSTONES.c.at >= bindparam("moment", type_=TOMBSTONES.c.at.type),
    )
)


def digest_of(external_userid: str) -> str:
    """What stands for an external_userid."""
    return sha256(external_userid.encode()).hexdigest()


def bury(session: Session, external_userids: Iterable[str], now: datetime) -> None:
    """Let nothing of these people come back that was before now."""
    rows = [{"digest": digest_of(one), "at": now} for one in external_userids]
    if rows:
        kind = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        grave = kind.insert(TOMBSTONES)
        later = {"at": grave.excluded.at}
        session.execute(grave.on_conflict_do_update(index_elements=["digest"], set_=later), rows)


def buried(session: Session, external_userids: Iterable[str]) -> dict[str, datetime]:
    """Those among these people who were erased, and when. Whatever began later is hers anew."""
    people = {digest_of(one): one for one in external_userids}
    graves = select(TOMBSTONES.c.digest, TOMBSTONES.c.at).where(among(session, TOMBSTONES.c.digest, people))
    return {people[digest]: at for digest, at in session.execute(graves)}


def erased_after(connection: Connection, external_userid: str, moment: datetime) -> bool:
    """Whether she was erased after this moment: a callback that was late is about what we are to forget."""
    row = GRAVE.run(connection, {"stone": digest_of(external_userid), "moment": moment}).fetchone()
    return row is not None


def erased_since(session: Session, began: Mapping[str, datetime]) -> set[str]:
    """Those of these people who were erased after what is told of them began."""
    return {one for one, at in buried(session, began).items() if began[one] <= at}
