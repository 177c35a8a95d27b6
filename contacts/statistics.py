"""The platform's figures of each member's day: chats, how quickly she answers, who deleted her. Staff grain only."""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job
from bot.wecom.errors import WeComError
from bot.wecom.results import Behavior
from contacts.cursors import AT_ONCE, together
from contacts.facts import StaffStatistic
from contacts.models import Staff
from contacts.sync import NOT_SERVED

PULL_STATISTICS = "pull_statistics"
PLATFORM = ZoneInfo("Asia/Shanghai")
"""The platform's days, wherever the company is."""
DAYS_BACK = 30
"""The platform answers for so many days at once; older ones are only missing after a longer stop."""


def wanted(session: Session, yesterday: date) -> list[tuple[str, date]]:
    """Members whose figures are missing up to yesterday, each with the first day to ask for."""
    newest = (
        select(StaffStatistic.userid, func.max(StaffStatistic.day).label("day"))
        .group_by(col(StaffStatistic.userid))
        .subquery()
    )
    serving = (
        select(Staff.userid, newest.c.day)
        .join(newest, newest.c.userid == Staff.userid, isouter=True)
        .where(col(Staff.active), col(Staff.customer_contact))
        .order_by(Staff.userid)
    )
    oldest = yesterday - timedelta(days=DAYS_BACK - 1)
    return [
        (userid, max(oldest, day + timedelta(days=1)) if day else oldest)
        for userid, day in session.exec(serving).all()
        if day is None or day < yesterday
    ]


def store(session: Session, userid: str, rows: list[Behavior]) -> None:
    """Write a member's days; what the platform leaves out stays empty."""
    for row in rows:
        statistic = StaffStatistic(
            userid=userid,
            day=row.day.astimezone(PLATFORM).date(),
            chats=row.chat_cnt,
            messages=row.message_cnt,
            reply_percentage=row.reply_percentage,
            avg_reply_minutes=row.avg_reply_time,
            negative_feedback=row.negative_feedback_cnt,
            new_applications=row.new_apply_cnt,
            new_contacts=row.new_contact_cnt,
        )
        session.merge(statistic)


def pull_statistics(gateway: Gateway, database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that fills in what is missing up to yesterday; taken up again, it asks only for who is left."""

    async def run(_: Job) -> Done:
        yesterday = clock.now().astimezone(PLATFORM).date() - timedelta(days=1)
        waiting = deque(await database.read(partial(wanted, yesterday=yesterday)))
        asked, skipped = len(waiting), []
        last = datetime.combine(yesterday, time(), PLATFORM)

        async def stream() -> None:
            while waiting:
                userid, first = waiting.popleft()
                try:
                    rows = await gateway.behavior(userid, datetime.combine(first, time(), PLATFORM), last)
                except WeComError as error:
                    if error.errcode not in NOT_SERVED:
                        raise
                    skipped.append(userid)
                    continue
                await database.write(partial(store, userid=userid, rows=rows))

        await together(AT_ONCE, stream)
        return Done(f"{asked - len(skipped)} staff, {len(skipped)} skipped")

    return run
