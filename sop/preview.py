"""Preview: whom a rule would reach today and on each of the next 14 days, computed from the record, with no writes."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from contacts.models import Customer
from contacts.offers import Offer
from sop import rules
from sop.conditions import Day, day_of, parts
from sop.enrol import charge_of
from sop.parts import check_rule, steps_of
from sop.sops import Sop, SopVersion
from sop.triggers import Occurrence, find, window_of
from sop.why import in_words

DAYS = 14
SAMPLE = 5
FORESEEN = ("date", "silent")
"""Triggers whose days ahead follow from the record; the others are shown for the days behind."""


@dataclass
class DayAhead:
    """One day: how many the rule finds."""

    day: date
    number: int


@dataclass
class OfferCost:
    """An offer a rule hands out: how many are wanted and left (None: no limit), and what they cost."""

    name: str
    wanted: int
    left: int | None
    cost_fen: int


@dataclass
class Preview:
    """What publishing a rule would mean."""

    today: int
    days: list[DayAhead]
    sample: list[str]
    """Names of some who would be reached today, or on the first day that reaches any."""
    drop_off: list[tuple[str, int]]
    """The trigger alone, then after each condition, over all days looked at."""
    load: dict[str, int]
    """To-dos per member of staff over all days looked at."""
    gained: int = 0
    """Customers this rule reaches and the published version does not, over all days looked at."""
    lost: int = 0
    offers: list[OfferCost] = field(default_factory=list)
    """What the offers of its steps cost if everybody reached gets them."""
    notes: list[str] = field(default_factory=list)


def preview(session: Session, rule: rules.Rule, today: date, zone: ZoneInfo, code: str = "") -> Preview:
    """The preview of a rule. What people do cannot be foreseen: such triggers are shown for the last 14 days instead.

    Raises `RuleRefused`.
    """
    check_rule(session, rule)
    ahead = rule.when.kind in FORESEEN
    first = today if ahead else today - timedelta(days=DAYS)
    found = reached(session, rule, today, zone, ahead=ahead)
    days = [DayAhead(first + timedelta(days=one), 0) for one in range(DAYS + 1)]
    for one in found:
        offset = (one.day - first).days
        if 0 <= offset < len(days):
            days[offset].number += 1
    charge = charge_of(session, (one.customer_id for one in found), today, (one.userid for one in found))
    load: dict[str, int] = {}
    for one in found:
        userid = charge.of(one) or "–"
        load[userid] = load.get(userid, 0) + 1
    made = Preview(
        sum(one.day == today for one in found),
        days,
        names(session, [one.customer_id for one in found[:SAMPLE]]),
        drop_off(session, rule, today, zone, ahead=ahead),
        dict(sorted(load.items(), key=lambda item: -item[1])),
    )
    made.offers = [offer_cost(session, one, len(found)) for one in offers_of(rule)]
    published = in_force(session, code)
    if published:
        before = {(one.customer_id, one.key) for one in reached(session, published, today, zone, ahead=ahead)}
        now = {(one.customer_id, one.key) for one in found}
        made.gained, made.lost = len(now - before), len(before - now)
    if not ahead:
        made.notes.append(f"what people do cannot be foreseen: shown are the {DAYS} days until today")
    return made


def reached(session: Session, rule: rules.Rule, today: date, zone: ZoneInfo, *, ahead: bool) -> list[Occurrence]:
    """Whom a rule finds in the days looked at, each day ahead by itself, as the record stands now.

    Nobody's next contact is known: who is silent stays so.
    """
    if not ahead:
        return find(session, rule, window_of(session, day_of(session, today, zone), today - timedelta(days=DAYS)))
    tables, found = day_of(session, today, zone).tables, []
    for offset in range(DAYS + 1):
        day = Day(today + timedelta(days=offset), zone, tables)
        window = window_of(session, day, day.today)
        found += find(session, rule, replace(window, complete={"": day.start()}))
    return found


def drop_off(session: Session, rule: rules.Rule, today: date, zone: ZoneInfo, *, ahead: bool) -> list[tuple[str, int]]:
    """How many are left after the trigger and after each condition."""
    conditions = parts(rule.who)
    bare = rule.model_copy(update={"who": None})
    counts: list[tuple[str, int]] = [(rule.when.kind, len(reached(session, bare, today, zone, ahead=ahead)))]
    for number, one in enumerate(conditions, 1):
        narrowed = rule.model_copy(update={"who": rules.AllOf(kind="all", of=conditions[:number])})
        counts.append((in_words(one), len(reached(session, narrowed, today, zone, ahead=ahead))))
    return counts


def offers_of(rule: rules.Rule) -> list[str]:
    """The offers a rule's steps hand out."""
    steps = (step.do for _place, step in steps_of(rule.what, "what"))
    return [do.offer for do in steps if isinstance(do, rules.TodoAction) and do.offer]


def offer_cost(session: Session, code: str, reached: int) -> OfferCost:
    """What an offer costs for so many customers, as far as there are enough."""
    offer = session.get_one(Offer, code)
    left = None if offer.stock is None else max(0, offer.stock - offer.taken)
    given = reached if left is None else min(reached, left)
    return OfferCost(offer.name, reached, left, given * offer.cost_fen)


def names(session: Session, ids: list[int]) -> list[str]:
    """How customers are called."""
    query = select(col(Customer.id), col(Customer.name)).where(col(Customer.id).in_(ids))
    known = {row.id: row.name for row in session.execute(query)}
    return [known.get(one) or f"#{one}" for one in ids]


def in_force(session: Session, code: str) -> rules.Rule | None:
    """The published rule of a SOP, by its code."""
    query = select(SopVersion).join(Sop, col(Sop.version_id) == col(SopVersion.id)).where(col(Sop.code) == code)
    version = session.scalars(query).first()
    return version.rule if version else None
