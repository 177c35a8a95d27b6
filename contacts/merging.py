"""Two customers found to be one person: everything of one moves to the other, on record, and can be undone exactly.

Tables are found by their `customer_id`, so one that comes later is merged too. A row that would stand twice (the same
member's tie, the same tag) is folded: one of the two stays, the other is kept whole in `Merge.before`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, UniqueConstraint, and_, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, col
from sqlmodel import select as select_rows

from contacts.domain_events import raise_event
from contacts.facts import Referral
from contacts.models import Customer, FollowUser, HeldMerge, Merge
from contacts.names import hear_again, share_names
from contacts.rollups import roll_up

AT_ONCE = 500
CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
TIES: Table = FollowUser.__table__  # type: ignore[attr-defined]
REFERRALS: Table = Referral.__table__  # type: ignore[attr-defined]
HELD: Table = HeldMerge.__table__  # type: ignore[attr-defined]
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
MERGED, APART = "merged", "kept apart"
MERGED_EVENT, PARTED_EVENT = "customers_merged", "customers_parted"
"""Domain events: whose layers and rules are to be looked at anew."""
SUMMED = ("orders", "net_fen")
LATEST = ("last_contact_at", "last_order_at")
EARLIEST = ("first_added_at", "first_order_at")
NOT_MERGED = ("id", "merged_into", "erased_at")


class CannotMerge(Exception):
    """A merge, an undoing or a decision that is not possible; the text says why."""


def parts(values: Iterable[Any], size: int = AT_ONCE) -> Iterator[list[Any]]:
    """Values in lists short enough for one statement on SQLite."""
    listed = list(values)
    return (listed[start : start + size] for start in range(0, len(listed), size))


def personal_columns() -> list[Column[Any]]:
    """Every column that says whose a row is; where it is part of the key, the rows are lists of work or of names."""
    tables = [table for table in SQLModel.metadata.sorted_tables if "customer_id" in table.c]
    return [*(table.c.customer_id for table in tables if not table.c.customer_id.primary_key), REFERRALS.c.referrer_id]


def merge(session: Session, first: int, second: int, *, reason: str, by: str, now: datetime) -> int:
    """Make one customer of two: the one with a WeCom tie stays, else the older. Answers her id.

    Raises `CannotMerge` when one of them is gone or both are the same.
    """
    rows = {row.id: row for row in session.execute(select(CUSTOMERS).where(CUSTOMERS.c.id.in_([first, second])))}
    if len(rows) < 2 or any(row.merged_into or row.erased_at for row in rows.values()):
        raise CannotMerge(f"customers {first} and {second} cannot be merged: one is gone, or they are one already")
    kept, absorbed = in_order(session, first, second)
    before: dict[str, Any] = {"customers": {str(row.id): as_json(row) for row in rows.values()}, "tables": {}}
    for column in personal_columns():
        moved, folded = move(session, column, absorbed, kept)
        if moved or folded:
            before["tables"][str(column)] = {"moved": moved, "folded": folded}
    combined = combine(rows[kept], rows[absorbed])
    session.execute(update(CUSTOMERS).where(CUSTOMERS.c.id == kept).values(combined))
    session.execute(update(CUSTOMERS).where(CUSTOMERS.c.id == absorbed).values(merged_into=kept))
    share_names(session, absorbed, kept)
    after = session.execute(select(CUSTOMERS).where(CUSTOMERS.c.id == kept)).one()
    before["after"] = as_json(after)
    done = Merge(at=now, kept_id=kept, absorbed_id=absorbed, reason=reason, by=by, before=before)
    session.add(done)
    session.flush()
    raise_event(session, MERGED_EVENT, kept, now, f"merge:{done.id}")
    return kept


def in_order(session: Session, first: int, second: int) -> tuple[int, int]:
    """Who stays, and who goes."""
    ties = select(TIES.c.customer_id).where(TIES.c.customer_id.in_([first, second])).distinct()
    tied = set(session.execute(ties).scalars())
    older, younger = sorted((first, second))
    return (younger, older) if tied == {younger} else (older, younger)


def combine(kept: Any, absorbed: Any) -> dict[str, Any]:
    """The kept customer's columns: her own, and the other's where she has none; sums and times of both."""
    made: dict[str, Any] = {}
    for name in [column.name for column in CUSTOMERS.c]:
        ours, theirs = getattr(kept, name), getattr(absorbed, name)
        if name in NOT_MERGED or name.startswith("birthday_"):
            continue
        if name in SUMMED:
            made[name] = ours + theirs
        elif name in LATEST + EARLIEST:
            given = [value for value in (ours, theirs) if value]
            made[name] = (max if name in LATEST else min)(given, default=None)
        elif not ours and theirs:
            made[name] = theirs
    if "birthday" in made:
        made |= {name: getattr(absorbed, name) for name in ("birthday_lunar", "birthday_next")}
    return made


def move(session: Session, column: Column[Any], source: int, target: int) -> tuple[list[int], list[dict[str, Any]]]:
    """Make one customer's rows the other's: (ids of those moved, rows that were folded into another)."""
    table = column.table
    theirs = session.execute(select(table).where(column == source)).all()
    if not theirs:
        return [], []
    folded: list[Any] = []
    for constraint in unique_with(table, column):
        folded += doubles(session, constraint, column, theirs, target)
    if column is REFERRALS.c.referrer_id:
        folded += [row for row in theirs if row.customer_id == target]
    elif table is REFERRALS:
        folded += [row for row in theirs if row.referrer_id == target]
    gone = {row.id: row for row in folded}
    for ids in parts(gone):
        session.execute(delete(table).where(table.c.id.in_(ids)))
    moved = [row.id for row in theirs if row.id not in gone]
    for ids in parts(moved):
        session.execute(update(table).where(table.c.id.in_(ids)).values({column.name: target}))
    return moved, [as_json(row) for row in gone.values()]


def unique_with(table: Any, column: Column[Any]) -> list[list[Column[Any]]]:
    """The columns of every unique constraint the column takes part in."""
    found = [list(one.columns) for one in table.constraints if isinstance(one, UniqueConstraint)]
    found += [list(index.columns) for index in table.indexes if index.unique]
    if column.unique:
        found.append([column])
    return [columns for columns in found if column in columns]


def doubles(
    session: Session, constraint: list[Column[Any]], column: Column[Any], theirs: Sequence[Any], target: int
) -> list[Any]:
    """Of the rows that would stand twice, the one of each pair that has to go."""
    others = [one.name for one in constraint if one is not column]
    mine = {key(row, others): row for row in session.execute(select(column.table).where(column == target))}
    pairs = [(mine[key(row, others)], row) for row in theirs if key(row, others) in mine]
    return [pair[0] if better(column.table, pair[1], pair[0]) else pair[1] for pair in pairs]


def key(row: Any, names: Iterable[str]) -> tuple[Any, ...]:
    """A row's values under some names."""
    return tuple(getattr(row, name) for name in names)


def better(table: Any, theirs: Any, ours: Any) -> bool:
    """Whether of two rows of one meaning the absorbed customer's is the one to stay."""
    if table is TIES:
        return bool((theirs.lost_at is None, theirs.added_at) > (ours.lost_at is None, ours.added_at))
    if table is REFERRALS:  # the first claim wins
        return bool(theirs.at < ours.at)
    return table.name == "attributevalue" and bool(theirs.at > ours.at)


def undo_merge(session: Session, merge_id: int, *, by: str, now: datetime) -> None:
    """Make two customers again of what was merged. What was written since stays with the kept one.

    Raises `CannotMerge` when it was undone already, or when a later merge of one of them has to be undone first.
    """
    done = session.get(Merge, merge_id)
    if done is None or done.undone_at:
        raise CannotMerge(f"there is no merge {merge_id} to undo")
    both = [done.kept_id, done.absorbed_id]
    later = select_rows(Merge).where(
        col(Merge.id) > merge_id,
        col(Merge.undone_at).is_(None),
        col(Merge.kept_id).in_(both) | col(Merge.absorbed_id).in_(both),
    )
    if another := session.exec(later.order_by(col(Merge.id).desc())).first():
        raise CannotMerge(f"undo merge {another.id} first: it is later, and of the same customers")
    columns = {str(column): column for column in personal_columns()}
    # Backwards: what was folded last comes back first, so that nothing ever stands twice.
    for name, rows in reversed(done.before["tables"].items()):
        give_back(session, columns[name], rows, done)
    restore(session, done)
    done.undone_at, done.undone_by = now, by
    session.add(done)
    session.flush()
    hear_again(session, both)
    for one in both:
        raise_event(session, PARTED_EVENT, one, now, f"merge:{merge_id}")


def give_back(session: Session, column: Column[Any], rows: dict[str, Any], done: Merge) -> None:
    """Rows that moved return, rows that were folded stand again."""
    table = column.table
    for ids in parts(rows["moved"]):
        mine = and_(table.c.id.in_(ids), column == done.kept_id)
        session.execute(update(table).where(mine).values({column.name: done.absorbed_id}))
    if rows["folded"]:
        session.execute(insert(table), [from_json(table, row) for row in rows["folded"]])


def restore(session: Session, done: Merge) -> None:
    """Both customers' own columns; one that changed since the merge is left as it is."""
    before, after = done.before["customers"], done.before["after"]
    current = as_json(session.execute(select(CUSTOMERS).where(CUSTOMERS.c.id == done.kept_id)).one())
    unchanged = {name: value for name, value in before[str(done.kept_id)].items() if current[name] == after[name]}
    for customer_id, values in ((done.kept_id, unchanged), (done.absorbed_id, before[str(done.absorbed_id)])):
        given = from_json(CUSTOMERS, values)
        session.execute(update(CUSTOMERS).where(CUSTOMERS.c.id == customer_id).values(given))
    if any(current[name] != after[name] for name in (*SUMMED, *LATEST, *EARLIEST)):
        roll_up(session, [done.kept_id, done.absorbed_id])  # facts that came since count for the kept one only


def hold(session: Session, pairs: Iterable[tuple[int, int, str]], now: datetime) -> None:
    """Leave doubtful merges (two customers and why) to a person; what is held or decided already stays so."""
    rows = [
        {"at": now, "first_id": min(one, other), "second_id": max(one, other), "reason": reason,
         "decided_by": "", "decision": ""}
        for one, other, reason in pairs
    ]  # fmt: skip
    if rows:
        new = INSERTS[session.get_bind().dialect.name](HELD)
        session.execute(new.on_conflict_do_nothing(), rows)


def verdicts(session: Session, customer_ids: Iterable[int]) -> set[tuple[int, int]]:
    """The pairs among these customers that a person keeps apart, or has not decided on yet."""
    found: set[tuple[int, int]] = set()
    for ids in parts(sorted(customer_ids)):
        held = select(HELD.c.first_id, HELD.c.second_id).where(
            HELD.c.first_id.in_(ids) | HELD.c.second_id.in_(ids), HELD.c.decision != MERGED
        )
        found.update((row.first_id, row.second_id) for row in session.execute(held))
    return found


def decide_held(session: Session, held_id: int, *, one_person: bool, by: str, now: datetime) -> int | None:
    """A person has looked: merge the two, or keep them apart for good. Answers the kept customer, if they are one.

    Raises `CannotMerge` when there is nothing to decide.
    """
    held = session.get(HeldMerge, held_id)
    if held is None or held.decided_at:
        raise CannotMerge(f"there is no merge {held_id} to decide on")
    first, second = whoever_is(session, held.first_id), whoever_is(session, held.second_id)
    kept = first if one_person else None
    if one_person and first != second:
        kept = merge(session, first, second, reason=f"held:{held_id}", by=by, now=now)
    held.decided_at, held.decided_by, held.decision = now, by, MERGED if one_person else APART
    session.add(held)
    session.flush()
    return kept


def whoever_is(session: Session, customer_id: int) -> int:
    """The customer this one has become."""
    into = session.execute(select(CUSTOMERS.c.merged_into).where(CUSTOMERS.c.id == customer_id)).scalar()
    return whoever_is(session, into) if into else customer_id


def as_json(row: Any) -> dict[str, Any]:
    """A row as plain JSON."""
    return {name: plain(value) for name, value in row._asdict().items()}


def plain(value: Any) -> Any:
    """A column's value as plain JSON."""
    return value.isoformat() if isinstance(value, date) else value


def from_json(table: Any, values: dict[str, Any]) -> dict[str, Any]:
    """What `as_json` made, as the columns' own types."""
    return {name: typed(table.c[name], value) for name, value in values.items()}


def typed(column: ColumnElement[Any], value: Any) -> Any:
    """A value as its column wants it."""
    if not isinstance(value, str):
        return value
    kind = getattr(column.type, "impl_instance", column.type).python_type
    if issubclass(kind, datetime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if issubclass(kind, date) else value
