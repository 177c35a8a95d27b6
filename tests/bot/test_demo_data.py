"""The demo's data: made from its date alone, whole, consistent, and the same on the platform and in the database."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import func, select
from sqlmodel import Session, SQLModel, col

from bot.clock import Clock
from bot.commands.demo_data.customers import BY_PHONE
from bot.commands.demo_data.generate import generate, store
from bot.commands.demo_data.rows import Row, Rows
from bot.database import Database
from bot.jobs import Job
from contacts import channels, facts, models, tags
from contacts.facts import Act, Booking, Note, Order, OrderItem, Policy, Refund, Touch, Visit
from contacts.models import Customer, FollowUser, Identity, Staff, TieChange
from contacts.tags import PairTag, TagChange
from contacts.tie_log import replay
from simulator.app import create_simulator
from simulator.corp import Corp
from simulator.platform import PLATFORM
from simulator.population.calendar import midnight
from simulator.population.settling import settle
from simulator.population.ties import FRIENDS, Population, populate
from tests.bot.command import frontline
from tests.conftest import WeCom, bot_settings, free_port, running_bot, served

FRIDAY = date(2026, 11, 20)
PINNED = "f050beaa1ec4"
"""Of the rows of that Friday: change it when the demo is meant to be another one."""
KINDS: tuple[type[SQLModel], ...] = (
    models.Department, models.Staff, models.StaffDepartment, models.Store, models.Customer, models.Identity,
    models.FollowUser, models.TieChange, models.MainStaffChange, models.Attribute, models.AttributeValue,
    tags.TagGroup, tags.Tag, tags.PairTag, tags.TagChange, channels.Campaign, channels.CampaignStaff, channels.Channel,
    facts.Order, facts.OrderItem, facts.Refund, facts.Booking, facts.Visit, facts.Policy, facts.Participation,
    facts.Referral, facts.Act, facts.Traffic, facts.Spend, facts.CompanyTotal, facts.Note, facts.Touch, facts.Complaint,
    facts.DoNotContact, facts.Satisfaction, facts.Watermark, facts.StaffDay, facts.Holiday, facts.StoreHours,
    facts.StaffStatistic, facts.Product, facts.CustomerGroup, facts.GroupMember, facts.Transfer,
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A generated demo."""

    population: Population
    corp: Corp
    rows: Rows

    def __getitem__(self, model: type[SQLModel]) -> list[Row]:
        return self.rows.tables[model]


def make(day: date) -> Made:
    """The demo of a day, as `frontline demo` makes it."""
    corp = Corp(Clock(midnight(day) + timedelta(hours=8, minutes=25)))
    population = populate(day)
    settle(create_simulator(corp)[PLATFORM], population)
    return Made(population, corp, generate(population, corp))


@pytest.fixture(scope="module")
def demo() -> Made:
    """The demo of one Friday."""
    return make(FRIDAY)


def digest(rows: Rows) -> str:
    """One number for everything in the rows."""
    content = {model.__name__: made for model, made in rows.tables.items()}
    return sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


def test_two_generations_are_equal_row_by_row(demo: Made) -> None:
    again = make(FRIDAY)

    assert again.rows.tables == demo.rows.tables
    assert again.population == demo.population


def test_the_rows_of_a_date_stay_what_they_were(demo: Made) -> None:
    assert digest(demo.rows)[:12] == PINNED


@pytest.mark.parametrize("day", [date(2027, 2, 26), date(2028, 2, 29)])
def test_another_day_is_another_half_year_of_the_same_company(demo: Made, day: date) -> None:
    other = make(day)

    assert digest(other.rows) != digest(demo.rows)
    assert len(other[Customer]) == len(demo[Customer])
    assert [row["userid"] for row in other[Staff]] == [row["userid"] for row in demo[Staff]]
    assert max(row["at"] for row in other[Order]) > midnight(day - timedelta(2))


def test_the_company_has_its_size_and_every_kind_of_row(demo: Made) -> None:
    assert len(demo[models.Store]) == 3
    assert len([row for row in demo[Staff] if row["active"]]) == 12
    assert len([row for row in demo[models.StaffDepartment] if row["leads"]]) == 4
    assert len(demo[Customer]) == FRIENDS + BY_PHONE == 2000
    assert len(demo[channels.Channel]) == 8
    assert "expo-2026" in {row["state"] for row in demo[channels.Channel]}
    assert len(demo[Order]) > 2500
    assert len(demo[Act]) > 15_000
    assert [kind.__name__ for kind in KINDS if not demo[kind]] == []


def test_every_reference_leads_somewhere(demo: Made) -> None:
    customers = {row["id"] for row in demo[Customer]}
    staff = {row["userid"] for row in demo[Staff]} | {None}
    rows = [row for kind in KINDS for row in demo[kind]]

    assert {row["customer_id"] for row in rows if row.get("customer_id")} <= customers
    assert {row["userid"] for row in rows if "userid" in row} <= staff
    assert {row["main_userid"] for row in demo[Customer]} <= staff
    assert {row["order_id"] for row in demo[OrderItem]} == {row["id"] for row in demo[Order]}
    assert {row["tag_id"] for row in demo[PairTag]} <= {row["id"] for row in demo[tags.Tag]}
    assert {row["category"] for row in demo[OrderItem]} <= {row["category"] for row in demo[facts.Product]}
    pairs = Counter((row["customer_id"], row["userid"]) for row in demo[FollowUser])
    assert set(pairs.values()) == {1}


def test_amounts_add_up(demo: Made) -> None:
    items: Counter[int] = Counter()
    for item in demo[OrderItem]:
        items[item["order_id"]] += item["amount_fen"]
    refunded: Counter[int] = Counter()
    for refund in demo[Refund]:
        refunded[refund["order_id"]] += refund["amount_fen"]

    assert [row for row in demo[Order] if row["amount_fen"] != items[row["id"]] or row["amount_fen"] <= 0] == []
    assert [row for row in demo[Order] if row["refunded_fen"] != refunded[row["id"]]] == []
    assert [row for row in demo[Order] if row["refunded_fen"] > row["amount_fen"]] == []
    margins = [(item["margin_fen"], item["amount_fen"]) for item in demo[OrderItem] if item["margin_fen"] is not None]
    assert all(margin < amount for margin, amount in margins)
    assert 0 < len(margins) < len(demo[OrderItem])


def test_the_company_sold_more_than_its_friends_bought(demo: Made) -> None:
    net: defaultdict[date, int] = defaultdict(int)
    for order in demo[Order]:
        net[order["at"].date()] += order["amount_fen"]
    for refund in demo[Refund]:
        net[refund["at"].date()] -= refund["amount_fen"]
    whole = {row["day"]: row["net_amount_fen"] for row in demo[facts.CompanyTotal] if row["store"] is None}

    assert [day for day, amount in whole.items() if amount <= net[day]] == []
    assert 0.2 < sum(net[day] for day in whole) / sum(whole.values()) < 0.6


def test_nothing_happens_before_its_cause_or_after_the_demo_began(demo: Made) -> None:
    now = midnight(FRIDAY)
    began = {row["id"]: row["first_added_at"] for row in demo[Customer]}
    timed = [row for kind in (Order, Visit, Act, Note, Touch, facts.Participation, Policy) for row in demo[kind]]
    bookings = {row["id"]: row for row in demo[Booking]}
    orders = {row["id"]: row for row in demo[Order]}
    came = [(visit, bookings[visit["booking_id"]]) for visit in demo[Visit] if visit["booking_id"]]

    assert [row for row in timed if began[row["customer_id"]] and row["at"] < began[row["customer_id"]]] == []
    assert [row for kind in KINDS for row in demo[kind] if "at" in row and row["at"] >= now] == []
    assert [row for row in demo[Refund] if row["at"] <= orders[row["order_id"]]["at"]] == []
    assert [row for row in demo[Booking] if row["made_at"] >= row["first_starts_at"]] == []
    assert [visit for visit, booking in came if booking["status"] == "cancelled"] == []
    assert [visit for visit, booking in came if visit["customer_id"] != booking["customer_id"]] == []
    brought = [(began[row["referrer_id"]], row["at"]) for row in demo[facts.Referral]]
    assert [pair for pair in brought if pair[0] >= pair[1]] == []


def test_losses_come_early_and_more_by_advertising_than_in_the_shops(demo: Made) -> None:
    ties = demo[FollowUser]
    lost = [row for row in ties if row["lost_by"] == "customer"]
    early = [row for row in lost if row["lost_at"] - row["added_at"] < timedelta(days=7)]
    added, left = Counter(row["state"] for row in ties), Counter(row["state"] for row in lost)

    assert {row["lost_by"] for row in ties} == {None, "customer", "staff", "transfer"}
    assert 0.3 < len(early) / len(lost) < 0.75
    assert left["moments-ad"] / added["moments-ad"] > 2 * left["store-east"] / added["store-east"]
    assert [row for row in demo[TieChange] if row["returned"]] != []


def test_the_demo_day_has_something_to_do(demo: Made) -> None:
    """What the packs' rules look for is there on the day itself."""
    insured = {row["customer_id"] for row in demo[Policy]}
    came = {row["booking_id"] for row in demo[Visit]}
    soon = [row["id"] for row in demo[Customer] if row["birthday_next"] == FRIDAY + timedelta(15)]
    missed = [
        row
        for row in demo[Booking]
        if row["starts_at"].date() == FRIDAY - timedelta(2)
        if row["status"] != "cancelled" and row["id"] not in came
    ]
    ending = [row for row in demo[Policy] if FRIDAY <= row["ends_on"] <= FRIDAY + timedelta(30)]
    running = [row for row in demo[channels.Campaign] if row["starts_on"] <= FRIDAY <= row["ends_on"]]

    assert len(soon) >= 15
    assert insured & set(soon)
    assert len(missed) >= 5
    assert len([row for row in demo[Booking] if row["starts_at"].date() == FRIDAY]) >= 5
    assert len(ending) >= 10
    assert [row["name"] for row in running] == ["双11返场"]
    assert [row for row in demo[facts.Complaint] if not row.get("closed_at")] != []
    assert {"page_viewed", "link_opened", "live_joined", "trial_class"} <= {row["name"] for row in demo[Act]}
    assert any(row["birthday_lunar"] for row in demo[Customer])
    assert {"booked", "moved", "cancelled"} == {row["status"] for row in demo[Booking]}
    yesterday = [row for row in demo[Refund] if row["at"].date() == FRIDAY - timedelta(1)]
    assert yesterday != []


async def test_a_database_takes_it_all_and_customers_agree_with_their_facts(demo: Made, database: Database) -> None:
    await database.write(lambda session: store(session, demo.rows, demo.population))
    counted = await database.read(lambda session: {kind: session.scalar(count(kind)) for kind in KINDS})
    customers = await database.read(lambda session: list(session.scalars(select(Customer))))

    assert counted == {kind: len(demo[kind]) for kind in KINDS}
    full = {row["id"] for row in demo[Order] if row["refunded_fen"] == row["amount_fen"]}
    net: Counter[int] = Counter()
    paid: Counter[int] = Counter()
    for row in demo[Order]:
        net[row["customer_id"]] += row["amount_fen"] - row["refunded_fen"]
        paid[row["customer_id"]] += row["id"] not in full
    assert [one.id for one in customers if (one.orders, one.net_fen) != (paid[one.id or 0], net[one.id or 0])] == []
    assert [one.id for one in customers if not one.stage] == []
    assert len({one.aipl for one in customers}) >= 3
    assert await database.write(next_note) == len(demo[Note]) + 1
    changes = await database.read(history)
    await database.write(lambda session: tell_again(session, demo))
    assert await database.read(history) == changes


def count(kind: type[SQLModel]) -> Any:
    """How many rows a table has."""
    return select(func.count()).select_from(kind)


def next_note(session: Session) -> int | None:
    """The number of a note written after all others."""
    note = Note(at=midnight(FRIDAY), customer_id=1, userid="lin", text="想周末来试戴")
    session.add(note)
    session.flush()
    return note.id


def tell_again(session: Session, demo: Made) -> None:
    """Let the log of ties judge its events again, of those who came back and those who were handed over."""
    returned = {row["customer_id"] for row in demo[TieChange] if row["returned"]}
    moved = {row["customer_id"] for row in demo[facts.Transfer]}
    for customer_id in returned | moved:
        replay(session.connection(), customer_id)


def history(session: Session) -> list[Any]:
    """Every change of a tie."""
    changes = select(col(TieChange.id), col(TieChange.kind), col(TieChange.returned)).order_by(col(TieChange.id))
    return list(session.execute(changes).all())


@pytest.fixture
async def platform(demo: Made) -> AsyncIterator[WeCom]:
    """The simulated WeCom of the demo, served."""
    corp = Corp(Clock(midnight(FRIDAY) + timedelta(hours=8, minutes=25)))
    corp.callback_url = f"http://127.0.0.1:{free_port()}/wecom/callback"
    app = create_simulator(corp)
    settle(app[PLATFORM], demo.population)
    async with served(app) as url, aiohttp.ClientSession() as http:
        yield WeCom(corp, url, http)


async def test_a_sync_of_the_demo_finds_nothing_to_correct(
    demo: Made, database: Database, platform: WeCom, database_url: str, tmp_path: Path
) -> None:
    await database.write(lambda session: store(session, demo.rows, demo.population))
    before = await database.read(known)
    settings = bot_settings(platform.corp, platform.url, database_url, tmp_path)

    async with running_bot(platform, settings, platform.corp.clock) as bot:
        outcomes = await bot.database.read(sync_outcomes)
        after = await bot.database.read(known)

    assert after == before
    assert outcomes["sync_customers"].endswith("no change")
    assert outcomes["sync_groups"].endswith("no change")


def known(session: Session) -> dict[str, Any]:
    """Whatever a sync may alter."""
    tie = (FollowUser.customer_id, FollowUser.userid, FollowUser.remark, FollowUser.added_at, FollowUser.lost_at)
    return {
        "ties": sorted(map(str, session.execute(select(*map(col, tie))).all())),
        "customers": sorted(map(str, session.execute(select(col(Customer.name), col(Customer.gender))).all())),
        "changes": [session.scalar(count(kind)) for kind in (TieChange, TagChange, PairTag, Identity, Customer)],
        "staff": sorted(session.scalars(select(col(Staff.userid)).where(col(Staff.active)))),
    }


def sync_outcomes(session: Session) -> dict[str, str]:
    """What the jobs of the morning ended with, by kind."""
    return {kind: outcome or "" for kind, outcome in session.execute(select(col(Job.kind), col(Job.outcome)))}


async def test_the_platform_lists_the_customers_of_the_database(demo: Made, platform: WeCom) -> None:
    external = {row["customer_id"]: row["value"] for row in demo[Identity] if row["kind"] == "external_userid"}
    listed: defaultdict[str, set[str]] = defaultdict(set)
    active = {row["userid"] for row in demo[Staff] if row["active"]}
    for row in demo[FollowUser]:
        if row["userid"] in active and not row["half"] and row["lost_by"] in {None, "customer"}:
            listed[row["userid"]].add(external[row["customer_id"]])
    async with platform.http.get(
        f"{platform.url}/cgi-bin/gettoken",
        params={"corpid": platform.corp.corp_id, "corpsecret": platform.corp.app.secret},
    ) as answer:
        token = (await answer.json())["access_token"]

    assert len(listed) == 11
    for userid, customers in listed.items():
        params = {"access_token": token, "userid": userid}
        async with platform.http.get(f"{platform.url}/cgi-bin/externalcontact/list", params=params) as answer:
            assert set((await answer.json())["external_userid"]) == customers


async def test_the_demo_says_how_large_its_company_is_plays_its_day_and_ends(demo: Made, tmp_path: Path) -> None:
    ports = {"LISTEN": f"127.0.0.1:{free_port()}", "SIMULATOR_LISTEN": f"127.0.0.1:{free_port()}"}
    ended = await frontline("demo", "--once", "--date", str(FRIDAY), folder=tmp_path, settings=ports)

    assert (ended.code, ended.err) == (0, "")
    first, *_, last = ended.out.splitlines()
    assert first == f"示例公司：3 家门店 · 12 名员工 · 2000 位客户 · {len(demo[Order])} 笔订单"
    assert "0 次出错" in last
