"""A customer's sums: in whatever order and pieces facts arrive, what plain counting of them gives."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text, update
from sqlmodel import Session, select

from bot.database import Database
from contacts.checks import Load, read_entries
from contacts.ingest import take
from contacts.merging import undo_merge
from contacts.models import Customer, Merge
from contacts.rollups import add_orders, recompute

NOW = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
CUSTOMERS, ORDERS, REFUNDS = 6, 40, 25
RECOUNT = """
    SELECT customer.id, count(counted.id), coalesce(sum(counted.amount_fen - counted.back), 0),
           min(counted.at), max(counted.at)
    FROM customer LEFT JOIN (
        SELECT orders.id, orders.customer_id, orders.at, orders.amount_fen,
               (SELECT coalesce(sum(refund.amount_fen), 0) FROM refund WHERE refund.order_id = orders.id) AS back
        FROM orders
    ) AS counted ON counted.customer_id = customer.id AND (counted.back < counted.amount_fen OR counted.amount_fen = 0)
    WHERE customer.merged_into IS NULL GROUP BY customer.id ORDER BY customer.id
"""
KEPT = """
    SELECT id, orders, net_fen, first_order_at, last_order_at FROM customer WHERE merged_into IS NULL ORDER BY id
"""
NET_OF_ALL = "SELECT coalesce(sum(net_fen), 0) FROM customer WHERE merged_into IS NULL"
PAID_LESS_REFUNDED = """
    SELECT coalesce((SELECT sum(amount_fen) FROM orders), 0) - coalesce((SELECT sum(amount_fen) FROM refund), 0)
"""


def moment(dice: Random) -> str:
    """A time of the last year, often one of few, so that two facts share it."""
    return (NOW - timedelta(hours=dice.choice((1, 30, dice.randrange(1, 9_000))))).isoformat()


@dataclass
class Feed:
    """Another system that sends orders and refunds in pieces, some again, some late, some wrong."""

    dice: Random
    orders: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice = self.dice
        for number in range(ORDERS):
            amount = dice.choice((0, 500, dice.randrange(1, 100_000)))
            member = {"member_id": f"M-{dice.randrange(CUSTOMERS)}"}
            order = {"id": f"o-{number}", "at": moment(dice), "customer": member, "amount_fen": amount}
            self.orders.append(order)
        left = {one["id"]: one["amount_fen"] for one in self.orders}
        for number in range(REFUNDS):
            order_id = dice.choice([one for one in left if left[one]])
            amount = dice.choice((left[order_id], dice.randint(1, left[order_id])))  # often all of it
            left[order_id] -= amount
            refund = {"id": f"r-{number}", "at": moment(dice), "order_id": order_id, "amount_fen": amount}
            self.refunds.append(refund)

    def pieces(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Requests of a few records: every order and refund at least once, a refund whose order is late sent again."""
        dice = self.dice
        orders = dice.sample(self.orders, len(self.orders)) + dice.sample(self.orders, 10)
        refunds = dice.sample(self.refunds, len(self.refunds)) + dice.sample(self.refunds, 10)
        changed = [{**one, "amount_fen": one["amount_fen"] + 1} for one in dice.sample(self.orders, 5)]
        sent = [*cut(dice, "orders", orders), *cut(dice, "refunds", refunds)]
        dice.shuffle(sent)
        return [*sent, ("orders", self.orders), ("orders", changed), ("refunds", self.refunds)]


def cut(dice: Random, kind: str, records: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Records in requests of one to seven."""
    parts, start = [], 0
    while start < len(records):
        end = start + dice.randint(1, 7)
        parts.append((kind, records[start:end]))
        start = end
    return parts


def send(session: Session, kind: str, records: list[dict[str, Any]], unsummed: list[int] | None = None) -> int:
    """Store what is good of a request, as `frontline import --partial` does; answers how many were refused."""
    entries, wrong = read_entries(kind, enumerate(records))
    return take(session, Load(kind, NOW, ZONE, unsummed=unsummed), entries, partial=True, wrong=wrong).rejected


def rows(session: Session, statement: str) -> list[tuple[Any, ...]]:
    """What the database itself says."""
    return [tuple(one) for one in session.connection().execute(text(statement))]


def right(session: Session) -> bool:
    """Whether every customer's sums are those of a recount, and none is lost between them."""
    return rows(session, KEPT) == rows(session, RECOUNT) and rows(session, NET_OF_ALL) == rows(
        session, PAID_LESS_REFUNDED
    )


@pytest.mark.parametrize("seed", range(6))
async def test_the_sums_are_those_of_a_recount_after_every_request(database: Database, seed: int) -> None:
    def work(session: Session) -> None:
        feed, refused = Feed(Random(seed)), 0
        for kind, records in feed.pieces():
            refused += send(session, kind, records)
            assert right(session), (kind, records)
        assert rows(session, "SELECT count(*) FROM orders") == [(ORDERS,)]
        assert rows(session, "SELECT count(*) FROM refund") == [(REFUNDS,)]
        assert refused >= 5  # the changed ones at least

    await database.write(work)


@pytest.mark.parametrize("seed", range(3))
async def test_customers_who_turn_out_to_be_one_have_the_sums_of_both(database: Database, seed: int) -> None:
    def work(session: Session) -> None:
        feed = Feed(Random(seed))
        one = {"member_id": "M-0", "phone": "13800138000"}
        other = {"phone": "13800138000", "unionid": "U-1"}
        late = {"id": "late", "at": NOW.isoformat(), "customer": {"unionid": "U-1", "member_id": "M-1"}}
        send(session, "orders", [{**order, "customer": other} for order in feed.orders[:5]])
        send(session, "orders", feed.orders[5:])
        send(session, "orders", [{**late, "id": "phone", "customer": one, "amount_fen": 7}])
        send(session, "refunds", feed.refunds)
        assert right(session)
        send(session, "orders", [{**late, "amount_fen": 9}])
        assert right(session)
        assert [merge.absorbed_id for merge in session.exec(select(Merge))]

    await database.write(work)


@pytest.mark.parametrize("undone", [False, True])
async def test_sums_added_at_the_end_are_right_when_customers_became_one_before(
    database: Database, *, undone: bool
) -> None:
    def work(session: Session) -> None:
        feed, unsummed = Feed(Random(2)), list[int]()
        order = {"at": NOW.isoformat(), "amount_fen": 5}
        one, other = {"member_id": "M-0"}, {"consult_id": "C-1"}
        send(session, "orders", feed.orders, unsummed)
        send(session, "orders", [{**order, "id": "a", "customer": one}], unsummed)
        send(session, "orders", [{**order, "id": "b", "customer": other}], unsummed)
        send(session, "orders", [{**order, "id": "c", "customer": one | other}], unsummed)
        add_orders(session, unsummed)
        [merge] = session.exec(select(Merge))
        if undone:
            undo_merge(session, merge.id or 0, by="su", now=NOW)
        assert rows(session, KEPT) == rows(session, RECOUNT)

    await database.write(work)


async def test_a_merge_undone_after_more_orders_leaves_each_her_own(database: Database) -> None:
    def work(session: Session) -> None:
        feed = Feed(Random(1))
        send(session, "orders", feed.orders)
        both = {"member_id": "M-0", "consult_id": "C-1"}
        first = {"id": "c-1", "at": NOW.isoformat(), "customer": {"consult_id": "C-1"}, "amount_fen": 5}
        send(session, "orders", [first])
        send(session, "orders", [{**first, "id": "c-2", "customer": both}])
        send(session, "refunds", feed.refunds)
        [merge] = session.exec(select(Merge))
        undo_merge(session, merge.id or 0, by="su", now=NOW)
        assert right(session)

    await database.write(work)


async def test_recompute_mends_what_was_spoilt_and_changes_nothing_that_is_right(database: Database) -> None:
    def work(session: Session) -> None:
        feed = Feed(Random(2))
        for kind, records in feed.pieces():
            send(session, kind, records)
        times = "SELECT id, last_contact_at FROM customer ORDER BY id"
        before = rows(session, KEPT), rows(session, times)
        recompute(session)
        again = rows(session, KEPT), rows(session, times)
        session.connection().execute(update(Customer).values(orders=99, net_fen=-1, last_order_at=None))
        recompute(session)
        assert again == before == (rows(session, KEPT), rows(session, times))

    await database.write(work)
