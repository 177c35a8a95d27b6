"""The evening line: told to a member only if something good happened today or something is due (design §8)."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from bot.clock import Clock
from bot.jobs import Done, Job, Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from contacts.channels import Campaign
from contacts.models import Customer
from contacts.unasked import lane_of
from kpi.commission import earned, percent_at, share
from kpi.models import OrderCredit
from sop.calendar import evening
from sop.conditions import Day, at
from sop.enrol import chunks
from sop.outcomes import BOOKED, ORDERED, VISITED, outcome_names
from sop.sops import DONE, OPEN, WITHDRAWN, Todo

EVENING = "evening"
"""The kind of job that tells it."""
TOLD_FROM = time(20, 0)
WINS = (ORDERED, VISITED, BOOKED)
BY_ITSELF = ("goal reached: visited", "goal reached: ordered", "goal reached: booked", "visited after all")
NAMES = 5


@dataclass
class Today:
    """A member's day."""

    followed: set[int] = field(default_factory=set)
    """Customers of to-dos she finished today."""
    won: dict[int, str] = field(default_factory=dict)
    """What customers did today after she followed them up, today or earlier."""
    settled: int = 0
    """To-dos of today that closed by themselves: the customer did it first."""
    due: list[str] = field(default_factory=list)
    """Customers whose to-do ends today and is open."""
    commission_fen: int = 0


def tell_evening(clock: Clock, zone: ZoneInfo, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the evening lines."""

    async def run(_job: Job) -> Done:
        local = clock.now().astimezone(zone)
        if local.time() < TOLD_FROM:
            return Done("yesterday's, made up for too late")

        def then(session: Session) -> None:
            with speaking(language):
                tell(session, Day(local.date(), zone), local)

        return Done("told", then)

    return run


def tell(session: Session, day: Day, now: datetime) -> int:
    """One line to each member with something good or due; what does not fit her share today is not told at all."""
    told = 0
    for userid, one in days(session, day, now).items():
        lines = list(lines_of(one))
        if lines:
            given = {"priority": Priority.PUSH, "lane": lane_of(userid), "deadline": evening(day.today, day.zone)}
            say(session, userid, "\n".join(lines), cause=f"{EVENING}:{day.today}:{userid}", now=now, **given)
            told += 1
    return told


def days(session: Session, day: Day, now: datetime) -> dict[str, Today]:
    """Every member's day, in a handful of queries."""
    found: dict[str, Today] = defaultdict(Today)
    begin = at(day.start())
    finished = (col(Todo.state) == DONE, col(Todo.closed_at) >= begin)
    done = select(col(Todo.closed_by), col(Todo.customer_id)).where(*finished)
    for userid, customer_id in session.execute(done):
        found[userid].followed.add(customer_id)
    won = select(col(Todo.closed_by), col(Todo.customer_id), col(Todo.outcome)).where(
        col(Todo.state) == DONE, col(Todo.outcome_at) >= begin, col(Todo.outcome).in_(WINS)
    )
    for userid, customer_id, outcome in session.execute(won):
        known = found[userid].won.get(customer_id, outcome)
        found[userid].won[customer_id] = min(known, outcome, key=WINS.index)
    settled = select(col(Todo.userid)).where(
        col(Todo.state) == WITHDRAWN, col(Todo.closed_at) >= begin, col(Todo.result).in_(BY_ITSELF)
    )
    for userid in session.scalars(settled.where(col(Todo.pushed_at).is_not(None))):
        found[userid].settled += 1
    due = (
        select(col(Todo.userid), col(Customer.name))
        .join(Customer, col(Customer.id) == col(Todo.customer_id))
        .where(col(Todo.state) == OPEN, col(Todo.shown_on) == day.today, col(Todo.due_on) <= day.today)
        .order_by(col(Todo.number))
    )
    for userid, name in session.execute(due):
        found[userid].due.append(name)
    for userid, fen in commissions(session, found, day, now).items():
        found[userid].commission_fen = fen
    return found


def commissions(session: Session, userids: Iterable[str], day: Day, now: datetime) -> dict[str, int]:
    """What today's payments add to each member's commission, tiers and all."""
    line, added = OrderCredit, Counter[str]()
    paid = (col(line.at) >= at(day.start()), col(line.at) <= at(now), col(line.refund_id) == 0)
    for part in chunks(sorted(userids)):
        hers = col(line.userid).in_(part)
        today = {(one.campaign_id, one.userid): one for one in earned(session, now, hers, *paid)}
        running = col(line.campaign_id).in_({campaign for campaign, _userid in today})
        campaigns = {
            one.id: one
            for one in session.scalars(select(Campaign).where(col(Campaign.id).in_({key[0] for key in today})))
        }
        for one in earned(session, now, hers, running) if today else ():
            new = today.get((one.campaign_id, one.userid))
            campaign = campaigns.get(one.campaign_id)
            if new and campaign:
                total = one.confirmed_fen + one.open_fen
                before = total - new.confirmed_fen - new.open_fen
                gain = share(total, percent_at(campaign, total)) - share(before, percent_at(campaign, before))
                added[one.userid] += gain
    return dict(added)


def lines_of(one: Today) -> Iterable[str]:
    """What is worth telling."""
    fresh = {customer: won for customer, won in one.won.items() if customer in one.followed}
    older = {customer: won for customer, won in one.won.items() if customer not in one.followed}
    extra = _(", commission +¥{amount}").format(amount=f"{one.commission_fen / 100:,.2f}".removesuffix(".00"))
    extra = extra if one.commission_fen > 0 and one.won else ""
    if fresh:
        text = _("Of the {count} customers you followed up today {wins}")
        yield text.format(count=len(one.followed), wins=counted(fresh.values())) + ("" if older else extra)
    if older:
        yield _("Of those you followed up before, today {wins}").format(wins=counted(older.values())) + extra
    if one.settled:
        yield _("{count} to-dos closed by themselves: the customers did it first. Thank you!").format(count=one.settled)
    if one.due:
        names = "、".join(one.due[:NAMES]) + (" …" if len(one.due) > NAMES else "")
        yield _("Ends today and still open: {count} ({names}). “my todos” shows them.").format(
            count=len(one.due), names=names
        )


def counted(wins: Iterable[str]) -> str:
    """1位已下单、2位已预约."""
    names, numbers = outcome_names(), Counter(wins)
    return _(", ").join(_("{count} {did}").format(count=numbers[one], did=names[one]) for one in WINS if numbers[one])
