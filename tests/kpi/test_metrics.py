"""Every number against plain Python over the same rows: for the company, a leader's department and one member."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from sqlmodel import Session, SQLModel, select

from bot.database import Database
from contacts.calendar import is_workday
from contacts.channels import Campaign, Channel
from contacts.facts import (
    Act,
    Booking,
    CompanyTotal,
    Complaint,
    DoNotContact,
    Order,
    OrderItem,
    Referral,
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
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    Customer,
    TieChange,
)
from contacts.tags import CHAT, CLIENT, TagChange
from kpi.measures import METRICS, BadQuestion, measure
from kpi.models import OrderCredit
from kpi.periods import Period, resolve
from kpi.scope import EVERYBODY, NotYours, Scope, own, team_of
from sop.mass_sends import MassSend, MassSendCustomer
from sop.models import SENT, Welcome
from sop.sops import DONE, OPEN, Todo
from tests.conftest import MONDAY_TEN
from tests.kpi.company import STAFF_OF, ZONE, company

CAME = {ADDED, CONFIRMED}
ON = {*CAME, TRANSFERRED_IN}
EAST = {userid for userid, department in STAFF_OF.items() if department == 2}
DAY = timedelta(days=1)


@dataclass
class View:
    """Everything on record, and whose of it counts."""

    session: Session
    period: Period
    members: set[str] | None
    east: bool = False

    def all(self, model: type[SQLModel]) -> list[Any]:
        """A table, read once."""
        if model not in self.session.info:
            self.session.info[model] = list(self.session.exec(select(model)).all())
        return list(self.session.info[model])

    def theirs(self, model: type[SQLModel]) -> list[Any]:
        """The rows of these members."""
        rows = self.all(model)
        return rows if self.members is None else [row for row in rows if row.userid in self.members]

    def now(self, rows: Iterable[Any]) -> list[Any]:
        """Those of the period."""
        return [row for row in rows if self.period.start <= row.at < min(self.period.end, MONDAY_TEN)]

    def shops(self, model: type[SQLModel]) -> list[Any]:
        """The rows of these members; for a store's leader also those of nobody there."""
        if self.members is None:
            return self.all(model)
        nobodys = [row for row in self.all(model) if row.userid is None and row.store == "east"]
        return [*self.theirs(model), *(nobodys if self.east else [])]

    def lines(self) -> list[Any]:
        """Lines of money of the period."""
        return self.now(self.shops(OrderCredit))

    def paid(self) -> list[Any]:
        """Payments among them."""
        return [line for line in self.lines() if not line.refund_id]

    def adds(self) -> list[Any]:
        """Adds of the period."""
        return [tie for tie in self.now(self.theirs(TieChange)) if tie.kind in CAME]


def who(rows: Iterable[Any]) -> set[int]:
    """Distinct customers."""
    return {row.customer_id for row in rows}


def share(above: int, below: int) -> float | None:
    """A percentage."""
    return 100 * above / below if below else None


def tied(view: View, at: datetime) -> set[int]:
    """Who has a living tie just before a moment."""
    latest: dict[tuple[int, str], tuple[datetime, bool]] = {}
    for tie in sorted(view.theirs(TieChange), key=lambda one: (one.at, one.kind not in ON)):
        if tie.at < at and tie.kind != "half_added":
            latest[tie.customer_id, tie.userid] = (tie.at, tie.kind in ON)
    return {customer for (customer, _), (_, living) in latest.items() if living}


def resting(view: View, at: datetime) -> set[int]:
    """Who wishes to be left in peace."""
    return {one.customer_id for one in view.all(DoNotContact) if one.at < at}


def entering(view: View) -> set[int]:
    """Who came in the period and did not wish to be left in peace then."""
    ties = [tie for tie in view.now(view.theirs(TieChange)) if tie.kind in ON]
    return who(tie for tie in ties if tie.customer_id not in resting(view, tie.at))


def assets(view: View) -> dict[str, int]:
    """Opening to closing."""
    start, end = view.period.start, min(view.period.end, MONDAY_TEN)
    opening, closing = tied(view, start) - resting(view, start), tied(view, end) - resting(view, end)
    came = entering(view)
    before = who(tie for tie in view.theirs(TieChange) if tie.kind in ON and tie.at < start)
    entered = (closing | came) - opening
    gone = (opening | entered) - closing
    return {
        "opening": len(opening), "new": len(entered - before), "won_back": len(entered & before),
        "lost": len(gone - tied(view, end)), "do_not_contact": len(gone & tied(view, end)), "closing": len(closing),
    }  # fmt: skip


def reachable(view: View) -> int:
    """Everybody who could be reached at any time."""
    found = assets(view)
    return found["opening"] + found["new"] + found["won_back"]


def within(view: View, rows: Iterable[Any], days: int) -> set[int]:
    """Of those added in the period, whose row came within so many days of an add."""
    rows = list(rows)
    return {
        add.customer_id
        for add in view.adds()
        for row in rows
        if row.customer_id == add.customer_id and add.at <= row.at < add.at + days * DAY
    }


def early(view: View) -> set[int]:
    """Who deleted the member she had added within a week."""
    ends = [tie for tie in view.all(TieChange) if tie.kind == LOST and tie.by == CUSTOMER]
    return {
        add.customer_id
        for add in view.adds()
        for end in ends
        if (end.customer_id, end.userid) == (add.customer_id, add.userid) and add.at <= end.at < add.at + 7 * DAY
    }


def met(view: View) -> tuple[int, int]:
    """(became contacts, strangers met)."""
    company = View(view.session, view.period, None)
    ties = sorted(company.all(TieChange), key=lambda one: one.at)
    first: dict[int, datetime] = {}
    for row in [*view.shops(Visit), *view.shops(Booking), *view.shops(Order)]:
        at = row.made_at if isinstance(row, Booking) else row.at
        if not view.period.start <= at < MONDAY_TEN or row.customer_id in tied(company, at):
            continue
        first[row.customer_id] = min(at, first.get(row.customer_id, at))
    became = [
        customer
        for customer, at in first.items()
        if any(t.customer_id == customer and t.kind in CAME and at <= t.at < at + 7 * DAY for t in ties)
    ]
    return len(became), len(first)


def touched(view: View) -> dict[str, Any]:
    """The factors of the private-domain formula."""
    seen = seen_in(view)
    touches = [one for one in view.now(view.theirs(Touch)) if not one.doubtful and one.customer_id in seen]
    days = {"welcome": 30, "campaign": 30}
    after = [
        line
        for line in view.paid()
        if any(
            t.customer_id == line.customer_id and t.at <= line.at < t.at + days.get(t.scene, 15) * DAY for t in touches
        )
    ]
    orders = {line.order_id for line in after}
    amount = sum(line.amount_fen for line in view.lines() if line.order_id in orders)
    return {"reachable": len(seen), "reached": len(who(touches)), "buyers": len(who(after)), "amount": amount}


def gaps(view: View) -> list[float]:
    """Days between a payment of the period and the same customer's before it."""
    mine, found = {line.id for line in view.paid()}, []
    by_customer: dict[int, list[Any]] = defaultdict(list)
    for line in sorted(view.all(OrderCredit), key=lambda one: (one.at, one.id)):
        if not line.refund_id:
            by_customer[line.customer_id].append(line)
    for lines in by_customer.values():
        found += [(b.at - a.at) / DAY for a, b in pairwise(lines) if b.id in mine]
    return found


def first_waits(view: View) -> list[float]:
    """Days from the first add to the first payment."""
    first: dict[int, Any] = {}
    for line in sorted(view.all(OrderCredit), key=lambda one: (one.at, one.id)):
        if not line.refund_id:
            first.setdefault(line.customer_id, line)
    added: dict[int, datetime] = {}
    for tie in view.all(TieChange):
        if tie.kind in CAME:
            added[tie.customer_id] = min(tie.at, added.get(tie.customer_id, tie.at))
    mine = {line.id for line in view.paid()}
    return [
        (line.at - added[customer]) / DAY
        for customer, line in first.items()
        if line.id in mine and customer in added and added[customer] <= line.at
    ]


def mean(values: list[float]) -> float | None:
    """The average."""
    return sum(values) / len(values) if values else None


def money(above: float, below: int) -> int | None:
    """Whole fen, half up."""
    return int(Fraction(above) / below + Fraction(1, 2)) if below else None


def amount(view: View) -> int:
    """Net."""
    return sum(line.amount_fen for line in view.lines())


def items(view: View) -> int:
    """Pieces."""
    ids = {line.order_id for line in view.paid()}
    return sum(item.qty for item in view.all(OrderItem) if item.order_id in ids)


def paid_for_products(view: View) -> int:
    """What the orders' lines add up to."""
    ids = {line.order_id for line in view.paid()}
    return sum(item.amount_fen for item in view.all(OrderItem) if item.order_id in ids)


def before(view: View) -> set[int]:
    """Buyers of the period before."""
    return who(View(view.session, view.period.before(), view.members, view.east).paid())


def ltv(view: View, days: int) -> int | None:
    """Value per new contact."""
    first: dict[int, datetime] = {}
    for add in view.adds():
        first[add.customer_id] = min(add.at, first.get(add.customer_id, add.at))
    value = sum(
        line.amount_fen if line.margin_fen is None else line.margin_fen
        for line in view.all(OrderCredit)
        if line.customer_id in first and first[line.customer_id] <= line.at < first[line.customer_id] + days * DAY
    )
    return money(value, len(first))


def spent(view: View) -> Any:
    """All of the period."""
    days = view.period
    set_up = sum(one.cost_fen for one in view.all(Channel) if days.start <= one.created_at < days.end)
    return set_up + sum(one.amount_fen for one in view.all(Spend) if days.first <= one.day <= days.last)


def from_contacts(view: View) -> int:
    """Net amount of who had been a contact."""
    ties = [tie for tie in view.all(TieChange) if tie.kind in ON]
    paid_at = {one.id: one.at for one in view.all(Order)}
    return sum(
        line.amount_fen
        for line in view.lines()
        if any(tie.customer_id == line.customer_id and tie.at <= paid_at[line.order_id] for tie in ties)
    )


def company_net(view: View) -> int:
    """The company's own figures."""
    days = view.period
    rows: list[CompanyTotal] = [one for one in view.all(CompanyTotal) if one.store is None]
    return sum(one.net_amount_fen for one in rows if days.first <= one.day <= days.last)


def earned(view: View) -> int:
    """Commission, by campaign and member."""
    found = 0
    for campaign in view.all(Campaign):
        rates = campaign.tiers or [[0, campaign.commission_percent]]
        whole: Counter[str] = Counter()
        sure: Counter[str] = Counter()
        for line in view.all(OrderCredit):
            if line.campaign_id == campaign.id and line.userid and line.at < MONDAY_TEN:
                whole[line.userid] += line.amount_fen
                sure[line.userid] += line.amount_fen if line.confirms_at <= MONDAY_TEN else 0
        mine: Counter[str] = Counter()
        for line in view.lines():
            if line.campaign_id == campaign.id and line.userid:
                mine[line.userid] += line.amount_fen
        for userid, fen in mine.items():
            percent = max((one for start, one in rates if whole[userid] >= start), default=0)
            found += int(Fraction(fen) * Fraction(str(percent)) / 100 + Fraction(1, 2)) if fen >= 0 else 0
    return found


def cash(view: View) -> set[int]:
    """Who paid within 30 days."""
    return within(view, [one for one in view.all(Order) if one.refunded_fen < one.amount_fen], 30)


TODAY = MONDAY_TEN.astimezone(ZONE).date()


def due(view: View) -> list[Todo]:
    """To-dos whose last day was in the period and has come."""
    last = min(view.period.last, TODAY)
    rows: list[Todo] = view.theirs(Todo)
    return [t for t in rows if view.period.first <= t.due_on <= last and t.state in {DONE, OPEN}]


def tagged(view: View) -> set[int]:
    """Whom the member has tagged by hand since she came."""
    put = [t for t in view.all(TagChange) if t.added and t.source in {CLIENT, CHAT}]
    return {
        add.customer_id
        for add in view.adds()
        if any((t.customer_id, t.userid) == (add.customer_id, add.userid) and t.at >= add.at for t in put)
    }


def first_contacts(view: View) -> list[float]:
    """Minutes to the first touch within a week."""
    touches = [t for t in view.all(Touch) if t.scene != "welcome" and not t.doubtful]
    found = []
    for add in view.adds():
        hers = [t.at for t in touches if (t.customer_id, t.userid) == (add.customer_id, add.userid)]
        soon = [at for at in hers if add.at <= at < add.at + 7 * DAY]
        found += [(min(soon) - add.at) / timedelta(minutes=1)] if soon else []
    return found


def duty(view: View) -> set[tuple[str, Any]]:
    """(member, day) on duty of those with customer contact: weekdays and make-up days, unless the rota differs."""
    own = {(one.userid, one.day): one.works for one in view.all(StaffDay)}
    members = {one for one in STAFF_OF if one != "he" and (view.members is None or one in view.members)}
    days = [view.period.first + n * DAY for n in range((min(view.period.last, TODAY) - view.period.first).days + 1)]
    return {(one, day) for one in members for day in days if own.get((one, day), is_workday(day))}


def traces(view: View) -> set[tuple[str, Any]]:
    """(member, day) with something done."""
    did = [(t.userid, t.at) for t in view.all(Touch) if t.scene != "welcome"]
    did += [(t.by, t.at) for t in view.all(TagChange) if t.source in {CLIENT, CHAT}]
    wrote = {(s.userid, s.day) for s in view.all(StaffStatistic) if s.messages}
    return wrote | {(userid, at.astimezone(ZONE).date()) for userid, at in did}


def per_head(view: View) -> int:
    """Net amount of a head for the period's working days."""
    days = {day for _, day in duty(View(view.session, view.period, None))}
    workdays = sum(is_workday(day) for day in days)
    earned_by: int = sum(line.amount_fen for line in view.lines() if line.userid in set(STAFF_OF) - {"he"})
    return round(earned_by / len(duty(view)) * workdays)


def delivered(view: View) -> tuple[int, int]:
    """(delivered, targeted)."""
    period = view.period
    sends = {one.id for one in view.theirs(MassSend) if period.start <= one.asked_at < min(period.end, MONDAY_TEN)}
    mass = [one.status == 1 for one in view.all(MassSendCustomer) if one.mass_send_id in sends]
    welcomes = [
        one.outcome == SENT
        for one in view.theirs(Welcome)
        if period.start <= one.received_at < min(period.end, MONDAY_TEN)
    ]
    return sum(mass) + sum(welcomes), len(mass) + len(welcomes)


def sure(view: View) -> list[Touch]:
    """Touches of the period that are not doubtful."""
    return [t for t in view.now(view.theirs(Touch)) if not t.doubtful]


def answered(view: View) -> list[Touch]:
    """Touches with an act of the customer's own within three days."""
    own = [(o.customer_id, o.at) for kind in (Act, Visit, Order) for o in view.all(kind)]
    own += [(b.customer_id, b.made_at) for b in view.all(Booking)]
    return [t for t in sure(view) if any(c == t.customer_id and t.at <= at < t.at + 3 * DAY for c, at in own)]


def came_after(view: View) -> set[int]:
    """Who visited within 15 days of a touch."""
    visits = view.all(Visit)
    return {
        t.customer_id
        for t in sure(view)
        if any(v.customer_id == t.customer_id and t.at <= v.at < t.at + 15 * DAY for v in visits)
    }


def scores(view: View) -> list[Satisfaction]:
    """Answers after these members' visits."""
    visits = {one.id for one in view.shops(Visit)}
    return [one for one in view.now(view.all(Satisfaction)) if one.visit_id in visits]


def leads(view: View) -> set[int]:
    """Whose first sign of all falls into the period."""
    signs = [t for t in view.all(TieChange) if t.kind in {*CAME, HALF_ADDED}]
    first = {t.customer_id: t.at for t in sorted(signs, key=lambda t: t.at, reverse=True)}
    return who(t for t in view.now(signs) if t.at == first[t.customer_id])


def payback(view: View) -> int | None:
    """The day after the add on which the margin reached the spend."""
    ons = sorted((t for t in view.all(TieChange) if t.kind in ON), key=lambda t: t.at)
    first: dict[int, datetime] = {}
    for tie in ons:
        first.setdefault(tie.customer_id, tie.at)
    new = {t.customer_id for t in view.adds() if t.at == first[t.customer_id]}
    ages: Counter[int] = Counter()
    for line in view.all(OrderCredit):
        if line.customer_id in new and first[line.customer_id] <= line.at < MONDAY_TEN:
            value = line.amount_fen if line.margin_fen is None else line.margin_fen
            ages[(line.at - first[line.customer_id]).days] += value
    total, cost = 0, spent(view)
    for age in sorted(ages):
        total += ages[age]
        if total >= cost:
            return age
    return None


def brought(view: View) -> list[Referral]:
    """Referrals of the period by these members, or by customers of theirs where no member is on record."""
    main = {one.id: one.main_userid for one in view.all(Customer)}
    rows: list[Referral] = view.now(view.all(Referral))
    return [one for one in rows if view.members is None or (one.userid or main[one.referrer_id]) in view.members]


def stayed(view: View) -> set[int]:
    """Who was not lost within 60 days of the add and did something on days 31 to 60."""
    ends = [t for t in view.all(TieChange) if t.kind in {LOST, TRANSFERRED_OUT}]
    acts = view.all(Act)
    return {
        add.customer_id
        for add in view.adds()
        if any(a.customer_id == add.customer_id and add.at + 30 * DAY <= a.at < add.at + 60 * DAY for a in acts)
        and not any(
            (t.customer_id, t.userid) == (add.customer_id, add.userid) and add.at <= t.at < add.at + 60 * DAY
            for t in ends
        )
    }


def closing(view: View) -> set[int]:
    """Who can be reached at the end."""
    end = min(view.period.end, MONDAY_TEN)
    return tied(view, end) - resting(view, end)


def lately(view: View) -> set[int]:
    """Who did something in the last 30 days."""
    end = min(view.period.end, MONDAY_TEN)
    return who(a for a in view.all(Act) if end - 30 * DAY <= a.at < end)


def statistics(view: View) -> list[Any]:
    """The platform's figures of the period's days."""
    return [one for one in view.theirs(StaffStatistic) if view.period.first <= one.day <= view.period.last]


def spent_on_campaigns(view: View) -> Any:
    """Spend on channels that belong to a campaign, and their set-up."""
    of = {one.id: one for one in view.all(Channel) if one.campaign_id}
    days = view.period
    daily = sum(s.amount_fen for s in view.all(Spend) if days.first <= s.day <= days.last and s.channel_id in of)
    return daily + sum(one.cost_fen for one in of.values() if days.start <= one.created_at < days.end)


def new_buyers(view: View) -> set[int]:
    """Who was first added in the period and has paid since, never before."""
    first: dict[int, datetime] = {}
    for tie in view.all(TieChange):
        if tie.kind in ON:
            first[tie.customer_id] = min(tie.at, first.get(tie.customer_id, tie.at))
    paid: dict[int, list[datetime]] = defaultdict(list)
    for line in view.all(OrderCredit):
        if not line.refund_id:
            paid[line.customer_id].append(line.at)
    new = {add.customer_id for add in view.adds() if add.at == first[add.customer_id]}
    return {one for one in new if paid[one] and min(paid[one]) >= first[one]}


def seen_in(view: View) -> set[int]:
    """Everybody who could be reached at any time of the period."""
    start, end = view.period.start, min(view.period.end, MONDAY_TEN)
    came = entering(view)
    return (tied(view, start) - resting(view, start)) | (tied(view, end) - resting(view, end)) | came


def margin(view: View, by: str) -> int:
    """Margin of lines that have a channel or campaign."""
    lines = [line for line in view.lines() if getattr(line, by) is not None]
    return sum(line.amount_fen if line.margin_fen is None else line.margin_fen for line in lines)


EXPECTED: dict[str, Callable[[View], Any]] = {
    "amount": amount,
    "orders": lambda v: len(v.paid()),
    "buyers": lambda v: len(who(v.paid())),
    "refunds": lambda v: -sum(line.amount_fen for line in v.lines() if line.refund_id),
    "amount_per_buyer": lambda v: money(amount(v), len(who(v.paid()))),
    "amount_per_order": lambda v: money(amount(v), len(v.paid())),
    "items_per_order": lambda v: items(v) / len(v.paid()),
    "items_per_buyer": lambda v: items(v) / len(who(v.paid())),
    "repeat_rate": lambda v: share(
        sum(1 for n in Counter(line.customer_id for line in v.paid()).values() if n >= 2), len(who(v.paid()))
    ),
    "buy_back_rate": lambda v: share(len(before(v) & who(v.paid())), len(before(v))),
    "repurchase_cycle_days": lambda v: mean(gaps(v)),
    "first_order_days": lambda v: mean(first_waits(v)),
    "commission": earned,
    "bought_together": lambda v: sum(
        len({item.sku for item in v.all(OrderItem) if item.order_id == line.order_id}) > 1 for line in v.paid()
    ),
    "customers_brought": lambda v: len(brought(v)),
    "contacts_added": lambda v: len(who(v.adds())),
    "reachable_contacts": reachable,
    "customer_assets": lambda v: assets(v)["closing"],
    "delete_rate": lambda v: share(
        len(who(t for t in v.now(v.theirs(TieChange)) if t.kind == LOST and t.by == CUSTOMER)), reachable(v)
    ),
    "early_delete_rate": lambda v: share(len(early(v)), len(who(v.adds()))),
    "lead_success_rate": lambda v: share(*met(v)),
    "service_success_rate": lambda v: share(
        len(within(v, [*v.all(Visit), *(a for a in v.all(Act) if a.name == "trial_class")], 30)), len(who(v.adds()))
    ),
    "cash_success_rate": lambda v: share(len(cash(v)), len(who(v.adds()))),
    "referral_rate": lambda v: share(len({one.referrer_id for one in v.now(v.theirs(Referral))}), reachable(v)),
    "ltv_30": lambda v: ltv(v, 30),
    "ltv_90": lambda v: ltv(v, 90),
    "ltv_365": lambda v: ltv(v, 365),
    "private_performance": lambda v: touched(v)["amount"],
    "pass_on_rate": lambda v: share(touched(v)["reached"], touched(v)["reachable"]),
    "scene_conversion_rate": lambda v: share(touched(v)["buyers"], touched(v)["reached"]),
    "contribution_rate": lambda v: share(from_contacts(v), company_net(v)),
    "cost_per_add": lambda v: money(spent(v), len(who(v.adds()))),
    "return_on_spend": lambda v: amount(v) / spent(v),
    "channel_roi": lambda v: share(margin(v, "channel_id") - spent(v), spent(v)),
    "campaign_roi": lambda v: share(margin(v, "campaign_id") - spent_on_campaigns(v), spent_on_campaigns(v)),
    "cac": lambda v: money(spent(v), len(new_buyers(v))),
    "interaction_rate": lambda v: share(len(seen_in(v) & who(v.now(v.all(Act)))), len(seen_in(v))),
    "orders_per_buyer": lambda v: len(v.paid()) / len(who(v.paid())),
    "product_sales": paid_for_products,
    "share_rate": lambda v: share(
        len(seen_in(v) & who(a for a in v.now(v.all(Act)) if a.name == "shared")), len(seen_in(v))
    ),
    "todo_done_rate": lambda v: share(sum(t.state == DONE for t in due(v)), len(due(v))),
    "todo_on_time_rate": lambda v: share(
        sum(t.closed_at is not None and t.closed_at.astimezone(ZONE).date() <= t.due_on for t in due(v)), len(due(v))
    ),
    "todos_overdue": lambda v: sum(t.state == OPEN and t.due_on < TODAY for t in due(v)),
    "tagging_rate": lambda v: share(len(tagged(v)), len(who(v.adds()))),
    "speed_to_lead": lambda v: mean(first_contacts(v)),
    "amount_per_head": per_head,
    "active_staff_rate": lambda v: share(len(duty(v) & traces(v)), len(duty(v))),
    "delivery_rate": lambda v: share(*delivered(v)),
    "response_rate": lambda v: share(len(answered(v)), len(sure(v))),
    "visit_rate": lambda v: share(len(came_after(v)), len(who(sure(v)))),
    "satisfaction": lambda v: mean([one.score for one in scores(v)]),
    "complaints_per_1000": lambda v: 1000 * len(v.now(v.theirs(Complaint))) / reachable(v),
    "cost_per_lead": lambda v: money(spent(v), len(leads(v))),
    "payback_days": payback,
    "interest_rate": lambda v: share(len(within(v, v.all(Act), 30)), len(who(v.adds()))),
    "stay_rate": lambda v: share(len(stayed(v)), len(who(v.adds()))),
    "active_rate": lambda v: share(len(lately(v) & closing(v)), len(closing(v))),
    "contacts_lost": lambda v: len(
        who(t for t in v.now(v.theirs(TieChange)) if t.kind == LOST and t.by in {CUSTOMER, STAFF})
    ),
    "platform_losses": lambda v: sum(s.negative_feedback for s in statistics(v)),
    "staff_reply_rate": lambda v: (
        sum(s.reply_percentage * s.chats for s in statistics(v)) / sum(s.chats for s in statistics(v))
    ),
    "first_reply_minutes": lambda v: (
        sum(s.avg_reply_minutes * s.chats for s in statistics(v)) / sum(s.chats for s in statistics(v))
    ),
    "add_rate": lambda v: share(
        len(who(a for a in v.adds() if a.channel_id == 3)),
        sum(t.clicks for t in v.all(Traffic) if v.period.first <= t.day <= v.period.last),
    ),
}


def scopes(session: Session) -> list[tuple[Scope, set[str] | None, bool]]:
    """The company, Su's department, Lin alone."""
    return [(EVERYBODY, None, False), (team_of(session, "su"), EAST, True), (own("lin"), {"lin"}, False)]


async def test_every_number_is_what_plain_python_makes_of_the_rows(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        period = resolve(session, "2026-08-01..2026-11-16", MONDAY_TEN, ZONE)
        for scope, members, east in scopes(session):
            view = View(session, period, members, east)
            for name, expected in EXPECTED.items():
                if METRICS[name].company_only and members is not None:
                    with pytest.raises(NotYours):
                        measure(session, name, scope, period, MONDAY_TEN)
                    continue
                found = measure(session, name, scope, period, MONDAY_TEN)
                near = {"abs": 30} if name == "commission" else {"abs": 1e-6}
                assert found.value == pytest.approx(expected(view), **near), (name, members)


def test_every_number_is_expected() -> None:
    assert set(EXPECTED) == set(METRICS)


async def test_the_assets_balance_and_the_formula_multiplies_to_the_fen(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        for month in ("2026-07", "2026-08", "2026-09", "2026-10", "2026-11"):
            period = resolve(session, month, MONDAY_TEN, ZONE)
            for scope, members, east in scopes(session):
                found = dict(measure(session, "customer_assets", scope, period, MONDAY_TEN).parts)
                assert found == assets(View(session, period, members, east)), (month, members)
                came = found["opening"] + found["new"] + found["won_back"]
                assert came - found["lost"] - found["do_not_contact"] == found["closing"]
                whole = measure(session, "private_performance", scope, period, MONDAY_TEN)
                part = {name: Fraction(int(number)) for name, number in whole.parts.items()}
                if not part["buyers"]:
                    continue
                product = (
                    part["reachable"]
                    * (part["reached"] / part["reachable"])
                    * (part["buyers"] / part["reached"])
                    * (part["amount"] / part["buyers"])
                )
                assert product == whole.value == touched(View(session, period, members, east))["amount"]


async def test_groups_add_up_and_carry_names(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        period = resolve(session, "2026-08-01..2026-11-16", MONDAY_TEN, ZONE)
        for group in ("staff", "store", "channel", "campaign"):
            found = measure(session, "amount", EVERYBODY, period, MONDAY_TEN, group_by=group)
            assert sum(row.value or 0 for row in found.rows) == found.value
        names = {row.name for row in measure(session, "orders", EVERYBODY, period, MONDAY_TEN, group_by="staff").rows}
        assert {"林晓", "王磊", "莫然"} <= names
        by = {"staff": "lin"}
        one = measure(session, "amount", EVERYBODY, period, MONDAY_TEN, filters=by)
        assert one.value == measure(session, "amount", own("lin"), period, MONDAY_TEN).value
        below = measure(session, "orders", EVERYBODY, period, MONDAY_TEN, filters={"department": 2})
        assert below.value == sum(1 for line in View(session, period, EAST).paid() if line.userid)
        with pytest.raises(BadQuestion, match="by staff, department"):
            measure(session, "delete_rate", EVERYBODY, period, MONDAY_TEN, group_by="store")
        with pytest.raises(BadQuestion, match="there are"):
            measure(session, "happiness", EVERYBODY, period, MONDAY_TEN)


async def test_without_data_a_number_is_not_connected(database: Database) -> None:
    with Session(database.engine) as session:
        period = resolve(session, "this_month", MONDAY_TEN, ZONE)
        for name in METRICS:
            found = measure(session, name, EVERYBODY, period, MONDAY_TEN)
            assert (found.connected, found.value) == (False, None), name
            assert found.missing
