"""Answers: each question's lines, with its period, whose numbers they are, and the time of the data."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlmodel import Session

from assistant.briefs import brief_answer, readers_answer
from assistant.campaign_answers import campaign_kpis, commission_answer
from assistant.campaign_reviews import review_answer
from assistant.change_answers import behind_answer, change_answer
from assistant.customer_answers import credit_answer, customer_answer, lost_answer, new_answer
from assistant.people import Asker, Unanswerable, Whose, whose_numbers
from assistant.questions import (
    ME,
    Behind,
    BriefReaders,
    CampaignBrief,
    CampaignKpis,
    CampaignReview,
    Changed,
    Clawback,
    CommissionQuestion,
    Credit,
    CustomerQuestion,
    Definition,
    Help,
    LostCustomers,
    NewCustomers,
    Numbers,
    Question,
    Rank,
    ReportsWanted,
    RotaQuestion,
    Targets,
    TeamReport,
)
from assistant.refund_answers import clawback_answer
from assistant.reports import report_answer, wishes_answer
from assistant.rota_answers import rota_answer
from assistant.target_answers import targets_answer
from assistant.wording import about, days, moment, money, shown, title
from bot.language import gettext as _
from kpi.campaigns import colleagues
from kpi.measures import METRICS, BadQuestion, Measured, measure
from kpi.periods import DEFAULT, BadPeriod, Period, resolve
from kpi.registry import PAIR, REFERRER, STAFF
from kpi.scope import EVERYBODY, NotYours, Scope, team_of
from kpi.sets import set_of


def answer(session: Session, asker: Asker, question: Question) -> list[str]:
    """The lines of the answer; why there is none, where there is none."""
    try:
        return ANSWERS[type(question)](session, asker, question)
    except Unanswerable as reason:
        return [str(reason)]
    except BadPeriod as refused:
        if refused.code == "future":
            return [_("That has not begun yet; I can only tell what has happened.")]
        return [_("I do not know that period. Say for example: today, last week, this month, August, last 30 days.")]
    except BadQuestion:
        return [_("That number cannot be split that way.")]
    except NotYours:
        return [_("That number is known for the whole company only; its leader can see it.")]


def period_of(session: Session, asker: Asker, name: str) -> Period:
    """The period asked for, this month unless said."""
    return resolve(session, name or DEFAULT, asker.now, asker.zone)


def numbers(session: Session, asker: Asker, question: Numbers) -> list[str]:
    """One or more metrics, in groups if asked."""
    found, whose, period = looked_up(session, asker, question)
    lines = [_("{days}, {whose}").format(days=days(period), whose=label(found, whose))]
    for one in found:
        lines += told(one)
    return [*lines, *until(found, asker)]


def looked_up(session: Session, asker: Asker, question: Numbers) -> tuple[list[Measured], Whose, Period]:
    """The metrics asked for, whose and of which days; none named: the asker's own set."""
    period = period_of(session, asker, question.period)
    whose = whose_numbers(session, asker, question.whose)
    names = question.metrics or set_of(session, asker.userid).metrics
    found = [measure(session, name, wide(session, asker, whose, question, name), period, asker.now,
                     group_by=question.group_by or NATURAL.get(name, "")) for name in names]  # fmt: skip
    return found, whose, period


def wide(session: Session, asker: Asker, whose: Whose, question: Numbers, name: str) -> Scope:
    """Whose rows: a company-wide number asked for without a name is the company's, for who may see it."""
    if METRICS[name].company_only and question.whose in {"", ME}:
        try:
            return team_of(session, asker.userid)
        except NotYours:
            return whose.scope
    return whose.scope


def label(found: list[Measured], whose: Whose) -> str:
    """Whose numbers they are."""
    company = all(one.metric.company_only for one in found) or whose.scope == EVERYBODY
    return _("whole company") if company else whose.label


def told(found: Measured) -> list[str]:
    """A number in a line, what belongs to it, and its groups."""
    metric = found.metric
    if not found.connected:
        return [_("{title}: not connected").format(title=title(metric))]
    lines = [_("{title}: {value}").format(title=title(metric), value=shown(found.value, metric.unit)) + beside(found)]
    lines += [_("· {name}: {value}").format(name=row.name or _("none"), value=shown(row.value, metric.unit))
              + said_of(metric.name, row.parts) for row in found.rows]  # fmt: skip
    if found.immature:
        lines.append(_("(not final: some have had less than {days} days)").format(days=metric.matures_days))
    return lines


def beside(found: Measured) -> str:
    """What a number is made of, where that says more than the number."""
    wording = BESIDE.get(found.metric.name)
    return worded(wording(), found.parts) if found.parts and wording else ""


def said_of(name: str, given: Mapping[str, Any]) -> str:
    """What belongs to one pair of products, or one who brought others."""
    wording, last = OF_ROWS.get(name, ((lambda: ""), ""))
    return worded(wording(), given) if last in given else ""


def worded(wording: str, given: Mapping[str, Any]) -> str:
    """A wording with its numbers; money as people write it."""
    parts = dict(given)
    for name in ("amount", "all_amount", "confirmed", "expected"):
        if name in parts:
            parts[name] = money(parts[name])
    return wording.format(**parts)


NATURAL = {"bought_together": PAIR, "customers_brought": REFERRER}
"""Numbers that are asked for because of their groups."""
OF_ROWS: dict[str, tuple[Callable[[], str], str]] = {
    "bought_together": (
        lambda: _(" ({confidence:.0f}% of the first's orders, {confidence_back:.0f}% of the second's, {lift:.1f}× "
                  "chance)"), "lift",
    ),
    "customers_brought": (
        lambda: _(" (and {further} through them; {orders} orders, {amount})"), "further",
    ),
}  # fmt: skip
"""Wordings, each with the part that must be there."""
BESIDE: dict[str, Callable[[], str]] = {
    "contacts_added": lambda: _(" ({returned} of them returned)"),
    "customer_assets": lambda: _(
        " = opening {opening} + new {new} + won back {won_back} − lost {lost} − do not contact {do_not_contact}"
    ),
    "contacts_lost": lambda: _(" ({unrecorded} without a reason on record)"),
    "bought_together": lambda: _(" of {baskets}"),
    "delete_rate": lambda: _(" ({deleted} of {base})"),
    "early_delete_rate": lambda: _(" ({lost} of {added})"),
    "lead_success_rate": lambda: _(" ({became} of {met})"),
    "repeat_rate": lambda: _(" ({repeaters} of {buyers})"),
    "commission": lambda: _(" (confirmed {confirmed}, expected {expected})"),
    "private_performance": lambda: _(
        " ({reachable} reachable, {reached} reached, {buyers} bought; all orders {all_amount})"
    ),
}


def until(found: list[Measured], asker: Asker) -> list[str]:
    """Up to when the data goes."""
    times = [one.data_at for one in found if one.data_at]
    return [_("Data up to {time}").format(time=moment(min(times), asker.zone))] if times else []


def rank(session: Session, asker: Asker, question: Rank) -> list[str]:
    """The asker's own place among her colleagues, and the distance to the next."""
    period = period_of(session, asker, question.period)
    team = colleagues(session, asker.userid)
    beside = Scope(beside=asker.userid)
    found = measure(session, question.metric or "amount", beside, period, asker.now, group_by=STAFF)
    if not found.connected:
        return told(found)
    known = {row.key: row.value for row in found.rows if row.value is not None}
    values = {userid: known.get(userid, 0) for userid in team}
    mine, sign = values[asker.userid], -1 if found.metric.lower_is_better else 1
    ahead = [value for value in values.values() if sign * value > sign * mine]
    line = _("{title}: {value}, place {place} of {of}").format(
        title=title(found.metric), value=shown(mine, found.metric.unit), place=len(ahead) + 1, of=len(team)
    )
    gap = abs(min(ahead, key=lambda value: abs(value - mine)) - mine) if ahead else 0
    next_up = _("{gap} to the next place").format(gap=shown(gap, found.metric.unit)) if ahead else _("Nobody is ahead.")
    head = _("{days}, {whose}").format(days=days(period), whose=_("my department"))
    return [head, line, next_up, *until([found], asker)]


def definition(_session: Session, _asker: Asker, question: Definition) -> list[str]:
    """What a metric means."""
    metric = METRICS[question.metric]
    return [_("{title}: {about}").format(title=title(metric), about=about(metric))]


def help_lines() -> list[str]:
    """What can be asked about numbers."""
    return [
        _("· my campaign KPIs – progress, rank, commission and what is missing"),
        _("· my sales last week, my numbers, repeat rate this year – and then: and last month? and the team?"),
        _("· why is this week worse than last week, my sales by day, and then: details"),
        _("· my rank, my commission, my target, what did yesterday's refund cost me"),
        _("· why customers leave, which products are bought together, who brought the most"),
        _("· who deleted me this week, who added me today, look up Ms Li, whose order is Ms Li's"),
        _("· campaign brief; leaders: daily report, weekly report, campaign review, who has not read the brief"),
        _("· what is the lead success rate"),
    ]


ANSWERS: dict[type[Question], Callable[[Session, Asker, Any], list[str]]] = {
    CampaignKpis: campaign_kpis,
    Numbers: numbers,
    Changed: change_answer,
    Behind: behind_answer,
    Rank: rank,
    CommissionQuestion: commission_answer,
    Clawback: clawback_answer,
    Targets: targets_answer,
    LostCustomers: lost_answer,
    NewCustomers: new_answer,
    CustomerQuestion: customer_answer,
    Credit: credit_answer,
    Definition: definition,
    TeamReport: report_answer,
    ReportsWanted: wishes_answer,
    CampaignReview: review_answer,
    CampaignBrief: brief_answer,
    BriefReaders: readers_answer,
    RotaQuestion: rota_answer,
    Help: lambda _session, _asker, _question: help_lines(),
}
