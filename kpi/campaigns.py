"""My campaign KPIs: what each running campaign has brought, against its targets, the days left, and the team."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, or_, select
from sqlmodel import Session, col
from sqlmodel import select as rows_of

from contacts.calendar import rota
from contacts.channels import Campaign, CampaignStaff
from contacts.facts import Participation, Referral
from contacts.models import Customer, Staff
from kpi.commission import Commission, commission, earned
from kpi.models import OrderCredit
from kpi.periods import Period
from kpi.scope import Scope, beside

MEASURES = ("participants", "referrals", "conversions", "amount_fen")


@dataclass(frozen=True)
class Moment:
    """When somebody asks, and of which days: all of the campaign, or a period's only."""

    now: datetime
    zone: ZoneInfo
    period: Period | None = None

    @property
    def today(self) -> date:
        """In the company's zone."""
        return self.now.astimezone(self.zone).date()

    def within(self, at: Any) -> list[Any]:
        """The condition that something happened on those days."""
        return [col(at) >= self.period.start, col(at) < self.period.end] if self.period else []


@dataclass(frozen=True)
class Progress:
    """One measure against its target."""

    measure: str
    actual: int
    target: int
    workdays: int
    """Left in the campaign, today included."""

    @property
    def percent(self) -> int | None:
        """Of the target, rounded down, so that 100 means reached; None without a target."""
        return math.floor(100 * self.actual / self.target) if self.target else None

    @property
    def gap(self) -> int:
        """What is missing."""
        return max(self.target - self.actual, 0)

    @property
    def per_workday(self) -> int:
        """What is missing, spread over the working days left, rounded up."""
        return math.ceil(self.gap / max(self.workdays, 1))


@dataclass(frozen=True)
class CampaignFigures:
    """A campaign seen by one member, or by the leader of a team."""

    campaign: Campaign
    workdays: int
    progress: list[Progress]
    rank: int | None
    """By amount, within the team; None for a team's own figures and for who is not ranked."""
    ranked: int
    ahead_fen: int
    """Net amount to the next one up; 0 at the top."""
    commission: Commission
    members: list["MemberFigures"] = field(default_factory=list)
    """Of a team: the best first."""


@dataclass(frozen=True)
class MemberFigures:
    """What one member has in a campaign."""

    userid: str
    name: str
    actual: dict[str, int]
    target: dict[str, int]
    commission: Commission


def running(session: Session, today: date) -> list[Campaign]:
    """The campaigns of today, the one that ends first at the top."""
    now = rows_of(Campaign).where(col(Campaign.starts_on) <= today, col(Campaign.ends_on) >= today)
    return list(session.exec(now.order_by(col(Campaign.ends_on), col(Campaign.id))).all())


def workdays_left(session: Session, userid: str, today: date, last: date) -> int:
    """A member's working days from today to the end, both included."""
    days = [today + timedelta(days=number) for number in range(max((last - today).days + 1, 0))]
    calendar = rota(session, [userid], today, last) if days else None
    return sum(1 for day in days if calendar and calendar.works(userid, day))


def by_member(session: Session, campaign: Campaign, at: Moment, scope: Scope) -> dict[str, MemberFigures]:
    """The figures of a campaign of each member the scope covers, in a query per measure."""
    part = scope.covers(col(CampaignStaff.userid))
    theirs = rows_of(CampaignStaff).where(CampaignStaff.campaign_id == campaign.id, part)
    targets = {one.userid: one for one in session.exec(theirs)}
    actual: dict[str, dict[str, int]] = {}
    for measure, statement in statements(campaign, at, scope).items():
        for userid, number in session.execute(statement):
            actual.setdefault(userid, {})[measure] = int(number)
    during = [*at.within(OrderCredit.at), scope.covers(col(OrderCredit.userid))]
    money = {one.userid: one for one in earned(session, at.now, col(OrderCredit.campaign_id) == campaign.id, *during)}
    userids = sorted({*targets, *actual, *money})
    names = names_of(session, userids)
    return {
        userid: MemberFigures(
            userid,
            names.get(userid, userid),
            {measure: actual.get(userid, {}).get(measure, 0) for measure in MEASURES},
            {measure: getattr(targets.get(userid), measure, 0) for measure in MEASURES},
            commission(campaign, money[userid].confirmed_fen, money[userid].open_fen)
            if userid in money
            else commission(campaign, 0, 0),
        )
        for userid in userids
    }


def names_of(session: Session, userids: Sequence[str]) -> dict[str, str]:
    """Names by userid."""
    pieces = (userids[start : start + 500] for start in range(0, len(userids), 500))
    found = (session.exec(rows_of(Staff.userid, Staff.name).where(col(Staff.userid).in_(piece))) for piece in pieces)
    return {userid: name for rows in found for userid, name in rows}


def statements(campaign: Campaign, at: Moment, scope: Scope) -> dict[str, Any]:
    """The (userid, number) query of each measure."""
    line, main = OrderCredit, col(Customer.main_userid)
    joined_by = func.coalesce(col(Participation.userid), main)
    mine = col(line.campaign_id) == campaign.id
    credited = and_(mine, col(line.userid).is_not(None), scope.covers(col(line.userid)), *at.within(OrderCredit.at))
    brought_by = func.coalesce(col(Referral.userid), main)
    return {
        "participants": select(joined_by, func.count())
        .join(Customer, col(Customer.id) == col(Participation.customer_id))
        .where(col(Participation.campaign_id) == campaign.id, joined_by.is_not(None))
        .where(scope.covers(joined_by), *at.within(Participation.at))
        .group_by(joined_by),
        "referrals": select(brought_by, func.count())
        .select_from(Referral)
        .join(Customer, col(Customer.id) == col(Referral.referrer_id))
        .where(of_campaign(campaign, at.zone), brought_by.is_not(None))
        .where(scope.covers(brought_by), *at.within(Referral.at))
        .group_by(brought_by),
        "conversions": select(col(line.userid), func.count(func.distinct(col(line.customer_id))))
        .where(credited, col(line.refund_id) == 0)
        .group_by(col(line.userid)),
        "amount_fen": select(col(line.userid), func.sum(col(line.amount_fen)))
        .where(credited)
        .group_by(col(line.userid)),
    }


def of_campaign(campaign: Campaign, zone: ZoneInfo) -> Any:
    """Which referrals count: the record names the campaign; or, on its days, one of the two has joined it."""
    days = Period(campaign.starts_on, campaign.ends_on, zone)
    began, ended = col(Referral.at) >= days.start, col(Referral.at) < days.end
    joined = select(col(Participation.id)).where(
        col(Participation.campaign_id) == campaign.id,
        or_(
            col(Participation.customer_id) == col(Referral.referrer_id),
            col(Participation.customer_id) == col(Referral.customer_id),
        ),
    )
    implied = and_(col(Referral.campaign_id).is_(None), began, ended, joined.exists())
    return or_(col(Referral.campaign_id) == campaign.id, implied)


def colleagues(session: Session, userid: str) -> set[str]:
    """Who works in one of a member's departments, herself included."""
    return set(session.execute(beside(userid)).scalars())


def mine(session: Session, campaign: Campaign, userid: str, at: Moment) -> CampaignFigures | None:
    """A member's figures of a campaign; None when she takes no part."""
    figures = by_member(session, campaign, at, Scope(beside=userid))
    if userid not in figures:
        return None
    own = figures[userid]
    workdays = workdays_left(session, userid, at.today, campaign.ends_on)
    team = [one.actual["amount_fen"] for one in figures.values()]
    amount = own.actual["amount_fen"]
    better = [one for one in team if one > amount]
    return CampaignFigures(
        campaign,
        workdays,
        [Progress(measure, own.actual[measure], own.target[measure], workdays) for measure in MEASURES],
        len(better) + 1,
        len(team),
        min(better) - amount if better else 0,
        own.commission,
    )


def teams(session: Session, campaign: Campaign, scope: Scope, leader: str, at: Moment) -> CampaignFigures | None:
    """A team's figures of a campaign, with each member's; None when nobody of the team takes part."""
    members = set(session.execute(scope.members()).scalars())
    figures = [one for one in by_member(session, campaign, at, scope).values() if one.userid in members]
    if not figures:
        return None
    workdays = workdays_left(session, leader, at.today, campaign.ends_on)
    summed = {measure: sum(one.actual[measure] for one in figures) for measure in MEASURES}
    # A customer two members served is one of the team's: conversions are counted anew, not added up.
    summed["conversions"] = buyers(session, campaign, scope, at)
    target = {measure: sum(one.target[measure] for one in figures) for measure in MEASURES}
    whole = Commission(
        sum(one.commission.expected_fen for one in figures), sum(one.commission.confirmed_fen for one in figures), 0.0
    )
    figures.sort(key=lambda one: (-one.actual["amount_fen"], one.userid))
    progress = [Progress(measure, summed[measure], target[measure], workdays) for measure in MEASURES]
    return CampaignFigures(campaign, workdays, progress, None, len(figures), 0, whole, figures)


def buyers(session: Session, campaign: Campaign, scope: Scope, at: Moment) -> int:
    """Distinct customers with a payment credited to the team."""
    line = OrderCredit
    paid = [col(line.campaign_id) == campaign.id, col(line.refund_id) == 0, col(line.userid).in_(scope.members())]
    counted = select(func.count(func.distinct(col(line.customer_id)))).where(*paid, *at.within(line.at))
    return int(session.execute(counted).scalar() or 0)
