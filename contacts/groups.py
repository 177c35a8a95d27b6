"""Customer groups (客户群): who is in them, kept by events where these tell it all, and by asking where they do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlmodel import Session

from bot.database import defaults
from bot.jobs import NewJob, Priority, enqueue
from bot.wecom import results
from contacts.changes import EXTERNAL, IDENTITIES
from contacts.facts import CustomerGroup, GroupMember
from contacts.tombstones import ERASED, erased_since

FETCH_GROUP = "fetch_group"
SETTLES = timedelta(seconds=2)
"""groupchat/get may be so much behind the event (wecom-api §3.3)."""
ROWS_AT_ONCE = 500
STAFF = 1
"""The type of a member who is one of ours."""

MEMBERS: Table = GroupMember.__table__  # type: ignore[attr-defined]
BLANK_MEMBER = {name: value for name, value in defaults(GroupMember).items() if name != "id"}
DETAILS = ("customer_id", "name", "joined_at", "left_at", "scene", "state")
CHANGE_MEMBER = update(MEMBERS).where(MEMBERS.c.id == bindparam("which"))
CHANGE_MEMBER = CHANGE_MEMBER.values({name: bindparam(f"new_{name}") for name in DETAILS})
LEAVE = update(MEMBERS).where(MEMBERS.c.id.in_(bindparam("which", expanding=True)))
LEAVE = LEAVE.values(left_at=bindparam("at", type_=MEMBERS.c.left_at.type))


@dataclass(frozen=True)
class MemberChange:
    """Who came, and how (`scene` as groupchat/get has it: 1 invited, 2 link, 3 QR code), or who left."""

    people: Sequence[str]
    came: bool
    scene: int = 0


def ask_to_fetch(session: Session, chat_id: str, cause: str, now: datetime, version: str = "") -> None:
    """Write the job that asks for a group in a moment; `version`: the newest member version we heard of."""
    payload = {"chat_id": chat_id, "version": version}
    at = now + SETTLES
    key = f"{FETCH_GROUP}:{cause}"
    enqueue(session, NewJob(key, FETCH_GROUP, now, f"group:{chat_id}", payload, Priority.SYNC, run_at=at))


def change_members(
    session: Session, chat_id: str, change: MemberChange, *, before: str, after: str, at: datetime
) -> bool:
    """Let people come or go as an event says; False, and nothing done, when our list is not the one it speaks of."""
    group = session.get(CustomerGroup, chat_id, with_for_update=True)
    if group is None or not before or group.member_version != before:
        return False
    people = change.people
    if change.came:
        nobody = erased_since(session, dict.fromkeys(people, at))
        people = [one for one in people if one not in nobody]
    known = known_members(session, chat_id, people)
    if change.came:
        customers = customers_named(session, people)
        person: dict[str, Any] = {"name": "", "joined_at": at, "left_at": None, "scene": change.scene, "state": ""}
        told = {one: person | {"customer_id": customers.get(one)} for one in people}
        write_members(session, chat_id, told, known)
    else:
        leave(session, [row.id for row in known.values() if row.left_at is None], at)
    group.member_version = after
    session.add(group)
    return True


def store_group(session: Session, pulled: results.Group, now: datetime) -> bool:
    """Make a group what the platform says; whoever is not in it any more has left. Answers whether anything changed.

    Who was erased stays the nameless row she has become.
    """
    group = session.get(CustomerGroup, pulled.chat_id) or CustomerGroup(chat_id=pulled.chat_id)
    told: dict[str, Any] = {"name": pulled.name, "owner": pulled.owner, "notice": pulled.notice, "dismissed_at": None}
    told |= {"member_version": pulled.member_version, "created_at": pulled.create_time}
    changed = any(getattr(group, name) != value for name, value in told.items())
    for name, value in told.items():
        setattr(group, name, value)
    group.fetched_at = now
    session.add(group)
    session.flush()
    rows = session.connection().execute(select(MEMBERS).where(MEMBERS.c.chat_id == pulled.chat_id)).all()
    known = {row.member: row for row in rows}
    joined = {one.userid: one.join_time for one in pulled.members if one.type != STAFF}
    nobody = erased_since(session, joined)
    nameless = {joined[one] for one in nobody}
    customers = customers_named(session, list(joined))
    people = {
        one.userid: {
            "customer_id": customers.get(one.userid),
            "name": one.name,
            "joined_at": one.join_time,
            "left_at": None,
            "scene": one.join_scene,
            "state": one.state,
        }
        for one in pulled.members
        if one.userid not in nobody
    }
    new = {
        one: values
        for one, values in people.items()
        if one not in known or any(getattr(known[one], name) != value for name, value in values.items())
    }
    inside = [row for row in rows if row.left_at is None and row.member not in people]
    gone = [row.id for row in inside if not (row.member.startswith(f"{ERASED}:") and row.joined_at in nameless)]
    write_members(session, pulled.chat_id, new, known)
    leave(session, gone, now)
    return bool(changed or new or gone)


def write_members(session: Session, chat_id: str, told: dict[str, dict[str, Any]], known: dict[str, Any]) -> None:
    """Insert people, or change the rows of those known."""
    new = [{**BLANK_MEMBER, "chat_id": chat_id, "member": one, **told[one]} for one in told if one not in known]
    changed = [
        {"which": known[one].id, **{f"new_{name}": value for name, value in told[one].items()}}
        for one in told
        if one in known
    ]
    if new:
        session.connection().execute(insert(MEMBERS), new)
    if changed:
        session.connection().execute(CHANGE_MEMBER, changed)


def leave(session: Session, ids: list[int], at: datetime) -> None:
    """People are in the group no longer."""
    for start in range(0, len(ids), ROWS_AT_ONCE):
        session.connection().execute(LEAVE, {"which": ids[start : start + ROWS_AT_ONCE], "at": at})


def known_members(session: Session, chat_id: str, ids: Sequence[str]) -> dict[str, Any]:
    """The rows of some people of a group, those who left included."""
    mine = select(MEMBERS).where(MEMBERS.c.chat_id == chat_id)
    found: dict[str, Any] = {}
    for start in range(0, len(ids), ROWS_AT_ONCE):
        rows = session.connection().execute(mine.where(MEMBERS.c.member.in_(ids[start : start + ROWS_AT_ONCE])))
        found |= {row.member: row for row in rows}
    return found


def customers_named(session: Session, external_userids: Sequence[str]) -> dict[str, int]:
    """The ids of the customers among some people."""
    found: dict[str, int] = {}
    for start in range(0, len(external_userids), ROWS_AT_ONCE):
        some = IDENTITIES.c.value.in_(external_userids[start : start + ROWS_AT_ONCE])
        rows = session.connection().execute(
            select(IDENTITIES.c.value, IDENTITIES.c.customer_id).where(IDENTITIES.c.kind == EXTERNAL, some)
        )
        found |= {row.value: row.customer_id for row in rows}
    return found


def dismiss(session: Session, chat_id: str, at: datetime) -> None:
    """A group is gone; who was in it stays on record."""
    group = session.get(CustomerGroup, chat_id)
    if group and group.dismissed_at is None:
        group.dismissed_at = at
        session.add(group)
