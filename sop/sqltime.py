"""Time arithmetic that both databases spell differently."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class WholeDays(FunctionElement[int]):
    """Whole days of 24 hours from the second moment to the first, rounded down; NULL where one is not known.

    Not `floor`: SQLAlchemy gives SQLite one of its own, which fails on NULL.
    """

    type = Integer()
    inherit_cache = True
    name = "whole_days"


HAIR = "0.000001"
"""A float's error at midnight must not cost a day."""


@compiles(WholeDays, "sqlite")
def _(element: WholeDays, compiler: SQLCompiler, **given: Any) -> str:
    later, earlier = (f"julianday({compiler.process(one, **given)})" for one in element.clauses)
    return f"(CAST({later} - {earlier} + 1000000 + {HAIR} AS INTEGER) - 1000000)"  # a cast rounds towards zero


@compiles(WholeDays, "postgresql")
def _(element: WholeDays, compiler: SQLCompiler, **given: Any) -> str:
    later, earlier = (f"extract(epoch from {compiler.process(one, **given)})" for one in element.clauses)
    return f"CAST(floor(({later} - {earlier}) / 86400.0 + {HAIR}) AS INTEGER)"
