"""Answers about campaigns, commission and targets."""

from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from assistant.people import Asker, Unanswerable, Whose, whose_numbers
from assistant.questions import ME, CampaignKpis, CommissionQuestion
from assistant.wording import days, moment, money, shown, title
from bot.language import gettext as _
from contacts.channels import Campaign
from contacts.choices import CAMPAIGN as CAMPAIGNS
from contacts.choices import Choice, the_only
from kpi.campaigns import (
    MEASURES,
    CampaignFigures,
    MemberFigures,
    Moment,
    Progress,
    mine,
    running,
    teams,
)
from kpi.commission import Commission
from kpi.measures import data_at, measure
from kpi.periods import DEFAULT, Period, resolve
from kpi.registry import CAMPAIGN, FEN

NEEDS = ("orders", "referrals")
CANDIDATES = 10


def campaign_kpis(session: Session, asker: Asker, question: CampaignKpis) -> list[str]:
    """Every running campaign of a member or a team, or the one that is named."""
    whose, at, found = figures_of(session, asker, question)
    lines = [line for figures in found for line in block(figures, whose, at)]
    return [*lines, _("Data up to {time}").format(time=moment(data_at(session, NEEDS, asker.now), asker.zone))]


def figures_of(session: Session, asker: Asker, question: CampaignKpis) -> tuple[Whose, Moment, list[CampaignFigures]]:
    """Whose figures of which days, one of each campaign. Raises `Unanswerable` where there are none."""
    whose = whose_numbers(session, asker, question.whose)
    period = resolve(session, question.period, asker.now, asker.zone) if question.period else None
    at = Moment(asker.now, asker.zone, period)
    found = [
        mine(session, campaign, whose.userid, at) if whose.userid
        else teams(session, campaign, whose.scope, asker.userid, at)
        for campaign in chosen(session, question.campaign, at.today)
    ]  # fmt: skip
    if not any(found):
        raise Unanswerable(nothing(question, whose))
    return whose, at, [one for one in found if one]


def chosen(session: Session, name: str, today: date) -> list[Campaign]:
    """The running campaigns, or the one named, running or not. Raises `Unanswerable`, or `WhichOne` for several."""
    if not name:
        return running(session, today)
    latest = select(Campaign).order_by(col(Campaign.starts_on).desc(), col(Campaign.id).desc())
    exact = session.exec(latest.where((col(Campaign.name) == name) | (col(Campaign.code) == name)).limit(1)).all()
    if exact:
        return list(exact)
    part = func.lower(col(Campaign.name)).contains(name.lower(), autoescape=True)
    fits = session.exec(latest.where(part).limit(CANDIDATES)).all()
    one = the_only(CAMPAIGNS, name, [Choice(str(one.id), one.name, f"{one.starts_on:%m-%d}") for one in fits])
    if one is None:
        known = _(", ").join(one.name for one in running(session, today)) or _("none")
        raise Unanswerable(_("I know no campaign called “{name}”. Running: {known}.").format(name=name, known=known))
    return [campaign for campaign in fits if str(campaign.id) == one.reference]


def nothing(question: CampaignKpis, whose: Whose) -> str:
    """Why there are no campaign figures."""
    if question.whose == ME:
        return _("No campaign that you take part in is running. Ask “my target” for the month.")
    return _("No campaign is running for {whose}.").format(whose=whose.label)


def block(figures: CampaignFigures, whose: Whose, at: Moment) -> list[str]:
    """A campaign in lines."""
    campaign = figures.campaign
    span = days(Period(campaign.starts_on, campaign.ends_on, at.zone))
    lines = [
        _("【{name}】{days}, {left} working days left, {whose}").format(
            name=campaign.name, days=span, left=figures.workdays, whose=whose.label
        )
    ]
    if at.period:
        lines.append(_("only {days}; targets are for the whole campaign").format(days=days(at.period)))
    lines += [progress_line(one) for one in figures.progress]
    if figures.rank:
        lines.append(rank_line(figures))
    lines.append(commission_line(figures.commission))
    return [*lines, *(member_line(one) for one in figures.members)]


def measure_title(measure: str) -> str:
    """What people call a campaign's measure."""
    return {
        "participants": _("Joined"), "referrals": _("Referrals"), "conversions": _("Converted"),
        "amount_fen": _("Sales"),
    }[measure]  # fmt: skip


def in_unit(measure: str, number: int) -> str:
    """A campaign's measure as a number or as money."""
    return money(number) if measure == "amount_fen" else str(number)


def progress_line(one: Progress) -> str:
    """Actual, target, percent, and what is missing per working day."""
    name, actual = measure_title(one.measure), in_unit(one.measure, one.actual)
    if not one.target:
        return _("{name}: {actual} (no target)").format(name=name, actual=actual)
    target = in_unit(one.measure, one.target)
    line = _("{name}: {actual} of {target} ({percent}%)").format(
        name=name, actual=actual, target=target, percent=one.percent
    )
    if not one.gap:
        return line + _(", reached")
    gap, each = in_unit(one.measure, one.gap), in_unit(one.measure, one.per_workday)
    return line + _(", {gap} to go, {each} a working day").format(gap=gap, each=each)


def rank_line(figures: CampaignFigures) -> str:
    """One's own place, and the distance to the next."""
    line = _("Rank: {place} of {of} in the team").format(place=figures.rank, of=figures.ranked)
    return line + (_(", {gap} to the next").format(gap=money(figures.ahead_fen)) if figures.ahead_fen else "")


def commission_line(one: Commission) -> str:
    """Expected, confirmed, and the next step up."""
    line = _("Commission: {expected} expected, {confirmed} confirmed").format(
        expected=money(one.expected_fen), confirmed=money(one.confirmed_fen)
    )
    if one.next_from_fen is None:
        return line
    return line + _("; {missing} more and it is {percent}% instead of {now}%").format(
        missing=money(one.missing_fen), percent=f"{one.next_percent:g}", now=f"{one.percent:g}"
    )


def member_line(one: MemberFigures) -> str:
    """One member of a team."""
    parts = (
        f"{measure_title(measure)} {in_unit(measure, one.actual[measure])}"
        + (f"/{in_unit(measure, one.target[measure])}" if one.target[measure] else "")
        for measure in MEASURES
    )
    return f"· {one.name}: " + _(", ").join(parts)


def commission_answer(session: Session, asker: Asker, question: CommissionQuestion) -> list[str]:
    """A period's commission by campaign, and the next step up of running campaigns."""
    whose = whose_numbers(session, asker, question.whose)
    period = resolve(session, question.period or DEFAULT, asker.now, asker.zone)
    found = measure(session, "commission", whose.scope, period, asker.now, group_by=CAMPAIGN)
    if not found.connected:
        return [_("{title}: not connected").format(title=title(found.metric))]
    lines = [
        _("{days}, {whose}").format(days=days(period), whose=whose.label),
        _("Commission: {expected} expected, {confirmed} confirmed").format(
            expected=money(found.parts["expected"]), confirmed=money(found.parts["confirmed"])
        ),
        *(_("· {name}: {value}").format(name=row.name, value=shown(row.value, FEN)) for row in found.rows),
    ]
    at = Moment(asker.now, asker.zone)
    for campaign in running(session, at.today) if whose.userid else []:
        figures = mine(session, campaign, whose.userid or "", at)
        if figures and figures.commission.next_from_fen is not None:
            lines += [f"{campaign.name}: {commission_line(figures.commission)}", tiers_line(campaign)]
    return [*lines, _("Data up to {time}").format(time=moment(found.data_at or asker.now, asker.zone))]


def tiers_line(campaign: Campaign) -> str:
    """A campaign's steps of commission."""
    steps = (
        _("{percent}% from {amount}").format(amount=money(int(start)), percent=f"{percent:g}")
        for start, percent in sorted(campaign.tiers)
    )
    return _("{name}, steps: {steps}").format(name=campaign.name, steps=_(", ").join(steps))
