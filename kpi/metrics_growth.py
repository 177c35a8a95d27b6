"""Numbers of the way from stranger to regular: what a lead costs, when it pays back, who stays and who goes."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from contacts.facts import Act, StaffStatistic
from contacts.models import ADDED, CONFIRMED, CUSTOMER, HALF_ADDED, LOST, TieChange
from contacts.models import STAFF as BY_STAFF
from kpi.metrics_contacts import (
    BY_CHANNEL,
    CAME,
    OFF,
    ON,
    TIE,
    TIES,
    WHO,
    added,
    of_added,
    soon_after,
    standing,
    statistic,
)
from kpi.metrics_effect import cost
from kpi.models import OrderCredit
from kpi.moments import later
from kpi.registry import (
    CAMPAIGN,
    CHANNEL,
    COUNT,
    DAYS,
    DEPARTMENT,
    FEN,
    PERCENT,
    REASON,
    REGION,
    STAFF,
    Ask,
    Key,
    Metric,
    Number,
    Part,
    Parts,
    fen_per,
    parts,
    percent,
    tally,
    the,
)
from sop.sqltime import WholeDays

INTEREST_DAYS, STAY_FROM, STAY_TO = 30, 30, 60
SHOWED = (ADDED, HALF_ADDED, CONFIRMED)
"""What a stranger's first sign is: an add, half or whole."""


def never_before(kinds: tuple[str, ...]) -> Any:
    """That nothing of these kinds happened to the customer earlier."""
    earlier = TieChange.__table__.alias("earlier_sign")  # type: ignore[attr-defined]
    return ~(
        select(earlier.c.id)
        .where(earlier.c.customer_id == col(TIE.customer_id), earlier.c.kind.in_(kinds), earlier.c.at < col(TIE.at))
        .exists()
    )


def leads(session: Session, ask: Ask) -> dict[Key, Number]:
    """Customers who added somebody here for the first time, half or whole."""
    return ask.tally(session, TIES, WHO, col(TIE.kind).in_(SHOWED), never_before(SHOWED))


def brought_by_day(ask: Ask) -> Any:
    """What the contacts first added in the period have brought, by whole days since their add."""
    first = ask.rows(TIES, col(TIE.customer_id), func.min(col(TIE.at)).label("at")).where(CAME, never_before(ON))
    key = ask.key(TIES)
    cohort = first.group_by(*(() if key is None else (key,)), col(TIE.customer_id)).subquery()
    line = OrderCredit
    age = WholeDays(col(line.at), cohort.c.at).label("age")
    value = func.sum(func.coalesce(col(line.margin_fen), col(line.amount_fen)))
    brought = (
        select(*ask.keys(cohort), age, value.label("value"))
        .join(cohort, cohort.c.customer_id == col(line.customer_id))
        .where(col(line.at) >= cohort.c.at, col(line.at) < ask.now)
    )
    return brought.group_by(*ask.keys(cohort), age).order_by(age)


def payback(session: Session, ask: Ask) -> Parts:
    """The period's spend, what its new contacts have brought since, and on which day that was enough."""
    spent = cost()(session, ask)
    by_day: dict[Key, list[tuple[int, Number]]] = defaultdict(list)
    for row in session.execute(brought_by_day(ask)):
        by_day[row[0] if ask.group_by else None].append((int(row.age), row.value))
    found: Parts = {}
    for key in {*spent, *by_day}:
        value, reached = 0, 0
        for age, fen in by_day[key]:
            reached = age if value < spent.get(key, 0) else reached
            value += int(fen)
        found[key] = {"cost": spent.get(key, 0), "value": value, "days": reached}
    return found


def days_to_pay_back(found: Mapping[str, Number]) -> Number | None:
    """None where nothing was spent, or has not come back yet."""
    return found["days"] if 0 < found["cost"] <= found["value"] else None


def was_interested() -> Any:
    """That the customer did something of her own within 30 days of the add."""
    own = select(col(Act.id)).where(soon_after(col(Act.customer_id), col(Act.at), INTEREST_DAYS))
    return own.exists()


def has_stayed() -> Any:
    """That the customer was not lost within 60 days of the add, and did something of her own on days 31 to 60."""
    begins, ends = later(col(TIE.at), STAY_FROM), later(col(TIE.at), STAY_TO)
    own = select(col(Act.id)).where(
        col(Act.customer_id) == col(TIE.customer_id), col(Act.at) >= begins, col(Act.at) < ends
    )
    end = TieChange.__table__.alias("left_since")  # type: ignore[attr-defined]
    left = select(end.c.id).where(
        end.c.customer_id == col(TIE.customer_id), end.c.userid == col(TIE.userid), end.c.kind.in_(OFF),
        end.c.at >= col(TIE.at), end.c.at < ends,
    )  # fmt: skip
    return own.exists() & ~left.exists()


def own_act_lately(ask: Ask, customer: Any) -> Any:
    """That a customer did something of her own in the 30 days before the end."""
    since = ask.end - timedelta(days=INTEREST_DAYS)
    own = select(col(Act.id)).where(col(Act.customer_id) == customer, col(Act.at) >= since, col(Act.at) < ask.end)
    return own.exists()


def lately_active(session: Session, ask: Ask) -> Parts:
    """Customers who can be reached at the end, and who of them did something herself in the 30 days before."""
    people = standing(ask)
    closing = func.sum(people.c.closing)
    return parts(
        active=lambda session, ask: ask.over(session, people, closing, own_act_lately(ask, people.c.customer_id)),
        closing=lambda session, ask: ask.over(session, people, closing),
    )(session, ask)


def lost(*by: str) -> Part:
    """Customers who ended a tie with a member, or whom a member deleted."""
    return tally(TIES, WHO, col(TIE.kind) == LOST, col(TIE.by).in_(by))


LOSS = and_(col(TIE.kind) == LOST, col(TIE.by).in_((CUSTOMER, BY_STAFF)))


METRICS = (
    Metric(
        "cost_per_lead", "线索成本", "Cost per lead", FEN,
        "期间内的投放和渠道建设费用 ÷ 第一次加微信的客户数（单向添加也算，回流不算）。",
        "Spend and set-up cost of channels in the period ÷ customers who added a member for the first time (half adds "
        "count, returned ones do not).",
        ("contacts", "spend"), parts(cost=cost(), leads=leads), fen_per("cost", "leads"), (CHANNEL, CAMPAIGN),
        company_only=True, lower_is_better=True,
    ),
    Metric(
        "payback_days", "回本天数", "Days to pay back", DAYS,
        "期间内首次加上的客户带来的毛利（没有毛利的按业绩），在他们加上后的第几天累计超过期间的投放和渠道建设费用；还没回本的为空。",
        "On which day after their add the margin (sales where it is not known) of the contacts first added in the "
        "period had reached the period's spend and set-up cost; empty while it has not.",
        ("contacts", "orders", "spend"), payback, days_to_pay_back, (CHANNEL, CAMPAIGN), company_only=True,
        lower_is_better=True,
    ),
    Metric(
        "interest_rate", "兴趣率", "Interest rate", PERCENT,
        "期间内新加的客户里，加后30天内自己有过动作（浏览、点链接、看直播等）的占比。",
        "Of the customers added in the period, who did something of their own (page, link, live, …) within 30 days.",
        ("contacts", "acts"), parts(interested=of_added(was_interested()), added=added), percent("interested", "added"),
        BY_CHANNEL, matures_days=INTEREST_DAYS,
    ),
    Metric(
        "stay_rate", "留存率", "Stay rate", PERCENT,
        "期间内新加的客户里，60天没有流失、并且第31到60天自己有过动作的占比。",
        "Of the customers added in the period, who were not lost within 60 days and did something of their own on days "
        "31 to 60.",
        ("contacts", "acts"), parts(stayed=of_added(has_stayed()), added=added), percent("stayed", "added"),
        BY_CHANNEL, matures_days=STAY_TO,
    ),
    Metric(
        "active_rate", "活跃率", "Active rate", PERCENT,
        "期末能联系到的客户里，最近30天自己有过动作的占比。",
        "Of the customers who can be reached at the end, who did something of their own in the 30 days before.",
        ("contacts", "acts"), lately_active, percent("active", "closing"),
    ),
    Metric(
        "contacts_lost", "流失客户数", "Contacts lost", COUNT,
        "期间内删除导购或被导购删除的客户数；移交的不算。可以按导购记下的流失原因分开看。",
        "Customers who deleted a member or were deleted by one in the period; transfers do not count. It can be seen "
        "by the reason staff wrote down.",
        ("contacts",), parts(
            lost=lost(CUSTOMER, BY_STAFF), by_customer=lost(CUSTOMER), by_staff=lost(BY_STAFF),
            unrecorded=tally(TIES, WHO, LOSS, col(TIE.reason).is_(None)),
        ),
        the("lost"), (STAFF, DEPARTMENT, REGION, REASON), lower_is_better=True,
    ),
    Metric(
        "platform_losses", "平台删除拉黑数", "Deleted or blocked, by the platform's count", COUNT,
        "企业微信统计的删除或拉黑次数，用来和流失客户数对账。",
        "The platform's own count of customers who deleted or blocked a member: to check contacts lost against.",
        ("statistics",), parts(losses=statistic(col(StaffStatistic.negative_feedback))), the("losses"),
        lower_is_better=True,
    ),
)  # fmt: skip
