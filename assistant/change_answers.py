"""Answers to why a number moved, and which customers are behind it."""

from sqlmodel import Session

from assistant.people import Asker, Whose, whose_numbers
from assistant.questions import Behind, Changed
from assistant.wording import days, moment, money, shown, title
from bot.language import gettext as _
from kpi.change import Change, Moved, change
from kpi.drill import ROWS, behind
from kpi.measures import METRICS
from kpi.periods import DEFAULT, resolve
from kpi.registry import CHANNEL, COUNT, FEN, PERCENT, STAFF, STORE, Metric

MAIN = "amount"
"""What is meant when no number is named."""
SHOWN, MOST = 3, 500
PART_UNIT = {"amount": FEN, "cost": FEN, "value": FEN, "margin": FEN, "private": FEN, "company": FEN}


def change_answer(session: Session, asker: Asker, question: Changed) -> list[str]:
    """The number now and before, which factor moved most, and who."""
    period = resolve(session, question.period or DEFAULT, asker.now, asker.zone)
    whose = whose_numbers(session, asker, question.whose)
    found = change(session, question.metric or MAIN, whose.scope, period, asker.now)
    metric = found.now.metric
    if not found.now.connected:
        return [_("{title}: not connected").format(title=title(metric))]
    head = _("{days} against {before}, {whose}").format(
        days=days(found.now.period), before=days(found.before.period), whose=whose.label
    )
    values = {"now": shown(found.now.value, metric.unit), "before": shown(found.before.value, metric.unit)}
    line = _("{title}: {now}, before {before}").format(title=title(metric), **values) + in_percent(found)
    until = _("Data up to {time}").format(time=moment(found.now.data_at or asker.now, asker.zone))
    return [head, line, *factor_lines(found), *group_lines(found), until]


def in_percent(found: Change) -> str:
    """How much that is, and of a rate in points."""
    if found.now.metric.unit == PERCENT:
        return _(" ({points} points)").format(points=f"{found.difference:+.1f}")
    return "" if found.percent is None else f" ({found.percent:+.1f}%)"


def factor_lines(found: Change) -> list[str]:
    """Each factor then and now, the one that moved most first said."""
    metric, most = found.now.metric, found.most
    if most is None or not found.difference:
        return []
    lines = [_("Most of it: {name}").format(name=factor_title(metric, most))]
    return [*lines, *(_("· {name}: {before} → {after}, effect {effect}").format(
        name=factor_title(metric, one), before=factor_shown(metric, one, one.before),
        after=factor_shown(metric, one, one.after), effect=signed(metric, one.effect),
    ) for one in found.factors)]  # fmt: skip


def factor_title(metric: Metric, one: Moved) -> str:
    """What people call a factor, or a side of a rate."""
    if metric.factors:
        return title(METRICS[one.name])
    return _("of whom") if one.name == metric.formula.above else _("of how many")  # type: ignore[attr-defined]


def factor_shown(metric: Metric, one: Moved, value: float) -> str:
    """A factor's value in its unit."""
    if not metric.factors:
        return shown(value, PART_UNIT.get(one.name, COUNT))
    unit = METRICS[one.name].unit
    return shown(100 * value if unit == PERCENT else value, unit)


def signed(metric: Metric, effect: float) -> str:
    """What something did, with its sign."""
    if metric.unit == PERCENT:
        return _("{points} points").format(points=f"{effect:+.1f}")
    return ("+" if effect > 0 else "") + (money(round(effect)) if metric.unit == FEN else f"{effect:.1f}")


def group_lines(found: Change) -> list[str]:
    """Who moved it most, by member, store and channel."""
    heads = {STAFF: _("By member"), STORE: _("By store"), CHANNEL: _("By channel")}
    metric, lines = found.now.metric, []
    for group, moved in found.groups.items():
        did = [one for one in moved if one.effect * found.difference > 0][:SHOWN]
        if did:
            told = (f"{one.name or _('none')} {signed(metric, one.effect)}" for one in did)
            lines.append(f"{heads[group]}: " + _(", ").join(told))
    return lines


def behind_answer(session: Session, asker: Asker, question: Behind) -> list[str]:
    """The customers behind a number, the newest first."""
    period = resolve(session, question.period or DEFAULT, asker.now, asker.zone)
    whose = whose_numbers(session, asker, question.whose)
    metric = METRICS[question.metric]
    head = _("{title}, {days}, {whose}").format(title=title(metric), days=days(period), whose=whose.label)
    if question.metric not in ROWS:
        return [head, _("This number is not made of single customers.")]
    rows = behind(session, question.metric, whose.scope, period, asker.now, limit=MOST)
    if not rows:
        return [head, _("Nobody.")]
    lines = []
    for row in rows:
        at = f"{moment(row.at, asker.zone)} " if row.at else ""
        amount = f" {money(row.amount_fen)}" if row.amount_fen is not None else ""
        lines.append(f"· {at}{row.customer or _('no name')}{theirs(whose, row.staff)}{amount}")
    return [head, *lines]


def theirs(whose: Whose, staff: str) -> str:
    """Of a team, with whose the customer is."""
    return "" if whose.userid or not staff else f" ({staff})"
