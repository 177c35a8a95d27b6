"""Appeals: 申诉 behind 「李女士那单为什么不算我的」 shows the leader whose the orders are and why, once a day."""

import re
from zoneinfo import ZoneInfo

from assistant.conversation import REMEMBERED
from assistant.customer_answers import credit_answer
from assistant.models import Conversation
from assistant.people import Asker, Unanswerable
from assistant.questions import Credit, question_from
from bot.jobs import Priority
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.leaders import leaders_of
from contacts.models import Staff
from contacts.unasked import lane_of

router = Router()

APPEAL = re.compile(
    r"(?:我要|我想)?申诉(?:\s*(?P<name>.+?)(?:的|那|这)?一?[单订]?单?)?"
    r"|(?P<before>.+?)(?:的|那|这)一?[单订]单?我?(?:要|想)申诉"
    r"|(?:i )?(?:want to )?appeal(?: (?P<who>.+?)(?:'s|’s)? ?(?:order)?)?",
    re.IGNORECASE,
)


@router.on(TextMessage, when=lambda message: APPEAL.fullmatch(message.content.strip()) is not None)
def appealed(message: TextMessage, ctx: Context) -> None:
    """Show the leaders the orders and the reasons, and say who was told."""
    with speaking(language_of(message.content, ctx.settings.language)):
        try:
            text = appeal(message, ctx)
        except Unanswerable as reason:
            text = str(reason)
        say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def appeal(message: TextMessage, ctx: Context) -> str:
    """Tell the leaders. Raises `Unanswerable` where it is not clear which order is meant."""
    asker = Asker(message.userid, ctx.now, ZoneInfo(ctx.settings.timezone))
    question = meant(message, ctx)
    lines = credit_answer(ctx.session, asker, question)[:-1]
    leaders = leaders_of(ctx.session, message.userid)
    if not leaders:
        raise Unanswerable(_("I know no leader above you; please ask the office."))
    staff = ctx.session.get(Staff, message.userid)
    name = staff.name if staff else message.userid
    with speaking(ctx.settings.language):
        head = _("{staff} asks you to look at whose these orders are:").format(staff=name)
        decide = _("To change it say for example: #{number} is {staff}'s. Otherwise it stays as it is.")
    number = re.search(r"#(\d+)", "\n".join(lines[1:]))
    lines.append(decide.format(number=number[1] if number else "", staff=name))
    today = ctx.now.astimezone(asker.zone).date()
    new = False
    for leader in leaders:
        cause = f"appeal:{message.userid}:{question.name}:{today}:{leader}"
        given = {"priority": Priority.PUSH, "lane": lane_of(leader)}
        new |= say(ctx.session, leader, "\n".join([head, *lines]), cause=cause, now=ctx.now, **given)
    names = "、".join(one.name for one in (ctx.session.get(Staff, leader) for leader in leaders) if one)
    if not new:
        return _("{names} was told of that today already.").format(names=names)
    return _("{names} is told, with the reasons, and decides.").format(names=names)


def meant(message: TextMessage, ctx: Context) -> Credit:
    """The customer named, or the one just asked about. Raises `Unanswerable`."""
    found = APPEAL.fullmatch(message.content.strip())
    name = (found["name"] or found["before"] or found["who"]) if found else None
    if name:
        return Credit(name=name.strip()[:40])
    last = ctx.session.get(Conversation, message.userid)
    asked = question_from(last.tool, last.arguments) if last and ctx.now - last.at <= REMEMBERED else None
    if not isinstance(asked, Credit):
        raise Unanswerable(_("Which order? Say for example: appeal Ms Li's order."))
    return asked
