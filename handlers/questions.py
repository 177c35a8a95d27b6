"""Questions about numbers and customers, answered in their own language.

What is none of them goes to the language model where there is one, else to the echo.
"""

from zoneinfo import ZoneInfo

from assistant.asking import Asked, worth_asking
from assistant.conversation import respond
from assistant.model_jobs import ASK_MODEL, give_to_model
from assistant.people import Asker
from bot.language import language_of, speaking
from bot.links import Links
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from handlers.staff_message import asks_help, asks_ping, not_understood

router = Router()


@router.on(TextMessage, when=lambda message: not asks_help(message) and not asks_ping(message))
def asked(message: TextMessage, ctx: Context) -> None:
    """Answer, or let the model choose the question, or say that it is not understood."""
    language = language_of(message.content, ctx.settings.language)
    with speaking(language):
        asker = Asker(message.userid, ctx.now, ZoneInfo(ctx.settings.timezone), Links(ctx.settings))
        known = respond(ctx.session, asker, message.content, cause=str(ctx.event_id))
    if not known and not handed_on(message, ctx, language):
        not_understood(message, ctx)


def handed_on(message: TextMessage, ctx: Context, language: str) -> bool:
    """Give the message to the model; False where that cannot help."""
    if not worth_asking(message.content):
        return False
    cause = str(ctx.event_id)
    asked = Asked(userid=message.userid, text=message.content, language=language, cause=cause)
    return give_to_model(
        ctx.session, ctx.settings, ASK_MODEL, message.userid, asked.model_dump(), cause=cause, now=ctx.now
    )
