"""What staff say of a customer's wishes and their own notes.

李女士别再发了; 王芳投诉 等太久; 恢复李女士联系; 记一下 李女士 想周末来试戴; 李女士 下周三联系.
"""

import re
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlmodel import col

from bot.jobs import Priority
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.care import LeadersOnly, allow_contact, close_complaints, complain, leave_in_peace, note
from contacts.days import find_day, read_day
from contacts.leaders import leaders_of
from contacts.models import Staff
from contacts.search import SURE, Match, find_customers, meant_by
from sop.calendar import polite_time
from sop.conditions import day_of
from sop.plan import choose
from sop.reminders import remind
from sop.sops import Todo

router = Router()

STOP = r"(?:别|不要|不用|勿)再?"
TOPIC_UNTIL = r"(?P<topic>[^了到\s，,]{0,20})了?[她他]?了?[\s，,]*(?P<until>.*)"
PEACE = (
    rf"(?P<who>.{{1,30}}?)\s*(?:说|要求|让我们)?\s*{STOP}(?:给[她他])?(?:发|联系|打扰|推送){TOPIC_UNTIL}",
    rf"{STOP}给(?P<who>.{{1,30}}?)(?:发|推送){TOPIC_UNTIL}",
    rf"{STOP}(?:联系|打扰)(?P<who>[^了到\s，,]{{1,30}}){TOPIC_UNTIL}",
    (
        r"(?:(?:don[’']?t|do not) (?:contact|message)|stop (?:contacting|messaging)) (?P<who>.{1,30}?)"
        r"(?: about (?P<topic>.{1,20}?))?(?P<until> until .+)?"
    ),
)
ALLOW = (
    r"恢复联系\s*(?P<who>.{1,30})",
    r"恢复\s*(?P<who>.{1,30}?)\s*的?联系",
    r"(?P<who>.{1,30}?)\s*(?:又|现在)?可以(?:再|重新)?联系了?",
    r"resume contact with (?P<who>.{1,30})",
    r"contact (?P<who>.{1,30}?) again",
)
CLOSE = (
    r"(?P<who>.{1,30}?)\s*的?投诉(?:已经)?(?:处理|解决)(?:好|完)?了?",
    r"(?:关闭|结束)\s*(?P<who>.{1,30}?)\s*的?投诉",
    r"close (?P<who>.{1,30}?)(?:[’']s)? complaint",
    r"complaint of (?P<who>.{1,30}?) (?:is )?settled",
)
COMPLAINT = (
    r"(?P<who>.{1,30}?)\s*(?:要|来)?投诉(?!率|数|量|有|的|多少|几)(?:了|说)?[\s:：，,]*(?P<text>.*)",
    r"(?P<who>.{1,30}?)\s+complain(?:s|ed)?(?:\s+(?:about|that))?[\s:,]*(?P<text>.*)",
)
NOTE = (
    r"(?:帮我)?(?:记一下|记下|记一笔|备忘)[\s:：，,]*(?P<text>.+)",
    r"note(?:\s+on|\s+that|:)?\s+(?P<text>.+)",
)
AGAIN = re.compile(r"\s*(?:再|要|去|给她|给他)*(?:联系|跟进|回访|打电话|找她|找他)(?:一下|她|他)?[。.]?")
FIRST = re.compile(
    r"[\s，,]*(?:提醒我)?(?:再|要|去)?(?:联系|跟进|回访|打电话给)(?:一下)?(?P<who>(?![谁哪几多什])[^\s，,]{1,12})"
)
"""Behind a day that comes first."""
CONTACT = re.compile(r"(?:remind me to )?(?:contact|call|follow up with) ", re.IGNORECASE)
EVERYTHING = frozenset({"", "消息", "信息", "微信", "东西", "任何消息", "任何东西"})
NAME_LENGTHS = (4, 3, 2)


def first_match(patterns: tuple[str, ...], text: str) -> re.Match[str] | None:
    """The first pattern the whole text fits."""
    whole = text.strip().rstrip("。.!！")
    found = (re.fullmatch(pattern, whole, re.IGNORECASE | re.DOTALL) for pattern in patterns)
    return next((match for match in found if match), None)


def saying(patterns: tuple[str, ...]) -> Callable[[TextMessage], bool]:
    """The predicate of what fits one of the patterns."""
    return lambda message: first_match(patterns, message.content) is not None


Answer = Callable[[re.Match[str], TextMessage, Context], str]


def on_saying(patterns: tuple[str, ...]) -> Callable[[Answer], Answer]:
    """Register what answers when a text fits one of the patterns, in the language it was said in."""

    def register(answer: Answer) -> Answer:
        @router.on(TextMessage, when=saying(patterns))
        def handle(message: TextMessage, ctx: Context) -> None:
            match = first_match(patterns, message.content)
            with speaking(language_of(message.content, ctx.settings.language)):
                text = answer(match, message, ctx) if match else ""
                say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)

        return answer

    return register


def today_of(ctx: Context) -> date:
    """The date in the company's zone."""
    return ctx.now.astimezone(ZoneInfo(ctx.settings.timezone)).date()


def meant(who: str, message: TextMessage, ctx: Context) -> Match | str:
    """The customer meant by a name, else what to say instead. Raises `WhichOne` for several."""
    matches = find_customers(ctx.session, who, message.userid)
    if not matches:
        return _("I find no customer called “{name}” among yours.").format(name=who)
    return meant_by(who, matches)


@on_saying(PEACE)
def left_in_peace(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """李女士说别再给她发了: on record for every member of staff."""
    customer = meant(match["who"].strip(), message, ctx)
    if isinstance(customer, str):
        return customer
    topic = "" if (match["topic"] or "") in EVERYTHING else match["topic"].strip()
    said, until = (match["until"] or "").strip(), None
    if said:
        found = find_day(said, today_of(ctx))
        if found is None:
            return _("Until when? I do not understand “{words}”. For example: until next month, until 12-01.").format(
                words=said
            )
        until = found.day
    leave_in_peace(
        ctx.session, customer.customer_id, message.userid, ctx.now, topic=topic, until=until, words=message.content
    )
    about = _("nothing about {topic}").format(topic=topic) if topic else _("nothing")
    how_long = _("up to and including {day}").format(day=until) if until else _("for good")
    return _("Noted: {name} gets {about} any more, {how_long}, from nobody here. Only your leader can lift it.").format(
        name=customer.shown, about=about, how_long=how_long
    )


@on_saying(ALLOW)
def allowed(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """恢复李女士联系: a leader lifts the customer's wishes."""
    customer = meant(match["who"].strip(), message, ctx)
    if isinstance(customer, str):
        return customer
    try:
        lifted = allow_contact(ctx.session, customer.customer_id, message.userid, ctx.now)
    except LeadersOnly:
        return _("Only a leader can lift that; please ask yours.")
    if not lifted:
        return _("{name} may be contacted already.").format(name=customer.shown)
    return _("{name} may be contacted again.").format(name=customer.shown)


@on_saying(CLOSE)
def closed(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """王芳的投诉处理好了: a leader closes the case."""
    customer = meant(match["who"].strip(), message, ctx)
    if isinstance(customer, str):
        return customer
    try:
        ended = close_complaints(ctx.session, customer.customer_id, message.userid, ctx.now)
    except LeadersOnly:
        return _("Only a leader can close a complaint; please ask yours.")
    if not ended:
        return _("{name} has no open complaint.").format(name=customer.shown)
    return _("Closed: the complaint of {name}. She may be contacted again.").format(name=customer.shown)


@on_saying(COMPLAINT)
def complained(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """王芳投诉 等太久: nothing is sold to her meanwhile, and the leader is told."""
    customer = meant(match["who"].strip(), message, ctx)
    if isinstance(customer, str):
        return customer
    text = match["text"].strip()
    if not text:
        return _("What is the complaint about? For example: “{name} complained: waited too long”.").format(
            name=customer.shown
        )
    complain(ctx.session, customer.customer_id, message.userid, text, ctx.now)
    told = tell_leaders(customer, message.userid, text, ctx)
    answer = _("Noted: {name} complained. Nobody here sends her offers until the case is closed.")
    answer = answer.format(name=customer.shown)
    return answer + _("Your leader is told.") if told else answer


def tell_leaders(customer: Match, userid: str, text: str, ctx: Context) -> list[str]:
    """Open the case with the leaders above the member; by night it waits for the morning. Answers who is told."""
    staff = ctx.session.get(Staff, userid)
    leaders = leaders_of(ctx.session, userid)
    with speaking(ctx.settings.language):
        told = _(
            "Complaint of {name}, reported by {staff}: {text}\n"
            "Offers to her rest. When it is settled, say “complaint of {name} settled”."
        ).format(name=customer.shown, staff=staff.name if staff else userid, text=text)
    at = polite_time(ctx.now, ZoneInfo(ctx.settings.timezone))
    for leader in leaders:
        # Not in the lane of unasked messages: nobody sells to her before a leader closes the case, so it must arrive.
        cause, lane = f"complaint:{ctx.event_id}:{leader}", f"complaint:{leader}"
        say(ctx.session, leader, told, cause=cause, now=at, priority=Priority.PUSH, lane=lane, run_at=at)
    return leaders


@on_saying(NOTE)
def noted(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """记一下 李女士 想周末来试戴."""
    customer, text = whose_note(match["text"].strip(), message, ctx)
    if isinstance(customer, str):
        return customer
    if not text:
        return _("What shall I note about {name}?").format(name=customer.shown)
    found = find_day(text, today_of(ctx))
    day = found.day if found and AGAIN.match(found.after) else None
    note(ctx.session, customer.customer_id, message.userid, text, ctx.now, next_contact_on=day)
    listed_today(day, customer.customer_id, ctx)
    answer = _("Noted about {name}: {text}").format(name=customer.shown, text=text)
    again = _("Next contact: {day}").format(day=day)
    return f"{answer}\n{again}" if day else answer


def listed_today(day: date | None, customer_id: int, ctx: Context) -> None:
    """What is to be done today joins today's list at once; later days wait for their morning's plan."""
    today = today_of(ctx)
    if day == today and remind(ctx.session, today, [customer_id]):
        choose(ctx.session, day_of(ctx.session, today, ZoneInfo(ctx.settings.timezone)), late=True)
        told = update(Todo).where(col(Todo.customer_id) == customer_id, col(Todo.pushed_at).is_(None))
        ctx.session.execute(told.where(col(Todo.shown_on) == today).values(pushed_at=ctx.now))


def whose_note(said: str, message: TextMessage, ctx: Context) -> tuple[Match | str, str]:
    """The customer a note begins with, and the rest; without a space the longest beginning that is surely a name."""
    who, _space, text = re.sub(r"[:：，,]", " ", said, count=1).partition(" ")
    if text:
        return meant(who, message, ctx), text.strip()
    for length in NAME_LENGTHS:
        matches = find_customers(ctx.session, said[:length], message.userid)
        if matches and matches[0].score >= SURE:
            return meant_by(said[:length], matches), said[length:].strip()
    return meant(said, message, ctx), ""


def next_contact(message: TextMessage) -> tuple[str, str] | None:
    """The name and the day of 李女士 下周三联系, contact Ms Li on Friday; None when it says something else."""
    text, today = message.content.strip().rstrip("。.!！"), message.created_at.date()
    english = CONTACT.match(text)
    found = find_day(text[english.end() :] if english else text, today)
    if found is None:
        return None
    named = None if found.before else FIRST.fullmatch(found.after)
    if named:
        return named["who"], text[: len(text) - len(found.after)]
    if not (found.after == "" if english else AGAIN.fullmatch(found.after)):
        return None
    who = re.sub(r"\bon $", "", found.before).strip()
    return (who, text[text.index(found.before) + len(found.before) : len(text) - len(found.after)]) if who else None


@router.on(TextMessage, when=lambda message: next_contact(message) is not None)
def next_contact_set(message: TextMessage, ctx: Context) -> None:
    """李女士 下周三联系: kept as a note with its day."""
    with speaking(language_of(message.content, ctx.settings.language)):
        who, said = next_contact(message) or ("", "")
        say(ctx.session, message.userid, set_next(who, said, message, ctx), cause=str(ctx.event_id), now=ctx.now)


def set_next(who: str, said: str, message: TextMessage, ctx: Context) -> str:
    """Keep the day of the next contact; answers what to say."""
    customer, day = meant(who, message, ctx), read_day(said, today_of(ctx))
    if isinstance(customer, str):
        return customer
    if day is None or day < today_of(ctx):
        return _("“{words}” is past; say a day from today on.").format(words=said)
    note(ctx.session, customer.customer_id, message.userid, message.content, ctx.now, next_contact_on=day)
    listed_today(day, customer.customer_id, ctx)
    return _("Noted: next contact with {name} on {day}.").format(name=customer.shown, day=day)
