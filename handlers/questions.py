"""Questions about numbers and customers, answered in their own language. What is none of them is left to the echo."""

from zoneinfo import ZoneInfo

from assistant.conversation import respond
from assistant.people import Asker
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from handlers.staff_message import asks_help, asks_ping, not_understood

router = Router()


@router.on(TextMessage, when=lambda message: not asks_help(message) and not asks_ping(message))
def asked(message: TextMessage, ctx: Context) -> None:
    """Answer, or say that it is not understood."""
    with speaking(language_of(message.content, ctx.settings.language)):
        asker = Asker(message.userid, ctx.now, ZoneInfo(ctx.settings.timezone))
        text = respond(ctx.session, asker, message.content)
        if text is not None:
            say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)
    if text is None:
        not_understood(message, ctx)
