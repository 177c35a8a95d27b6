"""What rules made during the day is told to its members, once the morning's cards are out."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from bot.jobs import DEAD, DONE, Job, Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from sop.calendar import evening
from sop.digest import DIGEST, lists_of


def announcer(zone: ZoneInfo, language: str) -> Callable[[Session, date, datetime], None]:
    """What is done after rules made to-dos during the day."""

    def tell(session: Session, today: date, now: datetime) -> None:
        with speaking(language):
            announce(session, today, now, zone)

    return tell


def cards_are_out(session: Session, today: date) -> bool:
    """Whether the morning's cards were written: until then what is new goes onto them."""
    state = session.scalar(select(col(Job.state)).where(col(Job.key) == f"cron:{DIGEST}:{today:%Y-%m-%d}"))
    return state in {DONE, DEAD}


def announce(session: Session, today: date, now: datetime, zone: ZoneInfo) -> None:
    """After the morning's cards: one line to each member whose list grew during the day."""
    if not cards_are_out(session, today):
        return
    for userid, new in lists_of(session, today, new=True).items():
        lines = [f"{item.todo.number} {item.customer} · {item.todo.title}" for item in new]
        text = "\n".join(
            (_("New for today:"), *lines, _("“{number}” shows reason and words.").format(number=new[0].todo.number))
        )
        # The to-do's next owner is told too.
        cause = f"todo:{new[0].todo.id}:{userid}"
        # Too late or beyond her share it is dropped: it stands on the list whenever she asks.
        given = {"priority": Priority.PUSH, "lane": f"push:{userid}", "deadline": evening(today, zone)}
        say(session, userid, text, cause=cause, now=now, **given)
        for item in new:
            item.todo.pushed_at = now
            session.add(item.todo)
