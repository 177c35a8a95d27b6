"""Exits: what ends a run before its last step, in one statement per reason; open to-dos of ended runs are withdrawn."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlmodel import Session, col

from contacts.care import may_be_contacted
from contacts.facts import Booking, Order, Visit
from contacts.models import Customer, FollowUser
from contacts.tags import PairTag, Tag
from sop import rules
from sop.conditions import CANCELLED, ONE
from sop.sops import ACTIVE, EXITED, FINISHED, IS_OPEN, RUNS, TODOS, WITHDRAWN, SopVersion, Todo

R = RUNS.c
GOOD_RESULTS = ("replied", "booked", "deal")
WINDOW_OVER = "the window is over"


@dataclass(frozen=True)
class Ending:
    """Why a run is over: the state it ends in, the reason, and what finds such runs. The same for many versions."""

    state: str
    reason: str
    find: Callable[..., ColumnElement[bool]]
    """A condition over runs, made of `told`."""
    told: tuple[Any, ...] = ()


def exit_runs(
    session: Session, versions: Iterable[SopVersion], today: date, now: datetime, only: list[int] | None = None
) -> int:
    """End these versions' runs that are over, each with its weightiest reason; answers how many."""
    whose: dict[Ending, list[int]] = defaultdict(list)
    for version in versions:
        for ending in endings(version.rule, today):
            whose[ending].append(version.id or 0)
    ended = 0
    for ending in sorted(whose, key=lambda one: WEIGHT.index(one.find)):
        which = [R.version_id.in_(whose[ending]), R.state == ACTIVE, ending.find(*ending.told)]
        if only is not None:
            which.append(R.customer_id.in_(only))
        values = {"state": ending.state, "reason": ending.reason, "ended_at": now}
        ended += session.connection().execute(update(RUNS).where(*which).values(values)).rowcount
    if ended:
        withdraw(session, now)
    return ended


def endings(rule: rules.Rule, today: date) -> Iterator[Ending]:
    """What ends a rule's runs."""
    yield Ending(EXITED, "the customer's record is gone", gone)
    yield Ending(EXITED, "do not contact, or a complaint is open", left_alone, (today, rule.topic or ""))
    if rule.when.kind != "customer_lost":
        yield Ending(EXITED, "the customer is lost", lost)
    for goal in rule.until.goal:
        yield Ending(FINISHED, f"goal reached: {goal}", followed, (goal,))
    if rule.when.kind == "booking_missed":
        yield Ending(EXITED, "visited after all", came)
    if rule.until.tagged:
        names = tuple(one.split("/")[-1] for one in rule.until.tagged)
        yield Ending(EXITED, "tagged " + ", ".join(rule.until.tagged), bears, (names,))
    if rule.until.window_days:
        yield Ending(FINISHED, WINDOW_OVER, began_before, (today - timedelta(days=rule.until.window_days),))


def gone() -> ColumnElement[bool]:
    """Her record was merged into another, or erased."""
    ended = or_(col(Customer.merged_into).is_not(None), col(Customer.erased_at).is_not(None))
    return exists(select(ONE).where(col(Customer.id) == R.customer_id, ended))


def left_alone(today: date, topic: str) -> ColumnElement[bool]:
    """She is not to be contacted, about this or at all."""
    return ~may_be_contacted(R.customer_id, today, topic)


def lost() -> ColumnElement[bool]:
    """She was a friend of somebody here, and is nobody's any more."""
    known = select(ONE).where(col(FollowUser.customer_id) == R.customer_id)
    return and_(exists(known), ~exists(known.where(col(FollowUser.lost_at).is_(None))))


def followed(goal: str) -> ColumnElement[bool]:
    """She did what the rule wants."""
    return happened(goal, R.since)


def came() -> ColumnElement[bool]:
    """She came, although the appointment was missed."""
    return happened("visited", R.since)


def bears(names: Sequence[str]) -> ColumnElement[bool]:
    """She bears one of these tags."""
    borne = select(ONE).select_from(PairTag).join(Tag, col(Tag.id) == col(PairTag.tag_id))
    return exists(borne.where(col(PairTag.customer_id) == R.customer_id, col(Tag.name).in_(names)))


def began_before(day: date) -> ColumnElement[bool]:
    """Its window is over."""
    return R.day < day


WEIGHT: tuple[Callable[..., ColumnElement[bool]], ...] = (gone, left_alone, lost, followed, came, bears, began_before)
"""Of several endings that hold for a run the first is its reason."""


def happened(event: str, since: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Whether the run's customer did something after a moment."""
    whose = R.customer_id
    if event == "visited":
        return exists(select(ONE).where(col(Visit.customer_id) == whose, col(Visit.at) > since))
    if event == "ordered":
        return exists(select(ONE).where(col(Order.customer_id) == whose, col(Order.at) > since))
    if event == "booked":
        made = (col(Booking.customer_id) == whose, col(Booking.made_at) > since, col(Booking.status) != CANCELLED)
        return exists(select(ONE).where(*made))
    answered = (col(Todo.run_id) == R.id, col(Todo.result).in_(GOOD_RESULTS))
    return exists(select(ONE).where(*answered))


def withdraw(session: Session, now: datetime) -> int:
    """Take back open to-dos whose run is over: their reason is gone."""
    over = exists(select(ONE).where(R.id == TODOS.c.run_id, R.state.in_((EXITED, FINISHED)), R.reason != ""))
    taken = update(TODOS).where(IS_OPEN, TODOS.c.run_id.is_not(None), over)
    reason = select(R.reason).where(R.id == TODOS.c.run_id).scalar_subquery()
    return session.connection().execute(taken.values(state=WITHDRAWN, closed_at=now, result=reason)).rowcount
