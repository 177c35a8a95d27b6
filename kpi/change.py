"""Why a number is better or worse than in the period before: which factor moved it most, and by whom.

The factors' shares of the difference add up to it, whatever their order (logarithmic mean Divisia method).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from kpi.measures import Measured, measure, metric_named
from kpi.periods import Period
from kpi.registry import CHANNEL, STAFF, STORE, Factor, Metric, Number, Ratio
from kpi.scope import Scope

GROUPS = (STAFF, STORE, CHANNEL)


@dataclass(frozen=True)
class Moved:
    """A factor or a group then and now, and how much of the difference it made."""

    name: str
    """A metric's for a factor, a part's for one side of a rate, else what people call the group."""
    before: Number
    after: Number
    effect: float


@dataclass(frozen=True)
class Change:
    """A number and the one before it, both as far into their period, with what moved."""

    now: Measured
    before: Measured
    factors: list[Moved] = field(default_factory=list)
    """In the formula's order."""
    groups: dict[str, list[Moved]] = field(default_factory=dict)
    """By dimension, who moved it most in the direction it went first."""

    @property
    def difference(self) -> float:
        """Now less before; nothing counted is 0."""
        return float(self.now.value or 0) - float(self.before.value or 0)

    @property
    def percent(self) -> float | None:
        """Of the number before; None where that is nothing."""
        return 100 * self.difference / abs(self.before.value) if self.before.value else None

    @property
    def worse(self) -> bool:
        """Whether it went the wrong way."""
        return (self.difference > 0) if self.now.metric.lower_is_better else (self.difference < 0)

    @property
    def most(self) -> Moved | None:
        """The factor that did most in the direction it went."""
        sign = 1 if self.difference >= 0 else -1
        return max(self.factors, key=lambda one: sign * one.effect, default=None)


def change(
    session: Session,
    name: str,
    scope: Scope,
    period: Period,
    now: datetime,
    *,
    filters: Mapping[str, Any] | None = None,
) -> Change:
    """A number against the period before, explained. Raises `BadQuestion`, `NotYours`."""
    metric = metric_named(name)
    then, as_of = before_of(period, now)
    given: dict[str, Any] = {"filters": filters}
    found = measure(session, name, scope, period, now, **given)
    earlier = measure(session, name, scope, then, as_of, **given)
    if not found.connected:
        return Change(found, earlier)
    told = Change(found, earlier, factors_of(metric, earlier.parts, found.parts))
    groups = {}
    for group in (one for one in GROUPS if one in metric.dimensions and (one != STAFF or scope.userid is None)):
        given["group_by"] = group
        rows = [measure(session, name, scope, *when, **given) for when in ((then, as_of), (period, now))]
        groups[group] = groups_of(metric, told, rows[0], rows[1])
    return replace(told, groups=groups)


def before_of(period: Period, now: datetime) -> tuple[Period, datetime]:
    """The period before, as far as this one has come, and the moment that was."""
    then = period.previous()
    as_of = min(then.start + max(now - period.start, timedelta()), then.end) if now < period.end else then.end
    last = (as_of - timedelta(microseconds=1)).astimezone(period.zone).date()
    return Period(then.first, max(then.first, min(then.last, last)), period.zone), as_of


def factors_of(metric: Metric, before: Mapping[str, Number], after: Mapping[str, Number]) -> list[Moved]:
    """What each factor, or each side of a rate, did to a number."""
    if not before or not after:
        return []
    if metric.factors:
        return product_of(metric.factors, before, after)
    formula = metric.formula
    if not isinstance(formula, Ratio) or not before[formula.below] or not after[formula.below]:
        return []
    (a, b), (c, d) = ((found[formula.above], found[formula.below]) for found in (before, after))
    return [
        Moved(formula.above, a, c, formula.times * (c - a) / b),
        Moved(formula.below, b, d, formula.times * c * (1 / d - 1 / b)),
    ]


def product_of(factors: tuple[Factor, ...], before: Mapping[str, Number], after: Mapping[str, Number]) -> list[Moved]:
    """Shares of a product's difference."""
    old, new = [one.of(before) for one in factors], [one.of(after) for one in factors]
    if min(*old, *new) > 0:
        first, last = math.prod(old), math.prod(new)
        mean = (last - first) / math.log(last / first) if last != first else first
        effects = [mean * math.log(b / a) for a, b in zip(old, new, strict=True)]
    else:  # one after the other: no logarithm of nothing
        effects = [
            math.prod(new[:place]) * (new[place] - old[place]) * math.prod(old[place + 1 :])
            for place in range(len(factors))
        ]
    moved = zip(factors, old, new, effects, strict=True)
    return [Moved(factor.metric, a, b, effect) for factor, a, b, effect in moved]


def groups_of(metric: Metric, whole: Change, before: Measured, after: Measured) -> list[Moved]:
    """How much each group did: its own difference; of a rate, what it added or took with its weight."""
    then, now = ({row.key: row for row in found.rows} for found in (before, after))
    moved = []
    for key in {*then, *now}:
        old, new = then.get(key), now.get(key)
        name = (new or old).name  # type: ignore[union-attr]
        a, b = (one.value or 0 if one else 0 for one in (old, new))
        effect = float(b - a)
        if isinstance(metric.formula, Ratio):
            level, below = float(whole.before.value or 0), metric.formula.below
            weights = [
                float(one.parts.get(below, 0)) / float(total.parts[below]) if one and total.parts.get(below) else 0.0
                for one, total in ((old, whole.before), (new, whole.now))
            ]
            effect = weights[1] * (float(b) - level) - weights[0] * (float(a) - level)
        moved.append(Moved(name, a, b, effect))
    sign = 1 if whole.difference >= 0 else -1
    return sorted(moved, key=lambda one: (-sign * one.effect, one.name))
