"""Messages nobody asked for: how many a member gets a day, when, and what waits for the morning (design §8).

Whatever is written into the lane `push:{userid}` passes `gate`, the one place that decides. Cards go and count; texts
take what is left of the day's share. A text beyond it waits for the next morning, or is dropped if it has a deadline.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Table, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col

from bot.clock import Clock
from bot.database import BigId, Database, UtcTime
from bot.jobs import Done, Job, Later, Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from contacts.calendar import rota

HELD = "held_texts"
"""The kind of job that sends each morning what waited."""
ALL, FEWER, MORNING = "all", "fewer", "morning"
"""What a member wishes to get: all, few, or nothing but what comes in the morning."""
SHARES = {ALL: 4, FEWER: 2, MORNING: 1}
"""Unasked messages a day, the morning card among them."""
CARD_IS_OUT = time(9, 30)
"""Until then one place of the share is kept for the morning card."""
HELD_FROM = time(9, 5)


class Unasked(SQLModel, table=True):
    """How many unasked messages a member got on the latest day she got any."""

    userid: str = Field(primary_key=True)
    day: date
    sent: int


class HeldText(SQLModel, table=True):
    """A text that waits for the morning."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    userid: str
    text: str
    at: datetime = Field(sa_type=UtcTime)


class Wish(SQLModel, table=True):
    """How much a member wants to hear; what her leader decided she cannot change herself."""

    userid: str = Field(primary_key=True)
    share: str
    by: str
    at: datetime = Field(sa_type=UtcTime)


UNASKED: Table = Unasked.__table__  # type: ignore[attr-defined]


class LeaderDecided(Exception):
    """Her leader set how much she gets: only a leader changes that."""


def lane_of(userid: str) -> str:
    """The lane of what a member is told unasked."""
    return f"push:{userid}"


def set_wish(session: Session, userid: str, share: str, by: str, now: datetime) -> None:
    """Note how much a member wants to hear. Raises `LeaderDecided` where her leader has said so already."""
    before = session.get(Wish, userid)
    if before and by == userid and before.by != userid:
        raise LeaderDecided(before.by)
    session.merge(Wish(userid=userid, share=share, by=by, at=now))
    session.flush()


def wish_of(session: Session, userid: str) -> str:
    """How much a member wants to hear."""
    wish = session.get(Wish, userid)
    return wish.share if wish else ALL


def is_full(session: Session, userid: str, local: datetime) -> bool:
    """Whether a text would be more than the member's share of the day."""
    wish = wish_of(session, userid)
    got = session.get(Unasked, userid)
    sent = got.sent if got and got.day == local.date() else 0
    kept = 1 if local.time() < CARD_IS_OUT and not sent else 0
    return wish == MORNING or sent + kept >= SHARES[wish]


def count(session: Session, userid: str, day: date) -> None:
    """One more unasked message on this day."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    first = dialect.insert(UNASKED).values(userid=userid, day=day, sent=1)
    more = case((UNASKED.c.day == day, UNASKED.c.sent + 1), else_=1)
    session.connection().execute(
        first.on_conflict_do_update(index_elements=["userid"], set_={"day": day, "sent": more})
    )


Deliver = Callable[[Job], Awaitable[Done]]


def gate(
    deliver: Deliver, database: Database, clock: Clock, zone: ZoneInfo, polite: Callable[[datetime], datetime]
) -> Deliver:
    """The runner of messages: answers pass as they are, unasked ones by day only and within the member's share."""

    async def run(job: Job) -> Done:
        userid, now = str(job.payload["touser"]), clock.now()
        if job.lane != lane_of(userid):
            return await deliver(job)
        if (decent := polite(now)) > now:
            if job.deadline and job.deadline <= decent:
                return Done("not sent: it is too late in the day")
            raise Later((decent - now).total_seconds(), "not at this hour")
        local = now.astimezone(zone)
        # An attempt without an answer may have arrived: it had its place already.
        fresh_text = job.payload["msgtype"] == "text" and not job.unanswered
        if fresh_text and await database.read(lambda session: is_full(session, userid, local)):
            return over(job, userid, now)
        done = await deliver(job)

        def then(session: Session) -> None:
            done.then(session)
            count(session, userid, local.date())

        return Done(done.outcome, then)

    return run


def over(job: Job, userid: str, now: datetime) -> Done:
    """What becomes of a text beyond the share."""
    if job.deadline:
        return Done("not sent: enough for today")
    text = str(job.payload["text"]["content"])
    return Done("waits for the morning", lambda session: session.add(HeldText(userid=userid, text=text, at=now)))


def send_held(clock: Clock, zone: ZoneInfo, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the morning: what waited goes out, one text per member who works today."""

    async def run(job: Job) -> Done:
        local = clock.now().astimezone(zone)
        if local.time() < HELD_FROM:
            return Done("yesterday's, made up for too late")

        def then(session: Session) -> None:
            waiting: dict[str, list[HeldText]] = {}
            for one in session.scalars(select(HeldText).order_by(col(HeldText.id))):
                waiting.setdefault(one.userid, []).append(one)
            days = rota(session, waiting, local.date(), local.date())
            for userid, texts in waiting.items():
                if days.works(userid, local.date()):
                    with speaking(language):
                        send(session, userid, texts, f"{HELD}:{job.id}:{userid}", local)

        return Done("sent", then)

    return run


def send(session: Session, userid: str, texts: list[HeldText], cause: str, local: datetime) -> None:
    """Everything that waited for one member, as one text that is within her share whatever it is."""
    text = "\n\n".join((_("This waited for the morning:"), *(one.text for one in texts)))
    say(session, userid, text, cause=cause, now=local, priority=Priority.PUSH)
    session.execute(delete(HeldText).where(col(HeldText.id) <= texts[-1].id, col(HeldText.userid) == userid))
    count(session, userid, local.date())
