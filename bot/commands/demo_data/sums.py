"""What the demo's feeds say by the day: traffic, spend, company totals, platform statistics, groups, watermarks."""

from collections import defaultdict
from datetime import date, datetime, timedelta

from bot.commands.demo_data.company import Company
from bot.commands.demo_data.rows import Rows
from contacts.facts import (
    CompanyTotal,
    CustomerGroup,
    GroupMember,
    LayerMove,
    Order,
    Refund,
    Spend,
    StaffStatistic,
    Traffic,
    Watermark,
)
from simulator.apis.statistics import behavior
from simulator.corp import Corp
from simulator.population.calendar import dice_for, midnight
from simulator.population.company import EXPO, HIRES, STORES, WAYS
from simulator.population.groups import circles
from simulator.population.ties import HALF_YEAR, Population

VISITORS_PER_ADD = {"门店": 8, "展会": 5, "直播": 40, "广告": 60, "公众号": 12, "老客推荐": 4}
FEN_PER_ADD = {"展会": 9_000, "直播": 4_500, "广告": 7_800}
FEEDS = (
    "orders", "refunds", "bookings", "visits", "policies", "participations", "referrals", "events", "traffic", "spend",
    "totals",
)  # fmt: skip
NIGHT = 5
"""The hour of the nightly layers."""
LONGEST = HALF_YEAR - 3
"""Days for which the platform still has statistics."""


def add_up(rows: Rows, company: Company, population: Population, corp: Corp) -> None:
    """Write what is known by the day. The statistics are the platform's own."""
    count_traffic(rows, company, population)
    total(rows, company.day)
    for hire in HIRES:
        for ago in range(1, LONGEST):
            if hire.share:
                statistics(rows, corp, hire.userid, company.day - timedelta(ago))
    gather(rows, population)
    climb(rows, company.day)
    for feed in FEEDS:
        for store in ("", *STORES.values()):
            rows.add(Watermark, feed=feed, store=store, complete_to=midnight(company.day))


def count_traffic(rows: Rows, company: Company, population: Population) -> None:
    """Visitors, clicks and money of each channel and day, in proportion to who was added."""
    dice = dice_for("traffic", company.day)
    adds: defaultdict[tuple[str, date], int] = defaultdict(int)
    for tie in population.ties:
        if tie.way:
            adds[tie.way.state, tie.added_at.date()] += 1
    for ago in range(HALF_YEAR, 0, -1):
        day = company.day - timedelta(ago)
        for way in WAYS:
            added, each = adds[way.state, day], VISITORS_PER_ADD[way.source]
            visitors = int(each * (added * dice.uniform(0.7, 1.3) + dice.random()))
            clicks = max(added, int(visitors * dice.uniform(0.15, 0.4)))
            channel = company.channels[way.state]
            rows.fact(Traffic, channel_id=channel, day=day, visitors=max(visitors, clicks), clicks=clicks)
            if way.paid and added and (way.state != EXPO or added > 3):
                amount = int(added * FEN_PER_ADD[way.source] * dice.uniform(0.8, 1.3))
                rows.fact(Spend, day=day, channel_id=channel, amount_fen=amount)
    for drive in company.drives[:2]:
        rows.fact(Spend, day=drive.starts_on, campaign_id=drive.id, amount_fen=1_200_000)


def climb(rows: Rows, day: date) -> None:
    """The nights that found a first and a second order, and moved the customer's stage."""
    times: defaultdict[int, list[datetime]] = defaultdict(list)
    for order in rows.tables[Order]:
        times[order["customer_id"]].append(order["at"])
    for customer_id, bought in times.items():
        nights = [midnight(at.date()) + timedelta(days=1, hours=NIGHT) for at in sorted(bought)[:2]]
        steps = ((nights[0], "engaged", "buyer"), *((at, "buyer", "repeat") for at in nights[1:]))
        for at, before, after in steps:
            if at < midnight(day) + timedelta(hours=NIGHT):
                move = {"layer": "stage", "before": before, "after": after, "cause": f"night:{at:%Y-%m-%d}"}
                rows.add(LayerMove, at=at, customer_id=customer_id, **move)


def total(rows: Rows, day: date) -> None:
    """The whole company's net amount: what customers in WeCom brought is a part of it."""
    dice = dice_for("totals", day)
    net: defaultdict[tuple[date, str | None], int] = defaultdict(int)
    orders = rows.tables[Order]
    for order in orders:
        net[order["at"].date(), order["store"]] += order["amount_fen"]
    for refund in rows.tables[Refund]:
        net[refund["at"].date(), orders[refund["order_id"] - 1]["store"]] -= refund["amount_fen"]
    for ago in range(HALF_YEAR, 0, -1):
        today = day - timedelta(ago)
        whole = 0
        for store in (*STORES.values(), None):
            known = net[today, store]
            amount = known + int(max(known, 0) * dice.uniform(0.6, 1.4)) + dice.randint(300, 900) * 1_000
            whole += amount
            if store:
                rows.fact(CompanyTotal, day=today, store=store, net_amount_fen=amount)
        rows.fact(CompanyTotal, day=today, store=None, net_amount_fen=whole)


def statistics(rows: Rows, corp: Corp, userid: str, day: date) -> None:
    """The platform's figures of a member's day."""
    figures = behavior(corp, {userid}, int(midnight(day).timestamp()))
    rows.add(
        StaffStatistic,
        userid=userid,
        day=day,
        chats=figures["chat_cnt"],
        messages=figures["message_cnt"],
        reply_percentage=figures.get("reply_percentage"),
        avg_reply_minutes=figures.get("avg_reply_time"),
        negative_feedback=figures["negative_feedback_cnt"],
        new_applications=figures["new_apply_cnt"],
        new_contacts=figures["new_contact_cnt"],
    )


def gather(rows: Rows, population: Population) -> None:
    """The customer groups and who is in them."""
    for circle in circles(population):
        rows.add(
            CustomerGroup,
            chat_id=circle.chat_id,
            name=circle.name,
            owner=circle.owner,
            notice=circle.notice,
            member_version=circle.version,
            created_at=circle.created_at,
            fetched_at=midnight(population.day) + timedelta(hours=3, minutes=10),
        )
        for one in circle.members:
            rows.add(
                GroupMember,
                chat_id=circle.chat_id,
                member=one.id,
                customer_id=one.person.number + 1 if one.person else None,
                name=one.name,
                joined_at=one.joined_at,
                scene=one.scene,
                state=one.state,
            )
