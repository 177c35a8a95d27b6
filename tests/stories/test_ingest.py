"""Other systems tell what happened: each fact once, with the customer it is about, and what follows from it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.clock import Clock
from bot.jobs import DONE, Job
from contacts.channels import Campaign, Channel
from contacts.domain_events import DOMAIN_EVENT
from contacts.facts import (
    Act,
    Booking,
    CompanyTotal,
    Order,
    OrderItem,
    Participation,
    Policy,
    Referral,
    Refund,
    Spend,
    Traffic,
    Visit,
    Watermark,
)
from contacts.models import AttributeValue, Customer, FollowUser, HeldMerge, Identity, Merge, Store
from contacts.watermarks import complete_to
from tests.bot.program import Program, program_beside
from tests.conftest import WeCom

CHEN = {"phone": "+86 138-0013-8000"}
NINE_THIRTY = datetime(2026, 11, 16, 1, 30, tzinfo=UTC)
ITEMS = [
    {"sku": "A1", "name": "洁牙", "category": "引流", "qty": 1, "amount_fen": 9_900},
    {"sku": "B2", "name": "正畸", "category": "高客单", "qty": 2, "amount_fen": 50_100, "margin_fen": 20_000},
]
ORDER: dict[str, Any] = {"id": "o-1", "customer": CHEN, "userid": "lin", "amount_fen": 60_000, "items": ITEMS}


@pytest.fixture
async def program(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Program]:
    """A program beside a bot whose company has a campaign and a channel."""
    async with program_beside(wecom, database_url, tmp_path, clock) as running:
        await running.bot.database.write(expo)
        yield running


def expo(session: Session) -> None:
    """A campaign, and the channel of its stand."""
    first, last = date(2026, 11, 1), date(2026, 11, 30)
    session.add(Campaign(code="expo", name="展会", starts_on=first, ends_on=last, created_at=NINE_THIRTY))
    session.add(Channel(name="展位", state="expo-stand", created_at=NINE_THIRTY))


async def events_of(program: Program) -> list[tuple[str, dict[str, Any]]]:
    """Name and facts of every event that was told, in order."""
    await program.bot.settle()
    told = select(Job).where(Job.kind == DOMAIN_EVENT).order_by(Job.id)  # type: ignore[arg-type]
    jobs = await program.bot.database.read(lambda session: session.exec(told).all())
    assert {job.state for job in jobs} <= {DONE}
    return [(job.payload["name"], job.payload["facts"]) for job in jobs]


async def test_an_order_is_stored_with_its_lines_and_sums(program: Program) -> None:
    counts = await program.sends("orders", {**ORDER, "store": "S01", "campaign": "expo", "channel": "expo-stand"})

    assert counts == {"stored": 1, "unchanged": 0, "rejected": 0}
    [order], items = await program.rows(Order), await program.rows(OrderItem)
    assert (order.source_id, order.at, order.userid, order.store) == ("o-1", NINE_THIRTY, "lin", "S01")
    assert (order.amount_fen, order.refunded_fen, order.campaign_id, order.channel_id) == (60_000, 0, 1, 1)
    assert [(one.order_id, one.sku, one.qty, one.margin_fen) for one in items] == [
        (order.id, "A1", 1, None),
        (order.id, "B2", 2, 20_000),
    ]
    [customer], [identity] = await program.rows(Customer), await program.rows(Identity)
    assert (identity.customer_id, identity.kind, identity.value) == (customer.id, "phone", "13800138000")
    assert (customer.orders, customer.net_fen) == (1, 60_000)
    assert {customer.first_order_at, customer.last_order_at, customer.last_contact_at} == {NINE_THIRTY}
    assert [store.code for store in await program.rows(Store)] == ["S01"]
    [(name, facts)] = await events_of(program)
    assert (name, facts["amount_fen"], facts["categories"]) == ("order_paid", 60_000, ["引流", "高客单"])


async def test_the_same_record_again_changes_nothing_and_another_under_its_id_is_a_conflict(program: Program) -> None:
    await program.sends("orders", ORDER)
    same = {**ORDER, "at": "2026-11-16T01:30:00Z", "customer": {"phone": "138 0013 8000"}}
    again = await program.sends("orders", same, ORDER)
    other = await program.refused("orders", {**ORDER, "id": "o-2"}, {**ORDER, "amount_fen": 1})

    assert again == {"stored": 0, "unchanged": 2, "rejected": 0}
    assert other == [(1, "id")]
    assert len(await program.rows(Order)) == len(await events_of(program)) == 1


async def test_a_refund_lowers_the_sums_and_one_in_full_takes_the_order_out(program: Program) -> None:
    await program.sends("orders", ORDER, {**ORDER, "id": "o-2", "amount_fen": 10_000, "items": []})
    await program.sends("refunds", {"id": "r-1", "order_id": "o-1", "amount_fen": 20_000})
    [part] = await program.rows(Customer)
    await program.sends("refunds", {"id": "r-2", "order_id": "o-2", "amount_fen": 10_000})
    [whole] = await program.rows(Customer)

    assert (part.orders, part.net_fen, whole.orders, whole.net_fen) == (2, 50_000, 1, 40_000)
    assert [one.refunded_fen for one in await program.rows(Order)] == [20_000, 10_000]
    assert {one.customer_id for one in await program.rows(Refund)} == {whole.id}


async def test_refunds_never_exceed_their_order_not_even_together(program: Program) -> None:
    await program.sends("orders", ORDER)
    refund = {"id": "r-1", "order_id": "o-1", "amount_fen": 40_000}
    together = await program.refused("refunds", refund, {**refund, "id": "r-2"})
    await program.sends("refunds", refund)
    later = await program.refused("refunds", {**refund, "id": "r-3", "amount_fen": 20_001})

    assert (together, later) == ([(1, "amount_fen")], [(0, "amount_fen")])
    assert [one.source_id for one in await program.rows(Refund)] == ["r-1"]


async def test_a_booking_is_moved_and_cancelled_by_later_records_and_older_ones_are_ignored(program: Program) -> None:
    booking = {"id": "b-1", "customer": CHEN, "starts_at": "2026-11-18T15:00:00+08:00", "item": "洁牙", "store": "S01"}
    moved = {
        "id": "b-1",
        "customer": CHEN,
        "status": "moved",
        "starts_at": "2026-11-20T10:00:00+08:00",
        "at": "2026-11-16T09:40:00+08:00",
    }
    await program.sends("bookings", booking)
    counts = [await program.sends("bookings", moved), await program.sends("bookings", booking, moved)]
    [row] = await program.rows(Booking)
    clash = await program.refused("bookings", {**moved, "status": "cancelled"})
    await program.sends("bookings", {**moved, "status": "cancelled", "at": "2026-11-16T09:50:00+08:00"})
    [ended] = await program.rows(Booking)

    assert [(one["stored"], one["unchanged"]) for one in counts] == [(1, 0), (0, 2)]
    assert (row.status, row.starts_at, row.item, row.store) == (
        "moved",
        datetime(2026, 11, 20, 2, 0, tzinfo=UTC),
        "洁牙",
        "S01",
    )
    assert (row.first_starts_at, row.made_at) == (datetime(2026, 11, 18, 7, 0, tzinfo=UTC), NINE_THIRTY)
    assert (clash, ended.status, ended.first_starts_at) == ([(0, "at")], "cancelled", row.first_starts_at)
    assert [name for name, _ in await events_of(program)] == ["booking_made", "booking_moved", "booking_cancelled"]


async def test_a_booking_told_in_any_order_ends_the_same(program: Program) -> None:
    steps = [
        {"id": "b-1", "customer": CHEN, "starts_at": f"2026-11-{18 + day}T15:00:00+08:00", "status": status,
         "at": f"2026-11-16T09:{30 + day}:00+08:00"}
        for day, status in enumerate(("booked", "moved", "moved"))
    ]  # fmt: skip
    await program.sends("bookings", steps[2], steps[0], steps[1])
    [row] = await program.rows(Booking)

    assert (row.status, row.starts_at.day, row.first_starts_at.day, row.made_at) == ("moved", 20, 18, NINE_THIRTY)


async def test_every_other_kind_has_its_row(program: Program) -> None:
    await program.sends("bookings", {"id": "b-1", "customer": CHEN, "starts_at": "2026-11-16T09:00:00+08:00"})
    await program.sends("visits", {"id": "v-1", "customer": CHEN, "store": "S01", "booking_id": "b-1"})
    policy = {"product": "安心", "kind": "重疾", "sum_insured_fen": 50_000_000, "premium_fen": 600_000}
    await program.sends(
        "policies", {"id": "p-1", "customer": CHEN, "starts_on": "2026-01-01", "ends_on": "2026-12-31", **policy}
    )
    await program.sends("participations", {"id": "j-1", "customer": CHEN, "campaign": "expo"})
    await program.sends("referrals", {"id": "f-1", "customer": CHEN, "referrer": {"member_id": "M-7"}})
    await program.sends("events", {"id": "e-1", "customer": CHEN, "name": "cart", "properties": {"sku": "A1"}})
    await program.sends("traffic", {"id": "t-1", "channel": "expo-stand", "date": "2026-11-15", "visitors": 90})
    await program.sends("spend", {"id": "s-1", "campaign": "expo", "date": "2026-11-15", "amount_fen": 80_000})
    await program.sends("totals", {"id": "d-1", "date": "2026-11-15", "net_amount_fen": -500})
    await program.sends("attributes", {"id": "a-1", "customer": CHEN, "key": "birthday", "value": "1990-05-01"})
    await program.sends("identities", {"id": "i-1", "customer": CHEN, "kind": "member_id", "value": "M-1"})

    chen, referrer = await program.rows(Customer)
    for model in (Visit, Policy, Participation, Act, Referral):
        assert [one.customer_id for one in await program.rows(model)] == [chen.id]
    assert [one.booking_id for one in await program.rows(Visit)] == [1]
    assert [(one.kind, one.ends_on) for one in await program.rows(Policy)] == [("重疾", date(2026, 12, 31))]
    assert [one.referrer_id for one in await program.rows(Referral)] == [referrer.id]
    assert [(one.name, one.properties) for one in await program.rows(Act)] == [("cart", {"sku": "A1"})]
    assert [(one.channel_id, one.visitors, one.clicks) for one in await program.rows(Traffic)] == [(1, 90, 0)]
    assert [(one.campaign_id, one.amount_fen) for one in await program.rows(Spend)] == [(1, 80_000)]
    assert [(one.store, one.net_amount_fen) for one in await program.rows(CompanyTotal)] == [(None, -500)]
    assert (chen.birthday, await program.rows(AttributeValue)) == (date(1990, 5, 1), [])
    ids = {(one.customer_id, one.kind, one.value) for one in await program.rows(Identity)}
    assert ids == {
        (chen.id, "phone", "13800138000"),
        (chen.id, "member_id", "M-1"),
        (referrer.id, "member_id", "M-7"),
    }
    assert [name for name, _ in await events_of(program)] == [
        "booking_made", "visit_made", "policy_taken", "campaign_joined", "customer_referred", "customer_acted",
    ]  # fmt: skip


async def test_history_raises_no_events(program: Program) -> None:
    await program.sends("orders", ORDER, at="2026-11-14T09:00:00+08:00")
    await program.sends("orders", {**ORDER, "id": "o-2"}, at="2026-11-14T11:00:00+08:00")

    assert [facts["id"] for _, facts in await events_of(program)] == ["o-2"]


async def test_a_day_of_a_channel_or_a_store_is_told_once(program: Program) -> None:
    total = {"id": "d-1", "date": "2026-11-15", "store": "S01", "net_amount_fen": 5}
    await program.sends(
        "totals", total, {**total, "id": "d-2", "store": "S02"}, {**total, "id": "d-3", "date": "2026-11-14"}
    )
    doubled = await program.refused("totals", {**total, "id": "d-4"})
    traffic = {"channel": "expo-stand", "date": "2026-11-15", "visitors": 1}
    both = await program.refused("traffic", {"id": "t-1", **traffic}, {"id": "t-2", **traffic})

    assert (doubled, both) == ([(0, "date")], [(1, "date")])


async def test_the_first_claim_of_a_referral_and_of_a_campaign_holds(program: Program) -> None:
    await program.sends("referrals", {"id": "f-1", "customer": CHEN, "referrer": {"member_id": "M-7"}})
    second = await program.sends("referrals", {"id": "f-2", "customer": CHEN, "referrer": {"member_id": "M-8"}})
    await program.sends("participations", {"id": "j-1", "customer": CHEN, "campaign": "expo"})
    twice = await program.sends("participations", {"id": "j-2", "customer": CHEN, "campaign": "expo"})

    assert (second["unchanged"], twice["unchanged"]) == (1, 1)
    assert [one.source_id for one in await program.rows(Referral)] == ["f-1"]
    assert len(await program.rows(Participation)) == 1


async def test_a_record_that_names_a_friend_and_a_phone_makes_one_customer_of_them(program: Program) -> None:
    added = await program.bot.wecom.adds_friend("lin", name="陈女士")
    await program.bot.settle()
    await program.sends("orders", ORDER)
    both = {"external_userid": added["external_userid"], "phone": "13800138000"}
    await program.sends("visits", {"id": "v-1", "customer": both})

    friend, bought = await program.rows(Customer)
    assert (bought.merged_into, friend.orders, friend.net_fen) == (friend.id, 1, 60_000)
    for model in (Order, Visit, FollowUser):
        assert [one.customer_id for one in await program.rows(model)] == [friend.id]
    [merge] = await program.rows(Merge)
    assert (merge.kept_id, merge.absorbed_id, merge.reason) == (friend.id, bought.id, "visits:v-1")


async def test_a_phone_two_members_share_waits_for_a_person(program: Program) -> None:
    family = [{**CHEN, "member_id": member} for member in ("M-1", "M-2")]
    await program.sends("visits", *({"id": f"v-{n}", "customer": one} for n, one in enumerate(family)))
    await program.sends("visits", *({"id": f"w-{n}", "customer": one} for n, one in enumerate(family)))

    first, second = await program.rows(Customer)
    [held] = await program.rows(HeldMerge)
    assert (held.first_id, held.second_id, held.decided_at) == (first.id, second.id, None)
    assert "member_id" in held.reason
    assert [one.customer_id for one in await program.rows(Visit)] == [first.id, second.id] * 2


async def test_watermarks_follow_the_newest_record_or_what_the_sender_says(program: Program) -> None:
    first = {"id": "v-1", "customer": CHEN, "store": "S01"}
    await program.sends(
        "visits",
        first,
        {**first, "id": "v-0", "at": "2026-11-15T09:00:00+08:00"},
        {**first, "id": "v-2", "store": "S02", "at": "2026-11-14T09:00:00+08:00"},
    )
    marks = {(one.feed, one.store): one.complete_to for one in await program.rows(Watermark)}
    status, _ = await program.post("visits", {"records": [], "complete_to": "2026-11-16T09:45:00+08:00"})
    future, _ = await program.post("visits", {"records": [], "complete_to": "2026-11-17T09:45:00+08:00"})

    assert marks == {("visits", "S01"): NINE_THIRTY, ("visits", "S02"): datetime(2026, 11, 14, 1, 0, tzinfo=UTC)}
    assert (status, future) == (200, 422)
    read = program.bot.database.read
    assert await read(lambda session: complete_to(session, "visits", "S02")) == datetime(
        2026, 11, 16, 1, 45, tzinfo=UTC
    )
    assert await read(lambda session: complete_to(session, "orders", "S02")) is None


async def test_a_thousand_records_are_taken_at_once(program: Program) -> None:
    orders = [{**ORDER, "id": f"o-{n}", "customer": {"member_id": f"M-{n % 300}"}} for n in range(1_000)]
    counts = await program.sends("orders", *orders)
    again = await program.sends("orders", *orders)

    assert (counts["stored"], again["unchanged"]) == (1_000, 1_000)
    assert sum(one.net_fen for one in await program.rows(Customer)) == 60_000_000
    assert len(await events_of(program)) == 1_000
