"""Groups beyond member and store: bands of amounts, regions, first orders, scenes, reasons; pairs; who brought whom."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.database import Database
from contacts.facts import Order, OrderItem, Participation, Product, Referral, Touch, Visit
from contacts.models import ADDED, LOST, AttributeValue, Customer, FollowUser, TieChange
from kpi.credit import credit_orders
from kpi.drill import behind
from kpi.measures import BadQuestion, Measured, measure
from kpi.metrics_baskets import OFTEN, Pair
from kpi.models import OrderCredit
from kpi.periods import resolve
from kpi.scope import EVERYBODY, Scope, own, team_of
from tests.conftest import MONDAY_TEN
from tests.kpi.company import STAFF_OF, ZONE, campaigns, company, people

PERIOD = "2026-08-01..2026-11-16"
DAY = timedelta(days=1)


def found(session: Session, name: str, group_by: str = "", scope: Scope = EVERYBODY, **filters: Any) -> Measured:
    """A number of the period."""
    period = resolve(session, PERIOD, MONDAY_TEN, ZONE)
    return measure(session, name, scope, period, MONDAY_TEN, group_by=group_by, filters=filters)


def by_key(measured: Measured) -> dict[Any, Any]:
    """Each group's value."""
    return {row.key: row.value for row in measured.rows}


def lines_of(session: Session) -> list[OrderCredit]:
    """Lines of money of the period."""
    period = resolve(session, PERIOD, MONDAY_TEN, ZONE)
    return [one for one in session.exec(select(OrderCredit)) if period.start <= one.at < MONDAY_TEN]


def band(fen: int) -> str:
    """The band of an order's amount, by hand."""
    edges = (10_000, 30_000, 50_000, 100_000, 300_000, 1_000_000)
    names = ("0-100", "100-300", "300-500", "500-1000", "1000-3000", "3000-10000", "10000-")
    return names[sum(fen >= edge for edge in edges)]


async def test_money_by_band_region_and_first_order(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        region = {one.customer_id: one.text for one in session.exec(select(AttributeValue))}
        order = {one.id: one for one in session.exec(select(Order))}
        first: dict[int, datetime] = {}
        for one in order.values():
            first[one.customer_id] = min(one.at, first.get(one.customer_id, one.at))
        expected: dict[str, Counter[Any]] = defaultdict(Counter)
        for line in lines_of(session):
            paid = order[line.order_id]
            expected["region"][region.get(line.customer_id)] += line.amount_fen
            expected["amount_band"][band(paid.amount_fen)] += line.amount_fen
            new = paid.at == first[line.customer_id]
            expected["buyer"]["first" if new else "later"] += line.amount_fen
        for group, values in expected.items():
            assert by_key(found(session, "amount", group)) == values
        assert {row.name for row in found(session, "orders", "amount_band").rows} > {"¥100-300", "¥3000-10000"}
        assert {row.name for row in found(session, "orders", "buyer").rows} == {"首单", "老客再购"}
        east = found(session, "amount", "region", team_of(session, "su"))
        assert sum(by_key(east).values()) == east.value
        narrowed = found(session, "amount", region="杭州", buyer="later")
        hers = [one for one in lines_of(session) if region.get(one.customer_id) == "杭州"]
        assert narrowed.value == sum(one.amount_fen for one in hers if order[one.order_id].at > first[one.customer_id])


async def test_customers_one_has_by_channel_store_and_region(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        whole = found(session, "customer_assets")
        for group in ("channel", "region"):
            rows = found(session, "customer_assets", group).rows
            assert {name: sum(row.parts[name] for row in rows) for name in whole.parts} == dict(whole.parts)
        ties = session.exec(select(TieChange).order_by("at", "id")).all()
        first: dict[int, Any] = {}
        for tie in ties:
            first.setdefault(tie.customer_id, tie.channel_id)
        by_channel = by_key(found(session, "reachable_contacts", "channel"))
        assert set(by_channel) == set(first.values())
        assert found(session, "reachable_contacts", channel=1).value == by_channel[1]
        stores = {row.key: row for row in found(session, "customer_assets", "store").rows}
        for code, department in (("east", 2), ("west", 3)):
            members = found(session, "customer_assets", department=department)
            assert dict(stores[code].parts) == dict(members.parts)
        assert stores["east"].name == "城东"
        earlier = resolve(session, "2026-09", MONDAY_TEN, ZONE)
        later = resolve(session, "2026-10", MONDAY_TEN, ZONE)
        before, after = (
            {row.key: row.parts for row in measure(
                session, "customer_assets", EVERYBODY, one, MONDAY_TEN, group_by="channel").rows}
            for one in (earlier, later)
        )  # fmt: skip
        assert {key: parts["closing"] for key, parts in before.items()} == {
            key: parts["opening"] for key, parts in after.items() if key in before
        }


async def test_losses_by_their_reason(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        period = resolve(session, PERIOD, MONDAY_TEN, ZONE)
        why: dict[str, set[int]] = defaultdict(set)
        for tie in session.exec(select(TieChange)):
            if tie.kind == LOST and period.start <= tie.at < MONDAY_TEN:
                why[tie.reason or ""].add(tie.customer_id)
        lost = found(session, "contacts_lost", "reason")
        assert by_key(lost) == {reason: len(customers) for reason, customers in why.items()}
        assert lost.parts["unrecorded"] == len(why[""]) > 0
        assert {row.name for row in lost.rows} == {"价格", "搬家", "没记原因"}
        assert found(session, "contacts_lost", reason="搬家").value == len(why["搬家"])


async def test_scenes_of_touches_and_of_meetings(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        sure = [one for one in session.exec(select(Touch)) if not one.doubtful]
        period = resolve(session, PERIOD, MONDAY_TEN, ZONE)
        touched = [one for one in sure if period.start <= one.at < MONDAY_TEN]
        responses = found(session, "response_rate", "scene")
        assert {row.key: row.parts["delivered"] for row in responses.rows} == Counter(one.scene for one in touched)
        assert {row.name for row in responses.rows} == {"欢迎语", "待办", "群发", "电话", "活动"}
        whole, scenes = found(session, "private_performance"), found(session, "private_performance", "scene")
        assert {row.parts["reachable"] for row in scenes.rows} == {whole.parts["reachable"]}
        for row in scenes.rows:
            alone = found(session, "private_performance", scene=row.key)
            assert (row.value, dict(row.parts)) == (alone.value, dict(alone.parts))
            paid = {one.customer_id for one in lines_of(session) if not one.refund_id}
            assert row.parts["buyers"] <= len(paid & {one.customer_id for one in touched if one.scene == row.key})
        assert sum(row.parts["buyers"] for row in scenes.rows) > whole.parts["buyers"]
        met = found(session, "lead_success_rate", "scene")
        assert {row.key for row in met.rows} == {"visit", "booking", "order"}
        assert max(row.parts["met"] for row in met.rows) <= met.parts["met"]


async def test_pairs_bought_together_are_those_counted_by_hand(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        session.add(Product(sku="s0", name="洁牙"))
        session.flush()
        for scope in (EVERYBODY, team_of(session, "su")):
            view = {line.order_id for line in lines_of(session) if not line.refund_id and seen(line, scope)}
            skus: dict[int, set[str]] = defaultdict(set)
            for item in session.exec(select(OrderItem)):
                if item.order_id in view:
                    skus[item.order_id].add(item.sku)
            pairs = Counter(Pair(*pair) for bought in skus.values() for pair in combinations(sorted(bought), 2))
            alone = Counter(sku for bought in skus.values() for sku in bought)
            told = found(session, "bought_together", "pair", scope)
            assert by_key(told) == {pair: number for pair, number in pairs.items() if number >= OFTEN} != {}
            for row in told.rows:
                a, b = alone[row.key.first], alone[row.key.second]
                assert row.parts["lift"] == pytest.approx(row.value * len(view) / a / b)  # type: ignore[operator]
                assert row.parts["confidence"] == pytest.approx(100 * pairs[row.key] / a)
                assert row.parts["support"] == pytest.approx(100 * pairs[row.key] / len(view))
        assert any(row.name.startswith("洁牙 + s") for row in told.rows)
        with pytest.raises(BadQuestion, match="dimension 'pair'"):
            found(session, "orders", "pair")


def seen(line: OrderCredit, scope: Scope) -> bool:
    """Whether a line is among what the scope covers: the company's, or the eastern store's."""
    nobodys = line.userid is None and line.store == "east"
    return scope == EVERYBODY or nobodys or STAFF_OF.get(line.userid or "") == 2


async def test_with_days_a_pair_is_what_one_customer_bought_so_near(database: Database) -> None:
    with Session(database.engine) as session:
        people(session)
        for number in range(1, 8):
            session.add(Customer(id=number, name=f"客户{number}"))
            session.flush()
            for place, (sku, ago) in enumerate((("a", 40), ("b", 40 - 3 * number))):
                id_ = 2 * number + place
                at = MONDAY_TEN - ago * DAY
                own_order: dict[str, Any] = {"source_id": f"o{id_}", "digest": "", "at": at, "userid": "lin"}
                session.add(Order(id=id_, customer_id=number, amount_fen=100, **own_order))
                session.flush()
                session.add(OrderItem(order_id=id_, sku=sku, name=sku, qty=1, amount_fen=100))
        session.flush()
        credit_orders(session, list(range(2, 16)))

        assert found(session, "bought_together", "pair").rows == []
        [near] = found(session, "bought_together", "pair", days=15).rows
        assert (near.key, near.value, near.parts["baskets"]) == (Pair("a", "b"), 5, 7)
        assert found(session, "bought_together", "pair", days=14).rows == []
        [wide] = found(session, "bought_together", "pair", days=30).rows
        assert (wide.value, wide.parts["lift"]) == (7, 1)


def family(session: Session) -> None:
    """1 brought 2 and 3, 2 brought 4, 4 brought 5; 6 and 7 claim each other; 8 brought 9. 1, 2 and 8 have bought."""
    people(session)
    campaigns(session)
    mains = {1: "lin", 2: "lin", 3: "wang", 4: "mo", 5: "mo", 6: "mo", 7: "mo", 8: "wang", 9: "wang"}
    for number, main in mains.items():
        session.add(Customer(id=number, name=f"客户{number}", main_userid=main))
    session.flush()
    claims = {2: (1, "lin"), 3: (1, None), 4: (2, "lin"), 5: (4, "mo"), 6: (7, None), 7: (6, None), 9: (8, "wang")}
    for customer, (referrer, userid) in claims.items():
        given: dict[str, Any] = {"source_id": f"r{customer}", "digest": "", "userid": userid}
        at = MONDAY_TEN - (30 - customer) * DAY
        session.add(Referral(customer_id=customer, referrer_id=referrer, at=at, **given))
    campaign = session.exec(select(Referral).where(Referral.customer_id == 9)).one()
    campaign.campaign_id = 1
    joined: dict[str, Any] = {"source_id": "p", "digest": "", "campaign_id": 1, "at": MONDAY_TEN - 9 * DAY}
    session.add(Participation(customer_id=8, **joined))
    paid = ((2, 5_000, 40, "lin"), (2, 700, 20, "lin"), (3, 300, 10, "wang"), (5, 90, 1, "mo"), (9, 11, 2, "wang"))
    for number, (customer, fen, ago, userid) in enumerate(paid, start=1):
        at = MONDAY_TEN - ago * DAY
        line: dict[str, Any] = {"source_id": f"o{number}", "digest": "", "at": at, "userid": userid}
        session.add(Order(id=number, customer_id=customer, amount_fen=fen, **line))
    session.flush()
    credit_orders(session, [1, 2, 3, 4, 5])


def tree(measured: Measured) -> dict[int, tuple[int, int, int, int, int]]:
    """By referrer: brought, further, levels, orders, amount."""
    names = ("brought", "further", "levels", "orders", "amount")
    return {row.key: tuple(int(row.parts[name]) for name in names) for row in measured.rows}  # type: ignore[misc]


async def test_who_brought_whom_with_levels_and_what_they_bought(database: Database) -> None:
    with Session(database.engine) as session:
        family(session)
        told = found(session, "customers_brought", "referrer")
        assert tree(told) == {
            1: (2, 2, 3, 3, 1_090), 2: (1, 1, 2, 1, 90), 4: (1, 0, 1, 1, 90), 6: (1, 0, 1, 0, 0), 7: (1, 0, 1, 0, 0),
            8: (1, 0, 1, 1, 11),
        }  # fmt: skip
        assert (told.value, told.rows[0].name) == (7, "客户1")
        assert dict(told.parts) == {"brought": 7, "further": 2, "levels": 3, "orders": 4, "amount": 1_101}
        assert by_key(found(session, "customers_brought", "staff")) == {"lin": 3 - 1, "wang": 1, "mo": 3} | {"lin": 3}
        assert by_key(found(session, "customers_brought", "campaign")) == {None: 6, 1: 1}
        assert tree(found(session, "customers_brought", "referrer", campaign=1)) == {8: (1, 0, 1, 0, 0)}
        one = found(session, "customers_brought", "referrer", referrer=2)
        assert (tree(one), one.value) == ({2: (1, 1, 2, 1, 90)}, 2)
        period = resolve(session, PERIOD, MONDAY_TEN, ZONE)
        rows = behind(session, "customers_brought", EVERYBODY, period, MONDAY_TEN, filters={"referrer": 1})
        assert sorted(row.customer_id for row in rows) == [2, 3, 4, 5]


async def test_of_a_tree_a_member_sees_her_customers_only(database: Database) -> None:
    with Session(database.engine) as session:
        family(session)
        assert tree(found(session, "customers_brought", "referrer", own("lin"))) == {
            1: (2, 1, 2, 1, 700), 2: (1, 0, 1, 0, 0),
        }  # fmt: skip
        assert tree(found(session, "customers_brought", "referrer", own("mo"))) == {
            4: (1, 0, 1, 1, 90), 6: (1, 0, 1, 0, 0), 7: (1, 0, 1, 0, 0),
        }  # fmt: skip
        session.add(FollowUser(customer_id=2, userid="mo", added_at=MONDAY_TEN))
        session.flush()
        assert tree(found(session, "customers_brought", "referrer", own("mo")))[2] == (0, 1, 2, 1, 90)


async def test_a_referral_without_a_campaign_counts_for_the_one_joined_on_its_days(database: Database) -> None:
    with Session(database.engine) as session:
        family(session)
        joined: dict[str, Any] = {"source_id": "q", "digest": "", "campaign_id": 1, "at": MONDAY_TEN - 9 * DAY}
        session.add(Participation(customer_id=5, **joined))
        early = session.exec(select(Referral).where(Referral.customer_id == 5)).one()
        early.at = MONDAY_TEN - DAY
        session.flush()
        assert by_key(found(session, "customers_brought", "campaign")) == {None: 5, 1: 2}


async def test_meetings_have_a_scene_of_their_own(database: Database) -> None:
    with Session(database.engine) as session:
        people(session)
        session.add(Customer(id=1, name="客户1"))
        session.flush()
        seen_at: dict[str, Any] = {"source_id": "v", "digest": "", "at": MONDAY_TEN - 20 * DAY, "userid": "lin"}
        session.add(Visit(customer_id=1, **seen_at))
        session.add(TieChange(at=MONDAY_TEN - 18 * DAY, customer_id=1, userid="lin", kind=ADDED))
        session.flush()
        [row] = found(session, "lead_success_rate", "scene").rows
        assert (row.key, row.name, row.value) == ("visit", "到店", 100)
        assert found(session, "lead_success_rate", scene="order").value is None
