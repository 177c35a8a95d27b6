"""撤销: the asker's last own change of the last ten minutes is taken back: tag, to-do, note, or whose an order is."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from contacts.facts import Note
from contacts.models import Customer
from contacts.tag_lookup import UNDO_MINUTES, last_change, undo_last
from handlers.tag_words import UNDO, said
from handlers.tagging import name_of, shown
from kpi.decisions import last_decision
from kpi.decisions import take_back as take_decision_back
from sop.card_refresh import list_changed
from sop.sops import OPEN, Todo
from sop.todo_log import last_act, take_back

router = Router()


def asks_undo(message: TextMessage) -> bool:
    """撤销, undo."""
    words = said(message.content)
    return words is not None and words.act == UNDO


@router.on(TextMessage, when=asks_undo)
def undone(message: TextMessage, ctx: Context) -> None:
    """Take the last change back, and say which it was."""
    with speaking(language_of(message.content, ctx.settings.language)):
        say(ctx.session, message.userid, undo(message.userid, ctx), cause=str(ctx.event_id), now=ctx.now)


def undo(userid: str, ctx: Context) -> str:
    """The latest of what can be taken back."""
    session = ctx.session
    tag, note = last_change(session, userid, ctx.now), last_note(session, userid, ctx.now)
    todos = last_act(session, userid, ctx.now)
    decision = last_decision(session, userid, ctx.now)
    times = {
        "tag": tag and tag.at, "note": note and note.at, "todo": todos[0].at if todos else None,
        "decision": decision and decision.at,
    }  # fmt: skip
    known = {kind: at for kind, at in times.items() if at}
    latest = max(known, key=lambda kind: known[kind], default="")
    if latest == "todo":
        today = ctx.now.astimezone(ZoneInfo(ctx.settings.timezone)).date()
        back = take_back(session, todos, ctx.now)
        for whose in {one.userid for one in back}:
            list_changed(session, whose, today, ctx.now)
        return _("Taken back: {todos}").format(todos=_(", ").join(one_todo(session, one) for one in back))
    if latest == "note" and note:
        return forget(session, note)
    if latest == "decision" and decision:
        take_decision_back(session, decision, ctx.now)
        return _("Taken back: order #{number} is whose it was.").format(number=decision.order_id)
    taken = undo_last(session, userid, ctx.now)
    if taken is None:
        return _("There is nothing to take back: I can undo your own tags, to-dos and notes of the last 10 minutes.")
    pair, changed = taken
    return _("Taken back. {name}: {changes}").format(name=name_of(session, pair), changes=shown(changed))


def one_todo(session: Session, todo: Todo) -> str:
    """3 李女士 · 生日前15天问候."""
    customer = session.get(Customer, todo.customer_id)
    number = f"{todo.number} " if todo.number else ""
    return f"{number}{customer.name if customer else ''} · {todo.title}"


def last_note(session: Session, userid: str, now: datetime) -> Note | None:
    """What the member last noted, within ten minutes."""
    recent = (Note.userid == userid, col(Note.at) >= now - timedelta(minutes=UNDO_MINUTES))
    return session.exec(select(Note).where(*recent).order_by(col(Note.id).desc())).first()


def forget(session: Session, note: Note) -> str:
    """Remove a note, and what it would have reminded of."""
    made = select(Todo).where(Todo.note_id == note.id, Todo.state == OPEN)
    for todo in session.exec(made).all():
        session.delete(todo)
    session.delete(note)
    return _("Taken back: the note “{text}”.").format(text=note.text)
