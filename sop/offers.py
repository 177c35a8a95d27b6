"""Whom an offer may be given to, and giving it: in sets, under the offer's lock, so that no stock is given twice.

A step's to-do reserves its offer; what becomes of the to-do decides whether it was given or goes back (`settle`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Table, and_, exists, func, insert, select, update
from sqlmodel import Session, col

from bot.database import defaults
from bot.jobs import in_state
from contacts.models import Customer
from contacts.offers import GIVEN, GRANTS, RESERVED, REVOKED, WELCOME_GIFT, Offer, OfferGrant, put_back
from scripts_library.context import spoken
from sop import rules
from sop.conditions import Day, holds
from sop.enrol import chunks
from sop.sops import DONE, NOT_APPLICABLE, OPEN, TODOS, WITHDRAWN

OFFERS: Table = Offer.__table__  # type: ignore[attr-defined]
BLANK = {name: value for name, value in defaults(OfferGrant).items() if name != "id"}
CONDITION: TypeAdapter[rules.Condition] = TypeAdapter(rules.Condition)
NOT_HANDED_OVER = "the to-do was not done"


@dataclass(frozen=True)
class Wish:
    """One offer for one customer, by one member; `reference` is what for, and is granted once for ever."""

    customer_id: int
    userid: str
    reference: str
    run_id: int | None = None
    position: str = ""


@dataclass(frozen=True)
class Reason:
    """Why offers are given: rule, chat or welcome, and which."""

    source: str
    at: datetime
    cause: str = ""
    sop_id: int | None = None


@dataclass
class Handed:
    """What became of wishes, by reference: until when each granted one can be used, and why the others were not."""

    granted: dict[str, date | None] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def give(session: Session, code: str, wishes: Sequence[Wish], day: Day, why: Reason, *, state: str = GIVEN) -> Handed:
    """Give an offer to whom it may be given, in the order of the wishes until the stock is empty."""
    handed, offer = Handed(), locked(session, code)
    refused = "there is no such offer" if offer is None else closed(offer, day.today)
    if offer is None or refused:
        handed.refused = {one.reference: refused for one in wishes}
        return handed
    known = granted_before(session, [one.reference for one in wishes])
    ids = sorted({one.customer_id for one in wishes})
    had, fits = given_to(session, offer, ids), fitting(session, offer, ids, day)
    until = last_day(offer, day.today)
    rows: list[dict[str, Any]] = []
    for one in wishes:
        if one.reference in known:
            handed.granted[one.reference] = known[one.reference]
        elif reason := unfit(offer, one.customer_id, had, fits, len(rows)):
            handed.refused[one.reference] = reason
        else:
            had[one.customer_id] = had.get(one.customer_id, 0) + 1
            handed.granted[one.reference] = until
            rows.append(row_of(offer, one, why, state, until))
    if rows:
        session.connection().execute(insert(GRANTS), rows)
        more = update(OFFERS).where(OFFERS.c.code == code).values(taken=OFFERS.c.taken + len(rows))
        session.connection().execute(more)
        session.expire(offer)
    return handed


def locked(session: Session, code: str) -> Offer | None:
    """The offer, held until the transaction ends; all welcome gifts together, for they share their limit."""
    kind = session.scalars(select(col(Offer.kind)).where(col(Offer.code) == code)).first()
    same = col(Offer.kind) == WELCOME_GIFT if kind == WELCOME_GIFT else col(Offer.code) == code
    rows = session.scalars(select(Offer).where(same).order_by(col(Offer.code)).with_for_update())
    return next((one for one in rows if one.code == code), None)


def closed(offer: Offer, today: date) -> str:
    """Why an offer is given to nobody today; empty when it is."""
    if not offer.active:
        return f"offer {offer.name} was retired"
    if offer.starts_on and today < offer.starts_on:
        return f"offer {offer.name} begins on {offer.starts_on}"
    if offer.ends_on and today > offer.ends_on:
        return f"offer {offer.name} ended on {offer.ends_on}"
    if offer.stock is not None and offer.taken >= offer.stock:
        return f"offer {offer.name} is out of stock ({offer.stock})"
    return ""


def unfit(offer: Offer, customer_id: int, had: Mapping[int, int], fits: set[int] | None, given: int) -> str:
    """Why one customer does not get it; empty when she does. `given`: how many were given just now."""
    limit = 1 if offer.kind == WELCOME_GIFT else offer.per_customer
    if had.get(customer_id, 0) >= limit:
        return f"she has had offer {offer.name} already"
    if fits is not None and customer_id not in fits:
        return f"the conditions of offer {offer.name} do not hold for her"
    if offer.stock is not None and offer.taken + given >= offer.stock:
        return f"offer {offer.name} is out of stock ({offer.stock})"
    return ""


def granted_before(session: Session, references: list[str]) -> dict[str, date | None]:
    """What was granted for these references before: until when it holds."""
    found: dict[str, date | None] = {}
    for part in chunks(references):
        rows = session.execute(select(GRANTS.c.reference, GRANTS.c.expires_on).where(GRANTS.c.reference.in_(part)))
        found |= {row.reference: row.expires_on for row in rows}
    return found


def given_to(session: Session, offer: Offer, ids: list[int]) -> dict[int, int]:
    """How often each customer was given it; of welcome gifts any counts."""
    same = select(OFFERS.c.code).where(OFFERS.c.kind == WELCOME_GIFT)
    which = GRANTS.c.offer_code.in_(same) if offer.kind == WELCOME_GIFT else GRANTS.c.offer_code == offer.code
    had: dict[int, int] = {}
    for part in chunks(ids):
        mine = (GRANTS.c.customer_id.in_(part), which, GRANTS.c.state != REVOKED)
        rows = session.execute(select(GRANTS.c.customer_id, func.count()).where(*mine).group_by(GRANTS.c.customer_id))
        had |= {row[0]: row[1] for row in rows}
    return had


def fitting(session: Session, offer: Offer, ids: list[int], day: Day) -> set[int] | None:
    """The customers for whom its conditions hold; None: it has none."""
    if not offer.conditions:
        return None
    condition = CONDITION.validate_python(offer.conditions)
    found: set[int] = set()
    for part in chunks(ids):
        query = select(col(Customer.id)).where(col(Customer.id).in_(part), holds(condition, day))
        found.update(number for number in session.scalars(query) if number)
    return found


def last_day(offer: Offer, today: date) -> date | None:
    """Until when it can be used if it is given today; None: for ever."""
    ends = [offer.ends_on, today + timedelta(days=offer.days) if offer.days else None]
    return min((one for one in ends if one), default=None)


def row_of(offer: Offer, wish: Wish, why: Reason, state: str, until: date | None) -> dict[str, Any]:
    """A grant as a row."""
    return {
        **BLANK,
        "reference": wish.reference,
        "offer_code": offer.code,
        "customer_id": wish.customer_id,
        "userid": wish.userid,
        "source": why.source,
        "cause": why.cause[:200],
        "at": why.at,
        "cost_fen": offer.cost_fen,
        "expires_on": until,
        "state": state,
        "sop_id": why.sop_id,
        "run_id": wish.run_id,
        "position": wish.position,
    }


def settle(session: Session, now: datetime, run_ids: Iterable[int] | None = None) -> None:
    """Let grants follow their to-dos: done, it is given; taken back or not applicable, it returns to the stock.

    Of `run_ids`, whose to-dos somebody pressed, a press that was undone is followed too; without them every offer that
    is set aside is looked at.
    """
    todo = and_(TODOS.c.run_id == GRANTS.c.run_id, TODOS.c.position == GRANTS.c.position)
    reserved = in_state(GRANTS.c, RESERVED)
    undone = and_(GRANTS.c.state == REVOKED, GRANTS.c.reason == NOT_HANDED_OVER)
    given = {"state": GIVEN, "at": now}
    back = {"state": REVOKED, "revoked_at": now, "reason": NOT_HANDED_OVER}
    again = {"state": RESERVED, "revoked_at": None, "reason": ""}
    moves: list[tuple[Any, tuple[str, ...], dict[str, Any], int]] = [
        (reserved, (DONE,), given, 0),
        (reserved, (WITHDRAWN, NOT_APPLICABLE), back, 1),
    ]
    mine = GRANTS.c.run_id.is_not(None)
    if run_ids is not None:
        mine = GRANTS.c.run_id.in_(list(run_ids))
        moves += [(GRANTS.c.state == GIVEN, (OPEN,), again, 0), (undone, (OPEN,), again, -1)]
    for state, todo_states, values, returned in moves:
        theirs = exists(select(1).where(todo, TODOS.c.state.in_(todo_states)))
        moved = update(GRANTS).where(mine, state, theirs).values(**values)
        codes = list(session.connection().execute(moved.returning(GRANTS.c.offer_code)).scalars())
        if returned:
            put_back(session, codes, returned)


@dataclass(frozen=True)
class Choice:
    """An offer as a member sees it for one customer."""

    offer: Offer
    reason: str
    """Why it cannot be given; empty when it can."""


def choices(session: Session, customer_id: int, day: Day) -> list[Choice]:
    """Every offer that is given today, with whether this customer may have it."""
    found = []
    for offer in session.scalars(select(Offer).where(col(Offer.active)).order_by(col(Offer.name))).all():
        if closed(offer, day.today):
            continue
        had = given_to(session, offer, [customer_id])
        found.append(Choice(offer, unfit(offer, customer_id, had, fitting(session, offer, [customer_id], day), 0)))
    return found


def offer_words(session: Session, code: str, today: date) -> dict[str, str]:
    """The variables of an offer that is given today; what is not known is left to the fallback."""
    offer = session.get(Offer, code)
    if offer is None:
        return {}
    values = {"offer.name": offer.name, "offer.terms": offer.terms, "offer.ends_on": spoken(last_day(offer, today))}
    return {name: value for name, value in values.items() if value}
