"""Statements of the hot path, given to the driver as they are.

An add is ten small statements, and SQLAlchemy's execution of one costs five times what SQLite needs to carry it out. It
still writes them: each is compiled once per database, and values take the way of their column's type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect, Table
from sqlalchemy.exc import DBAPIError

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement as one driver takes it."""

    sql: str
    names: tuple[str, ...]
    """The parameters; in their order where the driver counts them."""
    known: Mapping[str, Any]
    """What the statement itself says, converted already."""
    converters: Mapping[str, Convert]
    counted: bool


def columns_but_id(table: Table) -> list[str]:
    """What an INSERT says of a row that is given its id by the database."""
    return [name for name in table.c.keys() if name != "id"]  # noqa: SIM118 - its columns, not its names


def driven(connection: Connection, sql: str, values: Any) -> Any:
    """Give the driver a statement in the connection's transaction; answers its cursor. Raises `DBAPIError`."""
    errors = connection.dialect.dbapi.Error  # type: ignore[union-attr]
    try:
        return connection.connection.dbapi_connection.execute(sql, values)  # type: ignore[union-attr]
    except errors as error:
        raise DBAPIError.instance(sql, None, error, errors, hide_parameters=True) from error


class Statement:
    """A statement whose values are plain names; a list of values inside IN is not for it, nor is the ORM."""

    def __init__(self, clause: ClauseElement, *columns: str) -> None:
        """`columns`: of an INSERT without values of its own."""
        self.clause = clause
        self.columns = list(columns) or None
        self.plans: dict[str, Plan] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """Carry it out in the connection's transaction; answers the driver's cursor. Raises `DBAPIError`."""
        plan = self.plans.get(connection.dialect.name) or self.prepare(connection.dialect)
        known, converters = plan.known, plan.converters
        row = [
            (converters[name](values[name]) if name in converters else values[name]) if name in values else known[name]
            for name in plan.names
        ]
        return driven(connection, plan.sql, tuple(row) if plan.counted else dict(zip(plan.names, row, strict=True)))

    def prepare(self, dialect: Dialect) -> Plan:
        """Compile it for one database."""
        compiled: Any = self.clause.compile(dialect=dialect, column_keys=self.columns)
        converters = {}
        for name, bind in compiled.binds.items():
            if convert := bind.type.dialect_impl(dialect).bind_processor(dialect):
                converters[name] = convert
        said = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        known = {name: converters.get(name, lambda value: value)(value) for name, value in said.items()}
        counted = bool(compiled.positional)
        names = tuple(compiled.positiontup if counted else compiled.binds)
        plan = Plan(str(compiled), names, known, converters, counted)
        self.plans[dialect.name] = plan
        return plan
