"""Mass sends (企业群发): asked of WeCom per member, confirmed by her in her client, their results fetched.

A task is made once and never again: what the platform refuses is kept with its reason.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy import Column, Index, UniqueConstraint, insert, select, update
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import BigId, Database, UtcTime
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Runner, enqueue
from bot.wecom.errors import WeComError
from contacts.facts import MASS_SEND, Touch
from contacts.models import Identity

ASK, RESULT = "mass_send", "mass_send_result"
"""Kinds of jobs."""
ASKED, CREATED, CONFIRMED, REFUSED = "asked", "created", "confirmed", "refused"
LOOK_AFTER = timedelta(hours=2)
LOOKS = 36
"""Three days of looks; whoever has not confirmed by then will not."""
SENT = 1


class MassSend(SQLModel, table=True):
    """One task for one member."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    key: str = Field(unique=True)
    userid: str
    text: str
    sop_id: int | None = None
    msgid: str = ""
    state: str = ASKED
    reason: str = ""
    looks: int = 0
    asked_at: datetime = Field(sa_type=UtcTime, index=True)


class MassSendCustomer(SQLModel, table=True):
    """One customer of a task; status as the platform's: 0 unsent, 1 sent, 2 no friend, 3 over the monthly number."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    mass_send_id: int = Field(sa_type=BigId)
    customer_id: int = Field(sa_type=BigId)
    external_userid: str
    status: int = 0

    __table_args__ = (
        UniqueConstraint("mass_send_id", "external_userid"),
        Index("ix_masssendcustomer_customer", "customer_id"),
    )


def ask(
    session: Session, key: str, userid: str, text: str, customers: list[int], *, sop_id: int | None, now: datetime
) -> None:
    """Ask for one task; the same key again asks nothing. Customers without a WeCom identity are left out."""
    if session.scalars(select(MassSend).where(col(MassSend.key) == key)).first():
        return
    made = MassSend(key=key, userid=userid, text=text, sop_id=sop_id, asked_at=now)
    session.add(made)
    session.flush()
    known = select(col(Identity.customer_id), col(Identity.value)).where(col(Identity.kind) == "external_userid")
    for start in range(0, len(customers), 400):
        found = session.execute(known.where(col(Identity.customer_id).in_(customers[start : start + 400]))).all()
        rows = [
            {"mass_send_id": made.id, "customer_id": one, "external_userid": value, "status": 0} for one, value in found
        ]
        if rows:
            session.execute(insert(MassSendCustomer), rows)
    job = NewJob(f"{ASK}:{key}", ASK, now, lane=f"{ASK}:{userid}", payload={"id": made.id}, priority=Priority.PUSH)
    enqueue(session, job)


def asker(gateway: Gateway, database: Database, clock: Clock) -> Runner:
    """The runner that makes a task on the platform; a refusal is kept, a doubtful attempt is not repeated."""

    async def run(job: Job) -> Done:
        task = await database.read(lambda session: session.get_one(MassSend, job.payload["id"]))
        who = await database.read(lambda session: recipients(session, job.payload["id"]))
        if job.unanswered:
            return Done(REFUSED, then=closed(task.id or 0, "an attempt without an answer may have made the task"))
        if not who:
            return Done(REFUSED, then=closed(task.id or 0, "none of the customers is a WeCom friend"))
        try:
            msgid, failed = await gateway.ask_mass_send(task.userid, who, task.text)
        except WeComError as error:
            if error.errcode not in {41048, 40063, 84061, 40003, 48002}:
                raise
            return Done(REFUSED, then=closed(task.id or 0, str(error)))

        def then(session: Session) -> None:
            session.execute(update(MassSend).where(col(MassSend.id) == task.id).values(msgid=msgid, state=CREATED))
            lost = (col(MassSendCustomer.mass_send_id) == task.id, col(MassSendCustomer.external_userid).in_(failed))
            session.execute(update(MassSendCustomer).where(*lost).values(status=2))
            look_again(session, task.id or 0, 1, clock.now())

        return Done(CREATED, then=then)

    def given_up(session: Session, job: Job, reason: str) -> None:
        closed(job.payload["id"], reason)(session)

    return Runner(run, given_up)


def recipients(session: Session, task_id: int) -> list[str]:
    """External userids of a task."""
    mine = col(MassSendCustomer.mass_send_id) == task_id
    return list(session.scalars(select(col(MassSendCustomer.external_userid)).where(mine)))


def closed(task_id: int, reason: str) -> Callable[[Session], None]:
    """The write that ends a task which was not made."""

    def write(session: Session) -> None:
        session.execute(update(MassSend).where(col(MassSend.id) == task_id).values(state=REFUSED, reason=reason[:300]))

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
        statuses = await gateway.mass_send_results(task.msgid, task.userid)

        def then(session: Session) -> None:
            sent = take_results(session, task, statuses, clock.now())
            if not sent and look < LOOKS:
                look_again(session, task_id, look + 1, clock.now())

        return Done(f"{sum(one == SENT for one in statuses.values())} sent", then=then)

    return run


def take_results(session: Session, task: MassSend, statuses: dict[str, int], now: datetime) -> bool:
    """Write the results of a task; whether the member has confirmed it."""
    mine = col(MassSendCustomer.mass_send_id) == task.id
    rows = session.scalars(select(MassSendCustomer).where(mine)).all()
    for row in rows:
        status = statuses.get(row.external_userid, row.status)
        if status == SENT and row.status != SENT:
            session.add(reached(task, row.customer_id, now))
        row.status = status
        session.add(row)
    confirmed = bool(statuses) and any(statuses.values())
    if confirmed:
        session.execute(update(MassSend).where(col(MassSend.id) == task.id).values(state=CONFIRMED))
    return confirmed


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
