"""Many rows in one statement: what a large import looks up and writes, past the ORM and the building of statements.

Through SQLAlchemy's own insert a row costs three times as much as the database needs for it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from operator import is_, itemgetter
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Dialect, Table, any_, bindparam, func, select
from sqlmodel import Session

PARAMETERS = 16_000
"""Values of one statement: SQLite takes twice as many, PostgreSQL four times."""
Row = dict[str, Any]


def among(session: Session, column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """That a column is one of these texts or numbers, however many: they are a single parameter of the statement."""
    if session.get_bind().dialect.name == "sqlite":
        each = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(each.c.value))  # type: ignore[no-any-return]
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))  # type: ignore[no-any-return]


def insert_rows(
    session: Session, table: Table, rows: Sequence[Row], returning: Sequence[str] = (), *, all_new: bool = False
) -> list[Any]:
    """Write rows, all with the same columns; those that would break a unique constraint are left out.

    With `all_new` they raise `IntegrityError` instead. Answers the `returning` columns of those written.
    """
    if not rows:
        return []
    connection = session.connection()
    names = tuple(rows[0])
    convert = converters(connection.dialect, table, names)
    ending = "" if all_new else " ON CONFLICT DO NOTHING"
    if returning:
        ending += f" RETURNING {', '.join(returning)}"
    cells = itemgetter(*names)
    at_once = max(1, PARAMETERS // len(names))
    answers: list[Any] = []
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        values = list(chain.from_iterable(map(cells, some)))
        for place, change in enumerate(convert):
            if change:
                column = values[place :: len(names)]
                # Mostly one value for all rows: now, today, nothing.
                same = all(map(is_, column, repeat(column[0])))
                values[place :: len(names)] = [change(column[0])] * len(column) if same else map(change, column)
        statement = insertion(connection.dialect.name, table, names, len(some), ending)
        written = connection.exec_driver_sql(statement, tuple(values))
        answers += written.all() if returning else []
    return answers


def update_rows(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Write other values into rows, each by its `id`; all rows with the same columns."""
    if not rows:
        return
    connection = session.connection()
    names = tuple(name for name in rows[0] if name != "id")
    convert = [change or _as_it_is for change in converters(connection.dialect, table, names)]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    columns = ", ".join(f'"{name}" = {mark}' for name in names)
    values = [(*(change(row[name]) for change, name in zip(convert, names, strict=True)), row["id"]) for row in rows]
    connection.exec_driver_sql(f'UPDATE "{table.name}" SET {columns} WHERE "id" = {mark}', values)  # noqa: S608


def _as_it_is(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def insertion(dialect: str, table: Table, names: tuple[str, ...], rows: int, ending: str) -> str:
    """The statement for so many rows."""
    mark = "?" if dialect == "sqlite" else "%s"
    row = f"({', '.join([mark] * len(names))})"
    columns = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table.name}" ({columns}) VALUES {", ".join([row] * rows)}{ending}'  # noqa: S608


@lru_cache(maxsize=256)
def converters(dialect: Dialect, table: Table, names: tuple[str, ...]) -> tuple[Callable[[Any], Any] | None, ...]:
    """How each column's values are given to the driver; None: as they are."""
    return tuple(table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)
