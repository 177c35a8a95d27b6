"""When reports go out: each leader's, of her own team, on her working days; each once, whatever happens meanwhile.

The morning's run only writes a job per leader, whose key names the period: a repeat writes nothing. What is said is
computed when that job runs, outside of any write.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from assistant.briefs import push_briefs
from assistant.campaign_reviews import ended, review
from assistant.models import ReportWish
from assistant.people import Asker, Whose
from assistant.reports import DAILY, WEEKLY, report
from bot.clock import Clock
from bot.database import Database
from bot.jobs import Done, Job, NewJob, Priority, insert
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from contacts.calendar import rota
from contacts.channels import Campaign
from contacts.models import Staff, StaffDepartment
from contacts.unasked import lane_of
from kpi.periods import week_of
from kpi.scope import NotYours, team_of

REPORTS, REPORT = "reports", "report"
"""The morning's run, and one leader's report."""
REVIEW = "review"
AT = time(9, 6)
FRESH_HOURS = 11
"""So long a report is worth sending."""
REVIEWED_DAYS = 14
"""A campaign that ended longer ago is not reviewed unasked: the bot is new here."""


def morning_reports(clock: Clock, zone: ZoneInfo, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the morning's run."""

    async def run(_job: Job) -> Done:
        now = clock.now()
        if now.astimezone(zone).time() < AT:
            return Done("yesterday's, made up for too late")

        def then(session: Session) -> None:
            today = now.astimezone(zone).date()
            with speaking(language):
                push_briefs(session, today, now, zone)
            insert(session, list(due(session, today, now)))

        return Done("asked for", then=then)

    return run


def due(session: Session, today: date, now: datetime) -> Iterable[NewJob]:
    """A job for each report a leader who works today is owed."""
    leading = select(Staff.userid).join(StaffDepartment, col(StaffDepartment.userid) == col(Staff.userid))
    leaders = session.exec(leading.where(col(Staff.active), col(StaffDepartment.leads)).distinct()).all()
    calendar = rota(session, leaders, today, today)
    wishes = {wish.userid: wish for wish in session.exec(select(ReportWish))}
    reviews = [f"{REVIEW}:{one.id}" for one in ended(session, today, REVIEWED_DAYS)]
    for userid in leaders:
        wish = wishes.get(userid, ReportWish(userid=userid))
        # The week's key holds all week: who is off on Monday gets last week's on her first working day.
        wanted = [f"{DAILY}:{today}"] if wish.daily else []
        wanted += [f"{WEEKLY}:{week_of(today)[0]}"] if wish.weekly else []
        for what in [*wanted, *reviews] if calendar.works(userid, today) else []:
            payload = {"userid": userid, "what": what}
            key, deadline = f"{REPORT}:{what}:{userid}", now + timedelta(hours=FRESH_HOURS)
            yield NewJob(key, REPORT, now, lane_of(userid), payload, Priority.PUSH, deadline=deadline)


def team_report(database: Database, clock: Clock, zone: ZoneInfo, language: str) -> Callable[[Job], Awaitable[Done]]:
    """The runner of one leader's report."""

    async def run(job: Job) -> Done:
        userid, what = job.payload["userid"], job.payload["what"]

        def compose(session: Session) -> list[str]:
            with speaking(language):
                return composed(session, Asker(userid, job.created_at, zone), what)

        lines = await database.read(compose)

        def then(session: Session) -> None:
            # A morning's report is worth nothing the next morning: beyond her share of the day it is dropped.
            given = {"priority": Priority.PUSH, "lane": lane_of(userid), "deadline": job.deadline}
            say(session, userid, "\n".join(lines), cause=f"{REPORT}:{what}:{userid}", now=clock.now(), **given)

        return Done("sent", then=then) if lines else Done("nothing to tell")

    return run


def composed(session: Session, asker: Asker, what: str) -> list[str]:
    """A report's lines, and how to do without; none when there is nothing to tell, or she leads nobody any more."""
    kind, _colon, which = what.partition(":")
    try:
        whose = Whose(team_of(session, asker.userid), _("my team"))
    except NotYours:
        return []
    if kind == REVIEW:
        campaign = session.get(Campaign, int(which))
        return review(session, asker, whose, campaign) if campaign else []
    lines = report(session, asker, whose, kind)
    stop = _("Not wanted? Say “no weekly report”.") if kind == WEEKLY else _("Not wanted? Say “no daily report”.")
    return [*lines, stop] if lines else []
