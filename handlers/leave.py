"""Days off, as staff say them: 我明天休息; 我明天调休，活儿先给小陈; 请假到周五，小陈代; 我周六上班."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from bot.jobs import Priority
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.calendar import set_days
from contacts.choices import STAFF, Choice, the_only
from contacts.days import find_day
from contacts.leaders import leaders_of
from contacts.models import Staff
from sop.calendar import polite_time

router = Router()

LEAVE_DAYS = 180
CLAUSES = re.compile(r"[，,;；。]\s*|\s+(?=活|工作|客户|由|让|给)")
OFF = re.compile(
    r"(?:我)?(?P<before>.*?)(?:要|想)?(?:休息|调休|请假|休假|不上班|轮休)(?P<after>.*)"
    r"|(?:i am|i[’']?m|i will be)\s+(?:off|away|on leave)\s*(?P<when>.*)",
    re.IGNORECASE,
)
ON = re.compile(
    r"我(?P<when>.+?)(?:照常)?(?:上班|不休了|不休息了)|i (?:will )?work\s+(?:on\s+)?(?P<then>.+)", re.IGNORECASE
)
WEEK = re.compile(r"下下?个?(?:周|星期|礼拜)|next week", re.IGNORECASE)
COVER = re.compile(
    r"(?:活儿?|工作|事情?|客户|待办)?都?先?(?:交给|给|由|让|找|请)?(?P<name>[^\s，,]{1,10}?)来?(?:代班?|顶班?|替班?|帮忙|接手?|负责|看)?(?:一下|着)?"
    r"|(?P<who>[\w ]{1,30}?)\s+(?:covers|stands in|takes over|will cover)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Said:
    """Days of a rota, as somebody said them."""

    first: date
    last: date
    works: bool
    cover: str = ""
    """Whom she named to stand in."""


def read_leave(text: str, today: date) -> Said | None:
    """What a text says about the speaker's rota; None when it says something else."""
    head, *rest = [part for part in CLAUSES.split(text.strip().rstrip("。.!！")) if part]
    back = ON.fullmatch(head)
    if back and not rest:
        span = read_span(back["when"] or back["then"], today)
        return Said(*span, works=True) if span else None
    off = OFF.fullmatch(head)
    if off is None:
        return None
    said = off["when"] if off["when"] is not None else (off["before"] + off["after"])
    span = read_span(said, today)
    cover = COVER.fullmatch(rest[0]) if len(rest) == 1 else None
    if span is None or len(rest) > 1 or (rest and cover is None):
        return None
    return Said(*span, works=False, cover=(cover["name"] or cover["who"]).strip() if cover else "")


def read_span(text: str, today: date) -> tuple[date, date] | None:
    """明天; 到周五: from today; 周三到周五; until Friday. None when anything else is said besides."""
    begin, joined, end = re.sub(r"\b(?:until|till|to|from)\b", "到", text, flags=re.IGNORECASE).strip().partition("到")
    begin, end = begin.strip().removeprefix("从").removeprefix("到").strip(), end.strip()
    if joined and begin == "" and "到" in end:
        begin, _joined, end = (part.strip() for part in end.partition("到"))
    first = whole_day(begin, today) if begin else (today if joined else None)
    last = whole_day(end, first) if joined and first else first
    if first and not joined and WEEK.fullmatch(begin):
        last = first + timedelta(days=6)
    return (first, last) if first and last and today <= first <= last <= today + timedelta(days=LEAVE_DAYS) else None


def whole_day(text: str, today: date) -> date | None:
    """A day and nothing else, small words aside."""
    found = find_day(text, today)
    rest = f"{found.before}{found.after}" if found else "?"
    return found.day if found and re.fullmatch(r"\s*(?:on|就|都|的时候)?\s*", rest) else None


def says_leave(message: TextMessage) -> bool:
    """Whether the speaker tells of her own rota."""
    return read_leave(message.content, message.created_at.date()) is not None


@router.on(TextMessage, when=says_leave)
def rota_told(message: TextMessage, ctx: Context) -> None:
    """Put it into the rota, confirm, tell the leader and the stand-in."""
    today = ctx.now.astimezone(ZoneInfo(ctx.settings.timezone)).date()
    with speaking(language_of(message.content, ctx.settings.language)):
        said = read_leave(message.content, today)
        text = rota_answer(said, message, ctx) if said else _("I do not understand those days.")
        say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def rota_answer(said: Said, message: TextMessage, ctx: Context) -> str:
    """Write the days and answer what to say."""
    cover = colleagues(ctx.session, said.cover, message.userid) if said.cover else []
    if said.cover and not cover:
        return _("I know no colleague called “{name}”.").format(name=said.cover)
    meant = the_only(STAFF, said.cover or "", [Choice(one.userid, one.name, one.userid) for one in cover])
    stand_in = next((one for one in cover if meant and one.userid == meant.reference), None)
    set_days(
        ctx.session,
        message.userid,
        said.first,
        said.last,
        works=said.works,
        by=message.userid,
        stand_in=stand_in.userid if stand_in else None,
    )
    if said.works:
        return _("Noted: you work on {days}.").format(days=days_text(said))
    told = tell_others(said, stand_in, message.userid, ctx)
    answer = [_("Noted: you are off on {days}.").format(days=days_text(said))]
    if stand_in:
        answer.append(_("{name} stands in for you and is told.").format(name=stand_in.name))
    return "".join([*answer, _("Your leader is told.") if told else ""])


def days_text(said: Said) -> str:
    """The days as one reads them."""
    if said.first == said.last:
        return f"{said.first:%m-%d}"
    return _("{first} to {last}").format(first=f"{said.first:%m-%d}", last=f"{said.last:%m-%d}")


def tell_others(said: Said, stand_in: Staff | None, userid: str, ctx: Context) -> list[str]:
    """The leader hears of a day off, and who stands in hears that she does; by night it waits for the morning.

    Answers the leaders told.
    """
    staff, leaders = ctx.session.get(Staff, userid), leaders_of(ctx.session, userid)
    name, at = staff.name if staff else userid, polite_time(ctx.now, ZoneInfo(ctx.settings.timezone))
    with speaking(ctx.settings.language):
        days = days_text(said)
        off = _("{name} is off on {days}.").format(name=name, days=days)
        covered = _("{name} stands in.").format(name=stand_in.name) if stand_in else _("Nobody stands in yet.")
        texts = dict.fromkeys(leaders_of(ctx.session, userid), f"{off}{covered}")
        if stand_in:
            asked = _("{name} is off on {days} and asks you to stand in: what is due then comes to you.")
            texts[stand_in.userid] = asked.format(name=name, days=days)
    for whom, text in texts.items():
        cause = f"leave:{ctx.event_id}:{whom}"
        say(ctx.session, whom, text, cause=cause, now=at, priority=Priority.PUSH, lane=f"push:{whom}", run_at=at)
    return leaders


def colleagues(session: Session, said: str, userid: str) -> Sequence[Staff]:
    """Active staff a name may mean, the speaker left out: the whole name or id, else 小陈, 陈姐, 晓晓."""
    others = select(Staff).where(col(Staff.active), Staff.userid != userid)
    exact = session.exec(others.where((col(Staff.name) == said) | (col(Staff.userid) == said.lower()))).all()
    if exact or not said:
        return exact
    surname = re.sub(r"^[小老阿]|(?:姐|哥|店长|经理|总|老师)$", "", said) or said
    near = others.where(col(Staff.name).startswith(surname, autoescape=True) | col(Staff.name).endswith(surname))
    return session.exec(near.order_by(col(Staff.userid))).all()
