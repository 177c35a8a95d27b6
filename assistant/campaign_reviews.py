"""A campaign looked back on: results against targets, channels, staff, and where its funnel leaked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from sqlalchemy import func
from sqlmodel import Session, col, select

from assistant.campaign_answers import commission_line, in_unit, measure_title, member_line
from assistant.people import Asker, Unanswerable, Whose, whose_numbers
from assistant.questions import TEAM, CampaignReview
from assistant.wording import days, moment, shown, title
from bot.language import gettext as _
from contacts.channels import Campaign, Channel
from contacts.facts import Traffic
from kpi.campaigns import CampaignFigures, Moment, Progress, teams
from kpi.measures import data_at, measure
from kpi.periods import Period
from kpi.registry import CAMPAIGN, CHANNEL, FEN, PERCENT, Number
from kpi.scope import EVERYBODY

NEEDS = ("orders", "contacts", "referrals")
NAMED = 8
"""So many channels and members are named; how many more there are is said."""


def review_answer(session: Session, asker: Asker, question: CampaignReview) -> list[str]:
    """The review of the campaign named, or of the latest that has ended. Raises `Unanswerable`."""
    whose = whose_numbers(session, asker, TEAM)
    today = asker.now.astimezone(asker.zone).date()
    campaign = chosen(session, question.campaign, today)
    if campaign is None:
        raise Unanswerable(_("No campaign has ended yet. While one runs, ask “my campaign KPIs”."))
    lines = review(session, asker, whose, campaign)
    if not lines:
        raise Unanswerable(_("Nobody of {whose} took part in {name}.").format(whose=whose.label, name=campaign.name))
    return lines


def chosen(session: Session, name: str, today: date) -> Campaign | None:
    """The campaign called so, running or not; without a name the latest that has ended."""
    every = select(Campaign).order_by(col(Campaign.ends_on).desc(), col(Campaign.id).desc())
    wanted = every.where(Campaign.name == name) if name else every.where(Campaign.ends_on < today)
    return session.exec(wanted.limit(1)).first()


@dataclass(frozen=True)
class View:
    """A campaign as one leader sees it."""

    session: Session
    asker: Asker
    whose: Whose
    campaign: Campaign

    @property
    def span(self) -> Period:
        """The campaign's days."""
        return Period(self.campaign.starts_on, self.campaign.ends_on, self.asker.zone)

    @property
    def company(self) -> bool:
        """She sees the whole company; what is spent is known for that only."""
        return self.whose.scope == EVERYBODY


def review(session: Session, asker: Asker, whose: Whose, campaign: Campaign) -> list[str]:
    """The lines of a team's review; none when nobody of the team took part."""
    figures = teams(session, campaign, whose.scope, asker.userid, Moment(asker.now, asker.zone))
    if figures is None:
        return []
    view = View(session, asker, whose, campaign)
    label = _("whole company") if view.company else whose.label
    heading = _("【Campaign review】{name}, {days}, {whose}")
    lines = [heading.format(name=campaign.name, days=days(view.span), whose=label)]
    lines += [result_line(one) for one in figures.progress]
    lines += [commission_line(figures.commission), *cost_lines(view), *channel_lines(view)]
    lines += some(_("Staff:"), [member_line(one) for one in figures.members])
    lines += funnel_lines(view, figures)
    return [*lines, _("Data up to {time}").format(time=moment(data_at(session, NEEDS, asker.now), asker.zone))]


def result_line(one: Progress) -> str:
    """A result against its target, and what was missing."""
    name, actual = measure_title(one.measure), in_unit(one.measure, one.actual)
    if not one.target:
        return _("{name}: {actual} (no target)").format(name=name, actual=actual)
    target = in_unit(one.measure, one.target)
    line = _("{name}: {actual} of {target} ({percent}%)").format(
        name=name, actual=actual, target=target, percent=one.percent
    )
    return line + (_(", {gap} short").format(gap=in_unit(one.measure, one.gap)) if one.gap else _(", reached"))


def cost_lines(view: View) -> list[str]:
    """What it cost and brought back."""
    if not view.company:
        return []
    now, filters = view.asker.now, {CAMPAIGN: view.campaign.id}
    found = measure(view.session, "campaign_roi", EVERYBODY, view.span, now, filters=filters)
    name = title(found.metric)
    if not found.connected or not found.parts.get("cost"):
        return [_("{title}: no cost on record").format(title=name)]
    value, cost = shown(found.value, PERCENT), shown(found.parts["cost"], FEN)
    return [_("{title}: {value} (cost {cost})").format(title=name, value=value, cost=cost)]


def channel_lines(view: View) -> list[str]:
    """Each of its channels: contacts added, sales and, for the whole company, the return on its cost."""
    of_campaign = select(Channel).where(Channel.campaign_id == view.campaign.id).order_by(col(Channel.id))
    channels = view.session.exec(of_campaign).all()
    added, sold = by_channel(view, "contacts_added"), by_channel(view, "amount", {CAMPAIGN: view.campaign.id})
    roi = by_channel(view, "channel_roi") if view.company else {}
    lines = []
    for one in sorted(channels, key=lambda channel: -(sold.get(channel.id) or 0)):
        parts = [_("{count} added").format(count=int(added.get(one.id) or 0)), shown(sold.get(one.id) or 0, FEN)]
        if roi.get(one.id) is not None:
            parts.append(_("ROI {value}").format(value=shown(roi[one.id], PERCENT)))
        lines.append("· " + _("{name}: {reasons}").format(name=one.name, reasons=_(", ").join(parts)))
    return some(_("Channels:"), lines)


def by_channel(
    view: View, metric: str, filters: Mapping[str, int | None] | None = None
) -> dict[int | None, Number | None]:
    """A metric by channel; empty where its data are not connected."""
    found = measure(
        view.session, metric, view.whose.scope, view.span, view.asker.now, group_by=CHANNEL, filters=filters
    )
    return {row.key: row.value for row in found.rows}


def funnel_lines(view: View, figures: CampaignFigures) -> list[str]:
    """Seen, added, joined, bought; and the step that lost the largest share."""
    steps = funnel(view, figures)
    lines = [_("Funnel: {steps}").format(steps=" → ".join(f"{name} {number}" for name, number in steps))]
    shares = [(after / before, first, then) for (first, before), (then, after) in pairwise(steps) if before > after]
    if shares:
        share, first, then = min(shares)
        text = _("Most were lost from {first} to {then}: {percent}% went on.")
        lines.append(text.format(first=first, then=then, percent=int(100 * share)))
    return lines


def funnel(view: View, figures: CampaignFigures) -> list[tuple[str, int]]:
    """The campaign's steps with their numbers; visitors only where they are known."""
    campaign = view.campaign
    channels = select(Channel.id).where(Channel.campaign_id == campaign.id)
    ids = set(view.session.exec(channels).all())
    added = sum(int(number or 0) for key, number in by_channel(view, "contacts_added").items() if key in ids)
    actual = {one.measure: one.actual for one in figures.progress}
    steps = [(_("added"), added)]
    steps += [(measure_title(name), actual[name]) for name in ("participants", "conversions")]
    on_its_days = (col(Traffic.day) >= campaign.starts_on, col(Traffic.day) <= campaign.ends_on)
    seen = select(func.sum(Traffic.visitors)).where(col(Traffic.channel_id).in_(channels), *on_its_days)
    visitors = int(view.session.exec(seen).one() or 0) if view.company else 0
    return [(_("visitors"), visitors), *steps] if visitors else steps


def some(heading: str, lines: list[str]) -> list[str]:
    """A heading with its first lines and how many more there are; nothing without lines."""
    more = len(lines) - NAMED
    shown_lines = [heading, *lines[:NAMED]] if lines else []
    return [*shown_lines, _("… and {number} more.").format(number=more)] if more > 0 else shown_lines


def ended(session: Session, today: date, within: int) -> list[Campaign]:
    """Campaigns whose last day was at most so many days ago."""
    over = select(Campaign).where(Campaign.ends_on < today, Campaign.ends_on >= today - timedelta(days=within))
    return list(session.exec(over.order_by(col(Campaign.id))).all())
