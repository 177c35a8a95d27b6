"""Customers lost: who is told, with what history, and what staff say the reason was.

The member and her leader hear of it once, as the tie stands when they are told; a transfer is no loss.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.jobs import Done, Job, NewJob, Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from contacts.changes import Ended
from contacts.channels import Channel
from contacts.leaders import leaders_of
from contacts.models import CUSTOMER, LOST, STAFF, TRANSFER, Customer, FollowUser, Staff, TieChange
from contacts.search import Match, find_customers
from contacts.tags import PairTag, Tag

LOSS_NOTICE = "loss_notice"
"""The kind of job that tells of a loss."""
RECENT = timedelta(days=30)
MOST_REASON = 60
"""Characters of a reason."""
TOLD_MOST = 5
"""How many customers of one name are looked at."""


class ReasonRefused(ValueError):
    """A reason that cannot be kept; the text names what is wrong and the remedy."""


@dataclass(frozen=True)
class Loss:
    """A tie that ended, with what was known about the customer."""

    customer_id: int
    userid: str
    name: str
    added_at: datetime
    lost_at: datetime
    lost_by: str
    reason: str
    channel: str
    last_contact_at: datetime | None
    orders: int
    net_fen: int


COLUMNS: list[Any] = [
    FollowUser.customer_id,
    FollowUser.userid,
    FollowUser.remark,
    Customer.name,
    FollowUser.added_at,
    FollowUser.lost_at,
    FollowUser.lost_by,
    FollowUser.loss_reason,
    col(Channel.name).label("channel"),
    Customer.last_contact_at,
    Customer.orders,
    Customer.net_fen,
]
LOSSES = (
    select(*COLUMNS)
    .select_from(FollowUser)
    .join(Customer, col(Customer.id) == col(FollowUser.customer_id))
    .join(Channel, col(Channel.id) == col(FollowUser.channel_id), isouter=True)
    .where(col(FollowUser.lost_by).in_((CUSTOMER, STAFF)))
)
TAGS_OF = select(col(Tag.name)).join(PairTag, col(PairTag.tag_id) == col(Tag.id)).order_by(col(Tag.name))


def loss_of(row: Any) -> Loss:
    """A row of `LOSSES` as what it means."""
    name = row.remark or row.name or _("a customer")
    return Loss(
        row.customer_id, row.userid, name, row.added_at, row.lost_at, row.lost_by, row.loss_reason, row.channel or "",
        row.last_contact_at, row.orders, row.net_fen,
    )  # fmt: skip


def losses_since(session: Session, userids: Iterable[str], since: datetime) -> list[Loss]:
    """Customers these members lost since then, transfers left out, the latest first."""
    mine = LOSSES.where(col(FollowUser.userid).in_(list(userids)), col(FollowUser.lost_at) >= since)
    return [loss_of(row) for row in session.execute(mine.order_by(col(FollowUser.lost_at).desc())).all()]


def loss(session: Session, customer_id: int, userid: str) -> Loss | None:
    """The loss of one customer to one member, if she is lost."""
    row = session.execute(LOSSES.where(col(FollowUser.customer_id) == customer_id, col(FollowUser.userid) == userid))
    found = row.first()
    return loss_of(found) if found else None


def notice(ended: Ended, cause: int, now: datetime, polite: datetime) -> NewJob:
    """The job that tells of the end of a tie, at `polite` at the earliest."""
    payload = {"customer_id": ended.customer_id, "userid": ended.userid, "at": ended.at.isoformat()}
    lane = f"push:{ended.userid}"
    return NewJob(f"{LOSS_NOTICE}:{cause}", LOSS_NOTICE, now, lane, payload, Priority.PUSH, run_at=polite)


def tell_losses(clock: Clock, zone: ZoneInfo, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner that tells of a loss, unless she has come back meanwhile."""

    async def run(job: Job) -> Done:
        def then(session: Session) -> None:
            found = loss(session, job.payload["customer_id"], job.payload["userid"])
            if found and found.lost_at == datetime.fromisoformat(job.payload["at"]):
                with speaking(language):
                    tell(session, found, job.id or 0, clock.now(), zone)

        return Done("told", then=then)

    return run


def tell(session: Session, lost: Loss, cause: int, now: datetime, zone: ZoneInfo) -> None:
    """Tell the member, if it was the customer who left, and whoever leads her."""
    history = history_text(session, lost, zone)
    staff = session.get(Staff, lost.userid)
    left, dropped = _("{name} deleted {staff} as a contact."), _("{staff} deleted the customer {name}.")
    headline = left if lost.lost_by == CUSTOMER else dropped
    texts = dict.fromkeys(leaders_of(session, lost.userid), headline)
    if lost.lost_by == CUSTOMER:
        texts[lost.userid] = _("{name} deleted you as a contact.")
    ask = _("If you know why, answer: {name} left because price").format(name=lost.name)
    for userid, text in texts.items():
        told = text.format(name=lost.name, staff=staff.name if staff else lost.userid)
        lane = {"priority": Priority.PUSH, "lane": f"push:{userid}"}
        say(session, userid, f"{told}\n{history}\n{ask}", cause=f"loss:{cause}:{userid}", now=now, **lane)


def history_text(session: Session, lost: Loss, zone: ZoneInfo) -> str:
    """What was between the customer and the company, in a few lines."""
    tags = session.execute(
        TAGS_OF.where(col(PairTag.customer_id) == lost.customer_id, col(PairTag.userid) == lost.userid)
    )
    names = ", ".join(tags.scalars())
    added = day(lost.added_at, lost.lost_at, zone)
    lines = [
        _("Added {day} through {channel}").format(day=added, channel=lost.channel)
        if lost.channel
        else _("Added {day}").format(day=added),
        _("Last contact {day}").format(day=day(lost.last_contact_at, lost.lost_at, zone))
        if lost.last_contact_at
        else _("No contact on record"),
        _("{orders} orders, ¥{amount} in all").format(orders=lost.orders, amount=yuan(lost.net_fen))
        if lost.orders
        else _("No orders"),
    ]
    return "\n".join([*lines, _("Tags: {tags}").format(tags=names)] if names else lines)


def day(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A day as one says it: without the year when it is this one."""
    local, pattern = at.astimezone(zone), _("{month}/{day}")
    if local.year != now.astimezone(zone).year:
        pattern = _("{year}/{month}/{day}")
    return pattern.format(year=local.year, month=local.month, day=local.day)


def yuan(fen: int) -> str:
    """An amount in yuan, without the fen where there are none."""
    return f"{fen / 100:,.2f}".removesuffix(".00")


def lost_called(session: Session, words: str, userid: str) -> list[Match]:
    """The lost customers these words may mean, best first: the member's own, and those of whom she leads."""
    found = find_customers(session, words, userid, TOLD_MOST, lost=True)
    ended = select(col(FollowUser.customer_id), col(FollowUser.userid)).where(
        col(FollowUser.customer_id).in_([one.customer_id for one in found]), col(FollowUser.lost_by) != TRANSFER
    )
    pairs = {tuple(row) for row in session.execute(ended)}
    return [one for one in found if (one.customer_id, one.userid) in pairs]


def set_loss_reason(session: Session, customer_id: int, userid: str, reason: str) -> None:
    """Write down why a customer left a member. Raises `ReasonRefused`."""
    reason = reason.strip()
    if not 1 <= len(reason) <= MOST_REASON:
        most = _("The reason has {length} characters; give between 1 and {most}.")
        raise ReasonRefused(most.format(length=len(reason), most=MOST_REASON))
    lost = update(FollowUser).where(
        col(FollowUser.customer_id) == customer_id,
        col(FollowUser.userid) == userid,
        col(FollowUser.lost_by).in_((CUSTOMER, STAFF)),
    )
    if session.connection().execute(lost.values(loss_reason=reason)).rowcount != 1:
        raise ReasonRefused(_("This customer is not lost; a reason can be given once she is."))
    losses = select(col(TieChange.id)).where(
        col(TieChange.customer_id) == customer_id, col(TieChange.userid) == userid, col(TieChange.kind) == LOST
    )
    latest = losses.order_by(col(TieChange.at).desc()).limit(1).scalar_subquery()
    session.connection().execute(update(TieChange).where(col(TieChange.id) == latest).values(reason=reason))
