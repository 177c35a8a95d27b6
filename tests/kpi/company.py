"""A company with half a year of history, made from a seed: what the numbers are checked on."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from contacts.channels import Campaign, CampaignStaff, Channel
from contacts.facts import (
    Act,
    Booking,
    CompanyTotal,
    Complaint,
    DoNotContact,
    Order,
    OrderItem,
    Participation,
    Referral,
    Refund,
    Satisfaction,
    Spend,
    StaffDay,
    StaffStatistic,
    Touch,
    Traffic,
    Visit,
)
from contacts.models import (
    ADDED,
    CONFIRMED,
    CUSTOMER,
    HALF_ADDED,
    LOST,
    STAFF,
    TRANSFER,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    AttributeValue,
    Customer,
    Department,
    FollowUser,
    MainStaffChange,
    Staff,
    StaffDepartment,
    Store,
    TieChange,
)
from contacts.tags import CHANNEL, CHAT, CLIENT, TagChange
from kpi.credit import credit_orders
from sop.mass_sends import MassSend, MassSendCustomer
from sop.models import NOT_SENT, SENT, UNCONFIRMED, Welcome
from sop.sops import DONE, NOT_APPLICABLE, OPEN, WITHDRAWN, Todo
from tests.conftest import MONDAY_TEN

ZONE = ZoneInfo("Asia/Shanghai")
BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
HALF_YEAR = MONDAY_TEN - BEGIN
STAFF_OF = {"lin": 2, "wang": 2, "su": 2, "mo": 3, "he": 3}
LEADERS = {"su", "he"}
CUSTOMERS, ORDERS = 120, 320
REGIONS = ("上海", "杭州", "苏州")
REASONS = ("价格", "搬家", None)


def company(session: Session, seed: int = 5, *, credited: bool = True) -> None:
    """Everything, in a new database."""
    random = Random(seed)
    people(session)
    campaigns(session)
    for make in (customers, orders, contacts, figures, work):
        make(session, random)
        session.flush()
    if credited:
        credit_orders(session, list(range(1, ORDERS + 1)))


def people(session: Session) -> None:
    """Two stores below the company, five members, two of whom lead."""
    for number, name, path in ((1, "示例公司", "/1/"), (2, "城东店", "/1/2/"), (3, "城西店", "/1/3/")):
        session.add(Department(id=number, name=name, parent_id=0 if number == 1 else 1, path=path))
    names = {"lin": "林晓", "wang": "王磊", "su": "苏敏", "mo": "莫然", "he": "何静"}
    for userid, name in names.items():
        session.add(Staff(userid=userid, name=name, synced_at=BEGIN, customer_contact=userid != "he"))
        session.add(StaffDepartment(userid=userid, department_id=STAFF_OF[userid], leads=userid in LEADERS))
    session.add_all(
        [Store(code="east", name="城东", department_id=2), Store(code="west", name="城西", department_id=3)]
    )
    session.flush()


def campaigns(session: Session) -> None:
    """One running, one past; channels of each and of none."""
    session.add(
        Campaign(
            id=1, code="d11", name="双11返场", starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 20),
            tiers=[[0, 2.0], [1_000_000, 3.5], [3_000_000, 5.0]], created_at=BEGIN,
        )
    )  # fmt: skip
    session.add(
        Campaign(
            id=2, code="aug", name="八月护牙", starts_on=date(2026, 8, 1), ends_on=date(2026, 8, 31),
            commission_percent=1.5, refund_days=14, window_days=10, created_at=BEGIN,
        )
    )  # fmt: skip
    session.flush()
    session.add_all(
        [
            Channel(id=1, name="展会", state="expo", campaign_id=1, cost_fen=50_000, created_at=BEGIN),
            Channel(id=2, name="门店", state="door", scene="visits", store="east", created_at=BEGIN),
            Channel(id=3, name="链接", state="link", campaign_id=2, scene="clicks", created_at=BEGIN),
        ]
    )
    for userid, amount in (("lin", 2_000_000), ("wang", 1_500_000), ("mo", 1_000_000)):
        session.add(
            CampaignStaff(campaign_id=1, userid=userid, participants=20, referrals=5, conversions=10, amount_fen=amount)
        )
    session.flush()


def some_time(random: Random, since: datetime = BEGIN) -> datetime:
    """A moment between `since` and now, to the second."""
    return since + timedelta(seconds=random.randrange(int((MONDAY_TEN - since).total_seconds())))


def customers(session: Session, random: Random) -> None:
    """Ties with their history: added, lost to one or the other, back again, handed over."""
    for number in range(1, CUSTOMERS + 1):
        userid = random.choice(list(STAFF_OF))
        main = random.choice([userid, userid, "lin", None])
        session.add(Customer(id=number, name=f"客户{number}", main_userid=main, first_added_at=BEGIN))
        session.flush()
        if number % 4:
            session.add(AttributeValue(customer_id=number, key="region", text=REGIONS[number % 3], at=BEGIN))
        for who in {userid, random.choice(list(STAFF_OF))} if number % 5 == 0 else {userid} if number % 7 else set():
            tie(session, random, number, who)
        if number % 9 == 0:
            at = some_time(random)
            session.add(MainStaffChange(at=at, customer_id=number, before="mo", after=main, by="su"))
        if number % 20 == 0:
            session.add(DoNotContact(at=some_time(random), customer_id=number, by="lin"))


def tie(session: Session, random: Random, customer_id: int, userid: str) -> None:
    """One tie's history."""
    at, back = some_time(random), False
    channel = random.choice([None, 1, 2, 3])
    while True:
        half = random.random() < 0.2
        given: dict[str, Any] = {"customer_id": customer_id, "userid": userid, "channel_id": channel}
        if half:
            session.add(TieChange(at=at, kind=HALF_ADDED, returned=back, **given))
            at += timedelta(hours=3)
        session.add(TieChange(at=at, kind=CONFIRMED if half else ADDED, returned=back, **given))
        added, lost = at, at + timedelta(days=random.choice([1, 3, 5, 20, 60, 400]), hours=random.randrange(24))
        if lost > MONDAY_TEN:
            session.add(FollowUser(customer_id=customer_id, userid=userid, added_at=added, channel_id=channel))
            return
        by = random.choice([CUSTOMER, CUSTOMER, STAFF, TRANSFER])
        kind = TRANSFERRED_OUT if by == TRANSFER else LOST
        why = REASONS[customer_id % 3] if kind == LOST else None
        session.add(TieChange(at=lost, customer_id=customer_id, userid=userid, kind=kind, by=by, reason=why))
        at = lost + timedelta(days=random.choice([4, 30]))
        if random.random() < 0.5 or at > MONDAY_TEN or by == TRANSFER:
            ended: dict[str, Any] = {"lost_at": lost, "lost_by": by}
            session.add(FollowUser(customer_id=customer_id, userid=userid, added_at=added, **ended))
            if by == TRANSFER and userid != "he":
                taken = TieChange(at=lost, customer_id=customer_id, userid="he", kind=TRANSFERRED_IN, source=TRANSFER)
                session.add(taken)
            return
        back = True


def orders(session: Session, random: Random) -> None:
    """Orders with items, some without margins; refunds, in part and in full."""
    for number in range(1, ORDERS + 1):
        at = some_time(random) if number % 3 else some_time(random, MONDAY_TEN - timedelta(days=25))
        amounts = [random.randrange(1_000, 200_000) for _ in range(random.randrange(1, 4))]
        session.add(
            Order(
                source_id=f"o{number}", digest="", at=at, customer_id=random.randrange(1, 70),
                userid=random.choice([None, None, "lin", "mo"]), store=random.choice(["east", "west", None]),
                campaign_id=random.choice([None, None, None, 1, 2]), amount_fen=sum(amounts),
            )
        )  # fmt: skip
        session.flush()
        for place, amount in enumerate(amounts):
            margin = None if random.random() < 0.1 else amount // 3
            sku = f"s{(number * number + 2 * place) % 7}"
            line: dict[str, Any] = {"sku": sku, "name": "洁牙", "qty": random.randrange(1, 4), "margin_fen": margin}
            session.add(OrderItem(order_id=number, amount_fen=amount, **line))
        if number % 6 == 0 and at < MONDAY_TEN - timedelta(days=1):
            back = sum(amounts) if number % 12 == 0 else amounts[0] // 2
            order = session.get(Order, number)
            assert order is not None
            order.refunded_fen = back
            given: dict[str, Any] = {"order_id": number, "customer_id": 1, "amount_fen": back}
            session.add(Refund(source_id=f"r{number}", digest="", at=some_time(random, at), **given))


def contacts(session: Session, random: Random) -> None:
    """Touches, campaigns joined, referrals, visits, bookings and own acts."""
    for number in range(400):
        who: dict[str, Any] = {
            "customer_id": random.randrange(1, CUSTOMERS + 1),
            "userid": random.choice(list(STAFF_OF)),
        }
        at, scene = some_time(random), random.choice(["welcome", "step", "mass_send", "call", "campaign"])
        session.add(Touch(at=at, scene=scene, reference=str(number), doubtful=number % 25 == 0, **who))
        own: dict[str, Any] = {"source_id": str(number), "digest": "", **who}
        if number % 4 == 0:
            session.add(Visit(at=some_time(random), store=random.choice(["east", "west"]), **own))
        if number % 5 == 0:
            session.add(Act(at=some_time(random), name=random.choice(["page_viewed", "trial_class", "shared"]), **own))
        if number % 6 == 0:
            made = some_time(random)
            session.add(Booking(at=made, starts_at=made, first_starts_at=made, made_at=made, **own))
    for number, customer_id in enumerate(random.sample(range(1, CUSTOMERS + 1), 70)):
        own = {"source_id": str(number), "digest": "", "customer_id": customer_id}
        at = some_time(random, MONDAY_TEN - timedelta(days=16))
        userid = random.choice([None, "lin", "wang"])
        session.add(Participation(at=at, campaign_id=1, userid=userid, **own))
        if number % 4 == 0:
            referrer: dict[str, Any] = {
                "referrer_id": customer_id % CUSTOMERS + 1,
                "userid": random.choice([None, "lin", "wang"]),
            }
            session.add(Referral(at=at, campaign_id=random.choice([None, 1]), **referrer, **own))


def figures(session: Session, random: Random) -> None:
    """Traffic, spend and the whole company's daily totals."""
    for number in range(160):
        day = date(2026, 6, 10) + timedelta(days=number)
        own: dict[str, Any] = {"source_id": str(number), "digest": "", "day": day}
        session.add(Traffic(channel_id=3, visitors=random.randrange(50), clicks=random.randrange(9), **own))
        if number % 4 == 0:
            session.add(Spend(channel_id=random.choice([1, 2, 3]), amount_fen=random.randrange(20_000), **own))
        session.add(CompanyTotal(net_amount_fen=random.randrange(400_000, 900_000), **own))
        session.add(
            CompanyTotal(source_id=f"e{number}", digest="", day=day, store="east", net_amount_fen=random.randrange(99))
        )


def work(session: Session, random: Random) -> None:
    """To-dos, tags, mass sends, welcomes, answers after visits, complaints, days off and the platform's figures."""
    for number in range(200):
        at, userid, customer_id = some_time(random), random.choice(list(STAFF_OF)), random.randrange(1, CUSTOMERS + 1)
        day = at.astimezone(ZONE).date()
        state = random.choice([DONE, DONE, DONE, OPEN, NOT_APPLICABLE, WITHDRAWN])
        closed = at + timedelta(hours=random.randrange(96)) if state == DONE else None
        session.add(
            Todo(
                customer_id=customer_id, userid=userid, title="回访", day=day, due_on=day + timedelta(days=number % 3),
                state=state, closed_at=closed, campaign_id=random.choice([None, 1]),
            )
        )  # fmt: skip
        source = random.choice([CLIENT, CHAT, CHANNEL])
        given: dict[str, Any] = {"customer_id": customer_id, "tag_id": "t", "tag_name": "高意向"}
        by = "" if source == CHANNEL else userid
        session.add(TagChange(at=some_time(random), userid=userid, added=number % 4 > 0, source=source, by=by, **given))
        outcome = random.choice([SENT, SENT, UNCONFIRMED, NOT_SENT])
        session.add(
            Welcome(
                event_id=number, userid=userid, external_userid="x", kind="new", code_present=True,
                received_at=some_time(random), outcome=outcome,
            )
        )  # fmt: skip
        if number % 10 == 0:
            session.add(Complaint(at=some_time(random), customer_id=customer_id, userid=userid, text="等太久"))
            session.add(StaffDay(userid=userid, day=day, works=random.random() < 0.5))
        if number < 90:
            score: dict[str, Any] = {"visit_id": number + 1, "score": random.randrange(1, 6)}
            session.add(Satisfaction(at=some_time(random), customer_id=customer_id, **score))
    session.flush()
    for number in range(1, 13):
        at, userid = some_time(random), random.choice(list(STAFF_OF))
        session.add(MassSend(id=number, key=f"m{number}", userid=userid, text="上新了", asked_at=at))
        session.flush()
        for one in range(1, random.randrange(5, 20)):
            status = random.choice([0, 1, 1, 2, 3])
            sent: dict[str, Any] = {"mass_send_id": number, "external_userid": f"x{one}", "status": status}
            session.add(MassSendCustomer(customer_id=one, **sent))
    for number in range(120):
        day = date(2026, 7, 10) + timedelta(days=number)
        given = {
            "chats": random.randrange(9),
            "messages": random.randrange(3),
            "reply_percentage": random.random() * 100,
        }
        given |= {"avg_reply_minutes": random.randrange(60), "negative_feedback": random.randrange(3)}
        session.add(StaffStatistic(userid=random.choice(["lin", "mo"]), day=day, **given))
