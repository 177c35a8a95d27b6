"""Whose an order is: its campaign, its member of staff, and its channel, kept with the reason for each.

Campaign: the record's own; else the last campaign channel the customer came through, or campaign she joined, within
that campaign's window. Staff: as a leader decided; else named on the order; else who touched the customer last within
15 days; else who answered for her when she paid; else the store. Lines are written in sets, only where something
changed, so that doing it again, in any order and grouping, ends in the same rows.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Session, SQLModel

from bot.database import Database
from bot.jobs import Done, Job
from contacts.channels import Campaign, Channel
from contacts.facts import Order, OrderItem, Participation, Refund, Touch
from contacts.models import ADDED, CONFIRMED, HALF_ADDED, Customer, MainStaffChange, TieChange
from contacts.touches import TOUCH_DAYS
from kpi.models import CHANNEL, DECIDED, JOINED, MAIN, ORDER, RECORD, STORE, TOUCH, CreditDecision, OrderCredit
from kpi.moments import later

REFUND_DAYS = 7
"""Of orders without a campaign."""
PIECE = 500
LOOK_BACK = 5000
"""Ids below the newest credited one that may have been committed after it."""


def table(model: type[SQLModel]) -> Any:
    """A model's table, for SQL past the ORM."""
    return model.__table__  # type: ignore[attr-defined]


ORDERS, CREDITS = table(Order), table(OrderCredit)


def touchpoints(orders: Subquery) -> Select[Any]:
    """What could tie each order to a campaign, when it happened, and its rank: the latest is 1."""
    ties, channels, campaigns, joined = table(TieChange), table(Channel), table(Campaign), table(Participation)

    def within(customer_id: Any, at: Any) -> ColumnElement[bool]:
        return and_(customer_id == orders.c.customer_id, at <= orders.c.at)

    came = (
        select(orders.c.id, ties.c.at, channels.c.campaign_id, literal(CHANNEL).label("basis"))
        .join(ties, within(ties.c.customer_id, ties.c.at) & ties.c.kind.in_((ADDED, HALF_ADDED, CONFIRMED)))
        .join(channels, channels.c.id == ties.c.channel_id)
        .join(campaigns, campaigns.c.id == channels.c.campaign_id)
        .where(orders.c.at < later(ties.c.at, campaigns.c.window_days))
    )
    took_part = (
        select(orders.c.id, joined.c.at, joined.c.campaign_id, literal(JOINED).label("basis"))
        .join(joined, within(joined.c.customer_id, joined.c.at))
        .join(campaigns, campaigns.c.id == joined.c.campaign_id)
        .where(orders.c.at < later(joined.c.at, campaigns.c.window_days))
    )
    both = union_all(came, took_part).subquery()
    # Of two at the same moment: joining, then the newer campaign; any rule will do, but it has to be one.
    latest = func.row_number().over(
        partition_by=both.c.id, order_by=(both.c.at.desc(), both.c.basis.desc(), both.c.campaign_id.desc())
    )
    return select(both.c.id, both.c.campaign_id, both.c.basis, latest.label("place"))


def decided(orders: Subquery) -> Any:
    """Whose a leader decided it is."""
    decision = table(CreditDecision)
    holds = select(decision.c.userid).where(decision.c.order_id == orders.c.id, decision.c.undone_at.is_(None))
    return holds.order_by(decision.c.id.desc()).limit(1).correlate(orders).scalar_subquery()


def latest_touch(orders: Subquery) -> Any:
    """Who touched the customer last, within the days before she paid."""
    touch = table(Touch)
    hers = and_(touch.c.customer_id == orders.c.customer_id, touch.c.at <= orders.c.at, ~touch.c.doubtful)
    recent = orders.c.at < later(touch.c.at, TOUCH_DAYS)
    newest = select(touch.c.userid).where(hers, recent).order_by(touch.c.at.desc(), touch.c.id.desc()).limit(1)
    return newest.correlate(orders).scalar_subquery()


def main_then(orders: Subquery) -> Any:
    """Who answered for the customer when she paid: the last change before, else what the first after it replaced,
    else who does now."""
    change, customer = table(MainStaffChange), table(Customer)
    hers = change.c.customer_id == orders.c.customer_id
    before = select(change.c.after).where(hers, change.c.at <= orders.c.at)
    after = select(change.c.before).where(hers, change.c.at > orders.c.at)
    now = select(customer.c.main_userid).where(customer.c.id == orders.c.customer_id)
    return func.coalesce(
        before.order_by(change.c.at.desc(), change.c.id.desc()).limit(1).correlate(orders).scalar_subquery(),
        after.order_by(change.c.at, change.c.id).limit(1).correlate(orders).scalar_subquery(),
        now.correlate(orders).scalar_subquery(),
    )


def last_channel(orders: Subquery) -> Any:
    """The last channel the customer came through before she paid."""
    ties = table(TieChange)
    came = and_(
        ties.c.customer_id == orders.c.customer_id,
        ties.c.at <= orders.c.at,
        ties.c.channel_id.is_not(None),
        ties.c.kind.in_((ADDED, HALF_ADDED, CONFIRMED)),
    )
    newest = select(ties.c.channel_id).where(came).order_by(ties.c.at.desc(), ties.c.id.desc()).limit(1)
    return newest.correlate(orders).scalar_subquery()


def payments(which: ColumnElement[bool]) -> Select[Any]:
    """The lines of orders, as they should be."""
    orders = select(ORDERS).where(which).subquery("o")
    point, campaigns, items = touchpoints(orders).subquery("point"), table(Campaign), table(OrderItem)
    campaign_id = func.coalesce(orders.c.campaign_id, point.c.campaign_id)
    margin = case(
        (func.count() == func.count(items.c.margin_fen), cast(func.sum(items.c.margin_fen), BigInteger)), else_=None
    )
    owner = select(
        orders.c.id,
        decided(orders).label("decided"),
        latest_touch(orders).label("touched"),
        main_then(orders).label("main"),
    ).subquery("who")
    return (
        select(
            orders.c.id.label("order_id"),
            literal(0, Integer).label("refund_id"),
            orders.c.at,
            orders.c.customer_id,
            func.coalesce(owner.c.decided, orders.c.userid, owner.c.touched, owner.c.main).label("userid"),
            case(
                (owner.c.decided.is_not(None), DECIDED),
                (orders.c.userid.is_not(None), ORDER),
                (owner.c.touched.is_not(None), TOUCH),
                (owner.c.main.is_not(None), MAIN),
                else_=STORE,
            ).label("basis"),
            orders.c.store,
            func.coalesce(orders.c.channel_id, last_channel(orders)).label("channel_id"),
            campaign_id.label("campaign_id"),
            case((orders.c.campaign_id.is_not(None), RECORD), else_=func.coalesce(point.c.basis, "")).label(
                "campaign_basis"
            ),
            orders.c.amount_fen,
            select(margin)
            .where(items.c.order_id == orders.c.id)
            .correlate(orders)
            .scalar_subquery()
            .label("margin_fen"),
            later(orders.c.at, func.coalesce(campaigns.c.refund_days, REFUND_DAYS)).label("confirms_at"),
        )
        .join(owner, owner.c.id == orders.c.id)
        .outerjoin(point, and_(point.c.id == orders.c.id, point.c.place == 1))
        .outerjoin(campaigns, campaigns.c.id == campaign_id)
    )


def refunds(which: ColumnElement[bool]) -> Select[Any]:
    """The lines of refunds, as they should be: like their order's, negative, margin in proportion."""
    refund, paid = table(Refund), CREDITS.alias("paid")
    chosen = select(ORDERS.c.id).where(which)
    share = cast(paid.c.margin_fen * refund.c.amount_fen / func.nullif(paid.c.amount_fen, 0), BigInteger)
    copied = ("userid", "basis", "store", "channel_id", "campaign_id", "campaign_basis")
    return (
        select(
            refund.c.order_id,
            refund.c.id.label("refund_id"),
            refund.c.at,
            paid.c.customer_id,
            *(paid.c[name] for name in copied),
            (-refund.c.amount_fen).label("amount_fen"),
            (-share).label("margin_fen"),
            paid.c.confirms_at,
        )
        .join(paid, and_(paid.c.order_id == refund.c.order_id, paid.c.refund_id == 0))
        .where(refund.c.order_id.in_(chosen))
    )


def store(session: Session, lines: Select[Any]) -> int:
    """Write lines over what is there, only where they differ; answers how many did."""
    sqlite = session.connection().dialect.name == "sqlite"
    names = [column.name for column in lines.selected_columns]
    kept = [name for name in names if name not in {"order_id", "refund_id"}]
    written = (sqlite_insert if sqlite else postgresql_insert)(CREDITS).from_select(names, lines.where(literal(1) == 1))
    differs = or_(*(CREDITS.c[name].is_distinct_from(written.excluded[name]) for name in kept))
    changed = {name: written.excluded[name] for name in kept}
    upsert = written.on_conflict_do_update(index_elements=["order_id", "refund_id"], set_=changed, where=differs)
    counted = upsert.execution_options(preserve_rowcount=True)
    return int(session.connection().execute(counted).rowcount)


def credit_orders(session: Session, order_ids: Sequence[int]) -> int:
    """Credit these orders and their refunds anew; answers how many lines were new or changed."""
    pieces = (order_ids[start : start + PIECE] for start in range(0, len(order_ids), PIECE))
    return sum(credit(session, ORDERS.c.id.in_(piece)) for piece in pieces)


def credit(session: Session, which: ColumnElement[bool]) -> int:
    """Credit the orders a condition chooses."""
    return store(session, payments(which)) + store(session, refunds(which))


def keep_credits(database: Database) -> Callable[[Job], Awaitable[Done]]:
    """The runner that credits what is new (`new` in its payload), or every order again, in short transactions."""

    async def run(job: Job) -> Done:
        pick = uncredited if job.payload.get("new") else following
        last, changed = 0, 0

        def piece(session: Session) -> tuple[int, int]:
            chosen = pick(session, last)
            return (max(chosen), credit_orders(session, chosen)) if chosen else (0, 0)

        while True:
            reached, lines = await database.write(piece)
            changed += lines
            if reached <= last:
                return Done(f"{changed} lines")
            last = reached

    return run


def following(session: Session, last: int) -> list[int]:
    """The next orders behind one."""
    behind = select(ORDERS.c.id).where(ORDERS.c.id > last).order_by(ORDERS.c.id).limit(PIECE)
    return list(session.connection().execute(behind).scalars())


def uncredited(session: Session, last: int) -> list[int]:
    """The next orders behind one that lack a line, or whose refund does: only the newest are looked at."""
    refund = table(Refund)
    newest = select(func.coalesce(func.max(CREDITS.c.order_id), 0) - LOOK_BACK).scalar_subquery()
    refunded = select(func.coalesce(func.max(CREDITS.c.refund_id), 0) - LOOK_BACK).scalar_subquery()
    paid, back = CREDITS.alias("paid"), CREDITS.alias("back")
    known = select(paid.c.id).where(paid.c.order_id == ORDERS.c.id, paid.c.refund_id == 0).exists()
    done = select(back.c.id).where(back.c.order_id == refund.c.order_id, back.c.refund_id == refund.c.id).exists()
    orders = select(ORDERS.c.id).where(ORDERS.c.id > newest, ORDERS.c.id > last, ~known)
    refunds_of = select(refund.c.order_id).where(refund.c.id > refunded, refund.c.order_id > last, ~done)
    both = union(orders, refunds_of).subquery()
    return list(session.connection().execute(select(both.c.id).order_by(both.c.id).limit(PIECE)).scalars())
