"""A leader hands customers over: 把林晓的客户转给王磊; 把李女士转给王磊; 李女士的主跟进人改成王磊."""

import re
from collections.abc import Callable

from sqlmodel import Session, col, func, select

from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.choices import STAFF, Choice, the_only
from contacts.handover import ask_transfer, check
from contacts.handover_jobs import ask_all
from contacts.main_staff import ChangeRefused, NotAllowed, change_main_staff
from contacts.models import FollowUser, Staff
from contacts.search import Match, find_customers, meant_by

router = Router()

ALL = (
    re.compile(r"(?P<sure>确认)?把(?P<old>.{1,20}?)(?:名下)?的(?:所有|全部)?客户(?:都|全部|全)?(?:转|交|转交)?给(?P<new>.{1,20})"),
    re.compile(r"(?P<sure>confirm )?give (?P<old>.{1,40}?)['’]s customers to (?P<new>.{1,40})", re.IGNORECASE),
)  # fmt: skip
ONE = (
    re.compile(r"把(?:客户)?(?P<who>.{1,20}?)(?:转|交|转交)给(?P<new>.{1,20})"),
    re.compile(r"(?:transfer|hand over) (?P<who>.{1,40}?) to (?P<new>.{1,40})", re.IGNORECASE),
)
MAIN = (
    re.compile(r"把?(?P<who>.{1,20}?)的?主跟进人?(?:改成|换成|改为|换为)(?P<new>.{1,20})"),
    re.compile(r"make (?P<new>.{1,40}?) (?:the )?main contact of (?P<who>.{1,40})", re.IGNORECASE),
)
FAMILIAR = re.compile(r"[小老](?P<surname>.)")


def said(message: TextMessage, patterns: tuple[re.Pattern[str], ...]) -> dict[str, str | None] | None:
    """The parts of what was typed, by the first pattern it fits."""
    text = message.content.strip().strip("。.!！ ")
    found = next((match for pattern in patterns if (match := pattern.fullmatch(text))), None)
    return {name: value and value.strip() for name, value in found.groupdict().items()} if found else None


def called(session: Session, words: str, *, active: bool) -> Staff:
    """The one member with this name or userid, 小王 for a surname. Raises `ChangeRefused`, `WhichOne` for several."""
    familiar = FAMILIAR.fullmatch(words)
    staff = select(Staff).where(col(Staff.active)) if active else select(Staff)
    exact = session.exec(staff.where((Staff.name == words) | (Staff.userid == words))).all()
    if not exact and familiar:
        exact = session.exec(staff.where(col(Staff.name).startswith(familiar["surname"], autoescape=True))).all()
    meant = the_only(STAFF, words, [Choice(one.userid, one.name, one.userid) for one in exact])
    if meant is None:
        raise ChangeRefused(_("I know nobody called “{name}”; use the whole name.").format(name=words))
    return next(one for one in exact if one.userid == meant.reference)


def customer_called(session: Session, words: str, userid: str) -> Match:
    """The one customer meant, among those the asker may see. Raises `ChangeRefused`, `WhichOne` for several."""
    matches = find_customers(session, words, userid)
    if not matches:
        raise ChangeRefused(_("I find no customer called “{name}” among yours.").format(name=words))
    return meant_by(words, matches)


@router.on(TextMessage, when=lambda message: said(message, ALL) is not None)
def all_handed_over(message: TextMessage, ctx: Context) -> None:
    """Everything a member has goes to another, once the leader has confirmed the number."""
    answer(message, ctx, hand_all)


@router.on(TextMessage, when=lambda message: said(message, MAIN) is not None)
def main_changed(message: TextMessage, ctx: Context) -> None:
    """Somebody else answers for a customer."""
    answer(message, ctx, change_main)


@router.on(TextMessage, when=lambda message: said(message, ONE) is not None)
def one_handed_over(message: TextMessage, ctx: Context) -> None:
    """One customer goes to another member."""
    answer(message, ctx, hand_one)


def answer(message: TextMessage, ctx: Context, act: Callable[[TextMessage, Context], str]) -> None:
    """Do what was asked, or say why not."""
    with speaking(language_of(message.content, ctx.settings.language)):
        try:
            text = act(message, ctx)
        except (ChangeRefused, NotAllowed) as refused:
            text = str(refused)
        say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def hand_all(message: TextMessage, ctx: Context) -> str:
    """Ask for everything, or ask back with the number first."""
    parts = said(message, ALL) or {}
    old = called(ctx.session, parts["old"] or "", active=False)
    new = called(ctx.session, parts["new"] or "", active=True)
    check(ctx.session, old.userid, new.userid, message.userid)
    if parts["sure"]:
        ask_all(ctx.session, old.userid, new.userid, message.userid, ctx.now)
        return _("I am asking WeCom to hand them over; you hear of it in a moment.")
    ties = select(func.count()).select_from(FollowUser).where(FollowUser.userid == old.userid)
    count = ctx.session.exec(ties.where(col(FollowUser.lost_at).is_(None))).one()
    sure = _(
        "{staff} has {count} customers. To hand all of them to {new}, answer: confirm give {staff}'s customers to {new}"
    )
    return sure.format(staff=old.name, count=count, new=new.name)


def hand_one(message: TextMessage, ctx: Context) -> str:
    """Ask for one customer."""
    parts = said(message, ONE) or {}
    new = called(ctx.session, parts["new"] or "", active=True)
    meant = customer_called(ctx.session, parts["who"] or "", message.userid)
    asked = ask_transfer(ctx.session, meant.userid, new.userid, [meant.customer_id], by=message.userid, now=ctx.now)
    if not asked:
        staff = ctx.session.get(Staff, meant.userid)
        text = _("{customer} is on the way to somebody else already, or no contact of {staff}.")
        return text.format(customer=meant.shown, staff=staff.name if staff else meant.userid)
    return _("I am asking WeCom to hand them over; you hear of it in a moment.")


def change_main(message: TextMessage, ctx: Context) -> str:
    """Change who answers for one customer."""
    parts = said(message, MAIN) or {}
    new = called(ctx.session, parts["new"] or "", active=True)
    meant = customer_called(ctx.session, parts["who"] or "", message.userid)
    changed = change_main_staff(ctx.session, meant.customer_id, new.userid, by=message.userid, reason="", now=ctx.now)
    text = _("{customer} is now looked after by {staff}.") if changed else _("{staff} looks after {customer} already.")
    return text.format(customer=meant.shown, staff=new.name)
