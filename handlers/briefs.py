"""A press on a campaign's brief: it is read, and a long one comes whole."""

from zoneinfo import ZoneInfo

from assistant.briefs import PREFIX, brief_lines, fits_card, read_brief
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say, update_card
from bot.router import Context, Router
from bot.wecom.events import CardClicked

router = Router()


@router.on(CardClicked, when=lambda event: event.key.startswith(f"{PREFIX}:"))
def brief_pressed(event: CardClicked, ctx: Context) -> None:
    """Note when she read it, grey the button, and send what the card had no room for."""
    campaign = read_brief(ctx.session, int(event.key.partition(":")[2]), event.userid, ctx.now)
    with speaking(ctx.settings.language):
        update = {"button": {"replace_name": _("Read")}}
        update_card(ctx.session, event.userid, event.response_code, update, cause=str(ctx.event_id), now=ctx.now)
        if campaign and not fits_card(campaign):
            text = "\n".join(brief_lines(campaign, ZoneInfo(ctx.settings.timezone)))
            say(ctx.session, event.userid, text, cause=str(ctx.event_id), now=ctx.now)
