"""Who works and who is off: 谁明天休息, 我下周哪天休息, who works today."""

import re
from datetime import date, timedelta

from sqlmodel import Session, col, select

from assistant.people import Asker, Unanswerable
from assistant.questions import ME, RotaQuestion
from assistant.rota_words import WEEK
from bot.language import CURRENT
from bot.language import gettext as _
from contacts.calendar import Rota, rota
from contacts.days import find_day
from contacts.models import Staff
from kpi.periods import week_of
from kpi.scope import NotYours, Scope, team_of

WEEKDAYS = {"zh_CN": "一二三四五六日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
NAMED = 20


def rota_answer(session: Session, asker: Asker, question: RotaQuestion) -> list[str]:
    """Who works and who is off on a day, or one's own days. Raises `Unanswerable`."""
    first, last = days_meant(question.day, asker.now.astimezone(asker.zone).date())
    if question.whose == ME:
        return own_days(rota(session, [asker.userid], first, last), asker.userid, first, last)
    team = select(Staff.userid, Staff.name).where(col(Staff.active), scope_of(session, asker).covers(col(Staff.userid)))
    names = dict(session.exec(team.order_by(col(Staff.userid))).all())
    known = rota(session, names, first, first)
    works = [name for userid, name in names.items() if known.works(userid, first)]
    off = [covered(known, names, userid, first) for userid in names if not known.works(userid, first)]
    return [
        spoken(first),
        _("Works ({count}): {names}").format(count=len(works), names=some(works)),
        _("Off ({count}): {names}").format(count=len(off), names=some(off)),
    ]


def scope_of(session: Session, asker: Asker) -> Scope:
    """Whose rota she may see: her team's, else her colleagues'."""
    try:
        return team_of(session, asker.userid)
    except NotYours:
        return Scope(beside=asker.userid)


def days_meant(words: str, today: date) -> tuple[date, date]:
    """The day or the week said; today when nothing was. Raises `Unanswerable`."""
    if not words:
        return today, today
    if re.fullmatch(WEEK, words):
        return week_of(today + timedelta(days=7 if words.startswith(("下", "next")) else 0))
    found = find_day(words, today)
    if found is None:
        raise Unanswerable(
            _("Which day is “{words}”? Say for example: tomorrow, Friday, December 1.").format(words=words)
        )
    return found.day, found.day


def own_days(known: Rota, userid: str, first: date, last: date) -> list[str]:
    """One day, or the days off of a week."""
    if first == last:
        works = _("{day}: you work.") if known.works(userid, first) else _("{day}: you are off.")
        return [works.format(day=spoken(first))]
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    off = [spoken(day) for day in days if not known.works(userid, day)]
    return [_("Your days off: {days}").format(days=some(off))]


def covered(known: Rota, names: dict[str, str], userid: str, day: date) -> str:
    """A member who is off, and who stands in for her."""
    cover = known.stand_in(userid, day)
    return (
        _("{name} ({cover} stands in)").format(name=names[userid], cover=names.get(cover, cover))
        if cover
        else names[userid]
    )


def some(names: list[str]) -> str:
    """Names in a row, and how many more there are; nobody's is said."""
    if not names:
        return _("none")
    more = len(names) - NAMED
    row = _(", ").join(names[:NAMED])
    return row + (" " + _("… and {number} more.").format(number=more) if more > 0 else "")


def spoken(day: date) -> str:
    """11-17 周二."""
    weekday = WEEKDAYS.get(CURRENT.get(), WEEKDAYS["en"])[day.weekday()]
    return f"{day:%m-%d} {'周' if CURRENT.get() == 'zh_CN' else ''}{weekday}"
