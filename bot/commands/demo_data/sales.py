"""Bookings, visits, orders and refunds of the demo: a first visit, more of those who liked it, repeat purchases."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from bot.commands.demo_data.company import Company, Drive
from bot.commands.demo_data.customers import Life
from bot.commands.demo_data.products import (
    COURSE,
    HIGH_TICKET,
    RETAIL,
    TRAFFIC,
    TREATMENT,
    Goods,
    goods_for,
)
from bot.commands.demo_data.rows import Rows
from contacts.facts import CALL, Booking, Order, OrderItem, Refund, Satisfaction, Touch, Visit
from simulator.population.calendar import dice_for, midnight, moment
from simulator.population.company import BY_USERID

MISSED_DAYS = {2: 6, 4: 4, 6: 3}
"""So many customers missed their booking so many days before the demo day, whatever else chance brings."""
SATURDAY = 5
AHEAD = {0: 5, 1: 6, 3: 4}
"""So many are booked for the demo day itself, the next and the third."""
COMES_FOR = {
    "口腔": "种植牙面诊", "美肤": "皮肤检测", "保险": "保障方案面谈",
    "母婴": "儿童口腔检查", "考研": "考研规划试听", "护理": "洁牙体验",
}  # fmt: skip


@dataclass
class Ledger:
    """What the shops sold, on its way into the database."""

    rows: Rows
    company: Company
    dice: Random
    joined: dict[int, list[Drive]]
    """Campaigns by customer."""
    bought: dict[int, list[datetime]] = field(default_factory=dict)
    """Times of orders by customer."""

    @property
    def now(self) -> datetime:
        """The midnight before the demo day: the past ends here."""
        return midnight(self.company.day)


def sell(rows: Rows, company: Company, lives: list[Life], joined: dict[int, list[Drive]]) -> None:
    """Write half a year of the shops' business."""
    ledger = Ledger(rows, company, dice_for("sales", company.day), joined)
    for life in lives:
        court(ledger, life)
        for _ in range(habits_of(life)):
            reorder(ledger, life)
        for drive in joined.get(life.id, []):
            take_offer(ledger, life, drive)
    for ahead, number in [*((-ago, number) for ago, number in MISSED_DAYS.items()), *AHEAD.items()]:
        book_some(ledger, lives, ahead, number)
    give_back(ledger)


def habits_of(life: Life) -> int:
    """How many kinds of things a customer may get used to buying here."""
    return 0 if not life.ties else 2 if life.person.zeal > 0.6 else 1


def court(ledger: Ledger, life: Life) -> None:
    """A customer's bookings, one after the other while she keeps coming."""
    dice = ledger.dice
    if life.ties and life.ties[0].way and life.ties[0].way.source == "门店" and dice.random() < 0.5:
        walk_in(ledger, life)
    chance = min(0.95, 0.06 + 0.58 * life.heat)
    day = life.begins + timedelta(days=1 + 12 * dice.random() ** 2)
    while dice.random() < chance:
        made = moment(dice, midnight(day.date()))
        starts = opening(dice, free_day(dice, made.date() + timedelta(dice.randint(1, 6))))
        if not life.begins < made < min(life.ends, ledger.now):
            return
        kept = book(ledger, life, made, starts)
        chance = min(0.85, (0.3 if kept else 0.12) + 0.45 * life.heat)
        day = starts + timedelta(days=dice.uniform(9, 50))


def opening(dice: Random, day: date) -> datetime:
    """A half hour at which the shops are open."""
    return midnight(day) + timedelta(hours=10, minutes=30 * dice.randrange(18))


def free_day(dice: Random, day: date) -> date:
    """The day itself or, for many who work, the weekend after it."""
    busy = day.weekday() < SATURDAY and dice.random() < 0.3
    return day + timedelta(SATURDAY - day.weekday() + dice.randint(0, 1)) if busy else day


def walk_in(ledger: Ledger, life: Life) -> None:
    """She met the member in the shop: a visit without a booking."""
    at = life.begins + timedelta(minutes=ledger.dice.randint(5, 90))
    if at < min(life.ends, ledger.now):
        visit(ledger, life, at, None)


def book(ledger: Ledger, life: Life, made: datetime, starts: datetime) -> bool:
    """A booking and what came of it; answers whether she came."""
    dice = ledger.dice
    roll = dice.random()
    status, first, at = "booked", starts, made
    if roll < 0.14 and starts - made > timedelta(days=1):
        at = starts - timedelta(hours=dice.randint(3, 20))
        status = "cancelled" if roll < 0.06 else "moved"
        if at >= ledger.now:
            status, at = "booked", made
        elif status == "moved":
            starts += timedelta(days=dice.randint(1, 5))
    number = keep_booking(ledger, life, made, starts, first=first, at=at, status=status)
    comes = status != "cancelled" and dice.random() < 0.86 and starts < life.ends
    if comes and starts + timedelta(hours=1) < ledger.now:
        visit(ledger, life, starts + timedelta(minutes=dice.randint(-12, 20)), number)
    elif status != "cancelled" and starts < ledger.now:
        call_after(ledger, life, number, starts)
    return comes


def keep_booking(
    ledger: Ledger, life: Life, made: datetime, starts: datetime, *, first: datetime, at: datetime, status: str
) -> int:
    """Write a booking."""
    return ledger.rows.fact(
        Booking,
        at=at,
        customer_id=life.id,
        userid=life.member(made),
        starts_at=starts,
        first_starts_at=first,
        made_at=made,
        item=COMES_FOR[life.person.need],
        store=life.store or "east",
        status=status,
    )


def call_after(ledger: Ledger, life: Life, booking: int, starts: datetime) -> None:
    """She did not come: most members call the next day."""
    at = midnight(starts.date() + timedelta(1)) + timedelta(hours=11, minutes=ledger.dice.randrange(59))
    userid = life.member(at)
    if userid and at < ledger.now and ledger.dice.random() < 0.6:
        ledger.rows.add(
            Touch, at=at, customer_id=life.id, userid=userid, scene=CALL, reference=f"demo-booking-{booking}"
        )


def visit(ledger: Ledger, life: Life, at: datetime, booking: int | None) -> None:
    """She came; she may buy, and say how it was."""
    dice = ledger.dice
    userid = life.member(at)
    number = ledger.rows.fact(
        Visit, at=at, customer_id=life.id, userid=userid, store=life.store or "east", booking_id=booking
    )
    paid = at + timedelta(minutes=dice.randint(15, 70))
    if dice.random() < 0.35 + 0.4 * life.heat and paid < min(life.ends, ledger.now):
        order(ledger, life, paid, basket(dice, life, first=life.id not in ledger.bought), store=life.store or "east")
    asked = at + timedelta(hours=3)
    if dice.random() < 0.3 and asked < ledger.now:
        skill = BY_USERID[userid].skill if userid else 1.0
        score = dice.choices((5, 4, 3, 2, 1), (4 * skill * skill, 3, 1, 0.4, 0.25))[0]
        ledger.rows.add(Satisfaction, at=asked, customer_id=life.id, visit_id=number, score=score)


def basket(dice: Random, life: Life, *, first: bool) -> list[Goods]:
    """What she takes after a visit: something cheap at first, then what she came for."""
    need, means = life.person.need, life.person.means
    high = goods_for(need, HIGH_TICKET, COURSE)
    if high and not first and dice.random() < 0.34 * means:
        return [dice.choice(high)]
    main = goods_for(need, TRAFFIC) if first and dice.random() < 0.65 else goods_for(need, TREATMENT, TRAFFIC)
    extra = [dice.choice(goods_for(need, RETAIL))] if goods_for(need, RETAIL) and dice.random() < 0.35 else []
    return [dice.choice(main), *extra]


def reorder(ledger: Ledger, life: Life) -> None:
    """Things that run out: bought online, and again when they are used up."""
    dice, need = ledger.dice, life.person.need
    goods = goods_for(need, RETAIL)
    if not goods or dice.random() > 0.04 + 0.38 * life.heat:
        return
    wanted = dice.choice(goods)
    at = life.begins + timedelta(days=25 * dice.random() ** 1.5)
    while True:
        paid = moment(dice, midnight(free_day(dice, at.date())))
        if not life.begins < paid < min(life.ends, ledger.now):
            return
        more = [one for one in goods if one is not wanted and dice.random() < 0.3]
        order(ledger, life, paid, [wanted, *more], store=None)
        if dice.random() > 0.72 + 0.27 * life.person.zeal:
            return
        at = paid + timedelta(days=(wanted.cycle_days or 60) * dice.uniform(0.8, 1.4))


def take_offer(ledger: Ledger, life: Life, drive: Drive) -> None:
    """Maybe she buys what the campaign offers."""
    dice = ledger.dice
    paid = moment(dice, midnight(drive.starts_on + timedelta(dice.randint(0, (drive.ends_on - drive.starts_on).days))))
    if life.begins < paid < min(life.ends, ledger.now) and dice.random() < 0.2 + 0.45 * life.heat:
        first = life.id not in ledger.bought
        order(ledger, life, paid, basket(dice, life, first=first), store=life.store)


def order(ledger: Ledger, life: Life, at: datetime, goods: list[Goods], *, store: str | None) -> None:
    """A paid order with its items."""
    dice = ledger.dice
    items = [(one, dice.choice((1, 1, 1, 2)) if one.category == RETAIL else 1) for one in goods]
    sold = [(one, qty, int(one.price_fen * qty * dice.choice((1, 1, 0.95, 0.9))) // 100 * 100) for one, qty in items]
    day = at.date()
    drives = [drive for drive in ledger.joined.get(life.id, []) if drive.starts_on <= day <= drive.ends_on]
    ledger.bought.setdefault(life.id, []).append(at)
    number = ledger.rows.fact(
        Order,
        at=at,
        customer_id=life.id,
        userid=life.member(at) if dice.random() < (0.92 if store else 0.7) else None,
        store=store,
        campaign_id=drives[0].id if drives and dice.random() < 0.7 else None,
        amount_fen=sum(amount for _, _, amount in sold),
        refunded_fen=0,
    )
    for one, qty, amount in sold:
        cost = int(one.price_fen * (1 - one.margin)) * qty
        ledger.rows.add(
            OrderItem,
            order_id=number,
            sku=one.sku,
            name=one.name,
            category=one.category,
            qty=qty,
            amount_fen=amount,
            margin_fen=None if dice.random() < 0.08 else amount - cost,
        )


def book_some(ledger: Ledger, lives: list[Life], ahead: int, number: int) -> None:
    """Bookings on one day around the demo day; those in the past were missed."""
    day = ledger.company.day + timedelta(ahead)
    bookings, visits = ledger.rows.tables[Booking], ledger.rows.tables[Visit]
    lately, last_week = ledger.now - timedelta(60), ledger.now - timedelta(8)
    busy = {row["customer_id"] for row in bookings if row["starts_at"] > lately}
    busy |= {row["customer_id"] for row in visits if row["at"] > last_week}
    made = midnight(min(day, ledger.company.day) - timedelta(3)) + timedelta(hours=16, minutes=5)
    free = [
        life
        for life in lives
        if life.reachable and life.id not in busy and life.begins < made and life.person.need in {"口腔", "美肤"}
    ]
    for life in ledger.dice.sample(free, number):
        starts = opening(ledger.dice, day)
        keep_booking(ledger, life, made, starts, first=starts, at=made, status="booked")


def give_back(ledger: Ledger) -> None:
    """Refunds: a few of all orders, some in part; and one of 林晓's recent ones yesterday."""
    dice, orders = ledger.dice, ledger.rows.tables[Order]
    recent = [row for row in orders if row["userid"] == "lin" and row["at"] > ledger.now - timedelta(days=9)]
    yesterday = ledger.now - timedelta(hours=8, minutes=40)
    last = recent[-1] if recent else None
    for row in orders:
        after = row["at"] + timedelta(days=dice.uniform(0.5, 9))
        if row is last:
            refund(ledger, row, max(yesterday, row["at"] + timedelta(minutes=30)), row["amount_fen"])
        elif dice.random() < 0.035 and after < ledger.now:
            part = row["amount_fen"] // 200 * 100 if dice.random() < 0.4 else row["amount_fen"]
            refund(ledger, row, after.replace(microsecond=0), part or row["amount_fen"])


def refund(ledger: Ledger, row: dict[str, object], at: datetime, amount: int) -> None:
    """Money given back."""
    row["refunded_fen"] = amount
    ledger.rows.fact(Refund, at=at, order_id=row["id"], customer_id=row["customer_id"], amount_fen=amount)
