"""Mass sends (企业群发): asked of WeCom per member, confirmed by her in her client, their results fetched.

A task is made once and never again. What becomes of each customer is written to the run that asked, with the reason.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Index, Table, UniqueConstraint, bindparam, insert, select, update
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import BigId, Database, UtcTime
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Runner, enqueue
from bot.wecom.errors import WeComError
from contacts.care import may_be_contacted
from contacts.facts import MASS_SEND, Touch
from contacts.models import Identity
from sop.sops import StepOutcome

ASK, RESULT = "mass_send", "mass_send_result"
"""Kinds of jobs."""
ASKED, CREATED, CONFIRMED, REFUSED, UNCONFIRMED = "asked", "created", "confirmed", "refused", "unconfirmed"
LOOK_AFTER = timedelta(hours=2)
LOOKS = 36
"""Three days of looks; whoever has not confirmed by then will not."""
DISPATCHING = 41063
MOST = 10_000
"""Customers of one task."""
REFUSALS = {41048, 40063, 84061, 40003, 48002}
UNSENT, SENT, NO_FRIEND, HAD_ENOUGH, IN_PEACE = 0, 1, 2, 3, 4
"""The platform's statuses, and ours for who was left out at the last moment."""
REASONS = {
    NO_FRIEND: "she is no WeCom friend of the member any more",
    HAD_ENOUGH: "she had as many mass sends as the platform lets her get",
    IN_PEACE: "do not contact, or a complaint is open",
}
OUTCOMES: Table = StepOutcome.__table__  # type: ignore[attr-defined]


class MassSend(SQLModel, table=True):
    """One task for one member."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    key: str = Field(unique=True)
    userid: str
    text: str
    sop_id: int | None = None
    position: str = ""
    """The step of the runs that asked."""
    msgid: str = ""
    state: str = ASKED
    reason: str = ""
    looks: int = 0
    asked_at: datetime = Field(sa_type=UtcTime, index=True)


class MassSendCustomer(SQLModel, table=True):
    """One customer of a task, and the run that asked."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    mass_send_id: int = Field(sa_type=BigId)
    customer_id: int = Field(sa_type=BigId)
    external_userid: str
    run_id: int | None = Field(default=None, sa_type=BigId)
    status: int = UNSENT

    __table_args__ = (
        UniqueConstraint("mass_send_id", "external_userid"),
        Index("ix_masssendcustomer_customer", "customer_id"),
    )


RECIPIENTS: Table = MassSendCustomer.__table__  # type: ignore[attr-defined]
STATUS = update(RECIPIENTS).where(RECIPIENTS.c.id == bindparam("which")).values(status=bindparam("found"))


@dataclass(frozen=True)
class Wanted:
    """One text of one member; `key` is what for, and is asked once for ever."""

    key: str
    userid: str
    text: str
    sop_id: int | None = None
    position: str = ""


def ask(session: Session, wanted: Wanted, runs: Mapping[int, int], now: datetime) -> list[int]:
    """Ask for it to be sent to customers ({id: run id}); answers those who have no WeCom identity and are left out."""
    first = select(col(MassSend.id)).where(col(MassSend.key) == wanted.key)
    if session.scalars(first).first():
        return []
    known = identities(session, sorted(runs))
    for number, start in enumerate(range(0, len(known), MOST)):
        key = f"{wanted.key}:{number}" if number else wanted.key
        ask_part(session, wanted, key, [(one, value, runs[one]) for one, value in known[start : start + MOST]], now)
    return sorted(set(runs) - {one for one, _ in known})


def identities(session: Session, customers: list[int]) -> list[tuple[int, str]]:
    """(customer id, external userid) of those who have one."""
    known = select(col(Identity.customer_id), col(Identity.value)).where(col(Identity.kind) == "external_userid")
    found: list[tuple[int, str]] = []
    for start in range(0, len(customers), 400):
        rows = session.execute(known.where(col(Identity.customer_id).in_(customers[start : start + 400])))
        found += [(one, value) for one, value in rows]
    return found


def ask_part(session: Session, wanted: Wanted, key: str, to: list[tuple[int, str, int]], now: datetime) -> None:
    """One task of at most so many customers as the platform takes."""
    made = MassSend(
        key=key, userid=wanted.userid, text=wanted.text, sop_id=wanted.sop_id, position=wanted.position, asked_at=now
    )
    session.add(made)
    session.flush()
    names = ("customer_id", "external_userid", "run_id")
    rows = [{"mass_send_id": made.id, "status": UNSENT, **dict(zip(names, one, strict=True))} for one in to]
    session.connection().execute(insert(RECIPIENTS), rows)
    lane = f"{ASK}:{wanted.userid}"
    enqueue(session, NewJob(f"{ASK}:{key}", ASK, now, lane=lane, payload={"id": made.id}, priority=Priority.PUSH))


def asker(gateway: Gateway, database: Database, clock: Clock, zone: ZoneInfo) -> Runner:
    """The runner that makes a task on the platform; a refusal is kept.

    After an attempt whose answer never came the platform is asked first: a task that is there is not made again.
    """

    async def run(job: Job) -> Done:
        task_id, now = job.payload["id"], clock.now()
        task = await database.read(lambda session: session.get_one(MassSend, task_id))
        who, spared = await database.read(lambda session: recipients(session, task_id, now, zone))
        if not who:
            return Done(REFUSED, then=closed(task, REFUSED, "none of the customers may be sent to", now, spared))
        msgid, failed = "", list[str]()
        if job.unanswered:
            msgid = await gateway.find_mass_send(task.userid, task.text, job.created_at, now)
        try:
            if not msgid:
                msgid, failed = await gateway.ask_mass_send(task.userid, who, task.text)
        except WeComError as error:
            if error.errcode not in REFUSALS:
                raise
            return Done(REFUSED, then=closed(task, REFUSED, str(error), now, spared))

        def then(session: Session) -> None:
            session.execute(update(MassSend).where(col(MassSend.id) == task_id).values(msgid=msgid, state=CREATED))
            take(session, task, dict.fromkeys(spared, IN_PEACE) | dict.fromkeys(failed, NO_FRIEND), now)
            look_again(session, task_id, 1, now)

        return Done(CREATED, then=then)

    def given_up(session: Session, job: Job, reason: str) -> None:
        closed(session.get_one(MassSend, job.payload["id"]), REFUSED, reason, clock.now())(session)

    return Runner(run, given_up)


def recipients(session: Session, task_id: int, now: datetime, zone: ZoneInfo) -> tuple[list[str], list[str]]:
    """External userids of a task: whom to send to, and who must be left in peace at this moment."""
    peace = may_be_contacted(RECIPIENTS.c.customer_id, now.astimezone(zone).date())
    query = select(col(MassSendCustomer.external_userid), peace).where(col(MassSendCustomer.mass_send_id) == task_id)
    rows = session.execute(query.order_by(col(MassSendCustomer.id))).all()
    return [one for one, may in rows if may], [one for one, may in rows if not may]


def closed(
    task: MassSend, state: str, reason: str, now: datetime, spared: Sequence[str] = ()
) -> Callable[[Session], None]:
    """The write that ends a task nobody was sent; each run hears why."""

    def write(session: Session) -> None:
        ended = update(MassSend).where(col(MassSend.id) == task.id).values(state=state, reason=reason[:300])
        session.execute(ended)
        take(session, task, dict.fromkeys(spared, IN_PEACE), now)
        unsent = (RECIPIENTS.c.mass_send_id == task.id, RECIPIENTS.c.status == UNSENT, RECIPIENTS.c.run_id.is_not(None))
        runs = session.connection().execute(select(RECIPIENTS.c.run_id).where(*unsent)).scalars()
        put_on_record(session, task, dict.fromkeys(runs, ("skipped", f"mass send: {reason}"[:300])), now)

    return write


def look_again(session: Session, task_id: int, look: int, now: datetime) -> None:
    """Ask for the results in two hours."""
    at, payload = now + LOOK_AFTER, {"id": task_id, "look": look}
    job = NewJob(f"{RESULT}:{task_id}:{look}", RESULT, now, payload=payload, priority=Priority.SYNC, run_at=at)
    enqueue(session, job)


def fetcher(gateway: Gateway, database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that fetches what became of a task; each customer it reached is a confirmed touch."""

    async def run(job: Job) -> Done:
        task_id, look = job.payload["id"], job.payload["look"]
        task = await database.read(lambda session: session.get_one(MassSend, task_id))
        try:
            statuses = await gateway.mass_send_results(task.msgid, task.userid)
        except WeComError as error:
            if error.errcode != DISPATCHING:
                raise
            statuses = {}
        over = bool(statuses) and (SENT in statuses.values() or UNSENT not in statuses.values())

        def then(session: Session) -> None:
            now = clock.now()
            take(session, task, statuses, now)
            if over:
                session.execute(update(MassSend).where(col(MassSend.id) == task_id).values(state=CONFIRMED, looks=look))
            elif look < LOOKS:
                look_again(session, task_id, look + 1, now)
            else:
                closed(task, UNCONFIRMED, f"{task.userid} did not confirm it within 3 days", now)(session)

        return Done(f"{sum(one == SENT for one in statuses.values())} sent", then=then)

    return run


def take(session: Session, task: MassSend, statuses: Mapping[str, int], now: datetime) -> None:
    """Write what became of customers, where that is new: their status, a touch of who was reached, the outcome."""
    rows = session.connection().execute(select(RECIPIENTS).where(RECIPIENTS.c.mass_send_id == task.id)).all()
    new = [
        (row, statuses[row.external_userid])
        for row in rows
        if statuses.get(row.external_userid, row.status) != row.status
    ]
    if not new:
        return
    session.connection().execute(STATUS, [{"which": row.id, "found": status} for row, status in new])
    session.add_all(reached(task, row.customer_id, now) for row, status in new if status == SENT)
    outcomes = {
        row.run_id: ("sent", "") if status == SENT else ("skipped", f"mass send: {REASONS.get(status, status)}")
        for row, status in new
        if row.run_id
    }
    put_on_record(session, task, outcomes, now)


def put_on_record(session: Session, task: MassSend, outcomes: Mapping[int, tuple[str, str]], now: datetime) -> None:
    """The outcome of the step for each run."""
    rows: list[dict[str, Any]] = [
        {"run_id": run_id, "position": task.position, "at": now, "outcome": outcome, "reason": reason}
        for run_id, (outcome, reason) in outcomes.items()
    ]
    if rows:
        session.connection().execute(insert(OUTCOMES), rows)


def reached(task: MassSend, customer_id: int, now: datetime) -> Touch:
    """The confirmed touch of one customer."""
    return Touch(
        at=now,
        customer_id=customer_id,
        userid=task.userid,
        scene=MASS_SEND,
        reference=f"{MASS_SEND}:{task.id}",
        confirmed=True,
        sop_id=task.sop_id,
    )
