"""Exits: what ends a run before its last step, in one statement per reason; open to-dos of ended runs are withdrawn."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlmodel import Session, col

from contacts.care import may_be_contacted
from contacts.facts import Booking, Order, Visit
from contacts.models import Customer, FollowUser
from contacts.tags import PairTag, Tag
from sop import rules
from sop.conditions import CANCELLED, ONE
from sop.sops import ACTIVE, EXITED, FINISHED, OPEN, RUNS, TODOS, WITHDRAWN, SopVersion, Todo

R = RUNS.c
GOOD_RESULTS = ("replied", "booked", "deal")
WINDOW_OVER = "the window is over"


def exit_runs(session: Session, version: SopVersion, today: date, now: datetime, only: list[int] | None = None) -> int:
    """End the version's runs that are over, each with its reason; answers how many."""
    ended = 0
    for state, reason, condition in endings(version.rule, today):
        which = [R.version_id == version.id, R.state == ACTIVE, condition]
        if only is not None:
            which.append(R.customer_id.in_(only))
        done = session.connection().execute(update(RUNS).where(*which).values(state=state, reason=reason, ended_at=now))
        ended += done.rowcount
    if ended:
        withdraw(session, now)
    return ended


def endings(rule: rules.Rule, today: date) -> Iterator[tuple[str, str, ColumnElement[bool]]]:
    """(state, reason, condition over runs), the weightiest first."""
    whose = R.customer_id
    gone = (
        col(Customer.id) == whose,
        or_(col(Customer.merged_into).is_not(None), col(Customer.erased_at).is_not(None)),
    )
    yield EXITED, "the customer's record is gone", exists(select(ONE).where(*gone))
    yield EXITED, "do not contact, or a complaint is open", ~may_be_contacted(whose, today, rule.topic or "")
    if rule.when.kind != "customer_lost":
        living = (col(FollowUser.customer_id) == whose, col(FollowUser.lost_at).is_(None))
        known = col(FollowUser.customer_id) == whose
        yield (
            EXITED,
            "the customer is lost",
            and_(exists(select(ONE).where(known)), ~exists(select(ONE).where(*living))),
        )
    for goal in rule.until.goal:
        yield FINISHED, f"goal reached: {goal}", happened(goal, R.since)
    if rule.when.kind == "booking_missed":
        yield EXITED, "visited after all", happened("visited", R.since)
    if rule.until.tagged:
        borne = select(ONE).select_from(PairTag).join(Tag, col(Tag.id) == col(PairTag.tag_id))
        mine = (col(PairTag.customer_id) == whose, col(Tag.name).in_([one.split("/")[-1] for one in rule.until.tagged]))
        yield EXITED, "tagged " + ", ".join(rule.until.tagged), exists(borne.where(*mine))
    if rule.until.window_days:
        yield FINISHED, WINDOW_OVER, R.day < today - timedelta(days=rule.until.window_days)


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
    taken = update(TODOS).where(TODOS.c.state == OPEN, TODOS.c.run_id.is_not(None), over)
    reason = select(R.reason).where(R.id == TODOS.c.run_id).scalar_subquery()
    return session.connection().execute(taken.values(state=WITHDRAWN, closed_at=now, result=reason)).rowcount
