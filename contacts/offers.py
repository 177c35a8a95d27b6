"""Offers (见面礼, 到店礼, 权益) and each that was reserved, given, claimed and redeemed. Whom one fits is for `sop`."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, Table, func, select, text, update
from sqlmodel import Column, Field, Session, SQLModel, col

from bot.database import BigId, UtcTime
from contacts.facts import Act
from contacts.models import PLAIN_JSON

WELCOME_GIFT, VISIT_GIFT, BENEFIT = "welcome_gift", "visit_gift", "benefit"
"""Kinds: of welcome gifts a customer gets one in all, however many members she adds and whichever it is."""
RESERVED, GIVEN, CLAIMED, REDEEMED, REVOKED = "reserved", "given", "claimed", "redeemed", "revoked"
"""States of a grant; reserved: a to-do that is to hand it over is open."""
HELD = (GIVEN, CLAIMED)
"""States in which it can be redeemed."""
OFFER_CLAIMED, OFFER_REDEEMED = "offer_claimed", "offer_redeemed"
"""Names of acts by which other systems tell; the property `offer` is its code."""


class Offer(SQLModel, table=True):
    """Something that may be given to a customer; `conditions` is in the rule language, evaluated by `sop`."""

    code: str = Field(primary_key=True)
    name: str
    kind: str = BENEFIT
    terms: str = ""
    """How and where she uses it, as she is told."""
    cost_fen: int = Field(default=0, sa_type=BigId)
    """What one costs the company."""
    stock: int | None = None
    """How many there are in all; None: as many as wanted."""
    taken: int = 0
    """How many of them are reserved or given."""
    starts_on: date | None = None
    ends_on: date | None = None
    """The last day on which it is given and can be used."""
    days: int | None = None
    """For how many days after it was given it can be used."""
    per_customer: int = 1
    campaign_id: int | None = None
    conditions: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    active: bool = True
    pack: str = ""
    updated_at: datetime = Field(sa_type=UtcTime)


class OfferGrant(SQLModel, table=True):
    """One offer for one customer: who gave it and why, and what became of it."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    reference: str = Field(unique=True)
    """What it was given for: the same again gives nothing more."""
    offer_code: str
    customer_id: int = Field(sa_type=BigId)
    userid: str
    source: str
    """rule, chat or welcome."""
    cause: str = ""
    """The rule and its version, the words, the flow."""
    at: datetime = Field(sa_type=UtcTime)
    """When it was reserved, then when it was given."""
    cost_fen: int = Field(default=0, sa_type=BigId)
    expires_on: date | None = None
    state: str = GIVEN
    sop_id: int | None = None
    run_id: int | None = Field(default=None, sa_type=BigId)
    position: str = ""
    """The step of the run whose to-do hands it over."""
    claimed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    redeemed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcTime)
    ended_by: str = ""
    reason: str = ""

    __table_args__ = (
        Index("ix_offergrant_customer", "customer_id", "offer_code"),
        Index("ix_offergrant_offer", "offer_code", "at"),
        Index("ix_offergrant_run", "run_id", "position"),
        Index("ix_offergrant_reserved", "id", sqlite_where=text("state = 'reserved'"),
              postgresql_where=text("state = 'reserved'")),
    )  # fmt: skip


GRANTS: Table = OfferGrant.__table__  # type: ignore[attr-defined]


class NoSuchGrant(Exception):
    """There is nothing to redeem or to take back; the text is the grant's state, or empty without one."""


def held_by(session: Session, customer_id: int) -> list[tuple[OfferGrant, Offer]]:
    """What a customer was given, the newest first, with the offers."""
    query = select(OfferGrant, Offer).join(Offer, col(Offer.code) == col(OfferGrant.offer_code))
    rows = session.execute(query.where(col(OfferGrant.customer_id) == customer_id).order_by(col(OfferGrant.id).desc()))
    return [(grant, offer) for grant, offer in rows]


def grant_of(session: Session, code: str, customer_id: int, states: Sequence[str]) -> OfferGrant:
    """The oldest grant in one of these states. Raises `NoSuchGrant` with the state of the newest other."""
    mine = (col(OfferGrant.offer_code) == code, col(OfferGrant.customer_id) == customer_id)
    rows = list(session.scalars(select(OfferGrant).where(*mine).order_by(col(OfferGrant.id))))
    for one in rows:
        if one.state in states:
            return one
    raise NoSuchGrant(rows[-1].state if rows else "")


def claim(session: Session, code: str, customer_id: int, now: datetime) -> OfferGrant:
    """She took it. Raises `NoSuchGrant`."""
    grant = grant_of(session, code, customer_id, [GIVEN])
    grant.state, grant.claimed_at = CLAIMED, now
    session.add(grant)
    return grant


def redeem(session: Session, code: str, customer_id: int, by: str, now: datetime) -> OfferGrant:
    """She used it. Raises `NoSuchGrant`; whether it still holds is the asker's to look at first."""
    grant = grant_of(session, code, customer_id, HELD)
    grant.state, grant.redeemed_at, grant.ended_by = REDEEMED, now, by
    session.add(grant)
    return grant


def revoke(session: Session, code: str, customer_id: int, by: str, now: datetime, *, reason: str = "") -> OfferGrant:
    """Take it back unused; it returns to the stock. Raises `NoSuchGrant`."""
    grant = grant_of(session, code, customer_id, (RESERVED, *HELD))
    grant.state, grant.revoked_at, grant.ended_by, grant.reason = REVOKED, now, by, reason[:200]
    session.add(grant)
    session.flush()
    put_back(session, [code])
    return grant


def close_reserved(session: Session, reference: str, now: datetime, *, reason: str = "") -> None:
    """What was set aside is given; or, with the reason why not, returns to the stock. Done twice it is done once."""
    mine = (GRANTS.c.reference == reference, GRANTS.c.state == RESERVED)
    if not reason:
        session.connection().execute(update(GRANTS).where(*mine).values(state=GIVEN, at=now))
        return
    back = update(GRANTS).where(*mine).values(state=REVOKED, revoked_at=now, reason=reason[:200])
    put_back(session, list(session.connection().execute(back.returning(GRANTS.c.offer_code)).scalars()))


def put_back(session: Session, codes: Sequence[str], each: int = 1) -> None:
    """Return so many to the stock for each code named; -1 takes them out again."""
    for code, number in Counter(codes).items():
        session.execute(update(Offer).where(col(Offer.code) == code).values(taken=col(Offer.taken) - number * each))


def take_acts(session: Session, since: datetime, customer_ids: Sequence[int] | None = None) -> int:
    """What other systems told since a moment: offers claimed and redeemed; answers how many grants moved on.

    An act is taken once: a grant only goes forward. One of an offer she does not hold is left alone.
    """
    told = select(Act).where(col(Act.name).in_((OFFER_CLAIMED, OFFER_REDEEMED)), col(Act.at) >= since)
    if customer_ids is not None:
        told = told.where(col(Act.customer_id).in_(customer_ids))
    moved = 0
    for act in session.scalars(told.order_by(col(Act.at), col(Act.id))).all():
        moved += taken(session, act)
    return moved


def taken(session: Session, act: Act) -> bool:
    """Whether an act moved a grant on; the moment it happened tells that it was taken before."""
    code, redeemed = str(act.properties.get("offer", "")), act.name == OFFER_REDEEMED
    moment = col(OfferGrant.redeemed_at) if redeemed else col(OfferGrant.claimed_at)
    known = (col(OfferGrant.customer_id) == act.customer_id, col(OfferGrant.offer_code) == code, moment == act.at)
    if session.scalars(select(col(OfferGrant.id)).where(*known).limit(1)).first():
        return False
    try:
        if redeemed:
            redeem(session, code, act.customer_id, act.userid or "", act.at)
        else:
            claim(session, code, act.customer_id, act.at)
    except NoSuchGrant:
        return False
    session.flush()
    return True


def counted(session: Session, code: str) -> dict[str, int]:
    """How many grants of an offer stand in each state."""
    grouped = select(GRANTS.c.state, func.count()).where(GRANTS.c.offer_code == code).group_by(GRANTS.c.state)
    return {row[0]: row[1] for row in session.execute(grouped)}
