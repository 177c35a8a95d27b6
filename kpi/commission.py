"""Commission: a percent of what a campaign's orders bring, net; expected until the refund period ends, then confirmed.

With tiers, the percent of the highest reached holds for the whole. A refund is a negative line of its own day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlmodel import Session, col

from contacts.channels import Campaign
from kpi.models import OrderCredit


@dataclass(frozen=True)
class Commission:
    """What a member earns from one campaign, in fen."""

    expected_fen: int
    """Of payments that may still be refunded: what comes on top if none is."""
    confirmed_fen: int
    percent: float
    """That holds now."""
    next_from_fen: int | None = None
    """Net amount from which a higher percent holds; None at the top or without tiers."""
    next_percent: float | None = None
    missing_fen: int = 0
    """Net amount still missing to it."""


def percent_at(campaign: Campaign, amount_fen: int) -> float:
    """The percent that a net amount reaches."""
    reached = [percent for start, percent in campaign.tiers if amount_fen >= start]
    if campaign.tiers:
        return max(reached, default=0.0)
    return campaign.commission_percent


def share(amount_fen: int, percent: float) -> int:
    """A percent of an amount, in whole fen, half a fen up."""
    exact = Decimal(amount_fen) * Decimal(str(percent)) / 100
    return int(exact.to_integral_value(ROUND_HALF_UP))


def commission(campaign: Campaign, confirmed_fen: int, open_fen: int) -> Commission:
    """What net amounts past and within their refund periods earn: confirmed counts only what cannot be lost again."""
    total = confirmed_fen + open_fen
    percent = percent_at(campaign, total)
    confirmed = share(confirmed_fen, percent_at(campaign, confirmed_fen))
    higher = sorted((int(start), of) for start, of in campaign.tiers if start > total and of > percent)
    step = higher[0] if higher else (None, None)
    missing = step[0] - total if step[0] is not None else 0
    return Commission(share(total, percent) - confirmed, confirmed, percent, step[0], step[1], missing)


def taken_back(campaign: Campaign, net_fen: int, refunded_fen: int) -> int:
    """How much less a net amount earns than it would without what was refunded, a lower percent included."""
    whole = net_fen + refunded_fen
    return share(whole, percent_at(campaign, whole)) - share(net_fen, percent_at(campaign, net_fen))


@dataclass(frozen=True)
class Earned:
    """Net amounts of one member in one campaign."""

    campaign_id: int
    userid: str
    confirmed_fen: int
    open_fen: int


def earned(session: Session, now: datetime, *conditions: ColumnElement[bool]) -> Iterable[Earned]:
    """Net amounts by campaign and member, past and within the refund period."""
    line, sure = OrderCredit, col(OrderCredit.confirms_at) <= now
    amount = col(line.amount_fen)

    def total(condition: ColumnElement[bool]) -> Any:
        return func.coalesce(func.sum(case((condition, amount), else_=0)), 0)

    rows = session.execute(
        select(col(line.campaign_id), col(line.userid), total(sure), total(~sure))
        .where(col(line.campaign_id).is_not(None), col(line.userid).is_not(None), *conditions)
        .group_by(col(line.campaign_id), col(line.userid))
    )
    return (Earned(campaign_id, userid, int(done), int(rest)) for campaign_id, userid, done, rest in rows)
