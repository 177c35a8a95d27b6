"""The platform's figures of each member's day, pulled once; what it leaves out stays empty."""

from datetime import timedelta

from sqlmodel import Session, col, select

from bot.jobs import Job, NewJob, Priority, enqueue
from contacts.facts import StaffStatistic
from contacts.statistics import PULL_STATISTICS
from tests.conftest import RunningBot, WeCom
from tests.stories.waiting import all_done

FIGURES = "externalcontact/get_user_behavior_data"


async def pulled(bot: RunningBot, cause: str) -> str:
    """Pull what is missing; how the job ended."""
    job = NewJob(f"test:{cause}", PULL_STATISTICS, bot.parts.clock.now(), priority=Priority.SYNC)
    await bot.database.write(lambda session: enqueue(session, job))
    await all_done(bot)
    ended = select(Job.outcome).where(Job.key == job.key)
    return await bot.database.read(lambda session: session.exec(ended).one()) or ""


async def of_yesterday(bot: RunningBot, userid: str) -> StaffStatistic:
    """What is on record of a member's yesterday."""
    day = (bot.parts.clock.now() + timedelta(hours=8)).date() - timedelta(days=1)
    return await bot.database.read(lambda session: session.get_one(StaffStatistic, (userid, day)))


async def test_figures_of_yesterday_are_kept_and_missing_ones_stay_empty(bot: RunningBot, wecom: WeCom) -> None:
    chen = (await wecom.adds_friend("lin", name="陈女士"))["external_userid"]
    await all_done(bot)
    await bot.database.write(forget_all)
    yesterday = int(bot.parts.clock.now().timestamp()) - 86_400
    pair = {"userid": "lin", "external_userid": chen}
    await wecom.sim("POST", "customer-chats", {**pair, "by": "customer", "at": yesterday})
    await wecom.sim("POST", "customer-chats", {**pair, "by": "staff", "at": yesterday + 120})
    said = await pulled(bot, "first")
    lin, wang = await of_yesterday(bot, "lin"), await of_yesterday(bot, "wang")

    assert said == "6 staff, 0 skipped"
    assert (lin.chats, lin.reply_percentage, lin.avg_reply_minutes) == (1, 100.0, 2)
    assert (wang.chats, wang.reply_percentage, wang.avg_reply_minutes) == (0, None, None)


def forget_all(session: Session) -> None:
    """As before the first pull: the bot made one when it started."""
    for row in session.exec(select(StaffStatistic)).all():
        session.delete(row)


async def test_a_day_is_asked_for_once_and_a_gap_is_filled(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(forget_all)
    await pulled(bot, "first")
    asked = len(await wecom.calls(FIGURES))
    said = await pulled(bot, "again")
    calls = len(await wecom.calls(FIGURES))
    today = (bot.parts.clock.now() + timedelta(hours=8)).date()

    def lose_three_days(session: Session) -> None:
        late = select(StaffStatistic).where(col(StaffStatistic.day) >= today - timedelta(days=3))
        for row in session.exec(late.where(StaffStatistic.userid == "lin")).all():
            session.delete(row)

    await bot.database.write(lose_three_days)
    gap = await pulled(bot, "gap")
    days = select(col(StaffStatistic.day)).where(StaffStatistic.userid == "lin").order_by(col(StaffStatistic.day))
    kept = await bot.database.read(lambda session: session.exec(days).all())

    assert (said, calls) == ("0 staff, 0 skipped", asked)
    assert gap == "1 staff, 0 skipped"
    assert kept == [today - timedelta(days=back) for back in range(30, 0, -1)]


async def test_a_member_who_is_not_served_is_skipped(bot: RunningBot, wecom: WeCom) -> None:
    await bot.database.write(forget_all)
    wecom.corp.members["mo"].customer_contact = False
    said = await pulled(bot, "one less")

    assert said == "5 staff, 1 skipped"
