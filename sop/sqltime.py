"""Time arithmetic that both databases spell differently."""

from typing import Any

from sqlalchemy import Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class DayNumber(FunctionElement[float]):
    """A moment as days since some fixed one: the difference of two is days, with their fraction."""

    type = Float()
    inherit_cache = True
    name = "day_number"


@compiles(DayNumber, "sqlite")
def _(element: DayNumber, compiler: SQLCompiler, **given: Any) -> str:
    return f"julianday({compiler.process(element.clauses, **given)})"


@compiles(DayNumber, "postgresql")
def _(element: DayNumber, compiler: SQLCompiler, **given: Any) -> str:
    return f"(extract(epoch from {compiler.process(element.clauses, **given)}) / 86400.0)"
