"""Arithmetic with times inside SQL, the same on SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import Date, Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from bot.database import UtcTime


class later(FunctionElement[Any]):  # noqa: N801 - reads as an SQL function
    """`later(at, days)`: a time so many days of 24 hours on; both may be columns."""

    inherit_cache = True
    type = UtcTime()


class days_between(FunctionElement[Any]):  # noqa: N801
    """`days_between(earlier, later)`: days with their fraction."""

    inherit_cache = True
    type = Float()


class local_day(FunctionElement[Any]):  # noqa: N801
    """`local_day(at, minutes)`: the calendar day of a time in a zone so many minutes ahead of UTC."""

    inherit_cache = True
    type = Date()


@compiles(later, "sqlite")
def later_on_sqlite(element: later, compiler: SQLCompiler, **given: Any) -> str:
    """Times are kept as text with microseconds; SQLite computes to the millisecond."""
    at, days = (compiler.process(clause, **given) for clause in element.clauses)
    return f"(strftime('%Y-%m-%d %H:%M:%f', {at}, (24 * ({days})) || ' hours') || '000')"


@compiles(later, "postgresql")
def later_on_postgresql(element: later, compiler: SQLCompiler, **given: Any) -> str:
    """Hours, so that the session's time zone plays no part."""
    at, days = (compiler.process(clause, **given) for clause in element.clauses)
    return f"({at} + make_interval(hours => (24 * ({days}))::int))"


@compiles(days_between, "sqlite")
def days_between_on_sqlite(element: days_between, compiler: SQLCompiler, **given: Any) -> str:
    """Julian days."""
    first, second = (compiler.process(clause, **given) for clause in element.clauses)
    return f"(julianday({second}) - julianday({first}))"


@compiles(days_between, "postgresql")
def days_between_on_postgresql(element: days_between, compiler: SQLCompiler, **given: Any) -> str:
    """Seconds divided."""
    first, second = (compiler.process(clause, **given) for clause in element.clauses)
    return f"(extract(epoch from ({second} - {first}))::float8 / 86400)"


@compiles(local_day, "sqlite")
def local_day_on_sqlite(element: local_day, compiler: SQLCompiler, **given: Any) -> str:
    """Days are kept as text."""
    at, minutes = (compiler.process(clause, **given) for clause in element.clauses)
    return f"strftime('%Y-%m-%d', {at}, ({minutes}) || ' minutes')"


@compiles(local_day, "postgresql")
def local_day_on_postgresql(element: local_day, compiler: SQLCompiler, **given: Any) -> str:
    """Minutes added to the time in UTC, so that the session's time zone plays no part."""
    at, minutes = (compiler.process(clause, **given) for clause in element.clauses)
    return f"(({at} AT TIME ZONE 'UTC') + make_interval(mins => ({minutes})::int))::date"
