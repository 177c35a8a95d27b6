"""Tells leaders once when a KPI of their team has left its usual range; checked after each whole week."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from sqlmodel import Session

from assistant.wording import days, shown, title
from bot.clock import Clock
from bot.database import Database
from bot.jobs import Done, Job, Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from contacts.unasked import lane_of
from kpi.baselines import Team, check_week, last_week, teams
from kpi.measures import METRICS
from kpi.models import Baseline
from kpi.periods import Period

BASELINES = "baselines"


def check_baselines(
    database: Database, clock: Clock, zone: ZoneInfo, language: str
) -> Callable[[Job], Awaitable[Done]]:
    """The runner: a short transaction per team; a week that was checked is not checked again."""

    async def run(_job: Job) -> Done:
        now, told = clock.now(), 0
        today = now.astimezone(zone).date()
        week = last_week(now, Period(today, today, zone))
        for team in await database.read(teams):
            told += await database.write(partial(tell, team=team, week=week, now=now, language=language))
        return Done(f"{told} departures")

    return run


def tell(session: Session, team: Team, week: Period, now: datetime, language: str) -> int:
    """Check a team's week and tell its leaders what is new; answers how many numbers."""
    news = check_week(session, team, week, now)
    if news:
        with speaking(language):
            text = "\n".join(lines(team, week, news))
        for leader in team.leaders:
            cause = f"{BASELINES}:{team.id}:{week.first}:{news[0].metric}:{leader}"
            say(session, leader, text, cause=cause, now=now, priority=Priority.PUSH, lane=lane_of(leader))
    return len(news)


def lines(team: Team, week: Period, news: list[Baseline]) -> list[str]:
    """What a leader reads: each number, its usual range, and how to go on."""
    told = [_("{name}, {days}: not as usual").format(name=team.name, days=days(week))]
    for one in news:
        metric = METRICS[one.metric]
        better = (one.outside < 0) == metric.lower_is_better
        told.append(_("· {title}: {value}, usually {low} to {high} – {better}").format(
            title=title(metric), value=shown(one.value, metric.unit), low=shown(max(one.low, 0), metric.unit),
            high=shown(one.high, metric.unit), better=_("better") if better else _("worse"),
        ))  # fmt: skip
    return [*told, _("Ask “why is last week's {title} different” for the reasons.").format(
        title=title(METRICS[news[0].metric])
    )]  # fmt: skip
