"""What a to-do is worth to its member: the commission that an order from it would bring, and how often one follows.

An order of hers would count for the campaign that `kpi.credit` would choose today; tiers and all, as commission is
reckoned. How often: of the SOP's own runs that were followed up in the last 90 days and whose window is over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, case, func, literal, select
from sqlmodel import Session, col

from bot.database import UtcTime
from contacts.channels import Campaign
from contacts.touches import TOUCH_DAYS
from kpi.commission import earned, percent_at, share
from kpi.credit import touchpoints
from kpi.models import OrderCredit
from sop.enrol import chunks
from sop.outcomes import ORDERED
from sop.sops import DONE, Todo

LEAST_RUNS = 30
"""With fewer runs there is no saying how often an order follows."""
LOOK_BACK = timedelta(days=90)
TODOS: Table = Todo.__table__  # type: ignore[attr-defined]
T = TODOS.c


@dataclass(frozen=True)
class Worth:
    """What one to-do may bring its member, in fen."""

    deal_fen: int
    """Commission if she orders."""
    runs: int
    """How many the SOP's conversion is reckoned from."""
    orders: int

    @property
    def known(self) -> bool:
        """Whether there are enough runs to speak of a conversion."""
        return self.runs >= LEAST_RUNS

    @property
    def expected_fen(self) -> int:
        """Conversion × commission."""
        return round(self.deal_fen * self.orders / self.runs) if self.runs else 0


def worth_of(session: Session, todos: Sequence[Todo], now: datetime) -> dict[int, Worth]:
    """By to-do, what it may bring; those without a value, or whose order earns no commission, are left out."""
    valued = [one for one in todos if one.value_fen and one.sop_id]
    campaign_ids = campaigns_of(session, [one.id or 0 for one in valued], now)
    which = select(Campaign).where(col(Campaign.id).in_(set(campaign_ids.values())))
    campaigns = {one.id: one for one in session.scalars(which)} if campaign_ids else {}
    net = net_of(session, {one.userid for one in valued}, campaigns, now)
    counts = conversions(session, {one.sop_id for one in valued if one.id in campaign_ids}, now)
    found: dict[int, Worth] = {}
    for one in valued:
        campaign_id = campaign_ids.get(one.id or 0, 0)
        campaign, hers = campaigns.get(campaign_id), net.get((one.userid, campaign_id), 0)
        deal = gain(campaign, hers, one.value_fen) if campaign else 0
        if deal > 0:
            found[one.id or 0] = Worth(deal, *counts.get(one.sop_id, (0, 0)))
    return found


def gain(campaign: Campaign, net_fen: int, more_fen: int) -> int:
    """What an order adds to a member's commission, a step up that it reaches included."""
    total = net_fen + more_fen
    return share(total, percent_at(campaign, total)) - share(net_fen, percent_at(campaign, net_fen))


def campaigns_of(session: Session, todo_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """By to-do, the campaign that an order of its customer would count for now; those of none are left out."""
    found: dict[int, int] = {}
    for part in chunks(sorted(todo_ids)):
        moment: Any = literal(now, UtcTime()).label("at")
        orders = select(T.id, T.customer_id, moment).where(T.id.in_(part)).subquery("o")
        point = touchpoints(orders).subquery("point")
        latest = (point.c.id == T.id) & (point.c.place == 1)
        campaign_id = func.coalesce(T.campaign_id, point.c.campaign_id)
        query = select(T.id, campaign_id).join_from(TODOS, point, latest, isouter=True).where(T.id.in_(part))
        found |= {row[0]: row[1] for row in session.execute(query) if row[1] is not None}
    return found


def net_of(
    session: Session, userids: Iterable[str], campaigns: Iterable[int | None], now: datetime
) -> dict[tuple[str, int], int]:
    """By member and campaign, the net amount that is hers so far."""
    which = [one for one in campaigns if one is not None]
    found: dict[tuple[str, int], int] = {}
    for part in chunks(sorted(userids)) if which else ():
        line = OrderCredit
        for one in earned(session, now, col(line.userid).in_(part), col(line.campaign_id).in_(which)):
            found[(one.userid, one.campaign_id)] = one.confirmed_fen + one.open_fen
    return found


def conversions(session: Session, sop_ids: Iterable[int | None], now: datetime) -> dict[int | None, tuple[int, int]]:
    """By SOP, how many of its runs were followed up, and in how many of them she ordered within the window."""
    over = now - timedelta(days=TOUCH_DAYS)
    ordered = case((T.outcome == ORDERED, T.run_id))
    query = (
        select(T.sop_id, func.count(T.run_id.distinct()), func.count(ordered.distinct()))
        .where(T.sop_id.in_(sorted(one for one in sop_ids if one)), T.state == DONE)
        .where(T.closed_at >= over - LOOK_BACK, T.closed_at < over)
        .group_by(T.sop_id)
    )
    return {sop_id: (runs, orders) for sop_id, runs, orders in session.execute(query)}
