"""Asking the platform about one customer after an event, and taking over what it says: once, and never an older answer.

The event of a change in the client tells only that something changed; adds tell no name. One job asks for both.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlmodel import Session, col
from sqlmodel import select as select_model

from bot.clock import Clock
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, enqueue
from bot.wecom.errors import NoRelation, WeComError
from bot.wecom.results import ExternalContact, Follow
from contacts.changes import customer_of
from contacts.corp_tags import ask_for_list
from contacts.identities import claim_phones
from contacts.models import Customer, FollowUser, Identity
from contacts.names import hear
from contacts.records import UNION
from contacts.tag_push import TAGS, Pair, ask_to_push, lane_of
from contacts.tagging import Why, follow_platform
from contacts.tags import CLIENT

FETCH_CUSTOMER = "fetch_customer"
UNKNOWN_CUSTOMER = 40096
CORP, RULE_GROUP = 1, 3
"""Types of tags that have an id; personal ones have none and stay the member's own."""
TIES: Table = FollowUser.__table__  # type: ignore[attr-defined]


def fetch_job(external_userid: str, cause: str, now: datetime, due: datetime | None = None) -> NewJob:
    """The job that asks about a customer; `cause` tells one reason from another."""
    key, lane = f"{FETCH_CUSTOMER}:{cause}:{external_userid}", lane_of(external_userid)
    return NewJob(key, FETCH_CUSTOMER, now, lane, {"external_userid": external_userid}, run_at=due)


def ask_to_fetch(
    session: Session, external_userid: str, cause: str, now: datetime, *, due: datetime | None = None
) -> None:
    """Ask the platform about a customer after this transaction, or when due; once per cause."""
    enqueue(session, fetch_job(external_userid, cause, now, due))


def fetch_customer(gateway: Gateway, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that asks, and stores what is new."""

    async def run(job: Job) -> Done:
        asked_at = clock.now()
        try:
            contact = await gateway.customer(job.payload["external_userid"])
        except NoRelation:
            return Done("no contact yet, or no more")  # the full add asks again
        except WeComError as error:
            if error.errcode != UNKNOWN_CUSTOMER:
                raise
            return Done("not in the app's scope")
        return Done("fetched", then=lambda session: store(session, contact, asked_at, clock.now()))

    return run


def store(session: Session, contact: ExternalContact, asked_at: datetime, now: datetime) -> None:
    """Take over what the platform said when it was asked; what has become known since is left as it is."""
    customer = customer_of(session, contact.external_userid)
    if customer is None or customer.id is None or customer.erased_at:
        return
    mine = select_model(FollowUser).where(FollowUser.customer_id == customer.id)
    ties = {tie.userid: tie for tie in session.exec(mine)}
    told = [(ties[one.userid], one) for one in contact.follows if one.userid in ties]
    older = [tie.fetched_at for tie, _ in told if tie.fetched_at and tie.fetched_at >= asked_at]
    if not older:
        store_profile(session, customer, contact)
    for tie, follow in told:
        if tie.fetched_at is None or tie.fetched_at < asked_at:
            store_tie(session, tie, follow, asked_at, now)
    claim_phones(session, [(customer.id, phone) for _, follow in told for phone in follow.remark_mobiles], now)


def store_profile(session: Session, customer: Customer, contact: ExternalContact) -> None:
    """The customer's own half: what the platform leaves open stays as it is."""
    customer.name = contact.name or customer.name
    customer.gender = contact.gender or customer.gender
    customer.kind = contact.type
    session.add(customer)
    hear(session, [(customer.id or 0, customer.name)])
    if contact.unionid:
        claim(session, customer.id or 0, UNION, [contact.unionid])


def store_tie(session: Session, tie: FollowUser, follow: Follow, asked_at: datetime, now: datetime) -> None:
    """One member's half: remark, description, company, phones and tags; then what waited for the full add goes out."""
    tie.remark, tie.description, tie.company = follow.remark, follow.description, follow.remark_corp_name
    tie.phones, tie.add_way, tie.fetched_at = list(follow.remark_mobiles), follow.add_way, asked_at
    session.add(tie)
    session.flush()
    hear(session, [(tie.customer_id, tie.remark)])
    pair = Pair(tie.customer_id, tie.userid)
    shown = {one.tag_id: one.tag_name for one in follow.tags if one.tag_id}
    follow_platform(session, {pair: shown}, Why(CLIENT, now, tie.userid), names=shown)
    learn_tags(session, {one.tag_id for one in follow.tags if one.tag_id and one.type == CORP}, now)
    ask_to_push(session, pair, now)


def learn_tags(session: Session, tag_ids: set[str], now: datetime) -> None:
    """A tag whose own event has not come yet is looked up."""
    known = set(session.execute(select(TAGS.c.id).where(TAGS.c.id.in_(tag_ids))).scalars())
    for tag_id in sorted(tag_ids - known):
        ask_for_list(session, tag_id, is_group=False, cause=f"seen:{now:%Y%m%dT%H%M%S%f}", now=now)


def claim(session: Session, customer_id: int, kind: str, values: list[Any]) -> None:
    """Make ids the customer's that nobody has."""
    taken = select_model(Identity.value).where(Identity.kind == kind, col(Identity.value).in_(values))
    known = set(session.exec(taken)) if values else set()
    free = [value for value in values if value not in known]
    session.add_all(Identity(customer_id=customer_id, kind=kind, value=value) for value in free)
