"""What refunds took back of commission: 昨天退的那单扣我多少."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from assistant.customer_answers import RECENT_DAYS, found_customer
from assistant.people import Asker, Whose, whose_numbers
from assistant.questions import Clawback
from assistant.wording import days, moment, money
from bot.language import gettext as _
from contacts.channels import Campaign
from contacts.models import Customer, FollowUser, Staff
from kpi.commission import percent_at, taken_back
from kpi.measures import data_at
from kpi.models import OrderCredit
from kpi.periods import DEFAULT, Period, resolve

NEEDS = ("orders", "refunds")


@dataclass(frozen=True)
class Refunded:
    """One refund: what was given back, whose it was, and which campaign's."""

    line: OrderCredit
    customer: str
    staff: str
    campaign: Campaign | None


def clawback_answer(session: Session, asker: Asker, question: Clawback) -> list[str]:
    """The refunds of a period, and by how much each campaign's commission is lower for them."""
    whose = whose_numbers(session, asker, question.whose)
    meant = found_customer(session, asker, question.name) if question.name else None
    period = period_of(session, asker, question)
    found = refunds(session, whose, period, meant.customer_id if meant else None)
    about = {"days": days(period), "whose": meant.shown if meant else whose.label}
    if not found:
        return [_("No refunds: {days}, {whose}.").format(**about)]
    lost = by_campaign(session, found)
    lines = [
        _("{days}, {whose}: refunds take {amount} of commission").format(
            **about, amount=money(sum(fen for _campaign, fen, *_rest in lost))
        )
    ]
    lines += [campaign_line(*one) for one in lost]
    lines += [refund_line(one, asker, whose) for one in found]
    return [*lines, _("Data up to {time}").format(time=moment(data_at(session, NEEDS, asker.now), asker.zone))]


def period_of(session: Session, asker: Asker, question: Clawback) -> Period:
    """The days asked for; of a customer the last 90, else this month."""
    usual = f"last_{RECENT_DAYS}_days" if question.name else DEFAULT
    return resolve(session, question.period or usual, asker.now, asker.zone)


def refunds(session: Session, whose: Whose, period: Period, customer_id: int | None) -> list[Refunded]:
    """The refunds of these days and people, the latest first."""
    line = OrderCredit
    rows = (
        select(line, FollowUser.remark, Customer.name, Staff.name, Campaign)  # type: ignore[call-overload]
        .join(Customer, col(Customer.id) == col(line.customer_id))
        .outerjoin(
            FollowUser,
            (col(FollowUser.customer_id) == col(line.customer_id)) & (col(FollowUser.userid) == col(line.userid)),
        )
        .outerjoin(Staff, col(Staff.userid) == col(line.userid))
        .outerjoin(Campaign, col(Campaign.id) == col(line.campaign_id))
        .where(line.refund_id != 0, whose.scope.covers(col(line.userid)))
        .where(col(line.at) >= period.start, col(line.at) < period.end)
    )
    if customer_id is not None:
        rows = rows.where(line.customer_id == customer_id)
    found = session.execute(rows.order_by(col(line.at).desc(), col(line.id).desc())).all()
    return [Refunded(one, remark or name, staff or "", campaign) for one, remark, name, staff, campaign in found]


def by_campaign(session: Session, found: list[Refunded]) -> list[tuple[Campaign, int, int, float, float]]:
    """Of each campaign: what is lost, the amount refunded, the percent before and now (of the one who lost most)."""
    back: dict[tuple[int, str], int] = defaultdict(int)
    campaigns: dict[int, Campaign] = {}
    for one in found:
        if one.campaign and one.line.userid:
            campaigns[one.campaign.id or 0] = one.campaign
            back[one.campaign.id or 0, one.line.userid] -= one.line.amount_fen
    totals = nets(session, list(campaigns))
    lines = []
    for campaign_id, campaign in campaigns.items():
        theirs = [(totals.get(pair, 0), fen) for pair, fen in back.items() if pair[0] == campaign_id]
        lost = [(taken_back(campaign, net, fen), net, fen) for net, fen in theirs]
        _most, net, fen = max(lost)
        lines.append((campaign, sum(one[0] for one in lost), sum(one[2] for one in lost),
                      percent_at(campaign, net + fen), percent_at(campaign, net)))  # fmt: skip
    return lines


def nets(session: Session, campaigns: list[int]) -> dict[tuple[int, str], int]:
    """The net amount of each member in these campaigns."""
    line = OrderCredit
    summed: Any = (
        select(line.campaign_id, line.userid, func.sum(line.amount_fen))
        .where(col(line.campaign_id).in_(campaigns), col(line.userid).is_not(None))
        .group_by(col(line.campaign_id), col(line.userid))
    )
    return {(campaign_id, userid): int(fen) for campaign_id, userid, fen in session.execute(summed)}


def campaign_line(campaign: Campaign, lost_fen: int, refunded_fen: int, before: float, now: float) -> str:
    """What a campaign's refunds cost, and whether a step was lost."""
    line = _("{name}: {refunded} given back, {lost} less commission").format(
        name=campaign.name, refunded=money(refunded_fen), lost=money(lost_fen)
    )
    if before == now:
        return line + _(" ({percent}%)").format(percent=f"{now:g}")
    return line + _(" (down from {before}% to {now}%)").format(before=f"{before:g}", now=f"{now:g}")


def refund_line(one: Refunded, asker: Asker, whose: Whose) -> str:
    """One refund; of a team with whose it was."""
    theirs = "" if whose.userid else _(" ({name})").format(name=one.staff)
    line = f"· {moment(one.line.at, asker.zone)} {one.customer}{theirs} {money(-one.line.amount_fen)}"
    if one.campaign is None:
        return line + _(", no campaign: no commission on it")
    return line + _(", {name}").format(name=one.campaign.name)
