"""Names that fit several, whatever is said about them: ask which one is meant, then do what was said."""

from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlmodel import Session

from assistant.conversation import reply
from assistant.people import Asker
from assistant.questions import question_from
from assistant.which import PREFIX, WHICH, Asking, ask, open_question, picked
from bot.jobs import Job
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.links import Links
from bot.outbox import CardCode, say, update_card
from bot.router import Context, Router
from bot.wecom.events import CardClicked, Incoming, TextMessage, read
from contacts.choices import WhichOne, settling


def dispatch(router: Router, event: Incoming, ctx: Context) -> bool:
    """Let the router's handler take the event; False when there is none.

    A handler that stops with `WhichOne` is run again with the same message when its member has chosen.
    """
    if isinstance(event, CardClicked) and event.key.startswith(PREFIX):
        pressed(router, event, ctx)
        return True
    if isinstance(event, TextMessage):
        asker = asker_of(event.userid, ctx)
        waiting = open_question(ctx.session, asker)
        reference = picked(ctx.session, asker, waiting, event.content) if waiting else None
        if waiting and reference and settle(router, waiting.asking, reference, event.userid, ctx):
            return True
        return handled(router, event, Asking(e=ctx.event_id, k="", c=f"{ctx.event_id}:{WHICH}"), ctx)
    return router.dispatch(event, ctx)


def asker_of(userid: str, ctx: Context) -> Asker:
    """Who asks, for the assistant."""
    return Asker(userid, ctx.now, ZoneInfo(ctx.settings.timezone), Links(ctx.settings))


def handled(router: Router, message: TextMessage, asking: Asking, ctx: Context) -> bool:
    """Let the handler take a message, with the names settled so far."""
    with speaking(language_of(message.content, ctx.settings.language)):
        asker = asker_of(message.userid, ctx)
        try:
            with settling(asking.settled):
                if not asking.questions:
                    return router.dispatch(message, ctx)
                questions = [one for one in (question_from(*given) for given in asking.questions) if one]
                reply(ctx.session, asker, questions, cause=str(ctx.event_id))
        except WhichOne as which:
            ask(ctx.session, asker, which, asking.model_copy(update={"key": which.key}))
    return True


def pressed(router: Router, event: CardClicked, ctx: Context) -> None:
    """One was chosen on the card: do what was asked, once."""
    try:
        asking = Asking.model_validate_json(event.key.removeprefix(PREFIX))
    except ValidationError:
        return
    open_question(ctx.session, asker_of(event.userid, ctx))
    reference = next(iter(event.selected.get(WHICH, ())), "")
    code = event.response_code
    if not reference or not settle(router, asking, reference, event.userid, ctx, response_code=code):
        with speaking(ctx.settings.language):
            text = _("This card is out of date; ask again for a fresh one.")
            say(ctx.session, event.userid, text, cause=str(ctx.event_id), now=ctx.now)


def settle(
    router: Router, asking: Asking, reference: str, userid: str, ctx: Context, *, response_code: str | None = None
) -> bool:
    """Do what was asked with the one that was chosen; False where it is done already, or forgotten."""
    message = message_of(ctx.session, asking.event_id)
    if message is None or message.userid != userid:
        return False
    code = response_code or code_of(ctx.session, asking.cause)
    with speaking(language_of(message.content, ctx.settings.language)):
        update = {"button": {"replace_name": _("Done")}}
    if code and not update_card(ctx.session, userid, code, update, cause=asking.cause, now=ctx.now):
        return False
    known = asking.settled | {asking.key: reference}
    return handled(router, message, asking.model_copy(
        update={"settled": known, "cause": f"{ctx.event_id}:{WHICH}"}
    ), ctx)  # fmt: skip


def message_of(session: Session, event_id: int) -> TextMessage | None:
    """What a member typed, from its event; None where it is no longer kept."""
    job = session.get(Job, event_id)
    event = read(job.payload) if job and job.payload else None
    return event if isinstance(event, TextMessage) else None


def code_of(session: Session, cause: str) -> str | None:
    """The code with which a card that nobody pressed is closed; None where it is not delivered yet."""
    known = session.get(CardCode, cause)
    return known.code if known else None
