"""Rows on their way into an empty database, in sets."""

from collections import defaultdict
from functools import cache
from typing import Any

from sqlalchemy import Table, func, insert, literal, select
from sqlmodel import Session, SQLModel

from bot.database import defaults

Row = dict[str, Any]


class Rows:
    """Rows by table, in the order they were made; tables that number themselves count from 1."""

    def __init__(self) -> None:
        self.tables: defaultdict[type[SQLModel], list[Row]] = defaultdict(list)

    def add(self, model: type[SQLModel], **values: Any) -> int:
        """Keep one row; answers its number."""
        rows = self.tables[model]
        rows.append(values)
        if counts_itself(model):
            values["id"] = len(rows)
        return len(rows)

    def fact(self, model: type[SQLModel], **values: Any) -> int:
        """Keep one fact, as if a feed had brought it; answers its number."""
        source_id = f"demo-{model.__name__.lower()}-{len(self.tables[model]) + 1}"
        return self.add(model, source_id=source_id, digest=source_id, **values)


@cache
def counts_itself(model: type[SQLModel]) -> bool:
    """Whether the database numbers the rows of a table."""
    return "id" in model.model_fields and not model.model_fields["id"].is_required()


def insert_all(session: Session, rows: Rows) -> None:
    """Write all rows into tables that are empty."""
    connection = session.connection()
    by_table = {table_of(model): (model, made) for model, made in rows.tables.items() if made}
    for table in SQLModel.metadata.sorted_tables:
        if table not in by_table:
            continue
        model, made = by_table[table]
        blank = defaults(model)
        connection.execute(insert(table), [blank | row for row in made])
        if counts_itself(model) and connection.dialect.name == "postgresql":
            sequence = func.pg_get_serial_sequence(literal(f'"{table.name}"'), literal("id"))
            connection.execute(select(func.setval(sequence, len(made))))


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table
