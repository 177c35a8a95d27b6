"""Offers in chat: 送李女士到店礼 · 李女士用了到店礼 · 收回李女士的到店礼 · 李女士有什么礼 · 有哪些礼品."""

import re
from zoneinfo import ZoneInfo

from sqlmodel import col, select

from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.offers import (
    CLAIMED,
    GIVEN,
    HELD,
    REDEEMED,
    RESERVED,
    REVOKED,
    NoSuchGrant,
    Offer,
    OfferGrant,
    claim,
    grant_of,
    held_by,
    redeem,
    revoke,
)
from contacts.search import Match
from contacts.staff import place_of
from contacts.tags import CHAT
from handlers.care import Answer, first_match, meant, saying, today_of
from sop.conditions import Day, day_of
from sop.offers import Reason, Wish, choices, closed, give

router = Router()

WHO, THING = r"(?:(?:ms|mr|mrs|miss)\.? )?[^\s]{1,20}", r".{0,25}(?:gift|voucher|coupon|card|pack)"
GIVE = (
    r"(?:送出?|赠送)(?:给|一份|一个)?\s*(?P<both>[^\s]{2,12}?\s*(?:一份|一个|一张)?\s*\S{1,18}(?:礼|券|卡|权益|礼包|礼品|礼物|套餐))",
    r"(?:给|为)\s*(?P<who>.{1,30}?)\s*(?:送出?|赠送|发)(?:了|上)?(?:一份|一个|一张)?\s*(?P<offer>\S{1,18}(?:礼|券|卡|权益|礼包|礼品|礼物|套餐))",
    r"give (?P<who>.{1,30}?) (?:the |an? )?offer:? (?P<offer>.{1,30})",
    rf"(?:i )?g[ai]ve (?P<who>{WHO}) (?:the |an? |her |his )?(?P<offer>{THING})",
)
ONE = re.compile(r"\s*(?:一份|一个|一张)?\s*$")
USED = (
    r"(?P<who>.{1,30}?)\s*(?:已经|刚|今天)?(?:用了|用掉了?|核销了?|兑换了?)\s*(?P<offer>\S{1,20}(?:礼|券|卡|权益|礼包|礼品|礼物|套餐))",
    r"(?:核销|兑换)\s*(?P<who>.{1,30}?)的\s*(?P<offer>\S{1,20})",
    r"(?P<who>.{1,30}?) (?:has )?used (?:the |her |his )?offer:? (?P<offer>.{1,30})",
    rf"(?P<who>{WHO}) (?:has )?(?:used|redeemed) (?:the |her |his |an? )?(?P<offer>{THING})",
)
TOOK = (
    r"(?P<who>.{1,30}?)\s*(?:已经|刚|今天)?领(?:了|走了?|取了?)\s*(?P<offer>\S{1,20}(?:礼|券|卡|权益|礼包|礼品|礼物|套餐))",
    rf"(?P<who>{WHO}) (?:has )?(?:claimed|collected|took) (?:the |her |his |an? )?(?P<offer>{THING})",
)
BACK = (
    r"(?:收回|撤回|取消)\s*(?P<who>.{1,30}?)的\s*(?P<offer>\S{1,20}(?:礼|券|卡|权益|礼包|礼品|礼物|套餐))",
    r"take back (?P<who>.{1,30}?)(?:[’']s)? offer:? (?P<offer>.{1,30})",
)
HERS = (
    r"(?P<who>.{1,30}?)(?:有|拿了|领了)(?:什么|哪些|啥)(?:礼品?|礼物|券|权益|优惠)",
    r"(?:能|可以)(?:给|送)\s*(?P<who>.{1,30}?)(?:送|发)?(?:什么|哪些|啥)(?:礼品?|礼物|券|权益|优惠)?",
    r"(?:which|what) offers (?:has|for|may) (?P<who>.{1,30}?)(?: have| get)?\??",
)
ALL = (
    r"(?:现在|目前)?(?:有|能送)(?:什么|哪些|啥)(?:礼品?|礼物|券|权益|优惠)",
    r"(?:礼品|权益|优惠)(?:清单|列表)",
    r"(?:which |what )?offers(?: are there)?\??",
)


def on_saying(patterns: tuple[str, ...], answer: Answer) -> None:
    """Register what answers when a text fits one of the patterns, in the language it was said in."""

    @router.on(TextMessage, when=saying(patterns))
    def handle(message: TextMessage, ctx: Context) -> None:
        match = first_match(patterns, message.content)
        with speaking(language_of(message.content, ctx.settings.language)):
            text = answer(match, message, ctx) if match else ""
            say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def day(ctx: Context) -> Day:
    """The day offers are judged on."""
    return day_of(ctx.session, today_of(ctx), ZoneInfo(ctx.settings.timezone))


def both(match: re.Match[str], message: TextMessage, ctx: Context) -> tuple[Match, Offer] | str:
    """The customer and the offer meant, else what to say instead."""
    offers = ctx.session.scalars(select(Offer).where(col(Offer.active)).order_by(col(Offer.name))).all()
    parts = match.groupdict()
    words = (parts.get("offer") or parts["both"]).strip().strip("“”\"'")
    if parts.get("both"):  # only the offer's own name tells where the customer's ends
        fitting = [one for one in offers if words.endswith(one.name)]
    else:
        fitting = [one for one in offers if words.casefold() in {one.name.casefold(), one.code}]
    offer = max(fitting, key=lambda one: len(one.name), default=None)
    if offer is None:
        known = "、".join(one.name for one in offers) or _("none")
        return _("I know no offer in “{words}”. There are: {known}.").format(words=words, known=known)
    customer = meant(parts.get("who") or ONE.sub("", words.removesuffix(offer.name)), message, ctx)
    return customer if isinstance(customer, str) else (customer, offer)


def given(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """送李女士到店礼."""
    found = both(match, message, ctx)
    if isinstance(found, str):
        return found
    customer, offer = found
    wish = Wish(customer.customer_id, message.userid, f"chat:{ctx.event_id}")
    handed = give(ctx.session, offer.code, [wish], day(ctx), Reason(CHAT, ctx.now, message.content))
    if reason := handed.refused.get(wish.reference):
        return _("Not given: {reason}.").format(reason=told(reason, offer))
    until = handed.granted[wish.reference]
    answer = _("On record: {offer} for {name}.").format(offer=offer.name, name=customer.shown)
    lines = [answer + (_("It can be used until {day}.").format(day=until) if until else "")]
    return "\n".join([*lines, offer.terms] if offer.terms else lines)


def told(reason: str, offer: Offer) -> str:
    """Why an offer is not given, in the reader's language."""
    if reason.startswith("she has had"):
        return _("she has had {offer} already").format(offer=offer.name)
    if reason.startswith("the conditions"):
        return _("{offer} is not meant for her: its conditions do not hold").format(offer=offer.name)
    if "out of stock" in reason:
        return _("{offer} is out of stock ({stock})").format(offer=offer.name, stock=offer.stock)
    if "begins on" in reason:
        return _("{offer} begins on {day}").format(offer=offer.name, day=offer.starts_on)
    if "ended on" in reason:
        return _("{offer} ended on {day}").format(offer=offer.name, day=offer.ends_on)
    return reason


def used(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """李女士用了到店礼."""
    found = both(match, message, ctx)
    if isinstance(found, str):
        return found
    customer, offer = found
    try:
        held = grant_of(ctx.session, offer.code, customer.customer_id, HELD)
    except NoSuchGrant as error:
        return not_held(str(error), customer, offer)
    if held.expires_on and held.expires_on < today_of(ctx):
        return _("{offer} of {name} ended on {day}; it can no longer be used.").format(
            offer=offer.name, name=customer.shown, day=held.expires_on
        )
    redeem(ctx.session, offer.code, customer.customer_id, message.userid, ctx.now)
    return _("On record: {name} used {offer}.").format(name=customer.shown, offer=offer.name)


def took(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """李女士领了见面礼."""
    found = both(match, message, ctx)
    if isinstance(found, str):
        return found
    customer, offer = found
    try:
        claim(ctx.session, offer.code, customer.customer_id, ctx.now)
    except NoSuchGrant as error:
        return not_held(str(error), customer, offer)
    return _("On record: {name} has taken {offer}.").format(name=customer.shown, offer=offer.name)


def taken_back(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """收回李女士的到店礼."""
    found = both(match, message, ctx)
    if isinstance(found, str):
        return found
    customer, offer = found
    try:
        revoke(ctx.session, offer.code, customer.customer_id, message.userid, ctx.now, reason=message.content)
    except NoSuchGrant as error:
        return not_held(str(error), customer, offer)
    return _("Taken back: {offer} of {name}. It is in stock again.").format(offer=offer.name, name=customer.shown)


def not_held(state: str, customer: Match, offer: Offer) -> str:
    """Why there is nothing to use or take back."""
    names = {"name": customer.shown, "offer": offer.name}
    if state == REDEEMED:
        return _("{name} has used {offer} already.").format(**names)
    if state == CLAIMED:
        return _("{name} has taken {offer} already.").format(**names)
    if state == RESERVED:
        return _("{offer} is set aside for {name}; finish its to-do first.").format(**names)
    return _("{name} has no {offer}.").format(**names)


def hers(match: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """李女士有什么礼: what she has, and what she may have."""
    customer = meant(match["who"].strip(), message, ctx)
    if isinstance(customer, str):
        return customer
    has = [line(grant, offer, ctx) for grant, offer in held_by(ctx.session, customer.customer_id)]
    found = choices(ctx.session, customer.customer_id, day(ctx))
    may = [f"· {one.offer.name}" for one in found if not one.reason]
    not_ = [f"· {told(one.reason, one.offer)}" for one in found if one.reason]
    lines = [_("{name} has:").format(name=customer.shown), *(has or [_("· nothing so far")])]
    lines += [_("She may get:"), *may] if may else []
    return "\n".join([*lines, *([_("Not now:"), *not_] if not_ else [])])


def line(grant: OfferGrant, offer: Offer, ctx: Context) -> str:
    """One offer of a customer: who gave it when and why, and what became of it."""
    state = {
        RESERVED: _("set aside"),
        GIVEN: _("not used yet"),
        CLAIMED: _("claimed"),
        REDEEMED: _("used"),
        REVOKED: _("taken back"),
    }[grant.state]
    when = grant.at.astimezone(ZoneInfo(ctx.settings.timezone)).date()
    by = place_of(ctx.session, grant.userid).name or grant.userid
    return _("· {offer}: {by}, {day} ({cause}), {state}").format(
        offer=offer.name, by=by, day=when, cause=grant.cause or grant.source, state=state
    )


def listed(_match: re.Match[str], _message: TextMessage, ctx: Context) -> str:
    """有哪些礼品: every offer of today with what is left."""
    offers = ctx.session.scalars(select(Offer).where(col(Offer.active)).order_by(col(Offer.name))).all()
    lines = [f"· {one.name}{left(one)}" for one in offers if not closed(one, today_of(ctx))]
    return "\n".join([_("Offers today:"), *lines]) if lines else _("There are no offers today.")


def left(offer: Offer) -> str:
    """How many are left, and until when."""
    stock = _(", {number} left").format(number=offer.stock - offer.taken) if offer.stock is not None else ""
    return stock + (_(", until {day}").format(day=offer.ends_on) if offer.ends_on else "")


on_saying(ALL, listed)
on_saying(HERS, hers)
on_saying(USED, used)
on_saying(TOOK, took)
on_saying(BACK, taken_back)
on_saying(GIVE, given)
