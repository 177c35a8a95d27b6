"""What scripts are filled with: a typed context of customer, staff, company, campaign, booking and product.

It is built from the record for many (member, customer) pairs in a handful of queries, however many they are. What the
record does not know is left to the script's own fallback, then to the variable's: a customer never sees a gap.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from operator import attrgetter
from zoneinfo import ZoneInfo

from sqlalchemy import select as select_rows
from sqlmodel import Session, col, func, select

from bot.language import CURRENT
from contacts.bulk import among
from contacts.channels import Campaign, CampaignStaff, Channel
from contacts.facts import Booking, Order, OrderItem, Product
from contacts.models import Customer, FollowUser, Staff, Store
from contacts.offers import HELD, Offer, OfferGrant
from contacts.staff import place_of
from scripts_library.rendering import Variable

CANCELLED = "cancelled"

VARIABLES = {
    "customer.name": Variable("the customer as the member calls her: the remark, else her own name", "王" * 20, "您好"),
    "customer.birthday": Variable("her next birthday, such as 3月8日", "12月31日", "生日"),
    "customer.last_product": Variable("what she bought last", "物" * 30, "上次选的那款"),
    "customer.last_order_on": Variable("the day of her last order, such as 3月8日", "12月31日", "上次"),
    "staff.name": Variable("the member's name", "李" * 20, "您的专属顾问"),
    "company.name": Variable("the company's name: its root department's", "公司" * 15, "我们"),
    "campaign.name": Variable("the running campaign the member takes part in", "活" * 30, "这次活动"),
    "campaign.ends_on": Variable("its last day, such as 3月8日", "12月31日", "活动截止那天"),
    "booking.item": Variable("what she has booked", "项" * 30, "预约的项目"),
    "booking.time": Variable("when she is expected, such as 3月8日 14:00", "12月31日 23:59", "约好的时间"),
    "booking.store": Variable("where", "店" * 30, "店里"),
    "product.name": Variable("the product at hand", "品" * 30, "这款"),
    "product.price": Variable("its price in yuan", "9999999.99元", "到店价"),
    "offer.name": Variable("the offer the step hands out, or the one she holds", "礼" * 20, "一份心意"),
    "offer.terms": Variable("how she uses it", "凭" * 60, "到店时告诉我就行"),
    "offer.ends_on": Variable("its last day for her, such as 3月8日", "12月31日", "活动结束那天"),
}


@dataclass(frozen=True)
class CustomerPart:
    """The customer."""

    name: str = ""
    birthday: str = ""
    last_product: str = ""
    last_order_on: str = ""


@dataclass(frozen=True)
class StaffPart:
    """Who speaks."""

    name: str = ""


@dataclass(frozen=True)
class CompanyPart:
    """For whom."""

    name: str = ""


@dataclass(frozen=True)
class CampaignPart:
    """What is on at the moment."""

    name: str = ""
    ends_on: str = ""


@dataclass(frozen=True)
class BookingPart:
    """The next appointment."""

    item: str = ""
    time: str = ""
    store: str = ""


@dataclass(frozen=True)
class ProductPart:
    """What is talked about."""

    name: str = ""
    price: str = ""


@dataclass(frozen=True)
class OfferPart:
    """What she was given and has not used."""

    name: str = ""
    terms: str = ""
    ends_on: str = ""


@dataclass(frozen=True)
class ScriptContext:
    """Everything a script may name; an empty value is one the record does not know."""

    customer: CustomerPart = field(default_factory=CustomerPart)
    staff: StaffPart = field(default_factory=StaffPart)
    company: CompanyPart = field(default_factory=CompanyPart)
    campaign: CampaignPart = field(default_factory=CampaignPart)
    booking: BookingPart = field(default_factory=BookingPart)
    product: ProductPart = field(default_factory=ProductPart)
    offer: OfferPart = field(default_factory=OfferPart)

    def values(self, fallbacks: Mapping[str, str], names: Iterable[str] = tuple(VARIABLES)) -> dict[str, str]:
        """Each of these variables with its value, the script's own fallback, or the variable's."""
        return {name: GET[name](self) or fallbacks.get(name) or VARIABLES[name].fallback for name in names}

    def part(self, name: str) -> Iterator[tuple[str, str]]:
        """The fields of one part."""
        part = getattr(self, name)
        return ((one.name, getattr(part, one.name)) for one in fields(part))


GET = {name: attrgetter(name) for name in VARIABLES}


def context_for(
    session: Session, userid: str, customer_id: int | None, now: datetime, zone: ZoneInfo, *, sku: str | None = None
) -> ScriptContext:
    """The context of one member and, where she is known, one customer."""
    if customer_id is None:
        return contexts(session, [(userid, 0)], now, zone, sku)[(userid, 0)]
    return contexts(session, [(userid, customer_id)], now, zone, sku)[(userid, customer_id)]


def called(context: ScriptContext, whom: str) -> ScriptContext:
    """The context with the customer called what the member calls her, where that is a name and not a spelling of it."""
    if len(whom) < 2 or not all("\u4e00" <= character <= "\u9fff" for character in whom):
        return context
    return replace(context, customer=replace(context.customer, name=whom))


def contexts(
    session: Session,
    pairs: Sequence[tuple[str, int]],
    now: datetime,
    zone: ZoneInfo,
    sku: str | None = None,
    *,
    names: Iterable[str] = tuple(VARIABLES),
) -> dict[tuple[str, int], ScriptContext]:
    """The contexts of many (userid, customer id) pairs; a customer nobody knows has an empty part.

    `names`: the variables that are asked for; the record is read for these only.
    """
    userids, ids = {userid for userid, _ in pairs}, {customer for _, customer in pairs}
    asked, today = {*names, *(name.partition(".")[0] for name in names)}, now.astimezone(zone).date()
    bought = last_products(session, ids) if "customer.last_product" in asked else {}
    people = customers(session, userids, ids, bought, zone) if "customer" in asked else {}
    booked = next_bookings(session, ids, now, zone) if "booking" in asked else {}
    running = campaigns(session, userids, today) if "campaign" in asked else {}
    offers = held(session, ids, today) if "offer" in asked else {}
    staff = staff_names(session, userids) if "staff" in asked else {}
    company = CompanyPart(place_of(session, min(userids)).company if userids and "company" in asked else "")
    product = product_of(session, sku)
    return {
        (userid, customer_id): ScriptContext(
            people.get((userid, customer_id)) or people.get(("", customer_id)) or CustomerPart(),
            staff.get(userid) or StaffPart(),
            company,
            running.get(userid) or CampaignPart(),
            booked.get(customer_id) or BookingPart(),
            product,
            offers.get(customer_id) or OfferPart(),
        )
        for userid, customer_id in pairs
    }


def staff_names(session: Session, userids: Iterable[str]) -> dict[str, StaffPart]:
    """How these members are called."""
    rows = session.execute(
        select_rows(col(Staff.userid), col(Staff.name)).where(among(session, col(Staff.userid), userids))
    )
    return {userid: StaffPart(name) for userid, name in rows}


def customers(
    session: Session, userids: set[str], ids: Iterable[int], bought: Mapping[int, str], zone: ZoneInfo
) -> dict[tuple[str, int], CustomerPart]:
    """What is known about each customer, under nobody's id, and as a member calls her; an erased one has no name."""
    columns = (col(Customer.id), col(Customer.name), col(Customer.birthday_next), col(Customer.last_order_at))
    living = (among(session, col(Customer.id), ids), col(Customer.erased_at).is_(None))
    found = {}
    for customer_id, name, birthday, ordered in session.execute(select_rows(*columns).where(*living)):
        last = spoken(ordered.astimezone(zone).date() if ordered else None)
        found["", customer_id] = CustomerPart(name, spoken(birthday), bought.get(customer_id, ""), last)
    for (userid, customer_id), remark in remarks_of(session, userids, ids).items():
        if remark and ("", customer_id) in found:
            found[userid, customer_id] = replace(found["", customer_id], name=remark)
    return found


def remarks_of(session: Session, userids: set[str], ids: Iterable[int]) -> dict[tuple[str, int], str]:
    """What each of these members calls each of these customers."""
    found = {}
    ties = (
        select(FollowUser.userid, FollowUser.customer_id, FollowUser.remark, Channel.remark)
        .join(Channel, col(Channel.id) == col(FollowUser.channel_id), isouter=True)
        .where(among(session, col(FollowUser.customer_id), ids), col(FollowUser.remark) != "")
    )
    for userid, customer_id, remark, prefix in session.exec(ties):
        if userid in userids:
            # The channel's mark in front of a remark is for us, not for her eyes.
            found[(userid, customer_id)] = remark.removeprefix(prefix or "").lstrip(" -_—·|")
    return found


def last_products(session: Session, ids: Iterable[int]) -> dict[int, str]:
    """The dearest item of each customer's last order."""
    found: dict[int, str] = {}
    last = (
        select(Order.customer_id, func.max(Order.at).label("at"))
        .where(among(session, col(Order.customer_id), ids))
        .group_by(col(Order.customer_id))
        .subquery()
    )
    items = (
        select(Order.customer_id, OrderItem.name)
        .join(last, (col(Order.customer_id) == last.c.customer_id) & (col(Order.at) == last.c.at))
        .join(OrderItem, col(OrderItem.order_id) == col(Order.id))
        .order_by(col(OrderItem.amount_fen), col(OrderItem.id).desc())
    )
    found |= {customer_id: name for customer_id, name in session.exec(items)}  # noqa: C416 - rows, not pairs
    return found


def next_bookings(session: Session, ids: Iterable[int], now: datetime, zone: ZoneInfo) -> dict[int, BookingPart]:
    """Each customer's next appointment."""
    found: dict[int, BookingPart] = {}
    ahead = (
        select(Booking, Store.name)
        .join(Store, col(Store.code) == col(Booking.store), isouter=True)
        .where(
            among(session, col(Booking.customer_id), ids), col(Booking.starts_at) >= now, Booking.status != CANCELLED
        )
        .order_by(col(Booking.starts_at).desc())
    )
    for one, store in session.exec(ahead):
        local = one.starts_at.astimezone(zone)
        found[one.customer_id] = BookingPart(one.item, f"{spoken(local.date())} {local:%H:%M}", store or "")
    return found


def campaigns(session: Session, userids: Iterable[str], today: date) -> dict[str, CampaignPart]:
    """The running campaign of each member: of several, the one that ends first."""
    running = (
        select(CampaignStaff.userid, Campaign.name, col(Campaign.ends_on))
        .join(Campaign, col(Campaign.id) == col(CampaignStaff.campaign_id))
        .where(col(Campaign.starts_on) <= today, col(Campaign.ends_on) >= today)
        .order_by(col(Campaign.ends_on).desc(), col(Campaign.id).desc())
    )
    found: dict[str, CampaignPart] = {}
    for userid, name, ends_on in session.exec(running.where(among(session, col(CampaignStaff.userid), userids))):
        found[userid] = CampaignPart(name, spoken(ends_on))
    return found


def held(session: Session, ids: Iterable[int], today: date) -> dict[int, OfferPart]:
    """What each customer was given last of what she can still use."""
    given = (
        select(OfferGrant, Offer)
        .join(Offer, col(Offer.code) == col(OfferGrant.offer_code))
        .where(col(OfferGrant.state).in_(HELD))
        .order_by(col(OfferGrant.id))
    )
    found = {}
    for grant, offer in session.exec(given.where(among(session, col(OfferGrant.customer_id), ids))):
        if grant.expires_on is None or grant.expires_on >= today:
            found[grant.customer_id] = OfferPart(offer.name, offer.terms, spoken(grant.expires_on))
    return found


def product_of(session: Session, sku: str | None) -> ProductPart:
    """The product at hand."""
    product = session.get(Product, sku) if sku else None
    return ProductPart(product.name, yuan(product.price_fen)) if product else ProductPart()


def spoken(day: date | None) -> str:
    """A day as people say it; empty without one."""
    if day is None:
        return ""
    return f"{day.month}月{day.day}日" if CURRENT.get() != "en" else f"{day:%B} {day.day}"


def yuan(fen: int) -> str:
    """An amount as people say it; empty when the price is not known."""
    if not fen:
        return ""
    whole, rest = divmod(fen, 100)
    return f"{whole}.{rest:02}元" if rest else f"{whole}元"
