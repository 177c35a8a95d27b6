"""Staff ask for a few words for one customer: "帮我给李女士写一段话 提醒复诊", "write a message to Ms Li about …"."""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import literal, select
from sqlmodel import Session

from assistant.drafting import MATERIAL, Wanted, best_script
from assistant.model_jobs import WRITE_DRAFT, give_to_model
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.care import may_be_contacted
from contacts.search import find_customers, meant_by
from scripts_library.search import search

router = Router()

NAMED = 10
ASKING = r"(?:请|麻烦|帮忙|帮我|帮|你|能不能|可以)*"
PIECE = r"(?:一?[条段句个份封几点]+)?(?:话|消息|信息|微信|文案|短信|内容|问候|祝福)"
WRITING = (
    re.compile(
        rf"{ASKING}(?:给|对|跟)(?P<whom>[^\s的,，]{{1,12}}?)(?:写|编|拟|起草|发){PIECE}[\s,，:：。]*(?P<words>.*)",
        re.DOTALL,
    ),
    re.compile(
        rf"{ASKING}(?:写|编|拟|起草){PIECE}(?:给|发给)(?P<whom>[^\s的,，:：]{{1,12}})[\s,，:：。]+(?P<words>.+)",
        re.DOTALL,
    ),
    re.compile(
        r"(?:please |can you |could you )?(?:write|draft)(?: me)?(?: an?| some)?(?: short)?"
        r"(?: message| text| note| words| draft| few words)? (?:to|for) "
        r"(?P<whom>(?:(?:mr|mrs|ms|miss|madam)\.? )?[^\s,:]{1,30})[\s,:]*"
        r"(?:about |on |saying |that )?(?P<words>.*)",
        re.IGNORECASE | re.DOTALL,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Occasion:
    """For whom, and about what."""

    whom: str
    words: str


def occasion_of(text: str) -> Occasion | None:
    """What a member wants written; None when the message is about something else."""
    text = text.strip().strip("。.!！~？? ")
    found = next((match for pattern in WRITING if (match := pattern.fullmatch(text))), None)
    return Occasion(found["whom"].strip(), found["words"].strip()) if found else None


@router.on(TextMessage, when=lambda message: occasion_of(message.content) is not None)
def wanted(message: TextMessage, ctx: Context) -> None:
    """Have it written, or answer with the best script; ask first where the customer or the occasion is not clear."""
    occasion = occasion_of(message.content) or Occasion("", "")
    language = language_of(message.content, ctx.settings.language)
    with speaking(language):
        text = answer(message, ctx, occasion, language)
        if text is not None:
            say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


def answer(message: TextMessage, ctx: Context, occasion: Occasion, language: str) -> str | None:
    """What to say at once; None when the model writes."""
    if not occasion.words:
        return _("What is it about? For example: write a message to {name} about her appointment").format(
            name=occasion.whom
        )
    zone = ZoneInfo(ctx.settings.timezone)
    found = find_customers(ctx.session, occasion.whom, message.userid, NAMED)
    meant = meant_by(occasion.whom, found) if found else None
    if meant and not wants_contact(ctx.session, meant.customer_id, ctx, zone):
        return _("{name} does not want to be written to; nothing was drafted.").format(name=meant.shown)
    hits = search(ctx.session, occasion.words, MATERIAL)
    if not hits:
        none = _("No script fits “{words}”. Try other words, such as what the customer said.")
        return none.format(words=occasion.words[:60])
    job = Wanted(
        userid=message.userid,
        customer_id=meant.customer_id if meant else None,
        whom=occasion.whom,
        words=occasion.words[:300],
        scripts=[hit.entry.script_id for hit in hits],
        language=language,
        cause=str(ctx.event_id),
    )
    given = give_to_model(
        ctx.session, ctx.settings, WRITE_DRAFT, job.userid, job.model_dump(), cause=job.cause, now=ctx.now
    )
    return None if given else best_script(ctx.session, job, ctx.now, zone)


def wants_contact(session: Session, customer_id: int, ctx: Context, zone: ZoneInfo) -> bool:
    """Whether the customer may be written to today."""
    allowed = may_be_contacted(literal(customer_id), ctx.now.astimezone(zone).date())
    return session.execute(select(literal(1)).where(allowed)).first() is not None
