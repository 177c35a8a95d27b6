"""What staff say to the bot in the app's chat. Questions are added here, each with its predicate, before the echo."""

from assistant.answers import help_lines
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say, update_card
from bot.router import Context, Router
from bot.wecom.events import CardEvent, MenuClicked, Message, TextMessage

router = Router()

HELP = frozenset({"help", "?", "？", "h", "帮助", "菜单", "怎么用", "能做什么"})
PING = frozenset({"ping", "在吗", "在么", "在不在"})
ECHO_CHARACTERS = 60


def words(message: TextMessage) -> str:
    """What was typed, without the spaces and full stops around it."""
    return message.content.strip().strip("。.!！~ ").casefold()


def asks_help(message: TextMessage) -> bool:
    """Help, in either language."""
    return words(message) in HELP


def asks_ping(message: TextMessage) -> bool:
    """Whether the bot is there."""
    return words(message) in PING


def help_text() -> str:
    """What can be asked."""
    return "\n".join(
        (
            _("I can answer these:"),
            _("· help – this list"),
            *help_lines(),
            _("· ping – whether I am here"),
            _("· script too expensive – what to say to a customer; add “for Ms Li” to have it filled in"),
            _("· write a message to Ms Li about her appointment – a draft from the library"),
            _("· my todos – then: 3 for reason and words, done 3 booked, postpone 3 to Friday, why 3, overdue"),
            _("· tag Ms Li as high intent – also: untag, who tagged Ms Li, undo"),
            _("· Ms Li wants no more messages; Ms Wang complained about …; note about Ms Li …"),
            _("· offers; give Ms Li the offer …; Ms Li used the offer …; what offers has Ms Li"),
            _("· I am off tomorrow, Xiao Chen stands in; lost customers"),
            _("· undo – takes back your last tag, to-do or note; fewer messages, mornings only, all messages"),
            _("· leaders: overdue, nudge Xiao Wang, give Ms Li's to-do to Xiao Wang, ask Xiao Wang to contact Ms Li"),
            _("New customers are greeted for you; I tell you when a customer is shared with a colleague."),
        )
    )


@router.on(TextMessage, when=asks_help)
def helped(message: TextMessage, ctx: Context) -> None:
    """What can be asked."""
    with speaking(language_of(message.content, ctx.settings.language)):
        reply(message.userid, help_text(), ctx)


@router.on(TextMessage, when=asks_ping)
def pinged(message: TextMessage, ctx: Context) -> None:
    """I am here."""
    with speaking(language_of(message.content, ctx.settings.language)):
        reply(message.userid, _("I am here."), ctx)


@router.on(TextMessage)
def not_understood(message: TextMessage, ctx: Context) -> None:
    """Say what was read, and what can be asked."""
    with speaking(language_of(message.content, ctx.settings.language)):
        reply(message.userid, cannot_answer(message.content), ctx)


def cannot_answer(typed: str) -> str:
    """What was read, and what can be asked instead."""
    quoted = typed.strip()[:ECHO_CHARACTERS]
    text = _("I cannot answer “{words}” yet.").format(words=quoted)
    return f"{text}\n{help_text()}"


@router.on(Message)
def not_text(message: Message, ctx: Context) -> None:
    """Pictures, voices, places: say that only text is read."""
    with speaking(ctx.settings.language):
        text = _("I can only read text so far.")
        reply(message.userid, f"{text}\n{help_text()}", ctx)


@router.on(MenuClicked, when=lambda click: click.key.casefold() in HELP)
def menu_help(click: MenuClicked, ctx: Context) -> None:
    """The menu's help button."""
    with speaking(ctx.settings.language):
        reply(click.userid, help_text(), ctx)


@router.on(MenuClicked)
def menu_unknown(click: MenuClicked, ctx: Context) -> None:
    """A button of a menu somebody else made."""
    with speaking(ctx.settings.language):
        text = _("This button leads nowhere yet.")
        reply(click.userid, f"{text}\n{help_text()}", ctx)


@router.on(CardEvent)
def card_pressed(event: CardEvent, ctx: Context) -> None:
    """A press on a card nobody answers for: grey it, so that it is not pressed again."""
    with speaking(ctx.settings.language):
        if event.response_code:
            update = {"button": {"replace_name": _("Noted")}}
            update_card(ctx.session, event.userid, event.response_code, update, cause=str(ctx.event_id), now=ctx.now)
        reply(event.userid, _("This card is out of date; ask again for a fresh one."), ctx)


def reply(userid: str, text: str, ctx: Context) -> None:
    """Answer the event at hand."""
    say(ctx.session, userid, text, cause=str(ctx.event_id), now=ctx.now)
