"""Tags by chat: 给李女士打标签 高意向, 取消…, 谁给她打的; and the card that asks which tag."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, ValidationError
from sqlmodel import Session, col, select

from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say, send_card, update_card
from bot.router import Context, Router
from bot.wecom.events import CardClicked, TextMessage
from contacts.corp_tags import LONGEST_NAME, ask_for_tag
from contacts.leaders import leads
from contacts.models import Customer, FollowUser, Staff
from contacts.search import EXACT, Match, find_customers, meant_by, the_one
from contacts.tag_lookup import NamedTag, changes_of, closest, split_name, tags_named
from contacts.tag_push import Pair
from contacts.tagging import Changed, Why, change_tags
from contacts.tags import CHANNEL, CHAT, CLIENT, PAGE, RULE, TagChange
from handlers.tag_words import ADD, CREATE, REMOVE, WHO, Said, cut_loosely, named, said

router = Router()

KEY = "tags:"
"""Begins the key of every button here; the request follows as JSON."""
TAGS_MOST, KEY_BYTES, CAUSE = 10, 1024, 60
"""Of one request; of a button's key; characters of the words kept as a change's cause."""
PREFIX = 3
"""In English a name comes first: so many words of it at most."""


class Asking(BaseModel):
    """What somebody wants done, as far as it is settled: small enough for a button's key."""

    act: str = Field(alias="a")
    customer_id: int = Field(default=0, alias="c")
    userid: str = Field(default="", alias="u")
    tags: list[str] = Field(default_factory=list, alias="t")
    new: list[tuple[str, str]] = Field(default_factory=list, alias="n")
    """(group, name) of tags to be made."""
    words: str = Field(default="", alias="w")
    language: str = Field(default="", alias="l")

    def key(self) -> str:
        """A button's key; the words give way where it is too long."""
        key = KEY + self.model_dump_json(by_alias=True, exclude_defaults=True)
        return key if len(key.encode()) <= KEY_BYTES else self.model_copy(update={"words": ""}).key()


@dataclass
class Wanted:
    """The tags a sentence names."""

    known: list[NamedTag] = field(default_factory=list)
    ambiguous: list[tuple[str, list[NamedTag]]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@router.on(TextMessage, when=lambda message: said(message.content) is not None)
def about_tags(message: TextMessage, ctx: Context) -> None:
    """Tags put on, taken off and asked about; taking back is `handlers.undoing`."""
    words = said(message.content)
    if words is None:
        return
    with speaking(language_of(message.content, ctx.settings.language)):
        text = carry_out(message, words, ctx)
        if text:
            say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def carry_out(message: TextMessage, words: Said, ctx: Context) -> str:
    """Do what was said; answers the reply, or nothing when a card asks first."""
    who, wanted, matches = understood(ctx.session, message.userid, words)
    if not matches:
        return nobody(ctx.session, who)
    match = the_one(matches)
    if words.act == WHO:
        return history(ctx.session, match or meant_by(who, matches), wanted, ctx)
    if refusal := impossible(wanted):
        return refusal
    asking = Asking(
        a=REMOVE if words.act == REMOVE else ADD,
        t=[one.id for one in wanted.known][:TAGS_MOST],
        n=[split_name(one) for one in wanted.unknown][:TAGS_MOST] if words.act == CREATE else [],
        w=message.content.strip()[:CAUSE],
        l=language_of(message.content, ctx.settings.language),
    )
    if words.act != CREATE and wanted.unknown:
        return unknown_tag(message.userid, wanted.unknown[0], asking, match, ctx)
    match = match or meant_by(who, matches)
    settled = asking.model_copy(update={"customer_id": match.customer_id, "userid": match.userid})
    return perform(settled, message.userid, match.shown, ctx)


def impossible(wanted: Wanted) -> str:
    """Why these tags cannot be meant; empty when they can."""
    if wanted.ambiguous:
        name, choices = wanted.ambiguous[0]
        text = _("Several tags are called “{name}”: write {choices}.")
        return text.format(name=name, choices=_(" or ").join(one.full for one in choices))
    if any(len(split_name(name)[1]) > LONGEST_NAME for name in wanted.unknown):
        return _("A tag has at most 30 characters; say it shorter.")
    return "" if wanted.known or wanted.unknown else _("Which tag? Say for example: tag Ms Li as high intent")


def understood(session: Session, userid: str, words: Said) -> tuple[str, Wanted, list[Match]]:
    """Who and which tags are meant; where English runs both together, the cut at which both are known."""
    readings = [one for one in words.readings() if one[0]]
    for who, tags in readings[:PREFIX] if words.both else readings:
        wanted = wanted_tags(session, tags)
        matches = find_customers(session, who, userid)
        if not words.both or (matches and not wanted.unknown):
            return who, wanted, matches
    titled = readings[1:2] if words.both.casefold().startswith(("ms", "mr", "miss")) else readings[:1]
    who, tags = titled[0] if titled else (words.both, "")
    return who, wanted_tags(session, tags), find_customers(session, who, userid)


def wanted_tags(session: Session, tags: str) -> Wanted:
    """The tags a text names; one that nobody knows as a whole is cut at spaces and 和 too."""
    names = named(tags)
    found = tags_named(session, [*names, *(part for name in names for part in cut_loosely(name))])
    whole = [
        part
        for name in names
        for part in ([name] if found[name] or not all(found[one] for one in cut_loosely(name)) else cut_loosely(name))
    ]
    return Wanted(
        [found[name][0] for name in whole if len(found[name]) == 1],
        [(name, found[name]) for name in whole if len(found[name]) > 1],
        [name for name in whole if not found[name]],
    )


def nobody(session: Session, who: str) -> str:
    """No customer of the asker's is called so; if a colleague's is, say whose."""
    others = [one for one in find_customers(session, who, None, 3) if one.score >= EXACT]
    if not others:
        return _("I find no customer called “{name}” among yours.").format(name=who)
    staff = session.get(Staff, others[0].userid)
    text = _("{name} is a customer of {staff}, so I leave her tags alone. Ask {staff}, or your leader.")
    return text.format(name=who, staff=staff.name if staff else others[0].userid)


def unknown_tag(userid: str, name: str, asking: Asking, match: Match | None, ctx: Context) -> str:
    """Nobody knows this tag: offer the closest ones, and to make it."""
    near = closest(ctx.session, name)
    known = _("There is no tag “{name}”.").format(name=name)
    if match is None or asking.act == REMOVE:
        like = _("Did you mean {names}?").format(names=listed([one.full for one in near])) if near else ""
        return f"{known} {like}".strip()
    whose = {"customer_id": match.customer_id, "userid": match.userid}
    choices = [(one.name, asking.model_copy(update={**whose, "tags": [*asking.tags, one.id]})) for one in near]
    fresh = asking.model_copy(update={**whose, "new": [split_name(name)]})
    choices.append((_("New tag"), fresh))
    card = {
        "card_type": "button_interaction",
        "main_title": {"title": known[:36]},
        "sub_title_text": _("Which one for {name}? You can also make it.").format(name=match.shown)[:160],
        "button_list": [{"text": text[:10], "style": 1, "key": one.key()} for text, one in choices],
    }
    send_card(ctx.session, userid, card, cause=f"{ctx.event_id}:tag", now=ctx.now)
    return ""


@router.on(CardClicked, when=lambda event: event.key.startswith(KEY))
def chosen(event: CardClicked, ctx: Context) -> None:
    """The asker chose the tag: do it, and close the card."""
    try:
        asking = Asking.model_validate_json(event.key.removeprefix(KEY))
    except ValidationError:
        return
    with speaking(asking.language or ctx.settings.language):
        pair = Pair(asking.customer_id, asking.userid)
        if asking.userid != event.userid and not leads(ctx.session, event.userid, asking.userid):
            text = _("She is no customer of yours, so I leave her tags alone.")
        else:
            text = perform(asking, event.userid, name_of(ctx.session, pair), ctx)
        if event.response_code:
            update = {"button": {"replace_name": _("Done")}}
            update_card(ctx.session, event.userid, event.response_code, update, cause=str(ctx.event_id), now=ctx.now)
        say(ctx.session, event.userid, text, cause=str(ctx.event_id), now=ctx.now)


def perform(asking: Asking, asker: str, name: str, ctx: Context) -> str:
    """Change the tags of one pair, and say what came of it."""
    pair = Pair(asking.customer_id, asking.userid)
    why = Why(CHAT, ctx.now, asker, asking.words)
    given = {"remove": asking.tags} if asking.act == REMOVE else {"add": asking.tags}
    changed = change_tags(ctx.session, pair, why, **given)
    for group, tag in asking.new:
        ask_for_tag(ctx.session, [pair], why, group=group, name=tag, cause=str(ctx.event_id))
    lines = [_("{name}: {changes}").format(name=name, changes=shown(changed))] if changed else []
    if asking.new:
        made = listed([tag for _group, tag in asking.new])
        lines.append(_("The new tag {tags} is being made and put on {name}.").format(tags=made, name=name))
    if not lines:
        has = _("{name} has it already.") if asking.act == ADD else _("{name} does not have it.")
        return has.format(name=name)
    if half(ctx.session, pair):
        lines.append(_("She is not confirmed as a contact yet; WeCom gets the tags when she is."))
    lines.append(_("Say “undo” within 10 minutes to take it back."))
    return "\n".join(lines)


def history(session: Session, match: Match, wanted: Wanted, ctx: Context) -> str:
    """Who put tags on and took them off, when and why."""
    pair = Pair(match.customer_id, match.userid)
    if wanted.unknown:
        return _("There is no tag “{name}”.").format(name=wanted.unknown[0])
    asked = [*wanted.known, *(one for _name, several in wanted.ambiguous for one in several)]
    changes = changes_of(session, pair, [one.id for one in asked])
    if not changes:
        return _("Nobody has put that tag on {name}, as far as I know.").format(name=match.shown)
    found = session.exec(select(Staff).where(col(Staff.userid).in_({one.by for one in changes}))).all()
    staff = {one.userid: one.name for one in found}
    lines = [line_of(one, staff, ctx) for one in changes]
    return "\n".join([_("{name}'s tags:").format(name=match.shown), *lines])


def line_of(change: TagChange, staff: dict[str, str], ctx: Context) -> str:
    """One change of the log in words."""
    ways = {
        CHAT: _("by chat"),
        CLIENT: _("in WeCom"),
        RULE: _("by a rule"),
        CHANNEL: _("by the channel"),
        PAGE: _("on the page"),
    }
    did = _("on") if change.added else _("off")
    who = staff.get(change.by, change.by)
    why = change.conflict or change.cause
    parts = [who, ways.get(change.source, _("found when syncing")), f"“{why}”" if why else ""]
    at = change.at.astimezone(ZoneInfo(ctx.settings.timezone))
    return f"· {at:%Y-%m-%d %H:%M} {did} “{change.tag_name}” – {' '.join(part for part in parts if part)}"


def shown(changed: Sequence[Changed]) -> str:
    """What changed, in words."""
    added = [one.name for one in changed if one.added]
    removed = [one.name for one in changed if not one.added]
    parts = [_("put on {tags}").format(tags=listed(added))] if added else []
    parts += [_("took off {tags}").format(tags=listed(removed))] if removed else []
    return _("; ").join(parts)


def listed(names: Sequence[str]) -> str:
    """“a”, “b”."""
    return _(", ").join(f"“{name}”" for name in names)


def name_of(session: Session, pair: Pair) -> str:
    """What the member calls the customer."""
    tie = session.exec(
        select(FollowUser).where(FollowUser.customer_id == pair.customer_id, FollowUser.userid == pair.userid)
    ).first()
    customer = session.get(Customer, pair.customer_id)
    return (tie.remark if tie else "") or (customer.name if customer else "")


def half(session: Session, pair: Pair) -> bool:
    """Whether the customer has only half added the member."""
    tie = select(FollowUser.half).where(FollowUser.customer_id == pair.customer_id, FollowUser.userid == pair.userid)
    return bool(session.exec(tie).first())
