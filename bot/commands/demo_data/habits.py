"""What else customers and staff of the demo did: campaigns, referrals, policies, acts, notes, touches, complaints."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random

from bot.commands.demo_data.company import Company, Drive
from bot.commands.demo_data.customers import Life
from bot.commands.demo_data.products import CATALOGUE
from bot.commands.demo_data.rows import Rows
from contacts.facts import (
    MASS_SEND,
    WELCOME,
    Act,
    Complaint,
    DoNotContact,
    Note,
    Participation,
    Policy,
    Referral,
    Touch,
)
from simulator.population.calendar import dice_for, midnight, moment
from simulator.population.people import birthday_soon

COVERS = (
    ("安心百万医疗", "医疗险", 200_000_000, 38_000, 1), ("康护重疾保障", "重疾险", 30_000_000, 520_000, 20),
    ("出行无忧意外险", "意外险", 50_000_000, 19_800, 1), ("启航教育金", "教育金", 20_000_000, 1_000_000, 15),
    ("守护定期寿险", "寿险", 100_000_000, 160_000, 20),
)  # fmt: skip
"""Product, kind, sum insured, yearly premium and years."""
ACTS = (
    ("page_viewed", 30), ("product_viewed", 28), ("link_opened", 20), ("cart", 6), ("live_joined", 6), ("check_in", 6),
    ("shared", 4),
)  # fmt: skip
PAGES = ("活动会场", "门店导航", "案例分享", "专家介绍", "会员权益", "护理知识")
WORDS = {
    "口腔": ("想做种植牙，担心疼，约了面诊", "问了正畸周期，回去和家人商量", "洗牙后牙龈有点敏感，三天后回访"),
    "美肤": ("想试光子嫩肤，先做皮肤检测", "对价格比较在意，等活动", "水光做完反馈不错，下次带朋友来"),
    "保险": ("已有百万医疗，想补重疾", "孩子刚出生，想看教育金", "预算五千左右，周末发方案"),
    "母婴": ("宝宝快断货奶粉，月底提醒", "想给孩子做涂氟", "二胎妈妈，关注早教"),
    "考研": ("跨专业考研，想听试听课", "英语基础弱，建议全程班"),
    "护理": ("家里老人也想洗牙", "电动牙刷送人用，问了保修"),
}
TROUBLES = (
    "等了四十分钟才看上", "和之前说的价格不一样", "护士动作太重", "发消息太频繁", "奶粉包装破损", "预约改了没通知",
)  # fmt: skip


def join_campaigns(rows: Rows, company: Company, lives: list[Life]) -> dict[int, list[Drive]]:
    """Who joined which campaign, by customer; the one to come has nobody yet."""
    dice = dice_for("campaigns", company.day)
    joined: dict[int, list[Drive]] = {}
    for drive, part in zip(company.drives, (0.16, 0.13, 0), strict=True):
        for life in lives:
            last = min(drive.ends_on, company.day - timedelta(1))
            day = drive.starts_on + timedelta(int(((last - drive.starts_on).days + 1) * dice.random()))
            at = moment(dice, midnight(day))
            if life.begins < at < life.ends and life.main and dice.random() < part * (0.4 + life.heat):
                joined.setdefault(life.id, []).append(drive)
                rows.fact(Participation, at=at, customer_id=life.id, userid=life.member(at), campaign_id=drive.id)
    return joined


def live(rows: Rows, company: Company, lives: list[Life], joined: dict[int, list[Drive]]) -> None:
    """Write everything that is not the shops' business."""
    dice = dice_for("habits", company.day)
    now = midnight(company.day)
    ids = {life.person.number: life.id for life in lives}
    for life in lives:
        if life.person.referrer is not None:
            bring(rows, life, ids[life.person.referrer], joined)
        insure(rows, dice, company.day, life)
        if life.ties:
            act(rows, dice, life)
            note(rows, dice, company.day, life)
            greet(rows, life)
    mass_sends(rows, dice, company.day, lives)
    friends = [life for life in lives if life.reachable and life.begins < now - timedelta(days=40)]
    for number, life in enumerate(dice.sample(friends, 14)):
        complain(rows, dice, life, now - timedelta(days=1 + 9 * number, hours=6), still_open=number < 2)
    for number, life in enumerate(dice.sample(friends, 18)):
        ask_for_peace(rows, life, now - timedelta(days=2 + 8 * number, hours=5), company.day, number)


def bring(rows: Rows, life: Life, referrer: int, joined: dict[int, list[Drive]]) -> None:
    """She was brought by another customer."""
    day = life.begins.date()
    drives = [drive for drive in joined.get(referrer, []) if drive.starts_on <= day <= drive.ends_on]
    rows.fact(
        Referral,
        at=life.begins,
        customer_id=life.id,
        referrer_id=referrer,
        userid=life.ties[0].userid,
        campaign_id=drives[0].id if drives else None,
    )


def insure(rows: Rows, dice: Random, day: date, life: Life) -> None:
    """Policies: of those who came for insurance, of everybody whose birthday is near, and of a few others."""
    near = birthday_soon(life.person, day)
    chance = {"保险": 0.6, "母婴": 0.12}.get(life.person.need, 0.6 if near else 0.05)
    for cover in dice.sample(COVERS, 2):
        product, kind, insured, premium, years = cover
        if dice.random() >= chance:
            continue
        at = (life.begins + (life.ends - life.begins) * dice.random() ** 1.5).replace(microsecond=0)
        # Older ones were bought elsewhere and told to us: their years run out around the demo day.
        starts = at.date() + timedelta(1)
        if dice.random() < 0.5:
            starts = day - timedelta(dice.randint(270, 364))
        rows.fact(
            Policy,
            at=at,
            customer_id=life.id,
            userid=life.member(at),
            product=product,
            kind=kind,
            sum_insured_fen=insured // dice.choice((1, 1, 2, 3)) // 1_000_000 * 1_000_000,
            premium_fen=premium // 100 * 100,
            starts_on=starts,
            ends_on=starts.replace(year=starts.year + years, day=min(starts.day, 28)) - timedelta(1),
        )


def act(rows: Rows, dice: Random, life: Life) -> None:
    """What she looked at by herself: most of it soon after she came."""
    names, weights = [name for name, _ in ACTS], [weight for _, weight in ACTS]
    span = life.ends - life.begins
    for _ in range(int(44 * life.person.zeal * dice.random() ** 0.8)):
        at = life.begins + span * dice.random() ** 1.7
        at = moment(dice, midnight(at.date()), "evening" if dice.random() < 0.6 else "day")
        if life.begins < at < life.ends:
            name = dice.choices(names, weights)[0]
            keep_act(rows, life, at, name, PROPERTIES.get(name, no_properties)(dice))
    at = life.begins + timedelta(days=dice.uniform(1, 9))
    if life.person.need == "考研" and dice.random() < 0.5 and at < life.ends:
        keep_act(rows, life, at.replace(microsecond=0), "trial_class", {"course": "考研规划试听课"})


def keep_act(rows: Rows, life: Life, at: datetime, name: str, properties: dict[str, object]) -> None:
    """Write one act."""
    rows.fact(Act, at=at, customer_id=life.id, userid=life.member(at), name=name, properties=properties)


def no_properties(_: Random) -> dict[str, object]:
    """An act that says it all by its name."""
    return {}


PROPERTIES: dict[str, Callable[[Random], dict[str, object]]] = {
    "page_viewed": lambda dice: {"page": dice.choice(PAGES)},
    "shared": lambda dice: {"page": dice.choice(PAGES)},
    "link_opened": lambda dice: {"link": f"https://example.com/a/{dice.randint(1, 12)}"},
    "product_viewed": lambda dice: {"sku": dice.choice(CATALOGUE).sku},
    "cart": lambda dice: {"sku": dice.choice(CATALOGUE).sku},
    "live_joined": lambda dice: {"minutes": dice.randint(2, 75)},
}


def note(rows: Rows, dice: Random, day: date, life: Life) -> None:
    """What members wrote down; some promised a day to be in touch again."""
    for _ in range(dice.choices((0, 1, 2, 3), (5, 3, 1, 0.5))[0]):
        at = life.begins + (life.ends - life.begins) * dice.random() ** 1.3
        at = moment(dice, midnight(at.date()), "shop")
        userid = life.member(at)
        if not userid or not life.begins < at < life.ends:
            continue
        promised = at.date() + timedelta(dice.randint(2, 30)) if dice.random() < 0.4 else None
        # A promise long past was kept or given up: the note that said so took its place.
        open_one = promised if promised and promised >= day - timedelta(3) else None
        rows.add(
            Note,
            at=at,
            customer_id=life.id,
            userid=userid,
            text=dice.choice(WORDS[life.person.need]),
            next_contact_on=open_one,
        )


def greet(rows: Rows, life: Life) -> None:
    """Each add was answered by a welcome: by one for the pair, whoever greeted."""
    for tie in life.ties:
        if tie.way:
            rows.add(
                Touch,
                at=tie.added_at + timedelta(seconds=1),
                customer_id=life.id,
                userid=tie.userid,
                scene=WELCOME,
                reference=f"demo-{tie.userid}",
                confirmed=True,
            )


def mass_sends(rows: Rows, dice: Random, day: date, lives: list[Life]) -> None:
    """Once a month each member sent something to most of her customers."""
    for ago in (150, 121, 92, 61, 33, 5):
        at = midnight(day - timedelta(ago)) + timedelta(hours=10, minutes=30)
        for life in lives:
            if life.ties and life.begins < at < life.ends and dice.random() < 0.55:
                rows.add(
                    Touch,
                    at=at + timedelta(minutes=dice.randint(1, 200)),
                    customer_id=life.id,
                    userid=life.member(at),
                    scene=MASS_SEND,
                    reference=f"demo-{at:%Y-%m-%d}",
                    confirmed=True,
                )


def complain(rows: Rows, dice: Random, life: Life, at: datetime, *, still_open: bool) -> None:
    """A complaint, closed after a day or two by the leader unless it is still open."""
    closed = {} if still_open else {"closed_at": at + timedelta(days=1, hours=3), "closed_by": "gao"}
    rows.add(Complaint, at=at, customer_id=life.id, userid=life.member(at), text=dice.choice(TROUBLES), **closed)


def ask_for_peace(rows: Rows, life: Life, at: datetime, day: date, number: int) -> None:
    """A wish to be left in peace: of everything or of one topic, some for a while, a few lifted again."""
    lifted = {"lifted_at": at + timedelta(hours=30), "lifted_by": "gao"} if number in {4, 9} else {}
    rows.add(
        DoNotContact,
        at=at,
        customer_id=life.id,
        topic="" if number % 3 else "活动",
        until=day + timedelta(30) if number % 4 == 1 else None,
        by=life.member(at),
        words="别再发了",
        **lifted,
    )
