"""Questions and answers about lost customers: 李女士 流失原因 价格; 流失的客户."""

import re
from zoneinfo import ZoneInfo

from assistant.grammar import Known, taken_apart
from assistant.questions import ME, TEAM
from assistant.vocabulary import normal
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.losses import (
    RECENT,
    Loss,
    ReasonRefused,
    day,
    loss,
    losses_since,
    lost_called,
    set_loss_reason,
)
from contacts.models import CUSTOMER
from contacts.search import meant_by

router = Router()

GIVES_REASON = re.compile(
    r"(?P<who>.{1,30}?)(?:\s*的?流失原因(?:是|[:：])?|\s+left because(?: of)?\b)\s*(?P<why>.*)",
    re.IGNORECASE | re.DOTALL,
)
LOST = frozenset({"流失的客户", "流失客户", "我流失的客户", "谁删了我", "lost customers", "my lost customers"})
LISTED_MOST = 20


def gives_reason(message: TextMessage) -> bool:
    """Whether a reason is given, or asked for, why one customer left; why all of a month did is a number."""
    found = GIVES_REASON.fullmatch(message.content.strip())
    if found is None:
        return False
    named = taken_apart(normal(found["who"]), Known())
    return named.unknown > 0 or named.whose not in {"", ME, TEAM}


def asks_lost(message: TextMessage) -> bool:
    """Whether the member asks for the customers she lost."""
    return message.content.strip().strip("。.!！?？ ").casefold() in LOST


@router.on(TextMessage, when=gives_reason)
def reason_given(message: TextMessage, ctx: Context) -> None:
    """Write down why a lost customer left, or say what was written down."""
    found = GIVES_REASON.fullmatch(message.content.strip())
    if found is None:
        return
    with speaking(language_of(message.content, ctx.settings.language)):
        text = reason_answer(message.userid, found["who"].strip(), found["why"].strip(" 。."), ctx)
        say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def reason_answer(userid: str, who: str, why: str, ctx: Context) -> str:
    """What to say to a reason given for a name."""
    matches = lost_called(ctx.session, who, userid)
    if not matches:
        return _("I find no lost customer called “{name}” among yours.").format(name=who)
    meant = meant_by(who, matches)
    if not why:
        known = loss(ctx.session, meant.customer_id, meant.userid)
        reason = known.reason if known and known.reason else _("not known yet")
        return _("{name}: {reason}").format(name=meant.shown, reason=reason)
    try:
        set_loss_reason(ctx.session, meant.customer_id, meant.userid, why)
    except ReasonRefused as refused:
        return str(refused)
    return _("Noted: {name} left because of {reason}.").format(name=meant.shown, reason=why)


@router.on(TextMessage, when=asks_lost)
def lost_listed(message: TextMessage, ctx: Context) -> None:
    """The customers the member lost in the last 30 days."""
    with speaking(language_of(message.content, ctx.settings.language)):
        lost = losses_since(ctx.session, [message.userid], ctx.now - RECENT)
        text = _("Lost in the last 30 days: {count}").format(count=len(lost))
        if not lost:
            text = _("You lost no customer in the last 30 days.")
        lines = [line_of(one, ctx) for one in lost[:LISTED_MOST]]
        say(ctx.session, message.userid, "\n".join([text, *lines]), cause=str(ctx.event_id), now=ctx.now)


def line_of(lost: Loss, ctx: Context) -> str:
    """One lost customer in a line."""
    zone = ZoneInfo(ctx.settings.timezone)
    parts = [
        _("{name}, lost {day}").format(name=lost.name, day=day(lost.lost_at, ctx.now, zone)),
        _("deleted you") if lost.lost_by == CUSTOMER else _("deleted by you"),
        _("came through {channel}").format(channel=lost.channel) if lost.channel else "",
        _("reason: {reason}").format(reason=lost.reason) if lost.reason else "",
    ]
    return "· " + _(", ").join(part for part in parts if part)
