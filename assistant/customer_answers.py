"""Answers about customers: who came, who left, one customer in short, and whose her orders are."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row
from sqlmodel import Session, col, select

from assistant.people import Asker, Unanswerable, Whose, whose_numbers
from assistant.questions import Credit, CustomerQuestion, LostCustomers, NewCustomers
from assistant.wording import days, moment, money
from bot.language import gettext as _
from contacts.channels import Campaign, Channel
from contacts.models import ADDED, CONFIRMED, CUSTOMER, LOST, STAFF, Customer, FollowUser, Staff, TieChange
from contacts.search import Match, find_customers, meant_by
from kpi.decisions import Decided, deciders
from kpi.models import MAIN, ORDER, STORE, TOUCH, OrderCredit
from kpi.periods import DEFAULT, Period, resolve

RECENT_DAYS = 90
"""How far back a customer's orders are looked through unless a period is named."""
CANDIDATES = 8


def lost_answer(session: Session, asker: Asker, question: LostCustomers) -> list[str]:
    """Who deleted or was deleted, the latest first."""
    whose = whose_numbers(session, asker, question.whose)
    period = resolve(session, question.period or DEFAULT, asker.now, asker.zone)
    rows = changes(session, whose, period, col(TieChange.kind) == LOST, col(TieChange.by).in_((CUSTOMER, STAFF)))
    if not rows:
        return [_("Nobody was lost: {days}, {whose}.").format(days=days(period), whose=whose.label)]
    by = {CUSTOMER: _("deleted us"), STAFF: _("deleted by us")}
    head = _("Lost {days}, {whose}: {count}").format(days=days(period), whose=whose.label, count=len(rows))
    return [head, *(line_of(row, asker, whose, by[row.by]) for row in rows)]


def new_answer(session: Session, asker: Asker, question: NewCustomers) -> list[str]:
    """Who came and by which channel, the latest first."""
    whose = whose_numbers(session, asker, question.whose)
    period = resolve(session, question.period or DEFAULT, asker.now, asker.zone)
    rows = changes(session, whose, period, col(TieChange.kind).in_((ADDED, CONFIRMED)))
    if not rows:
        return [_("Nobody was added: {days}, {whose}.").format(days=days(period), whose=whose.label)]
    head = _("Added {days}, {whose}: {count}").format(days=days(period), whose=whose.label, count=len(rows))
    lines = []
    for row in rows:
        came = _("through {channel}").format(channel=row.channel) if row.channel else _("channel not known")
        lines.append(line_of(row, asker, whose, came + (_(", came back") if row.returned else "")))
    return [head, *lines]


def changes(session: Session, whose: Whose, period: Period, *where: Any) -> list[Row[Any]]:
    """Adds or losses of a period with the names that belong to them."""
    tie = TieChange
    found = (
        select(  # type: ignore[call-overload]
            tie.at, tie.by, tie.returned, Customer.name, col(FollowUser.remark), col(Staff.name).label("staff"),
            col(Channel.name).label("channel"),
        )
        .join(Customer, col(Customer.id) == col(tie.customer_id))
        .outerjoin(
            FollowUser,
            (col(FollowUser.customer_id) == col(tie.customer_id)) & (col(FollowUser.userid) == col(tie.userid)),
        )
        .outerjoin(Staff, col(Staff.userid) == col(tie.userid))
        .outerjoin(Channel, col(Channel.id) == col(tie.channel_id))
        .where(whose.scope.covers(col(tie.userid)), col(tie.at) >= period.start, col(tie.at) < period.end, *where)
        .order_by(col(tie.at).desc(), col(tie.id).desc())
    )  # fmt: skip
    return list(session.execute(found).all())


def line_of(row: Row[Any], asker: Asker, whose: Whose, what: str) -> str:
    """One of them in a line; of a team with whose she is."""
    name = row.remark or row.name or _("no name")
    theirs = "" if whose.userid else f" ({row.staff})"
    return f"· {moment(row.at, asker.zone)} {name}{theirs}: {what}"


def found_customer(session: Session, asker: Asker, name: str) -> Match:
    """The customer meant, among those the asker may see. Raises `Unanswerable`, or `WhichOne` for several."""
    matches = find_customers(session, name, asker.userid, CANDIDATES)
    if not matches:
        raise Unanswerable(_("I find no customer called “{name}” among yours.").format(name=name))
    return meant_by(name, matches)


def customer_answer(session: Session, asker: Asker, question: CustomerQuestion) -> list[str]:
    """One customer in short: whose she is, since when, what she bought."""
    meant = found_customer(session, asker, question.name)
    customer = session.get(Customer, meant.customer_id)
    if customer is None:
        raise Unanswerable(_("I find no customer called “{name}” among yours.").format(name=question.name))
    main = session.get(Staff, customer.main_userid) if customer.main_userid else None
    ties = session.execute(
        select(Staff.name, FollowUser.added_at, Channel.name)
        .join(Staff, col(Staff.userid) == col(FollowUser.userid))
        .outerjoin(Channel, col(Channel.id) == col(FollowUser.channel_id))
        .where(FollowUser.customer_id == meant.customer_id, col(FollowUser.lost_at).is_(None))
        .order_by(col(FollowUser.added_at))
    ).all()
    zone = asker.zone
    lines = [meant.shown, _("Main contact: {name}").format(name=main.name if main else _("nobody yet"))]
    lines += [
        _("· {staff}, added {day}").format(staff=staff, day=f"{at.astimezone(zone):%Y-%m-%d}")
        + (_(", through {channel}").format(channel=channel) if channel else "")
        for staff, at, channel in ties
    ]
    bought = _("{count} orders, {amount} in all").format(count=customer.orders, amount=money(customer.net_fen))
    lines.append(bought if customer.orders else _("No orders yet"))
    if customer.last_contact_at:
        lines.append(_("Last contact {time}").format(time=moment(customer.last_contact_at, zone)))
    return lines


def credit_answer(session: Session, asker: Asker, question: Credit) -> list[str]:
    """Whose a customer's latest orders are, and why."""
    meant = found_customer(session, asker, question.name)
    line, since = OrderCredit, asker.now - timedelta(days=RECENT_DAYS)
    paid = (
        select(line, Staff.name, Campaign.name)
        .outerjoin(Staff, col(Staff.userid) == col(line.userid))
        .outerjoin(Campaign, col(Campaign.id) == col(line.campaign_id))
        .where(line.customer_id == meant.customer_id, line.refund_id == 0, col(line.at) >= since)
    )
    if question.period:
        period = resolve(session, question.period, asker.now, asker.zone)
        paid = paid.where(col(line.at) >= period.start, col(line.at) < period.end)
    rows = session.execute(paid.order_by(col(line.at).desc())).all()
    if not rows:
        raise Unanswerable(_("{name} has no orders then.").format(name=meant.shown))
    lines = [_("Whose orders of {name} are, and why:").format(name=meant.shown)]
    by = deciders(session, [one.order_id for one, _staff, _campaign in rows])
    for one, staff, campaign in rows:
        whose = staff or _("the store")
        text = f"{payment_line(one, asker.zone)}: {whose}, {reason(one.basis, by.get(one.order_id))}"
        lines.append(text + (_(", campaign {name}").format(name=campaign) if campaign else ""))
    return [*lines, _("If that is wrong, say “appeal” and your leader sees this and decides.")]


def payment_line(line: OrderCredit, zone: ZoneInfo) -> str:
    """A payment with the number by which a leader can name it."""
    return f"· #{line.order_id} {moment(line.at, zone)} {money(line.amount_fen)}"


def reason(basis: str, decided: Decided | None = None) -> str:
    """Why a line is whose it is."""
    if decided:
        text = _("decided by {name}").format(name=decided.by)
        return f"{text} ({decided.words})" if decided.words else text
    return {
        ORDER: _("named on the order"),
        TOUCH: _("was in touch last, within 15 days before"),
        MAIN: _("was the main contact when it was paid"),
        STORE: _("nobody else is known"),
    }[basis]
