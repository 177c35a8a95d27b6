"""Staff ask for words to say: "话术 价格太贵", "太贵了怎么回", "script price"; "给李女士" has them filled for her."""

import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select, union_all
from sqlmodel import Session

from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say, send_card
from bot.router import Context, Router
from bot.wecom.events import CardClicked, TextMessage
from contacts.changes import CUSTOMERS, TIES
from contacts.search import SURE, Match, find_customers, the_one, visible
from scripts_library.attachments import LinkPart
from scripts_library.context import called, context_for
from scripts_library.models import COPIED, SHOWN
from scripts_library.scripts import Filled, fill, log_use
from scripts_library.search import Hit, search
from scripts_library.sending import send_file

router = Router()

LISTED = 5
NAMED = 10
"""Customers to choose from; a card's selector takes no more."""
PRESSED = "script"
SCRIPT, CUSTOMER = "script", "customer"
"""Questions on the card."""
TITLE, LINE, OPTION, DESC = 36, 30, 16, 160
"""Characters WeCom recommends for a card's parts (wecom-api §7.2)."""
GIVING = (
    re.compile(r"^(?:请|帮我|麻烦)*(?:写|找|来|发|整)?(?:一?[条句段个])?给(?P<whom>[^的\s]{1,12})的(?P<words>\S.*)$"),
    re.compile(r"^(?P<words>.*\S)(?P<gap>\s*)(?:发?给|送给)(?P<whom>[^\s给的]{1,12})$"),
    re.compile(r"^(?P<words>.*\S)(?P<gap>\s+)for (?P<whom>\S.{0,30})$", re.IGNORECASE),
)
WRITE = re.compile(r"^(?:请|帮我|麻烦)*(?:写|找|来|发|整)(?:一?[条句段个])?给.{1,12}的.+$")
ASKED_FIRST = re.compile(
    r"^(?:(?:找|查|搜|来)?(?:一?[条句段个])?话术|怎么(?:回复?|说|答)|如何(?:回复?|说|答)|咋(?:回|说|答)|scripts?\b"
    r"|what (?:to|do i|should i) (?:say|reply|answer)(?: (?:when|if|to|about))?\b)[\s:：,，]*(?P<words>.*)$",
    re.IGNORECASE | re.DOTALL,
)
ASKED_LAST = re.compile(
    r"^(?P<words>.+?)[\s,，]*(?:该|要|应该)?(?:怎么(?:回复?|说|答)|如何(?:回复?|说|答)|咋(?:回|说|答)|的?话术)"
    r"(?:才好|呢|啊|呀|好|他|她|客户|有吗|有没有)*$",
    re.DOTALL,
)


@dataclass(frozen=True)
class Question:
    """What is to be answered, and for whom; unless `sure`, the name may be part of the question: `whole`."""

    words: str
    whom: str = ""
    sure: bool = True
    whole: str = ""


def question_of(text: str) -> Question | None:
    """What a member asks of the library; None when the message is no such question."""
    text = text.strip().strip("。.!！~？? ").strip()
    if WRITE.match(text):
        return named(text)
    asked = ASKED_FIRST.match(text) or ASKED_LAST.match(text)
    return named(asked["words"].strip()) if asked else None


def named(words: str) -> Question:
    """The question with its customer, "… 给李女士"."""
    for pattern in GIVING:
        if found := pattern.match(words):
            return Question(
                found["words"].strip(), found["whom"].strip(), bool(found.groupdict().get("gap", " ")), words
            )
    return Question(words)


@router.on(TextMessage, when=lambda message: question_of(message.content) is not None)
def asked(message: TextMessage, ctx: Context) -> None:
    """List the best scripts on a card; one tap brings one in full, filled for the customer named."""
    question = question_of(message.content) or Question("")
    with speaking(language_of(message.content, ctx.settings.language)):
        if not question.words:
            reply(ctx, message.userid, how_to_ask())
            return
        found = find_customers(ctx.session, question.whom, message.userid, NAMED) if question.whom else []
        if not question.sure and not any(match.score >= SURE for match in found):
            question, found = Question(question.whole), []
        hits = search(ctx.session, question.words, LISTED)
        if not hits:
            none = _("No script fits “{words}”. Try other words, such as what the customer said.")
            reply(ctx, message.userid, none.format(words=cut(question.words, 60)))
            return
        card = card_of(question, hits, found)
        send_card(ctx.session, message.userid, card, cause=str(ctx.event_id), now=ctx.now)
        uses = [(hit.entry.script_id, hit.entry.version) for hit in hits]
        certain = the_one(found) if found else None
        whose = certain.customer_id if certain else None
        log_use(ctx.session, uses, SHOWN, userid=message.userid, customer_id=whose, now=ctx.now)


def how_to_ask() -> str:
    """What to type."""
    return _("Write what the customer said after it: script too expensive. Add her name to have it filled in.")


def card_of(question: Question, hits: list[Hit], found: list[Match]) -> dict[str, Any]:
    """The card: with one customer, or none, a button below the list; with several, a second selector."""
    title = cut(_("Scripts: {words}").format(words=question.words), TITLE)
    certain = the_one(found) if found else None
    options = [
        {"id": str(hit.entry.script_id), "text": cut(f"{number} {hit.entry.title}", OPTION)}
        for number, hit in enumerate(hits, 1)
    ]
    choice = {"question_key": SCRIPT, "title": _("Which one"), "option_list": options, "selected_id": options[0]["id"]}
    if found and certain is None:
        return which_customer(question, title, choice, hits, found)
    lines = [
        {"keyname": str(number), "value": cut(f"{hit.entry.title}：{hit.entry.opening}", LINE)}
        for number, hit in enumerate(hits, 1)
    ]
    return {
        "card_type": "button_interaction",
        "main_title": {"title": title, "desc": for_whom(question, certain)},
        "horizontal_content_list": lines,
        "button_selection": choice,
        "button_list": [{"text": _("Full text"), "style": 1, "key": key_of(question, certain)}],
    }


def for_whom(question: Question, certain: Match | None) -> str:
    """The line below the title."""
    if certain:
        return _("Filled in for {name}").format(name=cut(certain.shown, 20))
    if question.whom:
        return _("No customer “{name}” of yours; only the name is filled in").format(name=cut(question.whom, 12))
    return _("Choose one for its full text")


def which_customer(
    question: Question, title: str, choice: dict[str, Any], hits: list[Hit], found: list[Match]
) -> dict[str, Any]:
    """A card that also asks which customer is meant."""
    people = [
        {"id": str(match.customer_id), "text": cut(f"{number} {match.shown}", OPTION)}
        for number, match in enumerate(found, 1)
    ]
    openings = "\n".join(f"{number} {cut(hit.entry.opening, 26)}" for number, hit in enumerate(hits, 1))
    return {
        "card_type": "multiple_interaction",
        "main_title": {"title": title, "desc": cut(openings, DESC)},
        "select_list": [
            choice,
            {
                "question_key": CUSTOMER,
                "title": _("Which {name}").format(name=cut(question.whom, 12)),
                "option_list": people,
                "selected_id": people[0]["id"],
            },
        ],
        "submit_button": {"text": _("Full text"), "key": key_of(question, None)},
    }


def key_of(question: Question, certain: Match | None) -> str:
    """The button's key: the customer, and what she was called."""
    return f"{PRESSED}:{certain.customer_id if certain else 0}:{question.whom}"


@router.on(CardClicked, when=lambda event: event.key.startswith(f"{PRESSED}:"))
def chosen(event: CardClicked, ctx: Context) -> None:
    """One script in full, ready to be copied, with its attachments; the card stays good for the next."""
    _pressed, customer, whom = event.key.split(":", 2)
    script_id = number_in(event.selected.get(SCRIPT, ()))
    customer_id = number_in(event.selected.get(CUSTOMER, ())) or number_in((customer,))
    with speaking(ctx.settings.language):
        if customer_id and not may_see(ctx.session, event.userid, customer_id):
            reply(ctx, event.userid, _("This customer is no longer yours; ask again with another name."))
            return
        context = context_for(ctx.session, event.userid, customer_id, ctx.now, ZoneInfo(ctx.settings.timezone))
        filled = fill(ctx.session, script_id, called(context, whom)) if script_id else None
        if filled is None:
            reply(ctx, event.userid, _("This script has been taken out of the library; ask again for others."))
            return
        reply(ctx, event.userid, "\n".join((filled.text, *links(filled))))
        for part in filled.version.attachments:
            send_file(ctx.session, event.userid, part, cause=str(ctx.event_id), now=ctx.now)
    use = [(script_id or 0, filled.version.number)]
    log_use(ctx.session, use, COPIED, userid=event.userid, customer_id=customer_id, now=ctx.now)


def links(filled: Filled) -> list[str]:
    """Link cards as lines of text: only a customer can be sent the card itself."""
    return [f"{part.title} {part.url}" for part in filled.version.attachments if isinstance(part, LinkPart)]


def may_see(session: Session, userid: str, customer_id: int) -> bool:
    """Whether the customer is still hers, or of somebody she leads: a card lives for three days."""
    whose = visible(session, userid)
    tied = select(TIES.c.customer_id).where(
        TIES.c.customer_id == customer_id, TIES.c.lost_at.is_(None), whose(TIES.c.userid)
    )
    answered = select(CUSTOMERS.c.id).where(CUSTOMERS.c.id == customer_id, whose(CUSTOMERS.c.main_userid))
    return session.execute(union_all(tied, answered).limit(1)).first() is not None


def number_in(values: tuple[str, ...]) -> int | None:
    """The first of a selection as a number; None when there is none."""
    return int(values[0]) or None if values and values[0].isdecimal() and len(values[0]) < 19 else None


def cut(text: str, limit: int) -> str:
    """At most so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def reply(ctx: Context, userid: str, text: str) -> None:
    """Answer the event at hand."""
    say(ctx.session, userid, text, cause=str(ctx.event_id), now=ctx.now)
