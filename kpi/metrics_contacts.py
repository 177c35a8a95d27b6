"""Numbers of contacts: who can be reached, who came and went, and what became of those who came."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, literal_column, or_, select, union_all
from sqlalchemy import distinct as unique
from sqlmodel import Session, col

from contacts.channels import Channel
from contacts.facts import Act, Booking, DoNotContact, GroupMember, Order, Referral, StaffStatistic, Traffic, Visit
from contacts.models import (
    ADDED,
    CONFIRMED,
    CUSTOMER,
    ENDED_AGAIN,
    LOST,
    REPEATED,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    TieChange,
)
from kpi.models import OrderCredit
from kpi.moments import later, local_day
from kpi.places import BOOKING, ORDER, PLACES, VISIT, placed, region_of
from kpi.registry import (
    CAMPAIGN,
    CHANNEL,
    COUNT,
    DEPARTMENT,
    FEN,
    MINUTES,
    PERCENT,
    REASON,
    REGION,
    SCENE,
    STAFF,
    STORE,
    Ask,
    Key,
    Metric,
    Number,
    Part,
    Parts,
    Source,
    fen_per,
    parts,
    per,
    percent,
    tally,
    the,
    total,
)
from sop.outcomes import SPOKEN_WITH
from sop.sops import DONE, Todo

TIE = TieChange
ON, OFF = (ADDED, CONFIRMED, REPEATED, TRANSFERRED_IN), (LOST, TRANSFERRED_OUT, ENDED_AGAIN)
"""What begins or shows a whole tie, and what ends one; a half add begins none until it is confirmed."""
SERVED = ("trial_class", "material_claimed")
"""Own acts that are a service delivered."""
CASH_DAYS, SERVICE_DAYS, EARLY_DAYS, LEAD_DAYS = 30, 30, 7, 7
CAMPAIGN_OF = select(col(Channel.campaign_id)).where(col(Channel.id) == col(TIE.channel_id)).scalar_subquery()
TIES = Source(
    col(TIE.at),
    {
        STAFF: col(TIE.userid),
        CHANNEL: col(TIE.channel_id),
        CAMPAIGN: CAMPAIGN_OF,
        REGION: region_of(col(TIE.customer_id)),
        REASON: func.coalesce(col(TIE.reason), literal_column("''")),
    },
)
OWNED = Source(TIES.at, {STAFF: TIES.columns[STAFF]})
"""Ties as what somebody has: where they belong is put to them by `placed`."""
CAME = col(TIE.kind).in_((ADDED, CONFIRMED))
LEFT = and_(col(TIE.kind) == LOST, col(TIE.by) == CUSTOMER)
WHO = func.count(unique(col(TIE.customer_id)))
BY_CHANNEL = (STAFF, DEPARTMENT, CHANNEL, CAMPAIGN, REGION)
HAD = (STAFF, DEPARTMENT, STORE, CHANNEL, REGION)
"""How customers one has can be seen."""

added = tally(TIES, WHO, CAME)
returned = tally(TIES, WHO, CAME, col(TIE.returned))


def of_added(*where: Any) -> Part:
    """A part: of the customers added in the period, those for whom something holds."""
    return tally(TIES, WHO, CAME, *where)


def flag(condition: Any) -> Any:
    """1 where it holds, else 0."""
    return case((condition, 1), else_=0)


def rests(customer: Any, at: Any, day: Any) -> ColumnElement[bool]:
    """Whether a customer wished to be left in peace of everything just before a moment of a day: a wish holds through
    the day it names."""
    wish = DoNotContact
    return (
        select(col(wish.id))
        .where(
            col(wish.customer_id) == customer,
            col(wish.topic) == "",
            col(wish.at) < at,
            or_(col(wish.lifted_at).is_(None), col(wish.lifted_at) >= at),
            or_(col(wish.until).is_(None), col(wish.until) >= day),
        )
        .correlate_except(wish)
        .exists()
    )


def standing(ask: Ask) -> Any:
    """Each customer (per group) with 0 / 1 for: opening, entered, before (had a tie earlier), tied, closing."""
    kind, at, start = col(TIE.kind), col(TIE.at), ask.period.start
    came = and_(kind.in_(ON), at >= start, ~rests(col(TIE.customer_id), at, local_day(at, ask.minutes_ahead)))

    def latest(kinds: tuple[str, ...], *more: Any) -> Any:
        return func.max(case((and_(kind.in_(kinds), *more), at)))

    by = ask.ungrouped() if ask.group_by in PLACES else ask
    each = by.rows(
        OWNED,
        col(TIE.customer_id),
        col(TIE.userid),
        latest(ON, at < start).label("on_then"),
        latest(OFF, at < start).label("off_then"),
        latest(ON).label("on_now"),
        latest(OFF).label("off_now"),
        func.max(flag(came)).label("came"),
        when=False,
    ).where(at < ask.end, kind.in_((*ON, *OFF)))
    key = by.key(OWNED)
    by_tie = each.group_by(*(() if key is None else (key,)), col(TIE.customer_id), col(TIE.userid)).cte("ties")
    ties = placed(ask, by_tie)
    then = and_(ties.c.on_then.is_not(None), or_(ties.c.off_then.is_(None), ties.c.on_then > ties.c.off_then))
    now = and_(ties.c.on_now.is_not(None), or_(ties.c.off_now.is_(None), ties.c.on_now > ties.c.off_now))
    people = (
        select(
            *ask.keys(ties),
            ties.c.customer_id,
            func.max(flag(then)).label("then"),
            func.max(flag(now)).label("tied"),
            func.max(ties.c.came).label("came"),
            func.max(flag(ties.c.on_then.is_not(None))).label("before"),
        )
        .group_by(*ask.keys(ties), ties.c.customer_id)
        .cte("people")
    )
    opening = and_(people.c.then == 1, ~rests(people.c.customer_id, start, ask.period.first))
    closing = and_(people.c.tied == 1, ~rests(people.c.customer_id, ask.end, ask.last))
    state = select(
        *ask.keys(people),
        people.c.customer_id,
        people.c.tied,
        people.c.before,
        flag(opening).label("opening"),
        flag(closing).label("closing"),
        people.c.came,
    ).cte("state")
    entered = and_(state.c.opening == 0, or_(state.c.closing == 1, state.c.came == 1))
    columns = (state.c.customer_id, state.c.tied, state.c.before, state.c.opening, state.c.closing)
    return select(*ask.keys(state), *columns, flag(entered).label("entered")).cte("standing")


ASSETS = ("opening", "new", "won_back", "lost", "do_not_contact", "closing")


def assets(session: Session, ask: Ask) -> Parts:
    """How the customers that can be reached went from opening to closing, each customer once."""
    rows = standing(ask)
    seen = rows.c.opening + rows.c.entered
    movements = {
        "opening": rows.c.opening,
        "new": rows.c.entered * (1 - rows.c.before),
        "won_back": rows.c.entered * rows.c.before,
        "lost": seen * (1 - rows.c.closing) * (1 - rows.c.tied),
        "do_not_contact": seen * (1 - rows.c.closing) * rows.c.tied,
        "closing": rows.c.closing,
    }
    sums = [func.coalesce(func.sum(movement), 0) for movement in movements.values()]
    grouped = select(*ask.keys(rows), *sums).group_by(*ask.keys(rows))
    found = session.execute(grouped).all()
    return {
        (row[0] if ask.group_by else None): dict(zip(movements, (int(one) for one in row[-6:]), strict=True))
        for row in found
    }


reachable = ("opening", "new", "won_back")


def losses(session: Session, ask: Ask) -> Parts:
    """The assets, with the customers who deleted."""
    left = tally(TIES, WHO, LEFT)(session, ask)
    found = assets(session, ask)
    return {
        key: {"deleted": left.get(key, 0), "base": sum(numbers[name] for name in reachable)}
        for key, numbers in found.items()
    }


def lost_soon() -> ColumnElement[bool]:
    """That the customer deleted that member within a week of the add."""
    end = TieChange.__table__.alias("ended")  # type: ignore[attr-defined]
    return (
        select(end.c.id)
        .where(
            end.c.customer_id == col(TIE.customer_id),
            end.c.userid == col(TIE.userid),
            end.c.kind == LOST,
            end.c.by == CUSTOMER,
            end.c.at >= col(TIE.at),
            end.c.at < later(col(TIE.at), EARLY_DAYS),
        )
        .exists()
    )


def soon_after(customer: Any, at: Any, days: int) -> ColumnElement[bool]:
    """That something of a customer happened between her add and so many days later."""
    return and_(customer == col(TIE.customer_id), at >= col(TIE.at), at < later(col(TIE.at), days))


def was_served() -> ColumnElement[bool]:
    """That the customer had a service within 30 days of the add."""
    services = [
        select(col(Visit.id)).where(soon_after(col(Visit.customer_id), col(Visit.at), SERVICE_DAYS)),
        select(col(Act.id)).where(
            soon_after(col(Act.customer_id), col(Act.at), SERVICE_DAYS), col(Act.name).in_(SERVED)
        ),
        select(col(GroupMember.id)).where(
            soon_after(col(GroupMember.customer_id), col(GroupMember.joined_at), SERVICE_DAYS)
        ),
        select(col(Todo.id)).where(
            soon_after(col(Todo.customer_id), col(Todo.closed_at), SERVICE_DAYS),
            col(Todo.state) == DONE,
            col(Todo.result).in_(SPOKEN_WITH),
        ),
    ]
    return or_(*(one.exists() for one in services))


def paid_soon(ask: Ask) -> ColumnElement[bool]:
    """That the customer paid within N days of the add an order that was not refunded in full."""
    days = int(ask.filters.get("days", CASH_DAYS))
    paid = select(col(Order.id)).where(
        soon_after(col(Order.customer_id), col(Order.at), days), col(Order.refunded_fen) < col(Order.amount_fen)
    )
    return paid.exists()


def cashed(session: Session, ask: Ask) -> dict[Key, Number]:
    """Of those added in the period, who paid within N days."""
    return ask.tally(session, TIES, WHO, CAME, paid_soon(ask))


def value_in(days: int) -> Part:
    """What those who were first added in the period brought within N days: margin, or amount where it is not known."""

    def part(session: Session, ask: Ask) -> dict[Key, Number]:
        cohort = ask.rows(TIES, col(TIE.customer_id), func.min(col(TIE.at)).label("at")).where(CAME)
        key = ask.key(TIES)
        members = cohort.group_by(*(() if key is None else (key,)), col(TIE.customer_id)).subquery()
        line = OrderCredit
        brought = (
            select(*ask.keys(members), func.coalesce(col(line.margin_fen), col(line.amount_fen)).label("value"))
            .join(members, members.c.customer_id == col(line.customer_id))
            .where(col(line.at) >= members.c.at, col(line.at) < later(members.c.at, days))
            .subquery()
        )
        return ask.over(session, brought, func.sum(brought.c.value))

    return part


def lifetime(days: int) -> Metric:
    """The value of a new contact within N days."""
    return Metric(
        f"ltv_{days}", f"{days}天客户价值", f"{days}-day value per contact", FEN,
        f"期间新加的客户，加后{days}天内带来的毛利（没有毛利的订单按业绩）之和 ÷ 新加客户数。",
        f"Margin (sales where the margin is not known) within {days} days of adding, summed over the contacts added in "
        "the period ÷ those contacts.",
        ("contacts", "orders"), parts(value=value_in(days), added=added), fen_per("value", "added"), BY_CHANNEL,
        matures_days=days,
    )  # fmt: skip


MEETINGS = ((VISIT, Visit, col(Visit.at)), (BOOKING, Booking, col(Booking.made_at)), (ORDER, Order, col(Order.at)))


def met(session: Session, ask: Ask) -> Parts:
    """People met (visit, booking, order) who were no contacts then, and who of them became contacts within a week."""
    met_in = [
        ask.rows(
            Source(at, {STAFF: col(model.userid), STORE: col(model.store), SCENE: literal_column(f"'{scene}'")}),
            col(model.customer_id).label("customer_id"),
            at.label("at"),
        )
        for scene, model, at in MEETINGS
    ]
    meetings = union_all(*met_in).subquery()
    on, off = (TieChange.__table__.alias(name) for name in ("on_before", "off_before"))  # type: ignore[attr-defined]
    ended = (
        select(off.c.id)
        .where(
            off.c.customer_id == on.c.customer_id,
            off.c.userid == on.c.userid,
            off.c.kind.in_(OFF),
            off.c.at >= on.c.at,
            off.c.at < meetings.c.at,
        )
        .correlate(on, meetings)
    )
    contact = (
        select(on.c.id)
        .where(on.c.customer_id == meetings.c.customer_id, on.c.kind.in_(ON), on.c.at < meetings.c.at, ~ended.exists())
        .correlate(meetings)
    )
    strangers = (
        select(*ask.keys(meetings), meetings.c.customer_id, func.min(meetings.c.at).label("at"))
        .where(~contact.exists())
        .group_by(*ask.keys(meetings), meetings.c.customer_id)
        .subquery()
    )
    became = (
        select(col(TIE.id))
        .where(
            CAME,
            col(TIE.customer_id) == strangers.c.customer_id,
            col(TIE.at) >= strangers.c.at,
            col(TIE.at) < later(strangers.c.at, LEAD_DAYS),
        )
        .exists()
    )
    rows = select(*ask.keys(strangers), flag(became).label("became")).select_from(strangers).subquery()
    return parts(
        became=lambda session, ask: ask.over(session, rows, func.sum(rows.c.became)),
        met=lambda session, ask: ask.over(session, rows, func.count()),
    )(session, ask)


def referrers(session: Session, ask: Ask) -> dict[Key, Number]:
    """Customers who brought somebody in the period, by the member on the record."""
    source = Source(col(Referral.at), {STAFF: col(Referral.userid)})
    return ask.tally(session, source, func.count(unique(col(Referral.referrer_id))))


def opportunities(session: Session, ask: Ask) -> Parts:
    """By channel with a scene of clicks or visitors: how many there were, and who came through it."""
    scenes = select(col(Channel.id)).where(col(Channel.scene).in_(("clicks", "visitors")))
    seen = case((col(Channel.scene) == "clicks", col(Traffic.clicks)), else_=col(Traffic.visitors))
    first, last = ask.period.first, ask.period.last
    traffic = select(col(Traffic.channel_id).label("key"), seen.label("seen")).join(
        Channel, col(Channel.id) == col(Traffic.channel_id)
    ).where(col(Channel.id).in_(scenes), col(Traffic.day) >= first, col(Traffic.day) <= last)  # fmt: skip
    if CHANNEL in ask.filters:
        traffic = traffic.where(col(Channel.id) == ask.filters[CHANNEL])
    rows = traffic.subquery()
    return parts(
        added=lambda session, ask: ask.tally(session, TIES, WHO, CAME, col(TIE.channel_id).in_(scenes)),
        seen=lambda session, ask: ask.over(session, rows, func.sum(rows.c.seen)),
    )(session, ask)


def statistic(value: Any) -> Part:
    """The platform's figures of the period's days, averaged over the chats."""
    source = Source(literal(0), {STAFF: col(StaffStatistic.userid)})

    def part(session: Session, ask: Ask) -> dict[Key, Number]:
        days = (col(StaffStatistic.day) >= ask.period.first, col(StaffStatistic.day) <= ask.period.last)
        key = ask.key(source)
        chosen = ask.rows(source, func.sum(value), when=False).where(*days)
        return ask.numbers(session, chosen if key is None else chosen.group_by(key))

    return part


ANSWERED = flag(col(StaffStatistic.reply_percentage).is_not(None)) * func.coalesce(col(StaffStatistic.chats), 0)
TIMED = flag(col(StaffStatistic.avg_reply_minutes).is_not(None)) * func.coalesce(col(StaffStatistic.chats), 0)

METRICS = (
    Metric(
        "contacts_added", "新增客户数", "Contacts added", COUNT,
        "期间内加上微信的客户数，一位客户只算一次；单向添加在确认后才算；流失后又加回来的另列为回流。",
        "Customers added in the period, each once; a half add counts when it is confirmed; those who had been lost are "
        "told apart as returned.",
        ("contacts",), parts(added=added, returned=returned), the("added"), BY_CHANNEL,
    ),
    Metric(
        "reachable_contacts", "导购客群资产数", "Reachable contacts", COUNT,
        "期间内任何时候能联系到的客户数，一位客户只算一次。",
        "Distinct customers who could be reached at any time in the period.",
        ("contacts",), assets, total(reachable), HAD,
    ),
    Metric(
        "customer_assets", "用户资产", "Customer assets", COUNT,
        "期末能联系到的客户数：期初 + 新增 + 回流 − 流失 − 勿扰 = 期末。",
        "Customers who can be reached at the end: opening + new + won back − lost − do not contact = closing.",
        ("contacts",), assets, the("closing"), HAD,
    ),
    Metric(
        "delete_rate", "删粉率", "Delete rate", PERCENT,
        "期间内删除导购的客户 ÷（期初 + 新增 + 回流）；客户移交和导购自己删的不算。",
        "Customers who deleted a member ÷ (opening + new + won back); transfers and deletions by staff are left out.",
        ("contacts",), losses, percent("deleted", "base"), lower_is_better=True,
    ),
    Metric(
        "early_delete_rate", "早期删粉率", "Early delete rate", PERCENT,
        "期间内新加的客户里，加后7天内把这位导购删了的占比。",
        "Of the customers added in the period, who deleted that member within 7 days.",
        ("contacts",), parts(lost=of_added(lost_soon()), added=added), percent("lost", "added"), BY_CHANNEL,
        matures_days=EARLY_DAYS, lower_is_better=True,
    ),
    Metric(
        "add_rate", "加粉率", "Add rate", PERCENT,
        "通过有点击或访客数据的渠道加上的客户 ÷ 这些渠道的点击或访客数。",
        "Customers added through channels measured by clicks or visitors ÷ those clicks or visitors.",
        ("contacts", "traffic"), opportunities, percent("added", "seen"), (CHANNEL,), company_only=True,
    ),
    Metric(
        "lead_success_rate", "引流成功率", "Lead success rate", PERCENT,
        "期间内到店、预约或下单时还不是好友的人里，7天内加上微信的占比。",
        "People met by a visit, booking or order who were no contacts then: the share who became contacts within 7 "
        "days.",
        ("contacts", "meetings"), met, percent("became", "met"), (STAFF, DEPARTMENT, SCENE), matures_days=LEAD_DAYS,
    ),
    Metric(
        "service_success_rate", "服务成功率", "Service success rate", PERCENT,
        "期间内新加的客户里，加后30天内到店、上体验课、领资料、进服务群，或导购在待办里记下客户有回应的占比。",
        "Of the customers added in the period, who within 30 days visited, took a trial class, claimed material, "
        "joined a service group, or answered a to-do by the member's report.",
        ("contacts", "services"), parts(served=of_added(was_served()), added=added), percent("served", "added"),
        BY_CHANNEL, matures_days=SERVICE_DAYS,
    ),
    Metric(
        "cash_success_rate", "变现成功率", "Cash success rate", PERCENT,
        "期间内新加的客户里，加后30天内（可选60、90天）付款且没有全额退款的占比。",
        "Of the customers added in the period, who within 30 days (60 or 90 on request) paid an order that was not "
        "refunded in full.",
        ("contacts", "orders"), parts(paid=cashed, added=added), percent("paid", "added"), BY_CHANNEL,
        matures_days=CASH_DAYS,
    ),
    Metric(
        "referral_rate", "转介绍率", "Referral rate", PERCENT,
        "期间内带来过新客的客户 ÷ 导购客群资产数。",
        "Customers who brought somebody in the period ÷ reachable contacts.",
        ("contacts", "referrals"),
        lambda session, ask: {
            key: {"referrers": 0, "base": sum(numbers[name] for name in reachable)}
            | ({"referrers": brought[key]} if key in brought else {})
            for brought in (referrers(session, ask),)
            for key, numbers in assets(session, ask).items()
        },
        percent("referrers", "base"),
    ),
    Metric(
        "staff_reply_rate", "导购回复率", "Staff reply rate", PERCENT,
        "企业微信统计的已回复聊天占比，按聊天数加权。",
        "The platform's share of chats that were answered, weighted by chats.",
        ("statistics",),
        parts(answered=statistic(col(StaffStatistic.reply_percentage) * ANSWERED), chats=statistic(ANSWERED)),
        per("answered", "chats"),
    ),
    Metric(
        "first_reply_minutes", "首次回复时长", "First reply time", MINUTES,
        "企业微信统计的平均首次回复时长（分钟），按聊天数加权。",
        "The platform's average minutes to the first reply, weighted by chats.",
        ("statistics",),
        parts(minutes=statistic(col(StaffStatistic.avg_reply_minutes) * TIMED), chats=statistic(TIMED)),
        per("minutes", "chats"), lower_is_better=True,
    ),
    *(lifetime(days) for days in (30, 90, 365)),
)  # fmt: skip
