"""A leader answers an appeal: 「#12算林晓的，她跟了三周」, 「李女士那单归林晓」; numbers and commission follow."""

import re
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from sqlmodel import col

from assistant.customer_answers import RECENT_DAYS, found_customer, payment_line
from assistant.people import Asker, Unanswerable, named
from assistant.wording import moment, money
from bot.jobs import Priority
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.models import Customer, Staff
from contacts.unasked import lane_of
from kpi.decisions import UNDO_MINUTES, Decided, decide, payments_led
from kpi.models import OrderCredit
from kpi.scope import NotYours

router = Router()

TO = r"(?!谁|哪|不|我|咱|她|他)(?P<to>[^\d\s，,。；;:：#]{1,12}?)(?:的|名下|吧|了)*"
WHY = r"(?:\s*[，,。；;:：\s]\s*(?:因为|理由是?|原因是?)?[:：]?\s*(?P<why>\S.*?))?[。.!！]*"
DECIDES = re.compile(
    r"(?:把|将)?\s*(?:[#＃]\s*(?P<order>\d{1,12})\s*(?:这单|那单|号单)?|(?P<name>[^#＃\s，,]{1,20}?)的?(?:那|这)一?[单笔])"
    rf"\s*(?:应该|还是|改)?(?:算给|算|归给|归|判给|划给|给)\s*{TO}{WHY}",
    re.DOTALL,
)
IN_ENGLISH = re.compile(
    r"(?:give|credit) (?:(?:order )?#\s*(?P<order>\d{1,12})|(?P<name>.{1,40}?)(?:'s|’s) order)"
    r" to (?P<to>[^,;:.]{1,40}?)(?:\s*[,;:]\s*(?:because )?(?P<why>.+?))?[.!]*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Said:
    """What a leader decided, in her words."""

    order: int | None
    name: str
    to: str
    why: str


def said(text: str) -> Said | None:
    """A decision, if a text is one."""
    found = DECIDES.fullmatch(text.strip()) or IN_ENGLISH.fullmatch(text.strip())
    if found is None:
        return None
    order = int(found["order"]) if found["order"] else None
    return Said(order, (found["name"] or "").strip(), found["to"].strip(), (found["why"] or "").strip())


@router.on(TextMessage, when=lambda message: said(message.content) is not None)
def decided(message: TextMessage, ctx: Context) -> None:
    """Let the order be whose the leader says, and tell those whom it concerns."""
    meant = said(message.content)
    if meant is None:
        return
    with speaking(language_of(message.content, ctx.settings.language)):
        try:
            text = carry_out(meant, message, ctx)
        except Unanswerable as reason:
            text = str(reason)
        except NotYours:
            text = _("Whose an order is, a leader decides: of her team's orders, for its members, not for herself.")
        say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def carry_out(meant: Said, message: TextMessage, ctx: Context) -> str:
    """Decide. Raises `NotYours`, or `Unanswerable` where it is not clear which order is meant."""
    session, leader = ctx.session, message.userid
    line = order_meant(meant, message, ctx)
    userid, name = named(session, meant.to)
    before = line.userid
    if before == userid:
        raise Unanswerable(_("That order is {name}'s already.").format(name=name))
    customer = session.get(Customer, line.customer_id)
    order = _("{customer}'s order #{number} of {time}, {amount}").format(
        customer=customer.name if customer else "",
        number=line.order_id,
        time=moment(line.at, ZoneInfo(ctx.settings.timezone)),
        amount=money(line.amount_fen),
    )
    decide(session, line, userid, Decided(leader, meant.why), ctx.now)
    decider = session.get(Staff, leader)
    with speaking(ctx.settings.language):
        told = _("{leader} decided: {order} is {name}'s.").format(
            leader=decider.name if decider else leader, order=order, name=name
        )
    for concerned in {userid, before} - {None, leader}:
        tell(concerned or "", f"{told} {meant.why}".strip(), ctx)
    was = session.get(Staff, before) if before else None
    return _(
        "{order} is {name}'s now; it was {before}'s. Numbers and commission follow. “undo” takes it back for {minutes} "
        "minutes."
    ).format(order=order, name=name, before=was.name if was else _("the store"), minutes=UNDO_MINUTES)


def tell(userid: str, text: str, ctx: Context) -> None:
    """Somebody whom the decision gives an order, or takes it from, hears who decided and why."""
    cause = f"decision:{ctx.event_id}:{userid}"
    say(ctx.session, userid, text, cause=cause, now=ctx.now, priority=Priority.PUSH, lane=lane_of(userid))


def order_meant(meant: Said, message: TextMessage, ctx: Context) -> OrderCredit:
    """The payment of the leader's team that is meant. Raises `NotYours`, `Unanswerable`."""
    session, zone = ctx.session, ZoneInfo(ctx.settings.timezone)
    if meant.order is not None:
        found = payments_led(session, message.userid, OrderCredit.order_id == meant.order)
        if not found:
            raise Unanswerable(_("Your team has no order #{number}.").format(number=meant.order))
        return found[0]
    customer = found_customer(session, Asker(message.userid, ctx.now, zone), meant.name)
    since = ctx.now - timedelta(days=RECENT_DAYS)
    theirs = (OrderCredit.customer_id == customer.customer_id, col(OrderCredit.at) >= since)
    found = payments_led(session, message.userid, *theirs)
    if not found:
        raise Unanswerable(_("{name} has no orders then.").format(name=customer.shown))
    if len(found) > 1:
        lines = [payment_line(one, zone) for one in found]
        which = _("Which order? Say for example: #{number} is {name}'s.").format(
            number=found[0].order_id, name=meant.to
        )
        raise Unanswerable("\n".join([*lines, which]))
    return found[0]
