"""Layers: how a customer stands to the company, worked out from the facts each night and when something happens.

`contacts.layer_definitions` says what each layer means. Everything is one statement over many customers; only what
changed is written, and every change but the first classification is logged as a `LayerMove`; rules are told of stages.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.schema import CreateTable
from sqlmodel import Session, col

from bot.clock import Clock
from bot.database import BigId, Database, UtcTime
from bot.jobs import Done, Job
from contacts.attributes import refresh
from contacts.domain_events import DomainEvent, raise_events
from contacts.facts import LayerLimit, LayerMove, Order, OrderItem, Product
from contacts.layer_definitions import COLUMNS, CUSTOMERS, Limits, Scope, differing, of

LAYERS = "layers"
"""The kind of job that recomputes everybody."""
STAGE_MOVED = "stage_moved"
RECENCY, FREQUENCY, MONEY, QUADRANT = "recency", "frequency", "money", "quadrant"
NEW_PRODUCT = timedelta(days=60)
"""For so long after its first sale a product is new."""
CUSTOMERS_AT_ONCE = 20_000
IDS_AT_ONCE = 500

MOVES: Table = LayerMove.__table__  # type: ignore[attr-defined]
LIMITS: Table = LayerLimit.__table__  # type: ignore[attr-defined]
CHANGED = Table(
    "layering",
    MetaData(),
    Column("id", BigId, primary_key=True, autoincrement=False),
    *(Column(name, String, nullable=False) for name in COLUMNS[:-1]),
    Column("koc", Boolean, nullable=False),
    *(Column(f"old_{name}", String, nullable=False) for name in COLUMNS[:-1]),
    Column("old_koc", Boolean, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Whose layers changed in the piece of work at hand, to what and from what."""


def set_limits(session: Session, name: str, limits: Sequence[int], now: datetime) -> None:
    """Change one digit's limits of RFM. Raises ValueError."""
    if name not in {RECENCY, FREQUENCY, MONEY}:
        raise ValueError(f"name {name!r}: expected {RECENCY}, {FREQUENCY} or {MONEY}")
    order = sorted(set(limits), reverse=name != RECENCY)
    if len(limits) != 4 or list(limits) != order or min(limits) < 0:
        direction = "rising" if name == RECENCY else "falling"
        raise ValueError(f"{name} {list(limits)}: expected four {direction} numbers, for 5, 4, 3 and 2 points")
    session.merge(LayerLimit(name=name, limits=list(limits), at=now))


def limits_of(session: Session) -> Limits:
    """The limits in force."""
    kept = session.connection().execute(select(LIMITS.c.name, LIMITS.c.limits))
    return Limits(**{name: tuple(limits) for name, limits in kept})


def recompute(session: Session, customer_ids: Iterable[int], now: datetime, cause: str) -> int:
    """Work out these customers' layers anew; answers how many changed. `cause` is unique to what happened."""
    ids, limits = sorted(set(customer_ids)), limits_of(session)
    changed = 0
    for start in range(0, len(ids), IDS_AT_ONCE):
        changed += recompute_scope(session, these(ids[start : start + IDS_AT_ONCE]), limits, now, cause)
    return changed


def these(ids: Sequence[int]) -> Scope:
    """These customers."""
    return lambda column: col(column).in_(ids)


def those_between(first: int, last: int) -> Scope:
    """The customers with ids from `first` to `last`."""
    return lambda column: col(column).between(first, last)


def recompute_scope(session: Session, scope: Scope, limits: Limits, now: datetime, cause: str) -> int:
    """Work out the layers of the customers in scope; answers how many changed."""
    connection = session.connection()
    connection.execute(CreateTable(CHANGED, if_not_exists=True))
    connection.execute(delete(CHANGED))
    names = [column.name for column in CHANGED.c]
    connection.execute(insert(CHANGED).from_select(names, differing(scope, limits, now)))
    changed = connection.execute(select(func.count()).select_from(CHANGED)).scalar_one()
    if changed:
        log_moves(session, now, cause)
        fresh = {name: CHANGED.c[name] for name in COLUMNS}
        # The scope keeps PostgreSQL, which knows nothing of a temporary table's size, from reading every customer.
        theirs = update(CUSTOMERS).where(CUSTOMERS.c.id == CHANGED.c.id, scope(CUSTOMERS.c.id))
        connection.execute(theirs.values(fresh))
        connection.execute(delete(CHANGED))
    return changed


def log_moves(session: Session, now: datetime, cause: str) -> None:
    """Write down what moves, and tell rules about stages; a first classification is where a customer starts."""
    connection, new = session.connection(), CHANGED.c
    moves = union_all(
        *(
            select(literal(now, UtcTime()), new.id, literal(name), shown(old), shown(new[name]), literal(cause)).where(
                new.old_stage != "", old != new[name]
            )
            for name, old in ((name, new[f"old_{name}"]) for name in COLUMNS)
        )
    )
    columns = ["at", "customer_id", "layer", "before", "after", "cause"]
    connection.execute(insert(MOVES).from_select(columns, moves))
    moved = select(new.id, new.old_stage, new.stage).where(new.old_stage != "", new.old_stage != new.stage)
    raise_events(
        session,
        [
            DomainEvent(STAGE_MOVED, customer_id, now, cause, {"before": before, "after": after})
            for customer_id, before, after in connection.execute(moved)
        ],
    )


def shown(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A layer as the log shows it."""
    return case((column, "yes"), else_="") if isinstance(column.type, Boolean) else column


def recompute_all(database: Database, clock: Clock, zone: ZoneInfo) -> Callable[[Job], Awaitable[Done]]:
    """The nightly runner: annual days that passed, medians and new products, then everybody's layers, in short
    transactions so that nobody waits for the night's work. Broken off, it begins again and finds less to do.
    """

    async def run(_: Job) -> Done:
        now = clock.now()
        today = now.astimezone(zone).date()
        while await database.write(lambda session: refresh(session, today)):
            pass
        found = await database.read(measure)
        await database.write(lambda session: keep_measures(session, found, now))
        limits = await database.read(limits_of)
        last = await database.read(lambda session: session.scalar(select(func.max(CUSTOMERS.c.id))) or 0)
        changed = 0
        for first in range(1, last + 1, CUSTOMERS_AT_ONCE):
            changed += await database.write(part_of_the_night(first, limits, now))
        return Done(f"{changed} customers changed")

    return run


def part_of_the_night(first: int, limits: Limits, now: datetime) -> Callable[[Session], int]:
    """The write that recomputes the customers from one id on."""
    scope, cause = those_between(first, first + CUSTOMERS_AT_ONCE - 1), f"night:{now:%Y-%m-%dT%H:%M:%S}"
    return lambda session: recompute_scope(session, scope, limits, now, cause)


@dataclass(frozen=True)
class Measures:
    """What the night measures over the whole company."""

    often: int
    ticket: int
    new_until: dict[str, datetime]
    """By product, where it is not known yet."""


def measure(session: Session) -> Measures:
    """Medians over customers with orders, and products sold for the first time."""
    orders = CUSTOMERS.c.orders
    buyers = session.scalar(select(func.count()).where(orders > 0)) or 0
    middle = max(buyers - 1, 0) // 2

    def median(value: Any) -> int:
        return int(session.scalar(select(value).where(orders > 0).order_by(value).offset(middle).limit(1)) or 0)

    return Measures(median(orders), median(CUSTOMERS.c.net_fen / orders), first_sales(session))


def first_sales(session: Session) -> dict[str, datetime]:
    """Until when products count as new that had not been sold before.

    What is sold since the company's first weeks on record may be old: it never counts as new.
    """
    order, item, product = of(Order), of(OrderItem), of(Product)
    if not session.scalar(select(product.sku).where(product.new_until.is_(None)).limit(1)):
        return {}
    first = func.min(order.at)
    began = session.scalar(select(first))
    if began is None:
        return {}
    sold = (
        select(product.sku, first)
        .join_from(Product, OrderItem, item.sku == product.sku)
        .join(Order, order.id == item.order_id)
        .where(product.new_until.is_(None))
        .group_by(product.sku)
    )
    return {sku: at + NEW_PRODUCT if at > began + NEW_PRODUCT else at for sku, at in session.connection().execute(sold)}


def keep_measures(session: Session, found: Measures, now: datetime) -> None:
    """Write what was measured."""
    session.merge(LayerLimit(name=QUADRANT, limits=[found.often, found.ticket], at=now))
    products = Product.__table__  # type: ignore[attr-defined]
    change = update(products).where(products.c.sku == bindparam("which")).values(new_until=bindparam("until"))
    rows = [{"which": sku, "until": until} for sku, until in found.new_until.items()]
    if rows:
        session.connection().execute(change, rows)
