"""The demo company itself: stores, staff and rota, tags, channels, campaigns, attributes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.commands.demo_data.products import put_on_sale
from bot.commands.demo_data.rows import Rows
from contacts.channels import CONTACT_WAY, LINK, Campaign, CampaignStaff, Channel
from contacts.facts import Holiday, StaffDay, StoreHours
from contacts.models import Attribute, Department, Staff, StaffDepartment, Store
from contacts.tags import Tag, TagGroup
from simulator.population.calendar import dice_for, midnight
from simulator.population.company import (
    DEPARTMENTS,
    EXPO,
    GONE,
    HIRES,
    LIVE,
    OURS,
    STORES,
    TAGS,
    WAYS,
    Hire,
    group_id,
    tag_id,
)
from simulator.population.settling import HIGHEST_ORDER

OPENED_DAYS = 600
CAMPAIGNS_OF_MONTHS = (
    ("xinnian", "新年焕新季"), ("xinchun", "新春团圆季"), ("nvshen", "女神节"), ("chunji", "春季护牙周"),
    ("wuyi", "五一出游季"),
    ("618", "618年中庆"), ("shuqi", "暑期护航"), ("kaixue", "开学季"), ("jinqiu", "金秋感恩"), ("guoqing", "国庆献礼"),
    ("double11", "双11返场"), ("niandu", "年终答谢"),
)  # fmt: skip
"""Code and name of the campaign that begins in each month."""
SPANS = ((-75, -61), (-9, 6), (30, 44))
"""First and last day of the campaign that is over, the one that runs and the one that comes, seen from the demo day."""
DEFINED = (
    ("child_birth_month", "孩子出生年月", "date", (), True),
    ("exam_year", "考试年份", "number", (), False),
    ("target_school", "目标院校", "text", (), False),
    ("insurance_budget", "保险年预算（元）", "number", (), True),
    ("social_insurance", "有无社保", "yes_no", (), True),
    ("skin_type", "肤质", "choice", ("干性", "油性", "混合性", "敏感性"), False),
    ("dental_concern", "口腔问题", "choice", ("缺牙", "牙列不齐", "牙黄", "蛀牙", "牙龈出血"), True),
    ("wedding_day", "结婚纪念日", "annual", (), False),
)
"""Key, label, type, choices and whether it is sensitive."""
ATTRIBUTES = {
    key: Attribute(key=key, label=label, type=kind, choices=list(choices), position=place, sensitive=sensitive)
    for place, (key, label, kind, choices, sensitive) in enumerate(DEFINED)
}


@dataclass(frozen=True)
class Drive:
    """A campaign of the demo."""

    id: int
    starts_on: date
    ends_on: date


@dataclass(frozen=True)
class Company:
    """What facts refer to."""

    day: date
    channels: dict[str, int]
    """Ids by state."""
    drives: list[Drive]
    """The campaign that is over, the one that runs, the one that comes."""


def found(rows: Rows, day: date) -> Company:
    """Write the company as it stands on the demo day."""
    opened = midnight(day - timedelta(OPENED_DAYS))
    open_stores(rows, day)
    for hire in (*HIRES, GONE):
        employ(rows, hire, midnight(day) + timedelta(hours=3, minutes=10))
    put_up_tags(rows)
    drives = [stage(rows, day, *span) for span in SPANS]
    channels = open_channels(rows, drives, opened)
    for attribute in ATTRIBUTES.values():
        rows.add(Attribute, **attribute.model_dump())
    put_on_sale(rows)
    return Company(day, channels, drives)


def open_stores(rows: Rows, day: date) -> None:
    """Departments, stores, their hours and days off."""
    for number, name, parent in DEPARTMENTS:
        path = f"/{parent}/{number}/" if parent else f"/{number}/"
        rows.add(Department, id=number, name=name, parent_id=parent, path=path, order=HIGHEST_ORDER - number)
        if number in STORES:
            rows.add(Store, code=STORES[number], name=name, department_id=number)
    for store, days in [("", "national"), *((code, "always") for code in STORES.values())]:
        rows.add(StoreHours, store=store, days=days)
    rows.add(Holiday, day=day - timedelta(40), works=False, name="周年庆盘点")
    rows.add(Holiday, day=day + timedelta(10), store="south", works=False, name="设备检修")


def employ(rows: Rows, hire: Hire, now: datetime) -> None:
    """A member of staff with her days off: one a week in the stores, and 唐悦 is away on the demo day."""
    rows.add(
        Staff,
        userid=hire.userid,
        name=hire.name,
        position=hire.position,
        active=hire is not GONE,
        customer_contact=hire.share > 0 and hire is not GONE,
        synced_at=now,
    )
    rows.add(StaffDepartment, userid=hire.userid, department_id=hire.department, leads=hire.leads)
    if hire.department not in STORES or hire is GONE:
        return
    today = now.date()
    away = today.weekday() if hire.userid == "tang" else (today.weekday() + 1 + len(rows.tables[Staff]) % 6) % 7
    for ahead in range(-28, 29):
        day = today + timedelta(ahead)
        if day.weekday() == away:
            stand_in = "mo" if hire.userid == "tang" and ahead == 0 else None
            rows.add(StaffDay, userid=hire.userid, day=day, works=False, stand_in=stand_in, by=hire.userid)


def put_up_tags(rows: Rows) -> None:
    """The corp tags: one wish at a time, which is asked about again after a month."""
    for place, (group, names) in enumerate(TAGS.items()):
        wish = group == "意向"
        rows.add(
            TagGroup,
            id=group_id(group),
            name=group,
            order=HIGHEST_ORDER - place,
            single_choice=wish or group == "年龄段",
            expires_days=30 if wish else None,
        )
        for order, name in enumerate(names):
            ours = group == OURS
            rows.add(Tag, id=tag_id(name), group_id=group_id(group), name=name, order=HIGHEST_ORDER - order, ours=ours)


def stage(rows: Rows, day: date, first: int, last: int) -> Drive:
    """A campaign with its staff and their targets."""
    starts_on, ends_on = day + timedelta(first), day + timedelta(last)
    code, name = CAMPAIGNS_OF_MONTHS[starts_on.month - 1]
    number = rows.add(
        Campaign,
        code=f"{code}-{starts_on.year}",
        name=name,
        starts_on=starts_on,
        ends_on=ends_on,
        window_days=30,
        brief=f"{name}：到店检测免费，体验项目立减，老客带新各得好礼。先约到店，再谈方案。",
        products=["YL-JY", "YL-QP", "LC-XY", "GK-ZZ"],
        commission_percent=3.0,
        tiers=[[0, 3.0], [500_000, 4.0], [1_000_000, 5.0]],
        refund_days=7,
        created_at=midnight(starts_on - timedelta(14)),
    )
    dice = dice_for(f"targets {first}", day)
    for hire in HIRES:
        if hire.share:
            rows.add(
                CampaignStaff,
                campaign_id=number,
                userid=hire.userid,
                participants=int(20 * hire.share),
                referrals=int(4 * hire.share),
                conversions=int(10 * hire.share),
                amount_fen=int(16 * hire.share * hire.skill) * 100_000,
                read_at=midnight(starts_on) - timedelta(hours=dice.randint(10, 60)) if dice.random() < 0.85 else None,
            )
    return Drive(number, starts_on, ends_on)


def open_channels(rows: Rows, drives: list[Drive], opened: datetime) -> dict[str, int]:
    """The channels, as the platform has them; answers their ids by state."""
    store_of = {"store-east": "east", "store-west": "west", "store-south": "south"}
    over, runs, _ = drives
    campaigns = {EXPO: over.id, LIVE: runs.id}
    scenes = {"门店": "visits", "展会": "visitors", "老客推荐": "orders"}
    return {
        way.state: rows.add(
            Channel,
            name=way.name,
            kind=LINK if way.link else CONTACT_WAY,
            state=way.state,
            config_id=None if way.link else way.config_id,
            link_id=way.config_id if way.link else None,
            url=way.url,
            userids=[userid for userid in way.userids if userid != GONE.userid],
            multi=True,
            tag_ids=[tag_id(way.source)],
            campaign_id=campaigns.get(way.state),
            store=store_of.get(way.state),
            scene=scenes.get(way.source, "clicks"),
            cost_fen=300_000 if way.paid else 20_000,
            created_at=opened,
        )
        for way in WAYS
    }
